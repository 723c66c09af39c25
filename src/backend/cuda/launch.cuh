/* launch.cuh - what every file of kernels begins with. CT_CUDA_ON_HOST: the same text as C++ of the
 * host, for tests/cuda/host_cuda.h. */
#ifndef CT_BACKEND_CUDA_LAUNCH_CUH
#define CT_BACKEND_CUDA_LAUNCH_CUH

#include <stddef.h>
#include <stdint.h>

#ifdef CT_CUDA_ON_HOST
#include <host_cuda.h>
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define CT_LAUNCH(kernel, grid, block, stream, ...)                                                \
    kernel<<<(grid), (block), 0, (cudaStream_t)(stream)>>>(__VA_ARGS__)
#define CT_LAUNCHED() ((int)cudaGetLastError())
#endif

typedef __nv_bfloat16 bf16;

enum { CT_BLOCK = 256, CT_MOST_BLOCKS = 4096 };

/* Blocks of CT_BLOCK threads for n elements, each of which a thread takes in turn. */
static inline unsigned ct_blocks(int64_t n)
{
    const int64_t blocks = (n + CT_BLOCK - 1) / CT_BLOCK;

    return blocks < 1 ? 1u : blocks > CT_MOST_BLOCKS ? (unsigned)CT_MOST_BLOCKS : (unsigned)blocks;
}

/* The elements of a thread of a one-dimensional launch. */
#define CT_EACH(i, n)                                                                              \
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;                                    \
    i < (n);                                                                                       \
    i += (int64_t)gridDim.x * blockDim.x

static inline __device__ float load(float x)
{
    return x;
}
static inline __device__ float load(bf16 x)
{
    return __bfloat162float(x);
}
static inline __device__ void store(float *to, float x)
{
    *to = x;
}
static inline __device__ void store(bf16 *to, float x)
{
    *to = __float2bfloat16(x);
}

/* Sum over the CT_BLOCK threads of a block, in the same order every time; all get it. */
static inline __device__ double block_sum(double x)
{
    __shared__ double part[CT_BLOCK];

    part[threadIdx.x] = x;
    __syncthreads();
    for (unsigned half = CT_BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    const double sum = part[0];
    __syncthreads();
    return sum;
}

/* x / max(|x|, 1e-12) in place, by a block. */
static inline __device__ void put_on_sphere(int64_t size, float *x)
{
    double squares = 0;

    for (int64_t i = threadIdx.x; i < size; i += blockDim.x)
        squares += (double)x[i] * (double)x[i];
    squares = block_sum(squares);
    const double norm = squares <= 1e-24 ? 1e-12 : sqrt(squares);
    for (int64_t i = threadIdx.x; i < size; i += blockDim.x)
        x[i] = (float)((double)x[i] / norm);
}

#endif
