/* resample.c - separable cubic resampling in fixed point. */
#include "io/resample.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { PRECISION = 22 }; /* 32 bits less 8 of the pixel and 2 for weights outside [0, 1] */

typedef ct_resample_kernel kernel;

static void kernel_free(kernel *k)
{
    ct_free(k->first);
    ct_free(k->count);
    ct_free(k->weight);
    *k = (kernel){0};
}

static double keys(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static void fill_weights(kernel *k, int position, int in, double scale, double *real)
{
    const double filter_scale = scale < 1.0 ? 1.0 : scale, support = 2.0 * filter_scale;
    const double center = (position + 0.5) * scale;
    int first = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    double sum = 0.0;

    first = first < 0 ? 0 : first;
    last = last > in ? in : last;
    const int count = last - first;
    for (int i = 0; i < count; i++) {
        real[i] = keys((i + first - center + 0.5) * (1.0 / filter_scale));
        sum += real[i];
    }
    for (int i = 0; i < count; i++) {
        const double w = (sum != 0.0 ? real[i] / sum : real[i]) * (1 << PRECISION);
        k->weight[(size_t)position * (size_t)k->taps + (size_t)i] =
            (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
    }
    k->first[position] = first;
    k->count[position] = count;
}

/* Weights of every output position along one axis; nothing to do when the sizes are the same as
 * before. */
static csctrl_status kernel_make(kernel *k, int in, int out)
{
    const double scale = (double)in / out;

    if (k->weight != NULL && k->in == in && k->out == out)
        return CSCTRL_OK;
    kernel_free(k);
    k->in = in;
    k->out = out;
    k->taps = (int)ceil(2.0 * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
    k->first = ct_alloc((size_t)out * sizeof *k->first);
    k->count = ct_alloc((size_t)out * sizeof *k->count);
    k->weight = ct_calloc((size_t)out * (size_t)k->taps, sizeof *k->weight);
    double *real = ct_alloc((size_t)k->taps * sizeof *real);
    const bool ok = k->first != NULL && k->count != NULL && k->weight != NULL && real != NULL;
    for (int i = 0; ok && i < out; i++)
        fill_weights(k, i, in, scale, real);
    ct_free(real);
    if (!ok)
        kernel_free(k);
    return ok ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static uint8_t round_off(int32_t sum)
{
    const int32_t value = sum >> PRECISION;

    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One output row or pixel run: out[i] = sum_t weight[t] * in[t * step + i]. */
static void accumulate(const uint8_t *in, size_t step, const int32_t *weight, int count, size_t run,
                       uint8_t *out)
{
    for (size_t i = 0; i < run; i++) {
        int32_t sum = 1 << (PRECISION - 1);
        for (int t = 0; t < count; t++)
            sum += in[(size_t)t * step + i] * weight[t];
        out[i] = round_off(sum);
    }
}

csctrl_status ct_resampler_run(ct_resampler *resampler, const ct_region *in, int width, int height,
                               uint8_t *out)
{
    const size_t channels = (size_t)in->channels, row = (size_t)width * channels;
    const size_t needed = row * (size_t)in->height;
    kernel *across = &resampler->across, *down = &resampler->down;

    if (in->width == width && in->height == height) { /* the filter is 1 at 0 and 0 elsewhere */
        for (int y = 0; y < height; y++)
            memcpy(out + (size_t)y * row, in->data + (size_t)y * in->stride, row);
        return CSCTRL_OK;
    }
    CT_TRY(kernel_make(across, in->width, width));
    CT_TRY(kernel_make(down, in->height, height));
    if (resampler->narrow == NULL || needed > resampler->room) {
        ct_free(resampler->narrow);
        resampler->narrow = ct_alloc(needed);
        if (resampler->narrow == NULL)
            return CSCTRL_E_NOMEM;
        resampler->room = needed;
    }
    uint8_t *narrow = resampler->narrow;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < width; x++)
            accumulate(in->data + (size_t)y * in->stride + (size_t)across->first[x] * channels,
                       channels, across->weight + (size_t)x * (size_t)across->taps,
                       across->count[x], channels, narrow + (size_t)y * row + (size_t)x * channels);
    for (int y = 0; y < height; y++)
        accumulate(narrow + (size_t)down->first[y] * row, row,
                   down->weight + (size_t)y * (size_t)down->taps, down->count[y], row,
                   out + (size_t)y * row);
    return CSCTRL_OK;
}

void ct_resampler_free(ct_resampler *resampler)
{
    kernel_free(&resampler->across);
    kernel_free(&resampler->down);
    ct_free(resampler->narrow);
    *resampler = (ct_resampler){0};
}
