/* fuzz_npz.c - what is read from a zip of arrays is whole, and nothing is left behind on failure.
 */
#include "csctrl/npy.h"
#include "fuzz.h"
#include "io/npz.h"

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_npz_item items[] = {{.name = "mu"}, {.name = "sigma"}, {.name = "count", .optional = true}};

    if (ct_npz_parse(data, size, "fuzz", items, 3) != CSCTRL_OK) {
        FUZZ_CHECK(csctrl_last_error()[0] != '\0');
        for (int i = 0; i < 3; i++)
            FUZZ_CHECK(items[i].value.data == NULL);
        return 0;
    }
    FUZZ_CHECK(items[0].value.data != NULL && items[1].value.data != NULL);
    for (int i = 0; i < 3; i++) {
        const uint8_t *bytes = items[i].value.data;
        for (size_t j = 0; bytes != NULL && j < ct_tensor_bytes(&items[i].value); j++)
            sink = bytes[j]; /* a sanitiser sees a byte that is not there */
        csctrl_npy_free(&items[i].value);
    }
    return 0;
}
