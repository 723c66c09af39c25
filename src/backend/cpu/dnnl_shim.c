/* dnnl_shim.c - the convolutions of training. Version 2 of oneDNN fills an operation descriptor
 * first; version 3 has one call. */
#include "backend/cpu/dnnl_shim.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/dnnl_version.h"
#include "base/mem.h"

enum { IMG, CODE, WEIGHTS, SCRATCH, MEMORIES };

struct ct_dnnl_conv {
    const ct_dnnl *dnnl;
    ct_dnnl_kind kind;
    const char *name;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive, reorder;
    dnnl_memory_t memory[MEMORIES], plain;
    size_t weights_bytes, scratch_bytes;
};

typedef struct shapes {
    owned_md img, code, weights;
    dnnl_dims_t strides, dilates, pad;
} shapes;

/* What differs between the versions, besides dnnl_version.h. */
#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t make_desc(dnnl_primitive_desc_t *desc, const ct_dnnl *d, ct_dnnl_kind kind,
                               const shapes *s, dnnl_primitive_desc_t hint,
                               dnnl_primitive_attr_t attr)
{
    switch (kind) {
    case CT_DNNL_CODE:
        return dnnl_convolution_forward_primitive_desc_create(
            desc, d->engine, dnnl_forward_training, dnnl_convolution_direct, s->img, s->weights,
            NULL, s->code, s->strides, s->dilates, s->pad, s->pad, attr);
    case CT_DNNL_IMAGE:
        return dnnl_convolution_backward_data_primitive_desc_create(
            desc, d->engine, dnnl_convolution_direct, s->img, s->weights, s->code, s->strides,
            s->dilates, s->pad, s->pad, hint, attr);
    case CT_DNNL_WEIGHTS:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            desc, d->engine, dnnl_convolution_direct, s->img, s->weights, NULL, s->code, s->strides,
            s->dilates, s->pad, s->pad, hint, attr);
    }
    return dnnl_invalid_arguments;
}
#else
static dnnl_status_t make_desc(dnnl_primitive_desc_t *desc, const ct_dnnl *d, ct_dnnl_kind kind,
                               const shapes *s, dnnl_primitive_desc_t hint,
                               dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t op;
    dnnl_status_t status = dnnl_invalid_arguments;

    switch (kind) {
    case CT_DNNL_CODE:
        status = dnnl_dilated_convolution_forward_desc_init(
            &op, dnnl_forward_training, dnnl_convolution_direct, &s->img, &s->weights, NULL,
            &s->code, s->strides, s->dilates, s->pad, s->pad);
        break;
    case CT_DNNL_IMAGE:
        status = dnnl_dilated_convolution_backward_data_desc_init(
            &op, dnnl_convolution_direct, &s->img, &s->weights, &s->code, s->strides, s->dilates,
            s->pad, s->pad);
        break;
    case CT_DNNL_WEIGHTS:
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &op, dnnl_convolution_direct, &s->img, &s->weights, NULL, &s->code, s->strides,
            s->dilates, s->pad, s->pad);
        break;
    }
    return status == dnnl_success ? dnnl_primitive_desc_create(desc, &op, attr, d->engine, hint)
                                  : status;
}
#endif

/* ---- engine */

static void limit_isa(ct_isa isa)
{
    static const dnnl_cpu_isa_t limits[] = {
        [CT_ISA_PORTABLE] = dnnl_cpu_isa_sse41,
        [CT_ISA_AVX2] = dnnl_cpu_isa_avx2,
    };

    /* Refused after oneDNN's first use: it then runs with what it has. */
    if (isa == CT_ISA_PORTABLE || isa == CT_ISA_AVX2)
        (void)dnnl_set_max_cpu_isa(limits[isa]);
}

csctrl_status ct_dnnl_create(ct_dnnl **out, ct_isa isa)
{
    ct_dnnl *d = ct_calloc(1, sizeof *d);
    csctrl_status status = CSCTRL_E_NOMEM;

    *out = NULL;
    if (d == NULL)
        return status;
    limit_isa(isa);
    CT_GOTO(status, check(dnnl_engine_create(&d->engine, dnnl_cpu, 0), "create a CPU engine"));
    CT_GOTO(status, check(dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags),
                          "create a stream"));
    *out = d;
    d = NULL;
done:
    ct_dnnl_destroy(&d);
    return status;
}

