/* cmd_eval.c - csctrl eval RUN: the figures on held-out images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_figures.h"
#include "commands.h"

/* Is it the run's own data that is evaluated? */
static bool is_own_data(const cli_args *args)
{
    bool own = cli_value(args, "data") == NULL;

    for (size_t i = 0; i < args->set_count; i++)
        own = own && strncmp(args->sets[i], "data.", 5) != 0;
    return own;
}

/* Scores are kept beside what they are scores of: RUN/scores-step-N.json. NULL where RUN is no run
 * directory, or the data are not its own; owned. */
static int place_of_scores(const char *run, const csctrl_model *model, const cli_args *args,
                           char **place)
{
    csctrl_model_info info;
    char *checkpoints = cli_format("%s/checkpoints", run);

    *place = NULL;
    if (checkpoints == NULL)
        return cli_fail_memory();
    const bool is_run = access(checkpoints, F_OK) == 0;
    free(checkpoints);
    if (!is_run)
        return CLI_OK;
    if (!is_own_data(args)) {
        fprintf(stderr,
                "csctrl: warning: scores of other data than the run's are not saved in %s; "
                "-o FILE saves them\n",
                run);
        return CLI_OK;
    }
    csctrl_model_get_info(model, &info);
    *place = cli_format("%s/scores-step-%08lld.json", run, (long long)info.step);
    return *place != NULL ? CLI_OK : cli_fail_memory();
}

static int evaluate(csctrl_model *model, const cli_args *args)
{
    const char *run = args->operands[0], *out = cli_value(args, "out");
    const cli_figures_form form = cli_given(args, "json") ? CLI_FIGURES_JSON : CLI_FIGURES_TABLE;
    cli_scorer scorer = {.network = NULL};
    char *place = NULL;
    bool asked = false;
    int code = cli_scorer_asked(args, &asked);

    if (code == CLI_OK && out != NULL)
        code = cli_check_out_file(out, cli_given(args, "force"));
    if (code == CLI_OK && !asked)
        return cli_figures_print(model, run, form, NULL, out);
    if (code == CLI_OK)
        code = cli_scorer_open(&scorer, csctrl_model_config(model), args);
    if (code == CLI_OK && out == NULL)
        code = place_of_scores(run, model, args, &place);
    if (code == CLI_OK)
        code = cli_figures_print(model, run, form, &scorer, out != NULL ? out : place);
    cli_scorer_close(&scorer);
    free(place);
    return code;
}

static int run_eval(const cli_args *args)
{
    csctrl_model *model = NULL;
    int batch = 0;
    int code = cli_model_open(&model, &batch, args->operands[0], cli_value(args, "data"), 0, args);

    if (code == CLI_OK)
        code = cli_expect_held_out(args->operands[0], csctrl_model_config(model));
    if (code == CLI_OK)
        code = evaluate(model, args);
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    {"data", 'd', "PATH", "other data than the run's (folder or archive)"},
    CLI_OPTION_INCEPTION,
    CLI_OPTION_RESIZE,
    {"out", 'o', "FILE", "save figures and recipe as JSON"},
    CLI_OPTION_FORCE,
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
        "or a checkpoint. Rates are in nats; subspaces and classifiers are fitted on training\n"
        "images only. With Inception weights, reconstructions and samples are scored too, apart,\n"
        "and all is saved in RUN/scores-step-N.json with the recipe; of other data than the run's\n"
        "(--data, or --set of a data key) only with -o.",
    .examples = "  csctrl eval runs/fashion-mnist-1\n"
                "  csctrl eval runs/fashion-mnist-1/checkpoints/step-00000100 --json\n"
                "  csctrl eval runs/fashion-mnist-1 --inception inception.safetensors\n"
                "  csctrl eval runs/fashion-mnist-1 --set model.lambda=0.2 --data other/\n",
    .options = options,
    .run = run_eval,
};
