/* npz.c - zip by libarchive, arrays by npy.c. */
#include "io/npz.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csctrl/npy.h"
#include "io/npy.h"

enum { CHUNK = 1 << 20 };

static const size_t file_max = (size_t)16 << 30, array_max = (size_t)16 << 30;

static csctrl_status fail_archive(struct archive *a, const char *path)
{
    const char *text = archive_error_string(a);

    if (archive_errno(a) == ENOMEM)
        return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libarchive", path);
    return ct_fail(CSCTRL_E_FORMAT, "%s: expected an .npz file (a zip of .npy arrays), found %s",
                   path, text != NULL ? text : "something else");
}

/* ---- reading */

/* What was read of the present entry. */
typedef struct contents {
    unsigned char *data; /* owned */
    size_t size, room;
} contents;

/* More of the entry until `want` bytes are there or it ends. Room grows as bytes come: what any
 * header says of the size is not believed. */
static csctrl_status read_until(struct archive *a, const char *path, size_t want, contents *c)
{
    while (c->size < want) {
        if (c->size == c->room) {
            const size_t more = 2 * c->room + CHUNK, room = more < want ? more : want;
            unsigned char *data = ct_realloc(c->data, room);
            if (data == NULL)
                return CSCTRL_E_NOMEM;
            c->data = data;
            c->room = room;
        }
        const la_ssize_t got = archive_read_data(a, c->data + c->size, c->room - c->size);
        if (got < 0)
            return fail_archive(a, path);
        if (got == 0)
            break;
        c->size += (size_t)got;
    }
    return CSCTRL_OK;
}

static csctrl_status expect_possible(const ct_npz_item *item, const ct_tensor *t)
{
    char shape[96];

    if (item->most > 0 && csctrl_tensor_count(t) > item->most)
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected at most %lld numbers, found %s", item->name,
                       (long long)item->most, ct_tensor_text(t, shape));
    if (ct_tensor_bytes(t) > array_max)
        return ct_fail(CSCTRL_E_FORMAT, "%s: an array is larger than 16 GiB", item->name);
    return CSCTRL_OK;
}

/* The header is looked at before the elements are read, and no more of them than it speaks of, but
 * for one byte that tells a longer entry: a few compressed bytes could become any number. */
static csctrl_status read_array(struct archive *a, const char *path, ct_npz_item *item, contents *c,
                                size_t *offset)
{
    ct_tensor t;

    CT_TRY(read_until(a, path, CT_NPY_START, c));
    CT_TRY(ct_npy_parse_header(c->data, c->size, item->name, &t, offset));
    CT_TRY(expect_possible(item, &t));
    CT_TRY(read_until(a, path, *offset + ct_tensor_bytes(&t) + 1, c));
    if (c->size > *offset + ct_tensor_bytes(&t))
        c->size = *offset + ct_tensor_bytes(&t) + 1;
    return ct_npy_parse(c->data, c->size, item->name, &item->value, offset);
}

static csctrl_status read_item(struct archive *a, const char *path, ct_npz_item *item)
{
    contents c = {.data = NULL};
    size_t offset = 0;
    const csctrl_status st = read_array(a, path, item, &c, &offset);

    if (st != CSCTRL_OK) {
        ct_free(c.data);
        item->value.data = NULL;
        return st == CSCTRL_E_NOMEM ? st : ct_fail_context(st, "%s", path);
    }
    memmove(c.data, c.data + offset, c.size - offset);
    item->value.data = c.data;
    return CSCTRL_OK;
}

static ct_npz_item *item_of(ct_npz_item *items, size_t count, const char *name)
{
    for (size_t i = 0; name != NULL && i < count; i++) {
        const size_t length = strlen(items[i].name);
        if (strncmp(name, items[i].name, length) == 0 && strcmp(name + length, ".npy") == 0)
            return &items[i];
    }
    return NULL;
}

