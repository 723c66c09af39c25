/* batchnorm.h - batch normalisation over all but the channel dimension, with running statistics. */
#ifndef CT_LAYERS_BATCHNORM_H
#define CT_LAYERS_BATCHNORM_H

#include "backend/backend.h"
#include "tensor/plan.h"

/* Parameters of one norm, all [channels]; memory of the model. */
typedef struct ct_batchnorm {
    ct_tensor scale, shift;   /* trainable */
    ct_tensor mean, var;      /* running statistics */
    ct_tensor dscale, dshift; /* gradients */
    double eps, momentum;     /* momentum: weight of the newest batch */
} ct_batchnorm;

/* Statistics of one batch, kept for the backward pass. */
typedef struct ct_batchnorm_pass {
    ct_tensor mean, var;
} ct_batchnorm_pass;

typedef enum ct_mode {
    CT_MODE_EVAL,  /* running statistics */
    CT_MODE_TRAIN, /* the batch's own statistics */
} ct_mode;

/* y = norm(x); y may be x where no backward pass follows. */
csctrl_status ct_batchnorm_forward(ct_exec *ex, ct_batchnorm *norm, ct_mode mode,
                                   const ct_tensor *x, ct_tensor *y, ct_batchnorm_pass *pass);

/* The y of that forward in CT_MODE_TRAIN, from the statistics that it left in `pass` (on ref in
 * float but for their rounding). */
csctrl_status ct_batchnorm_recompute(ct_exec *ex, const ct_batchnorm *norm, const ct_tensor *x,
                                     const ct_batchnorm_pass *pass, ct_tensor *y);

/* The running statistics follow those of a batch of `rows` = all but the channel dimension of x,
 * here and on each rank whose rows are normalised with it. */
csctrl_status ct_batchnorm_follow(ct_exec *ex, ct_batchnorm *norm, int64_t rows,
                                  const ct_batchnorm_pass *pass);

/* d is dy on entry and dx on return. dscale and dshift accumulate when `learn`. */
csctrl_status ct_batchnorm_backward(ct_exec *ex, ct_batchnorm *norm, const ct_tensor *x,
                                    const ct_batchnorm_pass *pass, bool learn, ct_tensor *d);

#endif
