/* cli_held_out.c - a run's model is judged on images that it was not trained on. Of a set without a
 * test split, settings say which ones these are: those that the run was trained with have to stay.
 */
#include "cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const dividing[] = {"data.test_path", "seed", "data.holdout", "data.limit"};

enum { DIVIDING_COUNT = sizeof dividing / sizeof dividing[0] };

char *cli_checkpoint_config(const char *run)
{
    char checkpoint[PATH_MAX];
    const bool found =
        csctrl_checkpoint_find(run, checkpoint, sizeof checkpoint, NULL) == CSCTRL_OK;

    return cli_format("%s/config.yaml", found ? checkpoint : run);
}

/* Links and spellings aside. What is not there is compared by its name. */
static bool is_same_path(const char *a, const char *b)
{
    char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
    const bool same =
        real_a != NULL && real_b != NULL ? strcmp(real_a, real_b) == 0 : strcmp(a, b) == 0;

    free(real_a);
    free(real_b);
    return same;
}

/* Has the set that `now` names no test split? The training part of the run's own division is
 * opened: it alone always has images. What cannot be opened is left to who needs it. */
static bool is_divided(const csctrl_config *own, const csctrl_config *now)
{
    csctrl_config *config = NULL;
    csctrl_dataset *data = NULL;
    csctrl_dataset_info info = {.divided = 0};
    csctrl_status status = csctrl_config_copy(&config, now);

    for (int i = 1; i < DIVIDING_COUNT && status == CSCTRL_OK; i++) /* but for data.test_path */
        status = csctrl_config_set(config, dividing[i], csctrl_config_text(own, dividing[i]));
    if (status == CSCTRL_OK)
        status = csctrl_dataset_open(&data, config, CSCTRL_SPLIT_TRAIN);
    if (status == CSCTRL_OK)
        csctrl_dataset_get_info(data, &info);
    csctrl_dataset_close(&data);
    csctrl_config_destroy(&config);
    return info.divided != 0;
}

/* data.limit leaves every image in its part, and a smaller share holds out some of the same ones.
 */
static bool takes_trained(const csctrl_config *own, const csctrl_config *now, const char *key)
{
    if (strcmp(key, "data.holdout") == 0)
        return csctrl_config_real(now, key) > csctrl_config_real(own, key);
    return strcmp(key, "data.limit") != 0;
}

static int refuse(const char *run, const csctrl_config *own, const csctrl_config *now,
                  const char *key)
{
    return cli_fail(CLI_USAGE,
                    "%s was trained with %s=%s, found %s=%s: %s has no test split of its own, so "
                    "that other images would be held out%s; leave that setting as it was (for "
                    "fewer images: eval.count)",
                    run, key, csctrl_config_text(own, key), key, csctrl_config_text(now, key),
                    csctrl_config_text(now, "data.path"),
                    takes_trained(own, now, key) ? ", images it was trained on among them" : "");
}

static int compare(const char *run, const csctrl_config *own, const csctrl_config *now)
{
    const char *key = NULL;

    for (int i = 0; i < DIVIDING_COUNT && key == NULL; i++)
        if (strcmp(csctrl_config_text(own, dividing[i]), csctrl_config_text(now, dividing[i])) != 0)
            key = dividing[i];
    if (key == NULL ||
        !is_same_path(csctrl_config_text(own, "data.path"), csctrl_config_text(now, "data.path")) ||
        !is_divided(own, now))
        return CLI_OK;
    return refuse(run, own, now, key);
}

int cli_expect_held_out(const char *run, const csctrl_config *now)
{
    csctrl_config *own = NULL;
    char *path = cli_checkpoint_config(run);
    csctrl_status status = path != NULL ? csctrl_config_create(&own) : CSCTRL_E_NOMEM;

    if (status == CSCTRL_OK)
        status = csctrl_config_load(own, path);
    const int code = status == CSCTRL_OK ? compare(run, own, now) : cli_fail_status(status);
    csctrl_config_destroy(&own);
    free(path);
    return code;
}
