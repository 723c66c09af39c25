/* source.c - which format a path holds, and what the formats share. */
#include "data/source.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/cifar.h"
#include "data/idx.h"
#include "data/tar.h"

enum { REASON_MAX = 1024 };

typedef csctrl_status (*open_fn)(ct_source *source, const ct_source_request *request);

static open_fn detect_folder(const ct_name_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        ct_cifar_role role;
        csctrl_split part;
        if (ct_idx_images_name(list->names[i], &part))
            return ct_idx_open;
        if (ct_cifar_name(list->names[i], &role))
            return role.fine ? ct_cifar100_open : ct_cifar10_open;
        if (strcmp(list->names[i], CT_CIFAR10_FOLDER) == 0)
            return ct_cifar10_open;
        if (strcmp(list->names[i], CT_CIFAR100_FOLDER) == 0)
            return ct_cifar100_open;
    }
    return ct_folder_open;
}

/* The first member that tells decides: an archive of many images is not read to its end. */
static csctrl_status detect_tar(const char *path, open_fn *open)
{
    ct_tar *tar;
    ct_tar_entry entry;
    csctrl_status status;

    *open = NULL;
    CT_TRY(ct_tar_open(&tar, path));
    while ((status = ct_tar_next(tar, &entry)) == CSCTRL_OK && entry.name != NULL) {
        ct_cifar_role role;
        if (entry.is_dir)
            continue;
        if (ct_cifar_name(entry.name, &role))
            *open = role.fine ? ct_cifar100_open : ct_cifar10_open;
        else if (ct_image_extension(entry.name))
            *open = ct_archive_open;
        if (*open != NULL)
            break;
    }
    ct_tar_close(&tar);
    if (status == CSCTRL_OK && *open == NULL)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected a tar with CIFAR .bin files or with JPEG or PNG files in "
                       "class folders, found none of them",
                       path);
    return status;
}

static csctrl_status detect(const char *path, open_fn *open)
{
    ct_name_list list;

    if (path[0] == '\0')
        return ct_fail(CSCTRL_E_CONFIG,
                       "data.path is empty: name a folder, a .tar or a .tar.gz, or "
                       "set data.kind to synthetic");
    if (!ct_fs_is_dir(path))
        return detect_tar(path, open);
    CT_TRY(ct_fs_list(path, &list));
    *open = detect_folder(&list);
    ct_fs_list_free(&list);
    return CSCTRL_OK;
}

/* The path must be there; the key that it comes from is where it is mended. */
static csctrl_status check_path(const ct_source_request *request)
{
    const char *own = csctrl_config_text(request->config, "data.path");
    const char *key = strcmp(request->path, own) == 0 ? "data.path" : "data.test_path";
    int64_t bytes;
    const csctrl_status status = ct_fs_size(request->path, &bytes);

    if (status != CSCTRL_E_NOT_FOUND)
        return status;
    return ct_fail(status, "%s does not exist; %s says where the data set is", request->path, key);
}

static csctrl_status choose(const ct_source_request *request, open_fn *open)
{
    static const struct {
        const char *kind;
        open_fn folder, file;
    } kinds[] = {
        {"idx", ct_idx_open, NULL},
        {"cifar10", ct_cifar10_open, ct_cifar10_open},
        {"cifar100", ct_cifar100_open, ct_cifar100_open},
        {"folder", ct_folder_open, ct_archive_open},
    };
    const char *kind = csctrl_config_text(request->config, "data.kind");

    if (kind != NULL && strcmp(kind, "synthetic") == 0) {
        *open = ct_synthetic_open;
        return CSCTRL_OK;
    }
    if (request->path[0] != '\0')
        CT_TRY(check_path(request));
    for (size_t i = 0; kind != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind, kinds[i].kind) != 0)
            continue;
        if (request->path[0] == '\0')
            return ct_fail(CSCTRL_E_CONFIG, "data.path is empty: data.kind %s needs files", kind);
        *open = ct_fs_is_dir(request->path) ? kinds[i].folder : kinds[i].file;
        return *open != NULL ? CSCTRL_OK
                             : ct_fail(CSCTRL_E_FORMAT,
                                       "%s: data.kind %s expects a folder, found a "
                                       "file; name the folder that holds it",
                                       request->path, kind);
    }
    return detect(request->path, open);
}

