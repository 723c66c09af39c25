/* csc.h - the convolutional sparse coding layer (SPEC 1): T unrolled FISTA steps, their gradient,
 * and the synthesis. */
#ifndef CT_LAYERS_CSC_H
#define CT_LAYERS_CSC_H

#include "backend/backend.h"
#include "tensor/plan.h"

/* z ~ argmin lambda |z|_1 + mu/2 |z|^2 + 1/2 |x - A z|^2. The dictionary itself is a parameter of
 * the model; `conv` is what the backend prepared of it. */
typedef struct ct_csc {
    ct_conv *conv;
    int steps;    /* T */
    ct_prox prox; /* eta (borrowed), lambda, mu, nonneg */
    double *beta; /* [T] y_k = z_k + beta_k (z_k - z_{k-1}); zeros without momentum; owned */
} ct_csc;

/* beta_k of FISTA: (t_{k-1} - 1) / t_k, t_1 = 1, t_{k+1} = (1 + sqrt(1 + 4 t_k^2)) / 2; beta_0 is
 * not used. */
csctrl_status ct_csc_create(ct_csc *layer, ct_conv *conv, int steps, const ct_prox *prox,
                            bool momentum);
void ct_csc_destroy(ct_csc *layer);

/* Activations of one forward pass. z[k] is z_{k+1}, r[k] the residual x - A y_k of step k >= 1. A
 * pass that is not saved for the backward pass lets them share memory: two z's in turn, one r. */
typedef struct ct_csc_pass {
    ct_tensor *z, *r; /* [T] each; owned arrays, memory of the plan */
    ct_tensor y;      /* extrapolated point; without data when no step extrapolates */
    ct_tensor z_memory[2], r_memory; /* not saved */
    bool saved;
} ct_csc_pass;

/* Declare the buffers, alive [first, last]: CT_SAVED, or CT_SCRATCH when not saved. The codes
 * z[T-1] stay alive until `codes_last`. */
csctrl_status ct_csc_pass_create(ct_csc_pass *pass, const ct_csc *layer, csctrl_dtype dtype,
                                 bool saved, ct_plan *plan, int first, int last, int codes_last);
/* After the plan was allocated. */
void ct_csc_pass_bind(ct_csc_pass *pass, const ct_csc *layer);
void ct_csc_pass_destroy(ct_csc_pass *pass);

/* z[T-1] <- the layer's codes of x. */
csctrl_status ct_csc_forward(ct_exec *ex, const ct_csc *layer, const ct_tensor *x,
                             ct_csc_pass *pass);

/* Buffers of the backward pass, shared by all passes of the layer. */
typedef struct ct_csc_grad {
    ct_tensor dz;    /* in: gradient of z[T-1]; destroyed */
    ct_tensor a;     /* A* q, then the gradient of y_k */
    ct_tensor carry; /* what y_{k+1} owes z_{k-1}; without data when no step extrapolates */
    ct_tensor y;     /* y_k rebuilt; likewise */
    ct_tensor q;     /* A gs; without data where the operator keeps_q */
} ct_csc_grad;

void ct_csc_grad_declare(ct_csc_grad *grad, const ct_csc *layer, csctrl_dtype dtype, ct_plan *plan,
                         int dz_first, int first, int last);

/* From grad->dz: dW accumulates (NULL: not wanted), dx is written (NULL: not wanted). eta is a
 * constant. */
csctrl_status ct_csc_backward(ct_exec *ex, const ct_csc *layer, const ct_tensor *x,
                              const ct_csc_pass *pass, ct_csc_grad *grad, ct_tensor *dW,
                              ct_tensor *dx);

/* Shapes of the two sides of a dictionary for a batch of n. */
ct_tensor ct_image_shape(csctrl_dtype dtype, const ct_geom *geom);
ct_tensor ct_code_shape(csctrl_dtype dtype, const ct_geom *geom);

#endif
