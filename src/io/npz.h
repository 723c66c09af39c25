/* npz.h - NumPy's .npz: a zip of .npy files. */
#ifndef CT_IO_NPZ_H
#define CT_IO_NPZ_H

#include "io/safetensors.h"

/* One array that is wanted. */
typedef struct ct_npz_item {
    const char *name; /* without ".npy" */
    bool optional;
    int64_t most;    /* of its elements; 0: as many as 16 GiB hold */
    ct_tensor value; /* written: data owned (csctrl_npy_free), NULL for an optional one not there */
} ct_npz_item;

/* Read the items, stored or deflated; other arrays are passed over. E_NOT_FOUND, E_IO, E_FORMAT (no
 * zip, broken, an item missing), E_UNSUPPORTED (an element type; built without archives), E_NOMEM.
 * On error all data are NULL. */
csctrl_status ct_npz_read(const char *path, ct_npz_item *items, size_t count);

/* The same from memory; `name` is for messages. */
csctrl_status ct_npz_parse(const void *data, size_t size, const char *name, ct_npz_item *items,
                           size_t count);

/* Write arrays, uncompressed; names end in ".npy". Equal arrays give equal bytes. Either the old
 * file stays or the new one is whole. */
csctrl_status ct_npz_write(const char *path, const ct_named_tensor *arrays, size_t count);

#endif
