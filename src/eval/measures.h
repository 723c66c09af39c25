/* measures.h - what the files of the evaluation share: the check of two image batches, and coding
 * rates on host features in double (the objective's own rates need a backend, evaluation does not).
 */
#ifndef CT_EVAL_MEASURES_H
#define CT_EVAL_MEASURES_H

#include <stdint.h>

#include "tensor/tensor.h"

enum { CT_SSIM_WINDOW = 11 }; /* pixels; smaller images have no SSIM */

/* E_SHAPE or E_DTYPE unless a and b are f32[n, c, h, w] of one shape, with c >= 1 and both sides at
 * least `side`. */
csctrl_status ct_eval_expect_pair(const ct_tensor *a, const ct_tensor *b, int64_t side);

/* Coding rates in nats (SPEC 3). Features are f32[n, d]; no features have rate 0. E_NUMERIC when
 * one is not finite, E_SHAPE, E_INVALID (a label out of 0..classes-1), E_NOMEM. */
csctrl_status ct_eval_rate(const ct_tensor *z, double eps2, double *rate);

/* dR(Z | labels) = R(Z) - sum_k n_k/n R(Z_k); empty classes contribute nothing. */
csctrl_status ct_eval_rate_reduction(const ct_tensor *z, const int64_t *labels, int classes,
                                     double eps2, double *reduction);

/* dR(Z, Zhat) = R(Z u Zhat) - R(Z)/2 - R(Zhat)/2 of as many features each. */
csctrl_status ct_eval_rate_distance(const ct_tensor *z, const ct_tensor *zhat, double eps2,
                                    double *distance);

#endif
