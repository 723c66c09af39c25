/* cuda_load.c - finds the module of the cuda backend, and tells whether there is a device for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "backend/cuda/cuda_module.h"
#include "base/mem.h"

#define CUDA_DRIVER "libcuda.so.1" /* comes with the driver of the GPU */

/* C has no cast from an object to a function. */
static bool find_function(void *library, const char *name, void *function, size_t size)
{
    void *const symbol = dlsym(library, name);

    memcpy(function, &symbol, size);
    return symbol != NULL;
}

const char *ct_cuda_why_not(void)
{
    int (*initialise)(unsigned) = NULL;
    int (*count_devices)(int *) = NULL;
    enum { NO_DEVICE = 100 }; /* CUDA_ERROR_NO_DEVICE */
    int count = 0, error = 0;
    /* It stays loaded: CUDA will want it, and it cannot be taken out safely. */
    void *const driver = dlopen(CUDA_DRIVER, RTLD_NOW | RTLD_LOCAL);

    if (driver == NULL)
        return "no GPU can be used: NVIDIA's driver (" CUDA_DRIVER ") is not installed";
    if (!find_function(driver, "cuInit", &initialise, sizeof initialise) ||
        !find_function(driver, "cuDeviceGetCount", &count_devices, sizeof count_devices) ||
        (error = initialise(0)) != 0)
        return error == NO_DEVICE ? "no GPU can be used: the driver finds none"
                                  : "no GPU can be used: NVIDIA's driver does not start";
    return count_devices(&count) == 0 && count > 0 ? NULL
                                                   : "no GPU can be used: the driver finds none";
}

csctrl_status ct_cuda_init(ct_exec *ex, int number)
{
    static const ct_cuda_services services = {
        .exec_size = sizeof(ct_exec),
        .ops_size = sizeof(ct_ops),
        .fail = ct_fail,
        .log = ct_log,
        .last_error = csctrl_last_error,
        .calloc = ct_calloc,
        .free = ct_free,
        .sum = ct_comm_sum,
        .any = ct_comm_any,
    };
    ct_cuda_open_fn *open = NULL;
    void *const module = dlopen(CT_CUDA_MODULE, RTLD_NOW | RTLD_LOCAL);

    if (module == NULL)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "device \"cuda\": its module cannot be loaded (%s); install CUDA and cuDNN "
                       "and build csctrl with CSCTRL_WITH_CUDA=ON",
                       dlerror());
    if (!find_function(module, CT_CUDA_OPEN, &open, sizeof open))
        return ct_fail(CSCTRL_E_UNSUPPORTED, "device \"cuda\": %s has no function %s",
                       CT_CUDA_MODULE, CT_CUDA_OPEN);
    return open(ex, number, &services);
}
