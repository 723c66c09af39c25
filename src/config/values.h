/* values.h - what the YAML reader needs of a config beyond its public interface. */
#ifndef CT_CONFIG_VALUES_H
#define CT_CONFIG_VALUES_H

#include "csctrl/config.h"

/* Exchange all values: how a whole file takes effect at once. */
void ct_config_swap(csctrl_config *a, csctrl_config *b);

/* The option takes a list: REALS, BOOLS. */
bool ct_config_is_list(const csctrl_option *option);

/* `text` fit for a message: cut after 60 bytes; returns out. */
char *ct_config_shown(const char *text, char out[64]);

#endif
