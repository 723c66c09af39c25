/* cmd_report.c - csctrl report RUN: everything there is to see of a model, in one HTML file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "report.h"

/* In the order of the page. */
static int (*const sections[])(report *r) = {
    report_summary, report_regenerations,  report_training,   report_atoms,
    report_codes,   report_alone,          report_similarity, report_components,
    report_samples, report_interpolations, report_cost,
};

/* The page grows in memory, so that there is none where a section failed. */
static int write_report(report *r)
{
    char *text = NULL;
    size_t size = 0;
    char *path = cli_format("%s/report.html", r->dir);

    r->html = open_memstream(&text, &size);
    if (path == NULL || r->html == NULL) {
        free(path);
        return cli_fail_memory();
    }
    report_begin(r);
    int code = CLI_OK;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0] && code == CLI_OK; i++)
        code = sections[i](r);
    report_end(r);
    if (fclose(r->html) != 0 && code == CLI_OK)
        code = cli_fail_memory();
    if (code == CLI_OK)
        code = cli_write_atomic(path, text, size);
    if (code == CLI_OK)
        printf("%s  with %d pictures, also as files beside it\n", path, r->pictures);
    free(text);
    free(path);
    return code;
}

/* RUN/report; a checkpoint's folder holds nothing else. */
static int out_dir(const cli_args *args, char **dir)
{
    const char *given = cli_value(args, "out");
    char *checkpoints = cli_format("%s/checkpoints", args->operands[0]);
    int code = CLI_OK;

    *dir = given != NULL ? cli_format("%s", given) : cli_format("%s/report", args->operands[0]);
    if (*dir == NULL || checkpoints == NULL)
        code = cli_fail_memory();
    else if (given == NULL && access(checkpoints, F_OK) != 0)
        code = cli_fail(CLI_USAGE,
                        "report: %s is no run directory; add -o DIR for the report of a "
                        "checkpoint",
                        args->operands[0]);
    free(checkpoints);
    return code;
}

static int run_report(const cli_args *args)
{
    report r = {.run = args->operands[0]};
    char *dir = NULL;
    int code = cli_model_open(&r.model, &r.batch, r.run, cli_value(args, "data"), 0, args);

    if (code == CLI_OK)
        code = cli_expect_held_out(r.run, csctrl_model_config(r.model));
    if (code == CLI_OK)
        code = out_dir(args, &dir);
    if (code == CLI_OK) {
        const size_t existing = cli_existing_part(dir);
        r.dir = dir;
        r.config = csctrl_model_config(r.model);
        code = cli_check_out_dir(dir, cli_given(args, "force"));
        if (code == CLI_OK)
            code = report_open(&r);
        if (code == CLI_OK)
            code = write_report(&r);
        if (code != CLI_OK) {
            report_take_back(&r);
            cli_remove_made(dir, existing);
        }
    }
    report_close(&r);
    free(dir);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "DIR", "where the report goes, new or empty (default RUN/report)"},
    {"data", 'd', "PATH", "other data than the run's (folder or archive)"},
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_report = {
    .name = "report",
    .operands = "RUN",
    .least = 1,
    .most = 1,
    .summary = "What a model has learnt, in one HTML file",
    .details =
        "Writes DIR/report.html, which needs nothing but itself, and the pictures in it as PNG\n"
        "files: regenerations, training curves, dictionary atoms, codes, similarity of features,\n"
        "principal components, samples, interpolations, cost. The data of the run must be there.",
    .examples = "  csctrl report runs/fashion-mnist-1\n"
                "  csctrl report runs/fashion-mnist-1/checkpoints/best -o best\n",
    .options = options,
    .run = run_report,
};
