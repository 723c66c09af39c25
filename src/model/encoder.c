/* encoder.c - z = f(x). */
#include "model/encoder.h"

enum { LEAKY_PERCENT = 20 }; /* LeakyReLU 0.2 of the generic pair */

static double leaky_slope(void)
{
    return LEAKY_PERCENT / 100.0;
}

/* Whether h differs from the codes. */
static bool is_changed(const ct_layer *layer)
{
    return layer->has_norm || layer->has_act;
}

static ct_tensor *codes(const csctrl_model *model, const ct_encoder_pass *pass, int l)
{
    return &pass->layers[l].csc.z[model->layers[l].csc.steps - 1];
}

static bool is_spatial(const csctrl_model *model)
{
    return model->arch.layers[model->arch.depth - 1].geom.oh > 1;
}

csctrl_status ct_encoder_pass_create(csctrl_model *model, ct_encoder_pass *pass, bool saved,
                                     int first, int last)
{
    const csctrl_dtype dtype = model->ex->dtype;
    const int depth = model->arch.depth;

    *pass = (ct_encoder_pass){0};
    for (int l = 0; l < depth; l++) {
        ct_encoder_layer_pass *p = &pass->layers[l];
        const ct_layer *layer = &model->layers[l];
        const int now = CT_TIME_ENCODE + l;
        CT_TRY(ct_csc_pass_create(&p->csc, &layer->csc, dtype, saved, model->plan,
                                  saved ? first : now, saved ? last : now, saved ? last : now + 1));
        p->h = ct_code_shape(dtype, &layer->conv.geom);
        p->norm.mean = p->norm.var = CT_SHAPE(dtype, layer->conv.geom.atoms);
        if (layer->has_norm) {
            ct_plan_tensor(model->plan, saved ? CT_SAVED : CT_SCRATCH, &p->norm.mean,
                           saved ? first : now, saved ? last : now);
            ct_plan_tensor(model->plan, saved ? CT_SAVED : CT_SCRATCH, &p->norm.var,
                           saved ? first : now, saved ? last : now);
        }
    }
    pass->flat = CT_SHAPE(dtype, model->batch, model->arch.features);
    pass->length = CT_SHAPE(dtype, model->batch);
    if (is_spatial(model))
        ct_plan_tensor(model->plan, CT_SCRATCH, &pass->flat, CT_TIME_ENCODE + depth,
                       CT_TIME_ENCODE + depth);
    ct_plan_tensor(model->plan, saved ? CT_SAVED : CT_SCRATCH, &pass->length,
                   saved ? first : CT_TIME_ENCODE + depth, saved ? last : CT_TIME_ENCODE + depth);
    return CSCTRL_OK;
}

void ct_encoder_pass_bind(const csctrl_model *model, ct_encoder_pass *pass)
{
    for (int l = 0; l < model->arch.depth; l++) {
        ct_encoder_layer_pass *p = &pass->layers[l];
        ct_csc_pass_bind(&p->csc, &model->layers[l].csc);
        p->h.data = (is_changed(&model->layers[l]) ? codes(model, model->infer_encoder, l)
                                                   : codes(model, pass, l))
                        ->data;
    }
    if (!is_spatial(model))
        pass->flat.data = pass->layers[model->arch.depth - 1].h.data;
}

void ct_encoder_pass_destroy(const csctrl_model *model, ct_encoder_pass *pass)
{
    for (int l = 0; l < model->arch.depth; l++)
        ct_csc_pass_destroy(&pass->layers[l].csc);
}

void ct_encoder_grad_declare(csctrl_model *model, ct_encoder_grad *grad)
{
    const int depth = model->arch.depth;

    for (int l = 0; l < depth; l++) {
        const int now = CT_TIME_ENCODE_GRAD + depth - l;
        ct_csc_grad_declare(&grad->layers[l], &model->layers[l].csc, model->ex->dtype, model->plan,
                            now - 1, now, now);
        grad->h[l] = ct_code_shape(model->ex->dtype, &model->layers[l].conv.geom);
        if (l + 1 < depth) /* input of layer l + 1, then output of layer l */
            ct_plan_tensor(model->plan, CT_SCRATCH, &grad->h[l], now - 1, now);
    }
    grad->flat = CT_SHAPE(model->ex->dtype, model->batch, model->arch.features);
    if (is_spatial(model))
        ct_plan_tensor(model->plan, CT_SCRATCH, &grad->flat, CT_TIME_ENCODE_GRAD,
                       CT_TIME_ENCODE_GRAD);
}

