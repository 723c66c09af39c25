/* cpu_conv.c - the convolutional dictionary: which way each operation goes at a geometry.
 *
 * 4x4 atoms of stride 2, 3x3 atoms, and atoms that do not overlap are Winograd convolutions. A code
 * of one pixel that sees the whole image, and 1x1 atoms, are matrix products of the tensors as they
 * lie (BLAS). Of the rest, few image channels go to our own loops and more to oneDNN; where oneDNN
 * has no fast implementation our own loops step in. */
#include "backend/cpu/cpu_conv.h"
#include "backend/cpu/cpu_direct.h"
#include "backend/cpu/cpu_flat.h"
#include "backend/cpu/cpu_tune.h"
#include "backend/cpu/cpu_winograd.h"
#include "backend/csc_step.h"
#include "base/mem.h"

enum { FEW_CHANNELS = 4 };

typedef struct plan {
    ct_flat *flat;                               /* NULL: by one of the next */
    ct_winograd *winograd;                       /* NULL: by one of the next */
    ct_direct *direct;                           /* NULL: not needed */
    ct_dnnl_conv *to_code, *to_image, *gradient; /* NULL: not by oneDNN */
    /* Parts of conv->packed: plain or direct weights first, then these. */
    size_t to_code_at, to_image_at;
} plan;

