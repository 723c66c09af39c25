/* fuzz_idx.c - IDX files of images and of labels: what is accepted has exactly the size it says. */
#include "data/idx.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int dimensions[] = {1, 3};

    for (int i = 0; i < 2; i++) {
        ct_idx idx;
        if (ct_idx_parse(data, size, "fuzz", dimensions[i], &idx) != CSCTRL_OK) {
            FUZZ_CHECK(csctrl_last_error()[0] != '\0');
            continue;
        }
        FUZZ_CHECK(idx.shape[0] > 0 && idx.shape[1] > 0 && idx.shape[2] > 0);
        FUZZ_CHECK(idx.bytes == size);
        FUZZ_CHECK((uint64_t)(idx.shape[0] * idx.shape[1] * idx.shape[2]) == size - idx.header);
    }
    return 0;
}
