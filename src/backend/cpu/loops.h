/* loops.h - the inner loops of the cpu backend. loops.c is compiled once for every instruction set
 * (the suffix of its table); each loop works on a range of elements or rows and knows nothing of
 * threads. */
#ifndef CT_BACKEND_CPU_LOOPS_H
#define CT_BACKEND_CPU_LOOPS_H

#include "backend/cpu/panels.h"
#include "backend/cpu/shrink.h"
#include "backend/ops.h"

/* One step of FISTA where the gradient is at hand. */
typedef struct ct_csc_args {
    const float *grad, *y, *z_prev;
    float *z_next, *y_next;
    ct_shrink shrink;
} ct_csc_args;

/* to = factor * from where gate is not 0, else 0. */
typedef struct ct_gate_args {
    const float *gate, *from;
    float *to;
    float factor;
} ct_gate_args;

/* y = act(x), or dx = dy act'(x) read off y. */
typedef struct ct_act_args {
    ct_act kind;
    float slope; /* below 0 */
    const float *x, *dy;
    float *to;
} ct_act_args;

/* y = a x + b y. */
typedef struct ct_axpby_args {
    const float *x;
    float *y;
    float a, b;
} ct_axpby_args;

typedef struct ct_fill_args {
    float *x;
    float value;
} ct_fill_args;

typedef struct ct_adam_args {
    float *p, *m, *v;
    const float *g;
    float grad_scale, beta1, beta2, step, inv_bias2, eps;
    float rest1, rest2; /* 1 - beta, from double: 1 - 0.999f is off by 1e-5 */
} ct_adam_args;

/* A group of at most CT_GROUP channels of rows of `channels` numbers; pointers are at the group's
 * first channel. */
enum { CT_GROUP = 64 };
typedef struct ct_bn_args {
    int64_t channels;
    int group;
    const float *x, *dy;
    const float *mean;
    float *to;
    float a[CT_GROUP], b[CT_GROUP], shift[CT_GROUP];
} ct_bn_args;

/* Rows of d numbers on the unit sphere. */
typedef struct ct_sphere_args {
    int64_t d;
    const float *x, *dz;
    float *to, *norm;
} ct_sphere_args;

/* [n, rows, cols] -> [n, cols, rows], where matrices of `from` are `step` apart and their rows
 * `pitch`. */
typedef struct ct_transpose_args {
    int64_t rows, cols, pitch, step;
    const float *from;
    float *to;
} ct_transpose_args;

typedef void ct_loop(const void *args, int64_t begin, int64_t end);
typedef void ct_sum_loop(const void *args, int64_t begin, int64_t end, double *sums);

typedef struct ct_loops {
    /* over elements */
    ct_loop *csc_update, *gate, *act, *act_backward, *axpby, *fill, *adam;
    /* over rows */
    ct_loop *bn_apply;          /* to = (x - mean) a + shift */
    ct_loop *bn_apply_backward; /* to = a dy + b (x - mean) + shift */
    ct_loop *sphere, *sphere_backward, *transpose;
    /* sums[2 j], sums[2 j + 1]: x and x^2, or dy and dy (x - mean), of channel j over the rows */
    ct_sum_loop *bn_sums, *bn_backward_sums;
    /* sums[0] over elements of a float array */
    ct_sum_loop *sum_squares, *count_zeros;
} ct_loops;

extern const ct_loops ct_loops_portable, ct_loops_avx2, ct_loops_avx512;

#endif
