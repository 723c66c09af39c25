/* host_cuda.h - the part of CUDA C++ that src/backend/cuda/ is written in, for a host compiler:
 *     g++ -x c++ -std=c++17 -DCT_CUDA_ON_HOST -Itests/cuda -Isrc -Iinclude
 * host_driver.cpp runs the kernels, the threads of a block in turn from barrier to barrier. */
#ifndef CT_TESTS_CUDA_HOST_CUDA_H
#define CT_TESTS_CUDA_HOST_CUDA_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <tuple>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __shared__ static /* blocks run one after another */

struct dim3 {
    unsigned x, y, z;

    dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
        : x(width), y(height), z(depth)
    {
    }
};

/* Of the thread that runs now. */
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

/* Aborts when a thread of the block has ended before the barrier. */
void __syncthreads();

struct __nv_bfloat16 {
    uint16_t bits;
};

/* To nearest, ties to even; a NaN is CUDA's. */
static inline __nv_bfloat16 __float2bfloat16(float x)
{
    uint32_t bits;

    if (isnan(x))
        return {0x7fff};
    memcpy(&bits, &x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    return {(uint16_t)(bits >> 16)};
}

static inline float __bfloat162float(__nv_bfloat16 x)
{
    const uint32_t bits = (uint32_t)x.bits << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- launches; stream: of ct_cuda_stream */

struct ct_host_kernel {
    std::function<void()> thread;
    std::vector<const void *> pointers; /* in the arguments: only these blocks can be used */
};

void ct_host_launch(dim3 grid, dim3 block, void *stream, const ct_host_kernel &kernel);
int ct_host_launched(); /* 0, or the error of a launch since the last call */

template <typename T> struct ct_host_same {
    typedef T type;
};

/* The parameters' types are the kernel's own, so that arguments are converted as in a call. */
template <typename... P>
ct_host_kernel ct_host_bind(void (*kernel)(P...), typename ct_host_same<P>::type... arguments)
{
    static_assert((std::is_trivially_copyable<P>::value && ...), "a kernel takes plain values");
    const std::tuple<P...> values(arguments...);
    std::vector<const void *> words(sizeof values / sizeof(void *) + 1);

    /* Pointers may be within structures: whatever could be one is taken for one. */
    memcpy(words.data(), (const void *)&values, (words.size() - 1) * sizeof(void *));
    return {[kernel, values]() { std::apply(kernel, values); }, words};
}

#define CT_LAUNCH(kernel, grid, block, stream, ...)                                                \
    ct_host_launch((grid), (block), (stream), ct_host_bind(kernel, __VA_ARGS__))
#define CT_LAUNCHED() ct_host_launched()

#endif
