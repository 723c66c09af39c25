/* step_size.h - eta = scale / lambda_max(A* A) by power iteration at the layer's real feature size
 * (SPEC 1). */
#ifndef CT_LAYERS_STEP_SIZE_H
#define CT_LAYERS_STEP_SIZE_H

#include "backend/backend.h"
#include "tensor/plan.h"

typedef struct ct_power {
    ct_conv conv; /* the layer's dictionary for a batch of one */
    ct_tensor
        v; /* present estimate of the leading code, [1, oh, ow, atoms]; kept between updates */
    ct_tensor image, next; /* scratch */
} ct_power;

/* Creates the one-image operator and declares its buffers, scratch at time `now`, but for
 * conv.packed and conv.scratch, which its caller binds; both are used within ct_power_iterate only.
 */
csctrl_status ct_power_create(ct_exec *ex, ct_power *power, const ct_geom *geom, ct_plan *plan,
                              int now);
void ct_power_destroy(ct_exec *ex, ct_power *power);

/* Pack W, run `iterations` of v <- A* A v / |v|; *eta, in the backend's memory, is scale / |A* A v|
 * for the last unit v, whose norm is an estimate from below of lambda_max. No positive number when
 * that is 0 or not finite. */
csctrl_status ct_power_iterate(ct_exec *ex, ct_power *power, const ct_tensor *W, int iterations,
                               double scale, double *eta);

#endif
