/* simd.h - for the files that are compiled once for every instruction set: vectors of the machine's
 * width, and names with the instruction set as suffix. */
#ifndef CT_BACKEND_CPU_SIMD_H
#define CT_BACKEND_CPU_SIMD_H

#define CT_JOIN_(a, b) a##b
#define CT_JOIN(a, b) CT_JOIN_(a, b)
#define CT_ISA_NAME(prefix) CT_JOIN(prefix, CT_LOOPS_ISA)

#define CT_INLINE static inline __attribute__((always_inline))
#define CT_UNUSED __attribute__((unused))

#if defined(__AVX512F__)
enum { WIDTH = 16 };
#elif defined(__AVX__)
enum { WIDTH = 8 };
#else
enum { WIDTH = 4 };
#endif

/* May lie anywhere. */
typedef float vec __attribute__((vector_size(WIDTH * sizeof(float)), aligned(4), may_alias));

CT_INLINE vec load(const float *from)
{
    return *(const vec *)from;
}

CT_INLINE void store(float *to, vec v)
{
    *(vec *)to = v;
}

#endif
