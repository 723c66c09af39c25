/* idx.c - folders with train-images-idx3-ubyte and its companions, plain or gzipped. */
#include "data/idx.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/raw.h"

enum { DTYPE_U8 = 0x08, HEADER_MAX = 16 };

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

csctrl_status ct_idx_header(const uint8_t *data, size_t size, const char *name, int ndim,
                            ct_idx *out)
{
    const size_t header = 4 + 4 * (size_t)ndim;

    *out = (ct_idx){.shape = {1, 1, 1}, .header = header};
    if (size < header)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected an IDX header of %zu bytes, found %zu bytes; the file is "
                       "truncated",
                       name, header, size);
    if (data[0] != 0 || data[1] != 0 || data[2] != DTYPE_U8 || data[3] != ndim)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected the IDX magic 0x%08x (unsigned bytes, %d dimension%s), found "
                       "0x%08" PRIx32,
                       name, (unsigned)(DTYPE_U8 << 8 | ndim), ndim, ndim == 1 ? "" : "s",
                       big_endian(data));
    for (int i = 0; i < ndim; i++) {
        out->shape[i] = big_endian(data + 4 + 4 * i);
        if (out->shape[i] == 0)
            return ct_fail(CSCTRL_E_FORMAT, "%s: dimension %d of the IDX header is 0", name, i);
    }
    if (out->shape[1] > CT_PIXELS_MAX / out->shape[2])
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: the IDX header says images of %" PRId64 " x %" PRId64
                       " pixels, at most %d pixels are read",
                       name, out->shape[1], out->shape[2], CT_PIXELS_MAX);
    /* Below 2^32 * 64e6: no overflow. */
    out->bytes = header + (size_t)out->shape[0] * (size_t)out->shape[1] * (size_t)out->shape[2];
    return CSCTRL_OK;
}

csctrl_status ct_idx_parse(const uint8_t *data, size_t size, const char *name, int ndim,
                           ct_idx *out)
{
    CT_TRY(ct_idx_header(data, size, name, ndim, out));
    if (size != out->bytes)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected %zu bytes by its header, found %s%zu; the file is %s", name,
                       out->bytes, size > out->bytes ? "at least " : "", size,
                       size < out->bytes ? "truncated" : "too long");
    return CSCTRL_OK;
}

static csctrl_status gz_fill(gzFile file, const char *path, uint8_t *data, size_t want,
                             size_t *length)
{
    while (*length < want) {
        const size_t piece = want - *length < (1u << 30) ? want - *length : (1u << 30);
        const int got = gzread(file, data + *length, (unsigned)piece);
        int code = Z_OK;
        const char *text = gzerror(file, &code);
        if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END))
            return ct_fail(code == Z_ERRNO ? CSCTRL_E_IO : CSCTRL_E_FORMAT,
                           "%s: cannot read after %zu bytes: %s; get the file anew", path, *length,
                           text);
        if (got == 0)
            break;
        *length += (size_t)got;
    }
    return CSCTRL_OK;
}

/* Whole contents, but never more than one byte beyond what the header says: a lying header costs no
 * more memory than the file really fills. */
static csctrl_status read_growing(gzFile file, const char *path, int ndim, uint8_t **data,
                                  size_t *length)
{
    size_t room = 1 << 20, want = HEADER_MAX;
    ct_idx idx;

    *length = 0;
    *data = ct_alloc(room);
    if (*data == NULL)
        return CSCTRL_E_NOMEM;
    want = 4 + 4 * (size_t)ndim;
    CT_TRY(gz_fill(file, path, *data, want, length));
    CT_TRY(ct_idx_header(*data, *length, path, ndim, &idx));
    want = idx.bytes + 1;
    for (;;) {
        CT_TRY(gz_fill(file, path, *data, room < want ? room : want, length));
        if (*length < room || *length == want)
            return CSCTRL_OK;
        room = want / 2 > room ? 2 * room : want;
        uint8_t *more = ct_realloc(*data, room);
        if (more == NULL)
            return CSCTRL_E_NOMEM;
        *data = more;
    }
}

static csctrl_status read_file(const char *path, int ndim, uint8_t **data, ct_idx *idx)
{
    const gzFile file = gzopen(path, "rb"); /* reads plain files as well */
    size_t length;

    *data = NULL;
    if (file == NULL)
        return ct_fail(CSCTRL_E_IO, "cannot open %s", path);
    csctrl_status status = read_growing(file, path, ndim, data, &length);
    gzclose_r(file);
    if (status == CSCTRL_OK)
        status = ct_idx_parse(*data, length, path, ndim, idx);
    if (status != CSCTRL_OK) {
        ct_free(*data);
        *data = NULL;
    }
    return status;
}

/* Length of `name` without .gz and without `tail`, or 0 when it does not end so. */
static size_t stem_length(const char *name, const char *tail)
{
    size_t length = strlen(name);
    const size_t cut = strlen(tail);

    if (length > 3 && strcmp(name + length - 3, ".gz") == 0)
        length -= 3;
    return length > cut && memcmp(name + length - cut, tail, cut) == 0 ? length - cut : 0;
}

static bool ends_in(const char *text, size_t length, const char *word)
{
    const size_t n = strlen(word);

    return length >= n && memcmp(text + length - n, word, n) == 0;
}

