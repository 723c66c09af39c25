/* info.c - facts about a model. */
#include "model/model.h"

/* Numbers of layer l that are trained. */
static int64_t layer_parameters(const csctrl_model *m, int l)
{
    const ct_layer *layer = &m->layers[l];
    const int64_t dictionary = csctrl_tensor_count(&layer->W);

    return dictionary * (m->arch.tied ? 1 : 2) +
           (layer->has_norm ? 2 * layer->conv.geom.atoms : 0) +
           (l > 0 ? 2 * layer->conv.geom.c : 0);
}

void csctrl_model_get_info(const csctrl_model *model, csctrl_model_info *info)
{
    *info = (csctrl_model_info){
        .arch = model->arch.kind == CT_ARCH_CSC ? "csc" : "generic",
        .backend = model->ex->name,
        .layers = model->arch.depth,
        .channels = model->arch.channels,
        .size = model->arch.size,
        .features = model->arch.features,
        .classes = model->classes,
        .step = model->step,
        .tied = model->arch.tied,
    };
    for (int l = 0; l < model->arch.depth; l++) {
        info->parameters += layer_parameters(model, l);
        info->encode_macs += ct_arch_encode_macs(&model->arch, l);
        info->decode_macs += ct_arch_decode_macs(&model->arch, l);
    }
}

csctrl_status csctrl_model_get_layer(const csctrl_model *model, int index, csctrl_layer_info *info)
{
    if (index < 0 || index >= model->arch.depth)
        return ct_fail(CSCTRL_E_INVALID, "layer %d: expected 0..%d", index, model->arch.depth - 1);
    const ct_layer *layer = &model->layers[index];
    const ct_geom *g = &layer->conv.geom;
    const bool csc = model->arch.kind == CT_ARCH_CSC;
    *info = (csctrl_layer_info){
        .kind = csc ? "csc" : "conv",
        .atoms = g->atoms,
        .channels = g->c,
        .kernel = g->kernel,
        .stride = g->stride,
        .pad = g->pad,
        .in_size = g->h,
        .out_size = g->oh,
        .steps = layer->csc.steps,
        .nonneg = csc && layer->csc.prox.nonneg,
        .lambda = csc ? layer->csc.prox.lambda : 0.0,
        .mu = csc ? layer->csc.prox.mu : 0.0,
        .parameters = layer_parameters(model, index),
        .encode_macs = ct_arch_encode_macs(&model->arch, index),
        .decode_macs = ct_arch_decode_macs(&model->arch, index),
    };
    return csc ? ct_model_get_eta(model, index, &info->eta) : CSCTRL_OK;
}

const csctrl_config *csctrl_model_config(const csctrl_model *model)
{
    return model->config;
}

size_t csctrl_model_parameter_count(const csctrl_model *model)
{
    return model->param_count;
}

csctrl_status csctrl_model_get_parameter(const csctrl_model *model, size_t index,
                                         csctrl_parameter *parameter)
{
    if (index >= model->param_count)
        return ct_fail(CSCTRL_E_INVALID, "parameter %zu: expected 0..%zu", index,
                       model->param_count - 1);
    const ct_param *p = &model->params[index];
    *parameter =
        (csctrl_parameter){.name = p->name, .trainable = p->grad != NULL, .value = *p->value};
    if (model->ex->deferred) /* it is another's memory */
        parameter->value.data = NULL;
    return CSCTRL_OK;
}

csctrl_status csctrl_model_read_parameter(const csctrl_model *model, size_t index, void *values,
                                          size_t bytes)
{
    csctrl_parameter p;

    CT_TRY(csctrl_model_get_parameter(model, index, &p));
    const ct_tensor *value = model->params[index].value;
    if (bytes != ct_tensor_bytes(value))
        return ct_fail(CSCTRL_E_SHAPE, "parameter '%s': expected %zu bytes, found %zu", p.name,
                       ct_tensor_bytes(value), bytes);
    return model->ex->ops->download(model->ex, values, value->data, bytes);
}
