/* model.c - a model's life: exec, layers, parameters by name, one plan. */
#include "model/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/decoder.h"
#include "model/encoder.h"

/* ---- parameters by name */

static CT_PRINTF(5, 6) void add_param(csctrl_model *m, ct_tensor *value, ct_tensor *grad,
                                      const bool played_by[CT_PLAYERS], const char *format, ...)
{
    ct_param *p = &m->params[m->param_count++];
    va_list args;

    va_start(args, format);
    vsnprintf(p->name, sizeof p->name, format, args);
    va_end(args);
    p->value = value;
    p->grad = grad;
    p->played_by[CT_ENCODER] = played_by[CT_ENCODER] && grad != NULL;
    p->played_by[CT_DECODER] = played_by[CT_DECODER] && grad != NULL;
}

static void add_norm(csctrl_model *m, ct_batchnorm *norm, int channels, ct_player player, int l)
{
    const char *side = player == CT_ENCODER ? "encoder" : "decoder";
    const bool plays[CT_PLAYERS] = {player == CT_ENCODER, player == CT_DECODER};

    *norm = (ct_batchnorm){.eps = m->arch.bn_eps, .momentum = m->arch.bn_momentum};
    norm->scale = norm->shift = norm->mean = norm->var = norm->dscale = norm->dshift =
        CT_SHAPE(m->ex->dtype, channels);
    add_param(m, &norm->scale, &norm->dscale, plays, "%s.%d.norm.scale", side, l);
    add_param(m, &norm->shift, &norm->dshift, plays, "%s.%d.norm.shift", side, l);
    add_param(m, &norm->mean, NULL, plays, "%s.%d.norm.mean", side, l);
    add_param(m, &norm->var, NULL, plays, "%s.%d.norm.var", side, l);
}

static void add_params(csctrl_model *m)
{
    for (int l = 0; l < m->arch.depth; l++) {
        ct_layer *layer = &m->layers[l];
        const ct_geom *g = &layer->conv.geom;
        const bool shared[CT_PLAYERS] = {true, m->arch.tied};
        layer->W = layer->dW = CT_SHAPE(m->ex->dtype, g->atoms, g->c, g->kernel, g->kernel);
        add_param(m, &layer->W, &layer->dW, shared, "encoder.%d.dictionary", l);
        if (layer->has_norm)
            add_norm(m, &layer->norm, g->atoms, CT_ENCODER, l);
    }
    for (int l = 0; l < m->arch.depth; l++) {
        ct_layer *layer = &m->layers[l];
        const bool decoder_only[CT_PLAYERS] = {false, true};
        if (!m->arch.tied) {
            layer->decoder_W = layer->decoder_dW = layer->W;
            add_param(m, &layer->decoder_W, &layer->decoder_dW, decoder_only,
                      "decoder.%d.dictionary", l);
        }
        if (l > 0)
            add_norm(m, &layer->decoder_norm, layer->conv.geom.c, CT_DECODER, l);
    }
}

static void declare_params(csctrl_model *m, bool grads, bool averages)
{
    for (size_t i = 0; i < m->param_count; i++) {
        ct_param *p = &m->params[i];
        ct_plan_tensor(m->plan, CT_PARAM, p->value, CT_FOREVER);
        if (grads && p->grad != NULL)
            ct_plan_tensor(m->plan, CT_PARAM, p->grad, CT_FOREVER);
        p->average = *p->value;
        if (averages)
            ct_plan_tensor(m->plan, CT_STATE, &p->average, CT_FOREVER);
    }
    m->averaged = averages;
}

/* ---- layers */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static csctrl_status create_layer(csctrl_model *m, int l)
{
    ct_layer *layer = &m->layers[l];
    const ct_layer_spec *spec = &m->arch.layers[l];
    const bool csc = m->arch.kind == CT_ARCH_CSC;
    const ct_prox prox = {.lambda = spec->lambda, .mu = spec->mu, .nonneg = spec->nonneg};
    ct_geom geom = spec->geom;

    geom.n = m->batch;
    if ((int64_t)geom.n * geom.h * geom.w > INT32_MAX ||
        (int64_t)geom.n * geom.oh * geom.ow > INT32_MAX)
        return ct_fail(CSCTRL_E_CONFIG,
                       "layer %d: a batch of %d images of %dx%d pixels is more than %d positions; "
                       "lower the batch",
                       l + 1, geom.n, geom.h, geom.w, INT32_MAX);
    CT_TRY(m->ex->ops->conv_create(m->ex, &geom, &layer->conv));
    if (!m->arch.tied) {
        CT_TRY(m->ex->ops->conv_create(m->ex, &geom, &layer->decoder_conv));
        ct_plan_bytes(m->plan, CT_PARAM, &layer->decoder_conv.packed,
                      layer->decoder_conv.packed_bytes, CT_FOREVER);
    }
    layer->eta = CT_SHAPE(CSCTRL_F64, 1);
    if (csc) {
        CT_TRY(ct_power_create(m->ex, &layer->power, &geom, m->plan, CT_TIME_STEP_SIZE + l));
        ct_plan_tensor(m->plan, CT_STATE, &layer->eta, CT_FOREVER);
    }
    /* Of both: the dictionary is packed for the power iteration, then for the layer. */
    ct_plan_bytes(m->plan, CT_PARAM, &layer->conv.packed,
                  larger(layer->conv.packed_bytes, layer->power.conv.packed_bytes), CT_FOREVER);
    layer->has_norm = csc || (l > 0 && l + 1 < m->arch.depth);
    layer->has_act = !csc && l + 1 < m->arch.depth;
    return ct_csc_create(&layer->csc, &layer->conv, spec->steps, &prox, m->arch.momentum);
}

