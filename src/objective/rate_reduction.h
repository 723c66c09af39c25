/* rate_reduction.h - the objectives of SPEC 3 as weighted sums of coding rates over rows of F = [Z;
 * Zhat]. */
#ifndef CT_OBJECTIVE_RATE_REDUCTION_H
#define CT_OBJECTIVE_RATE_REDUCTION_H

#include "backend/backend.h"
#include "tensor/plan.h"

typedef enum ct_objective_kind {
    CT_OBJECTIVE_BINARY,    /* dR(Z, Zhat) */
    CT_OBJECTIVE_MULTI,     /* gamma1 dR(Z) + gamma2 dR(Zhat) + gamma3 sum_k dR(Z_k, Zhat_k) */
    CT_OBJECTIVE_REDUCTION, /* dR(Z | labels) alone */
} ct_objective_kind;

typedef struct ct_objective {
    int n, d, classes;
    double eps2, gamma[3];
    int32_t
        *rows; /* 4n: Z by class, Zhat by class, Z_k and Zhat_k interleaved by class (2n); owned */
    int32_t *class_start; /* classes + 1; owned */
    ct_rate_term *terms;  /* 3 + 3 classes; owned */
    double *values;       /* one a term; owned */
    void *scratch;        /* of the plan */
    size_t scratch_bytes;
} ct_objective;

/* gamma: three weights of multi. classes >= 1; labels are used by all but binary. */
csctrl_status ct_objective_create(ct_exec *ex, ct_objective *objective, int n, int d, int classes,
                                  double eps2, const double gamma[3]);
void ct_objective_declare(ct_objective *objective, ct_plan *plan, int first, int last);
void ct_objective_destroy(ct_objective *objective);

/* Value of the objective at F [2n, d] and its gradient dF [2n, d] (written; NULL: not wanted).
 * labels: n numbers in 0..classes-1 (NULL is fine for binary). E_INVALID names a label out of
 * range; E_NUMERIC when F is not finite. */
csctrl_status ct_objective_eval(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const ct_tensor *F, const int64_t *labels, double *value,
                                ct_tensor *dF);

#endif
