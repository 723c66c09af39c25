/* image_pair.h - two batches of small images, one a blend of the other: for image measures. */
#ifndef TESTS_SUPPORT_IMAGE_PAIR_H
#define TESTS_SUPPORT_IMAGE_PAIR_H

#include "csctrl/tensor.h"

enum { N = 2, C = 3, H = 16, W = 13, ALL = N * C * H * W };

typedef struct pair {
    float a[ALL], b[ALL];
} pair;

static inline csctrl_tensor view(float *data)
{
    return csctrl_tensor_view(CSCTRL_F32, 4, (const int64_t[]){N, C, H, W}, data);
}

/* Whole numbers over powers of two: the same numbers in float, double and NumPy. */
static inline void fill(pair *p)
{
    for (int i = 0; i < ALL; i++) {
        const int s = i % W, r = i / W % H, c = i / (W * H) % C, n = i / (W * H * C);
        const double x = (r * 7 + s * 13 + c * 5 + n * 17) % 32 / 16.0 - 1.0;
        const double y = (r * 5 + s * 11 + c * 3 + n * 17) % 64 / 32.0 - 1.0;
        p->a[i] = (float)x;
        p->b[i] = (float)(0.5 * x + 0.5 * y);
    }
}

#endif
