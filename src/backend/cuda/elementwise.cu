/* elementwise.cu - sums, activations, layout changes and reductions to a number. */
#include "backend/cuda/kernels.h"
#include "backend/cuda/launch.cuh"

static __global__ void fill(int64_t n, float value, float *x)
{
    for (CT_EACH(i, n))
        x[i] = value;
}

int ct_k_fill(void *stream, int64_t n, float value, float *x)
{
    CT_LAUNCH(fill, ct_blocks(n), CT_BLOCK, stream, n, value, x);
    return CT_LAUNCHED();
}

static __global__ void axpby(int64_t n, float a, const float *x, float b, float *y)
{
    for (CT_EACH(i, n))
        y[i] = b == 0 ? a * x[i] : a * x[i] + b * y[i];
}

int ct_k_axpby(void *stream, int64_t n, float a, const float *x, float b, float *y)
{
    CT_LAUNCH(axpby, ct_blocks(n), CT_BLOCK, stream, n, a, x, b, y);
    return CT_LAUNCHED();
}

static __global__ void widen(int64_t n, const bf16 *x, float *to)
{
    for (CT_EACH(i, n))
        to[i] = load(x[i]);
}

int ct_k_widen(void *stream, int64_t n, const void *x, float *to)
{
    CT_LAUNCH(widen, ct_blocks(n), CT_BLOCK, stream, n, (const bf16 *)x, to);
    return CT_LAUNCHED();
}

template <typename T>
static __global__ void blend(int64_t n, float a, const float *x, float b, const T *w, float *to,
                             bf16 *narrow)
{
    for (CT_EACH(i, n)) {
        const float v = (x == NULL ? 0 : a * x[i]) + b * load(w[i]);
        if (to != NULL)
            to[i] = v;
        if (narrow != NULL)
            store(narrow + i, v);
    }
}

int ct_k_blend(void *stream, int64_t n, float a, const float *x, float b, const void *w, bool half,
               float *to, void *narrow)
{
    if (half)
        CT_LAUNCH(blend<bf16>, ct_blocks(n), CT_BLOCK, stream, n, a, x, b, (const bf16 *)w, to,
                  (bf16 *)narrow);
    else
        CT_LAUNCH(blend<float>, ct_blocks(n), CT_BLOCK, stream, n, a, x, b, (const float *)w, to,
                  (bf16 *)narrow);
    return CT_LAUNCHED();
}

/* In the order of ct_act. */
enum { RELU, LEAKY_RELU, TANH };

static __global__ void act(int64_t n, int kind, float below, const float *x, float *y)
{
    for (CT_EACH(i, n)) {
        const float v = x[i];
        y[i] = kind == TANH ? tanhf(v) : v <= 0 ? below * v : v;
    }
}

int ct_k_act(void *stream, int64_t n, int kind, float slope, const float *x, float *y)
{
    CT_LAUNCH(act, ct_blocks(n), CT_BLOCK, stream, n, kind, kind == RELU ? 0 : slope, x, y);
    return CT_LAUNCHED();
}

static __global__ void act_backward(int64_t n, int kind, float below, const float *y,
                                    const float *dy, float *dx)
{
    for (CT_EACH(i, n)) {
        const float v = y[i], d = dy[i];
        dx[i] = kind == TANH ? d * (1 - v * v) : v <= 0 ? below * d : d;
    }
}

int ct_k_act_backward(void *stream, int64_t n, int kind, float slope, const float *y,
                      const float *dy, float *dx)
{
    CT_LAUNCH(act_backward, ct_blocks(n), CT_BLOCK, stream, n, kind, kind == RELU ? 0 : slope, y,
              dy, dx);
    return CT_LAUNCHED();
}

/* One tile of one matrix a block, through shared memory so that reads and writes are both of
 * neighbours; the odd column keeps threads off one another's bank. */
enum { TILE = 32, TILE_ROWS = 8 };