/* The layer's codes: z[T-1] <- FISTA(x), or one plain convolution. */
static csctrl_status codes_forward(csctrl_model *model, int l, const ct_tensor *x,
                                   ct_csc_pass *pass)
{
    ct_layer *layer = &model->layers[l];

    if (model->arch.kind == CT_ARCH_CSC)
        return ct_csc_forward(model->ex, &layer->csc, x, pass);
    return model->ex->ops->analysis(model->ex, &layer->conv, x, &pass->z[0]);
}

/* h of layer l from its codes, which it may lie upon. */
static csctrl_status h_forward(csctrl_model *model, ct_encoder_pass *pass, ct_mode mode, int l)
{
    ct_layer *layer = &model->layers[l];
    ct_encoder_layer_pass *p = &pass->layers[l];
    const ct_tensor *c = codes(model, pass, l);

    if (layer->has_norm)
        CT_TRY(ct_batchnorm_forward(model->ex, &layer->norm, mode, c, &p->h, &p->norm));
    if (layer->has_act)
        CT_TRY(model->ex->ops->act(model->ex, CT_LEAKY_RELU, leaky_slope(),
                                   layer->has_norm ? &p->h : c, &p->h));
    return CSCTRL_OK;
}

csctrl_status ct_encoder_forward(csctrl_model *model, ct_encoder_pass *pass, ct_mode mode,
                                 const ct_tensor *x, ct_tensor *z, const ct_encoder_watch *watch)
{
    const ct_ops *ops = model->ex->ops;

    pass->x = x;
    for (int l = 0; l < model->arch.depth; l++) {
        CT_TRY(codes_forward(model, l, x, &pass->layers[l].csc));
        if (watch != NULL && watch->zeros != NULL) {
            const ct_tensor seen = ct_tensor_head(codes(model, pass, l), watch->count);
            double found = 0.0;
            CT_TRY(ops->count_zeros(model->ex, &seen, &found));
            watch->zeros[l] += found;
        }
        CT_TRY(h_forward(model, pass, mode, l));
        x = &pass->layers[l].h;
        if (watch != NULL && watch->keep != NULL && watch->keep->weight[l] != 0.0)
            CT_TRY(ops->axpby(model->ex, 1.0, x, 0.0, &watch->keep->h[l]));
    }
    if (is_spatial(model))
        CT_TRY(ops->to_nchw(model->ex, x, &pass->flat));
    return ops->sphere(model->ex, &pass->flat, z, &pass->length);
}

csctrl_status ct_encoder_codes(csctrl_model *model, ct_encoder_pass *pass, const ct_tensor *x,
                               int layer, const ct_tensor **found)
{
    for (int l = 0; l < layer; l++) {
        CT_TRY(codes_forward(model, l, x, &pass->layers[l].csc));
        CT_TRY(h_forward(model, pass, CT_MODE_EVAL, l));
        x = &pass->layers[l].h;
    }
    *found = codes(model, pass, layer);
    return codes_forward(model, layer, x, &pass->layers[layer].csc);
}

/* *h: h of layer l, computed again where it is not the codes. */
static csctrl_status recompute_h(csctrl_model *model, int l, ct_encoder_pass *pass,
                                 ct_encoder_grad *grad, const ct_tensor **h)
{
    const ct_layer *layer = &model->layers[l];
    const ct_tensor *c = codes(model, pass, l);

    *h = is_changed(layer) ? &grad->h[l] : c;
    if (layer->has_norm)
        CT_TRY(
            ct_batchnorm_recompute(model->ex, &layer->norm, c, &pass->layers[l].norm, &grad->h[l]));
    if (layer->has_act)
        CT_TRY(model->ex->ops->act(model->ex, CT_LEAKY_RELU, leaky_slope(),
                                   layer->has_norm ? &grad->h[l] : c, &grad->h[l]));
    return CSCTRL_OK;
}

