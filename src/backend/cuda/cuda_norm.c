/* cuda_norm.c - batch normalisation and the unit sphere. */
#include "backend/cuda/cuda.h"

static int channels(const ct_tensor *t)
{
    return (int)t->shape[t->ndim - 1];
}

static int64_t row_count(const ct_tensor *t)
{
    return ct_cuda_count(t) / channels(t);
}

csctrl_status ct_cuda_need_norm_work(ct_exec *ex, int64_t rows, int c)
{
    return ct_cuda_need_work(ex, ct_k_norm_part(rows, c) + 2 * (size_t)c * sizeof(double));
}

/* Behind the parts in ct_cuda.work. */
static csctrl_status sums_place(ct_exec *ex, const ct_tensor *x, double **sums)
{
    CT_TRY(ct_cuda_need_norm_work(ex, row_count(x), channels(x)));
    *sums = (double *)((unsigned char *)ct_cuda_of(ex)->work +
                       ct_k_norm_part(row_count(x), channels(x)));
    return CSCTRL_OK;
}

/* Over the ranks, by way of the host's memory where messages must lie there. */
static csctrl_status sum_ranks(ct_exec *ex, double *sums, int count)
{
    const size_t bytes = (size_t)count * sizeof *sums;
    ct_cuda_device *device = ct_cuda_of(ex)->device;

    if (ex->norm_ranks == NULL || ex->norm_ranks->size == 1)
        return CSCTRL_OK;
    if (ex->norm_ranks->device != NULL)
        return ct_cuda_library->sum(ex->norm_ranks->device, sums, count, CSCTRL_F64);
    double *const host = ct_cuda_library->calloc((size_t)count, sizeof *host);
    if (host == NULL)
        return CSCTRL_E_NOMEM;
    csctrl_status status = ct_cuda_download(device, host, sums, bytes);
    if (status == CSCTRL_OK)
        status = ct_cuda_library->sum(ex->norm_ranks, host, count, CSCTRL_F64);
    if (status == CSCTRL_OK)
        status = ct_cuda_upload(device, sums, host, bytes);
    ct_cuda_library->free(host);
    return status;
}

static csctrl_status bn_eval(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                             const ct_tensor *shift, const ct_tensor *mean, const ct_tensor *var,
                             double eps, ct_tensor *y)
{
    CT_CUDA_TRY(ct_k_norm_apply(ct_cuda_queue(ex), row_count(x), channels(x), x->data, scale->data,
                                shift->data, mean->data, var->data, eps, y->data));
    return CSCTRL_OK;
}

static csctrl_status bn_forward(ct_exec *ex, const ct_tensor *x, const ct_tensor *scale,
                                const ct_tensor *shift, double eps, ct_tensor *y, ct_tensor *mean,
                                ct_tensor *var)
{
    const int64_t rows = row_count(x);
    const int c = channels(x);
    double *sums = NULL;

    CT_TRY(sums_place(ex, x, &sums));
    CT_CUDA_TRY(ct_k_norm_sums(ct_cuda_queue(ex), rows, c, x->data, ct_cuda_of(ex)->work, sums));
    CT_TRY(sum_ranks(ex, sums, 2 * c));
    CT_CUDA_TRY(ct_k_norm_moments(ct_cuda_queue(ex), c, sums, (double)ct_exec_rows(ex, rows),
                                  mean->data, var->data));
    return bn_eval(ex, x, scale, shift, mean, var, eps, y);
}

static csctrl_status bn_backward(ct_exec *ex, const ct_tensor *x, const ct_tensor *dy,
                                 const ct_tensor *scale, const ct_tensor *mean,
                                 const ct_tensor *var, double eps, ct_tensor *dx, ct_tensor *dscale,
                                 ct_tensor *dshift)
{
    const int64_t rows = row_count(x);
    const int c = channels(x);
    void *const stream = ct_cuda_queue(ex);
    double *sums = NULL;

    CT_TRY(sums_place(ex, x, &sums));
    CT_CUDA_TRY(ct_k_norm_backward_sums(stream, rows, c, x->data, dy->data, mean->data,
                                        ct_cuda_of(ex)->work, sums));
    if (dscale != NULL || dshift != NULL)
        CT_CUDA_TRY(ct_k_norm_params(stream, c, sums, var->data, eps,
                                     dscale != NULL ? dscale->data : NULL,
                                     dshift != NULL ? dshift->data : NULL));
    if (dx == NULL)
        return CSCTRL_OK;
    CT_TRY(sum_ranks(ex, sums, 2 * c));
    CT_CUDA_TRY(ct_k_norm_backward(stream, rows, c, x->data, dy->data, scale->data, mean->data,
                                   var->data, eps, sums, (double)ct_exec_rows(ex, rows), dx->data));
    return CSCTRL_OK;
}

static csctrl_status sphere(ct_exec *ex, const ct_tensor *x, ct_tensor *z, ct_tensor *norm)
{
    CT_CUDA_TRY(
        ct_k_sphere(ct_cuda_queue(ex), row_count(x), channels(x), x->data, z->data, norm->data));
    return CSCTRL_OK;
}

static csctrl_status sphere_backward(ct_exec *ex, const ct_tensor *z, const ct_tensor *norm,
                                     const ct_tensor *dz, ct_tensor *dx)
{
    CT_CUDA_TRY(ct_k_sphere_backward(ct_cuda_queue(ex), row_count(z), channels(z), z->data,
                                     norm->data, dz->data, dx->data));
    return CSCTRL_OK;
}

void ct_cuda_fill_norm(ct_ops *ops)
{
    ops->bn_forward = bn_forward;
    ops->bn_eval = bn_eval;
    ops->bn_backward = bn_backward;
    ops->sphere = sphere;
    ops->sphere_backward = sphere_backward;
}
