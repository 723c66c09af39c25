/* cuda_driver.c - one device: stream and handles of cuDNN, cuBLAS and cuSOLVER. The only file of
 * the backend that includes their headers. */
#include "backend/cuda/cuda_driver.h"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <cusolverDn.h>

#include "backend/cuda/kernels.h"

enum {
    BLAS_WORKSPACE = 32 << 20, /* what cuBLAS recommends for Hopper; its own would not repeat */
    MOST_ALGORITHMS = 16,
};
static const size_t most_workspace = (size_t)1 << 30; /* of a convolution */

struct ct_cuda_device {
    int number;
    cudaStream_t stream;
    cudnnHandle_t dnn;
    cublasHandle_t blas;
    cusolverDnHandle_t solver;
    void *blas_workspace;
};

struct ct_cuda_graph {
    cudaGraphExec_t exec;
};

/* ---- errors */

static csctrl_status failed(const char *library, const char *what, const char *why)
{
    return ct_cuda_library->fail(CSCTRL_E_IO, "device \"cuda\": %s: %s: %s", library, what, why);
}

csctrl_status ct_cuda_launched(int error, const char *what)
{
    if (error == cudaSuccess)
        return CSCTRL_OK;
    (void)cudaGetLastError(); /* told here: not once more by the next launch */
    if (error == cudaErrorMemoryAllocation)
        return ct_cuda_library->fail(CSCTRL_E_NOMEM,
                                     "device \"cuda\": out of memory; lower train.batch");
    return failed("CUDA", what, cudaGetErrorString((cudaError_t)error));
}

/* The 3000s are all kinds of "not supported". */
static csctrl_status dnn_status(cudnnStatus_t status, const char *what)
{
    if (status == CUDNN_STATUS_SUCCESS)
        return CSCTRL_OK;
    return status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000
               ? ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED, "device \"cuda\": cuDNN: %s: %s", what,
                                       cudnnGetErrorString(status))
               : failed("cuDNN", what, cudnnGetErrorString(status));
}

static csctrl_status blas_status(cublasStatus_t status, const char *what)
{
    return status == CUBLAS_STATUS_SUCCESS ? CSCTRL_OK
                                           : failed("cuBLAS", what, cublasGetStatusString(status));
}

static csctrl_status solver_status(cusolverStatus_t status, const char *what)
{
    return status == CUSOLVER_STATUS_SUCCESS
               ? CSCTRL_OK
               : ct_cuda_library->fail(CSCTRL_E_IO, "device \"cuda\": cuSOLVER: %s: status %d",
                                       what, (int)status);
}

#define CUDA_TRY(call) CT_TRY(ct_cuda_launched((int)(call), #call))
#define DNN_TRY(call) CT_TRY(dnn_status((call), #call))
#define BLAS_TRY(call) CT_TRY(blas_status((call), #call))
#define SOLVER_TRY(call) CT_TRY(solver_status((call), #call))

/* ---- the device */

/* CUDA's present device is each thread's own. */
static ct_cuda_device *enter(ct_cuda_device *device)
{
    (void)cudaSetDevice(device->number);
    return device;
}

static csctrl_status find_device(int *number)
{
    int count = 0, driver = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);

    (void)cudaDriverGetVersion(&driver);
    if (error != cudaSuccess || count == 0)
        return ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED,
                                     "device \"cuda\": no GPU can be used: %s; choose device cpu",
                                     driver == 0            ? "NVIDIA's driver is not installed"
                                     : error != cudaSuccess ? cudaGetErrorString(error)
                                                            : "none was found");
    if (*number < 0)
        *number = (-1 - *number) % count;
    if (*number >= count)
        return ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED,
                                     "device \"cuda:%d\" does not exist: there are %d, from 0",
                                     *number, count);
    return CSCTRL_OK;
}

static csctrl_status expect_new_enough(int number)
{
    enum { OLDEST = 8 }; /* compute capability of the oldest chips that the kernels are built for */
    int major = 0;

    CUDA_TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number));
    return major >= OLDEST
               ? CSCTRL_OK
               : ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED,
                                       "device \"cuda:%d\" has compute capability %d: %d.0 or "
                                       "later is needed; choose device cpu",
                                       number, major, OLDEST);
}

