/* feature_pair.h - two sets of small features that NumPy can make too. */
#ifndef TESTS_SUPPORT_FEATURE_PAIR_H
#define TESTS_SUPPORT_FEATURE_PAIR_H

#include "csctrl/tensor.h"

enum { NA = 40, NB = 30, D = 6 };

typedef struct feature_pair {
    float a[NA * D], b[NB * D];
} feature_pair;

/* ((i(7+s) + j(13+2s) + 3iij + iii(5+s)) mod 64) / 32 - 1 */
static inline float feature_value(int i, int j, int s)
{
    const int t = i * (7 + s) + j * (13 + 2 * s) + i * i * j * 3 + i * i * i * (5 + s);

    return (float)(t % 64) / 32.0f - 1.0f;
}

static inline void fill_features(feature_pair *p)
{
    for (int i = 0; i < NA * D; i++)
        p->a[i] = feature_value(i / D, i % D, 0);
    for (int i = 0; i < NB * D; i++)
        p->b[i] = 0.75f * feature_value(i / D, i % D, 1) + 0.125f;
}

static inline csctrl_tensor rows_of(float *data, int64_t n)
{
    return csctrl_tensor_view(CSCTRL_F32, 2, (const int64_t[]){n, D}, data);
}

#endif
