/* study_setup.c - the folder of a study: study.json says which study it is, config.yaml with which
 * settings it began. What does not agree with them is refused. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_json.h"
#include "study.h"

#define DEFAULT_CONFIG "fashion-mnist"

const char *study_difference(const csctrl_config *a, const csctrl_config *b, const char *but)
{
    const csctrl_option *option;

    for (size_t i = 0; (option = csctrl_option_at(i)) != NULL; i++)
        if ((but == NULL || strcmp(option->key, but) != 0) &&
            strcmp(csctrl_config_text(a, option->key), csctrl_config_text(b, option->key)) != 0)
            return option->key;
    return NULL;
}

static bool is_empty(const char *dir)
{
    DIR *stream = opendir(dir);
    const struct dirent *entry;
    bool empty = true;

    while (stream != NULL && (entry = readdir(stream)) != NULL)
        empty = empty && entry->d_name[0] == '.';
    if (stream != NULL)
        closedir(stream);
    return empty;
}

/* DIR/study.json: the study's name and the paths of unseen data, which --unseen replaces. */
static int read_record(study *s, const char *path, bool *begun)
{
    json_t *record = json_load_file(path, 0, NULL);
    const char *name = json_string_value(json_object_get(record, "study"));
    int code = CLI_OK;

    *begun = record != NULL;
    if (record == NULL && access(path, F_OK) == 0)
        code = cli_fail(CLI_USAGE, "%s: expected the JSON of a study; choose another --out", path);
    else if (record == NULL && !is_empty(s->dir))
        code = cli_fail(CLI_USAGE,
                        "%s: expected a new or empty directory or one of a study, found other "
                        "files; choose another --out",
                        s->dir);
    else if (record != NULL && (name == NULL || strcmp(name, s->kind->name) != 0))
        code = cli_fail(CLI_USAGE, "%s holds the study %s, not %s; choose another --out", s->dir,
                        name != NULL ? name : "?", s->kind->name);
    json_t *unseen = json_object_get(record, "unseen");
    if (code == CLI_OK && s->unseen == NULL && json_is_array(unseen))
        s->unseen = json_incref(unseen);
    const char *model = json_string_value(json_object_get(record, "model"));
    if (code == CLI_OK && s->model != NULL && model != NULL && strcmp(model, s->model) != 0)
        code =
            cli_fail(CLI_USAGE, "%s: the study is of the model %s, found %s; choose another --out",
                     s->dir, model, s->model);
    if (code == CLI_OK && s->args->count < 2 && model != NULL) {
        s->model = cli_format("%s", model);
        code = s->model != NULL ? CLI_OK : cli_fail_memory();
    }
    json_decref(record);
    return code;
}

static int write_record(const study *s, const char *path)
{
    json_t *record = json_pack("{s:s, s:O?}", "study", s->kind->name, "unseen", s->unseen);

    if (s->model != NULL)
        json_object_set_new(record, "model", cli_json_text(s->model));
    char *text = record != NULL ? json_dumps(record, JSON_INDENT(2)) : NULL;
    const int code = text != NULL ? cli_write_atomic(path, text, strlen(text)) : cli_fail_memory();
    json_decref(record);
    free(text);
    return code;
}

/* Has any run been begun? Until then the settings may change: they may have been refused. */
static bool has_runs(const study *s)
{
    char *runs = cli_format("%s/runs", s->dir);
    DIR *stream = runs != NULL ? opendir(runs) : NULL;
    const struct dirent *entry;
    bool found = false;

    while (stream != NULL && !found && (entry = readdir(stream)) != NULL) {
        char *latest = cli_format("%s/%s/checkpoints/latest", runs, entry->d_name);
        found = latest != NULL && access(latest, F_OK) == 0;
        free(latest);
    }
    if (stream != NULL)
        closedir(stream);
    free(runs);
    return found;
}

static int take_unseen(study *s)
{
    const char *path;

    for (size_t i = 0; (path = cli_value_at(s->args, "unseen", i)) != NULL; i++) {
        if (s->unseen == NULL)
            s->unseen = json_array();
        json_array_append_new(s->unseen, cli_json_text(path));
    }
    return CLI_OK;
}

/* RUN, a checkpoint, or a pointer such as RUN/checkpoints/best in place of CONFIG. */
static int take_model(study *s)
{
    const char *operand = s->args->count > 1 ? s->args->operands[1] : NULL;
    struct stat st;

    if (operand == NULL || cli_is_config(operand))
        return CLI_OK;
    s->model = cli_pointer_target(operand);
    if (s->model == NULL && stat(operand, &st) == 0 && S_ISDIR(st.st_mode))
        s->model = cli_format("%s", operand);
    if (s->model == NULL)
        return CLI_OK; /* no run either: said where the config is looked for */
    if (!s->kind->takes_model)
        return cli_fail(CLI_USAGE,
                        "study %s: expected a CONFIG, found the directory %s; only the "
                        "studies noise and unseen take a trained model",
                        s->kind->name, s->model);
    return CLI_OK;
}

