/* fs.c - POSIX files with one write loop, so that a full disk can be rehearsed. */
#define _GNU_SOURCE
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static atomic_uint_fast64_t fail_writes_from;

void ct_fs_fail_writes_from(uint64_t n)
{
    atomic_store(&fail_writes_from, n);
}

static bool write_must_fail(void)
{
    const uint_fast64_t left = atomic_load(&fail_writes_from);

    if (left > 1)
        atomic_fetch_sub(&fail_writes_from, 1);
    return left == 1;
}

int ct_fs_write_all(int fd, const void *data, size_t size)
{
    const unsigned char *at = data;

    if (write_must_fail()) {
        errno = ENOSPC;
        return -1;
    }
    while (size > 0) {
        const ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static csctrl_status fail_errno(const char *action, const char *path)
{
    const int error = errno;

    return ct_fail(error == ENOENT ? CSCTRL_E_NOT_FOUND : CSCTRL_E_IO, "cannot %s %s: %s", action,
                   path, strerror(error));
}

char *ct_path_join(const char *dir, const char *name)
{
    const size_t length = strlen(dir) + strlen(name) + 2;
    char *path = ct_alloc(length);

    if (path != NULL)
        snprintf(path, length, "%s%s%s", dir,
                 dir[0] != '\0' && dir[strlen(dir) - 1] == '/' ? "" : "/", name);
    return path;
}

bool ct_fs_exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

bool ct_fs_is_dir(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

csctrl_status ct_fs_size(const char *path, int64_t *bytes)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return fail_errno("open", path);
    *bytes = (int64_t)info.st_size;
    return CSCTRL_OK;
}

static csctrl_status fail_too_large(const char *path, size_t limit)
{
    return ct_fail(CSCTRL_E_FORMAT, "%s: larger than the %zu bytes expected at most", path, limit);
}

static csctrl_status read_all(int fd, const char *path, size_t limit, unsigned char **data,
                              size_t *size)
{
    size_t capacity = 1 << 16, length = 0;
    struct stat info;

    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        if ((uint64_t)info.st_size > limit)
            return fail_too_large(path, limit);
        capacity =
            (size_t)info.st_size + 2; /* one more than needed: the end is seen without growing */
    }
    unsigned char *block = ct_alloc(capacity);
    if (block == NULL)
        return CSCTRL_E_NOMEM;
    for (;;) {
        const ssize_t n = read(fd, block + length, capacity - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            ct_free(block);
            return fail_errno("read", path);
        }
        if (n == 0)
            break;
        length += (size_t)n;
        if (length > limit) {
            ct_free(block);
            return fail_too_large(path, limit);
        }
        if (length + 1 == capacity) {
            unsigned char *more = ct_realloc(block, 2 * capacity);
            if (more == NULL) {
                ct_free(block);
                return CSCTRL_E_NOMEM;
            }
            block = more;
            capacity *= 2;
        }
    }
    block[length] = 0;
    *data = block;
    *size = length;
    return CSCTRL_OK;
}

csctrl_status ct_fs_read(const char *path, size_t limit, unsigned char **data, size_t *size)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    *data = NULL;
    *size = 0;
    if (fd < 0)
        return fail_errno("open", path);
    const csctrl_status status = read_all(fd, path, limit, data, size);
    close(fd);
    return status;
}

/* A new file beside `path`, named in `temporary` (strlen(path) + 8 bytes), with the permissions of
 * any new file: mkostemp() would withhold it from group and others. -1 with errno. */
static int create_beside(const char *path, char *temporary, size_t length)
{
    static atomic_uint calls;
    int fd = -1;

    do { /* a name may be left from a process that was killed */
        const unsigned number = (unsigned)getpid() * 251u + atomic_fetch_add(&calls, 1);
        snprintf(temporary, length, "%s.%06x", path, number & 0xffffffu);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EEXIST);
    return fd;
}

