/* npy.c - NumPy's format: magic, version, a Python dict as text, raw elements. */
#include "io/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

enum { MAGIC_SIZE = 6, ALIGN = 64, HEADER_MAX = 1 << 16 };

static const char magic[MAGIC_SIZE] = "\x93NUMPY";
static const size_t file_max = (size_t)64 << 30;

static const struct {
    const char *text;
    csctrl_dtype dtype;
} dtypes[] = {{"<f4", CSCTRL_F32}, {"<f8", CSCTRL_F64}, {"|u1", CSCTRL_U8}, {"<i8", CSCTRL_I64}};

/* ---- the dict: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } in any order */

typedef struct cursor {
    const char *at, *end;
    const char *name;
} cursor;

typedef struct fields {
    bool descr, order, shape; /* seen */
} fields;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* Take `text` after blanks. */
static bool accept(cursor *c, const char *text)
{
    const size_t length = strlen(text);

    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}

static csctrl_status fail_header(const cursor *c, const char *expected)
{
    return ct_fail(CSCTRL_E_FORMAT, "%s: expected %s in the npy header, found \"%.*s\"", c->name,
                   expected, c->end - c->at < 20 ? (int)(c->end - c->at) : 20, c->at);
}

/* A quoted word of up to 31 printable characters. */
static csctrl_status read_word(cursor *c, char word[32])
{
    size_t n = 0;

    skip_space(c);
    const char quote = c->at < c->end ? *c->at : '\0';
    if (quote != '\'' && quote != '"')
        return fail_header(c, "a quoted word");
    const char *from = c->at + 1;
    while (from + n < c->end && n < 31 && from[n] != quote && from[n] >= ' ' && from[n] < 127) {
        word[n] = from[n];
        n++;
    }
    word[n] = '\0';
    if (from + n == c->end || from[n] != quote)
        return fail_header(c, "a quoted word");
    c->at = from + n + 1;
    return CSCTRL_OK;
}

static csctrl_status read_descr(cursor *c, ct_tensor *t)
{
    char word[32];

    if (accept(c, "["))
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "%s: expected numbers, found records; save one field as float32", c->name);
    CT_TRY(read_word(c, word));
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(word, dtypes[i].text) == 0) {
            t->dtype = dtypes[i].dtype;
            return CSCTRL_OK;
        }
    return ct_fail(CSCTRL_E_UNSUPPORTED,
                   "%s: expected dtype <f4, <f8, |u1 or <i8, found %s; convert it to float32",
                   c->name, word);
}

static csctrl_status read_order(cursor *c)
{
    if (accept(c, "False"))
        return CSCTRL_OK;
    if (!accept(c, "True"))
        return fail_header(c, "True or False");
    return ct_fail(CSCTRL_E_UNSUPPORTED,
                   "%s: expected C order, found Fortran order; save numpy.ascontiguousarray(a)",
                   c->name);
}

static csctrl_status read_extent(cursor *c, int64_t *extent)
{
    const char *from;

    skip_space(c);
    *extent = 0;
    for (from = c->at; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (*extent > (INT64_MAX - 9) / 10)
            return fail_header(c, "an extent below 2^63");
        *extent = *extent * 10 + (*c->at - '0');
    }
    return c->at > from ? CSCTRL_OK : fail_header(c, "an extent");
}

static csctrl_status read_shape(cursor *c, ct_tensor *t)
{
    if (!accept(c, "("))
        return fail_header(c, "a tuple");
    t->ndim = 0;
    while (!accept(c, ")")) {
        if (t->ndim == CSCTRL_MAX_DIMS)
            return ct_fail(CSCTRL_E_UNSUPPORTED, "%s: expected at most %d dimensions, found more",
                           c->name, CSCTRL_MAX_DIMS);
        CT_TRY(read_extent(c, &t->shape[t->ndim]));
        t->ndim++;
        if (accept(c, ","))
            continue;
        if (t->ndim == 1 || !accept(c, ")")) /* (3) is a number, (3,) a tuple */
            return fail_header(c, "a comma or the end of the tuple");
        break;
    }
    return CSCTRL_OK;
}

