/* restore.c - model and state back from a checkpoint. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "train/save.h"
#include "train/state.h"

typedef struct reader {
    csctrl_model *model;
    const ct_safetensors *file;
    const char *path;
} reader;

static csctrl_status read_one(void *user, const char *name, ct_tensor *tensor)
{
    const reader *r = user;
    ct_tensor found;
    char want[96], have[96];

    if (ct_safetensors_find(r->file, name, &found) != CSCTRL_OK)
        return ct_fail(CSCTRL_E_MISMATCH,
                       "%s: tensor '%s' is missing; the checkpoint is of another configuration",
                       r->path, name);
    bool same = found.dtype == tensor->dtype && found.ndim == tensor->ndim;
    for (int i = 0; same && i < found.ndim; i++)
        same = found.shape[i] == tensor->shape[i];
    if (!same)
        return ct_fail(CSCTRL_E_MISMATCH, "%s: tensor '%s': expected %s, found %s", r->path, name,
                       ct_tensor_text(tensor, want), ct_tensor_text(&found, have));
    return r->model->ex->ops->upload(r->model->ex, tensor->data, found.data,
                                     ct_tensor_bytes(tensor));
}

static const char *text_of(const ct_safetensors *file, const char *key)
{
    const char *text = ct_safetensors_metadata(file, key);

    return text != NULL ? text : "";
}

static csctrl_status refuse(const reader *r, const char *key, const char *expected)
{
    return ct_fail(CSCTRL_E_FORMAT, "%s: metadata '%s': expected %s, found '%s'", r->path, key,
                   expected, text_of(r->file, key));
}

static csctrl_status read_moves(const reader *r, const char *key, int64_t *moves)
{
    long long value = 0;

    if (!ct_parse_int(text_of(r->file, key), &value) || value < 0)
        return refuse(r, key, "a number of moves");
    *moves = value;
    return CSCTRL_OK;
}

/* What results depend on in their last bits, and is no part of the config. */
static void warn_of_change(const reader *r, const ct_train_state *state)
{
    static const char *const keys[] = {"device", "ranks", "threads", "isa"};
    enum { OF_DEVICE = 2 }; /* the others are the host's */
    const ct_exec *ex = r->model->ex;
    char ranks[16], threads[16];
    const char *const now[] = {ex->name, ranks, threads, ct_isa_name(ex->isa)};

    snprintf(ranks, sizeof ranks, "%d", state->ranks > 1 ? state->ranks : 1);
    snprintf(threads, sizeof threads, "%d", ex->threads);
    const size_t count = ex->deferred ? OF_DEVICE : sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++)
        if (strcmp(text_of(r->file, keys[i]), now[i]) != 0)
            ct_log(CSCTRL_LOG_WARNING,
                   "%s: %s when the run was saved, %s now: results will differ in the last bits "
                   "from those of an uninterrupted run",
                   keys[i],
                   ct_safetensors_metadata(r->file, keys[i]) != NULL ? text_of(r->file, keys[i])
                                                                     : "not told",
                   now[i]);
}

static csctrl_status read_facts(const reader *r, ct_train_state *state)
{
    char fingerprint[17];

    if (strcmp(text_of(r->file, "format"), CT_STATE_FORMAT) != 0)
        return refuse(r, "format", CT_STATE_FORMAT);
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, state->data_fingerprint);
    if (strcmp(text_of(r->file, "data_fingerprint"), fingerprint) != 0)
        return ct_fail(CSCTRL_E_MISMATCH,
                       "%s: the run was trained on other data: fingerprint '%s', the data set now "
                       "has '%s'",
                       r->path, text_of(r->file, "data_fingerprint"), fingerprint);
    if (!ct_parse_double(text_of(r->file, "best_psnr"), &state->best_psnr))
        return refuse(r, "best_psnr", "a number");
    CT_TRY(read_moves(r, "encoder_moves", &state->optim->moves[CT_ENCODER]));
    CT_TRY(read_moves(r, "decoder_moves", &state->optim->moves[CT_DECODER]));
    warn_of_change(r, state);
    if (strcmp(csctrl_config_text(state->model->config, "tune"), "on") == 0)
        ct_log(CSCTRL_LOG_WARNING,
               "tune=on measures anew: results may differ in the last bits from those of an "
               "uninterrupted run; a file (tune=FILE) keeps the choices");
    return CSCTRL_OK;
}

csctrl_status ct_restore(const char *checkpoint, ct_train_state *state)
{
    char *model = ct_path_join(checkpoint, CT_CHECKPOINT_MODEL),
         *moments = ct_path_join(checkpoint, CT_CHECKPOINT_STATE);
    ct_safetensors *file = NULL;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (model == NULL || moments == NULL)
        goto done;
    CT_GOTO(status, ct_model_read(state->model, model, false));
    CT_GOTO(status, ct_safetensors_open(&file, moments));
    reader r = {.model = state->model, .file = file, .path = moments};
    CT_GOTO(status, read_facts(&r, state));
    status = ct_state_visit(state, read_one, &r);
done:
    ct_safetensors_close(&file);
    ct_free(model);
    ct_free(moments);
    return status;
}
