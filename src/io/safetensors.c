/* safetensors.c - tensors by name, read with distrust and written so that equal contents give equal
 * bytes. */
#define _GNU_SOURCE
#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { LENGTH_SIZE = 8, HEADER_MAX = 100000000, ALIGN = 8 };

static const size_t file_max = (size_t)64 << 30;
static const char metadata_key[] = "__metadata__";

static const struct {
    const char *text;
    csctrl_dtype dtype;
} dtypes[] = {{"F32", CSCTRL_F32}, {"F64", CSCTRL_F64}, {"U8", CSCTRL_U8}, {"I64", CSCTRL_I64}};

/* ---- writing */

static json_t *describe(const ct_tensor *t, size_t offset)
{
    const char *dtype = NULL;
    json_t *shape = json_array();

    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (dtypes[i].dtype == t->dtype)
            dtype = dtypes[i].text;
    for (int i = 0; i < t->ndim; i++)
        json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets",
                     (json_int_t)offset, (json_int_t)(offset + ct_tensor_bytes(t)));
}

/* Add under a name that must be new. Takes `value`, which may be NULL (out of memory). */
static csctrl_status add_member(json_t *object, const char *name, json_t *value, const char *path)
{
    if (json_object_get(object, name) != NULL) {
        json_decref(value);
        return ct_fail(CSCTRL_E_INVALID, "%s: expected distinct names, found \"%s\" twice", path,
                       name);
    }
    if (json_object_set_new(object, name, value) == 0)
        return CSCTRL_OK;
    return ct_fail(CSCTRL_E_INVALID,
                   "%s: cannot store \"%s\": expected UTF-8 text (or memory has run out)", path,
                   name);
}

static csctrl_status build_header(json_t *root, const char *path, const ct_named_tensor *tensors,
                                  size_t count, const ct_named_text *metadata,
                                  size_t metadata_count)
{
    size_t offset = 0;

    if (metadata_count > 0) {
        json_t *texts = json_object();
        CT_TRY(add_member(root, metadata_key, texts, path));
        for (size_t i = 0; i < metadata_count; i++)
            CT_TRY(add_member(texts, metadata[i].key, json_string(metadata[i].text), path));
    }
    for (size_t i = 0; i < count; i++) {
        const ct_tensor *t = &tensors[i].value;
        if (strcmp(tensors[i].name, metadata_key) == 0)
            return ct_fail(CSCTRL_E_INVALID, "%s: %s is no name for a tensor", path, metadata_key);
        if (csctrl_dtype_size(t->dtype) == 0 || (t->data == NULL && ct_tensor_bytes(t) > 0))
            return ct_fail(CSCTRL_E_INVALID, "%s: expected data in tensor \"%s\", found none", path,
                           tensors[i].name);
        CT_TRY(add_member(root, tensors[i].name, describe(t, offset), path));
        offset += ct_tensor_bytes(t);
    }
    return CSCTRL_OK;
}

