/* cmd_train.c - csctrl train CONFIG: a new run. */
#include <stdlib.h>
#include <unistd.h>

#include "cli_ranks.h"
#include "cli_training.h"
#include "commands.h"

/* The run directory: --out, or the next free runs/CONFIG-N. */
static int choose_run(const cli_args *args, const char *config_path, char **run, bool *made)
{
    const char *out = cli_value(args, "out");

    *made = out == NULL;
    *run = NULL;
    if (out != NULL) {
        *run = cli_format("%s", out);
        return *run != NULL ? cli_make_dirs(out, true) : cli_fail_memory();
    }
    char *stem = cli_stem(config_path);
    const int code = stem != NULL ? cli_new_run_dir(stem, run) : cli_fail_memory();
    free(stem);
    return code;
}

static int train_config(const csctrl_config *config, const char *config_path,
                        cli_progress *progress, const cli_args *args)
{
    csctrl_trainer *trainer = NULL;
    char *run = NULL;
    bool made = false;
    /* The first of several processes chooses for all. */
    int code = cli_is_other(config) ? CLI_OK : choose_run(args, config_path, &run, &made);

    if (code == CLI_OK) {
        const csctrl_status status = csctrl_trainer_create(&trainer, config, run);
        if (status == CSCTRL_OK) {
            code = cli_training_run(&trainer, run, progress, args);
        } else {
            code = cli_training_refused(status);
            if (made && rmdir(run) == 0) /* keeps it when something was written */
                rmdir("runs");
        }
    }
    free(run);
    return code;
}

static int run_train(const cli_args *args)
{
    csctrl_config *config = NULL;
    cli_progress progress;
    char *path = NULL;
    int code = cli_progress_init(&progress, args);

    if (code == CLI_OK)
        code = cli_config_find(args->operands[0], &path);
    if (code == CLI_OK)
        code = cli_config_load(&config, path, args);
    if (code == CLI_OK) {
        csctrl_log_set(cli_progress_message, &progress);
        code = train_config(config, path, &progress, args);
        csctrl_log_set(NULL, NULL);
    }
    csctrl_config_destroy(&config);
    free(path);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "DIR", "run directory, new or empty (default runs/CONFIG-N)"},
    CLI_OPTION_SET,
    CLI_TRAINING_OPTIONS,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_train = {
    .name = "train",
    .operands = "CONFIG",
    .least = 1,
    .most = 1,
    .summary = "Train a model in a new run directory",
    .details =
        "CONFIG is a YAML file or the name of a shipped one, such as fashion-mnist.\n"
        "Ctrl-C (SIGINT), SIGTERM or SIGUSR1 finish the step and save (with --nproc or under\n"
        "mpirun: SIGUSR1; the others leave a second for it); a second Ctrl-C\n"
        "stops at once. The objective in the progress is its value at the decoder's move, in\n"
        "nats; psnr is shown where it was measured, on held-out images.",
    .examples = "  csctrl train fashion-mnist\n"
                "  csctrl train my.yaml --set train.batches=400 --set seed=1 --out run\n"
                "  csctrl train cifar10 --nproc 4\n"
                "  mpirun --bind-to none -n 8 csctrl train cifar10 --out run\n",
    .options = options,
    .run = run_train,
};
