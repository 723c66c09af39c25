/* decoder.c - xhat = g(z). */
#include "model/decoder.h"

ct_conv *ct_layer_synthesis(ct_layer *layer, bool tied)
{
    return tied ? &layer->conv : &layer->decoder_conv;
}

ct_tensor *ct_layer_synthesis_grad(ct_layer *layer, bool tied)
{
    return tied ? &layer->dW : &layer->decoder_dW;
}

csctrl_status ct_decoder_pass_create(csctrl_model *model, ct_decoder_pass *pass, bool saved,
                                     int first, int last)
{
    const csctrl_dtype dtype = model->ex->dtype;
    const int depth = model->arch.depth;
    const ct_class kind = saved ? CT_SAVED : CT_SCRATCH;

    *pass = (ct_decoder_pass){0};
    for (int l = depth - 1; l >= 1; l--) {
        ct_decoder_layer_pass *p = &pass->layers[l];
        const ct_geom *geom = &model->layers[l].conv.geom;
        const int now = CT_TIME_DECODE + depth - l;
        p->s = p->h = ct_image_shape(dtype, geom);
        p->norm.mean = p->norm.var = CT_SHAPE(dtype, geom->c);
        ct_plan_tensor(model->plan, kind, &p->s, saved ? first : now, saved ? last : now + 1);
        ct_plan_tensor(model->plan, kind, &p->norm.mean, saved ? first : now, saved ? last : now);
        ct_plan_tensor(model->plan, kind, &p->norm.var, saved ? first : now, saved ? last : now);
    }
    pass->code = ct_code_shape(dtype, &model->layers[depth - 1].conv.geom);
    if (pass->code.shape[1] > 1)
        ct_plan_tensor(model->plan, kind, &pass->code, saved ? first : CT_TIME_DECODE,
                       saved ? last : CT_TIME_DECODE + 1);
    return CSCTRL_OK;
}

void ct_decoder_pass_bind(const csctrl_model *model, ct_decoder_pass *pass)
{
    for (int l = 1; l < model->arch.depth; l++)
        pass->layers[l].h.data = model->infer_decoder->layers[l].s.data;
}

void ct_decoder_grad_declare(csctrl_model *model, ct_decoder_grad *grad)
{
    for (int l = 1; l < model->arch.depth; l++) {
        const int now = CT_TIME_DECODE_GRAD + l;
        grad->d[l] = grad->h[l] = ct_image_shape(model->ex->dtype, &model->layers[l].conv.geom);
        ct_plan_tensor(model->plan, CT_SCRATCH, &grad->d[l], now - 1, now);
        ct_plan_tensor(model->plan, CT_SCRATCH, &grad->h[l], now - 1, now);
    }
}

csctrl_status ct_decoder_down(csctrl_model *model, ct_decoder_pass *pass, ct_mode mode, int from,
                              int to, const ct_tensor *code, const ct_tensor **below)
{
    const ct_ops *ops = model->ex->ops;

    for (int l = from; l > to; l--) {
        ct_layer *layer = &model->layers[l];
        ct_decoder_layer_pass *p = &pass->layers[l];
        CT_TRY(ops->synthesis(model->ex, ct_layer_synthesis(layer, model->arch.tied), code, &p->s));
        CT_TRY(ct_batchnorm_forward(model->ex, &layer->decoder_norm, mode, &p->s, &p->h, &p->norm));
        CT_TRY(ops->act(model->ex, CT_RELU, 0.0, &p->h, &p->h));
        code = &p->h;
    }
    *below = code;
    return CSCTRL_OK;
}

csctrl_status ct_decoder_image(csctrl_model *model, const ct_tensor *code, ct_tensor *xhat)
{
    const ct_ops *ops = model->ex->ops;

    CT_TRY(ops->synthesis(model->ex, ct_layer_synthesis(&model->layers[0], model->arch.tied), code,
                          xhat));
    return ops->act(model->ex, CT_TANH, 0.0, xhat, xhat);
}

csctrl_status ct_decoder_code(csctrl_model *model, ct_decoder_pass *pass, const ct_tensor *z)
{
    if (pass->code.shape[1] > 1)
        return model->ex->ops->to_nhwc(model->ex, z, &pass->code);
    pass->code.data = z->data; /* one pixel: both orders are the same */
    return CSCTRL_OK;
}

csctrl_status ct_decoder_forward(csctrl_model *model, ct_decoder_pass *pass, ct_mode mode,
                                 const ct_tensor *z, ct_tensor *xhat)
{
    const ct_tensor *code;

    CT_TRY(ct_decoder_code(model, pass, z));
    CT_TRY(ct_decoder_down(model, pass, mode, model->arch.depth - 1, 0, &pass->code, &code));
    return ct_decoder_image(model, code, xhat);
}

/* *code: what layer l was given, computed again where it is not the decoder's input. */
static csctrl_status recompute_code(csctrl_model *model, int l, ct_decoder_pass *pass,
                                    ct_decoder_grad *grad, const ct_tensor **code)
{
    if (l + 1 == model->arch.depth) {
        *code = &pass->code;
        return CSCTRL_OK;
    }
    const ct_decoder_layer_pass *p = &pass->layers[l + 1];
    ct_tensor *h = &grad->h[l + 1];
    *code = h;
    CT_TRY(
        ct_batchnorm_recompute(model->ex, &model->layers[l + 1].decoder_norm, &p->s, &p->norm, h));
    return model->ex->ops->act(model->ex, CT_RELU, 0.0, h, h);
}

csctrl_status ct_decoder_backward(csctrl_model *model, ct_decoder_pass *pass, ct_decoder_grad *grad,
                                  const ct_tensor *xhat, ct_tensor *dxhat,
                                  const ct_layer_done *done)
{
    const ct_ops *ops = model->ex->ops;
    const int depth = model->arch.depth;
    ct_tensor *d = dxhat;

    CT_TRY(ops->act_backward(model->ex, CT_TANH, 0.0, xhat, d, d));
    for (int l = 0; l < depth; l++) {
        ct_layer *layer = &model->layers[l];
        ct_conv *conv = ct_layer_synthesis(layer, model->arch.tied);
        const ct_tensor *code = NULL;
        if (l > 0) {
            ct_decoder_layer_pass *p = &pass->layers[l];
            CT_TRY(ops->act_backward(model->ex, CT_RELU, 0.0, &grad->h[l], d, d));
            CT_TRY(
                ct_batchnorm_backward(model->ex, &layer->decoder_norm, &p->s, &p->norm, true, d));
        }
        CT_TRY(recompute_code(model, l, pass, grad, &code));
        CT_TRY(ops->dict_grad(model->ex, conv, 1.0, d, code,
                              ct_layer_synthesis_grad(layer, model->arch.tied)));
        if (l + 1 < depth) {
            CT_TRY(ops->analysis(model->ex, conv, d, &grad->d[l + 1]));
            d = &grad->d[l + 1];
        }
        if (done != NULL)
            CT_TRY(done->call(done->user, l));
    }
    return CSCTRL_OK;
}

csctrl_status ct_decoder_follow(csctrl_model *model, const ct_decoder_pass *pass)
{
    for (int l = 1; l < model->arch.depth; l++) {
        ct_layer *layer = &model->layers[l];
        const ct_geom *g = &layer->conv.geom;
        CT_TRY(ct_batchnorm_follow(model->ex, &layer->decoder_norm, (int64_t)g->n * g->h * g->w,
                                   &pass->layers[l].norm));
    }
    return CSCTRL_OK;
}
