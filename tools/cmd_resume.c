/* cmd_resume.c - csctrl resume RUN: go on from the latest checkpoint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_training.h"
#include "commands.h"

/* A finished run has nothing to go on with; programs that read JSON get the ordinary ending. */
static bool says_finished(csctrl_trainer *trainer, const cli_progress *progress)
{
    const csctrl_model *model = csctrl_trainer_model(trainer);
    const int64_t steps = csctrl_config_int(csctrl_model_config(model), "train.batches");
    csctrl_model_info info;

    csctrl_model_get_info(model, &info);
    if (info.step < steps)
        return false;
    if (progress->mode == CLI_PROGRESS_QUIET || progress->mode == CLI_PROGRESS_JSON)
        return true;
    if (info.step > steps)
        printf("already at step %lld, beyond train.batches=%lld; add --set train.batches=N, N "
               "above %lld, to go on\n",
               (long long)info.step, (long long)steps, (long long)info.step);
    else
        printf("already at step %lld of %lld; add --set train.batches=N to go on\n",
               (long long)info.step, (long long)steps);
    return true;
}

/* Rates and lengths may well change on the way; with these another experiment goes on. */
static bool makes_another_run(const char *set)
{
    static const char *const keys[] = {"seed=", "data.", "model.", "objective.", "game."};
    static const char *const harmless[] = {"data.path=", "data.loader_threads=", "data.prefetch="};

    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strncmp(set, harmless[i], strlen(harmless[i])) == 0)
            return false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strncmp(set, keys[i], strlen(keys[i])) == 0)
            return true;
    return false;
}

/* One warning names the --set that make the rest of the run another experiment. */
static void warn_of_changes(cli_progress *progress, const cli_args *args)
{
    char text[512] = "";
    size_t n = 0;

    for (size_t i = 0; i < args->set_count && n < sizeof text; i++)
        if (makes_another_run(args->sets[i]))
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n > 0 ? ", " : "",
                                  args->sets[i]);
    if (n == 0)
        return;
    char *message = cli_format("--set %s changes the run in mid-course", text);
    if (message != NULL)
        cli_progress_message(progress, CSCTRL_LOG_WARNING, message);
    free(message);
}

static int run_resume(const cli_args *args)
{
    const char *run = args->operands[0];
    csctrl_trainer *trainer = NULL;
    cli_overrides overrides = {.count = 0};
    cli_progress progress;
    int code = cli_progress_init(&progress, args);

    if (code == CLI_OK)
        code = cli_overrides_make(&overrides, run, NULL, args);
    if (code != CLI_OK)
        return code;
    csctrl_log_set(cli_progress_message, &progress);
    const csctrl_status status =
        csctrl_trainer_resume(&trainer, run, (const char *const *)overrides.items, overrides.count);
    cli_overrides_free(&overrides);
    if (status != CSCTRL_OK) {
        code = cli_training_refused(status);
    } else {
        progress.finished = says_finished(trainer, &progress);
        if (!progress.finished)
            warn_of_changes(&progress, args);
        code = cli_training_run(&trainer, run, &progress, args);
    }
    csctrl_log_set(NULL, NULL);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION_SET,
    CLI_TRAINING_OPTIONS,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_resume = {
    .name = "resume",
    .operands = "RUN",
    .least = 1,
    .most = 1,
    .summary = "Continue an interrupted or finished run",
    .details = "With the same threads, processes and instruction set the result equals an "
               "uninterrupted run,\n"
               "bit for bit.",
    .examples = "  csctrl resume runs/fashion-mnist-1\n"
                "  csctrl resume runs/fashion-mnist-1 --set train.batches=2000\n",
    .options = options,
    .run = run_resume,
};
