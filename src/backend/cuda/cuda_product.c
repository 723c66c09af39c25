/* cuda_product.c - the products of a convolution, alone and with the rest of a FISTA step (SPEC 1),
 * as graphs of cuDNN's operations. */
#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_driver.h"

static const size_t most_workspace = (size_t)1 << 30;

enum { PRODUCTS = 3 };

/* What a graph may have memory for. */
enum { IMAGE, DICTIONARY, CODE, ETA, LAMBDA, OTHER, RESULT, NARROW };

struct ct_cuda_conv {
    ct_geom geom;
    ct_cuda_type type;
    ct_dnn_plan *products[PRODUCTS]; /* by ct_dnn_product */
    ct_dnn_plan *fused[CT_CUDA_FUSED_COUNT];
    bool asked[CT_CUDA_FUSED_COUNT];
    size_t workspace;
};

/* ---- graphs */

static cudnnDataType_t operand_type(const ct_cuda_conv *c)
{
    return c->type == CT_CUDA_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

static ct_dnn_shape image_shape(const ct_geom *g)
{
    return (ct_dnn_shape){{g->n, g->c, g->h, g->w}};
}

static ct_dnn_shape code_shape(const ct_geom *g)
{
    return (ct_dnn_shape){{g->n, g->atoms, g->oh, g->ow}};
}

static ct_dnn_shape dictionary_shape(const ct_geom *g)
{
    return (ct_dnn_shape){{g->atoms, g->c, g->kernel, g->kernel}};
}

static void build_product(const ct_cuda_conv *c, ct_dnn_product product, ct_dnn_graph *g)
{
    const ct_dnn_shape image = image_shape(&c->geom), code = code_shape(&c->geom);
    const ct_dnn_shape dictionary = dictionary_shape(&c->geom);
    const cudnnDataType_t type = operand_type(c);
    const ct_dnn_tensor x = ct_dnn_memory(g, IMAGE, &image, type);
    const ct_dnn_tensor P = ct_dnn_memory(g, DICTIONARY, &dictionary, type);
    const ct_dnn_tensor z = ct_dnn_memory(g, CODE, &code, type);

    ct_dnn_convolve(g, product, &c->geom, x, P, z);
}

/* r = x - A code */
static void build_residual(const ct_cuda_conv *c, ct_dnn_graph *g)
{
    const ct_dnn_shape image = image_shape(&c->geom), code = code_shape(&c->geom);
    const ct_dnn_shape dictionary = dictionary_shape(&c->geom);
    const ct_dnn_tensor y = ct_dnn_memory(g, CODE, &code, operand_type(c));
    const ct_dnn_tensor P = ct_dnn_memory(g, DICTIONARY, &dictionary, operand_type(c));
    const ct_dnn_tensor x = ct_dnn_memory(g, OTHER, &image, CUDNN_DATA_FLOAT);
    const ct_dnn_tensor r = ct_dnn_memory(g, RESULT, &image, CUDNN_DATA_FLOAT);
    const ct_dnn_tensor Ay = ct_dnn_virtual(g, &image);

    ct_dnn_convolve(g, CT_DNN_SYNTHESIS, &c->geom, Ay, P, y);
    ct_dnn_pointwise(g, CUDNN_POINTWISE_SUB, x, Ay, r);
    if (c->type == CT_CUDA_BF16)
        ct_dnn_pointwise(g, CUDNN_POINTWISE_IDENTITY, r, NULL,
                         ct_dnn_memory(g, NARROW, &image, CUDNN_DATA_BFLOAT16));
}

/* A* image, of which a result is made with eta and another code. */
typedef struct analysed {
    ct_dnn_shape shape; /* of all three */
    ct_dnn_tensor eta, product;
} analysed;

static analysed build_analysis(const ct_cuda_conv *c, ct_dnn_graph *g)
{
    const ct_dnn_shape image = image_shape(&c->geom), dictionary = dictionary_shape(&c->geom);
    const ct_dnn_tensor img = ct_dnn_memory(g, IMAGE, &image, operand_type(c));
    const ct_dnn_tensor P = ct_dnn_memory(g, DICTIONARY, &dictionary, operand_type(c));
    analysed a = {.shape = code_shape(&c->geom)};

    a.eta = ct_dnn_device_scalar(g, ETA);
    a.product = ct_dnn_virtual(g, &a.shape);
    ct_dnn_convolve(g, CT_DNN_ANALYSIS, &c->geom, img, P, a.product);
    return a;
}

/* z = v - max(min(v, threshold), -threshold), or without the max: NaN stays NaN, which a maximum
 * with 0 does not promise. A code that is cut off is exactly 0, v - v, as long as v is rounded
 * before it is subtracted from itself (tests/ops sees to that). */
static void build_prox(ct_dnn_graph *g, const ct_dnn_shape *shape, ct_dnn_tensor v,
                       ct_dnn_tensor threshold, bool nonneg, ct_dnn_tensor z)
{
    ct_dnn_tensor cut = ct_dnn_virtual(g, shape);

    ct_dnn_pointwise(g, CUDNN_POINTWISE_MIN, v, threshold, cut);
    if (!nonneg) {
        const ct_dnn_tensor below = ct_dnn_virtual_scalar(g), low = cut;
        cut = ct_dnn_virtual(g, shape);
        ct_dnn_pointwise(g, CUDNN_POINTWISE_NEG, threshold, NULL, below);
        ct_dnn_pointwise(g, CUDNN_POINTWISE_MAX, low, below, cut);
    }
    ct_dnn_pointwise(g, CUDNN_POINTWISE_SUB, v, cut, z);
}

/* z = prox(y + eta A* image) */
static void build_shrink(const ct_cuda_conv *c, ct_cuda_fused what, ct_dnn_graph *g)
{
    const bool first = what == CT_CUDA_SHRINK_FIRST || what == CT_CUDA_SHRINK_FIRST_NONNEG;
    const bool nonneg = what == CT_CUDA_SHRINK_NONNEG || what == CT_CUDA_SHRINK_FIRST_NONNEG;
    const analysed a = build_analysis(c, g);
    const ct_dnn_tensor lambda = ct_dnn_host_scalar(g, LAMBDA);
    const ct_dnn_tensor y = first ? NULL : ct_dnn_memory(g, OTHER, &a.shape, CUDNN_DATA_FLOAT);
    const ct_dnn_tensor z = ct_dnn_memory(g, RESULT, &a.shape, CUDNN_DATA_FLOAT);
    const ct_dnn_tensor threshold = ct_dnn_virtual_scalar(g);
    ct_dnn_tensor v = ct_dnn_virtual(g, &a.shape);

    ct_dnn_pointwise(g, CUDNN_POINTWISE_MUL, a.product, a.eta, v);
    if (!first) {
        const ct_dnn_tensor step = v;
        v = ct_dnn_virtual(g, &a.shape);
        ct_dnn_pointwise(g, CUDNN_POINTWISE_ADD, step, y, v);
    }
    ct_dnn_pointwise(g, CUDNN_POINTWISE_MUL, a.eta, lambda, threshold);
    build_prox(g, &a.shape, v, threshold, nonneg, z);
}

/* dy = gs / eta - A* image */
static void build_step_backward(const ct_cuda_conv *c, ct_dnn_graph *g)
{
    const analysed a = build_analysis(c, g);
    const ct_dnn_tensor gs = ct_dnn_memory(g, OTHER, &a.shape, CUDNN_DATA_FLOAT);
    const ct_dnn_tensor dy = ct_dnn_memory(g, RESULT, &a.shape, CUDNN_DATA_FLOAT);
    const ct_dnn_tensor dv = ct_dnn_virtual(g, &a.shape);

    ct_dnn_pointwise(g, CUDNN_POINTWISE_DIV, gs, a.eta, dv);
    ct_dnn_pointwise(g, CUDNN_POINTWISE_SUB, dv, a.product, dy);
}

/* ---- plans */

static csctrl_status plan_product(const ct_dnn *dnn, ct_cuda_conv *c, ct_dnn_product product)
{
    static const char *const names[] = {"analysis", "synthesis", "gradient"};
    const ct_dnn_limits limits = {.exact = c->type == CT_CUDA_F32, .workspace = most_workspace};
    const ct_geom *g = &c->geom;
    ct_dnn_graph graph = {0};

    build_product(c, product, &graph);
    const csctrl_status status = ct_dnn_plan_make(dnn, &graph, &limits, &c->products[product]);
    if (status == CSCTRL_E_UNSUPPORTED)
        return ct_cuda_library->fail(
            status,
            "device \"cuda\": cuDNN has no kernel that repeats bit for bit for the %s of a %dx%d "
            "convolution with stride %d of %d channels to %d: %s",
            names[product], g->kernel, g->kernel, g->stride, g->c, g->atoms,
            ct_cuda_library->last_error());
    CT_TRY(status);
    const size_t workspace = ct_dnn_plan_workspace(c->products[product]);
    c->workspace = workspace > c->workspace ? workspace : c->workspace;
    return CSCTRL_OK;
}

/* cuDNN takes no tensor of 2^31 elements. */
static csctrl_status expect_size(const ct_geom *g)
{
    const int64_t image = (int64_t)g->n * g->h * g->w * g->c;
    const int64_t code = (int64_t)g->n * g->oh * g->ow * g->atoms;

    return image <= INT32_MAX && code <= INT32_MAX
               ? CSCTRL_OK
               : ct_cuda_library->fail(CSCTRL_E_CONFIG,
                                       "device \"cuda\": a batch of %d has %lld numbers in one "
                                       "layer, at most %d are possible; lower train.batch",
                                       g->n, (long long)(image > code ? image : code), INT32_MAX);
}

csctrl_status ct_cuda_conv_open(ct_cuda_device *device, const ct_geom *geom, ct_cuda_type type,
                                ct_cuda_conv **out, size_t *workspace)
{
    *out = NULL;
    CT_TRY(expect_size(geom));
    ct_cuda_conv *c = ct_cuda_library->calloc(1, sizeof *c);
    if (c == NULL)
        return CSCTRL_E_NOMEM;
    c->geom = *geom;
    c->type = type;
    csctrl_status status = CSCTRL_OK;
    for (int i = 0; i < PRODUCTS && status == CSCTRL_OK; i++)
        status = plan_product(&ct_cuda_enter(device)->dnn, c, (ct_dnn_product)i);
    if (status != CSCTRL_OK) {
        ct_cuda_conv_close(device, &c);
        return status;
    }
    *workspace = c->workspace;
    *out = c;
    return CSCTRL_OK;
}

void ct_cuda_conv_close(ct_cuda_device *device, ct_cuda_conv **conv)
{
    ct_cuda_conv *c = *conv;

    if (c == NULL)
        return;
    ct_cuda_enter(device);
    for (int i = 0; i < PRODUCTS; i++)
        ct_dnn_plan_free(&c->products[i]);
    for (int i = 0; i < CT_CUDA_FUSED_COUNT; i++)
        ct_dnn_plan_free(&c->fused[i]);
    ct_cuda_library->free(c);
    *conv = NULL;
}

bool ct_cuda_conv_fuses(ct_cuda_device *device, ct_cuda_conv *conv, ct_cuda_fused what)
{
    const ct_dnn_limits limits = {.workspace = conv->workspace};
    ct_dnn_graph graph = {0};

    if (conv->type == CT_CUDA_F32 || conv->asked[what])
        return conv->fused[what] != NULL;
    conv->asked[what] = true;
    if (what == CT_CUDA_RESIDUAL)
        build_residual(conv, &graph);
    else if (what == CT_CUDA_STEP_BACKWARD)
        build_step_backward(conv, &graph);
    else
        build_shrink(conv, what, &graph);
    return ct_dnn_plan_make(&ct_cuda_enter(device)->dnn, &graph, &limits, &conv->fused[what]) ==
           CSCTRL_OK;
}

/* ---- runs */

static csctrl_status run_product(ct_cuda_device *device, const ct_cuda_conv *c,
                                 ct_dnn_product product, const void *image, const void *P,
                                 const void *code, void *workspace)
{
    const void *const memory[CT_DNN_IDS] = {[IMAGE] = image, [DICTIONARY] = P, [CODE] = code};

    return ct_dnn_plan_run(&ct_cuda_enter(device)->dnn, c->products[product], memory, workspace);
}

csctrl_status ct_cuda_conv_analysis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                    const void *img, const void *P, void *code, void *workspace)
{
    return run_product(device, conv, CT_DNN_ANALYSIS, img, P, code, workspace);
}

csctrl_status ct_cuda_conv_synthesis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *code, const void *P, void *img, void *workspace)
{
    return run_product(device, conv, CT_DNN_SYNTHESIS, img, P, code, workspace);
}

csctrl_status ct_cuda_conv_dict_grad(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *img, const void *code, void *dP, void *workspace)
{
    return run_product(device, conv, CT_DNN_DICT_GRAD, img, dP, code, workspace);
}

csctrl_status ct_cuda_conv_fused(ct_cuda_device *device, const ct_cuda_conv *conv,
                                 ct_cuda_fused what, const ct_cuda_fused_args *args)
{
    const float lambda = (float)args->lambda;
    const void *const memory[CT_DNN_IDS] = {
        [IMAGE] = args->image,   [DICTIONARY] = args->P,  [CODE] = args->code,
        [ETA] = args->eta,       [LAMBDA] = &lambda,      [OTHER] = args->other,
        [RESULT] = args->result, [NARROW] = args->narrow,
    };

    return ct_dnn_plan_run(&ct_cuda_enter(device)->dnn, conv->fused[what], memory, args->workspace);
}
