/* cuda.h - the state of the cuda backend, and what its files share. Host code only: every call is
 * either a launcher of kernels.h or one of cuda_driver.h. */
#ifndef CT_BACKEND_CUDA_H
#define CT_BACKEND_CUDA_H

#include "backend/cuda/cuda_driver.h"
#include "backend/cuda/kernels.h"

typedef struct ct_cuda {
    ct_ops ops;
    ct_cuda_device *device;
    ct_cuda_type type; /* of the operands of products, where there are algorithms for it */
    /* Working memory of one operation at a time: parts of sums, then the sums. Grown to what any
     * operator's norms need when that is created. */
    void *work;
    size_t work_bytes;
} ct_cuda;

static inline ct_cuda *ct_cuda_of(const ct_exec *ex)
{
    return ex->state;
}

static inline void *ct_cuda_queue(const ct_exec *ex)
{
    return ct_cuda_stream(ct_cuda_of(ex)->device);
}

/* Elements. The module has none of the library's functions. */
static inline int64_t ct_cuda_count(const ct_tensor *t)
{
    int64_t count = 1;

    for (int i = 0; i < t->ndim; i++)
        count *= t->shape[i];
    return count;
}

/* Where a part of that many bytes begins in memory that ends at *end so far. */
static inline size_t ct_cuda_place(size_t *end, size_t bytes)
{
    enum { ALIGNMENT = 256 };
    const size_t at = *end;

    *end = (at + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

/* At least that many bytes of ct_cuda.work. */
csctrl_status ct_cuda_need_work(ct_exec *ex, size_t bytes);

/* For a batch norm of rows of c channels, sums included. */
csctrl_status ct_cuda_need_norm_work(ct_exec *ex, int64_t rows, int c);

/* CT_TRY for launchers. */
#define CT_CUDA_TRY(launch) CT_TRY(ct_cuda_launched((launch), #launch))

/* Each puts its file's operations into the table. */
void ct_cuda_fill_conv(ct_ops *ops);
void ct_cuda_fill_csc(ct_ops *ops);
void ct_cuda_fill_elementwise(ct_ops *ops);
void ct_cuda_fill_norm(ct_ops *ops);
void ct_cuda_fill_rate(ct_ops *ops);
void ct_cuda_fill_optim(ct_ops *ops);
void ct_cuda_fill_repeat(ct_ops *ops);

/* cuda_conv.c: what an operator keeps in its scratch memory besides the workspace of the products.
 * With operands in bfloat16 they are copies of those of the caller, which are float. */
typedef struct ct_cuda_operands {
    void *image[2], *code[2]; /* of the operands' type; in float the first image alone */
    void *dP, *workspace;
    float *eta; /* a step size for fused products */
} ct_cuda_operands;
ct_cuda_operands ct_cuda_operands_of(const ct_conv *conv);

/* The three products on operands of the operator's type, packed dictionary. */
csctrl_status ct_cuda_analyse(ct_exec *ex, const ct_conv *conv, const void *image, void *code);
csctrl_status ct_cuda_synthesise(ct_exec *ex, const ct_conv *conv, const void *code, void *image);
/* dW += scale d<code, A* image>/dW */
csctrl_status ct_cuda_add_dict_grad(ct_exec *ex, const ct_conv *conv, double scale,
                                    const void *image, const void *code, ct_tensor *dW);
/* One of the fused products; args without P and workspace, which the operator has. */
bool ct_cuda_fuses(ct_exec *ex, const ct_conv *conv, ct_cuda_fused what);
csctrl_status ct_cuda_fused_product(ct_exec *ex, const ct_conv *conv, ct_cuda_fused what,
                                    ct_cuda_fused_args args);
/* *to: x itself, or a copy of it in bfloat16 at `memory`. */
csctrl_status ct_cuda_operand(ct_exec *ex, const ct_conv *conv, const ct_tensor *x, void *memory,
                              const void **to);
/* The same with, where there is a copy, ct_cuda_operands.eta <- *step. */
csctrl_status ct_cuda_step_operand(ct_exec *ex, const ct_conv *conv, const ct_tensor *x,
                                   const double *step, void *memory, const void **to);

/* Whether the operands of an operator are bfloat16: where cuDNN has no algorithm for those, they
 * are float whatever the exec's type. */
bool ct_cuda_is_half(const ct_conv *conv);

#endif
