/* measures.h - what the files of the evaluation share: the check of two image batches, and the
 * coding rates. */
#ifndef CT_EVAL_MEASURES_H
#define CT_EVAL_MEASURES_H

#include <stdint.h>

#include "backend/backend.h"
#include "csctrl/eval.h"

enum { CT_SSIM_WINDOW = 11 }; /* pixels; smaller images have no SSIM */

/* E_SHAPE or E_DTYPE unless a and b are f32[n, c, h, w] of one shape, with c >= 1 and both sides at
 * least `side`. */
csctrl_status ct_eval_expect_pair(const ct_tensor *a, const ct_tensor *b, int64_t side);

/* E_INVALID unless all n labels are in 0..classes-1. */
csctrl_status ct_eval_expect_labels(const int64_t *labels, int64_t n, int classes);

/* The five rates of the figures, in nats (SPEC 3). z, zhat: f32[n, d] on the host, n >= 1; labels:
 * n numbers in 0..classes-1, an empty class contributes nothing. E_NUMERIC when a feature is not
 * finite, E_SHAPE, E_DTYPE, E_INVALID (a label), E_NOMEM; the figures are then unchanged. */
csctrl_status ct_eval_rates(ct_exec *ex, const ct_tensor *z, const ct_tensor *zhat,
                            const int64_t *labels, int classes, double eps2,
                            csctrl_figures *figures);

#endif
