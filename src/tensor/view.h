/* view.h - how an image is looked at: mirrored, shifted, its reflection beyond its borders. */
#ifndef CT_TENSOR_VIEW_H
#define CT_TENSOR_VIEW_H

#include <stdbool.h>

/* Pixel (y, x) of the view of an image [h, w] is its pixel of row ct_view_fold(y + dy, h) and of
 * column ct_view_fold((flip ? w - 1 - x : x) + dx, w). */
typedef struct ct_view {
    int dx, dy;
    bool flip;
} ct_view;

/* A coordinate back into 0..size-1, the border pixel not repeated. */
static inline int ct_view_fold(int x, int size)
{
    const int period = size > 1 ? 2 * (size - 1) : 1;

    if (x >= 0 && x < size)
        return x;
    x %= period;
    x = x < 0 ? x + period : x;
    return x < size ? x : period - x;
}

#endif
