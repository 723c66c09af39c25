/* launch.h - what a config says of one launch alone: it is not a part of the run, and the next
 * launch has its own. */
#ifndef CT_TRAIN_LAUNCH_H
#define CT_TRAIN_LAUNCH_H

#include "csctrl/config.h"

/* config <- how `launch` was made. */
csctrl_status ct_launch_take(csctrl_config *config, const csctrl_config *launch);

/* As csctrl_config_save, but for where the ranks met and which this was: whoever reads the file
 * later is none of them. parallel.comm stays, and tells that there were ranks. */
csctrl_status ct_launch_save_config(const csctrl_config *config, const char *path);

#endif