static csctrl_status read_items(struct archive *a, const char *path, ct_npz_item *items,
                                size_t count)
{
    for (;;) {
        struct archive_entry *entry;
        const int code = archive_read_next_header(a, &entry);

        if (code == ARCHIVE_EOF)
            break;
        if (code < ARCHIVE_WARN)
            return fail_archive(a, path);
        ct_npz_item *item = item_of(items, count, archive_entry_pathname(entry));
        if (item != NULL && item->value.data == NULL) {
            const csctrl_status st = read_item(a, path, item);
            if (st == CSCTRL_E_UNSUPPORTED && item->optional)
                continue;
            CT_TRY(st);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (items[i].value.data == NULL && !items[i].optional)
            return ct_fail(CSCTRL_E_FORMAT, "%s: expected an array \"%s\", found none", path,
                           items[i].name);
    return CSCTRL_OK;
}

csctrl_status ct_npz_parse(const void *data, size_t size, const char *name, ct_npz_item *items,
                           size_t count)
{
    struct archive *a = archive_read_new();
    csctrl_status st;

    for (size_t i = 0; i < count; i++)
        items[i].value = csctrl_tensor_view(CSCTRL_F64, 0, NULL, NULL);
    if (a == NULL)
        CT_GOTO(st, ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libarchive", name));
    archive_read_support_format_zip_seekable(a);
    if (archive_read_open_memory(a, data, size) < ARCHIVE_WARN)
        CT_GOTO(st, fail_archive(a, name));
    st = read_items(a, name, items, count);
done:
    if (a != NULL)
        archive_read_free(a);
    for (size_t i = 0; i < count && st != CSCTRL_OK; i++)
        csctrl_npy_free(&items[i].value);
    return st;
}

csctrl_status ct_npz_read(const char *path, ct_npz_item *items, size_t count)
{
    unsigned char *file = NULL;
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        items[i].value = csctrl_tensor_view(CSCTRL_F64, 0, NULL, NULL);
    CT_TRY(ct_fs_read(path, file_max, &file, &size));
    const csctrl_status status = ct_npz_parse(file, size, path, items, count);
    ct_free(file);
    return status;
}

/* ---- writing */

static csctrl_status add_array(struct archive *a, const char *path, const ct_named_tensor *array)
{
    struct archive_entry *entry = archive_entry_new();
    char header[CT_NPY_HEADER_MAX];
    const size_t start = ct_npy_header(&array->value, header);
    const size_t bytes = ct_tensor_bytes(&array->value);
    csctrl_status st = CSCTRL_OK;

    if (entry == NULL)
        return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libarchive", path);
    archive_entry_set_pathname(entry, array->name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 0, 0);
    archive_entry_set_size(entry, (la_int64_t)(start + bytes));
    if (archive_write_header(a, entry) < ARCHIVE_WARN ||
        archive_write_data(a, header, start) != (la_ssize_t)start ||
        (bytes > 0 && archive_write_data(a, array->value.data, bytes) != (la_ssize_t)bytes))
        st = ct_fail(CSCTRL_E_IO, "cannot make %s: %s", path, archive_error_string(a));
    archive_entry_free(entry);
    return st;
}

csctrl_status ct_npz_write(const char *path, const ct_named_tensor *arrays, size_t count)
{
    size_t room = CHUNK, used = 0;
    unsigned char *file = NULL;
    struct archive *a = archive_write_new();
    csctrl_status st;

    if (a == NULL)
        CT_GOTO(st, ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libarchive", path));
    for (size_t i = 0; i < count; i++)
        room += ct_tensor_bytes(&arrays[i].value);
    file = ct_alloc(room);
    CT_GOTO(st, file != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    archive_write_set_format_zip(a);
    archive_write_zip_set_compression_store(a);
    if (archive_write_open_memory(a, file, room, &used) < ARCHIVE_WARN)
        CT_GOTO(st, ct_fail(CSCTRL_E_IO, "cannot make %s: %s", path, archive_error_string(a)));
    for (size_t i = 0; i < count; i++)
        CT_GOTO(st, add_array(a, path, &arrays[i]));
    if (archive_write_close(a) < ARCHIVE_WARN)
        CT_GOTO(st, ct_fail(CSCTRL_E_IO, "cannot make %s: %s", path, archive_error_string(a)));
    st = ct_fs_write_atomic(path, file, used);
done:
    if (a != NULL)
        archive_write_free(a);
    ct_free(file);
    return st;
}
