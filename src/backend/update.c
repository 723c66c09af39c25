/* update.c - the norm of the gradient, then Adam, then the sphere. */
#include "backend/update.h"

#include <math.h>

#include "backend/backend.h"

csctrl_status ct_update_by_ops(ct_exec *ex, const ct_adam *adam, const ct_update *updates,
                               int count, double *norm, ct_adam_fn *step)
{
    double total = 0.0;

    for (int i = 0; i < count; i++) {
        double squares = 0.0;
        CT_TRY(ex->ops->sum_squares(ex, updates[i].g, &squares));
        total += squares;
    }
    *norm = sqrt(total);
    if (!isfinite(*norm))
        return CSCTRL_OK;
    const double scale = adam->clip > 0.0 && *norm > adam->clip ? adam->clip / *norm : 1.0;
    for (int i = 0; i < count; i++) {
        CT_TRY(step(ex, adam, scale, &updates[i]));
        if (updates[i].unit_atoms)
            CT_TRY(ex->ops->unit_atoms(ex, updates[i].p));
    }
    return CSCTRL_OK;
}
