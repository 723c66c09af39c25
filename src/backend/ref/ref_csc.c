/* ref_csc.c - one FISTA step and its derivative (SPEC 1). */
#include "backend/csc_step.h"
#include "backend/ref/ref.h"

/* Comparisons are turned so that a NaN passes through. */
static double prox_value(const ct_prox *p, double v)
{
    const double threshold = p->lambda * *p->eta, scale = 1 / (1 + p->mu * *p->eta);

    if (v <= threshold && (p->nonneg || v >= -threshold))
        return 0;
    return (v < -threshold ? v + threshold : v - threshold) * scale;
}

static csctrl_status csc_update(ct_exec *ex, const ct_prox *prox, double beta,
                                const ct_tensor *grad, const ct_tensor *y, const ct_tensor *z_prev,
                                ct_tensor *z_next, ct_tensor *y_next)
{
    const int64_t count = csctrl_tensor_count(grad);

    (void)ex;
    for (int64_t i = 0; i < count; i++) {
        const double from = y == NULL ? 0 : (double)in(y)[i];
        const double z = prox_value(prox, from + *prox->eta * (double)in(grad)[i]);
        if (y_next != NULL)
            out(y_next)[i] = (real)(z + beta * (z - (double)in(z_prev)[i]));
        out(z_next)[i] = (real)z;
    }
    return CSCTRL_OK;
}

static csctrl_status csc_update_backward(ct_exec *ex, const ct_prox *prox, const ct_tensor *z,
                                         const ct_tensor *dz, ct_tensor *g)
{
    const int64_t count = csctrl_tensor_count(z);
    const double slope = *prox->eta / (1 + prox->mu * *prox->eta);

    (void)ex;
    for (int64_t i = 0; i < count; i++)
        out(g)[i] = in(z)[i] == 0 ? 0 : (real)(slope * (double)in(dz)[i]);
    return CSCTRL_OK;
}

void REF(fill_csc)(ct_ops *ops)
{
    ops->csc_update = csc_update;
    ops->csc_update_backward = csc_update_backward;
    ops->csc_step = ct_csc_step_by_ops;
    ops->csc_step_backward = ct_csc_step_backward_by_ops;
}
