/* step_size.c - warm-started power iteration on A* A. */
#include "layers/step_size.h"

#include "layers/csc.h"

csctrl_status ct_power_create(ct_exec *ex, ct_power *power, const ct_geom *geom, ct_plan *plan,
                              int now)
{
    ct_geom one = *geom;

    one.n = 1;
    CT_TRY(ex->ops->conv_create(ex, &one, &power->conv));
    power->v = power->next = ct_code_shape(ex->dtype, &one);
    power->image = ct_image_shape(ex->dtype, &one);
    ct_plan_tensor(plan, CT_STATE, &power->v, CT_FOREVER);
    ct_plan_tensor(plan, CT_SCRATCH, &power->next, now, now);
    ct_plan_tensor(plan, CT_SCRATCH, &power->image, now, now);
    return CSCTRL_OK;
}

void ct_power_destroy(ct_exec *ex, ct_power *power)
{
    ex->ops->conv_destroy(ex, &power->conv);
}

csctrl_status ct_power_iterate(ct_exec *ex, ct_power *power, const ct_tensor *W, int iterations,
                               double scale, double *eta)
{
    const ct_ops *ops = ex->ops;

    CT_TRY(ops->conv_pack(ex, &power->conv, W));
    for (int i = 0; i < iterations; i++) {
        CT_TRY(ops->unit(ex, &power->v, &power->next, 0.0, NULL));
        CT_TRY(ops->synthesis(ex, &power->conv, &power->next, &power->image));
        CT_TRY(ops->analysis(ex, &power->conv, &power->image, &power->v));
    }
    return ops->unit(ex, &power->v, NULL, scale, eta);
}