static csctrl_status read_field(cursor *c, ct_tensor *t, fields *seen)
{
    char key[32];

    CT_TRY(read_word(c, key));
    if (!accept(c, ":"))
        return fail_header(c, "a colon");
    bool *flag = strcmp(key, "descr") == 0           ? &seen->descr
                 : strcmp(key, "fortran_order") == 0 ? &seen->order
                 : strcmp(key, "shape") == 0         ? &seen->shape
                                                     : NULL;
    if (flag == NULL || *flag)
        return ct_fail(CSCTRL_E_FORMAT, "%s: %s key \"%s\" in the npy header", c->name,
                       flag == NULL ? "unknown" : "repeated", key);
    *flag = true;
    return flag == &seen->descr   ? read_descr(c, t)
           : flag == &seen->order ? read_order(c)
                                  : read_shape(c, t);
}

static csctrl_status read_dict(cursor *c, ct_tensor *t)
{
    fields seen = {0};

    if (!accept(c, "{"))
        return fail_header(c, "a dict");
    while (!accept(c, "}")) {
        CT_TRY(read_field(c, t, &seen));
        if (accept(c, ","))
            continue;
        if (!accept(c, "}"))
            return fail_header(c, "a comma or the end of the dict");
        break;
    }
    skip_space(c);
    if (c->at != c->end)
        return fail_header(c, "nothing behind the dict");
    if (!seen.descr || !seen.order || !seen.shape)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected descr, fortran_order and shape in the npy header, found no %s",
                       c->name,
                       !seen.descr   ? "descr"
                       : !seen.order ? "fortran_order"
                                     : "shape");
    return CSCTRL_OK;
}

/* ---- the file */

static csctrl_status check_shape(const char *name, const ct_tensor *t)
{
    uint64_t bytes = csctrl_dtype_size(t->dtype);

    /* Also when an extent is 0: the product of the others must not overflow for a reader. */
    for (int i = 0; i < t->ndim; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)(t->shape[i] > 0 ? t->shape[i] : 1), &bytes) ||
            bytes > INT64_MAX)
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s: the npy header speaks of more elements than memory can address",
                           name);
    return CSCTRL_OK;
}

static csctrl_status check_payload(const char *name, const ct_tensor *t, size_t payload)
{
    const size_t bytes = ct_tensor_bytes(t);

    if (bytes != payload)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected %llu bytes of elements from the npy header, found %zu: the "
                       "file is %s",
                       name, (unsigned long long)bytes, payload,
                       payload < bytes ? "truncated" : "too long");
    return CSCTRL_OK;
}

csctrl_status ct_npy_parse_header(const void *data, size_t size, const char *name,
                                  ct_tensor *tensor, size_t *offset)
{
    const unsigned char *bytes = data;
    ct_tensor t = csctrl_tensor_view(CSCTRL_F32, 0, NULL, NULL);

    *tensor = t;
    *offset = 0;
    if (size < MAGIC_SIZE + 4 || memcmp(bytes, magic, MAGIC_SIZE) != 0)
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected an npy file, found something else", name);
    const int major = bytes[MAGIC_SIZE], minor = bytes[MAGIC_SIZE + 1];
    if (major < 1 || major > 3 || minor != 0)
        return ct_fail(CSCTRL_E_UNSUPPORTED, "%s: expected npy format 1.0 to 3.0, found %d.%d",
                       name, major, minor);
    const size_t start = major == 1 ? MAGIC_SIZE + 4 : MAGIC_SIZE + 6;
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (major > 1 && size >= start)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size < start || length > size - start || length > HEADER_MAX)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected an npy header of at most %d bytes inside a file of %zu bytes, "
                       "found one of %zu",
                       name, HEADER_MAX, size, length);
    cursor c = {.at = (const char *)bytes + start, .name = name};
    c.end = c.at + length;
    CT_TRY(read_dict(&c, &t));
    CT_TRY(check_shape(name, &t));
    *tensor = t;
    *offset = start + length;
    return CSCTRL_OK;
}

