/* serialize.c - a model to and from safetensors. Names are the parameters'; "average.NAME" is its
 * average; "encoder.N.eta" the step size f64[1]. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "model/model.h"

#define FORMAT_NAME "csctrl-model-1"

enum { NAME_MAX_LENGTH = 64 };

/* ---- writing */

typedef struct writer {
    ct_named_tensor *tensors;
    char (*names)[NAME_MAX_LENGTH];
    size_t count;
} writer;

/* Values on the host: the writer owns the copies. */
static csctrl_status add_tensor(writer *w, const csctrl_model *m, const char *prefix,
                                const char *name, const ct_tensor *value)
{
    ct_named_tensor *out = &w->tensors[w->count];

    snprintf(w->names[w->count], NAME_MAX_LENGTH, "%s%s", prefix, name);
    out->name = w->names[w->count];
    out->value = *value;
    out->value.data = ct_alloc(ct_tensor_bytes(value));
    if (out->value.data == NULL)
        return CSCTRL_E_NOMEM;
    w->count++;
    return m->ex->ops->download(m->ex, out->value.data, value->data, ct_tensor_bytes(value));
}

static csctrl_status collect(writer *w, const csctrl_model *m)
{
    for (size_t i = 0; i < m->param_count; i++)
        CT_TRY(add_tensor(w, m, "", m->params[i].name, m->params[i].value));
    for (size_t i = 0; i < m->param_count && m->averaged; i++)
        CT_TRY(add_tensor(w, m, "average.", m->params[i].name, &m->params[i].average));
    for (int l = 0; l < m->arch.depth && m->arch.kind == CT_ARCH_CSC; l++) {
        char name[NAME_MAX_LENGTH];
        snprintf(name, sizeof name, "encoder.%d.eta", l);
        CT_TRY(add_tensor(w, m, "", name, &m->layers[l].eta));
    }
    return CSCTRL_OK;
}

csctrl_status ct_model_write(const csctrl_model *model, const char *path)
{
    const size_t most = 2 * model->param_count + CSCTRL_MAX_LAYERS;
    char step[32], classes[32];
    writer w = {.tensors = ct_calloc(most, sizeof *w.tensors),
                .names = ct_calloc(most, sizeof *w.names)};
    csctrl_status status = CSCTRL_E_NOMEM;

    if (w.tensors == NULL || w.names == NULL)
        goto done;
    CT_GOTO(status, collect(&w, model));
    snprintf(step, sizeof step, "%lld", (long long)model->step);
    snprintf(classes, sizeof classes, "%d", model->classes);
    const ct_named_text metadata[] = {
        {"format", FORMAT_NAME},
        {"arch", csctrl_config_text(model->config, "model.arch")},
        {"layers", csctrl_config_text(model->config, "model.layers")},
        {"step", step},
        {"classes", classes},
    };
    status = ct_safetensors_write(path, w.tensors, w.count, metadata,
                                  sizeof metadata / sizeof metadata[0]);
done:
    for (size_t i = 0; i < w.count; i++)
        ct_free(w.tensors[i].value.data);
    ct_free(w.tensors);
    ct_free(w.names);
    return status;
}

/* ---- reading */

static csctrl_status upload_converted(csctrl_model *m, const ct_tensor *from, ct_tensor *to)
{
    const int64_t count = csctrl_tensor_count(from);

    if (from->dtype == to->dtype)
        return m->ex->ops->upload(m->ex, to->data, from->data, ct_tensor_bytes(to));
    void *host = ct_alloc(ct_tensor_bytes(to));
    if (host == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        if (to->dtype == CSCTRL_F64)
            ((double *)host)[i] = (double)((const float *)from->data)[i];
        else
            ((float *)host)[i] = (float)((const double *)from->data)[i];
    }
    const csctrl_status status = m->ex->ops->upload(m->ex, to->data, host, ct_tensor_bytes(to));
    ct_free(host);
    return status;
}

