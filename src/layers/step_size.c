/* step_size.c - warm-started power iteration on A* A. */
#include "layers/step_size.h"

#include <math.h>

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
                               double *lambda_max)
{
    const ct_ops *ops = ex->ops;
    double squares = 0.0;

    CT_TRY(ops->conv_pack(ex, &power->conv, W));
    for (int i = 0; i < iterations; i++) {
        CT_TRY(ops->sum_squares(ex, &power->v, &squares));
        if (squares == 0.0) { /* nothing to start from: any direction will do */
            CT_TRY(ops->fill(ex, 1.0, &power->v));
            CT_TRY(ops->sum_squares(ex, &power->v, &squares));
        }
        CT_TRY(ops->axpby(ex, 1.0 / sqrt(squares), &power->v, 0.0, &power->next));
        CT_TRY(ops->synthesis(ex, &power->conv, &power->next, &power->image));
        CT_TRY(ops->analysis(ex, &power->conv, &power->image, &power->v));
    }
    CT_TRY(ops->sum_squares(ex, &power->v, &squares));
    *lambda_max = sqrt(squares);
    if (!isfinite(*lambda_max) || *lambda_max <= 0.0)
        return ct_fail(
            CSCTRL_E_NUMERIC,
            "power iteration: lambda_max of the dictionary is %g; the dictionary is not finite "
            "or zero",
            *lambda_max);
    return CSCTRL_OK;
}
