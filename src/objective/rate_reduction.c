/* rate_reduction.c - which rows, with which weights. The coding rates themselves are the backend's
 * (rate_terms). */
#include "objective/rate_reduction.h"

#include <string.h>

#include "base/mem.h"

csctrl_status ct_objective_create(ct_exec *ex, ct_objective *objective, int n, int d, int classes,
                                  double eps2, const double gamma[3])
{
    const size_t term_max = 3 + 3 * (size_t)classes;

    *objective = (ct_objective){.n = n, .d = d, .classes = classes, .eps2 = eps2};
    memcpy(objective->gamma, gamma, sizeof objective->gamma);
    objective->rows = ct_calloc(4 * (size_t)n, sizeof *objective->rows);
    objective->class_start = ct_calloc((size_t)classes + 1, sizeof *objective->class_start);
    objective->terms = ct_calloc(term_max, sizeof *objective->terms);
    objective->values = ct_calloc(term_max, sizeof *objective->values);
    objective->scratch_bytes = ex->ops->rate_scratch(ex, 2 * n, d);
    if (objective->rows == NULL || objective->class_start == NULL || objective->terms == NULL ||
        objective->values == NULL)
        return CSCTRL_E_NOMEM;
    return CSCTRL_OK;
}

void ct_objective_declare(ct_objective *objective, ct_plan *plan, int first, int last)
{
    ct_plan_bytes(plan, CT_SCRATCH, &objective->scratch, objective->scratch_bytes, first, last);
}

void ct_objective_destroy(ct_objective *objective)
{
    ct_free(objective->rows);
    ct_free(objective->class_start);
    ct_free(objective->terms);
    ct_free(objective->values);
    *objective = (ct_objective){0};
}

/* Counting sort of the images by class; everything is class 0 without labels. Fills class_start and
 * rows. */
static csctrl_status group_by_class(ct_objective *o, const int64_t *labels)
{
    int32_t *start = o->class_start;
    int32_t *z = o->rows, *zhat = z + o->n, *both = z + 2 * (size_t)o->n;

    memset(start, 0, ((size_t)o->classes + 1) * sizeof *start);
    for (int i = 0; i < o->n; i++) {
        const int64_t k = labels != NULL ? labels[i] : 0;
        if (k < 0 || k >= o->classes)
            return ct_fail(CSCTRL_E_INVALID, "objective: label %lld of image %d is not in 0..%d",
                           (long long)k, i, o->classes - 1);
        start[k + 1]++;
    }
    for (int k = 0; k < o->classes; k++)
        start[k + 1] += start[k];
    for (int i = 0; i < o->n; i++)
        z[start[labels != NULL ? labels[i] : 0]++] = i;
    memmove(start + 1, start,
            (size_t)o->classes * sizeof *start); /* the fill moved every start to its end */
    start[0] = 0;
    for (int k = 0; k < o->classes; k++) {
        const int first = start[k], count = start[k + 1] - first;
        for (int j = 0; j < count; j++) {
            const int32_t row = z[first + j];
            zhat[first + j] = row + o->n;
            both[2 * first + j] = row;
            both[2 * first + count + j] = row + o->n;
        }
    }
    return CSCTRL_OK;
}

static int add(ct_objective *o, int count, double weight, const int32_t *rows, int32_t row_count)
{
    if (row_count > 0 && weight != 0.0)
        o->terms[count++] = (ct_rate_term){.weight = weight, .rows = rows, .count = row_count};
    return count;
}

/* dR(Z, Zhat) = R(Z u Zhat) - 1/2 R(Z) - 1/2 R(Zhat), in the order of a class: a backend may
 * compute two sets and their union together. */
static int binary_terms(ct_objective *o)
{
    const int32_t n = o->n;
    int count = add(o, 0, -0.5, o->rows, n);

    count = add(o, count, -0.5, o->rows + n, n);
    return add(o, count, 1.0, o->rows + 2 * (size_t)n, 2 * n);
}

/* The class rates of dR(Z) and of dR(Z_k, Zhat_k) are the same numbers, so their weights add up. */
static int multi_terms(ct_objective *o, const double gamma[3])
{
    const int32_t *z = o->rows, *zhat = z + o->n, *both = z + 2 * (size_t)o->n;
    int count = add(o, 0, gamma[0], z, o->n);

    count = add(o, count, gamma[1], zhat, o->n);
    for (int k = 0; k < o->classes; k++) {
        const int32_t first = o->class_start[k], size = o->class_start[k + 1] - first;
        const double share = (double)size / o->n;
        count = add(o, count, -gamma[0] * share - 0.5 * gamma[2], z + first, size);
        count = add(o, count, -gamma[1] * share - 0.5 * gamma[2], zhat + first, size);
        count = add(o, count, gamma[2], both + 2 * (size_t)first, 2 * size);
    }
    return count;
}

csctrl_status ct_objective_eval(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const ct_tensor *F, const int64_t *labels, double *value,
                                ct_tensor *dF)
{
    static const double reduction[3] = {1.0, 0.0, 0.0};
    const bool by_class = kind != CT_OBJECTIVE_BINARY;

    CT_TRY(group_by_class(objective, by_class ? labels : NULL));
    const int count =
        !by_class
            ? binary_terms(objective)
            : multi_terms(objective, kind == CT_OBJECTIVE_MULTI ? objective->gamma : reduction);
    if (dF != NULL)
        CT_TRY(ex->ops->fill(ex, 0.0, dF));
    CT_TRY(ex->ops->rate_terms(ex, F, objective->eps2, objective->terms, count, objective->values,
                               dF, objective->scratch));
    *value = 0.0;
    for (int j = 0; j < count; j++)
        *value += objective->terms[j].weight * objective->values[j];
    return CSCTRL_OK;
}
