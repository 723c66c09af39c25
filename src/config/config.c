/* config.c - a value (value.c) for every row of the option table: set, kept, given. */
#include "csctrl/config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/values.h"

struct csctrl_config {
    ct_value *values; /* one a row of the table */
};

void ct_config_swap(csctrl_config *a, csctrl_config *b)
{
    ct_value *values = a->values;

    a->values = b->values;
    b->values = values;
}

static csctrl_status set_option(csctrl_config *config, const csctrl_option *option,
                                const char *text)
{
    ct_value *slot = &config->values[option - csctrl_option_at(0)];
    ct_value v = {0};
    ct_strbuf canonical = {0};
    char *trimmed = NULL;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (option->type != CSCTRL_OPTION_STRING) {
        trimmed = ct_strdup(text);
        if (trimmed == NULL)
            return CSCTRL_E_NOMEM;
        text = ct_trim(trimmed);
    }
    CT_GOTO(status, ct_value_read(&v, option, text, &canonical));
    if (canonical.failed) {
        status = CSCTRL_E_NOMEM;
        goto done;
    }
    v.text = canonical.text;
    canonical = (ct_strbuf){0};
    ct_value_free(slot);
    *slot = v;
    v = (ct_value){0};
done:
    ct_value_free(&v);
    ct_strbuf_free(&canonical);
    ct_free(trimmed);
    return status;
}

/* ---- life */

/* Without values: not yet fit for anything but to be filled or destroyed. */
static csctrl_status make_empty(csctrl_config **out)
{
    csctrl_config *config = ct_calloc(1, sizeof *config);

    *out = config;
    if (config == NULL)
        return CSCTRL_E_NOMEM;
    config->values = ct_calloc(csctrl_option_count(), sizeof *config->values);
    if (config->values == NULL)
        csctrl_config_destroy(out);
    return *out != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

csctrl_status csctrl_config_create(csctrl_config **out)
{
    csctrl_config *config = NULL;
    csctrl_status status;

    *out = NULL;
    CT_GOTO(status, make_empty(&config));
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const csctrl_option *option = csctrl_option_at(i);
        CT_GOTO(status, set_option(config, option, option->default_text));
    }
    *out = config;
    config = NULL;
done:
    csctrl_config_destroy(&config);
    return status;
}

static csctrl_status value_copy(ct_value *to, const ct_value *from)
{
    *to = (ct_value){.integer = from->integer, .count = from->count, .text = ct_strdup(from->text)};
    if (to->text == NULL)
        return CSCTRL_E_NOMEM;
    if (from->count == 0)
        return CSCTRL_OK;
    to->reals = ct_alloc(from->count * sizeof *to->reals);
    if (to->reals == NULL)
        return CSCTRL_E_NOMEM;
    memcpy(to->reals, from->reals, from->count * sizeof *to->reals);
    return CSCTRL_OK;
}

csctrl_status csctrl_config_copy(csctrl_config **out, const csctrl_config *config)
{
    csctrl_config *copy = NULL;
    csctrl_status status;

    *out = NULL;
    CT_GOTO(status, make_empty(&copy));
    for (size_t i = 0; i < csctrl_option_count(); i++)
        CT_GOTO(status, value_copy(&copy->values[i], &config->values[i]));
    *out = copy;
    copy = NULL;
done:
    csctrl_config_destroy(&copy);
    return status;
}

void csctrl_config_destroy(csctrl_config **config)
{
    if (config == NULL || *config == NULL)
        return;
    if ((*config)->values != NULL)
        for (size_t i = 0; i < csctrl_option_count(); i++)
            ct_value_free(&(*config)->values[i]);
    ct_free((*config)->values);
    ct_free(*config);
    *config = NULL;
}

/* ---- set and get */

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');

    return dot != NULL ? dot + 1 : key;
}

/* Whether `known` ends in an underscore and `word`: lr in encoder_lr. */
static bool is_its_end(const char *word, const char *known)
{
    const size_t n = strlen(word), whole = strlen(known);

    return n > 0 && whole > n && known[whole - n - 1] == '_' &&
           strcmp(known + whole - n, word) == 0;
}

/* The known key that is fewest edits away; a right name in the wrong section is one edit, and so is
 * the end of a name for the whole. Of two the longer: letters are left out more often than added.
 * NULL when the nearest is as many edits away as the name has letters. */
