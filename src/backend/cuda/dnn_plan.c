/* dnn_plan.c - by cuDNN's graph API: descriptors of tensors and operations, cuDNN's proposals for a
 * graph of them, and a plan out of one proposal. */
#include "backend/cuda/dnn_plan.h"

#include "backend/cuda/cuda_driver.h"

enum { PROPOSALS = 64, NOTES = 16, ALIGNMENT = 16 };

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
    cudnnBackendDescriptor_t part = NULL;

    if (g->part_count == CT_DNN_PARTS)
        note(g, CUDNN_STATUS_INTERNAL_ERROR, "a graph of too many parts");
    if (g->status != CUDNN_STATUS_SUCCESS)
        return NULL;
    note(g, cudnnBackendCreateDescriptor(type, &part), "cudnnBackendCreateDescriptor");
    if (part != NULL)
        g->parts[g->part_count++] = part;
    return part;
}

static void set(ct_dnn_graph *g, cudnnBackendDescriptor_t part, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    if (g->status == CUDNN_STATUS_SUCCESS)
        note(g, cudnnBackendSetAttribute(part, name, type, count, values),
             "cudnnBackendSetAttribute");
}

static void set_part(ct_dnn_graph *g, cudnnBackendDescriptor_t part,
                     cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t other)
{
    set(g, part, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other);
}

static void finish(ct_dnn_graph *g, cudnnBackendDescriptor_t part)
{
    if (g->status == CUDNN_STATUS_SUCCESS)
        note(g, cudnnBackendFinalize(part), "cudnnBackendFinalize");
}

static void destroy_graph(ct_dnn_graph *g)
{
    while (g->part_count > 0)
        cudnnBackendDestroyDescriptor(g->parts[--g->part_count]);
}

/* ---- tensors: those with memory have the numbers from 1, values those from FIRST_VALUE */

enum { FIRST_VALUE = 1000 };

typedef struct tensor_kind {
    cudnnDataType_t type;
    bool value, by_host;
} tensor_kind;

static ct_dnn_tensor declare(ct_dnn_graph *g, const ct_dnn_shape *shape, tensor_kind kind)
{
    const int64_t *const d = shape->dim;
    const int64_t strides[4] = {d[1] * d[2] * d[3], 1, d[3] * d[1], d[1]};
    const int64_t number = kind.value ? FIRST_VALUE + g->value_count++ : ++g->memory_count;
    const int64_t alignment = ALIGNMENT;
    const cudnnBackendDescriptor_t t = begin(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

    set(g, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &kind.type);
    set(g, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, d);
    set(g, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    set(g, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &number);
    set(g, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    set(g, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &kind.value);
    set(g, t, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &kind.by_host);
    finish(g, t);
    return t;
}

static const ct_dnn_shape one_number = {{1, 1, 1, 1}};

ct_dnn_tensor ct_dnn_memory(ct_dnn_graph *graph, const ct_dnn_shape *shape, cudnnDataType_t type)
{
    return declare(graph, shape, (tensor_kind){.type = type});
}

ct_dnn_tensor ct_dnn_device_number(ct_dnn_graph *graph)
{
    return declare(graph, &one_number, (tensor_kind){.type = CUDNN_DATA_FLOAT});
}

ct_dnn_tensor ct_dnn_host_number(ct_dnn_graph *graph)
{
    return declare(graph, &one_number, (tensor_kind){.type = CUDNN_DATA_FLOAT, .by_host = true});
}

ct_dnn_tensor ct_dnn_value(ct_dnn_graph *graph, const ct_dnn_shape *shape)
{
    return declare(graph, shape, (tensor_kind){.type = CUDNN_DATA_FLOAT, .value = true});
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

    set_part(graph, op, names[product].convolution, convolution);
    set_part(graph, op, names[product].image, image);
    set_part(graph, op, names[product].dictionary, dictionary);
    set_part(graph, op, names[product].code, code);
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
    set_part(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    set_part(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
    if (b != NULL)
        set_part(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_part(graph, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, to);
    add_operation(graph, op);
}

/* ---- plans */

#if CUDNN_VERSION < 90800 /* knows of no devices but those that are there */
#define CUDNN_ATTR_ENGINEHEUR_DEVICEPROP CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH
#define CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP CUDNN_ATTR_EXECUTION_PLAN_HANDLE
#endif

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

/* proposals[*count] <- those of one mode. */
static cudnnStatus_t ask(const ct_dnn *dnn, cudnnBackendDescriptor_t operations,
                         cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t *proposals,
                         int64_t *count)
{
    cudnnBackendDescriptor_t heuristics = NULL;
    cudnnStatus_t status =
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics);

    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operations);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE,
                                          CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (status == CUDNN_STATUS_SUCCESS && dnn->handle == NULL)
        status = cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                          CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &dnn->properties);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendFinalize(heuristics);
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS, count, proposals);
    if (heuristics != NULL)
        cudnnBackendDestroyDescriptor(heuristics);
    return status;
}

/* Whether what cuDNN says of the engine behind a proposal meets the terms. */
static bool is_fit(cudnnBackendDescriptor_t proposal, const ct_dnn_terms *terms)
{
    cudnnBackendNumericalNote_t notes[NOTES];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t count = 0, one = 0;
    bool fit = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) ==
                   CUDNN_STATUS_SUCCESS &&
               cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_ENGINE,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one,
                                        &engine) == CUDNN_STATUS_SUCCESS &&
               cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                        CUDNN_TYPE_NUMERICAL_NOTE, NOTES, &count,
                                        notes) == CUDNN_STATUS_SUCCESS;

    for (int64_t i = 0; i < count && i < NOTES && fit; i++)
        fit = notes[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC &&
              notes[i] != CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION &&
              (!terms->exact || (notes[i] != CUDNN_NUMERICAL_NOTE_TENSOR_CORE &&
                                 notes[i] != CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
    if (engine != NULL)
        cudnnBackendDestroyDescriptor(engine);
    return fit;
}

/* A plan out of a proposal, NULL where that is not possible or takes too much memory. */
static cudnnBackendDescriptor_t try_proposal(const ct_dnn *dnn, cudnnBackendDescriptor_t proposal,
                                             const ct_dnn_terms *terms, size_t *workspace)
{
    cudnnBackendDescriptor_t plan = NULL;
    int64_t bytes = 0, one = 0;

    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan) !=
        CUDNN_STATUS_SUCCESS)
        return NULL;
    const cudnnStatus_t target =
        dnn->handle != NULL
            ? cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                       &dnn->handle)
            : cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &dnn->properties);
    if (target == CUDNN_STATUS_SUCCESS &&
        cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                 &proposal) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendFinalize(plan) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                                 1, &one, &bytes) == CUDNN_STATUS_SUCCESS &&
        (size_t)bytes <= terms->workspace) {
        *workspace = (size_t)bytes;
        return plan;
    }
    cudnnBackendDestroyDescriptor(plan);
    return NULL;
}