static csctrl_status open_handles(ct_cuda_device *d, int number)
{
    d->number = number;
    CUDA_TRY(cudaSetDevice(number));
    CUDA_TRY(cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking));
    DNN_TRY(cudnnCreate(&d->dnn));
    DNN_TRY(cudnnSetStream(d->dnn, d->stream));
    BLAS_TRY(cublasCreate(&d->blas));
    BLAS_TRY(cublasSetStream(d->blas, d->stream));
    CUDA_TRY(cudaMalloc(&d->blas_workspace, BLAS_WORKSPACE));
    BLAS_TRY(cublasSetWorkspace(d->blas, d->blas_workspace, BLAS_WORKSPACE));
    SOLVER_TRY(cusolverDnCreate(&d->solver));
    SOLVER_TRY(cusolverDnSetStream(d->solver, d->stream));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_device_open(ct_cuda_device **out, int number)
{
    *out = NULL;
    CT_TRY(find_device(&number));
    CT_TRY(expect_new_enough(number));
    ct_cuda_device *d = ct_cuda_library->calloc(1, sizeof *d);
    if (d == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = open_handles(d, number);
    if (status != CSCTRL_OK) {
        ct_cuda_device_close(&d);
        return status;
    }
    *out = d;
    return CSCTRL_OK;
}

void ct_cuda_device_close(ct_cuda_device **device)
{
    ct_cuda_device *d = *device;

    if (d == NULL)
        return;
    if (d->solver != NULL)
        cusolverDnDestroy(d->solver);
    if (d->blas != NULL)
        cublasDestroy(d->blas);
    if (d->dnn != NULL)
        cudnnDestroy(d->dnn);
    cudaFree(d->blas_workspace);
    if (d->stream != NULL)
        cudaStreamDestroy(d->stream);
    ct_cuda_library->free(d);
    *device = NULL;
}

void *ct_cuda_stream(ct_cuda_device *device)
{
    return enter(device)->stream;
}

/* ---- memory */

csctrl_status ct_cuda_alloc(ct_cuda_device *device, size_t bytes, void **block)
{
    enter(device);
    const cudaError_t error = cudaMalloc(block, bytes);

    if (error == cudaErrorMemoryAllocation) {
        size_t left = 0, all = 0;
        (void)cudaGetLastError(); /* not that of the next launch */
        (void)cudaMemGetInfo(&left, &all);
        return ct_cuda_library->fail(
            CSCTRL_E_NOMEM,
            "device \"cuda\": %.2f GiB are wanted, %.2f of its %.2f GiB are free; lower "
            "train.batch",
            (double)bytes / (1 << 30), (double)left / (1 << 30), (double)all / (1 << 30));
    }
    CUDA_TRY(error);
    CUDA_TRY(cudaMemsetAsync(*block, 0, bytes, device->stream));
    return CSCTRL_OK;
}

void ct_cuda_release(ct_cuda_device *device, void *block)
{
    enter(device);
    cudaFree(block);
}

csctrl_status ct_cuda_pin(ct_cuda_device *device, void *host, size_t bytes)
{
    (void)device;
    CUDA_TRY(cudaHostRegister(host, bytes, cudaHostRegisterDefault));
    return CSCTRL_OK;
}

void ct_cuda_unpin(ct_cuda_device *device, void *host)
{
    (void)device;
    cudaHostUnregister(host);
}

/* The caller may free or change the host's memory at once. */
csctrl_status ct_cuda_upload(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    enter(device);
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->stream));
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_download(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    enter(device);
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->stream));
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return CSCTRL_OK;
}

/* ---- convolutions */

struct ct_cuda_conv {
    cudnnTensorDescriptor_t image, code;
    cudnnFilterDescriptor_t dictionary;
    /* One a product, since the algorithm decides on the type of arithmetic. */
    cudnnConvolutionDescriptor_t forward, data, filter;
    cudnnConvolutionFwdAlgo_t forward_algorithm;
    cudnnConvolutionBwdDataAlgo_t data_algorithm;
    cudnnConvolutionBwdFilterAlgo_t filter_algorithm;
    size_t workspace;
};

