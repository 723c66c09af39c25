/* checkpoint.c - finding checkpoints and checking that they are whole. */
#include "model/checkpoint.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

enum { POINTER_MAX = 256, MANIFEST_MAX = 1 << 20, OLDER_MAX = 3 };

#define STEP "step-"

const char *ct_checkpoint_file(int index)
{
    static const char *const names[CT_CHECKPOINT_FILES] = {
        CT_CHECKPOINT_CONFIG, CT_CHECKPOINT_MODEL, CT_CHECKPOINT_STATE};

    return names[index];
}

static csctrl_status look_for(const char *dir, const char *name, bool *found)
{
    char *path = ct_path_join(dir, name);

    if (path == NULL)
        return CSCTRL_E_NOMEM;
    *found = ct_fs_exists(path);
    ct_free(path);
    return CSCTRL_OK;
}

/* Hidden names are no checkpoints: they may be unfinished. */
csctrl_status ct_pointer_parse(char *text, size_t size, const char *name)
{
    const size_t length = strcspn(text, "\n");

    if (length == 0 || length + 1 < size || text[0] == '.' || memchr(text, '/', length) != NULL)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected one line with the name of a checkpoint, found '%s'", name,
                       text);
    text[length] = '\0';
    return CSCTRL_OK;
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
    CT_GOTO(status, ct_pointer_parse((char *)text, size, path));
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
    if (status == CSCTRL_OK && !ct_fs_is_dir(*checkpoint)) {
        status = ct_fail(CSCTRL_E_NOT_FOUND, "%s names the checkpoint %s, which is not there", path,
                         *checkpoint);
        ct_free(*checkpoint);
        *checkpoint = NULL;
    }
    return status;
}