/* Length field and JSON, padded with blanks to a multiple of 8. Owned by the caller (ct_free). */
static csctrl_status make_header(const char *path, const ct_named_tensor *tensors, size_t count,
                                 const ct_named_text *metadata, size_t metadata_count,
                                 unsigned char **out, size_t *size)
{
    json_t *root = json_object();
    char *text = NULL;
    csctrl_status status;

    CT_GOTO(status, build_header(root, path, tensors, count, metadata, metadata_count));
    text = json_dumps(root, JSON_COMPACT);
    const size_t length = text != NULL ? strlen(text) : 0;
    const size_t padded = (length + ALIGN - 1) / ALIGN * ALIGN;
    *size = LENGTH_SIZE + padded;
    *out = text != NULL ? ct_alloc(*size) : NULL;
    if (*out == NULL) {
        status = ct_fail(CSCTRL_E_NOMEM, "%s: out of memory for the header", path);
        goto done;
    }
    for (int i = 0; i < LENGTH_SIZE; i++)
        (*out)[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    memcpy(*out + LENGTH_SIZE, text, length);
    memset(*out + LENGTH_SIZE + length, ' ', padded - length);
done:
    free(text); /* jansson's */
    json_decref(root);
    return status;
}

csctrl_status ct_safetensors_write(const char *path, const ct_named_tensor *tensors, size_t count,
                                   const ct_named_text *metadata, size_t metadata_count)
{
    unsigned char *header = NULL;
    size_t header_size = 0;

    CT_TRY(make_header(path, tensors, count, metadata, metadata_count, &header, &header_size));
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        ct_free(header);
        return ct_fail(CSCTRL_E_IO, "cannot create %s: %s", path, strerror(errno));
    }
    int result = ct_fs_write_all(fd, header, header_size);
    for (size_t i = 0; i < count && result == 0; i++)
        if (ct_tensor_bytes(&tensors[i].value) > 0)
            result = ct_fs_write_all(fd, tensors[i].value.data, ct_tensor_bytes(&tensors[i].value));
    if (result == 0)
        result = fsync(fd);
    const int error = errno;
    const int closed = close(fd);
    ct_free(header);
    if (result != 0 || closed != 0) {
        const int reason = result != 0 ? error : errno;
        unlink(path);
        return ct_fail(CSCTRL_E_IO, "cannot write %s: %s", path, strerror(reason));
    }
    return CSCTRL_OK;
}

/* ---- reading */

typedef struct entry {
    const char *name; /* in the header */
    ct_tensor value;
    uint64_t begin, end; /* in the data part */
    size_t order;        /* in the header: tells empty tensors apart */
    void *copy;          /* of data that would not be aligned; otherwise NULL */
} entry;

struct ct_safetensors {
    unsigned char *file; /* owned when opened by path */
    const char *name;    /* for messages while parsing */
    json_t *header;
    entry *entries; /* by offset */
    size_t count;
};

static csctrl_status fail_tensor(const ct_safetensors *f, const char *tensor, const char *problem)
{
    return ct_fail(CSCTRL_E_FORMAT, "%s: tensor \"%.100s\": %s", f->name, tensor, problem);
}

static csctrl_status read_dtype(const ct_safetensors *f, const json_t *json, entry *e)
{
    const char *text = json_string_value(json);

    if (text == NULL)
        return fail_tensor(f, e->name, "expected a dtype, found none");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].text, text) == 0) {
            e->value.dtype = dtypes[i].dtype;
            return CSCTRL_OK;
        }
    return ct_fail(CSCTRL_E_UNSUPPORTED,
                   "%s: tensor \"%.100s\": expected dtype F32, F64, U8 or I64, found %.20s",
                   f->name, e->name, text);
}

static csctrl_status read_shape(const ct_safetensors *f, const json_t *json, entry *e,
                                uint64_t *bytes)
{
    if (!json_is_array(json) || json_array_size(json) > CSCTRL_MAX_DIMS)
        return fail_tensor(f, e->name, "expected a shape of 0 to 4 extents, found something else");
    e->value.ndim = (int)json_array_size(json);
    *bytes = csctrl_dtype_size(e->value.dtype);
    for (int i = 0; i < e->value.ndim; i++) {
        const json_t *extent = json_array_get(json, (size_t)i);
        if (!json_is_integer(extent) || json_integer_value(extent) < 0)
            return fail_tensor(f, e->name, "expected extents >= 0, found something else");
        e->value.shape[i] = json_integer_value(extent);
        /* Also when an extent is 0: the product of the others must not overflow for a reader. */
        if (__builtin_mul_overflow(*bytes, (uint64_t)(e->value.shape[i] ? e->value.shape[i] : 1),
                                   bytes) ||
            *bytes > INT64_MAX)
            return fail_tensor(f, e->name, "expected a size below 2^63 bytes, found more");
    }
    if (csctrl_tensor_count(&e->value) == 0)
        *bytes = 0;
    return CSCTRL_OK;
}

