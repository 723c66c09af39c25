/* rate.cu - coding rates over subsets of rows (SPEC 3): Gram matrices, log-determinants and the
 * gradient; the factor and its inverse between them are cuSOLVER's and cuBLAS's.
 *
 * Always I + alpha Z^T Z, [d, d], whose determinant is that of I + alpha Z Z^T: so the shape of the
 * work does not depend on how many images a class has in this batch. All sums are in double: with
 * few rows alpha is large, and Z times the inverse is a small difference. */
#include "backend/cuda/kernels.h"
#include "backend/cuda/launch.cuh"

/* A block computes TILE x TILE numbers, PER x PER a thread, from DEPTH rows at a time. */
enum { TILE = 64, PER = 4, ACROSS = TILE / PER, DEPTH = 16 };

/* sum of a[k][.] b[k][.] over the DEPTH rows in shared memory, for this thread's numbers. */
template <typename B>
static __device__ void multiply(const float a[DEPTH][TILE], const B b[DEPTH][TILE], int row,
                                int col, double sum[PER][PER])
{
    for (int k = 0; k < DEPTH; k++)
        for (int i = 0; i < PER; i++)
            for (int j = 0; j < PER; j++)
                sum[i][j] += (double)a[k][row * PER + i] * (double)b[k][col * PER + j];
}

static __global__ void gram(const float *F, int d, const ct_k_term *terms, const int32_t *rows,
                            double *G)
{
    __shared__ float a[DEPTH][TILE], b[DEPTH][TILE];
    const ct_k_term term = terms[blockIdx.z];
    const int row = (int)threadIdx.x / ACROSS, col = (int)threadIdx.x % ACROSS;
    const int top = (int)blockIdx.y * TILE, left = (int)blockIdx.x * TILE;
    double sum[PER][PER] = {};

    for (int r = 0; r < term.count; r += DEPTH) {
        for (int i = (int)threadIdx.x; i < DEPTH * TILE; i += CT_BLOCK) {
            const int k = i / TILE, at = i % TILE;
            const float *const features =
                r + k < term.count ? F + (int64_t)rows[term.first + r + k] * d : NULL;
            a[k][at] = features != NULL && top + at < d ? features[top + at] : 0;
            b[k][at] = features != NULL && left + at < d ? features[left + at] : 0;
        }
        __syncthreads();
        multiply(a, b, row, col, sum);
        __syncthreads();
    }
    for (int i = 0; i < PER; i++)
        for (int j = 0; j < PER; j++) {
            const int y = top + row * PER + i, x = left + col * PER + j;
            if (y < d && x < d)
                G[((int64_t)blockIdx.z * d + y) * d + x] =
                    (y == x ? 1 : 0) + term.alpha * sum[i][j];
        }
}

static unsigned tiles(int length)
{
    return (unsigned)((length + TILE - 1) / TILE);
}

int ct_k_rate_gram(void *stream, const float *F, int d, const ct_k_term *terms, int count,
                   const int32_t *rows, double *G)
{
    const dim3 grid(tiles(d), tiles(d), (unsigned)count);

    CT_LAUNCH(gram, grid, CT_BLOCK, stream, F, d, terms, rows, G);
    return CT_LAUNCHED();
}

/* A matrix a block. */
static __global__ void half_logdet(const double *G, int d, const int *info, double *values)
{
    const double *const L = G + (int64_t)blockIdx.x * d * d;
    double sum = 0;

    for (int i = (int)threadIdx.x; i < d; i += (int)blockDim.x)
        sum += log(L[(int64_t)i * d + i]);
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        values[blockIdx.x] = info[blockIdx.x] == 0 ? sum : (double)NAN;
}

int ct_k_rate_values(void *stream, const double *G, int d, int count, const int *info,
                     double *values)
{
    CT_LAUNCH(half_logdet, (unsigned)count, CT_BLOCK, stream, G, d, info, values);
    return CT_LAUNCHED();
}

static __global__ void identity(int64_t n, int d, double *X)
{
    for (CT_EACH(i, n))
        X[i] = i / d % d == i % d ? 1 : 0;
}

int ct_k_rate_identity(void *stream, double *X, int d, int count)
{
    const int64_t n = (int64_t)count * d * d;

    CT_LAUNCH(identity, ct_blocks(n), CT_BLOCK, stream, n, d, X);
    return CT_LAUNCHED();
}

static __global__ void pointers(const double *base, int64_t stride, int count, double **to)
{
    for (CT_EACH(i, count))
        to[i] = (double *)base + i * stride;
}

int ct_k_rate_pointers(void *stream, const double *base, int64_t stride, int count, double **to)
{
    CT_LAUNCH(pointers, ct_blocks(count), CT_BLOCK, stream, base, stride, count, to);
    return CT_LAUNCHED();
}

/* Rows of the term by columns of features: dF += weight alpha F Ginv. */
static __global__ void gradient(const float *F, int d, const ct_k_term *terms, int pass,
                                const int32_t *rows, const double *Ginv, float *dF)
{
    __shared__ float a[DEPTH][TILE];
    __shared__ double b[DEPTH][TILE];
    const ct_k_term term = terms[blockIdx.z];
    const double *const M = Ginv + (int64_t)blockIdx.z * d * d;
    const int row = (int)threadIdx.x / ACROSS, col = (int)threadIdx.x % ACROSS;
    const int top = (int)blockIdx.x * TILE, left = (int)blockIdx.y * TILE;
    double sum[PER][PER] = {};

    if (term.pass != pass || top >= term.count)
        return;
    for (int r = 0; r < d; r += DEPTH) {
        for (int i = (int)threadIdx.x; i < DEPTH * TILE; i += CT_BLOCK) {
            const int k = i % DEPTH, at = i / DEPTH; /* features of a row side by side */
            a[k][at] = top + at < term.count && r + k < d
                           ? F[(int64_t)rows[term.first + top + at] * d + r + k]
                           : 0;
        }
        for (int i = (int)threadIdx.x; i < DEPTH * TILE; i += CT_BLOCK) {
            const int k = i / TILE, at = i % TILE;
            b[k][at] = r + k < d && left + at < d ? M[(int64_t)(r + k) * d + left + at] : 0;
        }
        __syncthreads();
        multiply(a, b, row, col, sum);
        __syncthreads();
    }
    for (int i = 0; i < PER; i++)
        for (int j = 0; j < PER; j++) {
            const int y = top + row * PER + i, x = left + col * PER + j;
            if (y < term.count && x < d)
                dF[(int64_t)rows[term.first + y] * d + x] +=
                    (float)(term.weight * term.alpha * sum[i][j]);
        }
}

int ct_k_rate_gradient(void *stream, const float *F, int d, const ct_k_term *terms, int count,
                       int pass, int most, const int32_t *rows, const double *Ginv, float *dF)
{
    const dim3 grid(tiles(most), tiles(d), (unsigned)count);

    CT_LAUNCH(gradient, grid, CT_BLOCK, stream, F, d, terms, pass, rows, Ginv, dF);
    return CT_LAUNCHED();
}
