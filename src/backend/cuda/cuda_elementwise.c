/* cuda_elementwise.c - activations, sums, layout changes, reductions to a number. */
#include "backend/cuda/cuda.h"

static csctrl_status act(ct_exec *ex, ct_act kind, double slope, const ct_tensor *x, ct_tensor *y)
{
    CT_CUDA_TRY(
        ct_k_act(ct_cuda_queue(ex), ct_cuda_count(x), (int)kind, (float)slope, x->data, y->data));
    return CSCTRL_OK;
}

static csctrl_status act_backward(ct_exec *ex, ct_act kind, double slope, const ct_tensor *y,
                                  const ct_tensor *dy, ct_tensor *dx)
{
    CT_CUDA_TRY(ct_k_act_backward(ct_cuda_queue(ex), ct_cuda_count(y), (int)kind, (float)slope,
                                  y->data, dy->data, dx->data));
    return CSCTRL_OK;
}

static csctrl_status axpby(ct_exec *ex, double a, const ct_tensor *x, double b, ct_tensor *y)
{
    CT_CUDA_TRY(
        ct_k_axpby(ct_cuda_queue(ex), ct_cuda_count(x), (float)a, x->data, (float)b, y->data));
    return CSCTRL_OK;
}

static csctrl_status fill(ct_exec *ex, double value, ct_tensor *x)
{
    CT_CUDA_TRY(ct_k_fill(ct_cuda_queue(ex), ct_cuda_count(x), (float)value, x->data));
    return CSCTRL_OK;
}

static csctrl_status to_nhwc(ct_exec *ex, const ct_tensor *nchw, ct_tensor *nhwc)
{
    const int64_t *s = nhwc->shape;

    CT_CUDA_TRY(ct_k_transpose(ct_cuda_queue(ex), s[0], (int)s[3], (int)(s[1] * s[2]), nchw->data,
                               nhwc->data));
    return CSCTRL_OK;
}

static csctrl_status to_nchw(ct_exec *ex, const ct_tensor *nhwc, ct_tensor *nchw)
{
    const int64_t *s = nhwc->shape;

    CT_CUDA_TRY(ct_k_transpose(ct_cuda_queue(ex), s[0], (int)(s[1] * s[2]), (int)s[3], nhwc->data,
                               nchw->data));
    return CSCTRL_OK;
}

static csctrl_status from_bytes(ct_exec *ex, const ct_tensor *bytes, const ct_crop *crops,
                                ct_tensor *nhwc)
{
    const int64_t *s = nhwc->shape;

    CT_CUDA_TRY(ct_k_from_bytes(ct_cuda_queue(ex), s[0], (int)s[3], (int)s[1], (int)s[2],
                                bytes->data, crops, nhwc->data));
    return CSCTRL_OK;
}

typedef int reduction(void *stream, int64_t n, const float *x, void *part, double *sum);

static csctrl_status reduce(ct_exec *ex, reduction *launch, const ct_tensor *x, double *result)
{
    const ct_cuda *cuda = ct_cuda_of(ex);
    double *const sum = (double *)((unsigned char *)cuda->work + CT_SUM_BYTES);

    CT_CUDA_TRY(launch(ct_cuda_queue(ex), ct_cuda_count(x), x->data, cuda->work, sum));
    return ct_cuda_download(cuda->device, result, sum, sizeof *result);
}

static csctrl_status sum_squares(ct_exec *ex, const ct_tensor *x, double *sum)
{
    return reduce(ex, ct_k_sum_squares, x, sum);
}

static csctrl_status count_zeros(ct_exec *ex, const ct_tensor *x, double *count)
{
    return reduce(ex, ct_k_count_zeros, x, count);
}

void ct_cuda_fill_elementwise(ct_ops *ops)
{
    ops->act = act;
    ops->act_backward = act_backward;
    ops->axpby = axpby;
    ops->fill = fill;
    ops->to_nhwc = to_nhwc;
    ops->to_nchw = to_nchw;
    ops->from_bytes = from_bytes;
    ops->sum_squares = sum_squares;
    ops->count_zeros = count_zeros;
}
