/* rate_reduction.h - the objectives of SPEC 3 as weighted sums of coding rates over rows of F = [Z;
 * Zhat]. */
#ifndef CT_OBJECTIVE_RATE_REDUCTION_H
#define CT_OBJECTIVE_RATE_REDUCTION_H

#include "backend/backend.h"
#include "tensor/plan.h"

typedef enum ct_objective_kind {
    CT_OBJECTIVE_BINARY,       /* dR(Z, Zhat) */
    CT_OBJECTIVE_UNSUPERVISED, /* gamma1 R(Z) + gamma3 dR(Z, Zhat) */
    CT_OBJECTIVE_MULTI,        /* gamma1 dR(Z) + gamma2 dR(Zhat) + gamma3 sum_k dR(Z_k, Zhat_k) */
    CT_OBJECTIVE_REDUCTION,    /* dR(Z | labels) alone */
} ct_objective_kind;

enum { CT_OBJECTIVE_KINDS = CT_OBJECTIVE_REDUCTION + 1 };

typedef struct ct_objective {
    int n, d, classes;
    double eps2, gamma[3];
    /* Of each kind 4n: Z by class, Zhat by class, Z_k and Zhat_k interleaved by class (2n); owned
     */
    int32_t *rows;
    int32_t *class_start;                   /* classes + 1; owned */
    ct_rate_term *list[CT_OBJECTIVE_KINDS]; /* owned */
    ct_rate_terms terms[CT_OBJECTIVE_KINDS];
    double *host_values; /* one a term; owned */
    void *scratch;       /* of the plan, while it is evaluated */
    size_t loaded_bytes, scratch_bytes;
} ct_objective;

/* gamma: three weights. classes >= 1; labels are used by multi and the reduction. */
csctrl_status ct_objective_create(ct_exec *ex, ct_objective *objective, int n, int d, int classes,
                                  double eps2, const double gamma[3]);
/* Scratch memory, and what a kind that will be loaded takes. */
void ct_objective_declare(ct_objective *objective, ct_plan *plan, int first, int last);
void ct_objective_declare_kind(ct_objective *objective, ct_objective_kind kind, ct_plan *plan);
void ct_objective_destroy(ct_objective *objective);

/* Numbers of the backend's memory that the values of a kind take. */
int ct_objective_terms(const ct_objective *objective, ct_objective_kind kind);

/* A new batch. labels: n numbers in 0..classes-1 (may be NULL where they are not used). E_INVALID
 * names a label out of range. */
csctrl_status ct_objective_load(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const int64_t *labels);

/* At F [2n, d]: the values of the terms, in the backend's memory, and the gradient dF [2n, d]
 * (written; NULL: not wanted). E_NUMERIC when F is not finite, or values that are not. */
csctrl_status ct_objective_eval(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const ct_tensor *F, double *values, ct_tensor *dF);

/* The objective, from them. */
csctrl_status ct_objective_value(ct_exec *ex, const ct_objective *objective, ct_objective_kind kind,
                                 const double *values, double *value);

#endif
