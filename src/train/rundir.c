/* rundir.c - config, manifest, metrics. */
#define _GNU_SOURCE
#include "train/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "csctrl/system.h"
#include "model/checkpoint.h"
#include "train/launch.h"
#include "train/save.h"

enum { METRICS_MAX = 1 << 30 };

#define PICTURES "pictures"
#define METRICS "metrics.jsonl"
/* The end of a temporary name of ct_fs_write_atomic: a user's .backup is none. */
#define HEX6 "[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
#define MANIFEST "manifest.json"

static csctrl_status make_folder(const char *path, const char *name)
{
    char *folder = ct_path_join(path, name);

    if (folder == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = ct_fs_mkdir(folder);
    ct_free(folder);
    return status;
}

csctrl_status ct_rundir_expect_new(const char *path)
{
    ct_name_list list;

    if (!ct_fs_exists(path))
        return CSCTRL_OK;
    if (!ct_fs_is_dir(path))
        return ct_fail(CSCTRL_E_EXISTS,
                       "%s: a file of that name exists; choose another run directory", path);
    CT_TRY(ct_fs_list(path, &list));
    const size_t count = list.count;
    ct_fs_list_free(&list);
    if (count > 0)
        return ct_fail(
            CSCTRL_E_EXISTS,
            "%s: the directory exists and is not empty; choose another, or 'csctrl resume' it",
            path);
    return CSCTRL_OK;
}

csctrl_status ct_rundir_expect(const char *path)
{
    if (!ct_fs_exists(path))
        return ct_fail(CSCTRL_E_NOT_FOUND, "%s: no such run or checkpoint directory", path);
    char *folder = ct_path_join(path, CT_CHECKPOINT_FOLDER);
    if (folder == NULL)
        return CSCTRL_E_NOMEM;
    const bool there = ct_fs_is_dir(folder);
    ct_free(folder);
    if (there)
        return CSCTRL_OK;
    return ct_fail(CSCTRL_E_NOT_FOUND, "%s: expected a run directory, found no folder %s in it",
                   path, CT_CHECKPOINT_FOLDER);
}

static void add_fact(void *user, const char *key, const char *value)
{
    json_object_set_new(user, key, json_string(value));
}

static char *manifest_text(const ct_run_facts *facts)
{
    char fingerprint[32], started[32] = "";
    const time_t now = time(NULL);
    struct tm utc;
    json_t *system = json_object();

    if (gmtime_r(&now, &utc) != NULL)
        strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    snprintf(fingerprint, sizeof fingerprint, "%016llx",
             (unsigned long long)facts->data_fingerprint);
    csctrl_system_report(add_fact, system);
    json_t *root = json_pack(
        "{s:s, s:s, s:I, s:s, s:i, s:s, s:s, s:I, s:I, s:o}", "csctrl", csctrl_version(), "started",
        started, "seed", (json_int_t)csctrl_config_int(facts->config, "seed"), "backend",
        facts->ex->name, "threads", facts->ex->threads, "isa", ct_isa_name(facts->ex->isa),
        "data_fingerprint", fingerprint, "train_images", (json_int_t)facts->train_images,
        "test_images", (json_int_t)facts->test_images, "system", system);
    char *text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    return text;
}

static csctrl_status write_manifest(const char *path, const ct_run_facts *facts)
{
    char *file = ct_path_join(path, MANIFEST), *text = manifest_text(facts);
    csctrl_status status = CSCTRL_E_NOMEM;

    if (text == NULL)
        ct_fail(status, "out of memory: manifest of %s", path);
    else if (file != NULL)
        status = ct_fs_write_atomic(file, text, strlen(text));
    ct_free(file);
    free(text); /* jansson's */
    return status;
}

csctrl_status ct_rundir_undo(const char *path, csctrl_status status)
{
    static const char *const names[] = {PICTURES, CT_CHECKPOINT_FOLDER, CT_CHECKPOINT_CONFIG,
                                        MANIFEST};
    char message[1024];

    snprintf(message, sizeof message, "%s", csctrl_last_error());
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *child = ct_path_join(path, names[i]);
        if (child != NULL)
            (void)ct_fs_remove_tree(child); /* the first failure is the one to report */
        ct_free(child);
    }
    return ct_fail(status, "%s", message);
}