void ct_dnnl_destroy(ct_dnnl **dnnl)
{
    ct_dnnl *d = *dnnl;

    if (d == NULL)
        return;
    if (d->stream != NULL)
        dnnl_stream_destroy(d->stream);
    if (d->engine != NULL)
        dnnl_engine_destroy(d->engine);
    ct_free(d);
    *dnnl = NULL;
}

const char *ct_dnnl_version(char out[64])
{
    const dnnl_version_t *v = dnnl_version();

    snprintf(out, 64, "%d.%d.%d", v->major, v->minor, v->patch);
    return out;
}

/* ---- one convolution */

static dnnl_status_t make_shapes(shapes *s, const ct_geom *g)
{
    const dnnl_dims_t img = {g->n, g->c, g->h, g->w}, code = {g->n, g->atoms, g->oh, g->ow};
    const dnnl_dims_t weights = {g->atoms, g->c, g->kernel, g->kernel};
    dnnl_status_t status = make_md(&s->img, 4, img, dnnl_nhwc);

    for (int i = 0; i < 2; i++) {
        s->strides[i] = g->stride;
        s->pad[i] = g->pad;
    }
    if (status == dnnl_success)
        status = make_md(&s->code, 4, code, dnnl_nhwc);
    if (status == dnnl_success)
        status = make_md(&s->weights, 4, weights, dnnl_format_tag_any);
    return status;
}

/* The descriptor, with the scratchpad in the caller's memory. The backward ones want the forward
 * one as a hint. dnnl_unimplemented: none. */
static dnnl_status_t find_desc(ct_dnnl_conv *c, const shapes *s)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);

    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && c->kind != CT_DNNL_CODE)
        status = make_desc(&hint, c->dnnl, CT_DNNL_CODE, s, NULL, attr);
    if (status == dnnl_success)
        status = make_desc(&c->desc, c->dnnl, c->kind, s, hint, attr);
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

/* oneDNN's plain C and its im2col are slower than our own loops. */
static bool is_fast(const ct_dnnl_conv *c)
{
    return strstr(c->name, "ref") == NULL && strstr(c->name, "gemm") == NULL;
}

