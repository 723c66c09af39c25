/* rates.c - the coding rates of the figures (SPEC 3): which rows of F = [Z; Zhat], as terms of the
 * backend's rate_terms. */
#include <math.h>

#include "base/mem.h"
#include "eval/measures.h"
#include "model/model.h"

enum { Z, ZHAT, BOTH, WHOLE }; /* the first terms; then each class of Z, then each of Zhat */

typedef struct rate_work {
    ct_exec *ex;
    int64_t n;
    int classes;
    ct_tensor F;        /* [2n, d] */
    int32_t *rows;      /* 2n: Z by class, then Zhat by class */
    ct_rate_term *list; /* WHOLE + 2 classes */
    ct_rate_terms terms;
    double *values;                /* one a term */
    void *device_values, *scratch; /* the backend's memory */
} rate_work;

static csctrl_status work_create(rate_work *w, const ct_tensor *z)
{
    const size_t terms = WHOLE + 2 * (size_t)w->classes;
    const int64_t d = z->shape[1];
    size_t loaded = 0, scratch = 0;

    w->n = z->shape[0];
    if (w->n < 1 || w->n > INT32_MAX / 2 || d < 1 || d > INT32_MAX)
        return ct_fail(CSCTRL_E_SHAPE,
                       "coding rates: expected at least one image and feature, found %lld and %lld",
                       (long long)w->n, (long long)d);
    w->F = CT_SHAPE(w->ex->dtype, 2 * w->n, d);
    w->rows = ct_calloc(2 * (size_t)w->n, sizeof *w->rows);
    w->list = ct_calloc(terms, sizeof *w->list);
    w->values = ct_calloc(terms, sizeof *w->values);
    w->terms.list = w->list;
    w->terms.count = (int)terms;
    if (w->rows == NULL || w->list == NULL || w->values == NULL)
        return CSCTRL_E_NOMEM;
    CT_TRY(w->ex->ops->mem_alloc(w->ex, ct_tensor_bytes(&w->F), &w->F.data));
    w->ex->ops->rate_bytes(w->ex, (int)(2 * w->n), (int)d, (int)terms, 6 * w->n, &loaded,
                           &scratch); /* each row is in three terms at most */
    CT_TRY(w->ex->ops->mem_alloc(w->ex, loaded + 1, &w->terms.loaded));
    CT_TRY(w->ex->ops->mem_alloc(w->ex, terms * sizeof *w->values, &w->device_values));
    return w->ex->ops->mem_alloc(w->ex, scratch, &w->scratch);
}

static void work_destroy(rate_work *w)
{
    w->ex->ops->mem_free(w->ex, w->F.data);
    w->ex->ops->mem_free(w->ex, w->terms.loaded);
    w->ex->ops->mem_free(w->ex, w->device_values);
    w->ex->ops->mem_free(w->ex, w->scratch);
    ct_free(w->rows);
    ct_free(w->list);
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
        w->list[WHOLE + k] = (ct_rate_term){.rows = w->rows + first, .count = at - first};
        w->list[WHOLE + w->classes + k] =
            (ct_rate_term){.rows = w->rows + n + first, .count = at - first};
    }
    if (at != n)
        return ct_fail(CSCTRL_E_INVALID,
                       "coding rates: expected labels in 0..%d, found others at %d of %d images",
                       w->classes - 1, n - at, n);
    w->list[Z] = (ct_rate_term){.rows = w->rows, .count = n};
    w->list[ZHAT] = (ct_rate_term){.rows = w->rows + n, .count = n};
    w->list[BOTH] = (ct_rate_term){.rows = w->rows, .count = 2 * n};
    return CSCTRL_OK;
}

/* sum_k n_k/n R of the class terms from `first` on. */
static double class_rates(const rate_work *w, int first)
{
    double sum = 0;

    for (int j = first; j < first + w->classes; j++)
        sum += w->values[j] * w->list[j].count / (double)w->n;
    return sum;
}

static csctrl_status evaluate(rate_work *w, double eps2)
{
    const ct_ops *ops = w->ex->ops;

    CT_TRY(ops->rate_load(w->ex, (int)w->F.shape[0], (int)w->F.shape[1], eps2, &w->terms));
    CT_TRY(ops->rate_terms(w->ex, &w->F, eps2, &w->terms, w->device_values, NULL, w->scratch));
    CT_TRY(ops->download(w->ex, w->values, w->device_values,
                         (size_t)w->terms.count * sizeof *w->values));
    for (int j = 0; j < w->terms.count; j++)
        if (!isfinite(w->values[j]))
            return ct_fail(CSCTRL_E_NUMERIC, "coding rate: a feature is not a finite number");
    return CSCTRL_OK;
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
    CT_GOTO(st, evaluate(&w, eps2));
    figures->rate_z = w.values[Z];
    figures->rate_zhat = w.values[ZHAT];
    figures->reduction_z = w.values[Z] - class_rates(&w, WHOLE);
    figures->reduction_zhat = w.values[ZHAT] - class_rates(&w, WHOLE + classes);
    figures->distance = w.values[BOTH] - 0.5 * (w.values[Z] + w.values[ZHAT]);
done:
    work_destroy(&w);
    return st;
}
