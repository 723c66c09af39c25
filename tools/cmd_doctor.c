/* cmd_doctor.c - csctrl doctor: versions, processor, threads, backends. */
#include <jansson.h>
#include <stdio.h>

#include "commands.h"

static void print_fact(void *user, const char *key, const char *value)
{
    (void)user;
    printf("%-20s %s\n", key, value);
}

static void add_fact(void *user, const char *key, const char *value)
{
    json_object_set_new(user, key, json_string(value));
}

static int run_doctor(const cli_args *args)
{
    if (!cli_given(args, "json")) {
        csctrl_system_report(print_fact, NULL);
        return CLI_OK;
    }
    json_t *object = json_object();
    if (object == NULL)
        return cli_fail_memory();
    csctrl_system_report(add_fact, object);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
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