csctrl_status ct_rundir_write_config(const char *path, const csctrl_config *config)
{
    char *file = ct_path_join(path, CT_CHECKPOINT_CONFIG);

    if (file == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = ct_launch_save_config(config, file);
    ct_free(file);
    return status;
}

/* The directory is there and empty. */
static csctrl_status fill(const char *path, const ct_run_facts *facts)
{
    CT_TRY(make_folder(path, PICTURES));
    CT_TRY(make_folder(path, CT_CHECKPOINT_FOLDER));
    CT_TRY(ct_rundir_write_config(path, facts->config));
    return write_manifest(path, facts);
}

csctrl_status ct_rundir_create(const char *path, const ct_run_facts *facts, int *lock)
{
    *lock = -1;
    CT_TRY(ct_rundir_expect_new(path));
    CT_TRY(ct_fs_mkdirs(path));
    CT_TRY(ct_rundir_lock(path, lock));
    csctrl_status status = ct_rundir_expect_new(path); /* another may have been faster */
    if (status == CSCTRL_OK) {
        status = fill(path, facts);
        if (status != CSCTRL_OK)
            ct_rundir_undo(path, status);
    }
    if (status != CSCTRL_OK)
        ct_rundir_unlock(lock);
    return status;
}

csctrl_status ct_rundir_lock(const char *path, int *lock)
{
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return ct_fail(CSCTRL_E_IO, "cannot open %s: %s", path, strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return CSCTRL_OK;
    if (errno == EWOULDBLOCK) {
        ct_rundir_unlock(lock);
        return ct_fail(CSCTRL_E_STATE, "%s: another process is training in this run directory",
                       path);
    }
    /* Some network file systems lock no directories: no reason not to train there. */
    ct_log(CSCTRL_LOG_WARNING, "cannot lock %s: %s; let no second process train in it", path,
           strerror(errno));
    return CSCTRL_OK;
}

void ct_rundir_unlock(int *lock)
{
    if (*lock >= 0)
        close(*lock);
    *lock = -1;
}

static void add_number(ct_strbuf *line, const char *key, double value)
{
    char text[32];

    if (isfinite(value))
        ct_strbuf_add(line, ", \"%s\": %s", key, ct_double_text(value, text));
}

csctrl_status ct_rundir_log(const char *path, const ct_metrics *metrics)
{
    char *file = ct_path_join(path, METRICS);
    ct_strbuf line = {0};
    csctrl_status status = CSCTRL_OK;

    ct_strbuf_add(&line, "{\"step\": %lld", (long long)metrics->step);
    add_number(&line, "epoch", metrics->epoch);
    add_number(&line, "max_value", metrics->max_value);
    add_number(&line, "min_value", metrics->min_value);
    add_number(&line, "encoder_lr", metrics->encoder_lr);
    add_number(&line, "decoder_lr", metrics->decoder_lr);
    add_number(&line, "images_per_second", round(metrics->images_per_second * 10.0) / 10.0);
    add_number(&line, "seconds", round(metrics->seconds * 1000.0) / 1000.0);
    add_number(&line, "psnr", metrics->psnr);
    add_number(&line, "cosine", metrics->cosine);
    ct_strbuf_add(&line, "}\n");
    if (file == NULL || line.failed) {
        status = CSCTRL_E_NOMEM;
        goto done;
    }
    const int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0 || ct_fs_write_all(fd, line.text, line.length) != 0)
        status = ct_fail(CSCTRL_E_IO, "cannot write %s: %s", file, strerror(errno));
    if (fd >= 0)
        close(fd);
done:
    ct_free(file);
    ct_strbuf_free(&line);
    return status;
}

/* Length of the leading lines whose step is at most `step`; a torn last line is dropped too. */
static size_t kept_length(const char *text, int64_t step)
{
    size_t kept = 0;

    for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        long long number = 0;
        if (sscanf(line, "{\"step\": %lld", &number) != 1 || number > step)
            break;
        kept = (size_t)(end + 1 - text);
    }
    return kept;
}

