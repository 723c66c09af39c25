/* cpu_elementwise.c - element-wise operations, layout changes and reductions to a number. */

#include "backend/cpu/cpu.h"
#include "backend/update.h"

enum { CHUNK = 1 << 14 };

static csctrl_status run(const ct_exec *ex, const ct_tensor *x, ct_loop *loop, const void *args)
{
    ct_cpu_for(ex, csctrl_tensor_count(x), CHUNK, loop, args);
    return CSCTRL_OK;
}

static csctrl_status csc_update(ct_exec *ex, const ct_prox *prox, double beta,
                                const ct_tensor *grad, const ct_tensor *y, const ct_tensor *z_prev,
                                ct_tensor *z_next, ct_tensor *y_next)
{
    return run(ex, grad, ct_cpu_loops(ex)->csc_update,
               &(ct_csc_args){
                   .grad = grad->data,
                   .y = y == NULL ? NULL : y->data,
                   .z_prev = z_prev == NULL ? NULL : z_prev->data,
                   .z_next = z_next->data,
                   .y_next = y_next == NULL ? NULL : y_next->data,
                   .shrink = ct_cpu_shrink(prox, beta),
               });
}

static csctrl_status csc_update_backward(ct_exec *ex, const ct_prox *prox, const ct_tensor *z,
                                         const ct_tensor *dz, ct_tensor *g)
{
    return run(ex, z, ct_cpu_loops(ex)->gate,
               &(ct_gate_args){
                   .gate = z->data,
                   .from = dz->data,
                   .to = g->data,
                   .factor = (float)(*prox->eta / (1 + prox->mu * *prox->eta)),
               });
}

static csctrl_status act(ct_exec *ex, ct_act kind, double slope, const ct_tensor *x, ct_tensor *y)
{
    return run(ex, x, ct_cpu_loops(ex)->act,
               &(ct_act_args){
                   .kind = kind,
                   .slope = kind == CT_RELU ? 0 : (float)slope,
                   .x = x->data,
                   .to = y->data,
               });
}

static csctrl_status act_backward(ct_exec *ex, ct_act kind, double slope, const ct_tensor *y,
                                  const ct_tensor *dy, ct_tensor *dx)
{
    return run(ex, y, ct_cpu_loops(ex)->act_backward,
               &(ct_act_args){
                   .kind = kind,
                   .slope = kind == CT_RELU ? 0 : (float)slope,
                   .x = y->data,
                   .dy = dy->data,
                   .to = dx->data,
               });
}

static csctrl_status axpby(ct_exec *ex, double a, const ct_tensor *x, double b, ct_tensor *y)
{
    return run(ex, x, ct_cpu_loops(ex)->axpby,
               &(ct_axpby_args){.x = x->data, .y = y->data, .a = (float)a, .b = (float)b});
}

static csctrl_status fill(ct_exec *ex, double value, ct_tensor *x)
{
    return run(ex, x, ct_cpu_loops(ex)->fill, &(ct_fill_args){.x = x->data, .value = (float)value});
}

static csctrl_status adam(ct_exec *ex, const ct_adam *s, double grad_scale, const ct_update *u)
{
    return run(ex, u->p, ct_cpu_loops(ex)->adam,
               &(ct_adam_args){
                   .p = u->p->data,
                   .m = u->m->data,
                   .v = u->v->data,
                   .g = u->g->data,
                   .grad_scale = (float)grad_scale,
                   .beta1 = (float)s->beta1,
                   .beta2 = (float)s->beta2,
                   .rest1 = (float)(1 - s->beta1),
                   .rest2 = (float)(1 - s->beta2),
                   .step = (float)(s->lr / s->bias1),
                   .inv_bias2 = (float)(1 / s->bias2),
                   .eps = (float)s->eps,
               });
}

static csctrl_status update(ct_exec *ex, const ct_adam *s, const ct_update *updates, int count,
                            double *norm)
{
    return ct_update_by_ops(ex, s, updates, count, norm, adam);
}

/* [n, rows, cols] -> [n, cols, rows] */
static csctrl_status transpose(ct_exec *ex, int64_t n, int64_t rows, int64_t cols,
                               const ct_tensor *from, ct_tensor *to)
{
    ct_cpu_for(ex, n, 1, ct_cpu_loops(ex)->transpose,
               &(ct_transpose_args){.rows = rows,
                                    .cols = cols,
                                    .pitch = cols,
                                    .step = rows * cols,
                                    .from = from->data,
                                    .to = to->data});
    return CSCTRL_OK;
}

