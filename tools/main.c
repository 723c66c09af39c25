/* main.c - the csctrl program: a table of verbs. Each is in cmd_VERB.c. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cli_ranks.h"
#include "commands.h"

static const cli_command *const commands[] = {
    &cli_train,  &cli_resume, &cli_eval,    &cli_reconstruct, &cli_encode, &cli_decode,
    &cli_sample, &cli_report, &cli_study,   &cli_score,       &cli_stats,  &cli_info,
    &cli_data,   &cli_doctor, &cli_options, &cli_completion,
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

const cli_command *cli_command_at(size_t index)
{
    return index < COMMAND_COUNT ? commands[index] : NULL;
}

const cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int fail_unknown_verb(const char *name)
{
    const char *names[COMMAND_COUNT];

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *near = cli_nearest(name, names, COMMAND_COUNT);
    if (near != NULL)
        return cli_fail(CLI_USAGE, "unknown verb '%s'; did you mean '%s'?", name, near);
    return cli_fail(CLI_USAGE, "unknown verb '%s'; see csctrl --help", name);
}

static int help(int argc, char **argv)
{
    if (argc < 2) {
        cli_print_help();
        return CLI_OK;
    }
    if (strcmp(argv[1], "help") == 0) {
        printf("usage: csctrl help [VERB]\n");
        return CLI_OK;
    }
    const cli_command *command = cli_command_find(argv[1]);
    if (command == NULL)
        return fail_unknown_verb(argv[1]);
    cli_print_command_help(command);
    return CLI_OK;
}

/* `whole`: the command line that `argv` is the end of. */
static int run_verb(const char *name, int argc, char **argv, char **whole)
{
    const cli_command *command = cli_command_find(name);
    cli_args args;

    if (command == NULL)
        return fail_unknown_verb(name);
    int code = cli_parse(&args, command, argc, argv);
    if (code < 0) {
        code = cli_ranks_join(&args, whole);
        if (code == CLI_OK)
            code = command->run(&args);
    }
    cli_args_free(&args);
    return code;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        cli_print_help();
        return CLI_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        cli_print_help();
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("csctrl %s\n", csctrl_version());
        return CLI_OK;
    }
    if (word[0] == '-')
        return cli_fail(CLI_USAGE, "unknown option %s before a verb; see csctrl --help", word);
    if (strcmp(word, "help") == 0)
        return help(argc - 1, argv + 1);
    return run_verb(word, argc - 1, argv + 1, argv);
}

static void print_message(void *user, csctrl_log_level level, const char *message)
{
    (void)user;
    if (level >= CSCTRL_LOG_WARNING && cli_is_news(message))
        fprintf(stderr, "csctrl: warning: %s\n", message);
}

/* How long OpenMP's threads spin at a barrier is decided by the environment before main begins. By
 * default they spin for milliseconds, which costs a run up to 20 times its time when another
 * process or the loader's threads want the same cores. Unless the user has chosen, the program
 * starts once more with a short spin; where that fails it goes on as it is. */
static void limit_spinning(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") != NULL || getenv("OMP_WAIT_POLICY") != NULL)
        return;
    char path[4096];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0 || setenv("GOMP_SPINCOUNT", "1000", 1) != 0)
        return;
    path[length] = '\0'; /* by its path, so that it keeps its name in lists of processes */
    execv(path, argv);
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    csctrl_log_set(print_message, NULL);
    const int code = dispatch(argc, argv);
    csctrl_log_set(NULL, NULL);
    /* A full disk shows only when the buffer is written out. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_OK)
        return cli_fail(CLI_USAGE, "cannot write the standard output: %s", strerror(errno));
    return code;
}
