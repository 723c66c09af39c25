/* ops.h - the table of operations that every backend fills, and the contract of each.
 *
 * Common to all operations:
 * - Activations are NHWC: image side [n, h, w, c], code side [n, oh, ow, atoms]. Dictionaries are
 * [atoms, c, k, k] (the order of the paper's code and of checkpoints). Features are [n, d]. All
 * floating tensors have the exec's dtype.
 * - Shapes are checked by the layers, not here. Outputs are wholly written unless the contract says
 * "accumulates".
 * - Outputs do not overlap inputs unless the contract says "in place".
 * - Results are the same for every call with the same inputs and thread count (fixed order of
 * summation).
 * - After planning nothing is allocated in the backend's memory; the host backends allocate nothing
 * at all.
 * - Scalars (`double *`) are host memory and valid on return, unless the contract says that they
 * are the backend's memory, written in its own time as tensors are. */
#ifndef CT_BACKEND_OPS_H
#define CT_BACKEND_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/crop.h"
#include "tensor/tensor.h"

typedef struct ct_exec ct_exec;

/* Geometry of A (synthesis: codes to image) and A* (analysis: image to codes). oh = (h + 2 pad - k)
 * / stride + 1 exactly. */
typedef struct ct_geom {
    int n;
    int h, w, c;
    int oh, ow, atoms;
    int kernel, stride, pad;
} ct_geom;

/* Multiplications of a convolution as it is written. */
static inline double ct_geom_products(const ct_geom *g)
{
    return (double)g->n * g->oh * g->ow * g->atoms * g->c * g->kernel * g->kernel;
}

/* One dictionary at one geometry: what a backend prepared for it. The memory is planned by the
 * layer: after conv_create it declares packed_bytes (lives as long as the layer) and scratch_bytes
 * (within one call) and lets `packed` and `scratch` be bound to them. */
typedef struct ct_conv {
    ct_geom geom;
    size_t packed_bytes, scratch_bytes;
    double products; /* multiplications of one analysis, as many of a synthesis or a gradient */
    bool keeps_q;    /* csc_step_backward has q in scratch and does not touch that of the caller */
    void *packed, *scratch;
    void *impl; /* backend's own; released by conv_destroy */
} ct_conv;

/* prox of SPEC 1: v -> max(v - lambda eta, 0) / (1 + mu eta), or the two-sided soft threshold. */
typedef struct ct_prox {
    const double *eta; /* the backend's memory */
    double lambda, mu;
    bool nonneg;
} ct_prox;

/* One FISTA step (SPEC 1): r = x - A y; z = prox(y + eta A* r); y_next = z + beta (z - z_prev). */
typedef struct ct_csc_step {
    ct_prox prox;
    double beta;
    const ct_tensor *x;      /* image */
    const ct_tensor *y;      /* NULL: zero, so that r is x */
    const ct_tensor *z_prev; /* read only when y_next is wanted */
    ct_tensor *r;            /* out: the residual; not touched when y is NULL */
    bool drop_r;             /* r is not wanted: memory that the steps of a pass share, the first
                              * included, whose y is NULL */
    ct_tensor *z;            /* out */
    ct_tensor *y_next;       /* out; may be y; NULL: not wanted */
} ct_csc_step;

/* Its gradient. With gs = eta dz/dv and q = A gs:  x gets q;  W gets <A* r, gs> from the analysis
 * and -<A y, q> from the synthesis; y gets gs / eta - A* q. eta is a constant. */
typedef struct ct_csc_step_grad {
    ct_prox prox;
    const ct_tensor *r; /* residual of the step: x when y is NULL */
    const ct_tensor *y; /* NULL: zero, as in the step */
    const ct_tensor *z; /* what the step returned */
    ct_tensor *dz;      /* in: gradient of z; destroyed */
    ct_tensor *q;       /* working memory, image; without data where keeps_q */
    ct_tensor *dy;      /* out; not touched when y is NULL; not dz */
    ct_tensor *dx;      /* out, or added to; NULL: not wanted */
    ct_tensor *dW;      /* added to; NULL: not wanted */
    bool add_dx;
} ct_csc_step_grad;

typedef enum ct_act { CT_RELU, CT_LEAKY_RELU, CT_TANH } ct_act;

/* weight * R(rows of F): a coding rate over a subset of rows. */
typedef struct ct_rate_term {
    double weight;
    const int32_t *rows; /* count row numbers of F; count 0 contributes nothing */
    int32_t count;
} ct_rate_term;

/* A sum of them. The number of terms stays, what they are may change from one load to the next. */
typedef struct ct_rate_terms {
    const ct_rate_term *list;
    int count;
    void *loaded; /* of rate_load */
} ct_rate_terms;

/* p <- p + lr * m_hat / (sqrt(v_hat) + eps); lr > 0 ascends, lr < 0 descends; bias1 = 1 - beta1^t,
 * bias2 = 1 - beta2^t. A gradient whose norm is above clip is brought to it first; 0: none is. */
