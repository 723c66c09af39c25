/* products.h - the matrix products of the measures, in double. */
#ifndef CT_EVAL_PRODUCTS_H
#define CT_EVAL_PRODUCTS_H

#include <stdint.h>

#include "tensor/tensor.h"

/* out[n, m] = a[n, d] b[m, d]^T */
void ct_product_nt(const double *a, int64_t n, const double *b, int64_t m, int64_t d, double *out);

/* out[m, d] = a[n, m]^T b[n, d] */
void ct_product_tn(const double *a, const double *b, int64_t n, int64_t m, int64_t d, double *out);

/* lower triangle of gram[d, d] += block[n, d]^T block */
void ct_gram_add(const double *block, int64_t n, int64_t d, double *gram);

/* All inner products of the rows of a and b, a block of rows of a at a time. */
typedef struct ct_pairs {
    const float *a, *b;
    int64_t na, nb, d;
    double *norm_a, *norm_b; /* squared lengths */
    double *left, *right;
    double *out;         /* [rows, nb]: products of the rows first .. first + rows - 1 of a */
    int64_t first, rows; /* rows 0: at the end */
} ct_pairs;

/* a: f32[n, d], b: f32[m, d], both with data that stay where they are. Release also on failure. */
csctrl_status ct_pairs_create(ct_pairs *p, const ct_tensor *a, const ct_tensor *b);
void ct_pairs_destroy(ct_pairs *p);

/* The next block; false at the end. */
bool ct_pairs_next(ct_pairs *p);

/* Squared distance of row first + i of a and row j of b. */
static inline double ct_pairs_distance(const ct_pairs *p, int64_t i, int64_t j)
{
    const double square = p->norm_a[p->first + i] + p->norm_b[j] - 2 * p->out[i * p->nb + j];

    return square < 0 ? 0 : square;
}

/* E_SHAPE or E_DTYPE unless a and b are f32[n, d] and f32[m, d], d >= 1; E_NUMERIC unless all is
 * finite. */
csctrl_status ct_expect_features(const ct_tensor *a, const char *name_a, const ct_tensor *b,
                                 const char *name_b);

#endif