/* The first proposal of a mode that a plan can be made of stays with the plan. */
static void choose(const ct_dnn *dnn, cudnnBackendDescriptor_t operations,
                   cudnnBackendHeurMode_t mode, const ct_dnn_terms *terms, ct_dnn_plan *p)
{
    cudnnBackendDescriptor_t proposals[PROPOSALS] = {NULL};
    int64_t count = 0;
    bool made = true;

    for (int i = 0; i < PROPOSALS && made; i++)
        made = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &proposals[i]) ==
               CUDNN_STATUS_SUCCESS;
    if (!made || ask(dnn, operations, mode, proposals, &count) != CUDNN_STATUS_SUCCESS)
        count = 0;
    for (int64_t i = 0; i < count && i < PROPOSALS && p->plan == NULL; i++) {
        if (!is_fit(proposals[i], terms))
            continue;
        p->plan = try_proposal(dnn, proposals[i], terms, &p->workspace);
        if (p->plan != NULL) {
            p->graph.parts[p->graph.part_count++] = proposals[i];
            proposals[i] = NULL;
        }
    }
    for (int i = 0; i < PROPOSALS; i++)
        if (proposals[i] != NULL)
            cudnnBackendDestroyDescriptor(proposals[i]);
}

csctrl_status ct_dnn_plan_make(const ct_dnn *dnn, ct_dnn_graph *graph, const ct_dnn_terms *terms,
                               ct_dnn_plan **plan)
{
    ct_dnn_plan *p = ct_cuda_library->calloc(1, sizeof *p);
    const cudnnBackendDescriptor_t operations = join_operations(dnn, graph);

    *plan = NULL;
    if (p == NULL || graph->status != CUDNN_STATUS_SUCCESS || graph->part_count == CT_DNN_PARTS) {
        destroy_graph(graph);
        ct_cuda_library->free(p);
        return p == NULL ? CSCTRL_E_NOMEM : ct_dnn_told(graph->status, graph->failed);
    }
    p->graph = *graph;
    choose(dnn, operations, CUDNN_HEUR_MODE_A, terms, p);
    if (p->plan == NULL)
        choose(dnn, operations, CUDNN_HEUR_MODE_FALLBACK, terms, p);
    if (p->plan == NULL) {
        ct_dnn_plan_free(&p);
        return CSCTRL_E_UNSUPPORTED;
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

static csctrl_status fill_pack(cudnnBackendDescriptor_t pack, int count, const void *const *memory,
                               void *workspace)
{
    int64_t numbers[CT_DNN_MEMORIES];

    for (int i = 0; i < count; i++)
        numbers[i] = i + 1;
    CT_DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                        count, numbers));
    CT_DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                        CUDNN_TYPE_VOID_PTR, count, memory));
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
    csctrl_status status = fill_pack(pack, plan->graph.memory_count, memory, workspace);
    if (status == CSCTRL_OK)
        status =
            ct_dnn_told(cudnnBackendExecute(dnn->handle, plan->plan, pack), "cudnnBackendExecute");
    cudnnBackendDestroyDescriptor(pack);
    return status;
}
