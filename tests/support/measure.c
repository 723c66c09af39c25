#include "support/measure.h"

csctrl_status measure_objective(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const ct_tensor *F, const int64_t *labels, double *value,
                                ct_tensor *dF)
{
    void **const loaded = &objective->terms[kind].loaded, *const kept = *loaded;
    void *values = NULL;
    csctrl_status status = ex->ops->mem_alloc(ex, objective->loaded_bytes + 1, loaded);

    if (status == CSCTRL_OK)
        status = ex->ops->mem_alloc(
            ex, (size_t)ct_objective_terms(objective, kind) * sizeof(double), &values);
    if (status == CSCTRL_OK)
        status = ct_objective_load(ex, objective, kind, labels);
    if (status == CSCTRL_OK)
        status = ct_objective_eval(ex, objective, kind, F, values, dF);
    if (status == CSCTRL_OK)
        status = ct_objective_value(ex, objective, kind, values, value);
    ex->ops->mem_free(ex, values);
    ex->ops->mem_free(ex, *loaded);
    *loaded = kept;
    return status;
}
