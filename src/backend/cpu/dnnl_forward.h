/* dnnl_forward.h - forward convolutions of fixed weights by oneDNN, for networks that are only run:
 * rectangular kernels, bias and ReLU fused, NHWC. The same for oneDNN 2.x and 3.x. */
#ifndef CT_BACKEND_CPU_DNNL_FORWARD_H
#define CT_BACKEND_CPU_DNNL_FORWARD_H

#include <stddef.h>

#include "base/error.h"

/* Height first, then width. */
typedef struct ct_forward_shape {
    int n, in, out; /* images, channels */
    int size[2], kernel[2], stride, pad[2];
} ct_forward_shape;

/* Extent of the output along an axis. */
static inline int ct_forward_extent(const ct_forward_shape *s, int axis)
{
    return (s->size[axis] + 2 * s->pad[axis] - s->kernel[axis]) / s->stride + 1;
}

typedef struct ct_forward_engine ct_forward_engine;
typedef struct ct_forward_conv ct_forward_conv;

/* threads: >= 1, or 0 for OpenMP's own number. */
csctrl_status ct_forward_engine_create(ct_forward_engine **out, int threads);
void ct_forward_engine_destroy(ct_forward_engine **engine);

/* weights [out, in, kh, kw] and bias [out] are copied. The engine must outlive it. */
csctrl_status ct_forward_conv_create(ct_forward_engine *engine, const ct_forward_shape *shape,
                                     float *weights, const float *bias, ct_forward_conv **out);
void ct_forward_conv_destroy(ct_forward_conv **conv);

/* What follows on this thread runs on the engine's threads; returns what was before. */
int ct_forward_threads(const ct_forward_engine *engine);
void ct_forward_threads_back(int before);

/* Bytes of working memory of one run. */
size_t ct_forward_conv_scratch(const ct_forward_conv *conv);

/* y [n, oh, ow, out] = max(0, weights * x [n, h, w, in] + bias). */
csctrl_status ct_forward_conv_run(ct_forward_conv *conv, float *x, float *y, void *scratch);

#endif
