/* cmd_eval.c - csctrl eval RUN: the figures on held-out images. */
#include "cli_figures.h"
#include "commands.h"

static int run_eval(const cli_args *args)
{
    const char *run = args->operands[0];
    csctrl_model *model = NULL;
    int batch = 0;
    int code = cli_model_open(&model, &batch, run, cli_value(args, "data"), 0, args);

    if (code == CLI_OK)
        code = cli_figures_print(model, run,
                                 cli_given(args, "json") ? CLI_FIGURES_JSON : CLI_FIGURES_TABLE);
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    {"data", 'd', "PATH", "other data than the run's (folder or archive)"},
    CLI_OPTION_SET,
    CLI_OPTION_JSON,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_eval = {
    .name = "eval",
    .operands = "RUN",
    .least = 1,
    .most = 1,
    .summary = "Figures of a model on held-out images",
    .details =
        "RUN is a run directory (its latest checkpoint; RUN/checkpoints/best names the best)\n"
        "or a checkpoint. Rates are in nats; subspaces are fitted on training images only.",
    .examples = "  csctrl eval runs/fashion-mnist-1\n"
                "  csctrl eval runs/fashion-mnist-1/checkpoints/step-00000100 --json\n"
                "  csctrl eval runs/fashion-mnist-1 --set model.lambda=0.2 --data other/\n",
    .options = options,
    .run = run_eval,
};
