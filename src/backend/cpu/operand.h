/* operand.h - what the operands of the Winograd products are kept as: float or, where CT_BF16 is
 * defined, bfloat16, the upper half of a float. Sums are in float either way.
 *
 * A product reads its operands by units of DEEP numbers that follow one another in the sum: one
 * float, or two bfloat16. */
#ifndef CT_BACKEND_CPU_OPERAND_H
#define CT_BACKEND_CPU_OPERAND_H

#include <stdint.h>
#include <string.h>

#include "backend/cpu/simd.h"

#ifdef CT_BF16

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

typedef uint16_t operand;
typedef uint32_t unit;
enum { DEEP = 2 };

typedef uint32_t bits __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
typedef uint16_t halves __attribute__((vector_size(WIDTH * 2), aligned(2), may_alias));

/* To the nearest, ties to even; NaN stays NaN. */
CT_INLINE void store_operand(operand *to, vec v)
{
#if defined(__AVX512BF16__)
    *(halves *)to = (halves)_mm512_cvtneps_pbh((__m512)v);
#else
    const bits b = (bits)v, nan = (bits)((b & 0x7fffffff) > 0x7f800000);
    const bits rounded = b + 0x7fff + (b >> 16 & 1);
    const bits value = (rounded & ~nan) | ((b | 0x400000) & nan);
    *(halves *)to = __builtin_convertvector(value >> 16, halves);
#endif
}

/* Into every second place: one half of WIDTH units. */
CT_INLINE void store_apart(operand *to, vec v)
{
    operand lanes[WIDTH];

    store_operand(lanes, v);
    for (int l = 0; l < WIDTH; l++)
        to[l * DEEP] = lanes[l];
}

/* sum + a b, lane by lane of b. */
CT_INLINE vec multiply_add(vec sum, unit a, const unit *b)
{
#if defined(__AVX512BF16__)
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a),
                                 (__m512bh)_mm512_loadu_si512(b));
#else
    const bits pairs = *(const bits *)b, broadcast = (bits){0} + a, upper = (bits){0} + 0xffff0000;
    sum += (vec)(broadcast << 16) * (vec)(pairs << 16);
    return sum + (vec)(broadcast & upper) * (vec)(pairs & upper);
#endif
}

#else

typedef float operand, unit;
enum { DEEP = 1 };

CT_INLINE void store_operand(operand *to, vec v)
{
    store(to, v);
}

CT_INLINE void store_apart(operand *to, vec v)
{
    store(to, v);
}

CT_INLINE vec multiply_add(vec sum, unit a, const unit *b)
{
    return sum + a * load(b);
}

#endif

#endif