static size_t aligned(size_t bytes)
{
    return (bytes + CT_ALIGNMENT - 1) / CT_ALIGNMENT * CT_ALIGNMENT;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t dictionary_bytes(const ct_geom *g)
{
    return (size_t)g->atoms * (size_t)g->c * (size_t)g->kernel * (size_t)g->kernel * sizeof(float);
}

static void destroy_plan(plan *p)
{
    if (p == NULL)
        return;
    ct_flat_destroy(&p->flat);
    ct_winograd_destroy(&p->winograd);
    ct_direct_destroy(&p->direct);
    ct_dnnl_conv_destroy(&p->to_code);
    ct_dnnl_conv_destroy(&p->to_image);
    ct_dnnl_conv_destroy(&p->gradient);
    ct_free(p);
}

static bool winograd_form(ct_way way, ct_form *form)
{
    switch (way) {
    case CT_WAY_F11:
        *form = CT_F11;
        return true;
    case CT_WAY_F22:
        *form = CT_F22;
        return true;
    case CT_WAY_F42:
        *form = CT_F42;
        return true;
    case CT_WAY_F42_F22:
        *form = CT_F42_F22;
        return true;
    case CT_WAY_F43:
        *form = CT_F43;
        return true;
    default:
        return false;
    }
}

bool ct_conv_fits(const ct_geom *g, ct_way way)
{
    ct_form form = CT_F11;

    if (winograd_form(way, &form))
        return ct_winograd_fits(g, form);
    return way == CT_WAY_BLAS ? ct_flat_fits(g) : way != CT_WAY_ONEDNN || g->kernel > 1;
}

/* Whether there is work enough for a way that fits. */
static bool pays(const ct_geom *g, ct_way way)
{
    ct_form form = CT_F11;

    if (winograd_form(way, &form))
        return ct_winograd_pays(g, form);
    return way != CT_WAY_ONEDNN || g->c > FEW_CHANNELS;
}

static ct_way rule(const ct_geom *g)
{
    int way = 0;

    while (way < CT_WAY_DIRECT && !(ct_conv_fits(g, (ct_way)way) && pays(g, (ct_way)way)))
        way++;
    return (ct_way)way;
}

/* oneDNN stays away from 1x1 atoms: its strided weight gradient overruns its workspace
 * (uxlfoundation/oneDNN#6035). */
static csctrl_status prepare(ct_exec *ex, const ct_geom *g, ct_way way, plan *p)
{
    ct_dnnl *dnnl = ((ct_cpu *)ex->state)->dnnl;
    ct_form form = CT_F11;

    if (winograd_form(way, &form)) {
        p->winograd = ct_winograd_create(ex, g, form);
        return p->winograd != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
    }
    if (way == CT_WAY_BLAS) {
        p->flat = ct_flat_create(g);
        return p->flat != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
    }
    if (way == CT_WAY_ONEDNN) {
        CT_TRY(ct_dnnl_conv_create(dnnl, CT_DNNL_CODE, g, &p->to_code));
        CT_TRY(ct_dnnl_conv_create(dnnl, CT_DNNL_IMAGE, g, &p->to_image));
        CT_TRY(ct_dnnl_conv_create(dnnl, CT_DNNL_WEIGHTS, g, &p->gradient));
    }
    if (p->to_code == NULL || p->to_image == NULL || p->gradient == NULL) {
        p->direct = ct_direct_create(ex, g);
        if (p->direct == NULL)
            return CSCTRL_E_NOMEM;
    }
    return CSCTRL_OK;
}

static void lay_out(ct_conv *conv, plan *p)
{
    const size_t dictionary = aligned(dictionary_bytes(&conv->geom));
    size_t packed = 0, scratch = 0;

    conv->products = ct_geom_products(&conv->geom);
    if (p->flat != NULL) {
        packed = aligned(ct_flat_packed_bytes(p->flat));
        scratch = ct_flat_scratch_bytes(p->flat);
    }
    if (p->winograd != NULL) {
        packed = ct_winograd_packed_bytes(p->winograd);
        scratch = ct_winograd_scratch_bytes(p->winograd);
        conv->products = ct_winograd_products(p->winograd);
        conv->keeps_q = true;
    }
    if (p->direct != NULL) {
        packed = aligned(ct_direct_packed_bytes(p->direct));
        scratch = ct_direct_scratch_bytes(p->direct);
    }
    p->to_code_at = packed;
    if (p->to_code != NULL) {
        packed += aligned(ct_dnnl_conv_weights_bytes(p->to_code));
        scratch = max_size(scratch, ct_dnnl_conv_scratch_bytes(p->to_code));
    }
    p->to_image_at = packed;
    if (p->to_image != NULL) {
        packed += aligned(ct_dnnl_conv_weights_bytes(p->to_image));
        scratch = max_size(scratch, ct_dnnl_conv_scratch_bytes(p->to_image));
    }
    if (p->gradient != NULL)
        scratch = max_size(scratch, dictionary + aligned(ct_dnnl_conv_weights_bytes(p->gradient)) +
                                        ct_dnnl_conv_scratch_bytes(p->gradient));
    conv->packed_bytes = packed;
    conv->scratch_bytes = scratch;
}

csctrl_status ct_conv_create_as(ct_exec *ex, const ct_geom *geom, ct_way way, ct_conv *conv)
{
    plan *p = ct_calloc(1, sizeof *p);
    csctrl_status status = CSCTRL_E_NOMEM;

    *conv = (ct_conv){.geom = *geom};
    if (p == NULL)
        return status;
    ct_cpu_use_threads(ex);
    CT_GOTO(status, prepare(ex, geom, way, p));
    lay_out(conv, p);
    conv->impl = p;
    p = NULL;
done:
    destroy_plan(p);
    return status;
}

static csctrl_status conv_create(ct_exec *ex, const ct_geom *geom, ct_conv *conv)
{
    ct_way way = rule(geom);

    *conv = (ct_conv){.geom = *geom};
    if (((ct_cpu *)ex->state)->tune != NULL)
        CT_TRY(ct_tune_choose(ex, geom, &way));
    return ct_conv_create_as(ex, geom, way, conv);
}

static void conv_destroy(ct_exec *ex, ct_conv *conv)
{
    (void)ex;
    destroy_plan(conv->impl);
    *conv = (ct_conv){0};
}

static void *part(void *base, size_t at)
{
    return (unsigned char *)base + at;
}

static csctrl_status conv_pack(ct_exec *ex, ct_conv *conv, const ct_tensor *W)
{
    const plan *p = conv->impl;

    if (p->winograd != NULL)
        ct_winograd_pack(ex, p->winograd, conv, W);
    if (p->flat != NULL)
        ct_flat_pack(p->flat, conv, W->data);
    if (p->direct != NULL)
        ct_direct_pack(p->direct, W->data, conv->packed);
    ct_cpu_use_threads(ex);
    if (p->to_code != NULL)
        CT_TRY(ct_dnnl_conv_pack(p->to_code, W->data, part(conv->packed, p->to_code_at)));
    if (p->to_image != NULL)
        CT_TRY(ct_dnnl_conv_pack(p->to_image, W->data, part(conv->packed, p->to_image_at)));
    return CSCTRL_OK;
}

static csctrl_status analysis(ct_exec *ex, ct_conv *conv, const ct_tensor *img, ct_tensor *code)
{
    const plan *p = conv->impl;

    ct_cpu_use_threads(ex);
    if (p->to_code != NULL)
        return ct_dnnl_conv_run(p->to_code, img->data, code->data,
                                part(conv->packed, p->to_code_at), conv->scratch);
    if (p->winograd != NULL)
        ct_winograd_analysis(ex, p->winograd, conv, img, code);
    else if (p->flat != NULL)
        ct_flat_analysis(p->flat, conv, img->data, code->data);
    else
        ct_direct_analysis(p->direct, conv->packed, img->data, code->data, conv->scratch);
    return CSCTRL_OK;
}

static csctrl_status synthesis(ct_exec *ex, ct_conv *conv, const ct_tensor *code, ct_tensor *img)
{
    const plan *p = conv->impl;

    ct_cpu_use_threads(ex);
    if (p->to_image != NULL)
        return ct_dnnl_conv_run(p->to_image, img->data, code->data,
                                part(conv->packed, p->to_image_at), conv->scratch);
    if (p->winograd != NULL)
        ct_winograd_synthesis(ex, p->winograd, conv, code, img);
    else if (p->flat != NULL)
        ct_flat_synthesis(p->flat, conv, code->data, img->data);
    else
        ct_direct_synthesis(p->direct, conv->packed, code->data, img->data, conv->scratch);
    return CSCTRL_OK;
}

static csctrl_status dnnl_dict_grad(ct_exec *ex, ct_conv *conv, double scale, const ct_tensor *img,
                                    const ct_tensor *code, ct_tensor *dW)
{
    const plan *p = conv->impl;
    const size_t dictionary = aligned(dictionary_bytes(&conv->geom));
    const size_t packed = aligned(ct_dnnl_conv_weights_bytes(p->gradient));
    void *gradient = part(conv->scratch, dictionary);
    ct_tensor plain = *dW;

    plain.data = conv->scratch;
    CT_TRY(ct_dnnl_conv_run(p->gradient, img->data, code->data, gradient, part(gradient, packed)));
    CT_TRY(ct_dnnl_conv_unpack(p->gradient, gradient, plain.data));
    return ex->ops->axpby(ex, scale, &plain, 1, dW);
}

static csctrl_status dict_grad(ct_exec *ex, ct_conv *conv, double scale, const ct_tensor *img,
                               const ct_tensor *code, ct_tensor *dW)
{
    const plan *p = conv->impl;

    ct_cpu_use_threads(ex);
    if (p->gradient != NULL)
        return dnnl_dict_grad(ex, conv, scale, img, code, dW);
    if (p->winograd != NULL)
        ct_winograd_dict_grad(ex, p->winograd, conv, scale, img, code, dW);
    else if (p->flat != NULL)
        ct_flat_dict_grad(p->flat, conv, scale, img->data, code->data, dW->data);
    else
        ct_direct_dict_grad(ex, p->direct, scale, img->data, code->data, dW->data, conv->scratch);
    return CSCTRL_OK;
}

/* All three operations by our own loops. */
static bool fuses_direct(const plan *p)
{
    return p->direct != NULL && p->to_code == NULL && p->to_image == NULL && p->gradient == NULL &&
           ct_direct_fuses(p->direct);
}

static csctrl_status csc_step(ct_exec *ex, ct_conv *conv, const ct_csc_step *step)
{
    const plan *p = conv->impl;

    ct_cpu_use_threads(ex);
    if (p->winograd != NULL)
        ct_winograd_step(ex, p->winograd, conv, step);
    else if (p->flat != NULL && step->drop_r && ct_flat_has_gram(p->flat))
        return ct_flat_step(ex, p->flat, conv, step);
    else if (fuses_direct(p))
        ct_direct_step(ex, p->direct, conv->packed, step, conv->scratch);
    else
        return ct_csc_step_by_ops(ex, conv, step);
    return CSCTRL_OK;
}

static csctrl_status csc_step_backward(ct_exec *ex, ct_conv *conv, const ct_csc_step_grad *grad)
{
    const plan *p = conv->impl;

    if (p->winograd != NULL)
        ct_winograd_step_backward(ex, p->winograd, conv, grad);
    else if (fuses_direct(p))
        ct_direct_step_backward(ex, p->direct, conv->packed, grad, conv->scratch);
    else
        return ct_csc_step_backward_by_ops(ex, conv, grad);
    return CSCTRL_OK;
}

void ct_cpu_fill_conv(ct_ops *ops)
{
    ops->conv_create = conv_create;
    ops->conv_destroy = conv_destroy;
    ops->conv_pack = conv_pack;
    ops->analysis = analysis;
    ops->synthesis = synthesis;
    ops->dict_grad = dict_grad;
    ops->csc_step = csc_step;
    ops->csc_step_backward = csc_step_backward;
}
