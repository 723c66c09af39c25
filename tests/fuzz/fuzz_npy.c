/* fuzz_npy.c - the elements of an accepted header are exactly the rest of the file. */
#include "fuzz.h"
#include "io/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ct_tensor t;
    size_t offset;

    if (ct_npy_parse(data, size, "fuzz", &t, &offset) != CSCTRL_OK) {
        FUZZ_CHECK(csctrl_last_error()[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(t.ndim >= 0 && t.ndim <= CSCTRL_MAX_DIMS);
    for (int i = 0; i < t.ndim; i++)
        FUZZ_CHECK(t.shape[i] >= 0);
    FUZZ_CHECK(offset <= size && ct_tensor_bytes(&t) == size - offset);
    return 0;
}
