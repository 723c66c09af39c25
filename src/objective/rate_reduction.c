/* rate_reduction.c - which rows, with which weights. The coding rates themselves are the backend's
 * (rate_terms). */
#include "objective/rate_reduction.h"

#include <string.h>

#include "base/mem.h"

static bool uses_labels(ct_objective_kind kind)
{
    return kind == CT_OBJECTIVE_MULTI || kind == CT_OBJECTIVE_REDUCTION;
}

int ct_objective_terms(const ct_objective *objective, ct_objective_kind kind)
{
    return uses_labels(kind) ? 2 + 3 * objective->classes : 3;
}

csctrl_status ct_objective_create(ct_exec *ex, ct_objective *objective, int n, int d, int classes,
                                  double eps2, const double gamma[3])
{
    *objective = (ct_objective){.n = n, .d = d, .classes = classes, .eps2 = eps2};
    memcpy(objective->gamma, gamma, sizeof objective->gamma);
    const int most = ct_objective_terms(objective, CT_OBJECTIVE_MULTI);
    objective->rows = ct_calloc(CT_OBJECTIVE_KINDS * 4 * (size_t)n, sizeof *objective->rows);
    objective->class_start = ct_calloc((size_t)classes + 1, sizeof *objective->class_start);
    objective->host_values = ct_calloc((size_t)most, sizeof *objective->host_values);
    if (objective->rows == NULL || objective->class_start == NULL || objective->host_values == NULL)
        return CSCTRL_E_NOMEM;
    for (int kind = 0; kind < CT_OBJECTIVE_KINDS; kind++) {
        const int count = ct_objective_terms(objective, (ct_objective_kind)kind);
        ct_rate_term *list = ct_calloc((size_t)count, sizeof *list);
        objective->list[kind] = list;
        objective->terms[kind] = (ct_rate_terms){.list = list, .count = count};
        if (list == NULL)
            return CSCTRL_E_NOMEM;
    }
    /* Each row is in three terms at most. */
    ex->ops->rate_bytes(ex, 2 * n, d, most, 6 * (int64_t)n, &objective->loaded_bytes,
                        &objective->scratch_bytes);
    return CSCTRL_OK;
}

void ct_objective_declare(ct_objective *objective, ct_plan *plan, int first, int last)
{
    ct_plan_bytes(plan, CT_SCRATCH, &objective->scratch, objective->scratch_bytes, first, last);
}

void ct_objective_declare_kind(ct_objective *objective, ct_objective_kind kind, ct_plan *plan)
{
    ct_plan_bytes(plan, CT_IO, &objective->terms[kind].loaded, objective->loaded_bytes, CT_FOREVER);
}

void ct_objective_destroy(ct_objective *objective)
{
    ct_free(objective->rows);
    ct_free(objective->class_start);
    for (int kind = 0; kind < CT_OBJECTIVE_KINDS; kind++)
        ct_free(objective->list[kind]);
    ct_free(objective->host_values);
    *objective = (ct_objective){0};
}

/* Counting sort of the images by class; everything is class 0 without labels. Fills class_start and
 * rows. */
static csctrl_status group_by_class(ct_objective *o, const int64_t *labels, int32_t *rows)
{
    int32_t *start = o->class_start;
    int32_t *z = rows, *zhat = z + o->n, *both = z + 2 * (size_t)o->n;

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

/* A term that has no weight is left without rows: their number stays. */
static void set(ct_rate_term *term, double weight, const int32_t *rows, int32_t count)
{
    *term = (ct_rate_term){.weight = weight, .rows = rows, .count = weight != 0.0 ? count : 0};
}

/* expansion R(Z) + distance dR(Z, Zhat), where dR(Z, Zhat) = R(Z u Zhat) - 1/2 R(Z) - 1/2 R(Zhat),
 * in the order of a class: a backend may compute two sets and their union together. */
static void terms_without_labels(const ct_objective *o, double expansion, double distance,
                                 const int32_t *rows, ct_rate_term *terms)
{
    const int32_t n = o->n;

    set(&terms[0], expansion - 0.5 * distance, rows, n);
    set(&terms[1], -0.5 * distance, rows + n, n);
    set(&terms[2], distance, rows + 2 * (size_t)n, 2 * n);
}

/* The class rates of dR(Z) and of dR(Z_k, Zhat_k) are the same numbers, so their weights add up. */
static void multi_terms(const ct_objective *o, const double gamma[3], const int32_t *rows,
                        ct_rate_term *terms)
{
    const int32_t *z = rows, *zhat = z + o->n, *both = z + 2 * (size_t)o->n;

    set(terms++, gamma[0], z, o->n);
    set(terms++, gamma[1], zhat, o->n);
    for (int k = 0; k < o->classes; k++) {
        const int32_t first = o->class_start[k], size = o->class_start[k + 1] - first;
        const double share = (double)size / o->n;
        set(terms++, -gamma[0] * share - 0.5 * gamma[2], z + first, size);
        set(terms++, -gamma[1] * share - 0.5 * gamma[2], zhat + first, size);
        set(terms++, gamma[2], both + 2 * (size_t)first, 2 * size);
    }
}

csctrl_status ct_objective_load(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const int64_t *labels)
{
    static const double reduction[3] = {1.0, 0.0, 0.0};
    int32_t *rows = objective->rows + (size_t)kind * 4 * (size_t)objective->n;

    CT_TRY(group_by_class(objective, uses_labels(kind) ? labels : NULL, rows));
    if (kind == CT_OBJECTIVE_BINARY)
        terms_without_labels(objective, 0.0, 1.0, rows, objective->list[kind]);
    else if (kind == CT_OBJECTIVE_UNSUPERVISED)
        terms_without_labels(objective, objective->gamma[0], objective->gamma[2], rows,
                             objective->list[kind]);
    else
        multi_terms(objective, kind == CT_OBJECTIVE_MULTI ? objective->gamma : reduction, rows,
                    objective->list[kind]);
    return ex->ops->rate_load(ex, 2 * objective->n, objective->d, objective->eps2,
                              &objective->terms[kind]);
}

csctrl_status ct_objective_eval(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const ct_tensor *F, double *values, ct_tensor *dF)
{
    if (dF != NULL)
        CT_TRY(ex->ops->fill(ex, 0.0, dF));
    return ex->ops->rate_terms(ex, F, objective->eps2, &objective->terms[kind], values, dF,
                               objective->scratch);
}

csctrl_status ct_objective_value(ct_exec *ex, const ct_objective *objective, ct_objective_kind kind,
                                 const double *values, double *value)
{
    const ct_rate_terms *terms = &objective->terms[kind];

    CT_TRY(ex->ops->download(ex, objective->host_values, values,
                             (size_t)terms->count * sizeof *values));
    *value = 0.0;
    for (int j = 0; j < terms->count; j++)
        *value += terms->list[j].weight * objective->host_values[j];
    return CSCTRL_OK;
}
