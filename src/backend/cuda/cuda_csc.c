/* cuda_csc.c - one FISTA step and its gradient (SPEC 1): products with what follows them as one
 * kernel where there is one, and otherwise one pass over memory between two products. */
#include "backend/cuda/cuda.h"

static ct_k_prox prox_of(const ct_prox *prox)
{
    return (ct_k_prox){prox->eta, prox->lambda, prox->mu, prox->nonneg};
}

static void *data_of(const ct_tensor *t)
{
    return t != NULL ? t->data : NULL;
}

static csctrl_status csc_update(ct_exec *ex, const ct_prox *prox, double beta,
                                const ct_tensor *grad, const ct_tensor *y, const ct_tensor *z_prev,
                                ct_tensor *z_next, ct_tensor *y_next)
{
    const ct_k_prox p = prox_of(prox);

    CT_CUDA_TRY(ct_k_shrink(ct_cuda_queue(ex), ct_cuda_count(grad), &p, (float)beta, grad->data,
                            false, data_of(y), data_of(z_prev), z_next->data, data_of(y_next)));
    return CSCTRL_OK;
}

static csctrl_status csc_update_backward(ct_exec *ex, const ct_prox *prox, const ct_tensor *z,
                                         const ct_tensor *dz, ct_tensor *g)
{
    const ct_k_prox p = prox_of(prox);

    CT_CUDA_TRY(ct_k_shrink_backward(ct_cuda_queue(ex), ct_cuda_count(z), &p, z->data, dz->data,
                                     g->data, NULL, NULL));
    return CSCTRL_OK;
}

/* r = x - A y where there is a y, for the caller and as an operand. */
static csctrl_status residual(ct_exec *ex, ct_conv *conv, const ct_csc_step *s,
                              const ct_cuda_operands *at, const void **operand)
{
    const bool half = ct_cuda_is_half(conv);
    const void *y = NULL;

    if (s->y == NULL)
        return ct_cuda_step_operand(ex, conv, s->x, s->prox.eta, at->image[1], operand);
    *operand = half ? at->image[1] : s->r->data;
    CT_TRY(ct_cuda_step_operand(ex, conv, s->y, s->prox.eta, at->code[0], &y));
    if (ct_cuda_fuses(ex, conv, CT_CUDA_RESIDUAL))
        return ct_cuda_fused_product(
            ex, conv, CT_CUDA_RESIDUAL,
            (ct_cuda_fused_args){
                .code = y, .other = s->x->data, .result = s->r->data, .narrow = at->image[1]});
    CT_TRY(ct_cuda_synthesise(ex, conv, y, at->image[0]));
    CT_CUDA_TRY(ct_k_blend(ct_cuda_queue(ex), ct_cuda_count(s->x), 1, s->x->data, -1, at->image[0],
                           half, half && s->drop_r ? NULL : s->r->data,
                           half ? at->image[1] : NULL));
    return CSCTRL_OK;
}

/* z = prox(y + eta A* r) and what follows from it. */
static csctrl_status shrink(ct_exec *ex, ct_conv *conv, const ct_csc_step *s,
                            const ct_cuda_operands *at, const void *r)
{
    const ct_cuda_fused fused =
        s->y != NULL ? (s->prox.nonneg ? CT_CUDA_SHRINK_NONNEG : CT_CUDA_SHRINK)
                     : (s->prox.nonneg ? CT_CUDA_SHRINK_FIRST_NONNEG : CT_CUDA_SHRINK_FIRST);
    const ct_k_prox prox = prox_of(&s->prox);
    const bool half = ct_cuda_is_half(conv);
    void *const grad = half ? at->code[1] : s->z->data; /* A* r; in place in float */

    if (half && s->y_next == NULL && s->prox.mu == 0 && ct_cuda_fuses(ex, conv, fused))
        return ct_cuda_fused_product(ex, conv, fused,
                                     (ct_cuda_fused_args){.image = r,
                                                          .eta = at->eta,
                                                          .other = data_of(s->y),
                                                          .result = s->z->data,
                                                          .lambda = s->prox.lambda});
    CT_TRY(ct_cuda_analyse(ex, conv, r, grad));
    CT_CUDA_TRY(ct_k_shrink(ct_cuda_queue(ex), ct_cuda_count(s->z), &prox, (float)s->beta, grad,
                            half, data_of(s->y), data_of(s->z_prev), s->z->data,
                            data_of(s->y_next)));
    return CSCTRL_OK;
}

