/* norm.cu - batch normalisation over rows of channels, and the unit sphere of rows. */
#include "backend/cuda/kernels.h"
#include "backend/cuda/launch.cuh"

/* Sums over rows: a block takes a tile of channels and a stretch of rows, with LANES threads a
 * channel; another launch adds the stretches. */
enum { CHANNELS = 32, LANES = CT_BLOCK / CHANNELS, STRETCH = 512, MOST_STRETCHES = 1024 };

/* How many stretches of how many rows. */
static int64_t stretches(int64_t rows, int64_t *length)
{
    const int64_t least = (rows + MOST_STRETCHES - 1) / MOST_STRETCHES;

    *length = least > STRETCH ? least : (int64_t)STRETCH;
    return (rows + *length - 1) / *length;
}

size_t ct_k_norm_part(int64_t rows, int c)
{
    int64_t length;

    return (size_t)stretches(rows, &length) * 2 * (size_t)c * sizeof(double);
}

/* part [stretch][2][c]: sums of x and x^2; with dy, of dy and dy (x - mean). */
static __global__ void sum_stretch(int64_t rows, int c, int64_t length, const float *x,
                                   const float *dy, const float *mean, double *part)
{
    __shared__ double sums[2][LANES][CHANNELS];
    const int lane = (int)threadIdx.x / CHANNELS, at = (int)threadIdx.x % CHANNELS;
    const int channel = (int)blockIdx.x * CHANNELS + at;
    const int64_t first = blockIdx.y * length, end = first + length < rows ? first + length : rows;
    double a = 0, b = 0;

    if (channel < c) {
        const double m = dy != NULL ? (double)mean[channel] : 0;
        for (int64_t r = first + lane; r < end; r += LANES) {
            const double v = (double)x[r * c + channel];
            const double d = dy != NULL ? (double)dy[r * c + channel] : v;
            a += d;
            b += d * (v - m);
        }
    }
    sums[0][lane][at] = a;
    sums[1][lane][at] = b;
    __syncthreads();
    if (lane >= 2 || channel >= c)
        return;
    double sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += sums[lane][i][at];
    part[((int64_t)blockIdx.y * 2 + lane) * c + channel] = sum;
}

static __global__ void sum_stretches(int64_t count, int width, const double *part, double *sums)
{
    for (CT_EACH(i, width)) {
        double sum = 0;
        for (int64_t s = 0; s < count; s++)
            sum += part[s * width + i];
        sums[i] = sum;
    }
}

static int sum_rows(void *stream, int64_t rows, int c, const float *x, const float *dy,
                    const float *mean, void *part, double *sums)
{
    int64_t length;
    const int64_t count = stretches(rows, &length);
    const dim3 grid((unsigned)((c + CHANNELS - 1) / CHANNELS), (unsigned)count);

    CT_LAUNCH(sum_stretch, grid, CT_BLOCK, stream, rows, c, length, x, dy, mean, (double *)part);
    CT_LAUNCH(sum_stretches, ct_blocks(2 * c), CT_BLOCK, stream, count, 2 * c, (const double *)part,
              sums);
    return CT_LAUNCHED();
}

int ct_k_norm_sums(void *stream, int64_t rows, int c, const float *x, void *part, double *sums)
{
    return sum_rows(stream, rows, c, x, NULL, NULL, part, sums);
}

int ct_k_norm_backward_sums(void *stream, int64_t rows, int c, const float *x, const float *dy,
                            const float *mean, void *part, double *sums)
{
    return sum_rows(stream, rows, c, x, dy, mean, part, sums);
}

static __global__ void moments(int c, const double *sums, double all_rows, float *mean, float *var)
{
    for (CT_EACH(i, c)) {
        const double m = sums[i] / all_rows, v = sums[c + i] / all_rows - m * m;
        mean[i] = (float)m;
        var[i] = v < 0 ? 0 : (float)v;
    }
}

int ct_k_norm_moments(void *stream, int c, const double *sums, double all_rows, float *mean,
                      float *var)
{
    CT_LAUNCH(moments, ct_blocks(c), CT_BLOCK, stream, c, sums, all_rows, mean, var);
    return CT_LAUNCHED();
}

/* A thread keeps its channel. */
static __global__ void apply(int64_t rows, int c, const float *x, const float *scale,
                             const float *shift, const float *mean, const float *var, double eps,
                             float *y)
{
    const int channel = (int)(blockIdx.y * CHANNELS + threadIdx.x % CHANNELS);

    if (channel >= c)
        return;
    const float m = mean[channel], b = shift[channel];
    const float a = (float)((double)scale[channel] / sqrt((double)var[channel] + eps));
    for (int64_t r = (int64_t)blockIdx.x * LANES + threadIdx.x / CHANNELS; r < rows;
         r += (int64_t)gridDim.x * LANES)
        y[r * c + channel] = (x[r * c + channel] - m) * a + b;
}

