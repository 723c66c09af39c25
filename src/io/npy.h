/* npy.h - the header of .npy files, from memory. */
#ifndef CT_IO_NPY_H
#define CT_IO_NPY_H

#include "csctrl/npy.h"
#include "tensor/tensor.h"

/* Read and check the header of a whole file in memory. tensor: dtype and shape, data NULL; the
 * elements stand at data + *offset up to the file's end. `name` is for messages. Errors as
 * csctrl_npy_read. Source: numpy.lib.format. */
csctrl_status ct_npy_parse(const void *data, size_t size, const char *name, ct_tensor *tensor,
                           size_t *offset);

/* The same of the beginning of a file: CT_NPY_START bytes, or all where it has fewer, hold any
 * header. How many elements follow is not looked at, only that memory could address as many as the
 * shape speaks of. */
csctrl_status ct_npy_parse_header(const void *data, size_t size, const char *name,
                                  ct_tensor *tensor, size_t *offset);

enum { CT_NPY_START = 1 << 17, CT_NPY_HEADER_MAX = 256 };

/* Header of a file of the tensor, whose dtype npy knows; returns its length, a multiple of 64,
 * where the elements start. */
size_t ct_npy_header(const ct_tensor *tensor, char out[CT_NPY_HEADER_MAX]);

#endif
