/* fs.h - files and directories: whole-file reads, atomic replacement, durable directories. */
#ifndef CT_BASE_FS_H
#define CT_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* "a/b" from its parts; owned (ct_free), NULL when out of memory. */
char *ct_path_join(const char *dir, const char *name);

bool ct_fs_exists(const char *path);
bool ct_fs_is_dir(const char *path);

/* Size in bytes. E_NOT_FOUND or E_IO. */
csctrl_status ct_fs_size(const char *path, int64_t *bytes);

/* Whole file plus a terminating zero byte; owned (ct_free). Larger than `limit`: E_FORMAT. */
csctrl_status ct_fs_read(const char *path, size_t limit, unsigned char **data, size_t *size);

/* Write to a temporary file beside `path`, fsync, rename: either the old file or the whole new one.
 */
csctrl_status ct_fs_write_atomic(const char *path, const void *data, size_t size);

/* Create one directory (fine when it exists) or all of a path. */
csctrl_status ct_fs_mkdir(const char *path);
csctrl_status ct_fs_mkdirs(const char *path);

/* Flush a directory's entries to disk. */
csctrl_status ct_fs_sync_dir(const char *path);

/* Delete a file, or a directory with all it holds; missing is fine. */
csctrl_status ct_fs_remove_tree(const char *path);
csctrl_status ct_fs_remove_in(const char *folder, const char *name);

/* Names (without . and ..) sorted bytewise; owned: ct_fs_list_free. */
typedef struct ct_name_list {
    char **names;
    size_t count;
} ct_name_list;
csctrl_status ct_fs_list(const char *path, ct_name_list *list);
void ct_fs_list_free(ct_name_list *list);

/* Tests only: the n-th write call from now (1 = next) and all after it fail with ENOSPC; 0 switches
 * that off. */
void ct_fs_fail_writes_from(uint64_t n);

/* The one write loop of the library: handles short writes and EINTR, honours
 * ct_fs_fail_writes_from. 0 or -1 with errno. */
int ct_fs_write_all(int fd, const void *data, size_t size);

#endif