static borrowed_md weights_md(const ct_dnnl_conv *c)
{
    const bool gradient = c->kind == CT_DNNL_WEIGHTS;

    return dnnl_primitive_desc_query_md(
        c->desc, gradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

static dnnl_status_t make_memories(ct_dnnl_conv *c, const shapes *s, const owned_md *plain)
{
    const borrowed_md scratch = dnnl_primitive_desc_query_md(c->desc, dnnl_query_scratchpad_md, 0);
    const borrowed_md mds[] = {
        [IMG] = borrow(&s->img),
        [CODE] = borrow(&s->code),
        [WEIGHTS] = weights_md(c),
        [SCRATCH] = scratch,
    };
    dnnl_status_t status =
        dnnl_memory_create(&c->plain, borrow(plain), c->dnnl->engine, DNNL_MEMORY_NONE);

    for (int i = 0; i < MEMORIES && status == dnnl_success; i++)
        status = dnnl_memory_create(&c->memory[i], mds[i], c->dnnl->engine, DNNL_MEMORY_NONE);
    c->weights_bytes = dnnl_memory_desc_get_size(mds[WEIGHTS]);
    c->scratch_bytes = dnnl_memory_desc_get_size(mds[SCRATCH]);
    return status;
}

/* Plain to packed, or for the gradient packed to plain. */
static dnnl_status_t make_reorder(ct_dnnl_conv *c, const owned_md *plain)
{
    const bool gradient = c->kind == CT_DNNL_WEIGHTS;
    const borrowed_md from = gradient ? weights_md(c) : borrow(plain);
    const borrowed_md to = gradient ? borrow(plain) : weights_md(c);
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&desc, from, c->dnnl->engine, to, c->dnnl->engine, NULL);

    if (status == dnnl_success)
        status = dnnl_primitive_create(&c->reorder, desc);
    if (desc != NULL)
        dnnl_primitive_desc_destroy(desc);
    return status;
}

static dnnl_status_t build(ct_dnnl_conv *c, const shapes *s, const ct_geom *g)
{
    const dnnl_dims_t dims = {g->atoms, g->c, g->kernel, g->kernel};
    owned_md plain;
    dnnl_status_t status = make_md(&plain, 4, dims, dnnl_oihw);

    if (status != dnnl_success)
        return status;
    status = dnnl_primitive_create(&c->primitive, c->desc);
    if (status == dnnl_success)
        status = make_memories(c, s, &plain);
    if (status == dnnl_success)
        status = make_reorder(c, &plain);
    release_md(&plain);
    return status;
}

csctrl_status ct_dnnl_conv_create(ct_dnnl *dnnl, ct_dnnl_kind kind, const ct_geom *geom,
                                  ct_dnnl_conv **out)
{
    ct_dnnl_conv *c = ct_calloc(1, sizeof *c);
    shapes s = {0};
    csctrl_status status = CSCTRL_E_NOMEM;

    *out = NULL;
    if (c == NULL)
        return status;
    c->dnnl = dnnl;
    c->kind = kind;
    CT_GOTO(status, check(make_shapes(&s, geom), "describe a convolution"));
    const dnnl_status_t found = find_desc(c, &s);
    if (found == dnnl_unimplemented)
        goto done;
    CT_GOTO(status, check(found, "choose a convolution"));
    CT_GOTO(status, check(dnnl_primitive_desc_query(c->desc, dnnl_query_impl_info_str, 0, &c->name),
                          "name its convolution"));
    if (!is_fast(c))
        goto done;
    CT_GOTO(status, check(build(c, &s, geom), "create a convolution"));
    *out = c;
    c = NULL;
done:
    release_md(&s.img);
    release_md(&s.code);
    release_md(&s.weights);
    ct_dnnl_conv_destroy(&c);
    return status;
}

void ct_dnnl_conv_destroy(ct_dnnl_conv **conv)
{
    ct_dnnl_conv *c = *conv;

    if (c == NULL)
        return;
    for (int i = 0; i < MEMORIES; i++)
        if (c->memory[i] != NULL)
            dnnl_memory_destroy(c->memory[i]);
    if (c->plain != NULL)
        dnnl_memory_destroy(c->plain);
    if (c->reorder != NULL)
        dnnl_primitive_destroy(c->reorder);
    if (c->primitive != NULL)
        dnnl_primitive_destroy(c->primitive);
    if (c->desc != NULL)
        dnnl_primitive_desc_destroy(c->desc);
    ct_free(c);
    *conv = NULL;
}

size_t ct_dnnl_conv_weights_bytes(const ct_dnnl_conv *conv)
{
    return conv->weights_bytes;
}

size_t ct_dnnl_conv_scratch_bytes(const ct_dnnl_conv *conv)
{
    return conv->scratch_bytes;
}

static csctrl_status reorder(ct_dnnl_conv *c, dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};

    return check(dnnl_primitive_execute(c->reorder, c->dnnl->stream, 2, args), "reorder weights");
}

csctrl_status ct_dnnl_conv_pack(ct_dnnl_conv *conv, float *plain, void *weights)
{
    CT_TRY(bind(conv->plain, plain));
    CT_TRY(bind(conv->memory[WEIGHTS], weights));
    return reorder(conv, conv->plain, conv->memory[WEIGHTS]);
}

csctrl_status ct_dnnl_conv_unpack(ct_dnnl_conv *conv, void *weights, float *plain)
{
    CT_TRY(bind(conv->plain, plain));
    CT_TRY(bind(conv->memory[WEIGHTS], weights));
    return reorder(conv, conv->memory[WEIGHTS], conv->plain);
}

csctrl_status ct_dnnl_conv_run(ct_dnnl_conv *conv, float *img, float *code, void *weights,
                               void *scratch)
{
    static const int roles[][MEMORIES] = {
        [CT_DNNL_CODE] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_SCRATCHPAD},
        [CT_DNNL_IMAGE] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS,
                           DNNL_ARG_SCRATCHPAD},
        [CT_DNNL_WEIGHTS] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS,
                             DNNL_ARG_SCRATCHPAD},
    };
    void *const data[MEMORIES] = {
        [IMG] = img, [CODE] = code, [WEIGHTS] = weights, [SCRATCH] = scratch};
    dnnl_exec_arg_t args[MEMORIES];

    for (int i = 0; i < MEMORIES; i++) {
        CT_TRY(bind(conv->memory[i], data[i]));
        args[i] = (dnnl_exec_arg_t){roles[conv->kind][i], conv->memory[i]};
    }
    CT_TRY(check(dnnl_primitive_execute(conv->primitive, conv->dnnl->stream, MEMORIES, args),
                 "run a convolution"));
    return check(dnnl_stream_wait(conv->dnnl->stream), "finish a convolution");
}