static const char *nearest_key(const char *key)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *known = csctrl_option_at(i)->key;
        const size_t whole = ct_edit_distance(key, known);
        const size_t part = is_its_end(last_part(key), last_part(known))
                                ? 1
                                : ct_edit_distance(last_part(key), last_part(known)) + 1;
        const size_t distance = whole < part ? whole : part;
        if (distance < least ||
            (best != NULL && distance == least && strlen(known) > strlen(best))) {
            least = distance;
            best = known;
        }
    }
    return least < strlen(last_part(key)) ? best : NULL;
}

/* The first key of the section of this name, NULL where there is none. */
static const char *key_in_section(const char *name)
{
    const size_t n = strlen(name);

    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *known = csctrl_option_at(i)->key;
        if (strncmp(known, name, n) == 0 && known[n] == '.')
            return known;
    }
    return NULL;
}

static csctrl_status fail_key(const char *key)
{
    const char *inside = key_in_section(key), *near = nearest_key(key);
    char shown[64];

    ct_config_shown(key, shown);
    if (inside != NULL)
        return ct_fail(CSCTRL_E_CONFIG, "%s is a section: expected a key in it, such as %s", shown,
                       inside);
    if (near == NULL)
        return ct_fail(CSCTRL_E_CONFIG, "unknown key \"%s\"; no known one is near it", shown);
    return ct_fail(CSCTRL_E_CONFIG, "unknown key \"%s\"; the nearest known one is %s", shown, near);
}

csctrl_status csctrl_config_set(csctrl_config *config, const char *key, const char *text)
{
    const csctrl_option *option = csctrl_option_find(key);

    return option != NULL ? set_option(config, option, text) : fail_key(key);
}

csctrl_status csctrl_config_assign(csctrl_config *config, const char *assignment)
{
    char *key = ct_strdup(assignment);
    char shown[64];

    if (key == NULL)
        return CSCTRL_E_NOMEM;
    char *equals = strchr(key, '=');
    csctrl_status status;
    if (equals == NULL) {
        status = ct_fail(CSCTRL_E_CONFIG, "expected key=value, found \"%s\"",
                         ct_config_shown(assignment, shown));
    } else {
        *equals = '\0';
        status = csctrl_config_set(config, ct_trim(key), equals + 1);
    }
    ct_free(key);
    return status;
}

/* Value of `key`, NULL when the table has no such key of one of two types. */
static const ct_value *find(const csctrl_config *config, const char *key, csctrl_option_type type,
                            csctrl_option_type or_type)
{
    const csctrl_option *option = csctrl_option_find(key);

    if (option == NULL || (option->type != type && option->type != or_type))
        return NULL;
    return &config->values[option - csctrl_option_at(0)];
}

const char *csctrl_config_text(const csctrl_config *config, const char *key)
{
    const csctrl_option *option = csctrl_option_find(key);

    return option != NULL ? config->values[option - csctrl_option_at(0)].text : NULL;
}

bool csctrl_config_bool(const csctrl_config *config, const char *key)
{
    const ct_value *v = find(config, key, CSCTRL_OPTION_BOOL, CSCTRL_OPTION_BOOL);

    return v != NULL && v->integer != 0;
}

int64_t csctrl_config_int(const csctrl_config *config, const char *key)
{
    const ct_value *v = find(config, key, CSCTRL_OPTION_INT, CSCTRL_OPTION_INT);

    return v != NULL ? v->integer : 0;
}

double csctrl_config_real(const csctrl_config *config, const char *key)
{
    const ct_value *v = find(config, key, CSCTRL_OPTION_REAL, CSCTRL_OPTION_REAL);

    return v != NULL ? v->reals[0] : 0.0;
}

size_t csctrl_config_reals(const csctrl_config *config, const char *key, double *values,
                           size_t capacity)
{
    const ct_value *v = find(config, key, CSCTRL_OPTION_REALS, CSCTRL_OPTION_REAL);

    if (v == NULL)
        return 0;
    for (size_t i = 0; i < v->count && i < capacity; i++)
        values[i] = v->reals[i];
    return v->count;
}

size_t csctrl_config_bools(const csctrl_config *config, const char *key, bool *values,
                           size_t capacity)
{
    const ct_value *v = find(config, key, CSCTRL_OPTION_BOOLS, CSCTRL_OPTION_BOOLS);

    if (v == NULL)
        return 0;
    for (size_t i = 0; i < v->count && i < capacity; i++)
        values[i] = v->reals[i] != 0.0;
    return v->count;
}