static csctrl_status csc_step(ct_exec *ex, ct_conv *conv, const ct_csc_step *s)
{
    const ct_cuda_operands at = ct_cuda_operands_of(conv);
    const void *r = NULL;

    CT_TRY(residual(ex, conv, s, &at, &r));
    return shrink(ex, conv, s, &at, r);
}

/* dy = gs / eta - A* q */
static csctrl_status gradient_of_y(ct_exec *ex, ct_conv *conv, const ct_csc_step_grad *g,
                                   const ct_cuda_operands *at, const void *q)
{
    const bool half = ct_cuda_is_half(conv);
    void *const back = half ? at->code[1] : g->dy->data; /* A* q */

    if (ct_cuda_fuses(ex, conv, CT_CUDA_STEP_BACKWARD))
        return ct_cuda_fused_product(
            ex, conv, CT_CUDA_STEP_BACKWARD,
            (ct_cuda_fused_args){
                .image = q, .eta = at->eta, .other = g->dz->data, .result = g->dy->data});
    CT_TRY(ct_cuda_analyse(ex, conv, q, back));
    CT_CUDA_TRY(ct_k_step_backward(ct_cuda_queue(ex), ct_cuda_count(g->z), g->prox.eta, g->dz->data,
                                   back, half, g->dy->data));
    return CSCTRL_OK;
}

/* gs takes the place of dz; q = A gs stays in scratch. */
static csctrl_status csc_step_backward(ct_exec *ex, ct_conv *conv, const ct_csc_step_grad *g)
{
    const ct_cuda_operands at = ct_cuda_operands_of(conv);
    const bool half = ct_cuda_is_half(conv);
    const int64_t codes = ct_cuda_count(g->z), pixels = ct_cuda_count(g->r);
    const ct_k_prox prox = prox_of(&g->prox);
    const void *const gs = half ? at.code[0] : g->dz->data;
    void *const stream = ct_cuda_queue(ex);
    void *const q = half ? at.image[1] : at.image[0];
    const void *r = NULL, *y = NULL;

    CT_CUDA_TRY(ct_k_shrink_backward(stream, codes, &prox, g->z->data, g->dz->data, g->dz->data,
                                     half ? at.code[0] : NULL, at.eta));
    if (g->dW != NULL) {
        CT_TRY(ct_cuda_operand(ex, conv, g->r, at.image[0], &r));
        CT_TRY(ct_cuda_add_dict_grad(ex, conv, 1, r, gs, g->dW));
    }
    if (g->dx == NULL && g->y == NULL)
        return CSCTRL_OK;
    CT_TRY(ct_cuda_synthesise(ex, conv, gs, q));
    if (g->dx != NULL)
        CT_CUDA_TRY(ct_k_blend(stream, pixels, 1, g->add_dx ? g->dx->data : NULL, 1, q, half,
                               g->dx->data, NULL));
    if (g->y == NULL)
        return CSCTRL_OK;
    if (g->dW != NULL) {
        CT_TRY(ct_cuda_operand(ex, conv, g->y, at.code[1], &y));
        CT_TRY(ct_cuda_add_dict_grad(ex, conv, -1, q, y, g->dW));
    }
    return gradient_of_y(ex, conv, g, &at, q);
}

void ct_cuda_fill_csc(ct_ops *ops)
{
    ops->csc_update = csc_update;
    ops->csc_update_backward = csc_update_backward;
    ops->csc_step = csc_step;
    ops->csc_step_backward = csc_step_backward;
}
