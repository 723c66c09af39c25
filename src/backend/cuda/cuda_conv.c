/* cuda_conv.c - the convolutional dictionary (SPEC 1): products by cuDNN, on float or on copies of
 * the caller's tensors in bfloat16. */
#include "backend/cuda/cuda.h"

/* Where the parts of an operator's scratch memory begin. */
typedef struct layout {
    size_t image[2], code[2], dP, workspace, eta, end;
} layout;

typedef struct operator_impl {
    ct_cuda_conv *products;
    ct_cuda_type type;
    layout at;
} operator_impl;

static size_t weights(const ct_geom *g)
{
    return (size_t)g->atoms * (size_t)g->kernel * (size_t)g->kernel * (size_t)g->c;
}

static layout lay_out(const ct_geom *g, ct_cuda_type type, size_t workspace)
{
    const size_t size = ct_cuda_type_size(type);
    const size_t image = size * (size_t)g->n * (size_t)g->h * (size_t)g->w * (size_t)g->c;
    const size_t code = size * (size_t)g->n * (size_t)g->oh * (size_t)g->ow * (size_t)g->atoms;
    const size_t copies = type == CT_CUDA_BF16;
    layout l = {.end = 0};

    l.image[0] = ct_cuda_place(&l.end, image);
    l.image[1] = ct_cuda_place(&l.end, copies * image);
    l.code[0] = ct_cuda_place(&l.end, copies * code);
    l.code[1] = ct_cuda_place(&l.end, copies * code);
    l.dP = ct_cuda_place(&l.end, size * weights(g));
    l.workspace = ct_cuda_place(&l.end, workspace);
    l.eta = ct_cuda_place(&l.end, sizeof(float));
    return l;
}

static void conv_destroy(ct_exec *ex, ct_conv *conv)
{
    operator_impl *impl = conv->impl;

    if (impl != NULL) {
        ct_cuda_conv_close(ct_cuda_of(ex)->device, &impl->products);
        ct_cuda_library->free(impl);
    }
    *conv = (ct_conv){0};
}

/* Float where there is no algorithm for the type that is wanted. */
static csctrl_status open_products(ct_exec *ex, const ct_geom *g, operator_impl *impl,
                                   size_t *workspace)
{
    const ct_cuda *cuda = ct_cuda_of(ex);

    impl->type = cuda->type;
    const csctrl_status status =
        ct_cuda_conv_open(cuda->device, g, impl->type, &impl->products, workspace);
    if (status != CSCTRL_E_UNSUPPORTED || impl->type == CT_CUDA_F32)
        return status;
    ct_cuda_library->log(
        CSCTRL_LOG_WARNING,
        "device \"cuda\": a %dx%d convolution of %d channels to %d computes in f32: "
        "%s",
        g->kernel, g->kernel, g->c, g->atoms, ct_cuda_library->last_error());
    impl->type = CT_CUDA_F32;
    return ct_cuda_conv_open(cuda->device, g, impl->type, &impl->products, workspace);
}

static csctrl_status plan(ct_exec *ex, const ct_geom *g, ct_conv *conv)
{
    operator_impl *impl = conv->impl;
    size_t workspace = 0;

    CT_TRY(open_products(ex, g, impl, &workspace));
    CT_TRY(ct_cuda_need_norm_work(ex, (int64_t)g->n * g->h * g->w, g->c));
    CT_TRY(ct_cuda_need_norm_work(ex, (int64_t)g->n * g->oh * g->ow, g->atoms));
    impl->at = lay_out(g, impl->type, workspace);
    conv->packed_bytes = weights(g) * ct_cuda_type_size(impl->type);
    conv->scratch_bytes = impl->at.end;
    return CSCTRL_OK;
}