/* dz of layer l is in grad->layers[l].dz; x: the layer's input; dx: gradient of it. */
static csctrl_status layer_backward(csctrl_model *model, int l, ct_encoder_pass *pass,
                                    ct_encoder_grad *grad, bool learn, const ct_tensor *x,
                                    ct_tensor *dx)
{
    const ct_ops *ops = model->ex->ops;
    ct_layer *layer = &model->layers[l];
    ct_encoder_layer_pass *p = &pass->layers[l];
    ct_tensor *d = &grad->layers[l].dz;
    ct_tensor *dW = learn ? &layer->dW : NULL;

    if (layer->has_act)
        CT_TRY(ops->act_backward(model->ex, CT_LEAKY_RELU, leaky_slope(), &grad->h[l], d, d));
    if (layer->has_norm)
        CT_TRY(ct_batchnorm_backward(model->ex, &layer->norm, codes(model, pass, l), &p->norm,
                                     learn, d));
    if (model->arch.kind == CT_ARCH_CSC)
        return ct_csc_backward(model->ex, &layer->csc, x, &p->csc, &grad->layers[l], dW, dx);
    if (dW != NULL)
        CT_TRY(ops->dict_grad(model->ex, &layer->conv, 1.0, x, d, dW));
    return dx != NULL ? ops->synthesis(model->ex, &layer->conv, d, dx) : CSCTRL_OK;
}

/* dh <- dh + gradient of weight |h - goal|^2. */
static csctrl_status approach(csctrl_model *model, const ct_encoder_goal *goal, int l,
                              const ct_tensor *h, ct_tensor *dh)
{
    const double w = goal != NULL ? 2.0 * goal->weight[l] : 0.0;

    return w != 0.0 ? ct_add_difference(model->ex, w, h, &goal->h[l], dh) : CSCTRL_OK;
}

csctrl_status ct_encoder_backward(csctrl_model *model, ct_encoder_pass *pass, ct_encoder_grad *grad,
                                  const ct_tensor *z, const ct_tensor *dz, bool learn,
                                  ct_tensor *dx, const ct_encoder_goal *goal,
                                  const ct_layer_done *done)
{
    const ct_ops *ops = model->ex->ops;
    const int depth = model->arch.depth;
    ct_tensor *last = &grad->layers[depth - 1].dz;
    ct_tensor flat = grad->flat;

    if (!is_spatial(model))
        flat.data = last->data;
    CT_TRY(ops->sphere_backward(model->ex, z, &pass->length, dz, &flat));
    if (is_spatial(model))
        CT_TRY(ops->to_nhwc(model->ex, &flat, last));
    for (int l = depth - 1; l >= 0; l--) {
        const ct_tensor *x = pass->x;
        ct_tensor *const d = l > 0 ? &grad->layers[l - 1].dz : dx;
        if (l > 0)
            CT_TRY(recompute_h(model, l - 1, pass, grad, &x));
        CT_TRY(layer_backward(model, l, pass, grad, learn, x, d));
        if (l > 0)
            CT_TRY(approach(model, goal, l - 1, x, d));
        if (done != NULL)
            CT_TRY(done->call(done->user, l));
    }
    return CSCTRL_OK;
}

csctrl_status ct_encoder_follow(csctrl_model *model, const ct_encoder_pass *pass)
{
    for (int l = 0; l < model->arch.depth; l++) {
        ct_layer *layer = &model->layers[l];
        const ct_geom *g = &layer->conv.geom;
        if (layer->has_norm)
            CT_TRY(ct_batchnorm_follow(model->ex, &layer->norm, (int64_t)g->n * g->oh * g->ow,
                                       &pass->layers[l].norm));
    }
    return CSCTRL_OK;
}
