/* dnn_plan.h - a graph of cuDNN's operations, and the plan by which one kernel or a few do it all.
 *
 * Tensors are NHWC. A tensor with memory has an id, by which a run finds its address; a virtual one
 * lies between two operations, is float and has no memory. Calls that build a graph remember the
 * first failure, which making the plan then tells. */
#ifndef CT_BACKEND_CUDA_DNN_PLAN_H
#define CT_BACKEND_CUDA_DNN_PLAN_H

#include <cudnn.h>

#include "backend/cuda/cuda_module.h"

/* What plans are made for: a device by its handle or, where it is not there, its description, with
 * which plans can be made but not run (cuDNN 9.8 and later). */
typedef struct ct_dnn {
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t properties;
} ct_dnn;

enum { CT_DNN_DESCRIPTORS = 64, CT_DNN_OPERATIONS = 12, CT_DNN_IDS = 8 };

typedef struct ct_dnn_plan ct_dnn_plan;
typedef cudnnBackendDescriptor_t ct_dnn_tensor;

typedef struct ct_dnn_graph {
    cudnnBackendDescriptor_t descriptors[CT_DNN_DESCRIPTORS]; /* all, to be destroyed */
    cudnnBackendDescriptor_t operations[CT_DNN_OPERATIONS];
    int descriptor_count, operation_count, virtual_count;
    bool has_memory[CT_DNN_IDS];
    cudnnStatus_t status;
    const char *failed; /* the call that did */
} ct_dnn_graph;

/* n, c, h, w of a tensor, or atoms, channels, rows, columns of a dictionary. */
typedef struct ct_dnn_shape {
    int64_t dim[4];
} ct_dnn_shape;

typedef enum ct_dnn_product { CT_DNN_ANALYSIS, CT_DNN_SYNTHESIS, CT_DNN_DICT_GRAD } ct_dnn_product;

/* A tensor with memory, 0 <= id < CT_DNN_IDS; a scalar of the device, or of the host, which is read
 * when the plan is run; a virtual tensor. Scalars are float: cuDNN 9.19 takes a double of the
 * device and compiles a kernel that reads half of it. */
ct_dnn_tensor ct_dnn_memory(ct_dnn_graph *graph, int id, const ct_dnn_shape *shape,
                            cudnnDataType_t type);
ct_dnn_tensor ct_dnn_device_scalar(ct_dnn_graph *graph, int id);
ct_dnn_tensor ct_dnn_host_scalar(ct_dnn_graph *graph, int id);
ct_dnn_tensor ct_dnn_virtual(ct_dnn_graph *graph, const ct_dnn_shape *shape);
ct_dnn_tensor ct_dnn_virtual_scalar(ct_dnn_graph *graph);

/* One of image, dictionary and code, the result of the product, from the other two. */
void ct_dnn_convolve(ct_dnn_graph *graph, ct_dnn_product product, const ct_geom *geom,
                     ct_dnn_tensor image, ct_dnn_tensor dictionary, ct_dnn_tensor code);
/* to = a mode b, element by element; b NULL for operations on one tensor; a scalar is as large as
 * what it meets. */
void ct_dnn_pointwise(ct_dnn_graph *graph, cudnnPointwiseMode_t mode, ct_dnn_tensor a,
                      ct_dnn_tensor b, ct_dnn_tensor to);

/* Of a plan; all repeat bit for bit and sum in float. */
typedef struct ct_dnn_limits {
    bool exact;       /* float arithmetic: no tensor cores, no large Winograd tiles */
    size_t workspace; /* at most, bytes */
} ct_dnn_limits;

/* Out of the first engine config that cuDNN proposes, best first, that keeps to the limits. The
 * graph becomes the plan's, or is destroyed. E_UNSUPPORTED where there is none, with the reason
 * that cuDNN gave last. */
csctrl_status ct_dnn_plan_make(const ct_dnn *dnn, ct_dnn_graph *graph, const ct_dnn_limits *limits,
                               ct_dnn_plan **plan);
void ct_dnn_plan_free(ct_dnn_plan **plan);
size_t ct_dnn_plan_workspace(const ct_dnn_plan *plan);

/* memory: addresses by id; those of ids that the graph does not have are not read. */
csctrl_status ct_dnn_plan_run(const ct_dnn *dnn, const ct_dnn_plan *plan, const void *const *memory,
                              void *workspace);

/* CT_TRY for cuDNN's calls: E_UNSUPPORTED for all kinds of "not supported", E_IO otherwise. */
csctrl_status ct_dnn_told(cudnnStatus_t status, const char *what);
#define CT_DNN_TRY(call) CT_TRY(ct_dnn_told((call), #call))

#endif