static size_t images_stem(const char *name)
{
    const size_t stem = stem_length(name, "-images-idx3-ubyte");

    return stem > 0 ? stem : stem_length(name, "-images.idx3-ubyte");
}

bool ct_idx_images_name(const char *name, csctrl_split *part)
{
    const size_t stem = images_stem(name);
    const bool train = ends_in(name, stem, "train");

    *part = train ? CSCTRL_SPLIT_TRAIN : CSCTRL_SPLIT_TEST;
    return train || ends_in(name, stem, "t10k") || ends_in(name, stem, "test");
}

typedef struct part_files {
    char *images, *labels; /* paths */
} part_files;

static csctrl_status find_labels(const char *folder, const char *images, char **out)
{
    static const char *const tails[] = {"-labels-idx1-ubyte", "-labels-idx1-ubyte.gz",
                                        "-labels.idx1-ubyte", "-labels.idx1-ubyte.gz"};
    char name[512];

    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        snprintf(name, sizeof name, "%.*s%s", (int)images_stem(images), images, tails[i]);
        *out = ct_path_join(folder, name);
        if (*out == NULL)
            return CSCTRL_E_NOMEM;
        if (ct_fs_exists(*out))
            return CSCTRL_OK;
        ct_free(*out);
        *out = NULL;
    }
    return ct_fail(CSCTRL_E_NOT_FOUND, "%s: expected %.*s%s (or .gz) beside %s, found none", folder,
                   (int)images_stem(images), images, tails[0], images);
}

static csctrl_status find_files(const char *folder, const ct_name_list *list, part_files files[2])
{
    const char *found[2] = {NULL, NULL};

    for (size_t i = 0; i < list->count; i++) {
        csctrl_split part;
        if (!ct_idx_images_name(list->names[i], &part))
            continue;
        const char *first = found[part]; /* the list is sorted: x comes before x.gz */
        if (first != NULL && images_stem(first) == images_stem(list->names[i]) &&
            memcmp(first, list->names[i], images_stem(first)) == 0)
            continue;
        if (first != NULL)
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s: expected one IDX set, found %s and %s; keep each in a folder of "
                           "its own",
                           folder, first, list->names[i]);
        found[part] = list->names[i];
    }
    if (found[0] == NULL && found[1] == NULL)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected train-images-idx3-ubyte (or .gz), found no such file", folder);
    for (int p = 0; p < 2; p++) {
        if (found[p] == NULL)
            continue;
        files[p].images = ct_path_join(folder, found[p]);
        if (files[p].images == NULL)
            return CSCTRL_E_NOMEM;
        CT_TRY(find_labels(folder, found[p], &files[p].labels));
    }
    return CSCTRL_OK;
}

static csctrl_status read_labels(const part_files *files, ct_raw *raw, int *classes)
{
    ct_idx idx;
    uint8_t *data;

    CT_TRY(read_file(files->labels, 1, &data, &idx));
    raw->count = idx.shape[0];
    raw->labels = ct_alloc((size_t)raw->count);
    if (raw->labels != NULL) {
        memcpy(raw->labels, data + idx.header, (size_t)raw->count);
        raw->bytes = (size_t)raw->count;
        for (int64_t i = 0; i < raw->count; i++)
            if (raw->labels[i] >= *classes)
                *classes = raw->labels[i] + 1;
    }
    ct_free(data);
    return raw->labels != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static csctrl_status read_images(const part_files *files, ct_raw *raw)
{
    ct_idx idx;

    CT_TRY(read_file(files->images, 3, &raw->block, &idx));
    if (idx.shape[0] != raw->count)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s holds %" PRId64 " images but %s holds %" PRId64
                       " labels; they do not belong together",
                       files->images, idx.shape[0], files->labels, raw->count);
    raw->pixels = raw->block + idx.header;
    raw->height = (int)idx.shape[1];
    raw->width = (int)idx.shape[2];
    raw->channels = 1;
    raw->bytes += idx.bytes;
    return CSCTRL_OK;
}

static csctrl_status read_parts(const part_files files[2], const ct_source_request *request,
                                ct_source *source)
{
    const bool wanted[2] = {request->want[0] || (request->want[1] && !source->has_test),
                            request->want[1]};
    ct_raw parts[2] = {{0}, {0}};
    int classes = 1;
    csctrl_status status = CSCTRL_OK;

    for (int p = 0; p < 2; p++) {
        if (files[p].images == NULL)
            continue;
        CT_GOTO(status, read_labels(&files[p], &parts[p], &classes));
        if (wanted[p])
            CT_GOTO(status, read_images(&files[p], &parts[p]));
        else
            ct_raw_free(&parts[p]); /* only its classes were of interest */
    }
    return ct_raw_into_source(parts, classes, source);
done:
    ct_raw_free(&parts[0]);
    ct_raw_free(&parts[1]);
    return status;
}

csctrl_status ct_idx_open(ct_source *source, const ct_source_request *request)
{
    part_files files[2] = {{NULL, NULL}, {NULL, NULL}};
    ct_name_list list;

    source->kind = "idx";
    CT_TRY(ct_fs_list(request->path, &list));
    csctrl_status status = find_files(request->path, &list, files);
    ct_fs_list_free(&list);
    source->has_test = files[1].images != NULL;
    if (status == CSCTRL_OK)
        status = read_parts(files, request, source);
    for (int p = 0; p < 2; p++) {
        ct_free(files[p].images);
        ct_free(files[p].labels);
    }
    return status;
}
