/* crop.h - an image mirrored and shifted, its reflection beyond its borders. */
#ifndef CT_TENSOR_CROP_H
#define CT_TENSOR_CROP_H

#include <stdbool.h>

#ifdef __CUDACC__
#define CT_ANYWHERE __host__ __device__
#else
#define CT_ANYWHERE
#endif

/* Pixel (y, x) of the crop of an image [h, w] is its pixel of row ct_crop_fold(y + dy, h) and of
 * column ct_crop_fold((flip ? w - 1 - x : x) + dx, w). */
typedef struct ct_crop {
    int dx, dy;
    bool flip;
} ct_crop;

/* A coordinate back into 0..size-1, the border pixel not repeated. */
CT_ANYWHERE static inline int ct_crop_fold(int x, int size)
{
    const int period = size > 1 ? 2 * (size - 1) : 1;

    if (x >= 0 && x < size)
        return x;
    x %= period;
    x = x < 0 ? x + period : x;
    return x < size ? x : period - x;
}

#endif