static csctrl_status read_offsets(const ct_safetensors *f, const json_t *json, entry *e,
                                  uint64_t bytes, uint64_t data_size)
{
    const json_t *begin = json_array_get(json, 0), *end = json_array_get(json, 1);

    if (json_array_size(json) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return fail_tensor(f, e->name, "expected data_offsets [begin, end], found something else");
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (e->end > data_size)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: tensor \"%.100s\" ends at byte %llu of the data, but the file has only "
                       "%llu: it is truncated",
                       f->name, e->name, (unsigned long long)e->end, (unsigned long long)data_size);
    if (e->end - e->begin != bytes)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: tensor \"%.100s\": expected %llu bytes from its shape, found %llu from "
                       "its offsets",
                       f->name, e->name, (unsigned long long)bytes,
                       (unsigned long long)(e->end - e->begin));
    return CSCTRL_OK;
}

static csctrl_status read_entry(const ct_safetensors *f, const char *name, const json_t *json,
                                uint64_t data_size, entry *e)
{
    uint64_t bytes = 0;

    *e = (entry){
        .name = name, .order = f->count, .value = csctrl_tensor_view(CSCTRL_F32, 0, NULL, NULL)};
    if (!json_is_object(json) || json_object_size(json) != 3)
        return fail_tensor(f, name, "expected dtype, shape and data_offsets, found something else");
    CT_TRY(read_dtype(f, json_object_get(json, "dtype"), e));
    CT_TRY(read_shape(f, json_object_get(json, "shape"), e, &bytes));
    return read_offsets(f, json_object_get(json, "data_offsets"), e, bytes, data_size);
}

static csctrl_status check_metadata(const ct_safetensors *f, json_t *json)
{
    const char *key;
    json_t *text;

    if (!json_is_object(json))
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected __metadata__ to be an object", f->name);
    json_object_foreach(json, key, text) if (!json_is_string(text)) return ct_fail(
        CSCTRL_E_FORMAT, "%s: expected text for \"%.100s\" of __metadata__, found something else",
        f->name, key);
    return CSCTRL_OK;
}

static int by_offset(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1; /* empty ones first */
    return (x->order > y->order) - (x->order < y->order);
}

/* The tensors cover the data part from its first to its last byte, each byte once. */
static csctrl_status check_layout(const ct_safetensors *f, uint64_t data_size)
{
    uint64_t covered = 0;

    for (size_t i = 0; i < f->count; i++) {
        const entry *e = &f->entries[i];
        if (e->begin != covered)
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s: tensor \"%.100s\": expected it to begin at byte %llu of the data, "
                           "found %llu: tensors %s",
                           f->name, e->name, (unsigned long long)covered,
                           (unsigned long long)e->begin,
                           e->begin < covered ? "overlap" : "leave a gap");
        covered = e->end;
    }
    if (covered != data_size)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected %llu bytes of data, found %llu: the file is too long", f->name,
                       (unsigned long long)covered, (unsigned long long)data_size);
    return CSCTRL_OK;
}

/* Views into `data`; what is not aligned there is copied. */
static csctrl_status bind_data(ct_safetensors *f, const unsigned char *data)
{
    for (size_t i = 0; i < f->count; i++) {
        entry *e = &f->entries[i];
        const unsigned char *at = data + e->begin;
        const size_t bytes = (size_t)(e->end - e->begin);
        if ((uintptr_t)at % csctrl_dtype_size(e->value.dtype) == 0) {
            memcpy(&e->value.data, &at, sizeof at); /* read-only by contract */
            continue;
        }
        e->copy = ct_alloc(bytes);
        if (e->copy == NULL)
            return CSCTRL_E_NOMEM;
        memcpy(e->copy, at, bytes);
        e->value.data = e->copy;
    }
    return CSCTRL_OK;
}

