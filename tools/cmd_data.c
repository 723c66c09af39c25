/* cmd_data.c - csctrl data verify|info PATH: what a data set holds, and what of it is broken. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_json.h"
#include "commands.h"

static const struct {
    csctrl_split split;
    const char *name;
} splits[] = {{CSCTRL_SPLIT_TRAIN, "train"}, {CSCTRL_SPLIT_TEST, "test"}};

enum { NAMES_SHOWN = 20 };

/* Config of the operand: a YAML file or shipped name, else defaults with data.path=PATH. */
static int load_config(csctrl_config **config, const cli_args *args)
{
    const char *operand = args->operands[1];
    char *path = NULL;

    if (cli_is_config(operand)) {
        int code = cli_config_find(operand, &path);
        if (code == CLI_OK)
            code = cli_config_load(config, path, args);
        free(path);
        return code;
    }
    /* --set comes after data.path, so that it may change the kind or name a test set. */
    char *data = cli_format("data.path=%s", operand);
    const char **sets = calloc(args->set_count + 1, sizeof *sets);
    int code = CLI_OK;
    if (data != NULL && sets != NULL) {
        sets[0] = data;
        memcpy(sets + 1, args->sets, args->set_count * sizeof *sets);
        const cli_args with_path = {
            .command = args->command, .sets = sets, .set_count = args->set_count + 1};
        code = cli_config_load(config, NULL, &with_path);
    } else {
        code = cli_fail_memory();
    }
    free(sets);
    free(data);
    return code;
}

/* ---------------------------------------------------------------- verify */

static void print_broken(void *user, const char *name, const char *reason)
{
    json_t *list = user;

    if (list == NULL)
        printf("broken: %s: %s\n", name, reason);
    else
        json_array_append_new(list, json_pack("{s:o, s:o}", "name", cli_json_text(name), "reason",
                                              cli_json_text(reason)));
}

static int verify(const csctrl_config *config, bool json)
{
    json_t *list = json ? json_array() : NULL;
    int64_t good = 0, bad = 0;
    const csctrl_status status = csctrl_dataset_verify(config, print_broken, list, &good, &bad);

    if (status != CSCTRL_OK) {
        json_decref(list);
        return cli_fail_status(status);
    }
    if (json) {
        json_t *object = json_pack("{s:I, s:I, s:o}", "good", (json_int_t)good, "bad",
                                   (json_int_t)bad, "broken", list);
        json_dumpf(object, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(object);
    } else {
        printf("%lld image%s, %lld %s broken\n", (long long)good,
               good == 1 ? " decodes" : "s decode", (long long)bad, bad == 1 ? "is" : "are");
    }
    return bad > 0 ? CLI_PROBLEMS : CLI_OK;
}

/* ---------------------------------------------------------------- info */

static void print_split(const char *split, const csctrl_dataset *data,
                        const csctrl_dataset_info *info)
{
    char memory[32];

    cli_size_text((double)info->memory, memory);
    printf("%s\n", split);
    printf("  kind         %s\n", info->kind);
    if (info->path[0] != '\0')
        printf("  path         %s\n", info->path);
    printf("  images       %lld", (long long)info->count);
    if (info->skipped > 0)
        printf(" (%lld broken one%s left out)", (long long)info->skipped, cli_s(info->skipped));
    printf("\n  read as      %d x %d x %d\n", info->channels, info->size, info->size);
    printf("  fingerprint  %016llx\n", (unsigned long long)info->fingerprint);
    printf("  memory       %s\n", memory);
    printf("  classes      %d:", info->classes);
    for (int i = 0; i < info->classes && i < NAMES_SHOWN; i++)
        printf(" %s", csctrl_dataset_class_name(data, i));
    printf("%s\n", info->classes > NAMES_SHOWN ? " ..." : "");
}

static json_t *json_split(const csctrl_dataset *data, const csctrl_dataset_info *info)
{
    char fingerprint[17];
    json_t *names = json_array();

    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)info->fingerprint);
    for (int i = 0; i < info->classes; i++)
        json_array_append_new(names, cli_json_text(csctrl_dataset_class_name(data, i)));
    return json_pack("{s:s, s:s, s:I, s:I, s:i, s:i, s:s, s:I, s:o}", "kind", info->kind, "path",
                     info->path, "images", (json_int_t)info->count, "skipped",
                     (json_int_t)info->skipped, "channels", info->channels, "size", info->size,
                     "fingerprint", fingerprint, "memory", (json_int_t)info->memory, "classes",
                     names);
}

static int describe(const csctrl_config *config, bool json)
{
    json_t *object = json ? json_object() : NULL;
    csctrl_status status = CSCTRL_OK;

    for (size_t i = 0; i < sizeof splits / sizeof splits[0] && status == CSCTRL_OK; i++) {
        csctrl_dataset *data = NULL;
        csctrl_dataset_info info;
        status = csctrl_dataset_open(&data, config, splits[i].split);
        if (status != CSCTRL_OK)
            break;
        csctrl_dataset_get_info(data, &info);
        if (json)
            json_object_set_new(object, splits[i].name, json_split(data, &info));
        else
            print_split(splits[i].name, data, &info);
        csctrl_dataset_close(&data);
    }
    if (status == CSCTRL_OK && json) {
        json_dumpf(object, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(object);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

static int run_data(const cli_args *args)
{
    const char *what = args->operands[0];
    const bool verifies = strcmp(what, "verify") == 0;
    csctrl_config *config = NULL;

    if (!verifies && strcmp(what, "info") != 0)
        return cli_fail(CLI_USAGE, "data: expected verify or info, found '%s'", what);
    int code = load_config(&config, args);
    if (code == CLI_OK)
        code = verifies ? verify(config, cli_given(args, "json"))
                        : describe(config, cli_given(args, "json"));
    csctrl_config_destroy(&config);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION_SET,
    CLI_OPTION_JSON,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_data = {
    .name = "data",
    .operands = "verify|info PATH",
    .least = 2,
    .most = 2,
    .summary = "Check or describe a data set",
    .details = "PATH is a folder or archive of images, or a CONFIG whose data.* keys say where.\n"
               "verify decodes every image, names the broken ones and then exits with 1.",
    .examples = "  csctrl data verify photos/\n"
                "  csctrl data info cifar-10-binary.tar.gz\n"
                "  csctrl data info fashion-mnist --json\n",
    .options = options,
    .run = run_data,
};
