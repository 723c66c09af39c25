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

/* ---- the two passes. Both loops over pixels are wide: the horizontal one takes four values from a
 * pixel on, whatever the channels, and those past its channels are overwritten by the next pixel.
 */

enum { LANES = 4 };
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE void round_off(const int32_t *sum, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t value = sum[i] >> PRECISION;
        out[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

/* A row: sum[x] = sum_t weight[x][t] * in[first[x] + t]. */
INLINE void filter_across(const kernel *k, const uint8_t *in, size_t channels, int32_t *wide,
                          int32_t *sum, uint8_t *out)
{
    for (size_t i = 0; i < (size_t)k->in * channels; i++)
        wide[i] = in[i];
    for (size_t x = 0; x < (size_t)k->out; x++) {
        const int32_t *from = wide + (size_t)k->first[x] * channels;
        const int32_t *weight = k->weight + x * (size_t)k->taps;
        lanes total = (lanes){0} + (1 << (PRECISION - 1));
        for (int t = 0; t < k->count[x]; t++)
            total += *(const lanes *)(from + (size_t)t * channels) * weight[t];
        *(lanes *)(sum + x * channels) = total;
    }
    round_off(sum, (size_t)k->out * channels, out);
}

/* Row y of the output: sum = sum_t weight[y][t] * in[first[y] + t]. */
INLINE void filter_down(const kernel *k, size_t y, const uint8_t *in, size_t row, int32_t *sum,
                        uint8_t *out)
{
    const int32_t *weight = k->weight + y * (size_t)k->taps;

    for (size_t i = 0; i < row; i++)
        sum[i] = 1 << (PRECISION - 1);
    for (int t = 0; t < k->count[y]; t++) {
        const uint8_t *from = in + (size_t)(k->first[y] + t) * row;
        for (size_t i = 0; i < row; i++)
            sum[i] += from[i] * weight[t];
    }
    round_off(sum, row, out);
}

INLINE void filter(const ct_resampler *r, const ct_region *in, uint8_t *out)
{
    const size_t channels = (size_t)in->channels, row = (size_t)r->across.out * channels;

    for (size_t y = 0; y < (size_t)r->down.in; y++)
        filter_across(&r->across, in->data + y * in->stride, channels, r->wide, r->sum,
                      r->narrow + y * row);
    for (size_t y = 0; y < (size_t)r->down.out; y++)
        filter_down(&r->down, y, r->narrow, row, r->sum, out + y * row);
}

#if defined(__x86_64__)
/* Integers: the same result, with the multiplication of 32-bit lanes that SSE2 lacks. */
__attribute__((target("avx2"))) static void filter_avx2(const ct_resampler *r, const ct_region *in,
                                                        uint8_t *out)
{
    filter(r, in, out);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static bool has_avx2(void)
{
    return false;
}
#define filter_avx2 filter
#endif

/* Memory for an image of `height` rows to become `row` values wide, from `wide`. */
static csctrl_status make_room(ct_resampler *r, size_t wide, size_t row, size_t height)
{
    const size_t sums = wide + row + 2 * LANES; /* the last pixel's lanes end behind the row */
    const size_t needed = sums * sizeof(int32_t) + row * height;

    if (r->wide == NULL || needed > r->room) {
        ct_free(r->wide);
        r->wide = ct_alloc(needed);
        if (r->wide == NULL)
            return CSCTRL_E_NOMEM;
        r->room = needed;
    }
    memset(r->wide + wide, 0, LANES * sizeof(int32_t));
    r->sum = r->wide + wide + LANES;
    r->narrow = (uint8_t *)(r->wide + sums);
    return CSCTRL_OK;
}

csctrl_status ct_resampler_run(ct_resampler *resampler, const ct_region *in, int width, int height,
                               uint8_t *out)
{
    const size_t channels = (size_t)in->channels, row = (size_t)width * channels;

    if (in->width == width && in->height == height) { /* the filter is 1 at 0 and 0 elsewhere */
        for (int y = 0; y < height; y++)
            memcpy(out + (size_t)y * row, in->data + (size_t)y * in->stride, row);
        return CSCTRL_OK;
    }
    CT_TRY(kernel_make(&resampler->across, in->width, width));
    CT_TRY(kernel_make(&resampler->down, in->height, height));
    CT_TRY(make_room(resampler, (size_t)in->width * channels, row, (size_t)in->height));
    (has_avx2() ? filter_avx2 : filter)(resampler, in, out);
    return CSCTRL_OK;
}

void ct_resampler_free(ct_resampler *resampler)
{
    kernel_free(&resampler->across);
    kernel_free(&resampler->down);
    ct_free(resampler->wide);
    *resampler = (ct_resampler){0};
}
