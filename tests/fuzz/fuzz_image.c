/* fuzz_image.c - JPEG and PNG to a model's input; the size and channels come from the input too. */
#include <string.h>

#include "fuzz.h"
#include "io/pixels.h"

enum { SIDE_MAX = 33 };

/* Planes of the image, and true; or false when it is refused. */
static bool read_planes(const uint8_t *data, size_t size, const ct_decoding *how, int side,
                        uint8_t *planes)
{
    ct_pixels pixels;

    if (ct_pixels_decode(data, size, "fuzz", how, &pixels) != CSCTRL_OK) {
        FUZZ_CHECK(pixels.data == NULL && csctrl_last_error()[0] != '\0');
        return false;
    }
    FUZZ_CHECK(pixels.width > 0 && pixels.height > 0 && pixels.channels == how->channels);
    FUZZ_CHECK(pixels.width <= CT_PIXELS_MAX / pixels.height);
    FUZZ_CHECK(ct_pixels_fit(&pixels, side, planes) == CSCTRL_OK);
    ct_pixels_free(&pixels);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t planes[2][3 * SIDE_MAX * SIDE_MAX] = {0};
    const uint8_t last = size > 0 ? data[size - 1] : 0;
    const int channels = last & 1 ? 3 : 1, side = 1 + (last >> 1) % SIDE_MAX;
    ct_decoding how = {.channels = channels, .at_least = last & 2 ? side : 0};

    const bool whole = read_planes(data, size, &how, side, planes[0]);
    how.square = true;
    const bool square = read_planes(data, size, &how, side, planes[1]);
    FUZZ_CHECK(square || !whole);
    FUZZ_CHECK(!whole || memcmp(planes[0], planes[1], sizeof planes[0]) == 0);
    return 0;
}
