/* no_images.c - in the place of jpeg.c and png.c where the library is built without images. */
#include "io/decode.h"

static csctrl_status not_built(const char *what)
{
    return ct_fail(CSCTRL_E_UNSUPPORTED,
                   "%s: this csctrl was built without images: build with CSCTRL_WITH_IMAGES=ON",
                   what);
}

csctrl_status ct_jpeg_decode(const void *data, size_t size, const char *name,
                             const ct_decoding *how, ct_pixels *out)
{
    (void)data;
    (void)size;
    (void)how;
    (void)out;
    return not_built(name);
}

csctrl_status ct_png_decode(const void *data, size_t size, const char *name, int channels,
                            ct_pixels *out)
{
    (void)data;
    (void)size;
    (void)channels;
    (void)out;
    return not_built(name);
}

csctrl_status ct_pixels_encode_png(const ct_pixels *pixels, uint8_t **data, size_t *size)
{
    (void)pixels;
    *data = NULL;
    *size = 0;
    return not_built("PNG");
}

void ct_images_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    fact(user, "images", "not built (CSCTRL_WITH_IMAGES=OFF)");
}
