/* cuda_module.h - between libcsctrl and the module libcsctrl_cuda.so, which alone is linked with
 * CUDA's libraries and is loaded when a run asks for device "cuda". */
#ifndef CT_BACKEND_CUDA_MODULE_H
#define CT_BACKEND_CUDA_MODULE_H

#include "backend/backend.h"
#include "base/log.h"

#define CT_CUDA_MODULE "libcsctrl_cuda.so"
#define CT_CUDA_OPEN "ct_cuda_open"

/* What the module needs of the library, which keeps its own symbols to itself. */
typedef struct ct_cuda_services {
    size_t exec_size, ops_size; /* of the library that was built: the module's must be the same */
    csctrl_status (*fail)(csctrl_status status, const char *format, ...) CT_PRINTF(2, 3);
    void (*log)(csctrl_log_level level, const char *format, ...) CT_PRINTF(2, 3);
    const char *(*last_error)(void);
    void *(*calloc)(size_t count, size_t size);
    void (*free)(void *block);
    csctrl_status (*sum)(const ct_comm *comm, void *data, int64_t count, csctrl_dtype dtype);
    csctrl_status (*any)(const ct_comm *comm, bool *any);
} ct_cuda_services;

/* Fills ex->ops, ex->state and ex->close for the device of that number, or says by services->fail
 * why it cannot. */
typedef csctrl_status ct_cuda_open_fn(ct_exec *ex, int number, const ct_cuda_services *services);

#endif
