/* launch.c - the options of a launch. */
#include "train/launch.h"

#include "base/error.h"

static const char *const keys[] = {"parallel.comm", "parallel.address", "parallel.rank",
                                   "parallel.ranks"};
enum { KEYS = sizeof keys / sizeof *keys, SAVED = 1 }; /* the first alone is saved */

csctrl_status ct_launch_take(csctrl_config *config, const csctrl_config *launch)
{
    for (int i = 0; i < KEYS; i++)
        CT_TRY(csctrl_config_set(config, keys[i], csctrl_config_text(launch, keys[i])));
    return CSCTRL_OK;
}

csctrl_status ct_launch_save_config(const csctrl_config *config, const char *path)
{
    csctrl_config *copy = NULL;
    csctrl_status status = csctrl_config_copy(&copy, config);

    for (int i = SAVED; i < KEYS && status == CSCTRL_OK; i++)
        status = csctrl_config_set(copy, keys[i], csctrl_option_find(keys[i])->default_text);
    if (status == CSCTRL_OK)
        status = csctrl_config_save(copy, path);
    csctrl_config_destroy(&copy);
    return status;
}
