/* transpose.h - n vectors of n numbers as a matrix in registers, transposed. */
#ifndef CT_BACKEND_CPU_TRANSPOSE_H
#define CT_BACKEND_CPU_TRANSPOSE_H

#include "backend/cpu/simd.h"

/* The lower, the upper halves of two vectors, number by number in turns. */
#define CT_LOW_2 0, 2
#define CT_HIGH_2 1, 3
#define CT_LOW_4 0, 4, 1, 5
#define CT_HIGH_4 2, 6, 3, 7
#define CT_LOW_8 0, 8, 1, 9, 2, 10, 3, 11
#define CT_HIGH_8 4, 12, 5, 13, 6, 14, 7, 15
#define CT_LOW_16 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define CT_HIGH_16 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

/* void name(vector m[n]). Each step mixes row i with the one n/2 rows further. */
#define CT_DEFINE_TRANSPOSE(name, vector, n)                                                       \
    CT_INLINE void name(vector m[n])                                                               \
    {                                                                                              \
        vector mixed[n];                                                                           \
                                                                                                   \
        for (int step = 1; step < (n); step *= 2) {                                                \
            for (int i = 0; i < (n) / 2; i++) {                                                    \
                mixed[2 * i] = __builtin_shufflevector(m[i], m[i + (n) / 2], CT_LOW_##n);          \
                mixed[2 * i + 1] = __builtin_shufflevector(m[i], m[i + (n) / 2], CT_HIGH_##n);     \
            }                                                                                      \
            for (int i = 0; i < (n); i++)                                                          \
                m[i] = mixed[i];                                                                   \
        }                                                                                          \
    }

#endif
