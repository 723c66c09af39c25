/* csc.c - T steps of FISTA and back (SPEC 1); the step itself is an operation of the backend.
 * z_1..z_T and the residuals are saved; backward rebuilds the extrapolated points. */
#include "layers/csc.h"

#include <math.h>

#include "base/mem.h"

ct_tensor ct_image_shape(csctrl_dtype dtype, const ct_geom *geom)
{
    return CT_SHAPE(dtype, geom->n, geom->h, geom->w, geom->c);
}

ct_tensor ct_code_shape(csctrl_dtype dtype, const ct_geom *geom)
{
    return CT_SHAPE(dtype, geom->n, geom->oh, geom->ow, geom->atoms);
}

csctrl_status ct_csc_create(ct_csc *layer, ct_conv *conv, int steps, const ct_prox *prox,
                            bool momentum)
{
    *layer = (ct_csc){.conv = conv, .steps = steps, .prox = *prox};
    layer->beta = ct_calloc((size_t)steps, sizeof *layer->beta);
    if (layer->beta == NULL)
        return CSCTRL_E_NOMEM;
    double t = 1.0;
    for (int k = 2; k < steps && momentum; k++) {
        const double t_next = (1.0 + sqrt(1.0 + 4.0 * t * t)) / 2.0;
        layer->beta[k] = (t - 1.0) / t_next;
        t = t_next;
    }
    return CSCTRL_OK;
}

void ct_csc_destroy(ct_csc *layer)
{
    ct_free(layer->beta);
    layer->beta = NULL;
}

/* beta_2 is 0 too, so that no step before the fourth extrapolates. */
static bool extrapolates(const ct_csc *layer)
{
    return layer->steps > 3 && layer->beta[3] != 0.0;
}

csctrl_status ct_csc_pass_create(ct_csc_pass *pass, const ct_csc *layer, csctrl_dtype dtype,
                                 bool saved, ct_plan *plan, int first, int last, int codes_last)
{
    const ct_class kind = saved ? CT_SAVED : CT_SCRATCH;
    const ct_geom *geom = &layer->conv->geom;
    const size_t steps = (size_t)layer->steps;

    *pass = (ct_csc_pass){.saved = saved};
    pass->z = ct_calloc(steps, sizeof *pass->z);
    pass->r = ct_calloc(steps, sizeof *pass->r);
    if (pass->z == NULL || pass->r == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t k = 0; k < steps; k++) {
        pass->z[k] = ct_code_shape(dtype, geom);
        pass->r[k] = ct_image_shape(dtype, geom);
        if (!saved)
            continue;
        ct_plan_tensor(plan, kind, &pass->z[k], first, k + 1 == steps ? codes_last : last);
        if (k > 0)
            ct_plan_tensor(plan, kind, &pass->r[k], first, last);
    }
    if (!saved) {
        const size_t last_z = (steps - 1) & 1;
        pass->z_memory[0] = pass->z_memory[1] = ct_code_shape(dtype, geom);
        pass->r_memory = ct_image_shape(dtype, geom);
        ct_plan_tensor(plan, kind, &pass->z_memory[last_z], first, codes_last);
        if (steps > 1) {
            ct_plan_tensor(plan, kind, &pass->z_memory[1 - last_z], first, last);
            ct_plan_tensor(plan, kind, &pass->r_memory, first, last);
        }
    }
    pass->y = ct_code_shape(dtype, geom);
    if (extrapolates(layer))
        /* The scratch axis is not the one of saved passes: there, y keeps its place. */
        ct_plan_tensor(plan, CT_SCRATCH, &pass->y, saved ? 0 : first, saved ? 1 << 30 : last);
    return CSCTRL_OK;
}

void ct_csc_pass_bind(ct_csc_pass *pass, const ct_csc *layer)
{
    for (int k = 0; k < layer->steps && !pass->saved; k++) {
        pass->z[k].data = pass->z_memory[k & 1].data;
        pass->r[k].data = pass->r_memory.data;
    }
}

void ct_csc_pass_destroy(ct_csc_pass *pass)
{
    ct_free(pass->z);
    ct_free(pass->r);
    *pass = (ct_csc_pass){0};
}

