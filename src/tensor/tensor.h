/* tensor.h - internal helpers on the public view csctrl_tensor. */
#ifndef CT_TENSOR_TENSOR_H
#define CT_TENSOR_TENSOR_H

#include <stdbool.h>

#include "base/error.h"
#include "csctrl/tensor.h"

typedef csctrl_tensor ct_tensor;

/* View without data, for the memory plan to bind. */
ct_tensor ct_tensor_shape(csctrl_dtype dtype, int ndim, const int64_t *shape);
#define CT_SHAPE(dtype, ...)                                                                       \
    ct_tensor_shape((dtype), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),      \
                    (const int64_t[]){__VA_ARGS__})

size_t ct_tensor_bytes(const ct_tensor *t);

/* A byte of an image as a number of [-1, 1]. */
static inline float ct_tensor_pixel(unsigned char byte)
{
    return (float)byte / 127.5F - 1.0F;
}

/* The first n of the leading dimension, sharing memory. */
ct_tensor ct_tensor_head(const ct_tensor *t, int64_t n);

/* "f32[2, 3, 32, 32]"; returns out. */
char *ct_tensor_text(const ct_tensor *t, char out[96]);

/* E_SHAPE or E_DTYPE with both shapes in the message unless `t` is dtype[shape]; an extent of -1
 * accepts any. */
csctrl_status ct_tensor_expect(const ct_tensor *t, const char *name, csctrl_dtype dtype, int ndim,
                               const int64_t *shape);

#endif
