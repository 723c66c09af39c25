/* fuzz_cifar.c - records of CIFAR-10 and CIFAR-100, two files one after the other. */
#include "data/cifar.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int fine = 0; fine < 2; fine++) {
        ct_raw raw = {0};
        int64_t records = 0;
        for (int file = 0; file < 2; file++)
            if (ct_cifar_parse(data, size, "fuzz", fine, &raw) == CSCTRL_OK)
                records += (int64_t)(size / (size_t)(3073 + fine));
            else
                FUZZ_CHECK(csctrl_last_error()[0] != '\0');
        FUZZ_CHECK(raw.count == records);
        for (int64_t i = 0; i < raw.count; i++)
            FUZZ_CHECK(raw.labels[i] < (fine ? 100 : 10));
        ct_raw_free(&raw);
    }
    return 0;
}
