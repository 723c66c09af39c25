/* cifar.c - CIFAR binary files in a folder, a tar or a tar.gz. */
#include "data/cifar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/tar.h"

enum {
    SIDE = 32,
    PLANE = SIDE * SIDE,
    PIXELS = 3 * PLANE,
    FILE_MAX = 1 << 30 /* five times the largest official file: a bound on what a lie can cost */
};

bool ct_cifar_name(const char *name, ct_cifar_role *role)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash != NULL ? slash + 1 : name;
    const size_t length = strlen(base);
    const bool batch = length > strlen("data_batch_.bin") &&
                       strncmp(base, "data_batch_", strlen("data_batch_")) == 0 &&
                       strcmp(base + length - 4, ".bin") == 0;
    const bool test = strcmp(base, "test_batch.bin") == 0, test100 = strcmp(base, "test.bin") == 0;
    const bool train100 = strcmp(base, "train.bin") == 0;

    role->fine = train100 || test100;
    role->part = test || test100 ? CSCTRL_SPLIT_TEST : CSCTRL_SPLIT_TRAIN;
    return batch || test || train100 || test100;
}

static csctrl_status reserve(ct_raw *raw, int64_t extra)
{
    const size_t count = (size_t)(raw->count + extra);
    uint8_t *pixels = ct_realloc(raw->block, count * PIXELS);

    if (pixels == NULL)
        return CSCTRL_E_NOMEM;
    raw->block = raw->pixels = pixels;
    uint8_t *labels = ct_realloc(raw->labels, count);
    if (labels == NULL)
        return CSCTRL_E_NOMEM;
    raw->labels = labels;
    raw->bytes = count * (PIXELS + 1);
    return CSCTRL_OK;
}

csctrl_status ct_cifar_parse(const uint8_t *data, size_t size, const char *name, bool fine,
                             ct_raw *raw)
{
    const size_t head = fine ? 2 : 1, record = head + PIXELS, count = size / record;
    const int limit[2] = {fine ? 20 : 10, 100}; /* coarse (or only) and fine labels */

    if (count == 0 || size % record != 0)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected a multiple of %zu bytes (CIFAR-%d records), found %zu bytes: "
                       "the record at offset %zu is incomplete",
                       name, record, fine ? 100 : 10, size, count * record);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < head; k++)
            if (data[i * record + k] >= limit[k])
                return ct_fail(CSCTRL_E_FORMAT,
                               "%s: expected a label of 0..%d at offset %zu, found %d", name,
                               limit[k] - 1, i * record + k, data[i * record + k]);
    CT_TRY(reserve(raw, (int64_t)count));
    raw->width = raw->height = SIDE;
    raw->channels = 3;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *planes = data + i * record + head;
        uint8_t *out = raw->pixels + (size_t)raw->count * PIXELS;
        for (size_t p = 0; p < PLANE; p++)
            for (size_t c = 0; c < 3; c++)
                out[3 * p + c] = planes[c * PLANE + p];
        raw->labels[raw->count++] = data[i * record + head - 1];
    }
    return CSCTRL_OK;
}

/* One file of the set, by its name without folders. */
typedef struct file {
    char *name;   /* for messages */
    size_t base;  /* offset of the last component */
    uint8_t *own; /* contents, unless they lie in the archive's map */
    const uint8_t *data;
    size_t size;
    csctrl_split part;
} file;

typedef struct file_list {
    file *list;
    size_t count;
    ct_tar *tar; /* keeps the map */
} file_list;

static void free_files(file_list *files)
{
    for (size_t i = 0; i < files->count; i++) {
        ct_free(files->list[i].name);
        ct_free(files->list[i].own);
    }
    ct_free(files->list);
    ct_tar_close(&files->tar);
    *files = (file_list){0};
}

/* A new entry named "ROOT<separator>NAME". */
static file *add_file(file_list *files, const char *root, char separator, const char *name,
                      const ct_cifar_role *role)
{
    file *more = ct_realloc(files->list, (files->count + 1) * sizeof *more);
    char text[CT_NAME_MAX];

    if (more == NULL)
        return NULL;
    files->list = more;
    snprintf(text, sizeof text, "%s%c%s", root, separator, name);
    file *f = &more[files->count];
    *f = (file){.name = ct_strdup(text), .part = role->part};
    if (f->name == NULL)
        return NULL;
    const char *slash = strrchr(name, '/');
    const size_t base = strlen(slash != NULL ? slash + 1 : name), length = strlen(f->name);
    f->base = base < length ? length - base : 0;
    files->count++;
    return f;
}

static csctrl_status find_in_folder(const char *root, bool fine, bool contents, file_list *files)
{
    char *inner = ct_path_join(root, fine ? CT_CIFAR100_FOLDER : CT_CIFAR10_FOLDER);
    ct_name_list names = {0};
    csctrl_status status = CSCTRL_E_NOMEM;

    if (inner == NULL)
        return CSCTRL_E_NOMEM;
    const char *folder = ct_fs_is_dir(inner) ? inner : root;
    CT_GOTO(status, ct_fs_list(folder, &names));
    for (size_t i = 0; i < names.count; i++) {
        ct_cifar_role role;
        if (!ct_cifar_name(names.names[i], &role) || role.fine != fine)
            continue;
        file *f = add_file(files, folder, '/', names.names[i], &role);
        status = f != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
        if (f != NULL && contents)
            status = ct_fs_read(f->name, FILE_MAX, &f->own, &f->size);
        if (status != CSCTRL_OK)
            goto done;
        f->data = f->own;
    }
done:
    ct_fs_list_free(&names);
    ct_free(inner);
    return status;
}

