/* fuzz_image.c - JPEG and PNG to a model's input; the size and channels come from the input too. */
#include "fuzz.h"
#include "io/pixels.h"

enum { SIDE_MAX = 33 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t planes[3 * SIDE_MAX * SIDE_MAX];
    const uint8_t last = size > 0 ? data[size - 1] : 0;
    const int channels = last & 1 ? 3 : 1, side = 1 + (last >> 1) % SIDE_MAX;
    ct_pixels pixels;

    if (ct_pixels_decode(data, size, "fuzz", channels, last & 2 ? side : 0, &pixels) != CSCTRL_OK) {
        FUZZ_CHECK(pixels.data == NULL && csctrl_last_error()[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(pixels.width > 0 && pixels.height > 0 && pixels.channels == channels);
    FUZZ_CHECK(pixels.width <= CT_PIXELS_MAX / pixels.height);
    FUZZ_CHECK(ct_pixels_fit(&pixels, side, planes) == CSCTRL_OK);
    ct_pixels_free(&pixels);
    return 0;
}
