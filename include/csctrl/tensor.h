/** @file tensor.h
 * A dense, contiguous, row-major (C order) view of caller-owned memory.
 */
#ifndef CSCTRL_TENSOR_H
#define CSCTRL_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "csctrl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Element types. Values are pinned. */
typedef enum csctrl_dtype {
    CSCTRL_F32 = 0, /**< IEEE 754 binary32 */
    CSCTRL_F64 = 1, /**< IEEE 754 binary64 */
    CSCTRL_U8 = 2,  /**< 0..255 */
    CSCTRL_I64 = 3  /**< two's complement */
} csctrl_dtype;

#define CSCTRL_MAX_DIMS 4

/** A view: the struct is copied freely, the memory behind `data` belongs to whoever allocated it.
 */
typedef struct csctrl_tensor {
    csctrl_dtype dtype;
    int ndim;                       /**< 0..CSCTRL_MAX_DIMS; 0 is a scalar of one element */
    int64_t shape[CSCTRL_MAX_DIMS]; /**< unused trailing entries are 1 */
    void *data;                     /**< aligned to the element size at least */
} csctrl_tensor;

/** View of `data` with the given dtype and shape.
 *
 * @param dtype  Element type.
 * @param ndim   Number of dimensions, 0..CSCTRL_MAX_DIMS; larger values are clamped.
 * @param shape  Borrowed. `ndim` extents, each >= 0.
 * @param data   Kept as is; may be NULL.
 * @return the view. Threading: any thread. Allocates: nothing.
 */
CSCTRL_API csctrl_tensor csctrl_tensor_view(csctrl_dtype dtype, int ndim, const int64_t *shape,
                                            void *data);

/** Number of elements: the product of the extents.
 *
 * @param tensor  Borrowed.
 * @return the count; 1 for a scalar. Threading: any thread. Allocates: nothing.
 */
CSCTRL_API int64_t csctrl_tensor_count(const csctrl_tensor *tensor);

/** Size of one element in bytes; 0 for an unknown dtype. Threading: any thread. */
CSCTRL_API size_t csctrl_dtype_size(csctrl_dtype dtype);

/** Name of a dtype: "f32", "f64", "u8", "i64"; "?" for an unknown one. Threading: any thread. */
CSCTRL_API const char *csctrl_dtype_name(csctrl_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
