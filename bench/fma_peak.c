/* fma_peak.c - independent chains of multiply-adds, enough of them to hide the latency. */
#include "fma_peak.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { STEPS = 4000000 };

/* One loop a vector width: `chains` accumulators stay in registers. They start from different
 * values, or the compiler would reckon equal ones once; they tend to 1, so that none becomes
 * denormal. The sum is returned to keep the loop alive. */
#define FMA_LOOP(name, attributes, bytes, chains)                                                  \
    typedef float name##_vector __attribute__((vector_size(bytes)));                               \
    attributes static float name(void)                                                             \
    {                                                                                              \
        name##_vector sum[chains], total = {0};                                                    \
        const name##_vector a = total + 0.5F;                                                      \
        for (int i = 0; i < (chains); i++)                                                         \
            sum[i] = total + (float)i;                                                             \
        for (int step = 0; step < STEPS; step++)                                                   \
            _Pragma("GCC unroll 16") for (int i = 0; i < (chains); i++) sum[i] = sum[i] * a + a;   \
        for (int i = 0; i < (chains); i++)                                                         \
            total += sum[i];                                                                       \
        return total[0];                                                                           \
    }                                                                                              \
    enum { name##_flops = 2 * (bytes) / 4 * (chains) }

typedef struct kernel {
    float (*run)(void);
    int flops; /* a step */
} kernel;

#if defined(__x86_64__)
FMA_LOOP(fma_sse, , 16, 8);
FMA_LOOP(fma_avx2, __attribute__((target("avx2,fma"))), 32, 12);
FMA_LOOP(fma_avx512, __attribute__((target("avx512f"))), 64, 16);

__attribute__((target("avx512f,avx512bf16"))) static float dot_bf16(void)
{
    const __m512 half = _mm512_set1_ps(0.5F);
    const __m512bh a = _mm512_cvtne2ps_pbh(half, half);
    __m512 sum[16], total = _mm512_setzero_ps();

    for (int i = 0; i < 16; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (int step = 0; step < STEPS; step++)
        _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) sum[i] =
            _mm512_dpbf16_ps(sum[i], a, a);
    for (int i = 0; i < 16; i++)
        total = _mm512_add_ps(total, sum[i]);
    return _mm512_reduce_add_ps(total);
}

static kernel choose(ct_isa isa, bool bf16)
{
    if (bf16)
        return isa == CT_ISA_AVX512 && __builtin_cpu_supports("avx512bf16")
                   ? (kernel){dot_bf16, 2 * 32 * 16}
                   : (kernel){0};
    if (isa == CT_ISA_AVX512)
        return (kernel){fma_avx512, fma_avx512_flops};
    if (isa == CT_ISA_AVX2)
        return (kernel){fma_avx2, fma_avx2_flops};
    return (kernel){fma_sse, fma_sse_flops};
}
#else
FMA_LOOP(fma_any, , 16, 16);

static kernel choose(ct_isa isa, bool bf16)
{
    (void)isa;
    return bf16 ? (kernel){0} : (kernel){fma_any, fma_any_flops};
}
#endif

double fma_peak_run(ct_isa isa, bool bf16, int threads)
{
    const kernel k = choose(isa, bf16);
    float sum = 0.0F;

    if (k.run == NULL)
        return 0.0;
#pragma omp parallel num_threads(threads) reduction(+ : sum)
    sum += k.run();
    /* The sums are positive: the comparison only ties the result to them. */
    return sum >= 0.0F ? (double)k.flops * STEPS * threads : 0.0;
}
