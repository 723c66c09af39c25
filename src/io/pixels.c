/* pixels.c - from file contents to a model's input: format by magic bytes, channels, crop, size. */
#include "io/pixels.h"

#include <string.h>

#include "base/mem.h"
#include "io/decode.h"
#include "io/resample.h"

void ct_pixels_free(ct_pixels *pixels)
{
    ct_free(pixels->data);
    *pixels = (ct_pixels){0};
}

csctrl_status ct_pixels_check_size(const char *name, uint64_t width, uint64_t height)
{
    if (width == 0 || height == 0)
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected an image, found %llu x %llu pixels", name,
                       (unsigned long long)width, (unsigned long long)height);
    if (width > CT_PIXELS_MAX / height)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "%s: expected at most %d pixels, found %llu x %llu; make the image smaller",
                       name, CT_PIXELS_MAX, (unsigned long long)width, (unsigned long long)height);
    return CSCTRL_OK;
}

csctrl_status ct_pixels_decode(const void *data, size_t size, const char *name,
                               const ct_decoding *how, ct_pixels *out)
{
    static const unsigned char jpeg[] = {0xFF, 0xD8, 0xFF}, png[] = {0x89, 'P', 'N', 'G'};

    const int channels = how->channels;

    *out = (ct_pixels){0};
    if (channels != 1 && channels != 3)
        return ct_fail(CSCTRL_E_INVALID, "%s: expected 1 or 3 channels to be asked for, found %d",
                       name, channels);
    if (size >= sizeof jpeg && memcmp(data, jpeg, sizeof jpeg) == 0)
        return ct_jpeg_decode(data, size, name, how, out);
    if (size >= sizeof png && memcmp(data, png, sizeof png) == 0)
        return ct_png_decode(data, size, name, channels, out);
    return ct_fail(CSCTRL_E_UNSUPPORTED, "%s: expected a JPEG or PNG image, found %s", name,
                   size == 0 ? "an empty file" : "something else");
}

/* Rec. 601 luma with 16-bit weights that add up to 65536. */
static uint8_t luma(const uint8_t rgb[3])
{
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

static void convert_pixel(const uint8_t *raw, int raw_channels, int channels, uint8_t *out)
{
    const bool colour = raw_channels >= 3;
    uint8_t rgb[3] = {raw[0], raw[colour ? 1 : 0], raw[colour ? 2 : 0]};

    if (raw_channels == 2 || raw_channels == 4)
        for (int i = 0; i < 3; i++)
            rgb[i] = (uint8_t)((rgb[i] * raw[raw_channels - 1] + 127) / 255);
    if (channels == 3)
        memcpy(out, rgb, 3);
    else
        out[0] = colour ? luma(rgb) : rgb[0];
}

csctrl_status ct_pixels_convert(const uint8_t *raw, int width, int height, int raw_channels,
                                int channels, ct_pixels *out)
{
    const size_t count = (size_t)width * (size_t)height;
    uint8_t *data = ct_alloc(count * (size_t)channels);

    if (data == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        convert_pixel(raw + i * (size_t)raw_channels, raw_channels, channels,
                      data + i * (size_t)channels);
    *out = (ct_pixels){.width = width, .height = height, .channels = channels, .data = data};
    return CSCTRL_OK;
}

struct ct_fitter {
    ct_resampler resampler;
};

csctrl_status ct_fitter_create(ct_fitter **out)
{
    *out = ct_calloc(1, sizeof **out);
    return *out != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

void ct_fitter_destroy(ct_fitter **fitter)
{
    if (*fitter == NULL)
        return;
    ct_resampler_free(&(*fitter)->resampler);
    ct_free(*fitter);
    *fitter = NULL;
}

ct_middle ct_pixels_middle(int length, int side, int by)
{
    const int start = (length - side) / 2;

    return (ct_middle){.start = (double)(start % by) / by,
                       .first = start / by,
                       .end = (start + side + by - 1) / by};
}

/* The centre square of the image in the file, and the pixels that it touches. */
static ct_region centre_square(const ct_pixels *p)
{
    const int by = p->reduction > 1 ? p->reduction : 1;
    const int width = p->full_width > 0 ? p->full_width : p->width;
    const int height = p->full_height > 0 ? p->full_height : p->height;
    const int side = width < height ? width : height;
    const ct_middle across = ct_pixels_middle(width, side, by);
    const ct_middle down = ct_pixels_middle(height, side, by);
    const size_t channels = (size_t)p->channels, stride = (size_t)p->width * channels;

    return (ct_region){.data = p->data + (size_t)(down.first - p->top) * stride +
                               (size_t)(across.first - p->left) * channels,
                       .width = across.end - across.first,
                       .height = down.end - down.first,
                       .channels = p->channels,
                       .stride = stride,
                       .left = across.start,
                       .top = down.start,
                       .side = (double)side / by};
}

csctrl_status ct_fitter_run(ct_fitter *fitter, const ct_pixels *pixels, int size, uint8_t *planes)
{
    const ct_region square = centre_square(pixels);

    return ct_resampler_run(&fitter->resampler, &square, size, planes);
}

csctrl_status ct_pixels_fit(const ct_pixels *pixels, int size, uint8_t *planes)
{
    ct_fitter fitter = {0};
    const csctrl_status status = ct_fitter_run(&fitter, pixels, size, planes);

    ct_resampler_free(&fitter.resampler);
    return status;
}

void ct_pixels_normalise(const uint8_t *planes, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = ct_tensor_pixel(planes[i]);
}
