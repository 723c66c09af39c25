/* dnnl_forward.c - see dnnl_forward.h. */
#include "backend/cpu/dnnl_forward.h"

#include <omp.h>
#include <string.h>

#include "backend/cpu/dnnl_shim.h"
#include "backend/cpu/dnnl_version.h"
#include "base/mem.h"

struct ct_forward_engine {
    ct_dnnl *dnnl;
    int threads;
};

enum { SRC, DST, WEIGHTS, BIAS, SCRATCH, MEMORIES };

struct ct_forward_conv {
    const ct_dnnl *dnnl;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[MEMORIES];
    void *weights; /* in oneDNN's layout */
    float *bias;
    size_t scratch;
};

typedef struct shapes {
    owned_md src, dst, weights, plain, bias;
    dnnl_dims_t strides, dilates, pad;
} shapes;

/* What differs between the versions, besides dnnl_version.h. */
#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t add_relu(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0);
}

static dnnl_status_t make_desc(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, const shapes *s,
                               dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_forward_primitive_desc_create(
        desc, engine, dnnl_forward_inference, dnnl_convolution_direct, s->src, s->weights, s->bias,
        s->dst, s->strides, s->dilates, s->pad, s->pad, attr);
}
#else
static dnnl_status_t add_relu(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
}

static dnnl_status_t make_desc(dnnl_primitive_desc_t *desc, dnnl_engine_t engine, const shapes *s,
                               dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t op;
    const dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &op, dnnl_forward_inference, dnnl_convolution_direct, &s->src, &s->weights, &s->bias,
        &s->dst, s->strides, s->dilates, s->pad, s->pad);

    return status == dnnl_success ? dnnl_primitive_desc_create(desc, &op, attr, engine, NULL)
                                  : status;
}
#endif

/* ---- engine */

csctrl_status ct_forward_engine_create(ct_forward_engine **out, int threads)
{
    ct_forward_engine *e = ct_calloc(1, sizeof *e);
    csctrl_status st = CSCTRL_E_NOMEM;

    *out = NULL;
    if (e == NULL)
        return st;
    e->threads = threads > 0 ? threads : omp_get_max_threads();
    CT_GOTO(st, ct_dnnl_create(&e->dnnl, CT_ISA_AUTO));
    *out = e;
    e = NULL;
done:
    ct_forward_engine_destroy(&e);
    return st;
}

void ct_forward_engine_destroy(ct_forward_engine **engine)
{
    ct_forward_engine *e = *engine;

    if (e == NULL)
        return;
    ct_dnnl_destroy(&e->dnnl);
    ct_free(e);
    *engine = NULL;
}

int ct_forward_threads(const ct_forward_engine *engine)
{
    const int before = omp_get_max_threads();

    omp_set_num_threads(engine->threads);
    return before;
}

void ct_forward_threads_back(int before)
{
    omp_set_num_threads(before);
}

/* ---- a convolution */

static dnnl_status_t make_shapes(shapes *s, const ct_forward_shape *g)
{
    const dnnl_dims_t src = {g->n, g->in, g->size[0], g->size[1]}, bias = {g->out};
    const dnnl_dims_t dst = {g->n, g->out, ct_forward_extent(g, 0), ct_forward_extent(g, 1)};
    const dnnl_dims_t weights = {g->out, g->in, g->kernel[0], g->kernel[1]};
    dnnl_status_t status = make_md(&s->src, 4, src, dnnl_nhwc);

    for (int i = 0; i < 2; i++) {
        s->strides[i] = g->stride;
        s->pad[i] = g->pad[i];
    }
    if (status == dnnl_success)
        status = make_md(&s->dst, 4, dst, dnnl_nhwc);
    if (status == dnnl_success)
        status = make_md(&s->weights, 4, weights, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = make_md(&s->plain, 4, weights, dnnl_oihw);
    if (status == dnnl_success)
        status = make_md(&s->bias, 1, bias, dnnl_a);
    return status;
}

static void release_shapes(shapes *s)
{
    release_md(&s->src);
    release_md(&s->dst);
    release_md(&s->weights);
    release_md(&s->plain);
    release_md(&s->bias);
}

static dnnl_status_t find_desc(ct_forward_conv *c, const shapes *s)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attr);

    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
        status = add_relu(ops);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (status == dnnl_success)
        status = make_desc(&c->desc, c->dnnl->engine, s, attr);
    if (ops != NULL)
        dnnl_post_ops_destroy(ops);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

static borrowed_md md_of(const ct_forward_conv *c, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(c->desc, what, 0);
}

