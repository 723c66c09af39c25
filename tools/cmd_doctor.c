/* cmd_doctor.c - csctrl doctor: versions, processor, threads, backends. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* Where the facts go. */
typedef struct report {
    const csctrl_config *config; /* what the environment assigns */
    json_t *object;              /* NULL: print */
} report;

/* In `out`: the value in use and the variable it is from; `value` itself without one. */
static const char *in_use(const report *r, const char *key, const char *value, char *out,
                          size_t size)
{
    const char *variable = cli_environment_variable(key);
    const char *given = variable != NULL ? getenv(variable) : NULL;

    if (given == NULL || given[0] == '\0')
        return value;
    const char *text = csctrl_config_text(r->config, key);
    if (strcmp(text, csctrl_option_find(key)->default_text) != 0)
        value = text;
    snprintf(out, size, "%s (environment %s=%s)", value, variable, given);
    return out;
}

static void take_fact(void *user, const char *key, const char *value)
{
    const report *r = user;
    char text[256];

    value = in_use(r, key, value, text, sizeof text);
    if (r->object != NULL)
        json_object_set_new(r->object, key, json_string(value));
    else
        printf("%-20s %s\n", key, value);
}

static int run_doctor(const cli_args *args)
{
    csctrl_config *config = NULL;
    const int code = cli_config_load(&config, NULL, args);

    if (code != CLI_OK)
        return code;
    report r = {.config = config, .object = cli_given(args, "json") ? json_object() : NULL};
    csctrl_system_report(take_fact, &r);
    if (r.object != NULL) {
        json_dumpf(r.object, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(r.object);
    }
    csctrl_config_destroy(&config);
    return CLI_OK;
}

static const cli_option options[] = {
    CLI_OPTION_JSON,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_doctor = {
    .name = "doctor",
    .operands = "",
    .least = 0,
    .most = 0,
    .summary = "Versions, processor, threads and backends",
    .examples = "  csctrl doctor --json\n",
    .options = options,
    .run = run_doctor,
};
