/* study_train.c - one run of a study: trained, continued, or found finished. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_training.h"
#include "study.h"

int study_add(study *s, const char *label, const char *what, study_run **run)
{
    study_run *const r = &s->runs[s->count];

    *run = NULL;
    if (s->count == STUDY_RUNS_MAX)
        return cli_fail(CLI_USAGE, "study %s: at most %d runs", s->kind->name, STUDY_RUNS_MAX);
    s->count++;
    snprintf(r->label, sizeof r->label, "%s", label);
    r->what = cli_format("%s", what);
    const csctrl_status status = csctrl_config_copy(&r->config, s->config);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    *run = r;
    return r->what != NULL ? CLI_OK : cli_fail_memory();
}

int study_set(study_run *run, const char *key, const char *format, ...)
{
    char value[256];
    va_list list;

    va_start(list, format);
    vsnprintf(value, sizeof value, format, list);
    va_end(list);
    const csctrl_status status = csctrl_config_set(run->config, key, value);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status_at(status, run->label);
}

char *study_run_path(const study *s, const study_run *run)
{
    if (s->model != NULL)
        return cli_format("%s", s->model);
    return cli_format("%s/runs/%s", s->dir, run->label);
}

/* The settings a run was begun with are those the study asks for; then `run` gets them, so that a
 * timed run knows its length. */
static int take_saved(const study *s, study_run *run, const char *path)
{
    csctrl_config *saved = NULL;
    char *file = cli_format("%s/config.yaml", path);
    csctrl_status status = file != NULL ? csctrl_config_create(&saved) : CSCTRL_E_NOMEM;
    int code = CLI_OK;

    if (status == CSCTRL_OK)
        status = csctrl_config_load(saved, file);
    free(file);
    if (status != CSCTRL_OK) {
        csctrl_config_destroy(&saved);
        return cli_fail_status(status);
    }
    const char *key = study_difference(saved, run->config, run->timed ? "train.batches" : NULL);
    if (key != NULL) {
        code = cli_fail(CLI_USAGE,
                        "%s was trained with %s=%s, the study %s asks for %s; remove it to train "
                        "it again, or choose another --out",
                        path, key, csctrl_config_text(saved, key), s->kind->name,
                        csctrl_config_text(run->config, key));
        csctrl_config_destroy(&saved);
        return code;
    }
    csctrl_config_destroy(&run->config);
    run->config = saved;
    return CLI_OK;
}

/* Number of the latest checkpoint, or where that was deleted, of the one before it, which the run
 * is resumed from (never the best, which a model is loaded from); -1: there is none. */
static int64_t last_step(const char *path)
{
    char *pointer = cli_format("%s/checkpoints/latest", path);
    char *target = pointer != NULL ? cli_pointer_target(pointer) : NULL;
    const char *dash = target != NULL ? strrchr(target, '-') : NULL;
    int64_t step = dash != NULL ? strtoll(dash + 1, NULL, 10) : -1;

    if (target != NULL && access(target, F_OK) != 0) {
        *strrchr(target, '/') = '\0'; /* the pointer's folder */
        free(cli_last_numbered(target, "step-", "", INT64_MAX, &step));
    }
    free(target);
    free(pointer);
    return step;
}

/* What a run directory has before its first checkpoint is complete, the inner folders first; a name
 * may have an ending while it is written. */
static const struct unborn {
    const char *folder, *patterns[8];
} unborn[] = {
    {"checkpoints/.unfinished",
     {"model.safetensors*", "state.safetensors*", "config.yaml*", "manifest.json*"}},
    {"checkpoints/step-00000000", /* the pointer to it is not there yet */
     {"model.safetensors*", "state.safetensors*", "config.yaml*", "manifest.json*"}},
    {"checkpoints", {".unfinished", "step-00000000", "latest.??????", "best.??????"}},
    {"pictures", {"step-*.png", "step-*.png.??????"}},
    {".",
     {"checkpoints", "pictures", "config.yaml", "config.yaml.??????", "manifest.json*",
      "metrics.jsonl", "metrics.jsonl.??????", "events.out.tfevents.*"}},
};

