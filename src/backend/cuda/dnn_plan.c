/* dnn_plan.c - by cuDNN's graph API: descriptors of tensors and operations, cuDNN's proposals for a
 * graph of them, and a plan out of one proposal. */
#include "backend/cuda/dnn_plan.h"

#include "backend/cuda/cuda_driver.h"

enum { CONFIGS = 64, NOTES = 16, ALIGNMENT = 16 };

struct ct_dnn_plan {
    ct_dnn_graph graph; /* of which the plan is one: what it refers to */
    cudnnBackendDescriptor_t plan;
    size_t workspace;
};

csctrl_status ct_dnn_told(cudnnStatus_t status, const char *what)
{
    if (status == CUDNN_STATUS_SUCCESS)
        return CSCTRL_OK;
    return status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000 /* the 3000s */
               ? ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED, "device \"cuda\": cuDNN: %s: %s", what,
                                       cudnnGetErrorString(status))
               : ct_cuda_library->fail(CSCTRL_E_IO, "device \"cuda\": cuDNN: %s: %s", what,
                                       cudnnGetErrorString(status));
}

/* ---- descriptors */

static void note(ct_dnn_graph *g, cudnnStatus_t status, const char *call)
{
    if (g->status == CUDNN_STATUS_SUCCESS && status != CUDNN_STATUS_SUCCESS) {
        g->status = status;
        g->failed = call;
    }
}

static cudnnBackendDescriptor_t begin(ct_dnn_graph *g, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t descriptor = NULL;

    if (g->descriptor_count == CT_DNN_DESCRIPTORS)
        note(g, CUDNN_STATUS_INTERNAL_ERROR, "a graph of too many descriptors");
    if (g->status != CUDNN_STATUS_SUCCESS)
        return NULL;
    note(g, cudnnBackendCreateDescriptor(type, &descriptor), "cudnnBackendCreateDescriptor");
    if (descriptor != NULL)
        g->descriptors[g->descriptor_count++] = descriptor;
    return descriptor;
}

static void set(ct_dnn_graph *g, cudnnBackendDescriptor_t descriptor,
                cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                const void *values)
{
    if (g->status == CUDNN_STATUS_SUCCESS)
        note(g, cudnnBackendSetAttribute(descriptor, name, type, count, values),
             "cudnnBackendSetAttribute");
}

static void set_descriptor(ct_dnn_graph *g, cudnnBackendDescriptor_t descriptor,
                           cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t other)
{
    set(g, descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other);
}

static void finish(ct_dnn_graph *g, cudnnBackendDescriptor_t descriptor)
{
    if (g->status == CUDNN_STATUS_SUCCESS)
        note(g, cudnnBackendFinalize(descriptor), "cudnnBackendFinalize");
}

static void destroy_graph(ct_dnn_graph *g)
{
    while (g->descriptor_count > 0)
        cudnnBackendDestroyDescriptor(g->descriptors[--g->descriptor_count]);
}

/* ---- tensors: cuDNN knows those with memory by 1 + id, virtual ones by FIRST_VIRTUAL and on */

enum { FIRST_VIRTUAL = 1000 };

typedef struct tensor_kind {
    int id; /* -1: virtual */
    cudnnDataType_t type;
    bool by_value;
} tensor_kind;

