/* cli_config.c - from a CONFIG or RUN operand, the environment and --set to configs and models. */
#include "cli.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Environment variables that stand in for an option still at its default. */
static const struct {
    const char *variable, *key;
} environment[] = {
    {"CSCTRL_THREADS", "threads"},
    {"CSCTRL_ISA", "isa"},
};

enum { ENVIRONMENT_COUNT = sizeof environment / sizeof environment[0], SHIPPED_MAX = 64 };

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* ---------------------------------------------------------------- shipped configs */

/* Folder number `index` that may hold shipped configs: ./configs, beside an installed program
 * (which may have been moved), where it was installed, in the source. Owned; NULL past the end. */
static char *shipped_dir(int index)
{
    char program[PATH_MAX];

    if (index == 0)
        return cli_format("configs");
    if (index == 2)
        return cli_format("%s", CSCTRL_CONFIG_DIR);
    if (index == 3)
        return cli_format("%s", CSCTRL_SOURCE_CONFIG_DIR);
    if (index > 3)
        return NULL;
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0)
        return cli_format("configs");
    program[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(program, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    return cli_format("%s/share/csctrl/configs", program);
}

/* Path of the shipped config of that name; owned; NULL when there is none. */
static char *find_shipped(const char *name)
{
    char *dir;

    if (strchr(name, '/') != NULL)
        return NULL;
    for (int i = 0; (dir = shipped_dir(i)) != NULL; i++) {
        char *path = cli_format("%s/%s%s", dir, name, ends_with(name, ".yaml") ? "" : ".yaml");
        free(dir);
        if (path != NULL && is_file(path))
            return path;
        free(path);
    }
    return NULL;
}

static bool is_listed(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static size_t list_shipped(char *names[SHIPPED_MAX])
{
    size_t count = 0;
    char *dir;

    for (int i = 0; (dir = shipped_dir(i)) != NULL; i++) {
        struct dirent **entries = NULL;
        const int n = scandir(dir, &entries, NULL, alphasort);
        free(dir);
        for (int e = 0; e < n; e++) {
            char *name = entries[e]->d_name;
            if (ends_with(name, ".yaml") && count < SHIPPED_MAX) {
                name[strlen(name) - strlen(".yaml")] = '\0';
                if (!is_listed(names, count, name) && (names[count] = strdup(name)) != NULL)
                    count++;
            }
            free(entries[e]);
        }
        free(entries);
    }
    return count;
}

/* Takes over `list`; NULL without memory. */
static char *append(char *list, const char *item)
{
    char *longer =
        list != NULL ? cli_format("%s%s%s", list, list[0] != '\0' ? ", " : "", item) : NULL;
    free(list);
    return longer;
}

/* The folders that were searched, each once; owned. */
static char *searched_dirs(void)
{
    char *list = cli_format("%s", ""), *before = NULL, *dir;

    for (int i = 0; (dir = shipped_dir(i)) != NULL; i++) {
        if (before == NULL || strcmp(before, dir) != 0)
            list = append(list, dir);
        free(before);
        before = dir;
    }
    free(before);
    return list;
}

static int fail_no_config(const char *name)
{
    char *names[SHIPPED_MAX];
    const size_t count = list_shipped(names);
    const char *near = cli_nearest(name, (const char *const *)names, count);
    char *dirs = searched_dirs();
    char *all = cli_format("%s", "");

    for (size_t i = 0; i < count; i++)
        all = append(all, names[i]);
    if (dirs == NULL || all == NULL)
        cli_fail_memory();
    else if (near != NULL)
        cli_fail(CLI_USAGE, "config '%s' not found; did you mean '%s'? (looked in %s)", name, near,
                 dirs);
    else if (count > 0)
        cli_fail(CLI_USAGE, "config '%s' not found; give a YAML file or one of: %s (looked in %s)",
                 name, all, dirs);
    else
        cli_fail(CLI_USAGE, "config '%s' not found; give a YAML file (looked in %s)", name, dirs);
    free(all);
    free(dirs);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return CLI_USAGE;
}

int cli_config_find(const char *name, char **path)
{
    *path = is_file(name) ? cli_format("%s", name) : find_shipped(name);
    return *path != NULL ? CLI_OK : fail_no_config(name);
}

bool cli_is_config(const char *name)
{
    if (is_dir(name))
        return false;
    if (ends_with(name, ".yaml") || ends_with(name, ".yml"))
        return true;
    if (is_file(name))
        return false;
    char *path = find_shipped(name);
    free(path);
    return path != NULL;
}

/* ---------------------------------------------------------------- configs */

static int assign(csctrl_config *config, const char *assignment, const char *origin)
{
    char where[320];
    const csctrl_status status = csctrl_config_assign(config, assignment);

    if (status == CSCTRL_OK)
        return CLI_OK;
    snprintf(where, sizeof where, "%s%.200s", origin, assignment);
    return cli_fail_status_at(status, where);
}

const char *cli_environment_variable(const char *key)
{
    for (size_t i = 0; i < ENVIRONMENT_COUNT; i++)
        if (strcmp(environment[i].key, key) == 0)
            return environment[i].variable;
    return NULL;
}

static bool is_default(const csctrl_config *config, const char *key)
{
    const char *text = csctrl_config_text(config, key);
    return text == NULL || strcmp(text, csctrl_option_find(key)->default_text) == 0;
}

/* What the environment assigns to option `index`: "key=value", owned; NULL when it does not apply.
 */
static char *environment_assignment(const csctrl_config *config, size_t index)
{
    const char *value = getenv(environment[index].variable);

    if (value == NULL || value[0] == '\0' || !is_default(config, environment[index].key))
        return NULL;
    return cli_format("%s=%s", environment[index].key, value);
}

/* Check and apply what the environment assigns; the text goes to *item when that is not NULL. */
static int assign_environment(csctrl_config *config, size_t index, char **item)
{
    char *text = environment_assignment(config, index);
    int code = CLI_OK;

    if (text != NULL) {
        char where[64];
        snprintf(where, sizeof where, "environment %s, ", environment[index].variable);
        code = assign(config, text, where);
    }
    if (item != NULL)
        *item = text;
    else
        free(text);
    return code;
}

static int load_and_set(csctrl_config **out, const char *path, const cli_args *args)
{
    csctrl_status status = csctrl_config_create(out);
    int code = CLI_OK;

    if (status == CSCTRL_OK && path != NULL)
        status = csctrl_config_load(*out, path);
    if (status != CSCTRL_OK)
        code = cli_fail_status(status);
    for (size_t i = 0; i < args->set_count && code == CLI_OK; i++)
        code = assign(*out, args->sets[i], "--set ");
    return code;
}

int cli_config_load(csctrl_config **out, const char *path, const cli_args *args)
{
    int code = load_and_set(out, path, args);

    for (size_t i = 0; i < ENVIRONMENT_COUNT && code == CLI_OK; i++)
        code = assign_environment(*out, i, NULL);
    if (code != CLI_OK)
        csctrl_config_destroy(out);
    return code;
}

/* ---------------------------------------------------------------- saved runs */

/* The config.yaml of a run or checkpoint, or of what a pointer names; owned; NULL when there is
 * none. */
static char *saved_config(const char *run)
{
    char *target = is_file(run) ? cli_pointer_target(run) : NULL;
    char *path = cli_format("%s/config.yaml", target != NULL ? target : run);

    free(target);
    if (path != NULL && is_file(path))
        return path;
    free(path);
    return NULL;
}

/* Takes over `item`. */
static int add_item(cli_overrides *overrides, char *item)
{
    if (item == NULL)
        return cli_fail_memory();
    overrides->items[overrides->count++] = item;
    return CLI_OK;
}

static int fill_overrides(cli_overrides *overrides, csctrl_config *saved, const char *data,
                          const cli_args *args)
{
    int code = CLI_OK;

    overrides->items = calloc(ENVIRONMENT_COUNT + 3 + args->set_count, sizeof(char *));
    if (overrides->items == NULL)
        return cli_fail_memory();
    for (size_t i = 0; i < ENVIRONMENT_COUNT && code == CLI_OK; i++) {
        char *item = NULL;
        code = assign_environment(saved, i, &item);
        if (item != NULL)
            overrides->items[overrides->count++] = item;
    }
    if (data != NULL && code == CLI_OK) {
        code = add_item(overrides, cli_format("data.kind=auto"));
        if (code == CLI_OK)
            code = add_item(overrides, cli_format("data.test_path="));
        if (code == CLI_OK)
            code = add_item(overrides, cli_format("data.path=%s", data));
    }
    for (size_t i = 0; i < args->set_count && code == CLI_OK; i++)
        code = add_item(overrides, cli_format("%s", args->sets[i]));
    return code;
}

int cli_overrides_make(cli_overrides *overrides, const char *run, const char *data,
                       const cli_args *args)
{
    csctrl_config *saved = NULL;

    *overrides = (cli_overrides){.batch = 1};
    if (is_file(run)) {
        char *target = cli_pointer_target(run);
        if (target == NULL)
            return cli_fail(CLI_USAGE, "%s: no run, checkpoint or config", run);
        free(target);
    }
    char *path = saved_config(run);
    int code = load_and_set(&saved, path, args);

    free(path);
    if (code == CLI_OK)
        code = fill_overrides(overrides, saved, data, args);
    if (code == CLI_OK)
        overrides->batch = (int)csctrl_config_int(saved, "eval.batch");
    else
        cli_overrides_free(overrides);
    csctrl_config_destroy(&saved);
    return code;
}

void cli_overrides_free(cli_overrides *overrides)
{
    for (size_t i = 0; i < overrides->count; i++)
        free(overrides->items[i]);
    free(overrides->items);
    *overrides = (cli_overrides){.batch = 1};
}

int cli_model_open(csctrl_model **out, int *batch, const char *run, const char *data,
                   int64_t images, const cli_args *args)
{
    cli_overrides overrides;
    int code = cli_overrides_make(&overrides, run, data, args);

    *out = NULL;
    if (code != CLI_OK)
        return code;
    *batch = images > 0 && images < overrides.batch ? (int)images : overrides.batch;
    const csctrl_status status =
        csctrl_model_load(out, run, (const char *const *)overrides.items, overrides.count, *batch);
    cli_overrides_free(&overrides);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}