/* Blocks of LANES rows by CHANNELS channels. */
static dim3 tiles(int64_t rows, int c)
{
    const int64_t down = (rows + LANES - 1) / LANES;

    return dim3((unsigned)(down < CT_MOST_BLOCKS ? down : (int64_t)CT_MOST_BLOCKS),
                (unsigned)((c + CHANNELS - 1) / CHANNELS));
}

int ct_k_norm_apply(void *stream, int64_t rows, int c, const float *x, const float *scale,
                    const float *shift, const float *mean, const float *var, double eps, float *y)
{
    CT_LAUNCH(apply, tiles(rows, c), CT_BLOCK, stream, rows, c, x, scale, shift, mean, var, eps, y);
    return CT_LAUNCHED();
}

static __global__ void params(int c, const double *sums, const float *var, double eps,
                              float *dscale, float *dshift)
{
    for (CT_EACH(i, c)) {
        if (dscale != NULL)
            dscale[i] += (float)(sums[c + i] / sqrt((double)var[i] + eps));
        if (dshift != NULL)
            dshift[i] += (float)sums[i];
    }
}

int ct_k_norm_params(void *stream, int c, const double *sums, const float *var, double eps,
                     float *dscale, float *dshift)
{
    CT_LAUNCH(params, ct_blocks(c), CT_BLOCK, stream, c, sums, var, eps, dscale, dshift);
    return CT_LAUNCHED();
}

/* dx = a dy + b (x - mean) + s, as in cpu_norm.c. */
static __global__ void backward(int64_t rows, int c, const float *x, const float *dy,
                                const float *scale, const float *mean, const float *var, double eps,
                                const double *sums, double all_rows, float *dx)
{
    const int channel = (int)(blockIdx.y * CHANNELS + threadIdx.x % CHANNELS);

    if (channel >= c)
        return;
    const double inv = 1 / sqrt((double)var[channel] + eps);
    const double slope = (double)scale[channel] * inv;
    const float m = mean[channel], a = (float)slope;
    const float b = (float)(-slope * inv * inv * sums[c + channel] / all_rows);
    const float s = (float)(-slope * sums[channel] / all_rows);
    for (int64_t r = (int64_t)blockIdx.x * LANES + threadIdx.x / CHANNELS; r < rows;
         r += (int64_t)gridDim.x * LANES)
        dx[r * c + channel] = a * dy[r * c + channel] + b * (x[r * c + channel] - m) + s;
}

int ct_k_norm_backward(void *stream, int64_t rows, int c, const float *x, const float *dy,
                       const float *scale, const float *mean, const float *var, double eps,
                       const double *sums, double all_rows, float *dx)
{
    CT_LAUNCH(backward, tiles(rows, c), CT_BLOCK, stream, rows, c, x, dy, scale, mean, var, eps,
              sums, all_rows, dx);
    return CT_LAUNCHED();
}

/* ---- the unit sphere: a row a block */

static __global__ void sphere(int64_t rows, int d, const float *x, float *z, float *norm)
{
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        double squares = 0;
        for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x)
            squares += (double)x[row * d + i] * (double)x[row * d + i];
        squares = block_sum(squares);
        const double length = squares <= 1e-24 ? 1e-12 : sqrt(squares);
        for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x)
            z[row * d + i] = (float)((double)x[row * d + i] / length);
        if (threadIdx.x == 0)
            norm[row] = (float)length;
    }
}

static unsigned rows_of(int64_t rows)
{
    return rows < CT_MOST_BLOCKS ? (unsigned)rows : (unsigned)CT_MOST_BLOCKS;
}

int ct_k_sphere(void *stream, int64_t rows, int d, const float *x, float *z, float *norm)
{
    CT_LAUNCH(sphere, rows_of(rows), CT_BLOCK, stream, rows, d, x, z, norm);
    return CT_LAUNCHED();
}

static __global__ void sphere_backward(int64_t rows, int d, const float *z, const float *norm,
                                       const float *dz, float *dx)
{
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        double along = 0;
        for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x)
            along += (double)z[row * d + i] * (double)dz[row * d + i];
        along = block_sum(along);
        for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x) {
            const int64_t at = row * d + i;
            dx[at] = (float)(((double)dz[at] - along * (double)z[at]) / (double)norm[row]);
        }
    }
}

int ct_k_sphere_backward(void *stream, int64_t rows, int d, const float *z, const float *norm,
                         const float *dz, float *dx)
{
    CT_LAUNCH(sphere_backward, rows_of(rows), CT_BLOCK, stream, rows, d, z, norm, dz, dx);
    return CT_LAUNCHED();
}
