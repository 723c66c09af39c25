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

int ct_resample_weights(int in, double start, double scale, int position, int *first,
                        double *weights)
{
    const double filter_scale = scale < 1.0 ? 1.0 : scale, support = 2.0 * filter_scale;
    const double center = start + (position + 0.5) * scale;
    int from = (int)(center - support + 0.5), last = (int)(center + support + 0.5);
    double sum = 0.0;

    from = from < 0 ? 0 : from;
    last = last > in ? in : last;
    for (int i = 0; i < last - from; i++) {
        weights[i] = keys((i + from - center + 0.5) * (1.0 / filter_scale));
        sum += weights[i];
    }
    for (int i = 0; i < last - from && sum != 0.0; i++)
        weights[i] /= sum;
    *first = from;
    return last - from;
}

int ct_resample_taps(double scale)
{
    return (int)ceil(2.0 * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
}

static void fill_weights(kernel *k, int position, double scale, double *real)
{
    int first;
    const int count = ct_resample_weights(k->in, k->start, scale, position, &first, real);

    for (int i = 0; i < count; i++) {
        const double w = real[i] * (1 << PRECISION);
        k->weight[(size_t)position * (size_t)k->taps + (size_t)i] =
            (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5);
    }
    k->first[position] = first;
    k->count[position] = count;
}

/* Weights of every output position along one axis of `in` pixels, from start to start + extent;
 * nothing to do when all is as before. */
static csctrl_status kernel_make(kernel *k, int in, double start, double extent, int out)
{
    const double scale = extent / out;

    if (k->weight != NULL && k->in == in && k->start == start && k->extent == extent &&
        k->out == out)
        return CSCTRL_OK;
    kernel_free(k);
    *k = (kernel){.in = in, .out = out, .start = start, .extent = extent};
    k->taps = ct_resample_taps(scale);
    k->first = ct_alloc((size_t)out * sizeof *k->first);
    k->count = ct_alloc((size_t)out * sizeof *k->count);
    k->weight = ct_calloc((size_t)out * (size_t)k->taps, sizeof *k->weight);
    double *real = ct_alloc((size_t)k->taps * sizeof *real);
    const bool ok = k->first != NULL && k->count != NULL && k->weight != NULL && real != NULL;
    for (int i = 0; ok && i < out; i++)
        fill_weights(k, i, scale, real);
    ct_free(real);
    if (!ok)
        kernel_free(k);
    return ok ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

/* ---- the two passes. Both loops over pixels are wide: the horizontal one takes four values from a
 * pixel on, whatever the channels, and those past its channels are overwritten by the next pixel.
 */

enum { LANES = 4, ROWS = 4, HALF = 1 << (PRECISION - 1) };
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE uint8_t round_off(int32_t sum)
{
    const int32_t value = sum >> PRECISION;

    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* ROWS rows at once, since weights are few and the loop over them is short:
 * out[x] = sum_t weight[x][t] * in[first[x] + t]. wide and sum are rows `room` apart. */
INLINE void filter_across(const ct_resampler *r, const ct_region *in, size_t y, int32_t *sum)
{
    const kernel *k = &r->across;
    const size_t channels = (size_t)in->channels, room = r->wide_room;
    const size_t last = (size_t)in->height - 1, row = (size_t)k->out * channels;
    const size_t width = (size_t)k->in * channels;

    for (size_t i = 0; i < ROWS; i++) {
        const uint8_t *from = in->data + (y + i < last ? y + i : last) * in->stride;
        int32_t *wide = r->wide + i * room;
        for (size_t j = 0; j < width; j++)
            wide[j] = from[j];
    }
    for (size_t x = 0; x < (size_t)k->out; x++) {
        const int32_t *from = r->wide + (size_t)k->first[x] * channels;
        const int32_t *weight = k->weight + x * (size_t)k->taps;
        lanes total[ROWS];
        for (int i = 0; i < ROWS; i++)
            total[i] = (lanes){0} + HALF;
        for (int t = 0; t < k->count[x]; t++, from += channels)
            for (size_t i = 0; i < ROWS; i++)
                total[i] += *(const lanes *)(from + i * room) * weight[t];
        for (size_t i = 0; i < ROWS; i++)
            *(lanes *)(sum + i * (row + LANES) + x * channels) = total[i];
    }
    for (size_t i = 0; i < ROWS && y + i <= last; i++, sum += row + LANES) {
        uint8_t *narrow = r->narrow + (y + i) * row;
        for (size_t j = 0; j < row; j++)
            narrow[j] = round_off(sum[j]);
    }
}

/* Row y of every plane: out = sum_t weight[y][t] * in[first[y] + t]. */
INLINE void filter_down(const ct_resampler *r, size_t channels, size_t y, int32_t *sum,
                        uint8_t *planes)
{
    const kernel *k = &r->down;
    const size_t size = (size_t)k->out, row = size * channels;
    const int32_t *weight = k->weight + y * (size_t)k->taps;

    for (size_t i = 0; i < row; i++)
        sum[i] = HALF;
    for (int t = 0; t < k->count[y]; t++) {
        const uint8_t *from = r->narrow + (size_t)(k->first[y] + t) * row;
        const int32_t w = weight[t];
        for (size_t i = 0; i < row; i++)
            sum[i] += from[i] * w;
    }
    for (size_t c = 0; c < channels; c++) {
        uint8_t *out = planes + (c * size + y) * size;
        for (size_t x = 0; x < size; x++)
            out[x] = round_off(sum[x * channels + c]);
    }
}

INLINE void filter(const ct_resampler *r, const ct_region *in, uint8_t *planes)
{
    for (size_t y = 0; y < (size_t)in->height; y += ROWS)
        filter_across(r, in, y, r->sum);
    for (size_t y = 0; y < (size_t)r->down.out; y++)
        filter_down(r, (size_t)in->channels, y, r->sum, planes);
}

#if defined(__x86_64__)
/* Integers: the same result, with the multiplication of 32-bit lanes that SSE2 lacks. */
__attribute__((target("avx2"))) static void filter_avx2(const ct_resampler *r, const ct_region *in,
                                                        uint8_t *planes)
{
    filter(r, in, planes);
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

/* Memory for `height` rows of `in` values that become rows of `out` values. */
static csctrl_status make_room(ct_resampler *r, size_t in, size_t out, size_t height)
{
    const size_t wide = in + LANES, sum = out + LANES; /* the last pixel's lanes end behind it */
    const size_t words = ROWS * (wide + sum), needed = words * sizeof(int32_t) + out * height;

    if (r->wide == NULL || needed > r->room) {
        ct_free(r->wide);
        r->wide = ct_alloc(needed);
        if (r->wide == NULL)
            return CSCTRL_E_NOMEM;
        r->room = needed;
    }
    r->wide_room = wide;
    for (size_t i = 1; i <= ROWS; i++)
        memset(r->wide + i * wide - LANES, 0, LANES * sizeof(int32_t));
    r->sum = r->wide + ROWS * wide;
    r->narrow = (uint8_t *)(r->wide + words);
    return CSCTRL_OK;
}

/* The filter at the same size is 1 at 0 and 0 elsewhere. */
static void copy_planes(const ct_region *in, uint8_t *planes)
{
    for (int c = 0; c < in->channels; c++)
        for (int y = 0; y < in->height; y++) {
            const uint8_t *row = in->data + (size_t)y * in->stride + c;
            for (int x = 0; x < in->width; x++)
                *planes++ = row[x * in->channels];
        }
}

csctrl_status ct_resampler_run(ct_resampler *resampler, const ct_region *in, int size,
                               uint8_t *planes)
{
    const size_t channels = (size_t)in->channels, row = (size_t)size * channels;

    if (in->width == size && in->height == size && in->side == size) {
        copy_planes(in, planes);
        return CSCTRL_OK;
    }
    CT_TRY(kernel_make(&resampler->across, in->width, in->left, in->side, size));
    CT_TRY(kernel_make(&resampler->down, in->height, in->top, in->side, size));
    CT_TRY(make_room(resampler, (size_t)in->width * channels, row, (size_t)in->height));
    (has_avx2() ? filter_avx2 : filter)(resampler, in, planes);
    return CSCTRL_OK;
}

void ct_resampler_free(ct_resampler *resampler)
{
    kernel_free(&resampler->across);
    kernel_free(&resampler->down);
    ct_free(resampler->wide);
    *resampler = (ct_resampler){0};
}