static bool sets(const cli_args *args, const char *key)
{
    const size_t n = strlen(key);

    for (size_t i = 0; i < args->set_count; i++)
        if (strncmp(args->sets[i], key, n) == 0 && args->sets[i][n] == '=')
            return true;
    return false;
}

/* Path of the config that comes before --set: what the study began with, the model's, CONFIG, or
 * the default one; owned. */
static int find_config(const study *s, const char *saved, char **path)
{
    const char *operand = s->args->count > 1 ? s->args->operands[1] : NULL;

    *path = NULL;
    if (operand == NULL && saved != NULL)
        *path = cli_format("%s", saved);
    else if (s->model != NULL)
        *path = cli_checkpoint_config(s->model);
    else
        return cli_config_find(operand != NULL ? operand : DEFAULT_CONFIG, path);
    return *path != NULL ? CLI_OK : cli_fail_memory();
}

static int load_config(study *s, const char *saved)
{
    const bool goes_on = s->args->count < 2 && saved != NULL;
    char *path = NULL;
    int code = find_config(s, saved, &path);

    if (code == CLI_OK)
        code = cli_config_load(&s->config, path, s->args);
    free(path);
    if (code == CLI_OK && !goes_on && s->model == NULL && !sets(s->args, "train.batches")) {
        char length[64];
        snprintf(length, sizeof length, "train.batches=%lld", (long long)s->kind->batches);
        const csctrl_status status = csctrl_config_assign(s->config, length);
        if (status != CSCTRL_OK)
            return cli_fail_status(status);
    }
    if (code == CLI_OK && strcmp(csctrl_config_text(s->config, "parallel.comm"), "none") != 0)
        code = cli_fail(CLI_USAGE,
                        "study: expected parallel.comm none, found %s; a study trains "
                        "by one process",
                        csctrl_config_text(s->config, "parallel.comm"));
    return code;
}

static int expect_same(const study *s, const char *saved)
{
    csctrl_config *began = NULL;
    csctrl_status status = csctrl_config_create(&began);
    int code = CLI_OK;

    if (status == CSCTRL_OK)
        status = csctrl_config_load(began, saved);
    if (status != CSCTRL_OK) {
        code = cli_fail_status(status);
    } else {
        const char *key = study_difference(began, s->config, NULL);
        const char *variable = key != NULL ? cli_environment_variable(key) : NULL;
        if (key != NULL)
            code = cli_fail(
                CLI_USAGE,
                "%s: the study began with %s=%s, found %s%s%s; choose another --out, "
                "or leave CONFIG and --set out to go on",
                s->dir, key, csctrl_config_text(began, key), csctrl_config_text(s->config, key),
                variable != NULL ? ", perhaps by " : "", variable != NULL ? variable : "");
    }
    csctrl_config_destroy(&began);
    return code;
}

/* `saved`: where the config is or comes to be. */
static int check_config(study *s, const char *saved, bool begun)
{
    const bool kept = begun && access(saved, F_OK) == 0;
    const bool bound = kept && has_runs(s);

    if (bound && s->model != NULL)
        return cli_fail(CLI_USAGE,
                        "%s: the study trained a model of its own; choose another --out for %s",
                        s->dir, s->model);
    int code = load_config(s, kept ? saved : NULL);
    if (code == CLI_OK && bound)
        code = expect_same(s, saved);
    if (code == CLI_OK && s->model != NULL)
        code = cli_expect_held_out(s->model, s->config);
    return code;
}

int study_save(const study *s)
{
    char *record = cli_format("%s/study.json", s->dir);
    char *saved = cli_format("%s/config.yaml", s->dir);
    int code = record != NULL && saved != NULL ? cli_make_dirs(s->dir, false) : cli_fail_memory();

    if (code == CLI_OK)
        code = write_record(s, record);
    if (code == CLI_OK) {
        const csctrl_status status = csctrl_config_save(s->config, saved);
        code = status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
    }
    free(record);
    free(saved);
    return code;
}

int study_open(study *s)
{
    const char *out = cli_value(s->args, "out");
    bool begun = false;

    s->dir = out != NULL ? cli_format("%s", out) : cli_format("studies/%s", s->kind->name);
    char *record = s->dir != NULL ? cli_format("%s/study.json", s->dir) : NULL;
    char *saved = s->dir != NULL ? cli_format("%s/config.yaml", s->dir) : NULL;
    int code = record != NULL && saved != NULL ? take_unseen(s) : cli_fail_memory();

    if (code == CLI_OK && s->kind->varies != NULL && sets(s->args, s->kind->varies))
        code = cli_fail(CLI_USAGE, "study %s: %s is what its runs differ in; leave out --set %s",
                        s->kind->name, s->kind->varies, s->kind->varies);
    if (code == CLI_OK)
        code = take_model(s);
    if (code == CLI_OK)
        code = read_record(s, record, &begun);
    if (code == CLI_OK)
        code = check_config(s, saved, begun);
    free(record);
    free(saved);
    return code;
}
