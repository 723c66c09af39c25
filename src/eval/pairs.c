/* pairs.c - inner products of all pairs of features, block by block, in double. */
#include <math.h>

#include "base/mem.h"
#include "eval/products.h"

enum { BLOCK = 256 };

static csctrl_status expect_finite(const ct_tensor *t, const char *name)
{
    const float *x = t->data;

    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        if (!isfinite(x[i]))
            return ct_fail(CSCTRL_E_NUMERIC,
                           "%s: number %lld is not finite; check what made the features", name,
                           (long long)i);
    return CSCTRL_OK;
}

csctrl_status ct_expect_features(const ct_tensor *a, const char *name_a, const ct_tensor *b,
                                 const char *name_b)
{
    CT_TRY(ct_tensor_expect(a, name_a, CSCTRL_F32, 2, (const int64_t[]){-1, -1}));
    CT_TRY(ct_tensor_expect(b, name_b, CSCTRL_F32, 2, (const int64_t[]){-1, a->shape[1]}));
    if (a->shape[1] < 1)
        return ct_fail(CSCTRL_E_SHAPE, "%s: expected at least one number in each, found %lld",
                       name_a, (long long)a->shape[1]);
    CT_TRY(expect_finite(a, name_a));
    return expect_finite(b, name_b);
}

static void squares(const float *x, int64_t n, int64_t d, double *norm)
{
    for (int64_t i = 0; i < n; i++) {
        norm[i] = 0;
        for (int64_t j = 0; j < d; j++)
            norm[i] += (double)x[i * d + j] * (double)x[i * d + j];
    }
}

csctrl_status ct_pairs_create(ct_pairs *p, const ct_tensor *a, const ct_tensor *b)
{
    const size_t d = (size_t)a->shape[1], nb = (size_t)b->shape[0];

    *p = (ct_pairs){.a = a->data, .b = b->data, .na = a->shape[0], .nb = b->shape[0]};
    p->d = a->shape[1];
    p->norm_a = ct_calloc((size_t)p->na, sizeof(double));
    p->norm_b = ct_calloc(nb, sizeof(double));
    p->left = ct_calloc(BLOCK, d * sizeof(double));
    p->right = ct_calloc(nb, d * sizeof(double));
    p->out = ct_calloc(BLOCK, nb * sizeof(double));
    if (p->norm_a == NULL || p->norm_b == NULL || p->left == NULL || p->right == NULL ||
        p->out == NULL)
        return CSCTRL_E_NOMEM;
    squares(p->a, p->na, p->d, p->norm_a);
    squares(p->b, p->nb, p->d, p->norm_b);
    for (int64_t i = 0; i < p->nb * p->d; i++)
        p->right[i] = (double)p->b[i];
    return CSCTRL_OK;
}

void ct_pairs_destroy(ct_pairs *p)
{
    ct_free(p->norm_a);
    ct_free(p->norm_b);
    ct_free(p->left);
    ct_free(p->right);
    ct_free(p->out);
    *p = (ct_pairs){0};
}

bool ct_pairs_next(ct_pairs *p)
{
    p->first += p->rows;
    p->rows = p->na - p->first < BLOCK ? p->na - p->first : BLOCK;
    for (int64_t i = 0; i < p->rows * p->d; i++)
        p->left[i] = (double)p->a[p->first * p->d + i];
    ct_product_nt(p->left, p->rows, p->right, p->nb, p->d, p->out);
    return p->rows > 0;
}