csctrl_status ct_source_open(ct_source *source, const ct_source_request *request)
{
    open_fn open = NULL;
    csctrl_status status;

    *source = (ct_source){0};
    CT_TRY(choose(request, &open));
    source->path = ct_strdup(request->path);
    status = source->path != NULL ? open(source, request) : CSCTRL_E_NOMEM;
    if (status != CSCTRL_OK)
        ct_source_close(source);
    return status;
}

void ct_source_close(ct_source *source)
{
    if (source->ops != NULL)
        source->ops->close(source);
    for (int i = 0; source->class_names != NULL && i < source->classes; i++)
        ct_free(source->class_names[i]);
    ct_free(source->class_names);
    ct_free(source->labels);
    ct_free(source->path);
    *source = (ct_source){0};
}

csctrl_status ct_source_number_classes(ct_source *source, int classes)
{
    source->class_names = ct_calloc((size_t)classes, sizeof *source->class_names);
    if (source->class_names == NULL)
        return CSCTRL_E_NOMEM;
    source->classes = classes;
    for (int i = 0; i < classes; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        source->class_names[i] = ct_strdup(text);
        if (source->class_names[i] == NULL)
            return CSCTRL_E_NOMEM;
    }
    return CSCTRL_OK;
}

csctrl_status ct_source_fit_raw(const ct_pixels *pixels, const ct_geometry *geometry,
                                ct_workspace *work, uint8_t *planes)
{
    const size_t plane = (size_t)geometry->size * (size_t)geometry->size;
    ct_pixels grey = *pixels;

    if (pixels->channels == 3 && geometry->channels == 1) {
        const size_t count = (size_t)pixels->width * (size_t)pixels->height;
        for (size_t i = 0; i < count; i++) { /* Rec. 601 luma */
            const uint8_t *p = pixels->data + 3 * i;
            work->scratch[i] =
                (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 0x8000u) >> 16);
        }
        grey.channels = 1;
        grey.data = work->scratch;
    }
    CT_TRY(ct_fitter_run(work->fitter, &grey, geometry->size, planes));
    for (int c = grey.channels; c < geometry->channels; c++)
        memcpy(planes + (size_t)c * plane, planes, plane);
    return CSCTRL_OK;
}

csctrl_status ct_source_fit_encoded(const void *data, size_t size, const char *name,
                                    const ct_geometry *geometry, ct_workspace *work,
                                    uint8_t *planes)
{
    const ct_decoding how = {.channels = geometry->channels,
                             .at_least = ct_pixels_at_least(geometry->size),
                             .square = !geometry->whole};
    ct_pixels pixels;

    CT_TRY(ct_pixels_decode(data, size, name, &how, &pixels));
    const csctrl_status status = ct_fitter_run(work->fitter, &pixels, geometry->size, planes);
    ct_pixels_free(&pixels);
    return status;
}

csctrl_status ct_workspace_create(ct_workspace *work, const ct_source *source)
{
    csctrl_status status = CSCTRL_E_NOMEM;

    *work = (ct_workspace){.scratch = ct_alloc(source->scratch)};
    if (work->scratch != NULL)
        status = ct_fitter_create(&work->fitter);
    if (status != CSCTRL_OK)
        ct_workspace_destroy(work);
    return status;
}

void ct_workspace_destroy(ct_workspace *work)
{
    ct_fitter_destroy(&work->fitter);
    ct_free(work->scratch);
    *work = (ct_workspace){0};
}

void ct_source_report(const ct_source_request *request, const char *name, const char *reason)
{
    char file[CT_NAME_MAX], why[REASON_MAX];

    snprintf(file, sizeof file, "%s", name);
    ct_one_line(file);
    snprintf(why, sizeof why, "%s", reason);
    ct_one_line(why);
    if (request->broken != NULL)
        request->broken(request->user, file, why);
    else if (!request->quiet)
        ct_log(CSCTRL_LOG_WARNING, "%s: left out: %s", file, why);
}

bool ct_image_extension(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                           strcasecmp(dot, ".png") == 0);
}

bool ct_image_signature(const uint8_t *data, size_t size)
{
    static const uint8_t jpeg[] = {0xff, 0xd8, 0xff};
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    return (size >= sizeof jpeg && memcmp(data, jpeg, sizeof jpeg) == 0) ||
           (size >= sizeof png && memcmp(data, png, sizeof png) == 0);
}

uint64_t ct_fnv(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *byte = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3U;
    return hash;
}
