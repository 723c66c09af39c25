/* cuda_driver.c - one device: its stream, memory, matrices by cuBLAS and cuSOLVER, and recorded
 * work. Products: cuda_product.c. */
#include "backend/cuda/cuda_driver.h"

#include "backend/cuda/cuda_device.h"
#include "backend/cuda/kernels.h"

/* What cuBLAS recommends for Hopper; its own would not repeat. */
enum { BLAS_WORKSPACE = 32 << 20 };

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
#define BLAS_TRY(call) CT_TRY(blas_status((call), #call))
#define SOLVER_TRY(call) CT_TRY(solver_status((call), #call))

/* ---- the device */

ct_cuda_device *ct_cuda_enter(ct_cuda_device *device)
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
    CUDA_TRY(cudaStreamCreateWithFlags(&d->copies, cudaStreamNonBlocking));
    CT_DNN_TRY(cudnnCreate(&d->dnn.handle));
    CT_DNN_TRY(cudnnSetStream(d->dnn.handle, d->stream));
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
    if (d->dnn.handle != NULL)
        cudnnDestroy(d->dnn.handle);
    cudaFree(d->blas_workspace);
    if (d->copies != NULL)
        cudaStreamDestroy(d->copies);
    if (d->stream != NULL)
        cudaStreamDestroy(d->stream);
    ct_cuda_library->free(d);
    *device = NULL;
}

void *ct_cuda_stream(ct_cuda_device *device)
{
    return ct_cuda_enter(device)->stream;
}

/* ---- memory */

csctrl_status ct_cuda_alloc(ct_cuda_device *device, size_t bytes, void **block)
{
    ct_cuda_enter(device);
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
    ct_cuda_enter(device);
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
    ct_cuda_enter(device);
    cudaStreamSynchronize(device->copies); /* which may be made from it */
    cudaHostUnregister(host);
}

/* The caller may free or change the host's memory at once. */
csctrl_status ct_cuda_upload(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    ct_cuda_enter(device);
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->stream));
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_copy_ahead(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    ct_cuda_enter(device);
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->copies));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_copy_wait(ct_cuda_device *device)
{
    ct_cuda_enter(device);
    CUDA_TRY(cudaStreamSynchronize(device->copies));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_download(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    ct_cuda_enter(device);
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->stream));
    CUDA_TRY(cudaStreamSynchronize(device->stream));
    return CSCTRL_OK;
}

/* ---- batches of matrices */

static const double one_double = 1, zero_double = 0;

csctrl_status ct_cuda_cholesky(ct_cuda_device *d, double *G, int s, int count, double **pointers,
                               int *info)
{
    ct_cuda_enter(d);
    CUDA_TRY(ct_k_rate_pointers(d->stream, G, (int64_t)s * s, count, pointers));
    SOLVER_TRY(
        cusolverDnDpotrfBatched(d->solver, CUBLAS_FILL_MODE_LOWER, s, pointers, s, info, count));
    return CSCTRL_OK;
}

csctrl_status ct_cuda_solve_lower(ct_cuda_device *d, const double *L, double *X, int s, int count,
                                  double **pointers)
{
    double **const to = pointers + count;

    ct_cuda_enter(d);
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

    ct_cuda_enter(d);
    BLAS_TRY(cublasDgemmStridedBatched(d->blas, CUBLAS_OP_T, CUBLAS_OP_N, s, s, s, &one_double, X,
                                       s, size, X, s, size, &zero_double, C, s, size, count));
    return CSCTRL_OK;
}

/* ---- work that repeats */

csctrl_status ct_cuda_record(ct_cuda_device *device)
{
    ct_cuda_enter(device);
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
    ct_cuda_enter(device);
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
