/* inception_input.c - an image at the size and in the range of the Inception network: as clean-fid
 * does it (Parmar, Zhang, Zhu 2022) or as pytorch-fid does. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "csctrl/score.h"
#include "io/resample.h"
#include "tensor/tensor.h"

enum { SIDE = CSCTRL_INCEPTION_SIDE };

/* ---- clean-fid: Pillow's BICUBIC in mode F: each pass sums in double and keeps floats */

/* Along one axis: out[o, i] = sum of weights over in[p, i], for `lines` values i that are `step`
 * apart in both; pixels are in_step and out_step apart. */
static csctrl_status resample(const float *in, int pixels, size_t in_step, float *out,
                              size_t out_step, int lines, size_t in_line, size_t out_line)
{
    const double scale = (double)pixels / SIDE;
    double *weights = ct_calloc((size_t)ct_resample_taps(scale), sizeof *weights);

    if (weights == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t o = 0; o < SIDE; o++) {
        int first;
        const int count = ct_resample_weights(pixels, 0, scale, (int)o, &first, weights);
        for (size_t i = 0; i < (size_t)lines; i++) {
            const float *from = in + (size_t)first * in_step + i * in_line;
            double sum = 0;
            for (size_t t = 0; t < (size_t)count; t++)
                sum += (double)from[t * in_step] * weights[t];
            out[o * out_step + i * out_line] = (float)sum;
        }
    }
    ct_free(weights);
    return CSCTRL_OK;
}

/* across: [h, SIDE] */
static csctrl_status clean_plane(const float *plane, int h, int w, float *across, float *out)
{
    CT_TRY(resample(plane, w, 1, across, 1, h, (size_t)w, SIDE));
    CT_TRY(resample(across, h, SIDE, out, SIDE, SIDE, 1, 1));
    for (int i = 0; i < SIDE * SIDE; i++)
        out[i] = (fminf(fmaxf(out[i], 0), 255) - 128) / 128;
    return CSCTRL_OK;
}

/* ---- pytorch-fid: torch's bilinear interpolation, corners not aligned, of values in [0, 1] */

static float position_of(int at, int pixels)
{
    const float scale = (float)pixels / SIDE, x = ((float)at + 0.5F) * scale - 0.5F;

    return x < 0 ? 0 : x;
}

static void bilinear_plane(const float *plane, int h, int w, float *out)
{
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            const float y = position_of(r, h), x = position_of(c, w);
            const int top = (int)y < h - 1 ? (int)y : h - 1, left = (int)x < w - 1 ? (int)x : w - 1;
            const int below = top < h - 1 ? w : 0, beside = left < w - 1 ? 1 : 0;
            const float v = y - (float)top, u = x - (float)left;
            const float *at = plane + (size_t)top * (size_t)w + left;
            const float value = (1 - v) * ((1 - u) * at[0] + u * at[beside]) +
                                v * ((1 - u) * at[below] + u * at[below + beside]);
            *out++ = 2 * (value / 255) - 1;
        }
}

/* ---- */

/* Plane c of an image, values 0..255. */
static void load_plane(const ct_tensor *image, int64_t c, float *plane)
{
    const int64_t count = image->shape[1] * image->shape[2];

    for (int64_t i = 0; i < count; i++) {
        if (image->dtype == CSCTRL_U8) {
            plane[i] = ((const uint8_t *)image->data)[c * count + i];
            continue;
        }
        /* As csctrl_image_write() rounds. */
        const float value = (((const float *)image->data)[c * count + i] + 1.0F) * 127.5F;
        plane[i] = value >= 255 ? 255 : value > 0 ? floorf(value + 0.5F) : 0;
    }
}

static csctrl_status expect_image(const ct_tensor *image)
{
    const csctrl_dtype dtype = image->dtype == CSCTRL_U8 ? CSCTRL_U8 : CSCTRL_F32;

    CT_TRY(ct_tensor_expect(image, "image", dtype, 3, (const int64_t[]){-1, -1, -1}));
    if ((image->shape[0] != 1 && image->shape[0] != 3) || image->shape[1] < 1 ||
        image->shape[2] < 1 || image->shape[1] > INT32_MAX / image->shape[2]) {
        char have[96];
        return ct_fail(CSCTRL_E_SHAPE, "image: expected 1 or 3 channels of pixels, found %s",
                       ct_tensor_text(image, have));
    }
    return CSCTRL_OK;
}

csctrl_status csctrl_inception_prepare(const csctrl_tensor *image, csctrl_resize resize,
                                       csctrl_tensor *input)
{
    CT_TRY(expect_image(image));
    CT_TRY(ct_tensor_expect(input, "Inception's input", CSCTRL_F32, 3,
                            (const int64_t[]){3, SIDE, SIDE}));
    if (resize != CSCTRL_RESIZE_CLEAN && resize != CSCTRL_RESIZE_PYTORCH)
        return ct_fail(CSCTRL_E_INVALID, "Inception: no such way to resize: %d", (int)resize);
    const int h = (int)image->shape[1], w = (int)image->shape[2];
    float *plane = ct_alloc((size_t)h * (size_t)w * sizeof *plane);
    float *across = ct_alloc((size_t)h * SIDE * sizeof *across);
    csctrl_status st;

    CT_GOTO(st, plane != NULL && across != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    for (int64_t c = 0; c < 3; c++) {
        float *out = (float *)input->data + c * SIDE * SIDE;
        if (c >= image->shape[0]) {
            memcpy(out, input->data, SIDE * SIDE * sizeof *out);
            continue;
        }
        load_plane(image, c, plane);
        if (resize == CSCTRL_RESIZE_PYTORCH)
            bilinear_plane(plane, h, w, out);
        else
            CT_GOTO(st, clean_plane(plane, h, w, across, out));
    }
done:
    ct_free(plane);
    ct_free(across);
    return st;
}
