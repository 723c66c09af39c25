/** @file npy.h
 * NumPy .npy files (format 1.0 to 3.0, C order, little endian).
 */
#ifndef CSCTRL_NPY_H
#define CSCTRL_NPY_H

#include "csctrl/status.h"
#include "csctrl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Write a tensor. @return CSCTRL_OK; CSCTRL_E_INVALID (no data); CSCTRL_E_NOT_FOUND (no such
 * folder); CSCTRL_E_IO (the target is unchanged); CSCTRL_E_NOMEM. Threading: any thread. */
CSCTRL_API csctrl_status csctrl_npy_write(const char *path, const csctrl_tensor *tensor);

/** Read a tensor of f4, f8, u1 or i8 with at most CSCTRL_MAX_DIMS dimensions.
 *
 * @param tensor  Written. `data` is owned by the caller: release with csctrl_npy_free().
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT (truncated, over-long, a
 * header that lies); CSCTRL_E_UNSUPPORTED (dtype, Fortran order); CSCTRL_E_NOMEM. On error data is
 * NULL.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_npy_read(const char *path, csctrl_tensor *tensor);

/** Release what csctrl_npy_read() gave. @param tensor May be NULL; data becomes NULL. Threading: no
 * other call on it at the same time. */
CSCTRL_API void csctrl_npy_free(csctrl_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