static csctrl_status take_member(ct_tar *tar, file *f)
{
    ct_tar_bytes bytes;
    const csctrl_status status = ct_tar_read(tar, FILE_MAX, &bytes);

    if (status != CSCTRL_OK)
        return status == CSCTRL_E_UNSUPPORTED ? ct_fail_context(CSCTRL_E_FORMAT, "%s", f->name)
                                              : status;
    if (!bytes.mapped) {
        f->own = ct_alloc(bytes.size);
        if (f->own == NULL)
            return CSCTRL_E_NOMEM;
        if (bytes.size > 0)
            memcpy(f->own, bytes.data, bytes.size);
    }
    f->data = bytes.mapped ? bytes.data : f->own;
    f->size = bytes.size;
    return CSCTRL_OK;
}

static csctrl_status find_in_tar(const char *root, bool fine, bool contents, file_list *files)
{
    ct_tar_entry entry;

    CT_TRY(ct_tar_open(&files->tar, root));
    for (;;) {
        ct_cifar_role role;
        CT_TRY(ct_tar_next(files->tar, &entry));
        if (entry.name == NULL)
            return CSCTRL_OK;
        if (entry.is_dir || !ct_cifar_name(entry.name, &role) || role.fine != fine)
            continue;
        file *f = add_file(files, root, ':', entry.name, &role);
        if (f == NULL)
            return CSCTRL_E_NOMEM;
        if (contents)
            CT_TRY(take_member(files->tar, f));
    }
}

static int by_base_name(const void *a, const void *b)
{
    const file *x = a, *y = b;

    return strcmp(x->name + x->base, y->name + y->base);
}

/* In the order of the names, so that a tar in any order is the same set as the folder. */
static csctrl_status parse_files(file_list *files, bool fine, const bool keep[2], ct_raw parts[2])
{
    if (files->count > 1)
        qsort(files->list, files->count, sizeof *files->list, by_base_name);
    for (size_t i = 0; i < files->count; i++) {
        file *f = &files->list[i];
        if (keep[f->part])
            CT_TRY(ct_cifar_parse(f->data, f->size, f->name, fine, &parts[f->part]));
        ct_free(f->own);
        f->own = NULL;
    }
    return CSCTRL_OK;
}

static bool has_file(const file_list *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->list[i].name + files->list[i].base, name) == 0)
            return true;
    return false;
}

/* A part of the set can be trained on, but hardly on purpose. */
static void tell_missing(const file_list *files, const ct_source_request *request, bool fine)
{
    static const char *const train[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                        "data_batch_4.bin", "data_batch_5.bin"};
    const char *const test = fine ? "test.bin" : "test_batch.bin";

    for (size_t i = 0; i < sizeof train / sizeof train[0] && !fine; i++)
        if (!has_file(files, train[i]))
            ct_log(CSCTRL_LOG_WARNING, "%s: %s is missing: its images are not trained on",
                   request->path, train[i]);
    if (!has_file(files, test) && csctrl_config_text(request->config, "data.test_path")[0] == '\0')
        ct_log(CSCTRL_LOG_WARNING,
               "%s: %s is missing: data.holdout of the training images are held out instead",
               request->path, test);
}

static csctrl_status open_cifar(ct_source *source, const ct_source_request *request, bool fine)
{
    const bool contents = request->want[0] || request->want[1];
    const char *root = request->path;
    file_list files = {0};
    ct_raw parts[2] = {{0}, {0}};
    csctrl_status status;

    if (ct_fs_is_dir(root))
        CT_GOTO(status, find_in_folder(root, fine, contents, &files));
    else
        CT_GOTO(status, find_in_tar(root, fine, contents, &files));
    if (files.count == 0) {
        status = ct_fail(CSCTRL_E_FORMAT, "%s: expected %s, found no such file", root,
                         fine ? "train.bin and test.bin"
                              : "data_batch_1.bin to data_batch_5.bin and test_batch.bin");
        goto done;
    }
    for (size_t i = 0; i < files.count; i++)
        source->has_test = source->has_test || files.list[i].part == CSCTRL_SPLIT_TEST;
    if (request->want[CSCTRL_SPLIT_TRAIN] && !request->quiet)
        tell_missing(&files, request, fine);
    const bool keep[2] = {request->want[0] || (request->want[1] && !source->has_test),
                          request->want[1]};
    CT_GOTO(status, parse_files(&files, fine, keep, parts));
    free_files(&files);
    source->kind = fine ? "cifar100" : "cifar10";
    return ct_raw_into_source(parts, fine ? 100 : 10, source);
done:
    free_files(&files);
    ct_raw_free(&parts[0]);
    ct_raw_free(&parts[1]);
    return status;
}

csctrl_status ct_cifar10_open(ct_source *source, const ct_source_request *request)
{
    return open_cifar(source, request, false);
}

csctrl_status ct_cifar100_open(ct_source *source, const ct_source_request *request)
{
    return open_cifar(source, request, true);
}