csctrl_status ct_npy_parse(const void *data, size_t size, const char *name, ct_tensor *tensor,
                           size_t *offset)
{
    ct_tensor t;
    size_t start;

    *tensor = csctrl_tensor_view(CSCTRL_F32, 0, NULL, NULL);
    *offset = 0;
    CT_TRY(ct_npy_parse_header(data, size, name, &t, &start));
    CT_TRY(check_payload(name, &t, size - start));
    *tensor = t;
    *offset = start;
    return CSCTRL_OK;
}

csctrl_status csctrl_npy_read(const char *path, csctrl_tensor *tensor)
{
    unsigned char *file;
    size_t size, offset;

    *tensor = csctrl_tensor_view(CSCTRL_F32, 0, NULL, NULL);
    CT_TRY(ct_fs_read(path, file_max, &file, &size));
    const csctrl_status status = ct_npy_parse(file, size, path, tensor, &offset);
    if (status != CSCTRL_OK) {
        ct_free(file);
        return status;
    }
    /* The block becomes the tensor's: its start is aligned for any dtype, the offset need not be.
     */
    memmove(file, file + offset, size - offset);
    tensor->data = file;
    return CSCTRL_OK;
}

void csctrl_npy_free(csctrl_tensor *tensor)
{
    if (tensor == NULL)
        return;
    ct_free(tensor->data);
    tensor->data = NULL;
}

static const char *descr_of(csctrl_dtype dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].text;
    return NULL;
}

/* The dict is padded with blanks. */
size_t ct_npy_header(const ct_tensor *tensor, char out[CT_NPY_HEADER_MAX])
{
    enum { PREFIX = MAGIC_SIZE + 4 };
    int n = snprintf(out + PREFIX, CT_NPY_HEADER_MAX - PREFIX,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (", descr_of(tensor->dtype));

    for (int i = 0; i < tensor->ndim; i++)
        n += snprintf(out + PREFIX + n, (size_t)(CT_NPY_HEADER_MAX - PREFIX - n), "%s%lld",
                      i > 0 ? ", " : "", (long long)tensor->shape[i]);
    n += snprintf(out + PREFIX + n, (size_t)(CT_NPY_HEADER_MAX - PREFIX - n), "%s), }",
                  tensor->ndim == 1 ? "," : "");
    const size_t start = (PREFIX + (size_t)n + 1 + ALIGN - 1) / ALIGN * ALIGN;
    memset(out + PREFIX + n, ' ', start - PREFIX - (size_t)n);
    out[start - 1] = '\n';
    memcpy(out, magic, MAGIC_SIZE);
    out[MAGIC_SIZE] = 1;
    out[MAGIC_SIZE + 1] = 0;
    out[MAGIC_SIZE + 2] = (char)((start - PREFIX) & 0xFF);
    out[MAGIC_SIZE + 3] = (char)((start - PREFIX) >> 8);
    return start;
}

csctrl_status csctrl_npy_write(const char *path, const csctrl_tensor *tensor)
{
    char header[CT_NPY_HEADER_MAX], shape[96];
    const size_t bytes = ct_tensor_bytes(tensor);

    if (descr_of(tensor->dtype) == NULL || (tensor->data == NULL && bytes > 0))
        return ct_fail(CSCTRL_E_INVALID, "%s: expected a tensor with data, found %s", path,
                       ct_tensor_text(tensor, shape));
    const size_t start = ct_npy_header(tensor, header);
    unsigned char *file = ct_alloc(start + bytes);
    if (file == NULL)
        return CSCTRL_E_NOMEM;
    memcpy(file, header, start);
    if (bytes > 0)
        memcpy(file + start, tensor->data, bytes);
    const csctrl_status status = ct_fs_write_atomic(path, file, start + bytes);
    ct_free(file);
    return status;
}