static ct_dnn_tensor declare(ct_dnn_graph *g, const ct_dnn_shape *shape, tensor_kind kind)
{
    const int64_t *const d = shape->dim;
    const int64_t strides[4] = {d[1] * d[2] * d[3], 1, d[3] * d[1], d[1]};
    const bool is_virtual = kind.id < 0;
    const int64_t uid = is_virtual ? FIRST_VIRTUAL + g->virtual_count++ : 1 + kind.id;
    const int64_t alignment = ALIGNMENT;
    const cudnnBackendDescriptor_t t = begin(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

    if (!is_virtual)
        g->has_memory[kind.id] = true;
    set(g, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &kind.type);
    set(g, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, d);
    set(g, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    set(g, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    set(g, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(g, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    set(g, t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &kind.by_value);
    finish(g, t);
    return t;
}

static const ct_dnn_shape scalar = {{1, 1, 1, 1}};

ct_dnn_tensor ct_dnn_memory(ct_dnn_graph *graph, int id, const ct_dnn_shape *shape,
                            cudnnDataType_t type)
{
    return declare(graph, shape, (tensor_kind){.id = id, .type = type});
}

ct_dnn_tensor ct_dnn_device_scalar(ct_dnn_graph *graph, int id)
{
    return declare(graph, &scalar, (tensor_kind){.id = id, .type = CUDNN_DATA_FLOAT});
}

ct_dnn_tensor ct_dnn_host_scalar(ct_dnn_graph *graph, int id)
{
    return declare(graph, &scalar,
                   (tensor_kind){.id = id, .type = CUDNN_DATA_FLOAT, .by_value = true});
}

ct_dnn_tensor ct_dnn_virtual(ct_dnn_graph *graph, const ct_dnn_shape *shape)
{
    return declare(graph, shape, (tensor_kind){.id = -1, .type = CUDNN_DATA_FLOAT});
}

ct_dnn_tensor ct_dnn_virtual_scalar(ct_dnn_graph *graph)
{
    return ct_dnn_virtual(graph, &scalar);
}

/* ---- operations */

static void add_operation(ct_dnn_graph *g, cudnnBackendDescriptor_t operation)
{
    finish(g, operation);
    if (g->operation_count == CT_DNN_OPERATIONS)
        note(g, CUDNN_STATUS_INTERNAL_ERROR, "a graph of too many operations");
    if (g->status == CUDNN_STATUS_SUCCESS)
        g->operations[g->operation_count++] = operation;
}

static cudnnBackendDescriptor_t describe_convolution(ct_dnn_graph *g, const ct_geom *geom)
{
    const cudnnDataType_t type = CUDNN_DATA_FLOAT; /* of the sums */
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t spatial = 2, pads[2] = {geom->pad, geom->pad};
    const int64_t strides[2] = {geom->stride, geom->stride}, dilations[2] = {1, 1};
    const cudnnBackendDescriptor_t c = begin(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);

    set(g, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(g, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(g, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
    set(g, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    set(g, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    set(g, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    set(g, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations);
    finish(g, c);
    return c;
}

void ct_dnn_convolve(ct_dnn_graph *graph, ct_dnn_product product, const ct_geom *geom,
                     ct_dnn_tensor image, ct_dnn_tensor dictionary, ct_dnn_tensor code)
{
    static const struct {
        cudnnBackendDescriptorType_t type;
        cudnnBackendAttributeName_t convolution, image, dictionary, code, alpha, beta;
    } names[] = {
        [CT_DNN_ANALYSIS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
        [CT_DNN_SYNTHESIS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
        [CT_DNN_DICT_GRAD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
    };
    const float one = 1, zero = 0;
    const cudnnBackendDescriptor_t convolution = describe_convolution(graph, geom);
    const cudnnBackendDescriptor_t op = begin(graph, names[product].type);

    set_descriptor(graph, op, names[product].convolution, convolution);
    set_descriptor(graph, op, names[product].image, image);
    set_descriptor(graph, op, names[product].dictionary, dictionary);
    set_descriptor(graph, op, names[product].code, code);
    set(graph, op, names[product].alpha, CUDNN_TYPE_FLOAT, 1, &one);
    set(graph, op, names[product].beta, CUDNN_TYPE_FLOAT, 1, &zero);
    add_operation(graph, op);
}

void ct_dnn_pointwise(ct_dnn_graph *graph, cudnnPointwiseMode_t mode, ct_dnn_tensor a,
                      ct_dnn_tensor b, ct_dnn_tensor to)
{
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const cudnnBackendDescriptor_t how = begin(graph, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);

    set(graph, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set(graph, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &type);
    finish(graph, how);
    const cudnnBackendDescriptor_t op = begin(graph, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_descriptor(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    set_descriptor(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    if (b != NULL)
        set_descriptor(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_descriptor(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to);
    add_operation(graph, op);
}

/* ---- plans */

static cudnnBackendDescriptor_t join_operations(const ct_dnn *dnn, ct_dnn_graph *g)
{
    const cudnnBackendDescriptor_t all = begin(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);

    if (dnn->handle != NULL)
        set(g, all, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn->handle);
    set(g, all, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->operation_count,
        g->operations);
    finish(g, all);
    return all;
}

/* Of a device that is not there. */
static cudnnStatus_t describe_device(const ct_dnn *dnn, cudnnBackendDescriptor_t descriptor,
                                     bool of_plan)
{
#if CUDNN_VERSION >= 90800
    return cudnnBackendSetAttribute(descriptor,
                                    of_plan ? CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP
                                            : CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &dnn->properties);
#else
    (void)dnn;
    (void)descriptor;
    (void)of_plan;
    return CUDNN_STATUS_NOT_SUPPORTED;
#endif
}

static cudnnStatus_t set_heuristics(const ct_dnn *dnn, cudnnBackendDescriptor_t operations,
                                    cudnnBackendHeurMode_t mode,
                                    cudnnBackendDescriptor_t heuristics)
{
    cudnnStatus_t status =
        cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operations);

    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE,
                                          CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (status == CUDNN_STATUS_SUCCESS && dnn->handle == NULL)
        status = describe_device(dnn, heuristics, false);
    return status == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(heuristics) : status;
}

/* configs[*count] <- those that cuDNN proposes in one mode. */
static cudnnStatus_t ask(const ct_dnn *dnn, cudnnBackendDescriptor_t operations,
                         cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t *configs,
                         int64_t *count)
{
    cudnnBackendDescriptor_t heuristics = NULL;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics);

    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    status = set_heuristics(dnn, operations, mode, heuristics);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS, count, configs);
    cudnnBackendDestroyDescriptor(heuristics);
    return status;
}

static bool is_refused(cudnnBackendNumericalNote_t note, bool exact)
{
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return true;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return exact;
    default:
        return false;
    }
}

/* Whether what cuDNN says of the engine behind a config keeps to the limits. */
static bool is_fit(cudnnBackendDescriptor_t config, const ct_dnn_limits *limits)
{
    cudnnBackendNumericalNote_t notes[NOTES];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t count = 0, one = 0;

    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
        CUDNN_STATUS_SUCCESS)
        return false;
    bool fit =
        cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                 1, &one, &engine) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                 CUDNN_TYPE_NUMERICAL_NOTE, NOTES, &count,
                                 notes) == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; i < count && i < NOTES; i++)
        fit = fit && !is_refused(notes[i], limits->exact);
    cudnnBackendDestroyDescriptor(engine);
    return fit;
}

static cudnnStatus_t set_plan(const ct_dnn *dnn, cudnnBackendDescriptor_t config,
                              cudnnBackendDescriptor_t plan, size_t *workspace)
{
    int64_t bytes = 0, one = 0;
    cudnnStatus_t status = dnn->handle != NULL
                               ? cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                                                          CUDNN_TYPE_HANDLE, 1, &dnn->handle)
                               : describe_device(dnn, plan, true);

    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendFinalize(plan);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                          CUDNN_TYPE_INT64, 1, &one, &bytes);
    *workspace = (size_t)bytes;
    return status;
}

/* p->plan out of a config, where that is possible and takes no more memory than it may. */
static cudnnStatus_t try_config(const ct_dnn *dnn, cudnnBackendDescriptor_t config,
                                const ct_dnn_limits *limits, ct_dnn_plan *p)
{
    cudnnBackendDescriptor_t plan = NULL;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan);

    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    status = set_plan(dnn, config, plan, &p->workspace);
    if (status == CUDNN_STATUS_SUCCESS && p->workspace <= limits->workspace) {
        p->plan = plan;
        return status;
    }
    cudnnBackendDestroyDescriptor(plan);
    return status;
}

/* The first config of a mode that a plan can be made of stays with the plan. *why: what kept
 * another from it last. */
static void choose(const ct_dnn *dnn, cudnnBackendDescriptor_t operations,
                   cudnnBackendHeurMode_t mode, const ct_dnn_limits *limits, ct_dnn_plan *p,
                   cudnnStatus_t *why)
{
    cudnnBackendDescriptor_t configs[CONFIGS] = {NULL};
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    int64_t count = 0;

    for (int i = 0; i < CONFIGS && status == CUDNN_STATUS_SUCCESS; i++)
        status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]);
    if (status == CUDNN_STATUS_SUCCESS)
        status = ask(dnn, operations, mode, configs, &count);
    if (status != CUDNN_STATUS_SUCCESS)
        *why = status;
    for (int64_t i = 0; i < count && i < CONFIGS && p->plan == NULL; i++) {
        if (!is_fit(configs[i], limits))
            continue;
        status = try_config(dnn, configs[i], limits, p);
        if (status != CUDNN_STATUS_SUCCESS)
            *why = status;
        if (p->plan != NULL) {
            p->graph.descriptors[p->graph.descriptor_count++] = configs[i];
            configs[i] = NULL;
        }
    }
    for (int i = 0; i < CONFIGS; i++)
        if (configs[i] != NULL)
            cudnnBackendDestroyDescriptor(configs[i]);
}

csctrl_status ct_dnn_plan_make(const ct_dnn *dnn, ct_dnn_graph *graph, const ct_dnn_limits *limits,
                               ct_dnn_plan **plan)
{
    ct_dnn_plan *p = ct_cuda_library->calloc(1, sizeof *p);
    const cudnnBackendDescriptor_t operations = join_operations(dnn, graph);
    cudnnStatus_t why = CUDNN_STATUS_NOT_SUPPORTED;

    *plan = NULL;
    if (graph->descriptor_count == CT_DNN_DESCRIPTORS) /* one more comes */
        note(graph, CUDNN_STATUS_INTERNAL_ERROR, "a graph of too many descriptors");
    if (p == NULL || graph->status != CUDNN_STATUS_SUCCESS) {
        destroy_graph(graph);
        ct_cuda_library->free(p);
        return p == NULL ? CSCTRL_E_NOMEM : ct_dnn_told(graph->status, graph->failed);
    }
    p->graph = *graph;
    choose(dnn, operations, CUDNN_HEUR_MODE_A, limits, p, &why);
    if (p->plan == NULL)
        choose(dnn, operations, CUDNN_HEUR_MODE_FALLBACK, limits, p, &why);
    if (p->plan == NULL) {
        ct_dnn_plan_free(&p);
        return ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED, "%s", cudnnGetErrorString(why));
    }
    *plan = p;
    return CSCTRL_OK;
}

void ct_dnn_plan_free(ct_dnn_plan **plan)
{
    ct_dnn_plan *p = *plan;

    if (p == NULL)
        return;
    if (p->plan != NULL)
        cudnnBackendDestroyDescriptor(p->plan);
    destroy_graph(&p->graph);
    ct_cuda_library->free(p);
    *plan = NULL;
}

size_t ct_dnn_plan_workspace(const ct_dnn_plan *plan)
{
    return plan->workspace;
}

static csctrl_status fill_pack(cudnnBackendDescriptor_t pack, const ct_dnn_graph *graph,
                               const void *const *memory, void *workspace)
{
    const void *addresses[CT_DNN_IDS];
    int64_t uids[CT_DNN_IDS], count = 0;

    for (int id = 0; id < CT_DNN_IDS; id++)
        if (graph->has_memory[id]) {
            uids[count] = 1 + id;
            addresses[count++] = memory[id];
        }
    CT_DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                        count, uids));
    CT_DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                        CUDNN_TYPE_VOID_PTR, count, addresses));
    CT_DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                                        CUDNN_TYPE_VOID_PTR, 1, &workspace));
    CT_DNN_TRY(cudnnBackendFinalize(pack));
    return CSCTRL_OK;
}

csctrl_status ct_dnn_plan_run(const ct_dnn *dnn, const ct_dnn_plan *plan, const void *const *memory,
                              void *workspace)
{
    cudnnBackendDescriptor_t pack = NULL;

    CT_DNN_TRY(cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack));
    csctrl_status status = fill_pack(pack, &plan->graph, memory, workspace);
    if (status == CSCTRL_OK)
        status =
            ct_dnn_told(cudnnBackendExecute(dnn->handle, plan->plan, pack), "cudnnBackendExecute");
    cudnnBackendDestroyDescriptor(pack);
    return status;
}