static csctrl_status rewind_metrics(const char *path, int64_t step)
{
    char *file = ct_path_join(path, METRICS);
    unsigned char *text = NULL;
    size_t size = 0;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (file == NULL)
        return status;
    status = CSCTRL_OK;
    if (ct_fs_exists(file)) {
        CT_GOTO(status, ct_fs_read(file, METRICS_MAX, &text, &size));
        const size_t kept = kept_length((char *)text, step);
        if (kept < size)
            status = ct_fs_write_atomic(file, text, kept);
    }
done:
    ct_free(file);
    ct_free(text);
    return status;
}

static csctrl_status remove_matching(const char *folder, const char *pattern)
{
    ct_name_list list = {0};
    csctrl_status status = CSCTRL_OK;

    CT_TRY(ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count && status == CSCTRL_OK; i++)
        if (fnmatch(pattern, list.names[i], 0) == 0)
            status = ct_fs_remove_in(folder, list.names[i]);
    ct_fs_list_free(&list);
    return status;
}

static csctrl_status rewind_pictures(const char *path, int64_t step)
{
    char *folder = ct_path_join(path, PICTURES);
    ct_name_list list = {0};
    csctrl_status status = CSCTRL_OK;

    if (folder == NULL)
        return CSCTRL_E_NOMEM;
    if (ct_fs_is_dir(folder))
        CT_GOTO(status, ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count && status == CSCTRL_OK; i++) {
        long long number = 0;
        int length = 0; /* stays 0 where the name ends otherwise */
        if (sscanf(list.names[i], "step-%lld.png%n", &number, &length) != 1 || length == 0 ||
            list.names[i][length] != '\0' || number <= step)
            continue;
        status = ct_fs_remove_in(folder, list.names[i]);
    }
done:
    ct_fs_list_free(&list);
    ct_free(folder);
    return status;
}

/* What a process that was killed while writing may have left; nothing else. */
static csctrl_status remove_unfinished(const char *path)
{
    static const char *const left[][2] = {
        {"", METRICS "." HEX6},
        {"", CT_CHECKPOINT_CONFIG "." HEX6},
        {PICTURES, "step-*.png." HEX6},
        {CT_CHECKPOINT_FOLDER, ".unfinished"},
        {CT_CHECKPOINT_FOLDER, CT_SAVE_REPLACED},
        {CT_CHECKPOINT_FOLDER, "latest." HEX6},
        {CT_CHECKPOINT_FOLDER, "best." HEX6},
    };
    csctrl_status status = CSCTRL_OK;

    for (size_t i = 0; i < sizeof left / sizeof left[0] && status == CSCTRL_OK; i++) {
        char *folder = ct_path_join(path, left[i][0]);
        if (folder == NULL)
            return CSCTRL_E_NOMEM;
        if (ct_fs_is_dir(folder))
            status = remove_matching(folder, left[i][1]);
        ct_free(folder);
    }
    return status;
}

csctrl_status ct_rundir_rewind(const char *path, int64_t step)
{
    CT_TRY(rewind_metrics(path, step));
    CT_TRY(rewind_pictures(path, step));
    return remove_unfinished(path);
}

char *ct_rundir_picture(const char *path, int64_t step)
{
    char name[64];

    snprintf(name, sizeof name, PICTURES "/step-%08lld.png", (long long)step);
    return ct_path_join(path, name);
}