/* The three operators of a layer; those that are not used are zero. */
static void list_convs(ct_layer *layer, ct_conv *convs[3])
{
    convs[0] = &layer->conv;
    convs[1] = &layer->decoder_conv;
    convs[2] = &layer->power.conv;
}

static void declare_conv_scratch(csctrl_model *m)
{
    size_t most = 0;

    for (int l = 0; l < m->arch.depth; l++) {
        ct_conv *convs[3];
        list_convs(&m->layers[l], convs);
        for (int i = 0; i < 3; i++)
            most = larger(convs[i]->scratch_bytes, most);
    }
    ct_plan_bytes(m->plan, CT_SCRATCH, &m->conv_scratch, most, CT_FOREVER);
}

static void bind_convs(csctrl_model *m)
{
    for (int l = 0; l < m->arch.depth; l++) {
        ct_conv *convs[3];
        list_convs(&m->layers[l], convs);
        for (int i = 0; i < 3; i++)
            convs[i]->scratch = m->conv_scratch;
        m->layers[l].power.conv.packed = m->layers[l].conv.packed;
        m->layers[l].csc.prox.eta = m->layers[l].eta.data;
    }
}

static void destroy_layer(csctrl_model *m, ct_layer *layer)
{
    ct_csc_destroy(&layer->csc);
    m->ex->ops->conv_destroy(m->ex, &layer->conv);
    m->ex->ops->conv_destroy(m->ex, &layer->decoder_conv);
    ct_power_destroy(m->ex, &layer->power);
}

/* ---- life */

static csctrl_status create_exec(ct_exec **ex, const csctrl_config *config, const ct_comm *ranks)
{
    const char *precision = csctrl_config_text(config, "precision");
    ct_exec_options options = {
        .device = csctrl_config_text(config, "device"),
        .dtype = strcmp(precision, "f64") == 0 ? CSCTRL_F64 : CSCTRL_F32,
        .bf16 = strcmp(precision, "bf16") == 0,
        .tf32 = strcmp(precision, "tf32") == 0,
        .threads = (int)csctrl_config_int(config, "threads"),
        .tune = csctrl_config_text(config, "tune"),
        .sharers = ranks != NULL ? ranks->sharers : 1,
        .number = ranks != NULL ? ranks->local_rank : 0,
    };

    if (!ct_isa_from_name(csctrl_config_text(config, "isa"), &options.isa))
        return ct_fail(CSCTRL_E_CONFIG, "isa: unknown instruction set '%s'",
                       csctrl_config_text(config, "isa"));
    CT_TRY(ct_exec_create(ex, &options));
    if (strcmp(csctrl_config_text(config, "parallel.batch_norm"), "sync") == 0)
        (*ex)->norm_ranks = ranks;
    return CSCTRL_OK;
}

static csctrl_status create_inference(csctrl_model *m)
{
    const ct_geom *g = &m->layers[0].conv.geom;

    m->infer_encoder = ct_calloc(1, sizeof *m->infer_encoder);
    m->infer_decoder = ct_calloc(1, sizeof *m->infer_decoder);
    if (m->infer_encoder == NULL || m->infer_decoder == NULL)
        return CSCTRL_E_NOMEM;
    m->x_nchw = CT_SHAPE(m->ex->dtype, m->batch, g->c, g->h, g->w);
    m->x_nhwc = ct_image_shape(m->ex->dtype, g);
    m->z = CT_SHAPE(m->ex->dtype, m->batch, m->arch.features);
    ct_plan_tensor(m->plan, CT_IO, &m->x_nchw, CT_FOREVER);
    ct_plan_tensor(m->plan, CT_IO, &m->x_nhwc, CT_FOREVER);
    ct_plan_tensor(m->plan, CT_IO, &m->z, CT_FOREVER);
    CT_TRY(ct_encoder_pass_create(m, m->infer_encoder, false, 0, 0));
    return ct_decoder_pass_create(m, m->infer_decoder, false, 0, 0);
}

