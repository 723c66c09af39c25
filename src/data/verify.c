/* verify.c - decode everything once and name what is broken. */
#include <string.h>

#include "base/mem.h"
#include "data/source.h"

typedef struct tally {
    csctrl_broken_fn broken;
    void *user;
    int64_t good, bad;
} tally;

static void count_broken(void *user, const char *name, const char *reason)
{
    tally *t = user;

    t->bad++;
    if (t->broken != NULL)
        t->broken(t->user, name, reason);
}

/* The reason without the name that messages begin with. */
static const char *without_name(const char *message, const char *name)
{
    const size_t length = strlen(name);

    return strncmp(message, name, length) == 0 && strncmp(message + length, ": ", 2) == 0
               ? message + length + 2
               : message;
}

static csctrl_status read_all(const ct_source *source, const ct_geometry *geometry, tally *t)
{
    const int64_t count = source->count[0] + source->count[1];
    uint8_t *planes =
        ct_alloc((size_t)geometry->channels * (size_t)geometry->size * (size_t)geometry->size);
    ct_workspace work = {0};
    csctrl_status status = CSCTRL_E_NOMEM;

    if (planes == NULL)
        goto done;
    CT_GOTO(status, ct_workspace_create(&work, source));
    for (int64_t i = 0; i < count; i++) {
        char name[CT_NAME_MAX];
        const csctrl_status read = source->ops->read(source, i, geometry, &work, planes);
        if (read == CSCTRL_E_NOMEM) {
            status = read;
            goto done;
        }
        if (read == CSCTRL_OK) {
            t->good++;
            continue;
        }
        source->ops->name(source, i, name);
        ct_one_line(name); /* as in the message, which begins with it */
        count_broken(t, name, without_name(csctrl_last_error(), name));
    }
done:
    ct_workspace_destroy(&work);
    ct_free(planes);
    return status;
}

static csctrl_status verify_path(const csctrl_config *config, const char *path, tally *t)
{
    const ct_geometry geometry = {.channels = (int)csctrl_config_int(config, "data.channels"),
                                  .size = (int)csctrl_config_int(config, "data.size"),
                                  .whole = true};
    const ct_source_request request = {
        .config = config, .path = path, .want = {true, true}, .broken = count_broken, .user = t};
    ct_source source;

    CT_TRY(ct_source_open(&source, &request));
    const csctrl_status status = read_all(&source, &geometry, t);
    ct_source_close(&source);
    return status;
}

csctrl_status csctrl_dataset_verify(const csctrl_config *config, csctrl_broken_fn broken,
                                    void *user, int64_t *good, int64_t *bad)
{
    const char *test_path = csctrl_config_text(config, "data.test_path");
    tally t = {.broken = broken, .user = user};

    *good = *bad = 0;
    CT_TRY(verify_path(config, csctrl_config_text(config, "data.path"), &t));
    if (test_path[0] != '\0' && strcmp(csctrl_config_text(config, "data.kind"), "synthetic") != 0)
        CT_TRY(verify_path(config, test_path, &t));
    *good = t.good;
    *bad = t.bad;
    return CSCTRL_OK;
}
