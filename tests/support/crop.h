/* crop.h - crops, step by step, to compare with. */
#ifndef TESTS_CROP_H
#define TESTS_CROP_H

#include <stdlib.h>

#include "tensor/crop.h"

/* So many steps on, turning round at the borders. */
static inline int walk(int at, int steps, int size)
{
    int way = steps < 0 ? -1 : 1;

    for (int i = 0; i < abs(steps) && size > 1; i++) {
        way = at + way < 0 || at + way >= size ? -way : way;
        at += way;
    }
    return at;
}

/* Which pixel of the image [h, w] its crop has at (y, x). */
static inline int cropped_pixel(ct_crop c, int y, int x, int h, int w)
{
    return walk(y, c.dy, h) * w + walk(c.flip ? w - 1 - x : x, c.dx, w);
}

#endif