csctrl_status ct_csc_forward(ct_exec *ex, const ct_csc *layer, const ct_tensor *x, ct_csc_pass *p)
{
    for (int k = 0; k < layer->steps; k++) {
        const double beta = k + 1 < layer->steps ? layer->beta[k + 1] : 0.0;
        const ct_tensor *z_prev = k > 0 ? &p->z[k - 1] : NULL;
        const ct_csc_step step = {
            .prox = layer->prox,
            .beta = beta,
            .x = x,
            .y = layer->beta[k] != 0.0 ? &p->y : z_prev, /* y_k is z_k where beta_k is 0 */
            .z_prev = z_prev,
            .r = &p->r[k],
            .drop_r = !p->saved && layer->steps > 1,
            .z = &p->z[k],
            .y_next = beta != 0.0 ? &p->y : NULL,
        };
        CT_TRY(ex->ops->csc_step(ex, layer->conv, &step));
    }
    return CSCTRL_OK;
}

void ct_csc_grad_declare(ct_csc_grad *grad, const ct_csc *layer, csctrl_dtype dtype, ct_plan *plan,
                         int dz_first, int first, int last)
{
    const ct_geom *geom = &layer->conv->geom;

    grad->dz = grad->a = grad->carry = grad->y = ct_code_shape(dtype, geom);
    grad->q = ct_image_shape(dtype, geom);
    ct_plan_tensor(plan, CT_SCRATCH, &grad->dz, dz_first, last);
    if (!layer->conv->keeps_q)
        ct_plan_tensor(plan, CT_SCRATCH, &grad->q, first, last);
    if (layer->steps > 1)
        ct_plan_tensor(plan, CT_SCRATCH, &grad->a, first, last);
    if (extrapolates(layer)) {
        ct_plan_tensor(plan, CT_SCRATCH, &grad->carry, first, last);
        ct_plan_tensor(plan, CT_SCRATCH, &grad->y, first, last);
    }
}

/* y_k = z_k + beta_k (z_k - z_{k-1}), rebuilt in `memory` when it differs from z_k. */
static csctrl_status rebuild_y(ct_exec *ex, const ct_csc *l, const ct_csc_pass *p, int k,
                               ct_tensor *memory, const ct_tensor **y)
{
    *y = &p->z[k - 1];
    if (l->beta[k] == 0.0)
        return CSCTRL_OK;
    CT_TRY(ex->ops->axpby(ex, 1.0 + l->beta[k], &p->z[k - 1], 0.0, memory));
    CT_TRY(ex->ops->axpby(ex, -l->beta[k], &p->z[k - 2], 1.0, memory));
    *y = memory;
    return CSCTRL_OK;
}

static void swap(ct_tensor **a, ct_tensor **b)
{
    ct_tensor *const t = *a;

    *a = *b;
    *b = t;
}

/* Backward of y_k = (1 + beta) z_k - beta z_{k-1}: *dz <- carry + (1 + beta) dy, carry <- -beta dy.
 */
static csctrl_status momentum_backward(ct_exec *ex, double beta, ct_tensor **dy, ct_tensor **dz,
                                       ct_tensor **carry, bool *carried)
{
    const ct_ops *ops = ex->ops;

    if (!*carried && beta == 0.0) {
        swap(dz, dy);
        return CSCTRL_OK;
    }
    if (*carried) {
        CT_TRY(ops->axpby(ex, 1.0 + beta, *dy, 1.0, *carry));
        swap(dz, carry);
    } else {
        CT_TRY(ops->axpby(ex, 1.0 + beta, *dy, 0.0, *dz));
    }
    *carried = beta != 0.0;
    return *carried ? ops->axpby(ex, -beta, *dy, 0.0, *carry) : CSCTRL_OK;
}

csctrl_status ct_csc_backward(ct_exec *ex, const ct_csc *layer, const ct_tensor *x,
                              const ct_csc_pass *pass, ct_csc_grad *grad, ct_tensor *dW,
                              ct_tensor *dx)
{
    ct_tensor *dz = &grad->dz, *dy = &grad->a, *carry = &grad->carry;
    bool carried = false;

    for (int k = layer->steps - 1; k >= 0; k--) {
        ct_csc_step_grad step = {
            .prox = layer->prox,
            .r = k > 0 ? &pass->r[k] : x,
            .z = &pass->z[k],
            .dz = dz,
            .q = &grad->q,
            .dy = dy,
            .dx = dx,
            .dW = dW,
            .add_dx = k + 1 < layer->steps,
        };
        if (k > 0)
            CT_TRY(rebuild_y(ex, layer, pass, k, &grad->y, &step.y));
        CT_TRY(ex->ops->csc_step_backward(ex, layer->conv, &step));
        if (k > 0)
            CT_TRY(momentum_backward(ex, layer->beta[k], &dy, &dz, &carry, &carried));
    }
    return CSCTRL_OK;
}
