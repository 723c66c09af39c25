/* cli.h - what the verbs of the csctrl program share: the command table's types, parsed arguments,
 * one-line errors with exit codes, configs with --set, output paths. A client of csctrl/csctrl.h
 * only. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csctrl/csctrl.h"

#define CLI_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Exit codes; the texts for help and man page are in cli_help.c. */
enum {
    CLI_OK = 0,
    CLI_PROBLEMS = 1,
    CLI_USAGE = 2,
    CLI_NUMERIC = 3,
    CLI_MACHINE = 4,
    CLI_INTERRUPTED = 75
};

/* One option of a verb. The placeholder in `argument` drives completion: FILE and DIR complete
 * paths, KEY=VALUE completes config keys, a|b|c completes these words. NULL: a flag. */
typedef struct cli_option {
    const char *name;
    char letter; /* 0: none */
    const char *argument;
    const char *help;
} cli_option;

#define CLI_OPTION_SET                                                                             \
    {                                                                                              \
        "set", 0, "KEY=VALUE", "set a config key (repeatable); keys: csctrl options"               \
    }
#define CLI_OPTION_JSON                                                                            \
    {                                                                                              \
        "json", 0, NULL, "print JSON"                                                              \
    }
#define CLI_OPTION_FORCE                                                                           \
    {                                                                                              \
        "force", 'f', NULL, "replace what is there"                                                \
    }

enum { CLI_OPTIONS_MAX = 12 };

typedef struct cli_args cli_args;

/* One verb. `options` ends with a row without name. */
enum { CLI_LAUNCH_SETS = 3 }; /* what cli_ranks_join puts in front */

typedef struct cli_command {
    const char *name;
    const char *operands; /* e.g. "RUN IMAGE..."; words as in cli_option.argument */
    const char *required; /* options that must be given, e.g. "-o DIR"; may be NULL */
    int least, most;      /* number of operands; most < 0: any */
    const char *summary;
    const char *details; /* paragraphs for help and man page; may be NULL */
    const char *examples;
    const cli_option *options;
    int (*run)(const cli_args *args); /* returns the exit code */
} cli_command;

typedef struct cli_valued {
    int row; /* in the command's options */
    const char *value;
} cli_valued;

struct cli_args {
    const cli_command *command;
    char **operands;
    int count;
    const char *values[CLI_OPTIONS_MAX]; /* "" for a flag that was given, NULL for what was not */
    const char **sets; /* owned array of borrowed "a.b=c", room for CLI_LAUNCH_SETS more */
    size_t set_count;
    cli_valued *all; /* owned: options with a value, in the order given */
    size_t all_count;
};

/* --- the table (main.c) --- */
const cli_command *cli_command_at(size_t index); /* NULL past the end */
const cli_command *cli_command_find(const char *name);

/* --- errors (cli.c): one line "csctrl: ..." on stderr --- */
int cli_fail(int code, const char *format, ...) CLI_PRINTF(2, 3);
/* While another process says the same: no errors, no warnings. */
void cli_mute(bool muted);
bool cli_is_muted(void);
int cli_fail_status(csctrl_status status);
int cli_fail_status_at(csctrl_status status, const char *where);
int cli_fail_memory(void);
int cli_exit_code(csctrl_status status);
/* The analyser sees one file at a time: show it that these do not return CLI_OK. */
#ifdef __clang_analyzer__
#define cli_fail(code, ...) ((void)cli_fail(code, __VA_ARGS__), (code))
#define cli_fail_memory() ((void)cli_fail_memory(), CLI_MACHINE)
#endif

/* --- arguments (cli.c) --- */
int cli_parse(cli_args *args, const cli_command *command, int argc, char **argv);
void cli_args_free(cli_args *args);
const char *cli_value(const cli_args *args, const char *option);
bool cli_given(const cli_args *args, const char *option);
/* Value number `index` of an option that may be repeated; NULL past the last. */
const char *cli_value_at(const cli_args *args, const char *option, size_t index);
int cli_integer(const cli_args *args, const char *option, int64_t low, int64_t high,
                int64_t *value); /* leaves *value when not given */
const char *cli_nearest(const char *word, const char *const *known, size_t count); /* or NULL */

