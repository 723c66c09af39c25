/* ref_adam.c - one Adam step of one tensor. */
#include <math.h>

#include "backend/ref/ref.h"

static csctrl_status adam(ct_exec *ex, const ct_adam *s, ct_tensor *p, const ct_tensor *g,
                          ct_tensor *m, ct_tensor *v)
{
    const int64_t count = csctrl_tensor_count(p);

    (void)ex;
    for (int64_t i = 0; i < count; i++) {
        const double grad = s->grad_scale * (double)in(g)[i];
        const double m_i = s->beta1 * (double)in(m)[i] + (1 - s->beta1) * grad;
        const double v_i = s->beta2 * (double)in(v)[i] + (1 - s->beta2) * grad * grad;
        const double step = m_i / s->bias1 / (sqrt(v_i / s->bias2) + s->eps);
        out(m)[i] = (real)m_i;
        out(v)[i] = (real)v_i;
        out(p)[i] = (real)((double)in(p)[i] + s->lr * step);
    }
    return CSCTRL_OK;
}

void REF(fill_adam)(ct_ops *ops)
{
    ops->adam = adam;
}