static csctrl_status to_nhwc(ct_exec *ex, const ct_tensor *nchw, ct_tensor *nhwc)
{
    const int64_t *s = nhwc->shape;

    return transpose(ex, s[0], s[3], s[1] * s[2], nchw, nhwc);
}

static csctrl_status to_nchw(ct_exec *ex, const ct_tensor *nhwc, ct_tensor *nchw)
{
    const int64_t *s = nhwc->shape;

    return transpose(ex, s[0], s[1] * s[2], s[3], nhwc, nchw);
}

typedef struct bytes_args {
    int h, w;
    int64_t pixels, channels;
    float value[256]; /* of each byte */
    const unsigned char *from;
    const ct_crop *crops;
    float *to;
} bytes_args;

/* `count` pixels, from one on to the right (step 1) or left (-1). */
static void put_pixels(const bytes_args *a, const unsigned char *from, int step, int count,
                       float *to)
{
    for (int64_t c = 0; c < a->channels; c++)
        for (int64_t p = 0; p < count; p++)
            to[p * a->channels + c] = a->value[from[c * a->pixels + p * step]];
}

/* What the crop has of the row itself in one go, what it has of its reflection pixel by pixel. */
static void put_row(const bytes_args *a, const unsigned char *row, ct_crop v, float *to)
{
    const int w = a->w;

    for (int x = 0, count = 0; x < w; x += count) {
        const int col = (v.flip ? w - 1 - x : x) + v.dx, ahead = v.flip ? col + 1 : w - col;
        count = col < 0 || col >= w ? 1 : ahead < w - x ? ahead : w - x;
        put_pixels(a, row + ct_crop_fold(col, w), v.flip ? -1 : 1, count, to + x * a->channels);
    }
}

static void image_from_bytes(const void *args, int64_t begin, int64_t end)
{
    const bytes_args *a = args;
    const int64_t size = a->pixels * a->channels;

    for (int64_t n = begin; n < end; n++) {
        const ct_crop v = a->crops != NULL ? a->crops[n] : (ct_crop){0};
        for (int y = 0; y < a->h; y++)
            put_row(a, a->from + n * size + ct_crop_fold(y + v.dy, a->h) * a->w, v,
                    a->to + n * size + y * a->w * a->channels);
    }
}

static csctrl_status from_bytes(ct_exec *ex, const ct_tensor *bytes, const ct_crop *crops,
                                ct_tensor *nhwc)
{
    const int64_t *s = nhwc->shape;
    bytes_args a = {.h = (int)s[1],
                    .w = (int)s[2],
                    .pixels = s[1] * s[2],
                    .channels = s[3],
                    .from = bytes->data,
                    .crops = crops,
                    .to = nhwc->data};

    for (int b = 0; b < 256; b++)
        a.value[b] = ct_tensor_pixel((unsigned char)b);
    ct_cpu_for(ex, s[0], 1, image_from_bytes, &a);
    return CSCTRL_OK;
}

static csctrl_status sum_squares(ct_exec *ex, const ct_tensor *x, double *sum)
{
    ct_cpu_sum(ex, csctrl_tensor_count(x), 1, ct_cpu_loops(ex)->sum_squares, x->data, sum);
    return CSCTRL_OK;
}

static csctrl_status count_zeros(ct_exec *ex, const ct_tensor *x, double *count)
{
    ct_cpu_sum(ex, csctrl_tensor_count(x), 1, ct_cpu_loops(ex)->count_zeros, x->data, count);
    return CSCTRL_OK;
}

void ct_cpu_fill_elementwise(ct_ops *ops)
{
    ops->csc_update = csc_update;
    ops->csc_update_backward = csc_update_backward;
    ops->act = act;
    ops->act_backward = act_backward;
    ops->axpby = axpby;
    ops->fill = fill;
    ops->update = update;
    ops->to_nhwc = to_nhwc;
    ops->to_nchw = to_nchw;
    ops->from_bytes = from_bytes;
    ops->sum_squares = sum_squares;
    ops->count_zeros = count_zeros;
}
