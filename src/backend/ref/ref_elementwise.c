/* ref_elementwise.c - activations, sums, layout changes and reductions to a number. */
#include <math.h>

#include "backend/ref/ref.h"

static csctrl_status act(ct_exec *ex, ct_act kind, double slope, const ct_tensor *x, ct_tensor *y)
{
    const int64_t count = csctrl_tensor_count(x);
    const double below = kind == CT_RELU ? 0 : slope;

    (void)ex;
    for (int64_t i = 0; i < count; i++) {
        const double v = (double)in(x)[i];
        if (kind == CT_TANH)
            out(y)[i] = (real)tanh(v);
        else
            out(y)[i] = v <= 0 ? (real)(below * v) : (real)v;
    }
    return CSCTRL_OK;
}

static csctrl_status act_backward(ct_exec *ex, ct_act kind, double slope, const ct_tensor *y,
                                  const ct_tensor *dy, ct_tensor *dx)
{
    const int64_t count = csctrl_tensor_count(y);
    const double below = kind == CT_RELU ? 0 : slope;

    (void)ex;
    for (int64_t i = 0; i < count; i++) {
        const double v = (double)in(y)[i], d = (double)in(dy)[i];
        if (kind == CT_TANH)
            out(dx)[i] = (real)(d * (1 - v * v));
        else
            out(dx)[i] = (real)(v <= 0 ? below * d : d);
    }
    return CSCTRL_OK;
}

static csctrl_status axpby(ct_exec *ex, double a, const ct_tensor *x, double b, ct_tensor *y)
{
    const int64_t count = csctrl_tensor_count(x);

    (void)ex;
    for (int64_t i = 0; i < count; i++) {
        const double add = b == 0 ? 0 : b * (double)in(y)[i];
        out(y)[i] = (real)(a * (double)in(x)[i] + add);
    }
    return CSCTRL_OK;
}

static csctrl_status fill(ct_exec *ex, double value, ct_tensor *x)
{
    const int64_t count = csctrl_tensor_count(x);

    (void)ex;
    for (int64_t i = 0; i < count; i++)
        out(x)[i] = (real)value;
    return CSCTRL_OK;
}

/* Seen as [n, rows, cols] -> [n, cols, rows]. */
static csctrl_status transpose(int64_t n, int64_t rows, int64_t cols, const real *from, real *to)
{
    for (int64_t i = 0; i < n; i++, from += rows * cols, to += rows * cols)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++)
                to[c * rows + r] = from[r * cols + c];
    return CSCTRL_OK;
}

static csctrl_status to_nhwc(ct_exec *ex, const ct_tensor *nchw, ct_tensor *nhwc)
{
    const int64_t *s = nhwc->shape;

    (void)ex;
    return transpose(s[0], s[3], s[1] * s[2], in(nchw), out(nhwc));
}

static csctrl_status to_nchw(ct_exec *ex, const ct_tensor *nhwc, ct_tensor *nchw)
{
    const int64_t *s = nhwc->shape;

    (void)ex;
    return transpose(s[0], s[1] * s[2], s[3], in(nhwc), out(nchw));
}

/* A plane [h, w], cropped, to every `channels`-th number. */
static void crop_plane(const unsigned char *plane, int h, int w, ct_crop crop, int64_t channels,
                       real *to)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, to += channels) {
            const int row = ct_crop_fold(y + crop.dy, h);
            const int col = ct_crop_fold((crop.flip ? w - 1 - x : x) + crop.dx, w);
            *to = (real)ct_tensor_pixel(plane[row * w + col]);
        }
}

static csctrl_status from_bytes(ct_exec *ex, const ct_tensor *bytes, const ct_crop *crops,
                                ct_tensor *nhwc)
{
    const int64_t *s = nhwc->shape, pixels = s[1] * s[2];
    const unsigned char *plane = bytes->data;

    (void)ex;
    for (int64_t n = 0; n < s[0]; n++)
        for (int64_t c = 0; c < s[3]; c++, plane += pixels)
            crop_plane(plane, (int)s[1], (int)s[2], crops != NULL ? crops[n] : (ct_crop){0}, s[3],
                       out(nhwc) + n * pixels * s[3] + c);
    return CSCTRL_OK;
}

static csctrl_status sum_squares(ct_exec *ex, const ct_tensor *x, double *sum)
{
    const int64_t count = csctrl_tensor_count(x);

    (void)ex;
    *sum = 0;
    for (int64_t i = 0; i < count; i++)
        *sum += (double)in(x)[i] * (double)in(x)[i];
    return CSCTRL_OK;
}

static csctrl_status count_zeros(ct_exec *ex, const ct_tensor *x, double *count)
{
    const int64_t size = csctrl_tensor_count(x);

    (void)ex;
    *count = 0;
    for (int64_t i = 0; i < size; i++)
        *count += in(x)[i] == 0;
    return CSCTRL_OK;
}

void REF(fill_elementwise)(ct_ops *ops)
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
