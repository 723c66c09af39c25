/* ref_optim.c - one Adam step of a player's tensors. */
#include <math.h>

#include "backend/ref/ref.h"
#include "backend/update.h"

static csctrl_status adam(ct_exec *ex, const ct_adam *s, double grad_scale, const ct_update *u)
{
    const int64_t count = csctrl_tensor_count(u->p);

    (void)ex;
    for (int64_t i = 0; i < count; i++) {
        const double grad = grad_scale * (double)in(u->g)[i];
        const double m = s->beta1 * (double)in(u->m)[i] + (1 - s->beta1) * grad;
        const double v = s->beta2 * (double)in(u->v)[i] + (1 - s->beta2) * grad * grad;
        const double step = m / s->bias1 / (sqrt(v / s->bias2) + s->eps);
        out(u->m)[i] = (real)m;
        out(u->v)[i] = (real)v;
        out(u->p)[i] = (real)((double)in(u->p)[i] + s->lr * step);
    }
    return CSCTRL_OK;
}

static csctrl_status update(ct_exec *ex, const ct_adam *s, const ct_update *updates, int count,
                            double *norm)
{
    return ct_update_by_ops(ex, s, updates, count, norm, adam);
}

static csctrl_status repeat(ct_exec *ex, void **record, csctrl_status (*call)(void *user),
                            void *user)
{
    (void)ex;
    (void)record;
    return call(user);
}

static void repeat_end(ct_exec *ex, void **record)
{
    (void)ex;
    (void)record;
}

void REF(fill_optim)(ct_ops *ops)
{
    ops->update = update;
    ops->repeat = repeat;
    ops->repeat_end = repeat_end;
}