static bool same_shape(const ct_tensor *a, const ct_tensor *b)
{
    bool same = a->ndim == b->ndim;

    for (int i = 0; same && i < a->ndim; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

/* Find prefix+name and copy it to `to`. E_NOT_FOUND when the file has none. */
static csctrl_status read_tensor(csctrl_model *m, const ct_safetensors *file, const char *path,
                                 const char *prefix, const char *name, ct_tensor *to)
{
    char full[NAME_MAX_LENGTH], want[96], have[96];
    ct_tensor found;

    snprintf(full, sizeof full, "%s%s", prefix, name);
    CT_TRY(ct_safetensors_find(file, full, &found));
    if (!same_shape(&found, to) || (found.dtype != CSCTRL_F32 && found.dtype != CSCTRL_F64))
        return ct_fail(
            CSCTRL_E_MISMATCH,
            "%s: tensor '%s': the model expects %s, the file has %s; the checkpoint is of another "
            "architecture",
            path, full, ct_tensor_text(to, want), ct_tensor_text(&found, have));
    return upload_converted(m, &found, to);
}

static csctrl_status read_param(csctrl_model *m, const ct_safetensors *file, const char *path,
                                ct_param *p, bool use_average)
{
    csctrl_status status = CSCTRL_E_NOT_FOUND;
    char want[96];

    if (use_average)
        status = read_tensor(m, file, path, "average.", p->name, p->value);
    if (status == CSCTRL_E_NOT_FOUND)
        status = read_tensor(m, file, path, "", p->name, p->value);
    if (status == CSCTRL_E_NOT_FOUND)
        return ct_fail(CSCTRL_E_MISMATCH,
                       "%s: tensor '%s' %s is missing; the checkpoint is of another architecture",
                       path, p->name, ct_tensor_text(p->value, want));
    CT_TRY(status);
    if (!m->averaged)
        return CSCTRL_OK;
    status = read_tensor(m, file, path, "average.", p->name, &p->average);
    return status == CSCTRL_E_NOT_FOUND ? read_tensor(m, file, path, "", p->name, &p->average)
                                        : status;
}

static csctrl_status read_etas(csctrl_model *m, const ct_safetensors *file, const char *path)
{
    for (int l = 0; l < m->arch.depth && m->arch.kind == CT_ARCH_CSC; l++) {
        char name[NAME_MAX_LENGTH];
        ct_tensor eta;
        snprintf(name, sizeof name, "encoder.%d.eta", l);
        if (ct_safetensors_find(file, name, &eta) != CSCTRL_OK || eta.dtype != CSCTRL_F64 ||
            csctrl_tensor_count(&eta) != 1)
            return ct_fail(CSCTRL_E_MISMATCH, "%s: tensor '%s' f64[1] is missing", path, name);
        double value = 0.0;
        memcpy(&value, eta.data, sizeof value);
        if (!(value > 0.0) || isinf(value))
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s: tensor '%s': a step size must be positive and finite, found %g",
                           path, name, value);
        CT_TRY(upload_converted(m, &eta, &m->layers[l].eta));
    }
    return CSCTRL_OK;
}

static csctrl_status metadata_int(const ct_safetensors *file, const char *path, const char *key,
                                  long long most, long long *value)
{
    const char *text = ct_safetensors_metadata(file, key);

    if (text == NULL || !ct_parse_int(text, value) || *value < 0 || *value > most)
        return ct_fail(CSCTRL_E_FORMAT, "%s: metadata %s: expected a number in 0..%lld, found '%s'",
                       path, key, most, text != NULL ? text : "none");
    return CSCTRL_OK;
}

/* Parameters the model does not know are a mismatch too: nothing trained is dropped in silence. */
static csctrl_status refuse_strangers(const csctrl_model *m, const ct_safetensors *file,
                                      const char *path)
{
    for (size_t i = 0; i < ct_safetensors_count(file); i++) {
        const char *name = ct_safetensors_name(file, i);
        const char *plain = strncmp(name, "average.", 8) == 0 ? name + 8 : name;
        char eta[NAME_MAX_LENGTH];
        bool known = false;
        for (int l = 0; l < m->arch.depth && m->arch.kind == CT_ARCH_CSC && !known; l++) {
            snprintf(eta, sizeof eta, "encoder.%d.eta", l);
            known = strcmp(name, eta) == 0;
        }
        for (size_t j = 0; j < m->param_count && !known; j++)
            known = strcmp(plain, m->params[j].name) == 0;
        if (!known)
            return ct_fail(
                CSCTRL_E_MISMATCH,
                "%s: tensor '%s' is not part of this model; the checkpoint is of another "
                "architecture",
                path, name);
    }
    return CSCTRL_OK;
}

csctrl_status ct_model_read(csctrl_model *model, const char *path, bool use_average)
{
    ct_safetensors *file = NULL;
    long long step = 0, classes = 0;
    csctrl_status status;

    CT_GOTO(status, ct_safetensors_open(&file, path));
    const char *format = ct_safetensors_metadata(file, "format");
    if (format == NULL || strcmp(format, FORMAT_NAME) != 0) {
        status = ct_fail(CSCTRL_E_FORMAT, "%s: expected metadata format '%s', found '%s'", path,
                         FORMAT_NAME, format != NULL ? format : "none");
        goto done;
    }
    CT_GOTO(status, refuse_strangers(model, file, path));
    for (size_t i = 0; i < model->param_count; i++)
        CT_GOTO(status, read_param(model, file, path, &model->params[i], use_average));
    CT_GOTO(status, read_etas(model, file, path));
    CT_GOTO(status, metadata_int(file, path, "step", INT64_MAX, &step));
    CT_GOTO(status, metadata_int(file, path, "classes", INT32_MAX, &classes));
    model->step = step;
    model->classes = (int)classes;
    status = ct_model_refresh(model, 0);
done:
    ct_safetensors_close(&file);
    return status;
}

/* ---- the public way in */

static csctrl_status find_checkpoint(const char *path, char **checkpoint)
{
    static const char *const pointers[] = {"latest", "best", NULL};

    return ct_checkpoint_locate(path, pointers, checkpoint);
}

csctrl_status csctrl_checkpoint_find(const char *path, char *found, size_t size, int64_t *step)
{
    char *checkpoint = NULL;
    csctrl_status status = find_checkpoint(path, &checkpoint);

    if (status != CSCTRL_OK)
        return status;
    const size_t length = strlen(checkpoint);
    if (length >= size) {
        status = ct_fail(CSCTRL_E_INVALID, "%s: expected room for a path of %zu bytes, found %zu",
                         checkpoint, length + 1, size);
    } else {
        memcpy(found, checkpoint, length + 1);
        if (step != NULL)
            *step = ct_checkpoint_step(checkpoint);
    }
    ct_free(checkpoint);
    return status;
}

csctrl_status csctrl_model_load(csctrl_model **out, const char *path, const char *const *overrides,
                                size_t count, int batch)
{
    char *checkpoint = NULL, *file = NULL;
    csctrl_config *config = NULL;
    csctrl_model *m = NULL;
    csctrl_status status = CSCTRL_OK;

    *out = NULL;
    CT_GOTO(status, find_checkpoint(path, &checkpoint));
    CT_GOTO(status, ct_checkpoint_verify(checkpoint, false));
    CT_GOTO(status, ct_checkpoint_config(checkpoint, overrides, count, &config));
    CT_GOTO(status, csctrl_model_create(&m, config, batch));
    file = ct_path_join(checkpoint, CT_CHECKPOINT_MODEL);
    if (file == NULL) {
        status = CSCTRL_E_NOMEM;
        goto done;
    }
    CT_GOTO(status, ct_model_read(m, file, true));
    *out = m;
    m = NULL;
done:
    csctrl_model_destroy(&m);
    csctrl_config_destroy(&config);
    ct_free(checkpoint);
    ct_free(file);
    return status;
}