static __global__ void transpose(int rows, int cols, int tiles_across, const float *from, float *to)
{
    __shared__ float tile[TILE][TILE + 1];
    const int col = (int)blockIdx.x % tiles_across * TILE,
              row = (int)blockIdx.x / tiles_across * TILE;
    const int64_t matrix = (int64_t)blockIdx.y * rows * cols;
    const int x = (int)threadIdx.x % TILE, y = (int)threadIdx.x / TILE;

    for (int i = y; i < TILE; i += TILE_ROWS)
        if (row + i < rows && col + x < cols)
            tile[i][x] = from[matrix + (int64_t)(row + i) * cols + col + x];
    __syncthreads();
    for (int i = y; i < TILE; i += TILE_ROWS)
        if (col + i < cols && row + x < rows)
            to[matrix + (int64_t)(col + i) * rows + row + x] = tile[x][i];
}

int ct_k_transpose(void *stream, int64_t n, int rows, int cols, const float *from, float *to)
{
    const int64_t most = 65535; /* of the second dimension of a launch */
    const int across = (cols + TILE - 1) / TILE, down = (rows + TILE - 1) / TILE;
    const int64_t size = (int64_t)rows * cols;

    for (int64_t i = 0; i < n; i += most) {
        const dim3 grid((unsigned)(across * down), (unsigned)(n - i < most ? n - i : most));
        CT_LAUNCH(transpose, grid, TILE * TILE_ROWS, stream, rows, cols, across, from + i * size,
                  to + i * size);
    }
    return CT_LAUNCHED();
}

static __global__ void from_bytes(int64_t count, int channels, int h, int w,
                                  const unsigned char *bytes, const ct_crop *crops, float *to)
{
    const int pixels = h * w;

    for (CT_EACH(i, count)) {
        const int64_t image = i / pixels;
        int y = (int)(i % pixels) / w, x = (int)(i % pixels) % w;
        if (crops != NULL) {
            const ct_crop crop = crops[image];
            y = ct_crop_fold(y + crop.dy, h);
            x = ct_crop_fold((crop.flip ? w - 1 - x : x) + crop.dx, w);
        }
        const unsigned char *from = bytes + image * channels * pixels + y * w + x;
        for (int c = 0; c < channels; c++)
            to[i * channels + c] = (float)from[(int64_t)c * pixels] / 127.5F - 1.0F;
    }
}

int ct_k_from_bytes(void *stream, int64_t n, int channels, int h, int w, const void *bytes,
                    const ct_crop *crops, float *to)
{
    const int64_t count = n * h * w;

    CT_LAUNCH(from_bytes, ct_blocks(count), CT_BLOCK, stream, count, channels, h, w,
              (const unsigned char *)bytes, crops, to);
    return CT_LAUNCHED();
}

/* ---- to a number: a sum a block, then the sum of those, each in a fixed order */

enum { PARTS = 256 };

template <bool SQUARES> static __global__ void sum_parts(int64_t n, const float *x, double *part)
{
    double sum = 0;

    for (CT_EACH(i, n))
        sum += SQUARES ? (double)x[i] * (double)x[i] : x[i] == 0 ? 1.0 : 0.0;
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        part[blockIdx.x] = sum;
}

static __global__ void sum_whole(int parts, const double *part, double *sum)
{
    const double all = block_sum((int)threadIdx.x < parts ? part[threadIdx.x] : 0);

    if (threadIdx.x == 0)
        *sum = all;
}

static unsigned parts_of(int64_t n)
{
    const unsigned blocks = ct_blocks(n);

    return blocks < PARTS ? blocks : (unsigned)PARTS;
}

int ct_k_sum_squares(void *stream, int64_t n, const float *x, void *part, double *sum)
{
    CT_LAUNCH(sum_parts<true>, parts_of(n), CT_BLOCK, stream, n, x, (double *)part);
    CT_LAUNCH(sum_whole, 1, CT_BLOCK, stream, (int)parts_of(n), (const double *)part, sum);
    return CT_LAUNCHED();
}

int ct_k_count_zeros(void *stream, int64_t n, const float *x, void *part, double *sum)
{
    CT_LAUNCH(sum_parts<false>, parts_of(n), CT_BLOCK, stream, n, x, (double *)part);
    CT_LAUNCH(sum_whole, 1, CT_BLOCK, stream, (int)parts_of(n), (const double *)part, sum);
    return CT_LAUNCHED();
}