csctrl_status ct_fs_write_atomic(const char *path, const void *data, size_t size)
{
    const size_t length = strlen(path) + 8;
    char *temporary = ct_alloc(length);

    if (temporary == NULL)
        return CSCTRL_E_NOMEM;
    const int fd = create_beside(path, temporary, length);
    csctrl_status status = CSCTRL_OK;
    if (fd < 0) {
        status = fail_errno("create", path);
        goto done;
    }
    if (ct_fs_write_all(fd, data, size) != 0 || fsync(fd) != 0)
        status = fail_errno("write", path);
    if (close(fd) != 0 && status == CSCTRL_OK)
        status = fail_errno("close", path);
    if (status == CSCTRL_OK && rename(temporary, path) != 0)
        status = fail_errno("rename to", path);
    if (status != CSCTRL_OK)
        unlink(temporary);
done:
    ct_free(temporary);
    return status;
}

csctrl_status ct_fs_mkdir(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return fail_errno("create directory", path);
    if (!ct_fs_is_dir(path))
        return ct_fail(CSCTRL_E_IO, "cannot create directory %s: a file of that name is in the way",
                       path);
    return CSCTRL_OK;
}

csctrl_status ct_fs_mkdirs(const char *path)
{
    char *copy = ct_strdup(path);
    csctrl_status status = CSCTRL_OK;

    if (copy == NULL)
        return CSCTRL_E_NOMEM;
    for (char *slash = strchr(copy + (copy[0] == '/'), '/'); slash != NULL && status == CSCTRL_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = ct_fs_mkdir(copy);
        *slash = '/';
    }
    if (status == CSCTRL_OK)
        status = ct_fs_mkdir(copy);
    ct_free(copy);
    return status;
}

csctrl_status ct_fs_sync_dir(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fail_errno("open directory", path);
    const int result = fsync(fd);
    close(fd);
    return result == 0 ? CSCTRL_OK : fail_errno("flush directory", path);
}

csctrl_status ct_fs_remove_tree(const char *path)
{
    struct stat info;

    if (lstat(path, &info) != 0)
        return errno == ENOENT ? CSCTRL_OK : fail_errno("remove", path);
    if (!S_ISDIR(info.st_mode))
        return unlink(path) == 0 ? CSCTRL_OK : fail_errno("remove", path);
    ct_name_list list;
    CT_TRY(ct_fs_list(path, &list));
    csctrl_status status = CSCTRL_OK;
    for (size_t i = 0; i < list.count && status == CSCTRL_OK; i++)
        status = ct_fs_remove_in(path, list.names[i]);
    ct_fs_list_free(&list);
    if (status == CSCTRL_OK && rmdir(path) != 0)
        status = fail_errno("remove directory", path);
    return status;
}

csctrl_status ct_fs_remove_in(const char *folder, const char *name)
{
    char *path = ct_path_join(folder, name);
    const csctrl_status status = path != NULL ? ct_fs_remove_tree(path) : CSCTRL_E_NOMEM;

    ct_free(path);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static csctrl_status append_name(ct_name_list *list, const char *name)
{
    if ((list->count & (list->count - 1)) == 0) { /* full at 0, 1, 2, 4, 8 ... */
        char **names = ct_realloc(list->names, (list->count ? 2 * list->count : 1) * sizeof *names);
        if (names == NULL)
            return CSCTRL_E_NOMEM;
        list->names = names;
    }
    char *copy = ct_strdup(name);
    if (copy == NULL)
        return CSCTRL_E_NOMEM;
    list->names[list->count++] = copy;
    return CSCTRL_OK;
}

csctrl_status ct_fs_list(const char *path, ct_name_list *list)
{
    DIR *dir = opendir(path);
    csctrl_status status = CSCTRL_OK;

    *list = (ct_name_list){0};
    if (dir == NULL)
        return fail_errno("open directory", path);
    for (struct dirent *entry; status == CSCTRL_OK && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = append_name(list, entry->d_name);
    closedir(dir);
    if (status != CSCTRL_OK) {
        ct_fs_list_free(list);
        return status;
    }
    if (list->count > 1)
        qsort(list->names, list->count, sizeof *list->names, by_name);
    return CSCTRL_OK;
}

void ct_fs_list_free(ct_name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        ct_free(list->names[i]);
    ct_free(list->names);
    *list = (ct_name_list){0};
}
