/* values.h - the values of a config: what its parts share beyond the public interface. */
#ifndef CT_CONFIG_VALUES_H
#define CT_CONFIG_VALUES_H

#include "base/str.h"
#include "csctrl/config.h"

/* The value of an option. */
typedef struct ct_value {
    char *text;      /* canonical; owned */
    int64_t integer; /* INT, BOOL */
    double *reals;   /* REAL, REALS, BOOLS (0 or 1): `count` of them; owned */
    size_t count;
} ct_value;

void ct_value_free(ct_value *v);

/* Parsed and range-checked; the canonical text is appended, v->text stays as it is. E_CONFIG names
 * the key, what was expected and what was found. */
csctrl_status ct_value_read(ct_value *v, const csctrl_option *option, const char *text,
                            ct_strbuf *canonical);

/* Exchange all values: how a whole file takes effect at once. */
void ct_config_swap(csctrl_config *a, csctrl_config *b);

/* The option takes a list: REALS, BOOLS. */
bool ct_config_is_list(const csctrl_option *option);

/* `text` fit for a message: cut after 60 bytes; returns out. */
char *ct_config_shown(const char *text, char out[64]);

#endif
