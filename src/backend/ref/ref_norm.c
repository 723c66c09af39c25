/* ref_norm.c - batch normalisation over rows and the unit sphere of rows. */
#include <math.h>

#include "backend/ref/ref.h"

/* Mean and biased variance of channel c. */
static csctrl_status moments(const ct_exec *ex, const ct_tensor *x, int64_t c, double *mean,
                             double *var)
{
    const int64_t rows = row_count(x), channels = row_length(x);
    double sum = 0, squares = 0;

    for (int64_t r = 0; r < rows; r++)
        sum += (double)in(x)[r * channels + c];
    CT_TRY(ct_exec_sum(ex, &sum, 1));
    *mean = sum / (double)ct_exec_rows(ex, rows);
    for (int64_t r = 0; r < rows; r++) {
        const double d = (double)in(x)[r * channels + c] - *mean;
        squares += d * d;
    }
    CT_TRY(ct_exec_sum(ex, &squares, 1));
    *var = squares / (double)ct_exec_rows(ex, rows);
    return CSCTRL_OK;
}

static void normalise(const ct_tensor *x, int64_t c, double mean, double var, double eps,
                      double scale, double shift, ct_tensor *y)
{
    const int64_t rows = row_count(x), channels = row_length(x);
    const double factor = scale / sqrt(var + eps);

    for (int64_t i = c; i < rows * channels; i += channels)
        out(y)[i] = (real)(((double)in(x)[i] - mean) * factor + shift);
}

static csctrl_status bn_forward(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                                const ct_tensor *shift, double eps, ct_tensor *y, ct_tensor *mean,
                                ct_tensor *var)
{
    for (int64_t c = 0; c < row_length(x); c++) {
        double m = 0, v = 0;
        CT_TRY(moments(ex, x, c, &m, &v));
        normalise(x, c, m, v, eps, (double)in(scale)[c], (double)in(shift)[c], y);
        out(mean)[c] = (real)m;
        out(var)[c] = (real)v;
    }
    return CSCTRL_OK;
}

static csctrl_status bn_eval(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                             const ct_tensor *shift, const ct_tensor *mean, const ct_tensor *var,
                             double eps, ct_tensor *y)
{
    (void)ex;
    for (int64_t c = 0; c < row_length(x); c++)
        normalise(x, c, (double)in(mean)[c], (double)in(var)[c], eps, (double)in(scale)[c],
                  (double)in(shift)[c], y);
    return CSCTRL_OK;
}

/* With u = (x - mean) / sqrt(var + eps): dshift = sum dy, dscale = sum dy u,
 * dx = scale / sqrt(var + eps) * (dy - dshift / rows - u dscale / rows). */
static csctrl_status bn_backward(ct_exec *ex, const ct_tensor *x, const ct_tensor *dy,
                                 const ct_tensor *scale, const ct_tensor *mean,
                                 const ct_tensor *var, double eps, ct_tensor *dx, ct_tensor *dscale,
                                 ct_tensor *dshift)
{
    const int64_t rows = row_count(x), channels = row_length(x);
    const double all_rows = (double)ct_exec_rows(ex, rows);

    for (int64_t c = 0; c < channels; c++) {
        const double m = (double)in(mean)[c], inv = 1 / sqrt((double)in(var)[c] + eps);
        double sum = 0, sum_u = 0;
        for (int64_t i = c; i < rows * channels; i += channels) {
            sum += (double)in(dy)[i];
            sum_u += (double)in(dy)[i] * ((double)in(x)[i] - m) * inv;
        }
        double sums[] = {sum, sum_u};
        CT_TRY(ct_exec_sum(ex, sums, 2));
        for (int64_t i = c; dx != NULL && i < rows * channels; i += channels) {
            const double u = ((double)in(x)[i] - m) * inv;
            const double centred = (double)in(dy)[i] - (sums[0] + u * sums[1]) / all_rows;
            out(dx)[i] = (real)((double)in(scale)[c] * inv * centred);
        }
        if (dscale != NULL)
            out(dscale)[c] = (real)((double)in(dscale)[c] + sum_u);
        if (dshift != NULL)
            out(dshift)[c] = (real)((double)in(dshift)[c] + sum);
    }
    return CSCTRL_OK;
}

static csctrl_status sphere(ct_exec *ex, const ct_tensor *x, ct_tensor *z, ct_tensor *norm)
{
    const int64_t d = row_length(x);

    (void)ex;
    for (int64_t r = 0; r < row_count(x); r++) {
        double squares = 0;
        for (int64_t i = r * d; i < (r + 1) * d; i++)
            squares += (double)in(x)[i] * (double)in(x)[i];
        const double length = squares <= 1e-24 ? 1e-12 : sqrt(squares);
        for (int64_t i = r * d; i < (r + 1) * d; i++)
            out(z)[i] = (real)((double)in(x)[i] / length);
        out(norm)[r] = (real)length;
    }
    return CSCTRL_OK;
}

static csctrl_status sphere_backward(ct_exec *ex, const ct_tensor *z, const ct_tensor *norm,
                                     const ct_tensor *dz, ct_tensor *dx)
{
    const int64_t d = row_length(z);

    (void)ex;
    for (int64_t r = 0; r < row_count(z); r++) {
        double radial = 0;
        for (int64_t i = r * d; i < (r + 1) * d; i++)
            radial += (double)in(dz)[i] * (double)in(z)[i];
        for (int64_t i = r * d; i < (r + 1) * d; i++)
            out(dx)[i] =
                (real)(((double)in(dz)[i] - radial * (double)in(z)[i]) / (double)in(norm)[r]);
    }
    return CSCTRL_OK;
}

void REF(fill_norm)(ct_ops *ops)
{
    ops->bn_forward = bn_forward;
    ops->bn_eval = bn_eval;
    ops->bn_backward = bn_backward;
    ops->sphere = sphere;
    ops->sphere_backward = sphere_backward;
}
