/* rates.c - the coding rates of the figures (SPEC 3): which rows of F = [Z; Zhat], as terms of the
 * backend's rate_terms. */
#include "base/mem.h"
#include "eval/measures.h"
#include "model/model.h"

enum { Z, ZHAT, BOTH, WHOLE }; /* the first terms; then each class of Z, then each of Zhat */

typedef struct rate_work {
    ct_exec *ex;
    int64_t n;
    int classes;
    ct_tensor F;         /* [2n, d] */
    int32_t *rows;       /* 2n: Z by class, then Zhat by class */
    ct_rate_term *terms; /* WHOLE + 2 classes */
    double *values;      /* one a term */
    void *scratch;
} rate_work;

static csctrl_status work_create(rate_work *w, const ct_tensor *z)
{
    const size_t terms = WHOLE + 2 * (size_t)w->classes;
    const int64_t d = z->shape[1];

    w->n = z->shape[0];
    if (w->n < 1 || w->n > INT32_MAX / 2 || d < 1 || d > INT32_MAX)
        return ct_fail(CSCTRL_E_SHAPE,
                       "coding rates: expected at least one image and feature, found %lld and %lld",
                       (long long)w->n, (long long)d);
    w->F = CT_SHAPE(w->ex->dtype, 2 * w->n, d);
    w->rows = ct_calloc(2 * (size_t)w->n, sizeof *w->rows);
    w->terms = ct_calloc(terms, sizeof *w->terms);
    w->values = ct_calloc(terms, sizeof *w->values);
    if (w->rows == NULL || w->terms == NULL || w->values == NULL)
        return CSCTRL_E_NOMEM;
    CT_TRY(w->ex->ops->mem_alloc(w->ex, ct_tensor_bytes(&w->F), &w->F.data));
    const size_t bytes = w->ex->ops->rate_scratch(w->ex, (int)(2 * w->n), (int)d);
    return w->ex->ops->mem_alloc(w->ex, bytes, &w->scratch);
}

static void work_destroy(rate_work *w)
{
    w->ex->ops->mem_free(w->ex, w->F.data);
    w->ex->ops->mem_free(w->ex, w->scratch);
    ct_free(w->rows);
    ct_free(w->terms);
    ct_free(w->values);
}

static csctrl_status fill_terms(rate_work *w, const int64_t *labels)
{
    const int32_t n = (int32_t)w->n;
    int32_t at = 0;

    for (int k = 0; k < w->classes; k++) {
        const int32_t first = at;
        for (int32_t i = 0; i < n; i++)
            if (labels[i] == k) {
                w->rows[at] = i;
                w->rows[n + at++] = n + i;
            }
        w->terms[WHOLE + k] = (ct_rate_term){.rows = w->rows + first, .count = at - first};
        w->terms[WHOLE + w->classes + k] =
            (ct_rate_term){.rows = w->rows + n + first, .count = at - first};
    }
    if (at != n)
        return ct_fail(CSCTRL_E_INVALID,
                       "coding rates: expected labels in 0..%d, found others at %d of %d images",
                       w->classes - 1, n - at, n);
    w->terms[Z] = (ct_rate_term){.rows = w->rows, .count = n};
    w->terms[ZHAT] = (ct_rate_term){.rows = w->rows + n, .count = n};
    w->terms[BOTH] = (ct_rate_term){.rows = w->rows, .count = 2 * n};
    return CSCTRL_OK;
}

/* sum_k n_k/n R of the class terms from `first` on. */
static double class_rates(const rate_work *w, int first)
{
    double sum = 0;

    for (int j = first; j < first + w->classes; j++)
        sum += w->values[j] * w->terms[j].count / (double)w->n;
    return sum;
}

csctrl_status ct_eval_rates(ct_exec *ex, const ct_tensor *z, const ct_tensor *zhat,
                            const int64_t *labels, int classes, double eps2,
                            csctrl_figures *figures)
{
    rate_work w = {.ex = ex, .classes = classes};
    csctrl_status st;

    CT_GOTO(st, ct_tensor_expect(z, "features", CSCTRL_F32, 2, (const int64_t[]){-1, -1}));
    CT_GOTO(st, ct_tensor_expect(zhat, "regenerated features", CSCTRL_F32, 2, z->shape));
    CT_GOTO(st, work_create(&w, z));
    CT_GOTO(st, fill_terms(&w, labels));
    ct_tensor half = ct_tensor_head(&w.F, w.n);
    CT_GOTO(st, ct_put(ex, z->data, csctrl_tensor_count(z), &half));
    half.data = (char *)half.data + ct_tensor_bytes(&half);
    CT_GOTO(st, ct_put(ex, zhat->data, csctrl_tensor_count(zhat), &half));
    CT_GOTO(st, ex->ops->rate_terms(ex, &w.F, eps2, w.terms, WHOLE + 2 * classes, w.values, NULL,
                                    w.scratch));
    figures->rate_z = w.values[Z];
    figures->rate_zhat = w.values[ZHAT];
    figures->reduction_z = w.values[Z] - class_rates(&w, WHOLE);
    figures->reduction_zhat = w.values[ZHAT] - class_rates(&w, WHOLE + classes);
    figures->distance = w.values[BOTH] - 0.5 * (w.values[Z] + w.values[ZHAT]);
done:
    work_destroy(&w);
    return st;
}
