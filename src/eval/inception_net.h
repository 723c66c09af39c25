/* inception_net.h - the layers of the Inception network of 2015 as pytorch-fid has it, one step
 * after the other. */
#ifndef CT_EVAL_INCEPTION_NET_H
#define CT_EVAL_INCEPTION_NET_H

#include <stddef.h>

/* Where a step reads and writes. What goes to OUT is put behind the channels that are there. */
typedef enum ct_inception_place { CT_IN, CT_OUT, CT_T1, CT_T2, CT_PLACES } ct_inception_place;

typedef enum ct_inception_kind {
    CT_CONV,        /* convolution, batch norm, ReLU */
    CT_AVERAGE,     /* 3 x 3 at every pixel, what lies outside is not counted */
    CT_MAX,         /* 3 x 3 at every pixel */
    CT_MAX_HALVING, /* 3 x 3 at every second pixel, all within */
    CT_NEXT         /* OUT becomes IN, and OUT is empty */
} ct_inception_kind;

typedef struct ct_inception_step {
    ct_inception_kind kind;
    ct_inception_place from, to;
    const char *name; /* of a convolution's tensors */
    int out, kernel[2], stride, pad[2];
} ct_inception_step;

extern const ct_inception_step ct_inception_steps[];
extern const size_t ct_inception_step_count;

#endif
