/* fuzz_checkpoint.c - a manifest and a pointer: what is accepted names whole, ordinary files. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "model/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_manifest manifest;

    if (ct_manifest_parse(&manifest, data, size, "fuzz") != CSCTRL_OK)
        FUZZ_CHECK(csctrl_last_error()[0] != '\0');
    char *text = malloc(size + 1); /* a file read whole ends in a zero byte */
    FUZZ_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (ct_pointer_parse(text, size, "fuzz") == CSCTRL_OK) {
        const size_t length = strlen(text);
        FUZZ_CHECK(length > 0 && length <= size && memcmp(text, data, length) == 0);
        FUZZ_CHECK(text[0] != '.' && strpbrk(text, "/\n") == NULL);
    }
    free(text);
    return 0;
}
