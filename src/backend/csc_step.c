/* csc_step.c - step k: z_{k+1} = prox(y_k + eta A*(x - A y_k)), then momentum (SPEC 1). */
#include "backend/csc_step.h"

#include "backend/backend.h"

/* The gradient A* r is formed in the place of z. */
csctrl_status ct_csc_step_by_ops(ct_exec *ex, ct_conv *conv, const ct_csc_step *s)
{
    const ct_ops *ops = ex->ops;
    const ct_tensor *r = s->x;

    if (s->y != NULL) {
        CT_TRY(ops->synthesis(ex, conv, s->y, s->r));  /* r <- A y     */
        CT_TRY(ops->axpby(ex, 1.0, s->x, -1.0, s->r)); /* r <- x - A y */
        r = s->r;
    }
    CT_TRY(ops->analysis(ex, conv, r, s->z)); /* z <- A* r    */
    return ops->csc_update(ex, &s->prox, s->beta, s->z, s->y, s->z_prev, s->z, s->y_next);
}

/* gs takes the place of dz. */
csctrl_status ct_csc_step_backward_by_ops(ct_exec *ex, ct_conv *conv, const ct_csc_step_grad *g)
{
    const ct_ops *ops = ex->ops;

    CT_TRY(ops->csc_update_backward(ex, &g->prox, g->z, g->dz, g->dz));
    if (g->dW != NULL)
        CT_TRY(ops->dict_grad(ex, conv, 1.0, g->r, g->dz, g->dW));
    if (g->dx == NULL && g->y == NULL)
        return CSCTRL_OK;
    CT_TRY(ops->synthesis(ex, conv, g->dz, g->q));
    if (g->dx != NULL)
        CT_TRY(ops->axpby(ex, 1.0, g->q, g->add_dx ? 1.0 : 0.0, g->dx));
    if (g->y == NULL)
        return CSCTRL_OK;
    if (g->dW != NULL)
        CT_TRY(ops->dict_grad(ex, conv, -1.0, g->q, g->y, g->dW));
    CT_TRY(ops->analysis(ex, conv, g->q, g->dy));
    return ops->axpby(ex, 1.0 / *g->prox.eta, g->dz, -1.0, g->dy);
}