static bool is_unborn(const struct unborn *part, const char *name)
{
    const size_t most = sizeof part->patterns / sizeof part->patterns[0];

    for (size_t i = 0; i < most && part->patterns[i] != NULL; i++)
        if (fnmatch(part->patterns[i], name, 0) == 0)
            return true;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Of one folder: are all names known? With `remove` they go. A folder that is missing is fine. */
static bool visit_unborn(const char *path, const struct unborn *part, bool remove)
{
    char *folder = cli_format("%s/%s", path, part->folder);
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    bool fine = dir != NULL || (folder != NULL && errno == ENOENT);
    const struct dirent *entry;

    while (fine && dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        fine = is_unborn(part, name);
        if (fine && remove && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            fine =
                unlinkat(dirfd(dir), name, 0) == 0 || unlinkat(dirfd(dir), name, AT_REMOVEDIR) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    free(folder);
    return fine;
}

/* What was killed before its first checkpoint begins anew. Nothing is touched unless all that is
 * there is a run's. */
static int clear_unborn(const char *path)
{
    const size_t parts = sizeof unborn / sizeof unborn[0];
    bool fine = true;

    for (size_t i = 0; i < parts && fine; i++)
        fine = visit_unborn(path, &unborn[i], false);
    for (size_t i = 0; i < parts && fine; i++)
        fine = visit_unborn(path, &unborn[i], true);
    return fine ? CLI_OK
                : cli_fail(CLI_USAGE,
                           "%s: expected a run directory with a checkpoint, found none; remove "
                           "the directory to train this run",
                           path);
}

static int begin(study *s, study_run *run, const char *path, csctrl_trainer **trainer)
{
    int code = clear_unborn(path);

    if (code == CLI_OK && run->timed)
        code = s->kind->time(s, run);
    if (code != CLI_OK)
        return code;
    const csctrl_status status = csctrl_trainer_create(trainer, run->config, path);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status_at(status, run->label);
}

int study_interrupted(const study *s)
{
    char quoted[PATH_MAX];

    return cli_fail(CLI_INTERRUPTED, "interrupted; continue with: csctrl study %s --out %s",
                    s->kind->name, cli_quote(s->dir, quoted, sizeof quoted));
}

static int fail_run(const study *s, const study_run *run, csctrl_status status)
{
    char quoted[PATH_MAX];
    const int number = (int)(run - s->runs) + 1;

    if (status != CSCTRL_E_INTERRUPTED)
        return cli_fail_status_at(status, run->label);
    return cli_fail(CLI_INTERRUPTED,
                    "interrupted in run %d of %d, %s, which is saved; continue with: csctrl study "
                    "%s --out %s",
                    number, s->count, run->label, s->kind->name,
                    cli_quote(s->dir, quoted, sizeof quoted));
}

void study_say(const study *s, const study_run *run, const char *format, ...)
{
    const cli_progress_mode mode = s->progress->mode;
    char text[256];
    va_list list;

    if (mode != CLI_PROGRESS_LINES && mode != CLI_PROGRESS_BAR)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    printf("run %d/%d %s  %s\n", (int)(run - s->runs) + 1, s->count, run->label, text);
    fflush(stdout);
}

int study_train(study *s, int index)
{
    study_run *const run = &s->runs[index];
    cli_progress progress;
    csctrl_trainer *trainer = NULL;
    char *path = study_run_path(s, run);
    int code = path != NULL ? cli_progress_init(&progress, s->args) : cli_fail_memory();

    if (code != CLI_OK) {
        free(path);
        return code;
    }
    const int64_t step = last_step(path);
    progress.run = index + 1;
    progress.runs = s->count;
    progress.label = run->label;
    csctrl_log_set(cli_progress_message, &progress);
    if (step >= 0)
        code = take_saved(s, run, path);
    const bool done =
        step >= 0 && code == CLI_OK && step >= csctrl_config_int(run->config, "train.batches");
    if (done) {
        study_say(s, run, "finished before");
    } else if (code == CLI_OK && step >= 0) {
        const csctrl_status status = csctrl_trainer_resume(&trainer, path, NULL, 0);
        code = status == CSCTRL_OK ? CLI_OK : cli_fail_status_at(status, run->label);
    } else if (code == CLI_OK) {
        code = begin(s, run, path, &trainer);
    }
    if (code == CLI_OK && !done) {
        const csctrl_status status = cli_training_play(trainer, &progress);
        cli_progress_end(&progress);
        code = status == CSCTRL_OK ? CLI_OK : fail_run(s, run, status);
    }
    csctrl_log_set(cli_progress_message, s->progress);
    csctrl_trainer_destroy(&trainer);
    free(path);
    return code;
}
