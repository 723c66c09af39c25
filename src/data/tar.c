/* tar.c - libarchive over a mapped file. */
#define _GNU_SOURCE
#include "data/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct ct_tar {
    struct archive *archive;
    char *name;
    const uint8_t *map;
    size_t size;
    bool own_map;
    uint8_t *buffer; /* contents of the present member when it had to be copied */
    size_t room;
};

static csctrl_status fail_archive(const ct_tar *tar)
{
    const char *text = archive_error_string(tar->archive);

    if (archive_errno(tar->archive) == ENOMEM)
        return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libarchive", tar->name);
    /* EILSEQ: what libarchive says of a format that it does not know. */
    if (archive_errno(tar->archive) == EILSEQ && archive_format(tar->archive) == 0)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: not a tar or tar.gz archive; only those and folders are read",
                       tar->name);
    const long long at = (long long)archive_filter_bytes(tar->archive, -1);
    char place[40] = ""; /* the gzip filter does not always know where it is */
    if (at >= 0)
        snprintf(place, sizeof place, " near byte %lld", at);
    return ct_fail(CSCTRL_E_FORMAT, "%s: the archive is broken%s: %s; get or make the file anew",
                   tar->name, place, text != NULL ? text : "unknown reason");
}

csctrl_status ct_tar_open_memory(ct_tar **out, const void *data, size_t size, const char *name)
{
    ct_tar *tar = ct_calloc(1, sizeof *tar);
    csctrl_status status = CSCTRL_E_NOMEM;

    *out = NULL;
    if (tar == NULL)
        return CSCTRL_E_NOMEM;
    tar->map = data;
    tar->size = size;
    tar->name = ct_strdup(name);
    if (tar->name == NULL)
        goto done;
    tar->archive = archive_read_new();
    if (tar->archive == NULL) {
        ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libarchive", name);
        goto done;
    }
    archive_read_support_format_tar(tar->archive);
    archive_read_support_filter_gzip(tar->archive);
    /* Names are bytes here; conversion by the locale could lose some. */
    archive_read_set_options(tar->archive, "hdrcharset=BINARY");
    status = CSCTRL_OK;
    if (archive_read_open_memory(tar->archive, data, size) < ARCHIVE_WARN)
        status = fail_archive(tar);
done:
    if (status != CSCTRL_OK)
        ct_tar_close(&tar);
    *out = tar;
    return status;
}

csctrl_status ct_tar_open(ct_tar **out, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    void *map = NULL;
    struct stat info;

    *out = NULL;
    if (fd < 0)
        return ct_fail(errno == ENOENT ? CSCTRL_E_NOT_FOUND : CSCTRL_E_IO, "cannot open %s: %s",
                       path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
        close(fd);
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected a folder, a .tar or a .tar.gz, found %s",
                       path, S_ISREG(info.st_mode) ? "an empty file" : "something else");
    }
    map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return ct_fail(CSCTRL_E_IO, "cannot map %s: %s", path, strerror(errno));
    const csctrl_status status = ct_tar_open_memory(out, map, (size_t)info.st_size, path);
    if (status != CSCTRL_OK)
        munmap(map, (size_t)info.st_size);
    else
        (*out)->own_map = true;
    return status;
}

void ct_tar_finish(ct_tar *tar)
{
    if (tar->archive != NULL)
        archive_read_free(tar->archive);
    tar->archive = NULL;
    ct_free(tar->buffer);
    tar->buffer = NULL;
    tar->room = 0;
}

void ct_tar_close(ct_tar **tar)
{
    ct_tar *t = *tar;

    *tar = NULL;
    if (t == NULL)
        return;
    ct_tar_finish(t);
    if (t->own_map) {
        union {
            const uint8_t *borrowed;
            void *own;
        } map = {.borrowed = t->map};
        munmap(map.own, t->size);
    }
    ct_free(t->name);
    ct_free(t);
}

csctrl_status ct_tar_next(ct_tar *tar, ct_tar_entry *entry)
{
    struct archive_entry *e;

    *entry = (ct_tar_entry){0};
    for (;;) {
        const int code = archive_read_next_header(tar->archive, &e);
        if (code == ARCHIVE_EOF)
            return CSCTRL_OK;
        if (code < ARCHIVE_WARN)
            return fail_archive(tar);
        const char *name = archive_entry_pathname(e);
        const bool link = archive_entry_hardlink(e) != NULL || archive_entry_symlink(e) != NULL;
        const bool dir = archive_entry_filetype(e) == AE_IFDIR;
        if (name == NULL || link || (!dir && archive_entry_filetype(e) != AE_IFREG))
            continue;
        *entry = (ct_tar_entry){.name = name, .is_dir = dir};
        return CSCTRL_OK;
    }
}

static csctrl_status append(ct_tar *tar, size_t length, const void *data, size_t size)
{
    if (length + size > tar->room) {
        const size_t room = 2 * (length + size) + 4096;
        uint8_t *more = ct_realloc(tar->buffer, room);
        if (more == NULL)
            return CSCTRL_E_NOMEM;
        tar->buffer = more;
        tar->room = room;
    }
    memcpy(tar->buffer + length, data, size);
    return CSCTRL_OK;
}

csctrl_status ct_tar_read(ct_tar *tar, size_t limit, ct_tar_bytes *bytes)
{
    size_t blocks = 0;

    *bytes = (ct_tar_bytes){.data = tar->map};
    for (;;) {
        const void *data = NULL;
        size_t size = 0;
        la_int64_t offset = 0;
        const int code = archive_read_data_block(tar->archive, &data, &size, &offset);
        if (code == ARCHIVE_EOF)
            return CSCTRL_OK;
        if (code < ARCHIVE_WARN)
            return fail_archive(tar);
        if (size == 0)
            continue;
        if (offset < 0 || (uint64_t)offset != bytes->size || size > limit - bytes->size)
            return ct_fail(CSCTRL_E_UNSUPPORTED, "%s",
                           size > limit - bytes->size ? "the member is too large"
                                                      : "the member is sparse");
        const uintptr_t at = (uintptr_t)data, map = (uintptr_t)tar->map;
        bytes->mapped =
            blocks == 0 && at >= map && at < map + tar->size && size <= map + tar->size - at;
        if (bytes->mapped) {
            bytes->data = data;
        } else {
            /* A first block in the map is copied only when a second one follows. */
            if (blocks == 1)
                CT_TRY(append(tar, 0, bytes->data, bytes->size));
            CT_TRY(append(tar, bytes->size, data, size));
            bytes->data = tar->buffer;
        }
        bytes->size += size;
        blocks++;
    }
}

void ct_tar_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    char text[64];

    snprintf(text, sizeof text, "%d.%d.%d", ARCHIVE_VERSION_NUMBER / 1000000,
             ARCHIVE_VERSION_NUMBER / 1000 % 1000, ARCHIVE_VERSION_NUMBER % 1000);
    fact(user, "libarchive", text);
}
