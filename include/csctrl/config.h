/** @file config.h
 * Settings: one table of options drives YAML keys, `--set a.b=c`, help, man page, completion and
 * docs.
 */
#ifndef CSCTRL_CONFIG_H
#define CSCTRL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csctrl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csctrl_config csctrl_config;

typedef enum csctrl_option_type {
    CSCTRL_OPTION_BOOL,   /**< true | false */
    CSCTRL_OPTION_INT,    /**< 64-bit integer in [minimum, maximum] */
    CSCTRL_OPTION_REAL,   /**< finite double in [minimum, maximum] */
    CSCTRL_OPTION_STRING, /**< any text without newlines */
    CSCTRL_OPTION_CHOICE, /**< one of `choices`, of which "a:N" stands for a:0, a:1 and so on */
    CSCTRL_OPTION_REALS,  /**< 1..CSCTRL_OPTION_LIST_MAX doubles in [minimum, maximum]: "0.1" or
                             "[0.1, 0.2]" */
    CSCTRL_OPTION_BOOLS   /**< 1..CSCTRL_OPTION_LIST_MAX of true | false: "true" or
                             "[true, false]" */
} csctrl_option_type;

#define CSCTRL_OPTION_LIST_MAX 32

/** One row of the option table. All pointers are static. */
typedef struct csctrl_option {
    const char *key; /**< dotted path, e.g. "optim.encoder_lr" */
    csctrl_option_type type;
    const char *default_text; /**< as a user would write it */
    double minimum, maximum;  /**< range of INT, REAL and each of REALS */
    const char *choices; /**< CHOICE: words separated by '|'; INT: the only numbers allowed, in the
                            same form, or NULL for the whole range; otherwise NULL */
    const char *unit;    /**< "" when dimensionless */
    const char *help;    /**< one sentence */
} csctrl_option;

/** Number of options. Threading: any thread. Allocates: nothing. */
CSCTRL_API size_t csctrl_option_count(void);

/** Option number `index` in documentation order; NULL when out of range. Threading: any thread.
 * Allocates: nothing. */
CSCTRL_API const csctrl_option *csctrl_option_at(size_t index);

/** Option of that key; NULL when there is none. Threading: any thread. Allocates: nothing. */
CSCTRL_API const csctrl_option *csctrl_option_find(const char *key);

/** All options at their defaults.
 *
 * @param out  Owned: release with csctrl_config_destroy().
 * @return CSCTRL_OK; CSCTRL_E_NOMEM.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_config_create(csctrl_config **out);

/** Independent copy. @param out Owned. @param config Borrowed. @return CSCTRL_OK; CSCTRL_E_NOMEM.
 * Threading: any number of threads while no call changes the config.
 */
CSCTRL_API csctrl_status csctrl_config_copy(csctrl_config **out, const csctrl_config *config);

/** Release and null. @param config May be NULL or point to NULL. Threading: no other call on it at
 * the same time. */
CSCTRL_API void csctrl_config_destroy(csctrl_config **config);

/** Read a YAML file over the present values.
 *
 * @param config  Changed only as a whole: on error it keeps what it had.
 * @param path    Borrowed. A YAML mapping of sections, each a mapping of keys.
 * @return CSCTRL_OK; CSCTRL_E_IO when unreadable; CSCTRL_E_CONFIG for bad YAML, an unknown or
 * repeated key (the nearest known one is suggested), a value of the wrong type or out of range. The
 * error names file, line and key.
 * Threading: one call a config at a time; distinct configs are independent.
 */
CSCTRL_API csctrl_status csctrl_config_load(csctrl_config *config, const char *path);

/** Same as csctrl_config_load() from memory. @param name Borrowed; used in messages only.
 * Threading: as csctrl_config_load(). */
CSCTRL_API csctrl_status csctrl_config_parse(csctrl_config *config, const char *yaml, size_t length,
                                             const char *name);

/** Set one option from text.
 *
 * @param key    Borrowed. Dotted path.
 * @param value  Borrowed. As it would be written in YAML, but text options take it literally: no
 * quotes.
 * @return CSCTRL_OK; CSCTRL_E_CONFIG (message as for load, without file and line; the config is
 * unchanged).
 * Threading: as csctrl_config_load().
 */
CSCTRL_API csctrl_status csctrl_config_set(csctrl_config *config, const char *key,
                                           const char *value);

/** Set one option from "a.b=c". @return as csctrl_config_set(). Threading: as csctrl_config_load().
 */
CSCTRL_API csctrl_status csctrl_config_assign(csctrl_config *config, const char *assignment);

/** Value of an option as canonical text (what save writes); valid until the option is set again.
 * NULL: unknown key. Threading: any number of threads while no call changes the config. */
CSCTRL_API const char *csctrl_config_text(const csctrl_config *config, const char *key);

/** Typed values. The key must exist and have that type: anything else is a programming error and
 * gives 0, false or "". Threading: any number of threads while no call changes the config. */
CSCTRL_API bool csctrl_config_bool(const csctrl_config *config, const char *key);
CSCTRL_API int64_t csctrl_config_int(const csctrl_config *config, const char *key);
CSCTRL_API double csctrl_config_real(const csctrl_config *config, const char *key);

/** Values of a REALS option.
 *
 * @param values  Written. At most `capacity` entries.
 * @return the number of values of the option (may exceed capacity).
 * Threading: as csctrl_config_real().
 */
CSCTRL_API size_t csctrl_config_reals(const csctrl_config *config, const char *key, double *values,
                                      size_t capacity);

/** Values of a BOOLS option.
 *
 * @param values  Written. At most `capacity` entries.
 * @return the number of values of the option (may exceed capacity).
 * Threading: as csctrl_config_real().
 */
CSCTRL_API size_t csctrl_config_bools(const csctrl_config *config, const char *key, bool *values,
                                      size_t capacity);

/** Write every option as YAML (sections in table order, values canonical): the effective config of
 * a run.
 *
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND (no such folder); CSCTRL_E_IO; CSCTRL_E_NOMEM. The file is
 * replaced atomically.
 * Threading: as csctrl_config_real().
 */
CSCTRL_API csctrl_status csctrl_config_save(const csctrl_config *config, const char *path);

#ifdef __cplusplus
}
#endif
#endif
