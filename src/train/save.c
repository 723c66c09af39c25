/* save.c - one atomic unit a checkpoint: a directory that appears by rename. */
#define _GNU_SOURCE
#include "train/save.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "train/launch.h"
#include "train/state.h"

enum { STEP_NAME = 32 };

static void step_name(char name[STEP_NAME], int64_t step)
{
    snprintf(name, STEP_NAME, "step-%08lld", (long long)step);
}

/* ---- manifest and config of one checkpoint */

static csctrl_status add_file(json_t *files, const char *dir, const char *name)
{
    char *path = ct_path_join(dir, name);
    int64_t bytes = 0;
    uint32_t crc = 0;

    if (path == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = ct_file_crc32(path, &bytes, &crc);
    ct_free(path);
    CT_TRY(status);
    return json_object_set_new(
               files, name,
               json_pack("{s:I, s:I}", "bytes", (json_int_t)bytes, "crc32", (json_int_t)crc)) == 0
               ? CSCTRL_OK
               : ct_fail(CSCTRL_E_NOMEM, "out of memory: manifest of %s", dir);
}

/* Nothing in it depends on time or place: equal states give equal bytes. */
static csctrl_status write_manifest(const char *dir, int64_t step)
{
    json_t *files = json_object();
    json_t *root = json_pack("{s:s, s:I, s:o}", "format", CT_CHECKPOINT_FORMAT, "step",
                             (json_int_t)step, "files", files);
    char *path = ct_path_join(dir, CT_CHECKPOINT_MANIFEST), *text = NULL;
    csctrl_status status = path != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;

    for (int i = 0; i < CT_CHECKPOINT_FILES && status == CSCTRL_OK; i++)
        status = add_file(files, dir, ct_checkpoint_file(i));
    if (status == CSCTRL_OK) {
        text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
        status = text != NULL ? ct_fs_write_atomic(path, text, strlen(text))
                              : ct_fail(CSCTRL_E_NOMEM, "out of memory: manifest of %s", dir);
    }
    free(text); /* jansson's */
    json_decref(root);
    ct_free(path);
    return status;
}

/* ---- state.safetensors */

typedef struct collector {
    const csctrl_model *model;
    ct_named_tensor *tensors;
    size_t count, capacity;
} collector;

static csctrl_status collect(void *user, const char *name, ct_tensor *tensor)
{
    collector *c = user;

    if (c->count == c->capacity) {
        const size_t capacity = c->capacity ? 2 * c->capacity : 64;
        ct_named_tensor *tensors = ct_realloc(c->tensors, capacity * sizeof *tensors);
        if (tensors == NULL)
            return CSCTRL_E_NOMEM;
        c->tensors = tensors;
        c->capacity = capacity;
    }
    ct_named_tensor *out = &c->tensors[c->count];
    *out = (ct_named_tensor){.name = ct_strdup(name), .value = *tensor};
    out->value.data = ct_alloc(ct_tensor_bytes(tensor));
    c->count++;
    if (out->name == NULL || out->value.data == NULL)
        return CSCTRL_E_NOMEM;
    return c->model->ex->ops->download(c->model->ex, out->value.data, tensor->data,
                                       ct_tensor_bytes(tensor));
}

static csctrl_status write_state(const ct_train_state *state, const char *path)
{
    collector c = {.model = state->model};
    char encoder_moves[32], decoder_moves[32], fingerprint[32], best[32], threads[16], ranks[16];
    csctrl_status status = CSCTRL_OK;

    CT_GOTO(status, ct_state_visit(state, collect, &c));
    snprintf(encoder_moves, sizeof encoder_moves, "%lld",
             (long long)state->optim->moves[CT_ENCODER]);
    snprintf(decoder_moves, sizeof decoder_moves, "%lld",
             (long long)state->optim->moves[CT_DECODER]);
    snprintf(fingerprint, sizeof fingerprint, "%016llx",
             (unsigned long long)state->data_fingerprint);
    ct_double_text(state->best_psnr, best);
    snprintf(threads, sizeof threads, "%d", state->model->ex->threads);
    snprintf(ranks, sizeof ranks, "%d", state->ranks > 1 ? state->ranks : 1);
    const ct_named_text metadata[] = {
        {"format", CT_STATE_FORMAT},
        {"encoder_moves", encoder_moves},
        {"decoder_moves", decoder_moves},
        {"data_fingerprint", fingerprint},
        {"best_psnr", best},
        {"device", state->model->ex->name},
        {"ranks", ranks},
        {"threads", threads},
        {"isa", ct_isa_name(state->model->ex->isa)},
    };
    status = ct_safetensors_write(path, c.tensors, c.count, metadata,
                                  sizeof metadata / sizeof metadata[0]);
done:
    for (size_t i = 0; i < c.count; i++) {
        ct_free((void *)(uintptr_t)c.tensors[i].name);
        ct_free(c.tensors[i].value.data);
    }
    ct_free(c.tensors);
    return status;
}

/* ---- the directory */

static csctrl_status write_parts(const char *dir, const ct_train_state *state)
{
    char *config = ct_path_join(dir, CT_CHECKPOINT_CONFIG),
         *model = ct_path_join(dir, CT_CHECKPOINT_MODEL),
         *moments = ct_path_join(dir, CT_CHECKPOINT_STATE);
    csctrl_status status = CSCTRL_E_NOMEM;

    if (config == NULL || model == NULL || moments == NULL)
        goto done;
    CT_GOTO(status, ct_launch_save_config(state->model->config, config));
    CT_GOTO(status, ct_model_write(state->model, model));
    CT_GOTO(status, write_state(state, moments));
    CT_GOTO(status, write_manifest(dir, state->model->step));
    status = ct_fs_sync_dir(dir);
done:
    ct_free(config);
    ct_free(model);
    ct_free(moments);
    return status;
}

static csctrl_status point(const char *folder, const char *pointer, const char *name)
{
    char *path = ct_path_join(folder, pointer), line[STEP_NAME + 2];
    csctrl_status status = CSCTRL_E_NOMEM;

    if (path != NULL) {
        const int length = snprintf(line, sizeof line, "%s\n", name);
        status = ct_fs_write_atomic(path, line, (size_t)length);
    }
    ct_free(path);
    return status;
}

static csctrl_status move(const char *from, const char *to, unsigned flags)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) == 0)
        return CSCTRL_OK;
    const int error = errno;
    ct_fail(CSCTRL_E_IO, "cannot rename %s to %s: %s", from, to, strerror(error));
    errno = error; /* the caller may know another way */
    return CSCTRL_E_IO;
}