static csctrl_status parse(ct_safetensors *f, const unsigned char *data, size_t size)
{
    uint64_t length = 0;
    json_error_t error;
    const char *key;
    json_t *json;

    if (size < LENGTH_SIZE)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected a safetensors file of at least %d bytes, found %zu", f->name,
                       LENGTH_SIZE, size);
    for (int i = 0; i < LENGTH_SIZE; i++)
        length |= (uint64_t)data[i] << (8 * i);
    if (length > HEADER_MAX || length > size - LENGTH_SIZE)
        return ct_fail(
            CSCTRL_E_FORMAT,
            "%s: not a safetensors file: expected a header of at most %zu bytes (and %d), found a "
            "length of %llu",
            f->name, size - LENGTH_SIZE, HEADER_MAX, (unsigned long long)length);
    f->header = json_loadb((const char *)data + LENGTH_SIZE, (size_t)length, JSON_REJECT_DUPLICATES,
                           &error);
    if (f->header == NULL || !json_is_object(f->header))
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected a JSON object as header, found: %.100s",
                       f->name, f->header == NULL ? error.text : "other JSON");
    f->entries = ct_calloc(json_object_size(f->header), sizeof *f->entries);
    if (f->entries == NULL)
        return CSCTRL_E_NOMEM;
    const uint64_t data_size = size - LENGTH_SIZE - length;
    json_object_foreach(f->header, key, json)
    {
        if (strcmp(key, metadata_key) == 0) {
            CT_TRY(check_metadata(f, json));
            continue;
        }
        CT_TRY(read_entry(f, key, json, data_size, &f->entries[f->count]));
        f->count++;
    }
    if (f->count > 1)
        qsort(f->entries, f->count, sizeof *f->entries, by_offset);
    CT_TRY(check_layout(f, data_size));
    return bind_data(f, data + LENGTH_SIZE + length);
}

csctrl_status ct_safetensors_parse(ct_safetensors **out, const void *data, size_t size,
                                   const char *name)
{
    ct_safetensors *f = ct_calloc(1, sizeof *f);

    *out = NULL;
    if (f == NULL)
        return CSCTRL_E_NOMEM;
    f->name = name;
    const csctrl_status status = parse(f, data, size);
    if (status != CSCTRL_OK) {
        ct_safetensors_close(&f);
        return status;
    }
    f->name = NULL;
    *out = f;
    return CSCTRL_OK;
}

csctrl_status ct_safetensors_open(ct_safetensors **out, const char *path)
{
    unsigned char *file;
    size_t size;

    *out = NULL;
    CT_TRY(ct_fs_read(path, file_max, &file, &size));
    const csctrl_status status = ct_safetensors_parse(out, file, size, path);
    if (status == CSCTRL_OK)
        (*out)->file = file;
    else
        ct_free(file);
    return status;
}

void ct_safetensors_close(ct_safetensors **file)
{
    if (file == NULL || *file == NULL)
        return;
    ct_safetensors *f = *file;
    for (size_t i = 0; i < f->count; i++)
        ct_free(f->entries[i].copy);
    ct_free(f->entries);
    json_decref(f->header);
    ct_free(f->file);
    ct_free(f);
    *file = NULL;
}

size_t ct_safetensors_count(const ct_safetensors *file)
{
    return file->count;
}

const char *ct_safetensors_name(const ct_safetensors *file, size_t index)
{
    return file->entries[index].name;
}

ct_tensor ct_safetensors_at(const ct_safetensors *file, size_t index)
{
    return file->entries[index].value;
}

csctrl_status ct_safetensors_find(const ct_safetensors *file, const char *name, ct_tensor *tensor)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0) {
            *tensor = file->entries[i].value;
            return CSCTRL_OK;
        }
    return ct_fail(CSCTRL_E_NOT_FOUND, "expected a tensor \"%s\", found none of that name", name);
}

const char *ct_safetensors_metadata(const ct_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, metadata_key), key));
}
