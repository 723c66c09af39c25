/* cpu.h - state of the fast backend and how work is spread over threads. */
#ifndef CT_BACKEND_CPU_H
#define CT_BACKEND_CPU_H

#include "backend/backend.h"
#include "backend/cpu/dnnl_shim.h"
#include "backend/cpu/loops.h"
#include "backend/cpu/patches.h"
#include "backend/cpu/rate_loops.h"
#include "backend/cpu/winograd.h"

/* The pieces that are left of a thread's share; alone in its line of the cache. */
typedef struct ct_share {
    _Alignas(64) _Atomic int64_t next;
    int64_t end;
} ct_share;

typedef struct ct_cpu {
    ct_ops ops;
    const ct_loops *loops;
    ct_product_kernel *product;
    const ct_rate_loops *rates;
    const ct_winograd_kernels *winograd;
    const ct_patch_kernels *patches, *float_patches; /* the second of floats in any case */
    ct_dnnl *dnnl;
    struct ct_tune *tune; /* NULL: ways are chosen by rule */
    ct_share *shares;     /* of each thread */
} ct_cpu;

static inline const ct_loops *ct_cpu_loops(const ct_exec *ex)
{
    return ((const ct_cpu *)ex->state)->loops;
}

/* The proximal step in float. */
ct_shrink ct_cpu_shrink(const ct_prox *prox, double beta);

/* Image, code or other first extent number n of a tensor of floats; NULL stays NULL. */
static inline float *ct_cpu_at(const ct_tensor *t, int n)
{
    return t == NULL ? NULL : (float *)t->data + n * (csctrl_tensor_count(t) / t->shape[0]);
}

/* Run `loop` over 0..count-1 in pieces of `piece`, on the threads of the context. Each thread has
 * the same part of the range every time, so that what it wrote it finds in its own caches, and then
 * takes what others have left of theirs. One at a time on a context: `loop` must not call it. */
void ct_cpu_for(const ct_exec *ex, int64_t count, int64_t piece, ct_loop *loop, const void *args);

/* Sums of `width` (at most CT_MAX_SUMS) numbers over 0..count-1: the range is cut into a fixed
 * number of blocks whose sums are added in order, so the result does not depend on the threads. */
enum { CT_MAX_SUMS = 2 * CT_GROUP };
void ct_cpu_sum(const ct_exec *ex, int64_t count, int width, ct_sum_loop *loop, const void *args,
                double *sums);

/* BLAS and oneDNN take the number of threads from the calling thread's OpenMP setting: call
 * this before any of them, and them outside parallel regions only. */
void ct_cpu_use_threads(const ct_exec *ex);

/* Each puts its file's operations into the table. */
void ct_cpu_fill_elementwise(ct_ops *ops);
void ct_cpu_fill_norm(ct_ops *ops);
void ct_cpu_fill_conv(ct_ops *ops);
void ct_cpu_fill_rate(ct_ops *ops);

#endif