/* --- text (cli.c) --- */
char *cli_format(const char *format, ...) CLI_PRINTF(1, 2); /* owned: free; NULL without memory */
void cli_warn_left_out(void);          /* that the image of the last error is, once */
bool cli_is_news(const char *warning); /* false when this process has said the same before */
double cli_plain_zero(double value, int digits); /* 0 where "-0.000" would be printed */
const char *cli_s(int64_t count);                /* "s", or "" of one: for a plural */
void cli_size_text(double bytes, char out[32]);  /* "12.3 MiB" */
void cli_count_text(double count, char out[32]); /* "1.23 M" */
const char *cli_quote(const char *text, char *out, size_t size); /* for pasting into a shell */

/* --- help (cli_help.c) --- */
void cli_print_help(void);
void cli_print_command_help(const cli_command *command);
typedef struct cli_fact {
    const char *name, *text;
} cli_fact;
const cli_fact *cli_exit_facts(void); /* both end with a row without name */
const cli_fact *cli_environment_facts(void);

/* --- configs and models (cli_config.c) --- */

/* Path of the YAML that CONFIG names: a file, or a shipped name; owned. */
int cli_config_find(const char *name, char **path);
/* Does the operand name a config rather than data or a run? */
bool cli_is_config(const char *name);
/* The environment variable that stands in for `key`, or NULL. */
const char *cli_environment_variable(const char *key);
/* Config at `path` (NULL: all defaults), then the environment, then --set. */
int cli_config_load(csctrl_config **out, const char *path, const cli_args *args);

/* Overrides for the library calls that read a saved run: environment, --data, --set. */
typedef struct cli_overrides {
    char **items;
    size_t count;
    int batch; /* eval.batch in effect */
} cli_overrides;
int cli_overrides_make(cli_overrides *overrides, const char *run, const char *data,
                       const cli_args *args);
void cli_overrides_free(cli_overrides *overrides);

/* Model of RUN; at most `images` at once when images > 0. */
int cli_model_open(csctrl_model **out, int *batch, const char *run, const char *data,
                   int64_t images, const cli_args *args);

/* --- held-out images (cli_held_out.c) --- */

/* Path of the config that the model of RUN was saved with; owned. */
char *cli_checkpoint_config(const char *run);
/* Refuses a config by which other images of the run's own data are held out than when it was
 * trained. */
int cli_expect_held_out(const char *run, const csctrl_config *now);

/* --- files (cli_files.c) --- */
int cli_make_dirs(const char *path, bool parents_only);
/* How much of `path` is there already, in characters; and: remove the folders of `path` beyond
 * that, as far as they are empty. */
size_t cli_existing_part(const char *path);
void cli_remove_made(const char *path, size_t existing);
int cli_check_out_dir(const char *path, bool force);  /* refuses one that holds anything */
int cli_check_out_file(const char *path, bool force); /* refuses an existing one */
/* The file is there as a whole, or as it was. */
int cli_write_atomic(const char *path, const char *text, size_t size);
char *cli_stem(const char *path); /* "a/b.c.png" -> "b.c"; owned */
/* Name of the entry prefixN[suffix] with the greatest number N <= most; owned; NULL when there is
 * none. */
char *cli_last_numbered(const char *dir, const char *prefix, const char *suffix, int64_t most,
                        int64_t *number);
/* What a pointer file such as RUN/checkpoints/best names; owned; NULL: it is no pointer. */
char *cli_pointer_target(const char *path);
/* First free runs/STEM-N, created empty; owned path. */
int cli_new_run_dir(const char *stem, char **path);

/* --- tensors (cli_images.c) --- */
int cli_tensor_alloc(csctrl_tensor *tensor, int ndim, const int64_t *shape); /* f32, zeroed */
void cli_tensor_free(csctrl_tensor *tensor);
/* Rows first..first+count-1 of `tensor`; no copy. */
csctrl_tensor cli_tensor_rows(const csctrl_tensor *tensor, int64_t first, int64_t count);
/* Is it the image file that is at fault, which is then left out? */
bool cli_is_broken(csctrl_status status);
/* Read `count` files into x f32[count, c, h, w] of the model's geometry (allocated). */
int cli_images_read(csctrl_tensor *x, const csctrl_model_info *info, char *const *paths,
                    int64_t count);

#endif
