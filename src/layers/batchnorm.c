/* batchnorm.c - y = (x - mean) / sqrt(var + eps) * scale + shift. */
#include "layers/batchnorm.h"

/* Running variance is unbiased, as in PyTorch: rows / (rows - 1) times the batch's. */
csctrl_status ct_batchnorm_follow(ct_exec *ex, ct_batchnorm *norm, int64_t rows,
                                  const ct_batchnorm_pass *pass)
{
    const double m = norm->momentum;
    const double all = (double)ct_exec_rows(ex, rows);
    const double unbias = all > 1.0 ? all / (all - 1.0) : 1.0;

    CT_TRY(ex->ops->axpby(ex, m, &pass->mean, 1.0 - m, &norm->mean));
    return ex->ops->axpby(ex, m * unbias, &pass->var, 1.0 - m, &norm->var);
}

csctrl_status ct_batchnorm_forward(ct_exec *ex, ct_batchnorm *norm, ct_mode mode,
                                   const ct_tensor *x, ct_tensor *y, ct_batchnorm_pass *pass)
{
    if (mode == CT_MODE_EVAL)
        return ex->ops->bn_eval(ex, x, &norm->scale, &norm->shift, &norm->mean, &norm->var,
                                norm->eps, y);
    return ex->ops->bn_forward(ex, x, &norm->scale, &norm->shift, norm->eps, y, &pass->mean,
                               &pass->var);
}

csctrl_status ct_batchnorm_recompute(ct_exec *ex, const ct_batchnorm *norm, const ct_tensor *x,
                                     const ct_batchnorm_pass *pass, ct_tensor *y)
{
    return ex->ops->bn_eval(ex, x, &norm->scale, &norm->shift, &pass->mean, &pass->var, norm->eps,
                            y);
}

csctrl_status ct_batchnorm_backward(ct_exec *ex, ct_batchnorm *norm, const ct_tensor *x,
                                    const ct_batchnorm_pass *pass, bool learn, ct_tensor *d)
{
    return ex->ops->bn_backward(ex, x, d, &norm->scale, &pass->mean, &pass->var, norm->eps, d,
                                learn ? &norm->dscale : NULL, learn ? &norm->dshift : NULL);
}
