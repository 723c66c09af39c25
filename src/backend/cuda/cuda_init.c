/* cuda_init.c - opens the backend: the only symbol that libcsctrl takes from the module. */
#include "backend/cuda/cuda.h"

const ct_cuda_services *ct_cuda_library;

static csctrl_status mem_alloc(ct_exec *ex, size_t bytes, void **block)
{
    return ct_cuda_alloc(ct_cuda_of(ex)->device, bytes, block);
}

static void mem_free(ct_exec *ex, void *block)
{
    ct_cuda_release(ct_cuda_of(ex)->device, block);
}

static csctrl_status upload(ct_exec *ex, void *device, const void *host, size_t bytes)
{
    return bytes == 0 ? CSCTRL_OK : ct_cuda_upload(ct_cuda_of(ex)->device, device, host, bytes);
}

static csctrl_status upload_ahead(ct_exec *ex, void *device, const void *host, size_t bytes)
{
    return ct_cuda_copy_ahead(ct_cuda_of(ex)->device, device, host, bytes);
}

static csctrl_status upload_wait(ct_exec *ex)
{
    return ct_cuda_copy_wait(ct_cuda_of(ex)->device);
}

static csctrl_status download(ct_exec *ex, void *host, const void *device, size_t bytes)
{
    return bytes == 0 ? CSCTRL_OK : ct_cuda_download(ct_cuda_of(ex)->device, host, device, bytes);
}

static csctrl_status pin(ct_exec *ex, void *host, size_t bytes)
{
    return ct_cuda_pin(ct_cuda_of(ex)->device, host, bytes);
}

static void unpin(ct_exec *ex, void *host)
{
    ct_cuda_unpin(ct_cuda_of(ex)->device, host);
}

csctrl_status ct_cuda_need_work(ct_exec *ex, size_t bytes)
{
    ct_cuda *cuda = ct_cuda_of(ex);

    if (bytes <= cuda->work_bytes)
        return CSCTRL_OK;
    ct_cuda_release(cuda->device, cuda->work);
    cuda->work = NULL;
    cuda->work_bytes = 0;
    CT_TRY(ct_cuda_alloc(cuda->device, bytes, &cuda->work));
    cuda->work_bytes = bytes;
    return CSCTRL_OK;
}

static void close_exec(ct_exec *ex)
{
    ct_cuda *cuda = ct_cuda_of(ex);

    if (cuda->device != NULL)
        ct_cuda_release(cuda->device, cuda->work);
    ct_cuda_device_close(&cuda->device);
    ct_cuda_library->free(cuda);
}

static csctrl_status expect_same_build(const ct_cuda_services *services)
{
    return services->exec_size == sizeof(ct_exec) && services->ops_size == sizeof(ct_ops)
               ? CSCTRL_OK
               : services->fail(CSCTRL_E_UNSUPPORTED,
                                "device \"cuda\": %s was built with another version of csctrl; "
                                "install both from one build",
                                CT_CUDA_MODULE);
}

__attribute__((visibility("default"))) ct_cuda_open_fn ct_cuda_open;

csctrl_status ct_cuda_open(ct_exec *ex, int number, const ct_cuda_services *services)
{
    CT_TRY(expect_same_build(services));
    ct_cuda_library = services;
    ct_cuda *cuda = services->calloc(1, sizeof *cuda);
    if (cuda == NULL)
        return CSCTRL_E_NOMEM;
    cuda->ops = (ct_ops){.mem_alloc = mem_alloc,
                         .mem_free = mem_free,
                         .upload = upload,
                         .upload_ahead = upload_ahead,
                         .upload_wait = upload_wait,
                         .download = download,
                         .pin = pin,
                         .unpin = unpin};
    ct_cuda_fill_conv(&cuda->ops);
    ct_cuda_fill_csc(&cuda->ops);
    ct_cuda_fill_elementwise(&cuda->ops);
    ct_cuda_fill_norm(&cuda->ops);
    ct_cuda_fill_rate(&cuda->ops);
    ct_cuda_fill_optim(&cuda->ops);
    ct_cuda_fill_repeat(&cuda->ops);
    cuda->type = ex->bf16 ? CT_CUDA_BF16 : ex->tf32 ? CT_CUDA_TF32 : CT_CUDA_F32;
    ex->state = cuda;
    ex->ops = &cuda->ops;
    ex->close = close_exec;
    ex->deferred = true;
    csctrl_status status = ct_cuda_device_open(&cuda->device, number);
    if (status == CSCTRL_OK)
        ex->queue = ct_cuda_stream(cuda->device);
    if (status == CSCTRL_OK)
        status = ct_cuda_need_work(ex, CT_SUM_BYTES + sizeof(double));
    if (status != CSCTRL_OK)
        close_exec(ex);
    return status;
}
