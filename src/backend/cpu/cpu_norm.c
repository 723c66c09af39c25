/* cpu_norm.c - batch normalisation, the unit sphere and unit atoms. Channels go in groups of
 * CT_GROUP, so that their sums fit on the stack. */
#include <math.h>

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"

enum { CHUNK = 1 << 14 };

static int64_t rows_per_chunk(int64_t length)
{
    return length >= CHUNK ? 1 : CHUNK / length;
}

static const float *at(const ct_tensor *t, int64_t i)
{
    return (const float *)t->data + i;
}

static float *at_out(const ct_tensor *t, int64_t i)
{
    return (float *)t->data + i;
}

static ct_bn_args group_args(const ct_tensor *x, const ct_tensor *mean, int64_t c0)
{
    const int64_t channels = row_length(x), left = channels - c0;

    return (ct_bn_args){
        .channels = channels,
        .group = left < CT_GROUP ? (int)left : CT_GROUP,
        .x = at(x, c0),
        .mean = at(mean, c0),
    };
}

static void apply(const ct_exec *ex, ct_bn_args *p, int64_t rows, int64_t c0,
                  const ct_tensor *scale, const ct_tensor *shift, const ct_tensor *var, double eps,
                  ct_tensor *y)
{
    for (int j = 0; j < p->group; j++) {
        p->a[j] = (float)((double)*at(scale, c0 + j) / sqrt((double)*at(var, c0 + j) + eps));
        p->shift[j] = *at(shift, c0 + j);
    }
    p->to = at_out(y, c0);
    ct_cpu_for(ex, rows, rows_per_chunk(p->group), ct_cpu_loops(ex)->bn_apply, p);
}

static csctrl_status bn_forward(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                                const ct_tensor *shift, double eps, ct_tensor *y, ct_tensor *mean,
                                ct_tensor *var)
{
    const int64_t rows = row_count(x);
    const double all_rows = (double)ct_exec_rows(ex, rows);

    for (int64_t c0 = 0; c0 < row_length(x); c0 += CT_GROUP) {
        ct_bn_args p = group_args(x, mean, c0);
        double sums[CT_MAX_SUMS];
        ct_cpu_sum(ex, rows, 2 * p.group, ct_cpu_loops(ex)->bn_sums, &p, sums);
        CT_TRY(ct_exec_sum(ex, sums, 2 * p.group));
        for (int j = 0; j < p.group; j++) {
            const double m = sums[2 * j] / all_rows;
            const double v = sums[2 * j + 1] / all_rows - m * m;
            *at_out(mean, c0 + j) = (float)m;
            *at_out(var, c0 + j) = v < 0 ? 0 : (float)v;
        }
        apply(ex, &p, rows, c0, scale, shift, var, eps, y);
    }
    return CSCTRL_OK;
}

static csctrl_status bn_eval(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                             const ct_tensor *shift, const ct_tensor *mean, const ct_tensor *var,
                             double eps, ct_tensor *y)
{
    for (int64_t c0 = 0; c0 < row_length(x); c0 += CT_GROUP) {
        ct_bn_args p = group_args(x, mean, c0);
        apply(ex, &p, row_count(x), c0, scale, shift, var, eps, y);
    }
    return CSCTRL_OK;
}

/* dx = a dy + b (x - mean) + shift with a = scale inv, b = -a inv^2 sum(dy (x - mean)) / rows,
 * shift = -a sum(dy) / rows, inv = 1 / sqrt(var + eps). */
static csctrl_status bn_backward(ct_exec *ex, const ct_tensor *x, const ct_tensor *dy,
                                 const ct_tensor *scale, const ct_tensor *mean,
                                 const ct_tensor *var, double eps, ct_tensor *dx, ct_tensor *dscale,
                                 ct_tensor *dshift)
{
    const int64_t rows = row_count(x);
    const double all_rows = (double)ct_exec_rows(ex, rows);

    for (int64_t c0 = 0; c0 < row_length(x); c0 += CT_GROUP) {
        ct_bn_args p = group_args(x, mean, c0);
        double sums[CT_MAX_SUMS];
        p.dy = at(dy, c0);
        ct_cpu_sum(ex, rows, 2 * p.group, ct_cpu_loops(ex)->bn_backward_sums, &p, sums);
        for (int j = 0; j < p.group; j++) {
            const double inv = 1 / sqrt((double)*at(var, c0 + j) + eps);
            if (dscale != NULL)
                *at_out(dscale, c0 + j) += (float)(sums[2 * j + 1] * inv);
            if (dshift != NULL)
                *at_out(dshift, c0 + j) += (float)sums[2 * j];
        }
        CT_TRY(ct_exec_sum(ex, sums, 2 * p.group));
        for (int j = 0; j < p.group; j++) {
            const double inv = 1 / sqrt((double)*at(var, c0 + j) + eps);
            const double a = (double)*at(scale, c0 + j) * inv;
            p.a[j] = (float)a;
            p.b[j] = (float)(-a * inv * inv * sums[2 * j + 1] / all_rows);
            p.shift[j] = (float)(-a * sums[2 * j] / all_rows);
        }
        if (dx == NULL)
            continue;
        p.to = at_out(dx, c0);
        ct_cpu_for(ex, rows, rows_per_chunk(p.group), ct_cpu_loops(ex)->bn_apply_backward, &p);
    }
    return CSCTRL_OK;
}

static csctrl_status sphere(ct_exec *ex, const ct_tensor *x, ct_tensor *z, ct_tensor *norm)
{
    const int64_t d = row_length(x);

    ct_cpu_for(ex, row_count(x), rows_per_chunk(d), ct_cpu_loops(ex)->sphere,
               &(ct_sphere_args){.d = d, .x = x->data, .to = z->data, .norm = norm->data});
    return CSCTRL_OK;
}

static csctrl_status sphere_backward(ct_exec *ex, const ct_tensor *z, const ct_tensor *norm,
                                     const ct_tensor *dz, ct_tensor *dx)
{
    const int64_t d = row_length(z);

    ct_cpu_for(ex, row_count(z), rows_per_chunk(d), ct_cpu_loops(ex)->sphere_backward,
               &(ct_sphere_args){
                   .d = d, .x = z->data, .dz = dz->data, .to = dx->data, .norm = norm->data});
    return CSCTRL_OK;
}

static csctrl_status unit_atoms(ct_exec *ex, ct_tensor *W)
{
    const int64_t d = csctrl_tensor_count(W) / W->shape[0];

    ct_cpu_for(ex, W->shape[0], rows_per_chunk(d), ct_cpu_loops(ex)->sphere,
               &(ct_sphere_args){.d = d, .x = W->data, .to = W->data});
    return CSCTRL_OK;
}

void ct_cpu_fill_norm(ct_ops *ops)
{
    ops->bn_forward = bn_forward;
    ops->bn_eval = bn_eval;
    ops->bn_backward = bn_backward;
    ops->sphere = sphere;
    ops->sphere_backward = sphere_backward;
    ops->unit_atoms = unit_atoms;
}
