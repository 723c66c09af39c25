/* fuzz_safetensors.c - every tensor of an accepted file lies inside it and is aligned. */
#include <string.h>

#include "fuzz.h"
#include "io/safetensors.h"

static uint64_t touch(const ct_tensor *t)
{
    const unsigned char *bytes = t->data;
    uint64_t sum = 0;

    for (size_t i = 0; i < ct_tensor_bytes(t); i++)
        sum += bytes[i]; /* a sanitizer sees what is not in the file */
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_safetensors *file;
    uint64_t sum = 0;

    if (ct_safetensors_parse(&file, data, size, "fuzz") != CSCTRL_OK) {
        FUZZ_CHECK(file == NULL && csctrl_last_error()[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < ct_safetensors_count(file); i++) {
        const ct_tensor t = ct_safetensors_at(file, i);
        ct_tensor same;
        FUZZ_CHECK((uintptr_t)t.data % csctrl_dtype_size(t.dtype) == 0);
        FUZZ_CHECK(csctrl_tensor_count(&t) >= 0 && ct_tensor_bytes(&t) <= size);
        FUZZ_CHECK(ct_safetensors_find(file, ct_safetensors_name(file, i), &same) == CSCTRL_OK);
        FUZZ_CHECK(same.data == t.data);
        sum += touch(&t);
    }
    FUZZ_CHECK(sum <= 255 * (uint64_t)size);
    (void)ct_safetensors_metadata(file, "format");
    ct_safetensors_close(&file);
    return 0;
}