/* Where the file system exchanges no names: there is a moment without a checkpoint of that name. */
static csctrl_status replace(const char *folder, const char *unfinished, const char *target)
{
    char *old = ct_path_join(folder, CT_SAVE_REPLACED);
    csctrl_status status = CSCTRL_E_NOMEM;

    if (old == NULL)
        return status;
    CT_GOTO(status, ct_fs_remove_tree(old));
    CT_GOTO(status, move(target, old, 0));
    status = move(unfinished, target, 0);
    if (status != CSCTRL_OK) {
        (void)renameat2(AT_FDCWD, old, AT_FDCWD, target, 0); /* the old one is better than none */
        goto done;
    }
    CT_GOTO(status, ct_fs_sync_dir(folder));
    status = ct_fs_remove_tree(old);
done:
    ct_free(old);
    return status;
}

/* An older checkpoint of that name changes places with the new one in one atomic step, and is then
 * removed. */
static csctrl_status put_in_place(const char *folder, const char *unfinished, const char *name)
{
    char *target = ct_path_join(folder, name);
    csctrl_status status = CSCTRL_E_NOMEM;

    if (target == NULL)
        return status;
    const unsigned flags = ct_fs_exists(target) ? RENAME_EXCHANGE : 0;
    status = move(unfinished, target, flags);
    if (status != CSCTRL_OK && flags != 0 && (errno == EINVAL || errno == ENOSYS))
        status = replace(folder, unfinished, target);
    if (status == CSCTRL_OK)
        status = ct_fs_sync_dir(folder);
    if (status == CSCTRL_OK)
        status = ct_fs_remove_tree(unfinished);
    ct_free(target);
    return status;
}

csctrl_status ct_save(const char *run_dir, const ct_train_state *state, bool best)
{
    char name[STEP_NAME];
    char *folder = ct_path_join(run_dir, CT_CHECKPOINT_FOLDER);
    char *unfinished = folder != NULL ? ct_path_join(folder, ".unfinished") : NULL;
    csctrl_status status = CSCTRL_E_NOMEM;

    step_name(name, state->model->step);
    if (unfinished == NULL)
        goto done;
    CT_GOTO(status, ct_fs_remove_tree(unfinished));
    CT_GOTO(status, ct_fs_mkdir(unfinished));
    status = write_parts(unfinished, state);
    if (status == CSCTRL_OK)
        status = put_in_place(folder, unfinished, name);
    if (status != CSCTRL_OK) {
        ct_fail_context(status, "checkpoint %s was not saved", name);
        char message[512];
        snprintf(message, sizeof message, "%s", csctrl_last_error());
        (void)ct_fs_remove_tree(
            unfinished); /* free the space; the first failure is the one to report */
        ct_fail(status, "%s", message);
        goto done;
    }
    if (best) /* first: a run killed in between is resumed from before it, and comes by here again
               */
        CT_GOTO(status, point(folder, "best", name));
    CT_GOTO(status, point(folder, "latest", name));
    status = ct_fs_sync_dir(folder); /* before the rotation deletes what the old pointers named */
done:
    ct_free(unfinished);
    ct_free(folder);
    return status;
}

/* ---- rotation */

/* Name of the checkpoint that a pointer names; "" when there is no such pointer. Any other failure
 * must keep the rotation from deleting. */
static csctrl_status read_pointer(const char *run_dir, const char *pointer, char name[STEP_NAME])
{
    char *checkpoint = NULL;
    const csctrl_status status = ct_checkpoint_pointed(run_dir, pointer, &checkpoint);

    name[0] = '\0';
    if (status != CSCTRL_OK)
        return status == CSCTRL_E_NOT_FOUND ? CSCTRL_OK : status;
    snprintf(name, STEP_NAME, "%s", strrchr(checkpoint, '/') + 1);
    ct_free(checkpoint);
    return CSCTRL_OK;
}

csctrl_status ct_save_rotate(const char *run_dir, int keep)
{
    char *folder = ct_path_join(run_dir, CT_CHECKPOINT_FOLDER);
    char latest[STEP_NAME], best[STEP_NAME];
    ct_name_list list = {0};
    csctrl_status status = CSCTRL_E_NOMEM;

    if (folder == NULL)
        return status;
    CT_GOTO(status, read_pointer(run_dir, "latest", latest));
    CT_GOTO(status, read_pointer(run_dir, "best", best));
    CT_GOTO(status, ct_fs_list(folder, &list)); /* sorted: steps are zero-padded */
    int newer = 0;
    for (size_t i = list.count; i-- > 0 && status == CSCTRL_OK;) {
        const char *name = list.names[i];
        if (strncmp(name, "step-", 5) != 0 || newer++ < keep || strcmp(name, latest) == 0 ||
            strcmp(name, best) == 0)
            continue;
        status = ct_fs_remove_in(folder, name);
    }
done:
    ct_fs_list_free(&list);
    ct_free(folder);
    return status;
}