static dnnl_status_t build(ct_forward_conv *c, const shapes *s)
{
    const borrowed_md mds[] = {[SRC] = borrow(&s->src),
                               [DST] = borrow(&s->dst),
                               [WEIGHTS] = md_of(c, dnnl_query_weights_md),
                               [BIAS] = borrow(&s->bias),
                               [SCRATCH] = md_of(c, dnnl_query_scratchpad_md)};
    dnnl_status_t status = dnnl_primitive_create(&c->primitive, c->desc);

    for (int i = 0; i < MEMORIES && status == dnnl_success; i++)
        status = dnnl_memory_create(&c->memory[i], mds[i], c->dnnl->engine, DNNL_MEMORY_NONE);
    c->scratch = dnnl_memory_desc_get_size(mds[SCRATCH]);
    return status;
}

static dnnl_status_t pack(ct_forward_conv *c, const shapes *s, float *plain)
{
    const borrowed_md from = borrow(&s->plain), to = md_of(c, dnnl_query_weights_md);
    const dnnl_engine_t engine = c->dnnl->engine;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_memory_t memory = NULL;
    dnnl_status_t status = dnnl_memory_create(&memory, from, engine, plain);

    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&reorder, desc);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(c->memory[WEIGHTS], c->weights);
    if (status == dnnl_success) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, memory}, {DNNL_ARG_TO, c->memory[WEIGHTS]}};
        status = dnnl_primitive_execute(reorder, c->dnnl->stream, 2, args);
    }
    if (status == dnnl_success)
        status = dnnl_stream_wait(c->dnnl->stream);
    if (reorder != NULL)
        dnnl_primitive_destroy(reorder);
    if (desc != NULL)
        dnnl_primitive_desc_destroy(desc);
    if (memory != NULL)
        dnnl_memory_destroy(memory);
    return status;
}

csctrl_status ct_forward_conv_create(ct_forward_engine *engine, const ct_forward_shape *shape,
                                     float *weights, const float *bias, ct_forward_conv **out)
{
    ct_forward_conv *c = ct_calloc(1, sizeof *c);
    shapes s = {0};
    csctrl_status st = CSCTRL_E_NOMEM;

    *out = NULL;
    if (c == NULL)
        return st;
    c->dnnl = engine->dnnl;
    CT_GOTO(st, check(make_shapes(&s, shape), "describe a convolution"));
    CT_GOTO(st, check(find_desc(c, &s), "choose a convolution"));
    CT_GOTO(st, check(build(c, &s), "create a convolution"));
    c->weights = ct_alloc(dnnl_memory_desc_get_size(md_of(c, dnnl_query_weights_md)));
    c->bias = ct_alloc((size_t)shape->out * sizeof *c->bias);
    CT_GOTO(st, c->weights != NULL && c->bias != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    memcpy(c->bias, bias, (size_t)shape->out * sizeof *c->bias);
    CT_GOTO(st, check(pack(c, &s, weights), "reorder weights"));
    CT_GOTO(st, bind(c->memory[BIAS], c->bias));
    *out = c;
    c = NULL;
done:
    release_shapes(&s);
    ct_forward_conv_destroy(&c);
    return st;
}

void ct_forward_conv_destroy(ct_forward_conv **conv)
{
    ct_forward_conv *c = *conv;

    if (c == NULL)
        return;
    for (int i = 0; i < MEMORIES; i++)
        if (c->memory[i] != NULL)
            dnnl_memory_destroy(c->memory[i]);
    if (c->primitive != NULL)
        dnnl_primitive_destroy(c->primitive);
    if (c->desc != NULL)
        dnnl_primitive_desc_destroy(c->desc);
    ct_free(c->weights);
    ct_free(c->bias);
    ct_free(c);
    *conv = NULL;
}

size_t ct_forward_conv_scratch(const ct_forward_conv *conv)
{
    return conv->scratch;
}

csctrl_status ct_forward_conv_run(ct_forward_conv *conv, float *x, float *y, void *scratch)
{
    static const int roles[MEMORIES] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS,
                                        DNNL_ARG_SCRATCHPAD};
    dnnl_exec_arg_t args[MEMORIES];

    CT_TRY(bind(conv->memory[SRC], x));
    CT_TRY(bind(conv->memory[DST], y));
    CT_TRY(bind(conv->memory[SCRATCH], scratch));
    for (int i = 0; i < MEMORIES; i++)
        args[i] = (dnnl_exec_arg_t){roles[i], conv->memory[i]};
    CT_TRY(check(dnnl_primitive_execute(conv->primitive, conv->dnnl->stream, MEMORIES, args),
                 "run a convolution"));
    return check(dnnl_stream_wait(conv->dnnl->stream), "finish a convolution");
}
