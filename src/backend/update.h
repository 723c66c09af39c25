/* update.h - a player's move tensor by tensor: for backends of the host. */
#ifndef CT_BACKEND_UPDATE_H
#define CT_BACKEND_UPDATE_H

#include "backend/ops.h"

/* Adam on one tensor, its gradient multiplied by grad_scale first. */
typedef csctrl_status ct_adam_fn(ct_exec *ex, const ct_adam *adam, double grad_scale,
                                 const ct_update *update);

csctrl_status ct_update_by_ops(ct_exec *ex, const ct_adam *adam, const ct_update *updates,
                               int count, double *norm, ct_adam_fn *step);

#endif
