/* moments.h - the inside of csctrl_moments. */
#ifndef CT_EVAL_MOMENTS_H
#define CT_EVAL_MOMENTS_H

#include "csctrl/score.h"
#include "tensor/tensor.h"

enum { CT_RECIPE_MAX = 256 };

struct csctrl_moments {
    int64_t d, count;
    bool fixed;      /* read from a file: shift is the mean and scatter the covariance */
    double *shift;   /* [d] mean of the first batch, so that squares do not cancel */
    double *sum;     /* [d] of x - shift */
    double *scatter; /* [d, d] lower triangle of the sum of (x - shift)(x - shift)^T */
    double *block;   /* rows of the batch being added */
    char recipe[CT_RECIPE_MAX];
};

/* mean [d] and covariance [d, d], the full square, divided by count - 1. E_STATE: fewer than 2. */
csctrl_status ct_moments_final(const csctrl_moments *m, double *mean, double *covariance);

#endif
