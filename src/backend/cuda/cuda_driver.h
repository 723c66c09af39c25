/* cuda_driver.h - what the backend uses of CUDA's runtime, cuDNN, cuBLAS and cuSOLVER, with the
 * stream and the handles of one device behind it. cuda_driver.c and cuda_product.c call the
 * libraries; tests/cuda/host_driver.cpp does the same on the host, so that everything above it is
 * tested where there is no device.
 *
 * Work is queued on the device's one stream and done in its order, unless said otherwise. Every
 * call returns E_IO with CUDA's own message when it fails, E_NOMEM when memory is short. */
#ifndef CT_BACKEND_CUDA_DRIVER_H
#define CT_BACKEND_CUDA_DRIVER_H

#include "backend/cuda/cuda_module.h"

typedef struct ct_cuda_device ct_cuda_device;
typedef struct ct_cuda_conv ct_cuda_conv;
typedef struct ct_cuda_graph ct_cuda_graph;

/* Type of the operands of products, which are summed in float. */
typedef enum ct_cuda_type {
    CT_CUDA_F32,
    CT_CUDA_TF32, /* float in memory */
    CT_CUDA_BF16,
} ct_cuda_type;

static inline size_t ct_cuda_type_size(ct_cuda_type type)
{
    return type == CT_CUDA_BF16 ? 2 : 4;
}

extern const ct_cuda_services *ct_cuda_library; /* set before anything else */

/* number: as ct_cuda_init. */
csctrl_status ct_cuda_device_open(ct_cuda_device **out, int number);
void ct_cuda_device_close(ct_cuda_device **device);
void *ct_cuda_stream(ct_cuda_device *device); /* for launchers of kernels.h */
/* E_IO with its text unless the error that a launcher returned is 0. */
csctrl_status ct_cuda_launched(int error, const char *what);

/* ---- memory of the device; copies wait until the host's memory may be used again */
csctrl_status ct_cuda_alloc(ct_cuda_device *device, size_t bytes, void **block); /* zeroed */
void ct_cuda_release(ct_cuda_device *device, void *block);
csctrl_status ct_cuda_pin(ct_cuda_device *device, void *host, size_t bytes);
void ct_cuda_unpin(ct_cuda_device *device, void *host);
csctrl_status ct_cuda_upload(ct_cuda_device *device, void *to, const void *from, size_t bytes);
/* A copy beside the stream, for which the host does not wait until it is told to. */
csctrl_status ct_cuda_copy_ahead(ct_cuda_device *device, void *to, const void *from, size_t bytes);
csctrl_status ct_cuda_copy_wait(ct_cuda_device *device);
csctrl_status ct_cuda_download(ct_cuda_device *device, void *to, const void *from, size_t bytes);

/* ---- a convolution at one geometry: NHWC images and codes, weights [atoms, k, k, c], all of
 * `type` but for TF32, which is float. Kernels are chosen among those that repeat bit for bit;
 * E_UNSUPPORTED where there is none. `workspace`: bytes that each product may be given. */
csctrl_status ct_cuda_conv_open(ct_cuda_device *device, const ct_geom *geom, ct_cuda_type type,
                                ct_cuda_conv **out, size_t *workspace);
void ct_cuda_conv_close(ct_cuda_device *device, ct_cuda_conv **conv);
/* code <- A* img; img <- A code; dP <- d<code, A* img>/dP */
csctrl_status ct_cuda_conv_analysis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                    const void *img, const void *P, void *code, void *workspace);
csctrl_status ct_cuda_conv_synthesis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *code, const void *P, void *img, void *workspace);
csctrl_status ct_cuda_conv_dict_grad(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *img, const void *code, void *dP, void *workspace);

/* Products with what follows them in a FISTA step or its gradient as one kernel. */
typedef enum ct_cuda_fused {
    CT_CUDA_RESIDUAL, /* r = x - A code, as float and, of bf16, as an operand too */
    CT_CUDA_SHRINK,   /* z = prox(y + eta A* img), signed, mu 0 */
    CT_CUDA_SHRINK_NONNEG,
    CT_CUDA_SHRINK_FIRST, /* the same where y is zero */
    CT_CUDA_SHRINK_FIRST_NONNEG,
    CT_CUDA_STEP_BACKWARD, /* dy = gs / eta - A* img */
    CT_CUDA_FUSED_COUNT,
} ct_cuda_fused;

/* Addresses are of the device; those that a kernel has no use for are not read. The result may be
 * none of the others. */
typedef struct ct_cuda_fused_args {
    const void *image, *code, *P; /* operands of the product */
    const float *eta;
    double lambda;
    const float *other; /* what the product is put together with: x, y or gs */
    float *result;      /* r, z or dy */
    void *narrow;       /* r as an operand; of bf16 */
    void *workspace;
} ct_cuda_fused_args;

/* Whether there is such a kernel, made when it is first asked for, which takes a second or so; then
 * work may not be being recorded. For float there is none: they compute with tensor cores. */
bool ct_cuda_conv_fuses(ct_cuda_device *device, ct_cuda_conv *conv, ct_cuda_fused what);
csctrl_status ct_cuda_conv_fused(ct_cuda_device *device, const ct_cuda_conv *conv,
                                 ct_cuda_fused what, const ct_cuda_fused_args *args);

/* ---- `count` matrices of s x s doubles, one after the other; `pointers`: device memory of count
 * addresses, which the call fills; info: device memory of count numbers.
 * G <- lower Cholesky factor (the upper triangle is not defined afterwards); info 0, or where the
 * matrix was found not to be positive definite. Column-major. */
csctrl_status ct_cuda_cholesky(ct_cuda_device *device, double *G, int s, int count,
                               double **pointers, int *info);
/* X <- L^-1 X, L in the lower triangles of G. Column-major. pointers: 2 count addresses. */
csctrl_status ct_cuda_solve_lower(ct_cuda_device *device, const double *L, double *X, int s,
                                  int count, double **pointers);
/* C <- X^T X; Column-major. */
csctrl_status ct_cuda_gram(ct_cuda_device *device, const double *X, double *C, int s, int count);

/* ---- work that repeats: what is queued between record and recorded is not done but kept, and done
 * by each replay. Nothing in between may allocate, copy from or to the host, or wait. */
csctrl_status ct_cuda_record(ct_cuda_device *device);
csctrl_status ct_cuda_recorded(ct_cuda_device *device, ct_cuda_graph **graph);
csctrl_status ct_cuda_replay(ct_cuda_device *device, ct_cuda_graph *graph);
void ct_cuda_graph_free(ct_cuda_graph **graph);

#endif