typedef struct ct_adam {
    double lr, beta1, beta2, eps, bias1, bias2, clip;
} ct_adam;

/* One tensor of an update. unit_atoms: it is a dictionary, whose atoms go back on the sphere. */
typedef struct ct_update {
    ct_tensor *p, *m, *v;
    const ct_tensor *g;
    bool unit_atoms;
} ct_update;

typedef struct ct_ops {
    /* ---- memory of the backend's device (host memory for ref and cpu) */
    csctrl_status (*mem_alloc)(ct_exec *ex, size_t bytes,
                               void **block); /* zeroed, 64-byte aligned */
    void (*mem_free)(ct_exec *ex, void *block);
    csctrl_status (*upload)(ct_exec *ex, void *device, const void *host, size_t bytes);
    /* The same beside the work that is queued, which must not use `device`. upload_wait waits for
     * all that was brought so; until then the host's memory stays as it is. */
    csctrl_status (*upload_ahead)(ct_exec *ex, void *device, const void *host, size_t bytes);
    csctrl_status (*upload_wait)(ct_exec *ex);
    csctrl_status (*download)(ct_exec *ex, void *host, const void *device, size_t bytes);
    /* Memory of the host from which uploads will come often, until it is unpinned: they may then be
     * faster. */
    csctrl_status (*pin)(ct_exec *ex, void *host, size_t bytes);
    void (*unpin)(ct_exec *ex, void *host);

    /* ---- the convolutional dictionary */
    csctrl_status (*conv_create)(ct_exec *ex, const ct_geom *geom,
                                 ct_conv *conv); /* plan time; may allocate */
    void (*conv_destroy)(ct_exec *ex, ct_conv *conv);
    /* Take over new weights; called after every change of W, before any use. W: [atoms, c, k, k].
     */
    csctrl_status (*conv_pack)(ct_exec *ex, ct_conv *conv, const ct_tensor *W);
    /* code = A* img, a strided correlation. */
    csctrl_status (*analysis)(ct_exec *ex, ct_conv *conv, const ct_tensor *img, ct_tensor *code);
    /* img = A code, the transposed convolution. */
    csctrl_status (*synthesis)(ct_exec *ex, ct_conv *conv, const ct_tensor *code, ct_tensor *img);
    /* dW accumulates scale * d<code, A*(W) img>/dW; the same product is d<A(W) code, img>/dW. */
    csctrl_status (*dict_grad)(ct_exec *ex, ct_conv *conv, double scale, const ct_tensor *img,
                               const ct_tensor *code, ct_tensor *dW);
    /* Every row W[a] is put back on the unit l2 sphere (norm clamped at 1e-12). In place. */
    csctrl_status (*unit_atoms)(ct_exec *ex, ct_tensor *W);
    /* Power iteration (SPEC 1): u = v / |v|, all of u equal where v is 0; *eta = scale / |v|, in
     * the backend's memory, no positive number where |v| is 0 or not finite. u, eta NULL: not
     * wanted. */
    csctrl_status (*unit)(ct_exec *ex, const ct_tensor *v, ct_tensor *u, double scale, double *eta);

    /* ---- one FISTA step (SPEC 1)
     * z_next = prox(y + eta * grad); y_next = z_next + beta * (z_next - z_prev).
     * y NULL: zero. y_next NULL: not wanted; otherwise z_prev is not NULL. y_next may be y, z_next
     * may be grad. */
    csctrl_status (*csc_update)(ct_exec *ex, const ct_prox *prox, double beta,
                                const ct_tensor *grad, const ct_tensor *y, const ct_tensor *z_prev,
                                ct_tensor *z_next, ct_tensor *y_next);
    /* g = eta dz dprox/dv, read off z = prox(v): eta / (1 + mu eta) dz where z != 0, else 0. g may
     * be dz. */
    csctrl_status (*csc_update_backward)(ct_exec *ex, const ct_prox *prox, const ct_tensor *z,
                                         const ct_tensor *dz, ct_tensor *g);
    /* The whole step, convolutions included, and its gradient: where a backend saves passes over
     * memory. What does not is ct_csc_step_by_ops of csc_step.h. */
    csctrl_status (*csc_step)(ct_exec *ex, ct_conv *conv, const ct_csc_step *step);
    csctrl_status (*csc_step_backward)(ct_exec *ex, ct_conv *conv, const ct_csc_step_grad *grad);

    /* ---- batch normalisation over rows = all but the last dimension; scale, shift, mean, var: [c]
     * y = (x - mean) / sqrt(var + eps) * scale + shift with the batch's own mean and (biased)
     * variance, which are written. Sums are blocked or in double. y may be x. With norm_ranks the
     * batch is that of all of them, which call this and bn_backward together; E_IO when one cannot
     * be reached. */
    csctrl_status (*bn_forward)(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                                const ct_tensor *shift, double eps, ct_tensor *y, ct_tensor *mean,
                                ct_tensor *var);
    /* The same with given mean and var. y may be x. */
    csctrl_status (*bn_eval)(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                             const ct_tensor *shift, const ct_tensor *mean, const ct_tensor *var,
                             double eps, ct_tensor *y);
    /* Gradient through bn_forward, statistics included. dx may be dy or NULL. dscale, dshift
     * accumulate; NULL: not wanted. */
    csctrl_status (*bn_backward)(ct_exec *ex, const ct_tensor *x, const ct_tensor *dy,
                                 const ct_tensor *scale, const ct_tensor *mean,
                                 const ct_tensor *var, double eps, ct_tensor *dx, ct_tensor *dscale,
                                 ct_tensor *dshift);

    /* ---- element-wise
     * y = act(x). In place allowed. */
    csctrl_status (*act)(ct_exec *ex, ct_act kind, double slope, const ct_tensor *x, ct_tensor *y);
    /* dx = dy * act'(x), read off y. In place allowed (dx is dy). relu and leaky relu have
     * slope-side derivative at 0. */
    csctrl_status (*act_backward)(ct_exec *ex, ct_act kind, double slope, const ct_tensor *y,
                                  const ct_tensor *dy, ct_tensor *dx);
    /* y = a x + b y; b == 0 does not read y; x may be y. */
    csctrl_status (*axpby)(ct_exec *ex, double a, const ct_tensor *x, double b, ct_tensor *y);
    /* x = value. */
    csctrl_status (*fill)(ct_exec *ex, double value, ct_tensor *x);

    /* ---- layout: [n, c, h, w] <-> [n, h, w, c] of the exec's dtype, shapes taken from the NHWC
     * tensor. */
    csctrl_status (*to_nhwc)(ct_exec *ex, const ct_tensor *nchw, ct_tensor *nhwc);
    csctrl_status (*to_nchw)(ct_exec *ex, const ct_tensor *nhwc, ct_tensor *nchw);
    /* From u8 [n, c, h, w], images as the loader has them, to numbers of [-1, 1]
     * (ct_tensor_pixel()), image i cropped by crops[i]. crops: the backend's memory; NULL: the
     * images as they are. */
    csctrl_status (*from_bytes)(ct_exec *ex, const ct_tensor *bytes, const ct_crop *crops,
                                ct_tensor *nhwc);

    /* ---- the unit sphere, rows of [n, d]
     * z = x / max(|x|, 1e-12); norm [n] keeps max(|x|, 1e-12). In place allowed. */
    csctrl_status (*sphere)(ct_exec *ex, const ct_tensor *x, ct_tensor *z, ct_tensor *norm);
    /* dx = (dz - <dz, z> z) / norm. dx may be dz. */
    csctrl_status (*sphere_backward)(ct_exec *ex, const ct_tensor *z, const ct_tensor *norm,
                                     const ct_tensor *dz, ct_tensor *dx);

    /* ---- coding rates (SPEC 3) of at most `terms` subsets of the m rows of F [m, d], of `rows` in
     * all: what terms and working memory take. */
    void (*rate_bytes)(ct_exec *ex, int m, int d, int terms, int64_t rows, size_t *loaded,
                       size_t *scratch);
    /* Take over new terms, before any use of them; `loaded` keeps them and is the backend's memory.
     */
    csctrl_status (*rate_load)(ct_exec *ex, int m, int d, double eps2, const ct_rate_terms *terms);
    /* values[j], in the backend's memory, = R(rows of term j of F) unweighted, R(Z) = 1/2 logdet(I
     * + alpha Z^T Z), alpha = d / (count eps2); dF [m, d] accumulates sum_j weight_j dR_j/dF; dF
     * NULL: not wanted. Works on the smaller of the two Gram matrices where that saves time.
     * E_NUMERIC when F or a value is not finite (no term is then written), or values that are not
     * finite. */
    csctrl_status (*rate_terms)(ct_exec *ex, const ct_tensor *F, double eps2,
                                const ct_rate_terms *terms, double *values, ct_tensor *dF,
                                void *scratch);

    /* ---- reductions to host scalars */
    csctrl_status (*sum_squares)(ct_exec *ex, const ct_tensor *x,
                                 double *sum); /* not finite if any entry is not */
    csctrl_status (*count_zeros)(ct_exec *ex, const ct_tensor *x, double *count);

    /* ---- optimizer: the tensors of a player's move; p, m, v in place. `adam` and `norm` are the
     * backend's memory. *norm <- that of the whole gradient; where it is not finite nothing else is
     * changed. */
    csctrl_status (*update)(ct_exec *ex, const ct_adam *adam, const ct_update *updates, int count,
                            double *norm);

    /* ---- work that repeats
     * Do what `call` does. Each call with the same *record puts the same operations on the same
     * memory, without a host scalar among their results, so that a backend may keep them the first
     * time and repeat them. *record is NULL at first; repeat_end frees it. */
    csctrl_status (*repeat)(ct_exec *ex, void **record, csctrl_status (*call)(void *user),
                            void *user);
    void (*repeat_end)(ct_exec *ex, void **record);
} ct_ops;

#endif
