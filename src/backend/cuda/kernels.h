/* kernels.h - launchers of the kernels in the .cu files: each queues its work on a stream and
 * returns 0 or CUDA's error. All pointers are memory of the device. Operands of products, written T
 * below, are float, or bfloat16 where `half`. */
#ifndef CT_BACKEND_CUDA_KERNELS_H
#define CT_BACKEND_CUDA_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/crop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise.cu */
int ct_k_fill(void *stream, int64_t n, float value, float *x);
int ct_k_axpby(void *stream, int64_t n, float a, const float *x, float b, float *y);
/* to <- x, which is bfloat16. */
int ct_k_widen(void *stream, int64_t n, const void *x, float *to);
/* v = a x + b w, x NULL: zero; to (NULL: not wanted) <- v, and narrow (bfloat16; NULL) too. to may
 * be x. */
int ct_k_blend(void *stream, int64_t n, float a, const float *x, float b, const void *w, bool half,
               float *to, void *narrow);
/* kind: ct_act. */
int ct_k_act(void *stream, int64_t n, int kind, float slope, const float *x, float *y);
int ct_k_act_backward(void *stream, int64_t n, int kind, float slope, const float *y,
                      const float *dy, float *dx);
/* [n, rows, cols] -> [n, cols, rows] */
int ct_k_transpose(void *stream, int64_t n, int rows, int cols, const float *from, float *to);
/* u8 [n, channels, h, w] -> [n, h, w, channels] in [-1, 1], cropped by crops [n]; NULL: as
 * they are. */
int ct_k_from_bytes(void *stream, int64_t n, int channels, int h, int w, const void *bytes,
                    const ct_crop *crops, float *to);
/* *sum (double) <- sum of squares, or the number of zeros. part: CT_SUM_BYTES of working memory. */
int ct_k_sum_squares(void *stream, int64_t n, const float *x, void *part, double *sum);
int ct_k_count_zeros(void *stream, int64_t n, const float *x, void *part, double *sum);

/* ---- csc.cu: eta is memory of the device, as in ct_prox */
typedef struct ct_k_prox {
    const double *eta;
    double lambda, mu;
    bool nonneg;
} ct_k_prox;
/* z = prox(y + eta grad), y_next = z + beta (z - z_prev); grad is T; y, y_next NULL as in ops.h. */
int ct_k_shrink(void *stream, int64_t n, const ct_k_prox *prox, float beta, const void *grad,
                bool half, const float *y, const float *z_prev, float *z, float *y_next);
/* g = eta / (1 + mu eta) dz where z is not 0; narrow (bfloat16; NULL: not wanted) too. eta: the
 * step size once more, for cuDNN. */
int ct_k_shrink_backward(void *stream, int64_t n, const ct_k_prox *prox, const float *z,
                         const float *dz, float *g, void *narrow, float *eta);
/* to <- x in bfloat16; *eta <- *step, NULL: not wanted. */
int ct_k_narrow(void *stream, int64_t n, const float *x, void *to, const double *step, float *eta);
/* dy = gs / eta - back, back is T */
int ct_k_step_backward(void *stream, int64_t n, const double *eta, const float *gs,
                       const void *back, bool half, float *dy);
/* u = v / |v|, *eta = scale / |v| from the sum of squares; u, eta NULL: not wanted. */
int ct_k_unit(void *stream, int64_t n, const float *v, const double *squares, float *u,
              double scale, double *eta);
/* W [atoms, c, k, k] -> P [atoms, k, k, c] of T; dW += scale dP. taps = k k. */
int ct_k_pack(void *stream, int atoms, int c, int taps, const float *W, void *P, bool half);
int ct_k_unpack(void *stream, int atoms, int c, int taps, float scale, const void *dP, bool half,
                float *dW);
int ct_k_unit_atoms(void *stream, int atoms, int64_t size, float *W);

