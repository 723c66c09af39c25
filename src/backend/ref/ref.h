/* ref.h - the reference backend: every operation as plain C that reads as its formula. One text,
 * compiled for float and for double; sums are always in double. */
#ifndef CT_BACKEND_REF_H
#define CT_BACKEND_REF_H

#include "backend/backend.h"

#ifdef CT_REF_F64
typedef double real;
#define REF(name) ct_ref_f64_##name
#else
typedef float real;
#define REF(name) ct_ref_f32_##name
#endif

/* Each puts its file's operations into the table. */
void REF(fill_memory)(ct_ops *ops);
void REF(fill_conv)(ct_ops *ops);
void REF(fill_csc)(ct_ops *ops);
void REF(fill_norm)(ct_ops *ops);
void REF(fill_elementwise)(ct_ops *ops);
void REF(fill_rate)(ct_ops *ops);
void REF(fill_optim)(ct_ops *ops);

/* All of them, for both types and whichever of the two is compiled. */
void ct_ref_f32_fill(ct_ops *ops);
void ct_ref_f64_fill(ct_ops *ops);

static inline const real *in(const ct_tensor *t)
{
    return t->data;
}

static inline real *out(ct_tensor *t)
{
    return t->data;
}

/* Extent of the last dimension, and how many rows of it there are. */
static inline int64_t row_length(const ct_tensor *t)
{
    return t->shape[t->ndim - 1];
}

static inline int64_t row_count(const ct_tensor *t)
{
    return csctrl_tensor_count(t) / row_length(t);
}

#endif
