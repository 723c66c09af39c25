/* cuda_device.h - what cuda_driver.c and cuda_product.c know of a device. */
#ifndef CT_BACKEND_CUDA_DEVICE_H
#define CT_BACKEND_CUDA_DEVICE_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>

#include "backend/cuda/dnn_plan.h"

struct ct_cuda_device {
    int number;
    cudaStream_t stream, copies; /* copies: those that are made ahead */
    ct_dnn dnn;
    cublasHandle_t blas;
    cusolverDnHandle_t solver;
    void *blas_workspace;
};

/* Make it CUDA's present device, which is each thread's own. */
struct ct_cuda_device *ct_cuda_enter(struct ct_cuda_device *device);

#endif