/* TF32 is what cuDNN's default means for float. */
static csctrl_status describe_conv(cudnnConvolutionDescriptor_t *conv, const ct_geom *g,
                                   ct_cuda_type type)
{
    const cudnnMathType_t math = type == CT_CUDA_F32    ? CUDNN_FMA_MATH
                                 : type == CT_CUDA_TF32 ? CUDNN_DEFAULT_MATH
                                                        : CUDNN_TENSOR_OP_MATH;

    DNN_TRY(cudnnCreateConvolutionDescriptor(conv));
    DNN_TRY(cudnnSetConvolution2dDescriptor(*conv, g->pad, g->pad, g->stride, g->stride, 1, 1,
                                            CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    DNN_TRY(cudnnSetConvolutionMathType(*conv, math));
    return CSCTRL_OK;
}

static csctrl_status describe(ct_cuda_conv *c, const ct_geom *g, ct_cuda_type type)
{
    const cudnnDataType_t data = type == CT_CUDA_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;

    DNN_TRY(cudnnCreateTensorDescriptor(&c->image));
    DNN_TRY(cudnnSetTensor4dDescriptor(c->image, CUDNN_TENSOR_NHWC, data, g->n, g->c, g->h, g->w));
    DNN_TRY(cudnnCreateTensorDescriptor(&c->code));
    DNN_TRY(
        cudnnSetTensor4dDescriptor(c->code, CUDNN_TENSOR_NHWC, data, g->n, g->atoms, g->oh, g->ow));
    DNN_TRY(cudnnCreateFilterDescriptor(&c->dictionary));
    DNN_TRY(cudnnSetFilter4dDescriptor(c->dictionary, data, CUDNN_TENSOR_NHWC, g->atoms, g->c,
                                       g->kernel, g->kernel));
    CT_TRY(describe_conv(&c->forward, g, type));
    CT_TRY(describe_conv(&c->data, g, type));
    return describe_conv(&c->filter, g, type);
}

/* Of cuDNN's proposals, best first, one that repeats bit for bit, and in float really is float. */
#define IS_FIT(found, type)                                                                        \
    ((found).status == CUDNN_STATUS_SUCCESS && (found).determinism == CUDNN_DETERMINISTIC &&       \
     ((type) != CT_CUDA_F32 || (found).mathType == CUDNN_FMA_MATH))

static csctrl_status none_found(const char *product, const ct_geom *g)
{
    return ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED,
                                 "device \"cuda\": cuDNN has no deterministic algorithm for the %s "
                                 "of a %dx%d convolution with stride %d of %d channels to %d",
                                 product, g->kernel, g->kernel, g->stride, g->c, g->atoms);
}

static csctrl_status choose_forward(ct_cuda_device *d, ct_cuda_conv *c, const ct_geom *g,
                                    ct_cuda_type type)
{
    cudnnConvolutionFwdAlgoPerf_t found[MOST_ALGORITHMS];
    int count = 0;

    DNN_TRY(cudnnGetConvolutionForwardAlgorithm_v7(d->dnn, c->image, c->dictionary, c->forward,
                                                   c->code, MOST_ALGORITHMS, &count, found));
    for (int i = 0; i < count; i++) {
        size_t workspace = 0;
        if (!IS_FIT(found[i], type))
            continue;
        DNN_TRY(cudnnSetConvolutionMathType(c->forward, found[i].mathType));
        if (cudnnGetConvolutionForwardWorkspaceSize(d->dnn, c->image, c->dictionary, c->forward,
                                                    c->code, found[i].algo,
                                                    &workspace) != CUDNN_STATUS_SUCCESS ||
            workspace > most_workspace)
            continue;
        c->forward_algorithm = found[i].algo;
        c->workspace = workspace > c->workspace ? workspace : c->workspace;
        return CSCTRL_OK;
    }
    return none_found("analysis", g);
}

static csctrl_status choose_data(ct_cuda_device *d, ct_cuda_conv *c, const ct_geom *g,
                                 ct_cuda_type type)
{
    cudnnConvolutionBwdDataAlgoPerf_t found[MOST_ALGORITHMS];
    int count = 0;

    DNN_TRY(cudnnGetConvolutionBackwardDataAlgorithm_v7(d->dnn, c->dictionary, c->code, c->data,
                                                        c->image, MOST_ALGORITHMS, &count, found));
    for (int i = 0; i < count; i++) {
        size_t workspace = 0;
        if (!IS_FIT(found[i], type))
            continue;
        DNN_TRY(cudnnSetConvolutionMathType(c->data, found[i].mathType));
        if (cudnnGetConvolutionBackwardDataWorkspaceSize(d->dnn, c->dictionary, c->code, c->data,
                                                         c->image, found[i].algo,
                                                         &workspace) != CUDNN_STATUS_SUCCESS ||
            workspace > most_workspace)
            continue;
        c->data_algorithm = found[i].algo;
        c->workspace = workspace > c->workspace ? workspace : c->workspace;
        return CSCTRL_OK;
    }
    return none_found("synthesis", g);
}

static csctrl_status choose_filter(ct_cuda_device *d, ct_cuda_conv *c, const ct_geom *g,
                                   ct_cuda_type type)
{
    cudnnConvolutionBwdFilterAlgoPerf_t found[MOST_ALGORITHMS];
    int count = 0;

    DNN_TRY(cudnnGetConvolutionBackwardFilterAlgorithm_v7(
        d->dnn, c->image, c->code, c->filter, c->dictionary, MOST_ALGORITHMS, &count, found));
    for (int i = 0; i < count; i++) {
        size_t workspace = 0;
        if (!IS_FIT(found[i], type))
            continue;
        DNN_TRY(cudnnSetConvolutionMathType(c->filter, found[i].mathType));
        if (cudnnGetConvolutionBackwardFilterWorkspaceSize(d->dnn, c->image, c->code, c->filter,
                                                           c->dictionary, found[i].algo,
                                                           &workspace) != CUDNN_STATUS_SUCCESS ||
            workspace > most_workspace)
            continue;
        c->filter_algorithm = found[i].algo;
        c->workspace = workspace > c->workspace ? workspace : c->workspace;
        return CSCTRL_OK;
    }
    return none_found("gradient", g);
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

static csctrl_status plan_conv(ct_cuda_device *d, ct_cuda_conv *c, const ct_geom *g,
                               ct_cuda_type type)
{
    CT_TRY(expect_size(g));
    CT_TRY(describe(c, g, type));
    CT_TRY(choose_forward(d, c, g, type));
    CT_TRY(choose_data(d, c, g, type));
    return choose_filter(d, c, g, type);
}

csctrl_status ct_cuda_conv_open(ct_cuda_device *device, const ct_geom *geom, ct_cuda_type type,
                                ct_cuda_conv **out, size_t *workspace)
{
    *out = NULL;
    ct_cuda_conv *c = ct_cuda_library->calloc(1, sizeof *c);
    if (c == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = plan_conv(enter(device), c, geom, type);
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

    (void)device;
    if (c == NULL)
        return;
    cudnnDestroyTensorDescriptor(c->image);
    cudnnDestroyTensorDescriptor(c->code);
    cudnnDestroyFilterDescriptor(c->dictionary);
    cudnnDestroyConvolutionDescriptor(c->forward);
    cudnnDestroyConvolutionDescriptor(c->data);
    cudnnDestroyConvolutionDescriptor(c->filter);
    ct_cuda_library->free(c);
    *conv = NULL;
}

static const float one = 1, zero = 0;

csctrl_status ct_cuda_conv_analysis(ct_cuda_device *d, const ct_cuda_conv *c, const void *img,
                                    const void *P, void *code, void *workspace)
{
    enter(d);
    DNN_TRY(cudnnConvolutionForward(d->dnn, &one, c->image, img, c->dictionary, P, c->forward,
                                    c->forward_algorithm, workspace, c->workspace, &zero, c->code,
                                    code));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_conv_synthesis(ct_cuda_device *d, const ct_cuda_conv *c, const void *code,
                                     const void *P, void *img, void *workspace)
{
    enter(d);
    DNN_TRY(cudnnConvolutionBackwardData(d->dnn, &one, c->dictionary, P, c->code, code, c->data,
                                         c->data_algorithm, workspace, c->workspace, &zero,
                                         c->image, img));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_conv_dict_grad(ct_cuda_device *d, const ct_cuda_conv *c, const void *img,
                                     const void *code, void *dP, void *workspace)
{
    enter(d);
    DNN_TRY(cudnnConvolutionBackwardFilter(d->dnn, &one, c->image, img, c->code, code, c->filter,
                                           c->filter_algorithm, workspace, c->workspace, &zero,
                                           c->dictionary, dP));
    return CSCTRL_OK;
}

/* ---- batches of matrices */

static const double one_double = 1, zero_double = 0;

csctrl_status ct_cuda_cholesky(ct_cuda_device *d, double *G, int s, int count, double **pointers,
                               int *info)
{
    enter(d);
    CUDA_TRY(ct_k_rate_pointers(d->stream, G, (int64_t)s * s, count, pointers));
    SOLVER_TRY(
        cusolverDnDpotrfBatched(d->solver, CUBLAS_FILL_MODE_LOWER, s, pointers, s, info, count));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_solve_lower(ct_cuda_device *d, const double *L, double *X, int s, int count,
                                  double **pointers)
{
    double **const to = pointers + count;

    enter(d);
    CUDA_TRY(ct_k_rate_pointers(d->stream, L, (int64_t)s * s, count, pointers));
    CUDA_TRY(ct_k_rate_pointers(d->stream, X, (int64_t)s * s, count, to));
    BLAS_TRY(cublasDtrsmBatched(d->blas, CUBLAS_SIDE_LEFT, CUBLAS_FILL_MODE_LOWER, CUBLAS_OP_N,
                                CUBLAS_DIAG_NON_UNIT, s, s, &one_double,
                                (const double *const *)pointers, s, to, s, count));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_gram(ct_cuda_device *d, const double *X, double *C, int s, int count)
{
    const long long size = (long long)s * s;

    enter(d);
    BLAS_TRY(cublasDgemmStridedBatched(d->blas, CUBLAS_OP_T, CUBLAS_OP_N, s, s, s, &one_double, X,
                                       s, size, X, s, size, &zero_double, C, s, size, count));
    return CSCTRL_OK;
}

/* ---- work that repeats */

csctrl_status ct_cuda_record(ct_cuda_device *device)
{
    enter(device);
    CUDA_TRY(cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_recorded(ct_cuda_device *device, ct_cuda_graph **graph)
{
    cudaGraph_t recorded = NULL;

    *graph = NULL;
    const cudaError_t ended = cudaStreamEndCapture(device->stream, &recorded);
    (void)cudaGetLastError(); /* of what spoilt the recording: not that of the next launch */
    CUDA_TRY(ended);
    ct_cuda_graph *g = ct_cuda_library->calloc(1, sizeof *g);
    const cudaError_t error = g != NULL ? cudaGraphInstantiate(&g->exec, recorded, 0) : cudaSuccess;
    cudaGraphDestroy(recorded);
    if (g == NULL)
        return CSCTRL_E_NOMEM;
    if (error != cudaSuccess)
        ct_cuda_library->free(g);
    CUDA_TRY(error);
    *graph = g;
    return CSCTRL_OK;
}

csctrl_status ct_cuda_replay(ct_cuda_device *device, ct_cuda_graph *graph)
{
    enter(device);
    CUDA_TRY(cudaGraphLaunch(graph->exec, device->stream));
    return CSCTRL_OK;
}

void ct_cuda_graph_free(ct_cuda_graph **graph)
{
    if (*graph == NULL)
        return;
    cudaGraphExecDestroy((*graph)->exec);
    ct_cuda_library->free(*graph);
    *graph = NULL;
}
