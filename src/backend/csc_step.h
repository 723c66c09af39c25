/* csc_step.h - a FISTA step and its gradient out of single operations: for backends, and
 * geometries, where nothing is fused. */
#ifndef CT_BACKEND_CSC_STEP_H
#define CT_BACKEND_CSC_STEP_H

#include "backend/ops.h"

csctrl_status ct_csc_step_by_ops(ct_exec *ex, ct_conv *conv, const ct_csc_step *step);
csctrl_status ct_csc_step_backward_by_ops(ct_exec *ex, ct_conv *conv, const ct_csc_step_grad *grad);

#endif
