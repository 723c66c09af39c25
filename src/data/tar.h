/* tar.h - members of a .tar or .tar.gz, one after the other. */
#ifndef CT_DATA_TAR_H
#define CT_DATA_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct ct_tar ct_tar;

typedef struct ct_tar_entry {
    const char *name; /* as in the archive, valid until the next call; NULL at the end */
    bool is_dir;      /* otherwise a regular file: links and devices are passed over */
} ct_tar_entry;

typedef struct ct_tar_bytes {
    const uint8_t *data;
    size_t size;
    bool mapped; /* data lies in the file's map: valid until close; otherwise until the next call */
} ct_tar_bytes;

/* The file is mapped, so that members of an uncompressed archive need no copy. E_NOT_FOUND, E_IO,
 * E_FORMAT when it is neither tar nor gzip. */
csctrl_status ct_tar_open(ct_tar **out, const char *path);
/* From memory, borrowed until close. */
csctrl_status ct_tar_open_memory(ct_tar **out, const void *data, size_t size, const char *name);
void ct_tar_close(ct_tar **tar);

/* Next directory or regular file. E_FORMAT: the archive is broken here. */
csctrl_status ct_tar_next(ct_tar *tar, ct_tar_entry *entry);

/* Contents of the present file. What the header says of its size is not believed. E_UNSUPPORTED:
 * this member is sparse or larger than `limit`, the next can be read; E_FORMAT: the archive is
 * broken; E_NOMEM. */
csctrl_status ct_tar_read(ct_tar *tar, size_t limit, ct_tar_bytes *bytes);

/* No more members are wanted: only the map is kept. */
void ct_tar_finish(ct_tar *tar);

/* The library behind it and its version. */
void ct_tar_report(void (*fact)(void *user, const char *key, const char *value), void *user);

#endif