/* ---- norm.cu: rows of c channels; sums: double [2][c]; part: ct_k_norm_part(rows, c) bytes */
size_t ct_k_norm_part(int64_t rows, int c);
int ct_k_norm_sums(void *stream, int64_t rows, int c, const float *x, void *part, double *sums);
/* sums of dy and dy (x - mean) */
int ct_k_norm_backward_sums(void *stream, int64_t rows, int c, const float *x, const float *dy,
                            const float *mean, void *part, double *sums);
/* mean, var (biased) of all_rows */
int ct_k_norm_moments(void *stream, int c, const double *sums, double all_rows, float *mean,
                      float *var);
int ct_k_norm_apply(void *stream, int64_t rows, int c, const float *x, const float *scale,
                    const float *shift, const float *mean, const float *var, double eps, float *y);
/* dscale, dshift (NULL: not wanted) += */
int ct_k_norm_params(void *stream, int c, const double *sums, const float *var, double eps,
                     float *dscale, float *dshift);
int ct_k_norm_backward(void *stream, int64_t rows, int c, const float *x, const float *dy,
                       const float *scale, const float *mean, const float *var, double eps,
                       const double *sums, double all_rows, float *dx);
int ct_k_sphere(void *stream, int64_t rows, int d, const float *x, float *z, float *norm);
int ct_k_sphere_backward(void *stream, int64_t rows, int d, const float *z, const float *norm,
                         const float *dz, float *dx);

/* ---- rate.cu: terms of a sum of coding rates, of d features */
typedef struct ct_k_term {
    double weight, alpha; /* d / (count eps2), 0 for an empty term */
    int32_t first, count; /* in rows */
    int32_t pass;         /* terms of one pass have no row in common */
} ct_k_term;
/* G[j] <- I + alpha Z^T Z of term j, [d, d] each. */
int ct_k_rate_gram(void *stream, const float *F, int d, const ct_k_term *terms, int count,
                   const int32_t *rows, double *G);
/* values[j] <- 1/2 logdet of the factored G[j]; NaN where info is not 0. */
int ct_k_rate_values(void *stream, const double *G, int d, int count, const int *info,
                     double *values);
/* X[j] <- I */
int ct_k_rate_identity(void *stream, double *X, int d, int count);
/* to[j] <- base + j stride, the addresses of `count` matrices. */
int ct_k_rate_pointers(void *stream, const double *base, int64_t stride, int count, double **to);
/* dF[rows of j] += weight alpha F[rows of j] Ginv[j] for the terms of a pass; most: rows of the
 * largest. */
int ct_k_rate_gradient(void *stream, const float *F, int d, const ct_k_term *terms, int count,
                       int pass, int most, const int32_t *rows, const double *Ginv, float *dF);

/* ---- optim.cu: several tensors a launch */
typedef struct ct_k_tensor {
    float *p, *m, *v;
    const float *g;
    int64_t count;
    int32_t atoms; /* that go back on the sphere; 0: none do */
} ct_k_tensor;
enum { CT_K_TENSORS = 48 }; /* so that they fit in the arguments of a launch */
typedef struct ct_k_tensors {
    ct_k_tensor list[CT_K_TENSORS];
    int count;
} ct_k_tensors;
/* As ct_adam. */
typedef struct ct_k_adam {
    double lr, beta1, beta2, eps, bias1, bias2, clip;
} ct_k_adam;
/* part[CT_K_NORM_PARTS] of each tensor <- sums of squares of its gradient; *norm <- the root of the
 * sum of `parts` parts. */
enum { CT_K_NORM_PARTS = 32 };
int ct_k_gradient_squares(void *stream, const ct_k_tensors *tensors, double *part);
int ct_k_gradient_norm(void *stream, const double *part, int parts, double *norm);
/* Nothing where *norm is not finite. */
int ct_k_adam_step(void *stream, const ct_k_tensors *tensors, const ct_k_adam *adam,
                   const double *norm);

enum { CT_SUM_BYTES = 256 * 8 };

#ifdef __cplusplus
}
#endif

#endif