static csctrl_status begin(csctrl_model *m, const csctrl_config *config, bool grads, bool averages,
                           const ct_comm *ranks)
{
    CT_TRY(csctrl_config_copy(&m->config, config));
    CT_TRY(ct_arch_read(&m->arch, config));
    CT_TRY(create_exec(&m->ex, config, ranks));
    CT_TRY(ct_plan_create(&m->plan));
    for (int l = 0; l < m->arch.depth; l++)
        CT_TRY(create_layer(m, l));
    declare_conv_scratch(m);
    add_params(m);
    declare_params(m, grads, averages);
    return create_inference(m);
}

csctrl_status ct_model_begin(csctrl_model **out, const csctrl_config *config, int batch, bool grads,
                             bool averages, const ct_comm *ranks)
{
    *out = NULL;
    if (batch < 1)
        return ct_fail(CSCTRL_E_INVALID, "model: expected a batch of at least 1 image, found %d",
                       batch);
    csctrl_model *m = ct_calloc(1, sizeof *m);
    if (m == NULL)
        return CSCTRL_E_NOMEM;
    m->batch = batch;
    const csctrl_status status = begin(m, config, grads, averages, ranks);
    if (status != CSCTRL_OK) {
        csctrl_model_destroy(&m);
        return status;
    }
    *out = m;
    return CSCTRL_OK;
}

static csctrl_status arena_alloc(void *user, size_t bytes, void **block)
{
    ct_exec *ex = user;

    return ex->ops->mem_alloc(ex, bytes, block);
}

static void arena_free(void *user, void *block)
{
    ct_exec *ex = user;

    ex->ops->mem_free(ex, block);
}

csctrl_status ct_model_finish_plan_only(csctrl_model *model)
{
    return ct_plan_finish(model->plan);
}

csctrl_status ct_model_finish(csctrl_model *model)
{
    const ct_plan_memory memory = {arena_alloc, arena_free, model->ex};

    CT_TRY(ct_plan_finish(model->plan));
    CT_TRY(ct_plan_allocate(model->plan, &memory));
    bind_convs(model);
    ct_encoder_pass_bind(model, model->infer_encoder);
    ct_decoder_pass_bind(model, model->infer_decoder);
    return ct_model_init(model);
}

csctrl_status csctrl_model_create(csctrl_model **out, const csctrl_config *config, int batch)
{
    csctrl_model *m = NULL;

    *out = NULL;
    CT_TRY(ct_model_begin(&m, config, batch, false, false, NULL));
    const csctrl_status status = ct_model_finish(m);
    if (status != CSCTRL_OK) {
        csctrl_model_destroy(&m);
        return status;
    }
    *out = m;
    return CSCTRL_OK;
}

void csctrl_model_destroy(csctrl_model **model)
{
    if (model == NULL || *model == NULL)
        return;
    csctrl_model *m = *model;
    if (m->infer_encoder != NULL)
        ct_encoder_pass_destroy(m, m->infer_encoder);
    ct_free(m->infer_encoder);
    ct_free(m->infer_decoder);
    for (int l = 0; l < m->arch.depth && m->ex != NULL; l++)
        destroy_layer(m, &m->layers[l]);
    ct_plan_destroy(&m->plan);
    ct_exec_destroy(&m->ex);
    csctrl_config_destroy(&m->config);
    ct_free(m);
    *model = NULL;
}

/* ---- after a change of the dictionaries */

csctrl_status ct_model_refresh(csctrl_model *model, int iterations)
{
    const ct_ops *ops = model->ex->ops;

    for (int l = 0; l < model->arch.depth; l++) {
        ct_layer *layer = &model->layers[l];
        if (model->arch.kind == CT_ARCH_CSC && iterations > 0 && !model->fixed_eta)
            CT_TRY(ct_power_iterate(model->ex, &layer->power, &layer->W, iterations,
                                    model->arch.step_scale, layer->eta.data));
        CT_TRY(ops->conv_pack(model->ex, &layer->conv, &layer->W));
        if (!model->arch.tied)
            CT_TRY(ops->conv_pack(model->ex, &layer->decoder_conv, &layer->decoder_W));
    }
    return CSCTRL_OK;
}

csctrl_status ct_model_get_eta(const csctrl_model *model, int layer, double *eta)
{
    return model->ex->ops->download(model->ex, eta, model->layers[layer].eta.data, sizeof *eta);
}

csctrl_status ct_model_expect_etas(const csctrl_model *model)
{
    for (int l = 0; l < model->arch.depth && model->arch.kind == CT_ARCH_CSC; l++) {
        double eta = 0.0;
        CT_TRY(ct_model_get_eta(model, l, &eta));
        if (!isfinite(eta) || eta <= 0.0)
            return ct_fail(CSCTRL_E_NUMERIC,
                           "encoder.%d.dictionary: its step size is %g; the dictionary is not "
                           "finite or zero",
                           l, eta);
    }
    return CSCTRL_OK;
}

csctrl_status ct_model_swap_averages(csctrl_model *model)
{
    for (size_t i = 0; i < model->param_count && model->averaged; i++) {
        ct_param *p = &model->params[i];
        void *const data = p->value->data;
        p->value->data = p->average.data;
        p->average.data = data;
    }
    return ct_model_refresh(model, 0);
}
