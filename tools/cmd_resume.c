/* cmd_resume.c - csctrl resume RUN: go on from the latest checkpoint. */
#include "cli_training.h"
#include "commands.h"

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
    code = status == CSCTRL_OK ? cli_training_run(&trainer, run, &progress, args)
                               : cli_fail_status(status);
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
    .details = "With the same threads and instruction set the result equals an uninterrupted run,\n"
               "bit for bit.",
    .examples = "  csctrl resume runs/fashion-mnist-1\n"
                "  csctrl resume runs/fashion-mnist-1 --set train.batches=2000\n",
    .options = options,
    .run = run_resume,
};
