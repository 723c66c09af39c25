/* idx.h - the IDX format of the MNIST family: big-endian header, then unsigned bytes. */
#ifndef CT_DATA_IDX_H
#define CT_DATA_IDX_H

#include <stdbool.h>

#include "base/error.h"
#include "csctrl/data.h"

typedef struct ct_idx {
    int64_t shape[3]; /* images, rows, columns; of a label file only shape[0] counts */
    size_t header;    /* bytes before the values */
    size_t bytes;     /* of the whole file, by its header */
} ct_idx;

/* Check the header of a file of unsigned bytes with `ndim` (1 or 3) dimensions; `size` bytes of it
 * are at hand. E_FORMAT. */
csctrl_status ct_idx_header(const uint8_t *data, size_t size, const char *name, int ndim,
                            ct_idx *out);

/* The same for a whole file: its size has to be what the header says. */
csctrl_status ct_idx_parse(const uint8_t *data, size_t size, const char *name, int ndim,
                           ct_idx *out);

/* Does a file name end in train-images-idx3-ubyte or t10k-images-idx3-ubyte (also test-, .idx3,
 * .gz)? */
bool ct_idx_images_name(const char *name, csctrl_split *part);

#endif