static csctrl_status conv_create(ct_exec *ex, const ct_geom *g, ct_conv *conv)
{
    *conv = (ct_conv){.geom = *g,
                      .products = ct_geom_products(g),
                      .keeps_q = true,
                      .impl = ct_cuda_library->calloc(1, sizeof(operator_impl))};
    if (conv->impl == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = plan(ex, g, conv);
    if (status != CSCTRL_OK)
        conv_destroy(ex, conv);
    return status;
}

bool ct_cuda_is_half(const ct_conv *conv)
{
    return ((const operator_impl *)conv->impl)->type == CT_CUDA_BF16;
}

ct_cuda_operands ct_cuda_operands_of(const ct_conv *conv)
{
    const layout *at = &((const operator_impl *)conv->impl)->at;
    unsigned char *const memory = conv->scratch;

    return (ct_cuda_operands){
        .image = {memory + at->image[0], memory + at->image[1]},
        .code = {memory + at->code[0], memory + at->code[1]},
        .dP = memory + at->dP,
        .workspace = memory + at->workspace,
        .eta = (float *)(memory + at->eta),
    };
}

static csctrl_status conv_pack(ct_exec *ex, ct_conv *conv, const ct_tensor *W)
{
    const ct_geom *g = &conv->geom;

    CT_CUDA_TRY(ct_k_pack(ct_cuda_queue(ex), g->atoms, g->c, g->kernel * g->kernel, W->data,
                          conv->packed, ct_cuda_is_half(conv)));
    return CSCTRL_OK;
}

/* ---- on operands */

csctrl_status ct_cuda_step_operand(ct_exec *ex, const ct_conv *conv, const ct_tensor *x,
                                   const double *step, void *memory, const void **to)
{
    *to = ct_cuda_is_half(conv) ? memory : x->data;
    if (ct_cuda_is_half(conv))
        CT_CUDA_TRY(ct_k_narrow(ct_cuda_queue(ex), ct_cuda_count(x), x->data, memory, step,
                                ct_cuda_operands_of(conv).eta));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_operand(ct_exec *ex, const ct_conv *conv, const ct_tensor *x, void *memory,
                              const void **to)
{
    return ct_cuda_step_operand(ex, conv, x, NULL, memory, to);
}

csctrl_status ct_cuda_analyse(ct_exec *ex, const ct_conv *conv, const void *image, void *code)
{
    const operator_impl *impl = conv->impl;

    return ct_cuda_conv_analysis(ct_cuda_of(ex)->device, impl->products, image, conv->packed, code,
                                 ct_cuda_operands_of(conv).workspace);
}

csctrl_status ct_cuda_synthesise(ct_exec *ex, const ct_conv *conv, const void *code, void *image)
{
    const operator_impl *impl = conv->impl;

    return ct_cuda_conv_synthesis(ct_cuda_of(ex)->device, impl->products, code, conv->packed, image,
                                  ct_cuda_operands_of(conv).workspace);
}

csctrl_status ct_cuda_add_dict_grad(ct_exec *ex, const ct_conv *conv, double scale,
                                    const void *image, const void *code, ct_tensor *dW)
{
    const operator_impl *impl = conv->impl;
    const ct_cuda_operands at = ct_cuda_operands_of(conv);
    const ct_geom *g = &conv->geom;

    CT_TRY(ct_cuda_conv_dict_grad(ct_cuda_of(ex)->device, impl->products, image, code, at.dP,
                                  at.workspace));
    CT_CUDA_TRY(ct_k_unpack(ct_cuda_queue(ex), g->atoms, g->c, g->kernel * g->kernel, (float)scale,
                            at.dP, ct_cuda_is_half(conv), dW->data));
    return CSCTRL_OK;
}

bool ct_cuda_fuses(ct_exec *ex, const ct_conv *conv, ct_cuda_fused what)
{
    const operator_impl *impl = conv->impl;

    return ct_cuda_conv_fuses(ct_cuda_of(ex)->device, impl->products, what);
}

csctrl_status ct_cuda_fused_product(ct_exec *ex, const ct_conv *conv, ct_cuda_fused what,
                                    ct_cuda_fused_args args)
{
    const operator_impl *impl = conv->impl;

    args.P = conv->packed;
    args.workspace = ct_cuda_operands_of(conv).workspace;
    return ct_cuda_conv_fused(ct_cuda_of(ex)->device, impl->products, what, &args);
}

/* ---- on the caller's tensors */

/* A product was left at `from`, of the operands' type: to <- it, unless it is there already. */
static csctrl_status widen(ct_exec *ex, const void *from, ct_tensor *to)
{
    if (from != to->data)
        CT_CUDA_TRY(ct_k_widen(ct_cuda_queue(ex), ct_cuda_count(to), from, to->data));
    return CSCTRL_OK;
}

static csctrl_status analysis(ct_exec *ex, ct_conv *conv, const ct_tensor *img, ct_tensor *code)
{
    const ct_cuda_operands at = ct_cuda_operands_of(conv);
    void *const result = ct_cuda_is_half(conv) ? at.code[0] : code->data;
    const void *image = NULL;

    CT_TRY(ct_cuda_operand(ex, conv, img, at.image[0], &image));
    CT_TRY(ct_cuda_analyse(ex, conv, image, result));
    return widen(ex, result, code);
}

static csctrl_status synthesis(ct_exec *ex, ct_conv *conv, const ct_tensor *code, ct_tensor *img)
{
    const ct_cuda_operands at = ct_cuda_operands_of(conv);
    void *const result = ct_cuda_is_half(conv) ? at.image[0] : img->data;
    const void *codes = NULL;

    CT_TRY(ct_cuda_operand(ex, conv, code, at.code[0], &codes));
    CT_TRY(ct_cuda_synthesise(ex, conv, codes, result));
    return widen(ex, result, img);
}

static csctrl_status dict_grad(ct_exec *ex, ct_conv *conv, double scale, const ct_tensor *img,
                               const ct_tensor *code, ct_tensor *dW)
{
    const ct_cuda_operands at = ct_cuda_operands_of(conv);
    const void *image = NULL, *codes = NULL;

    CT_TRY(ct_cuda_operand(ex, conv, img, at.image[0], &image));
    CT_TRY(ct_cuda_operand(ex, conv, code, at.code[0], &codes));
    return ct_cuda_add_dict_grad(ex, conv, scale, image, codes, dW);
}

static csctrl_status unit_atoms(ct_exec *ex, ct_tensor *W)
{
    const int64_t atoms = W->shape[0];

    CT_CUDA_TRY(ct_k_unit_atoms(ct_cuda_queue(ex), (int)atoms, ct_cuda_count(W) / atoms, W->data));
    return CSCTRL_OK;
}

static csctrl_status unit(ct_exec *ex, const ct_tensor *v, ct_tensor *u, double scale, double *eta)
{
    const ct_cuda *cuda = ct_cuda_of(ex);
    double *const squares = (double *)((unsigned char *)cuda->work + CT_SUM_BYTES);
    void *const stream = ct_cuda_queue(ex);

    CT_CUDA_TRY(ct_k_sum_squares(stream, ct_cuda_count(v), v->data, cuda->work, squares));
    CT_CUDA_TRY(ct_k_unit(stream, ct_cuda_count(v), v->data, squares, u != NULL ? u->data : NULL,
                          scale, eta));
    return CSCTRL_OK;
}

void ct_cuda_fill_conv(ct_ops *ops)
{
    ops->conv_create = conv_create;
    ops->conv_destroy = conv_destroy;
    ops->conv_pack = conv_pack;
    ops->analysis = analysis;
    ops->synthesis = synthesis;
    ops->dict_grad = dict_grad;
    ops->unit_atoms = unit_atoms;
    ops->unit = unit;
}