csctrl_status ct_checkpoint_pointed(const char *run, const char *pointer, char **checkpoint)
{
    char *folder = ct_path_join(run, CT_CHECKPOINT_FOLDER);

    *checkpoint = NULL;
    if (folder == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = read_pointer(folder, pointer, checkpoint);
    ct_free(folder);
    return status;
}

int64_t ct_checkpoint_step(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

    if (strncmp(name, STEP, strlen(STEP)) != 0)
        return -1;
    const char *digits = name + strlen(STEP);
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return -1;
    return strtoll(digits, NULL, 10);
}

/* step-N, with its manifest: one that was not finished has another name or none. */
static bool is_finished(const char *folder, const char *name)
{
    bool found = false;

    if (ct_checkpoint_step(name) < 0)
        return false;
    char *path = ct_path_join(folder, name);
    if (path == NULL || look_for(path, CT_CHECKPOINT_MANIFEST, &found) != CSCTRL_OK)
        found = false;
    ct_free(path);
    return found;
}

/* The last finished one in the folder, whatever the pointers say; NULL: there is none. */
static csctrl_status find_last(const char *folder, char **checkpoint)
{
    ct_name_list list = {0};
    csctrl_status status = CSCTRL_OK;

    *checkpoint = NULL;
    if (!ct_fs_is_dir(folder))
        return CSCTRL_OK;
    const char *last = NULL;
    CT_TRY(ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count; i++)
        if (is_finished(folder, list.names[i]) &&
            (last == NULL || ct_checkpoint_step(list.names[i]) > ct_checkpoint_step(last)))
            last = list.names[i];
    if (last != NULL) {
        *checkpoint = ct_path_join(folder, last);
        status = *checkpoint != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
    }
    ct_fs_list_free(&list);
    return status;
}

/* What the first of the pointers that names a folder names; else the last finished checkpoint;
 * NULL: there is none. A deleted one is not passed over in silence: figures are of another step. */
static csctrl_status locate_in_run(const char *run, const char *const *pointers, char **checkpoint)
{
    char *gone = NULL, *folder = ct_path_join(run, CT_CHECKPOINT_FOLDER);
    csctrl_status status = folder != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;

    for (size_t i = 0; status == CSCTRL_OK && pointers[i] != NULL && *checkpoint == NULL; i++) {
        status = read_pointer(folder, pointers[i], checkpoint);
        if (status == CSCTRL_E_NOT_FOUND)
            status = CSCTRL_OK;
        if (*checkpoint != NULL && !ct_fs_is_dir(*checkpoint)) {
            ct_free(gone);
            gone = *checkpoint;
            *checkpoint = NULL;
        }
    }
    if (status == CSCTRL_OK && *checkpoint == NULL)
        status = find_last(folder, checkpoint);
    if (*checkpoint != NULL && gone != NULL)
        ct_log(CSCTRL_LOG_WARNING, "%s is not there any more: %s is taken", gone, *checkpoint);
    ct_free(gone);
    ct_free(folder);
    return status;
}

csctrl_status ct_checkpoint_locate(const char *path, const char *const *pointers, char **checkpoint)
{
    bool is_checkpoint = false;

    *checkpoint = NULL;
    if (!ct_fs_exists(path))
        return ct_fail(CSCTRL_E_NOT_FOUND, "%s: no such run or checkpoint directory", path);
    CT_TRY(look_for(path, CT_CHECKPOINT_MODEL, &is_checkpoint));
    if (is_checkpoint) {
        *checkpoint = ct_strdup(path);
        if (*checkpoint == NULL)
            return CSCTRL_E_NOMEM;
        for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
            (*checkpoint)[n - 1] = '\0';
        return CSCTRL_OK;
    }
    if (!ct_fs_is_dir(path))
        return follow_pointer(path, checkpoint);
    CT_TRY(locate_in_run(path, pointers, checkpoint));
    if (*checkpoint == NULL)
        return ct_fail(
            CSCTRL_E_NOT_FOUND,
            "%s: neither a checkpoint (no %s in it) nor a run with a finished checkpoint in %s/",
            path, CT_CHECKPOINT_MODEL, CT_CHECKPOINT_FOLDER);
    return CSCTRL_OK;
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

static csctrl_status read_entry(ct_manifest *manifest, int index, const json_t *entry,
                                const char *name)
{
    const json_t *bytes = json_object_get(entry, "bytes"), *crc = json_object_get(entry, "crc32");

    if (!json_is_integer(bytes) || !json_is_integer(crc) || json_integer_value(crc) < 0 ||
        json_integer_value(crc) > UINT32_MAX)
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected bytes and crc32 of %s", name,
                       ct_checkpoint_file(index));
    manifest->bytes[index] = json_integer_value(bytes);
    manifest->crc32[index] = (uint32_t)json_integer_value(crc);
    return CSCTRL_OK;
}

csctrl_status ct_manifest_parse(ct_manifest *manifest, const void *text, size_t size,
                                const char *name)
{
    json_error_t error;
    json_t *root = json_loadb(text, size, 0, &error);
    csctrl_status status = CSCTRL_OK;

    *manifest = (ct_manifest){0};
    if (root == NULL)
        return ct_fail(CSCTRL_E_FORMAT, "%s: line %d: %s", name, error.line, error.text);
    const char *format = json_string_value(json_object_get(root, "format"));
    if (format == NULL || strcmp(format, CT_CHECKPOINT_FORMAT) != 0)
        status = ct_fail(CSCTRL_E_FORMAT, "%s: expected format '%s', found '%s'", name,
                         CT_CHECKPOINT_FORMAT, format != NULL ? format : "none");
    const json_t *files = json_object_get(root, "files");
    for (int i = 0; i < CT_CHECKPOINT_FILES && status == CSCTRL_OK; i++)
        status = read_entry(manifest, i, json_object_get(files, ct_checkpoint_file(i)), name);
    json_decref(root);
    return status;
}

static csctrl_status verify_file(const char *checkpoint, const ct_manifest *manifest, int index)
{
    char *path = ct_path_join(checkpoint, ct_checkpoint_file(index));
    int64_t bytes = 0;
    uint32_t crc = 0;

    if (path == NULL)
        return CSCTRL_E_NOMEM;
    csctrl_status status = ct_file_crc32(path, &bytes, &crc);
    if (status == CSCTRL_OK && bytes != manifest->bytes[index])
        status = ct_fail(CSCTRL_E_FORMAT, "%s: damaged: expected %lld bytes, found %lld", path,
                         (long long)manifest->bytes[index], (long long)bytes);
    else if (status == CSCTRL_OK && crc != manifest->crc32[index])
        status = ct_fail(CSCTRL_E_FORMAT, "%s: damaged: expected CRC %08x, found %08x", path,
                         manifest->crc32[index], crc);
    ct_free(path);
    return status;
}

/* Adds to the message of a failure where there are checkpoints before this one: a way on. */
static void name_older(const char *checkpoint, csctrl_status status)
{
    const char *slash = strrchr(checkpoint, '/'), *name = slash != NULL ? slash + 1 : checkpoint;
    char *folder = ct_strdup(slash != NULL ? checkpoint : ".");
    ct_name_list list = {0};
    char message[1024];
    int named = 0;

    snprintf(message, sizeof message, "%s", csctrl_last_error()); /* what follows may fail too */
    if (folder != NULL && slash != NULL)
        folder[slash == checkpoint ? 1 : slash - checkpoint] = '\0';
    if (folder == NULL || ct_fs_list(folder, &list) != CSCTRL_OK)
        list.count = 0;
    ct_fail(status, "%s", message);
    for (size_t i = list.count; i-- > 0 && named < OLDER_MAX;)
        if (strcmp(list.names[i], name) < 0 && is_finished(folder, list.names[i]))
            ct_fail(status, "%s%s%s/%s", csctrl_last_error(),
                    named++ == 0 ? "; older ones: " : ", ", folder, list.names[i]);
    ct_fs_list_free(&list);
    ct_free(folder);
}

static csctrl_status verify_files(const char *checkpoint, bool with_state)
{
    char *path = ct_path_join(checkpoint, CT_CHECKPOINT_MANIFEST);
    unsigned char *text = NULL;
    size_t size = 0;
    ct_manifest manifest;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (path == NULL)
        goto done;
    CT_GOTO(status, ct_fs_read(path, MANIFEST_MAX, &text, &size));
    status = ct_manifest_parse(&manifest, text, size, path);
    for (int i = 0; i < CT_CHECKPOINT_FILES && status == CSCTRL_OK; i++)
        if (with_state || strcmp(ct_checkpoint_file(i), CT_CHECKPOINT_STATE) != 0)
            status = verify_file(checkpoint, &manifest, i);
done:
    ct_free(path);
    ct_free(text);
    return status;
}

csctrl_status ct_checkpoint_verify(const char *checkpoint, bool with_state)
{
    const csctrl_status status = verify_files(checkpoint, with_state);

    if (status != CSCTRL_OK && status != CSCTRL_E_NOMEM)
        name_older(checkpoint, status);
    return status;
}
