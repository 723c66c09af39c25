/* checkpoint.c - finding checkpoints and checking that they are whole. */
#include "model/checkpoint.h"

#include <jansson.h>
#include <string.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/mem.h"

enum { POINTER_MAX = 256, MANIFEST_MAX = 1 << 20 };

static bool holds(const char *dir, const char *name)
{
    char *path = ct_path_join(dir, name);
    const bool there = path != NULL && ct_fs_exists(path);

    ct_free(path);
    return there;
}

/* The one-line text of a pointer file, without its newline. */
static csctrl_status read_pointer(const char *folder, const char *name, char **target)
{
    char *path = ct_path_join(folder, name);
    unsigned char *text = NULL;
    size_t size = 0;
    csctrl_status status = CSCTRL_E_NOMEM;

    *target = NULL;
    if (path == NULL)
        goto done;
    CT_GOTO(status, ct_fs_read(path, POINTER_MAX, &text, &size));
    text[strcspn((char *)text, "\n")] = '\0';
    if (text[0] == '\0' || strchr((char *)text, '/') != NULL) {
        status = ct_fail(CSCTRL_E_FORMAT, "%s: expected the name of a checkpoint, found '%s'", path,
                         (char *)text);
        goto done;
    }
    *target = ct_path_join(folder, (char *)text);
    status = *target != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
done:
    ct_free(path);
    ct_free(text);
    return status;
}

/* A pointer file given by its own path, e.g. RUN/checkpoints/best. */
static csctrl_status follow_pointer(const char *path, char **checkpoint)
{
    const char *slash = strrchr(path, '/');
    char *folder = ct_strdup(slash != NULL ? path : ".");
    csctrl_status status = CSCTRL_E_NOMEM;

    if (folder == NULL)
        return status;
    if (slash != NULL)
        folder[slash == path ? 1 : slash - path] = '\0';
    status = read_pointer(folder, slash != NULL ? slash + 1 : path, checkpoint);
    ct_free(folder);
    return status;
}

csctrl_status ct_checkpoint_locate(const char *path, const char *const *pointers, char **checkpoint)
{
    csctrl_status status = CSCTRL_E_NOT_FOUND;

    *checkpoint = NULL;
    if (!ct_fs_exists(path))
        return ct_fail(CSCTRL_E_NOT_FOUND, "%s: no such run or checkpoint directory", path);
    if (holds(path, CT_CHECKPOINT_MODEL)) {
        *checkpoint = ct_strdup(path);
        return *checkpoint != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
    }
    if (!ct_fs_is_dir(path))
        return follow_pointer(path, checkpoint);
    char *folder = ct_path_join(path, CT_CHECKPOINT_FOLDER);
    if (folder == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; pointers[i] != NULL && status == CSCTRL_E_NOT_FOUND; i++) {
        status = read_pointer(folder, pointers[i], checkpoint);
        if (status == CSCTRL_OK && !ct_fs_is_dir(*checkpoint)) {
            ct_free(*checkpoint);
            *checkpoint = NULL;
            status = CSCTRL_E_NOT_FOUND;
        }
    }
    ct_free(folder);
    if (status == CSCTRL_E_NOT_FOUND)
        return ct_fail(
            status,
            "%s: neither a checkpoint (no %s in it) nor a run with a finished checkpoint in %s/",
            path, CT_CHECKPOINT_MODEL, CT_CHECKPOINT_FOLDER);
    return status;
}

csctrl_status ct_checkpoint_config(const char *checkpoint, const char *const *overrides,
                                   size_t count, csctrl_config **config)
{
    char *path = ct_path_join(checkpoint, CT_CHECKPOINT_CONFIG);
    csctrl_status status = CSCTRL_E_NOMEM;

    *config = NULL;
    if (path == NULL)
        return status;
    CT_GOTO(status, csctrl_config_create(config));
    CT_GOTO(status, csctrl_config_load(*config, path));
    for (size_t i = 0; i < count; i++)
        CT_GOTO(status, csctrl_config_assign(*config, overrides[i]));
done:
    if (status != CSCTRL_OK)
        csctrl_config_destroy(config);
    ct_free(path);
    return status;
}

csctrl_status ct_file_crc32(const char *path, int64_t *bytes, uint32_t *crc)
{
    unsigned char *data = NULL;
    size_t size = 0;

    CT_TRY(ct_fs_read(path, SIZE_MAX / 2, &data, &size));
    *crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, size);
    *bytes = (int64_t)size;
    ct_free(data);
    return CSCTRL_OK;
}

static csctrl_status verify_file(const char *checkpoint, const char *name, json_int_t want_bytes,
                                 json_int_t want_crc)
{
    char *path = ct_path_join(checkpoint, name);
    int64_t bytes = 0;
    uint32_t crc = 0;

    if (path == NULL)
        return CSCTRL_E_NOMEM;
    csctrl_status status = ct_file_crc32(path, &bytes, &crc);
    if (status == CSCTRL_OK && bytes != want_bytes)
        status = ct_fail(CSCTRL_E_FORMAT, "%s: damaged: expected %lld bytes, found %lld", path,
                         (long long)want_bytes, (long long)bytes);
    else if (status == CSCTRL_OK && (json_int_t)crc != want_crc)
        status = ct_fail(CSCTRL_E_FORMAT, "%s: damaged: expected CRC %08llx, found %08x", path,
                         (unsigned long long)want_crc, crc);
    ct_free(path);
    return status;
}

static csctrl_status verify_files(const char *checkpoint, const char *path, json_t *manifest)
{
    json_t *files = json_object_get(manifest, "files"), *entry = NULL;
    const char *name = NULL;

    if (json_object_size(files) == 0)
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected an object 'files' with an entry a file",
                       path);
    json_object_foreach(files, name, entry)
    {
        const json_t *bytes = json_object_get(entry, "bytes"),
                     *crc = json_object_get(entry, "crc32");
        if (strchr(name, '/') != NULL || !json_is_integer(bytes) || !json_is_integer(crc))
            return ct_fail(CSCTRL_E_FORMAT, "%s: the entry '%s' lacks bytes or crc32", path, name);
        CT_TRY(verify_file(checkpoint, name, json_integer_value(bytes), json_integer_value(crc)));
    }
    return CSCTRL_OK;
}

csctrl_status ct_checkpoint_verify(const char *checkpoint)
{
    char *path = ct_path_join(checkpoint, CT_CHECKPOINT_MANIFEST);
    unsigned char *text = NULL;
    size_t size = 0;
    json_t *manifest = NULL;
    json_error_t error;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (path == NULL)
        goto done;
    CT_GOTO(status, ct_fs_read(path, MANIFEST_MAX, &text, &size));
    manifest = json_loadb((const char *)text, size, 0, &error);
    if (!json_is_object(manifest)) {
        status = ct_fail(CSCTRL_E_FORMAT, "%s: line %d: %s", path, error.line, error.text);
        goto done;
    }
    status = verify_files(checkpoint, path, manifest);
done:
    json_decref(manifest);
    ct_free(path);
    ct_free(text);
    return status;
}
