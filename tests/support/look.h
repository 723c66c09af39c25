/* look.h - views, step by step, to compare with. */
#ifndef TESTS_LOOK_H
#define TESTS_LOOK_H

#include <stdlib.h>

#include "tensor/view.h"

/* So many steps on, turning round at the borders. */
static inline int look_walk(int at, int steps, int size)
{
    int way = steps < 0 ? -1 : 1;

    for (int i = 0; i < abs(steps) && size > 1; i++) {
        way = at + way < 0 || at + way >= size ? -way : way;
        at += way;
    }
    return at;
}

/* Which pixel of the image [h, w] the view has at (y, x). */
static inline int look_at(ct_view v, int y, int x, int h, int w)
{
    return look_walk(y, v.dy, h) * w + look_walk(v.flip ? w - 1 - x : x, v.dx, w);
}

#endif
