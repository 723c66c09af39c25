/* cli_figures.c - compute the figures of a model and print them. */
#include "cli_figures.h"
#include "cli_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* One row of the table: where the figure is in csctrl_figures and how it is called. */
typedef struct row {
    const char *key, *label, *unit;
    size_t offset;
    int digits;
} row;

#define ROW(field, digits, label, unit)                                                            \
    {                                                                                              \
#field, label, unit, offsetof(csctrl_figures, field), digits                               \
    }

static const row rows[] = {
    ROW(psnr, 2, "PSNR", "dB"),
    ROW(ssim, 4, "SSIM", ""),
    ROW(cosine, 4, "cosine of Z and f(g(Z))", ""),
    ROW(accuracy, 4, "nearest-subspace accuracy", ""),
    ROW(rate_z, 3, "R(Z)", "nats"),
    ROW(rate_zhat, 3, "R(Zhat)", "nats"),
    ROW(reduction_z, 3, "dR(Z | labels)", "nats"),
    ROW(reduction_zhat, 3, "dR(Zhat | labels)", "nats"),
    ROW(distance, 3, "dR(Z, Zhat)", "nats"),
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static double value_of(const csctrl_figures *figures, const row *r)
{
    return *(const double *)((const char *)figures + r->offset);
}

static void print_table(const csctrl_figures *figures, const csctrl_model_info *info,
                        const char *run)
{
    printf("figures of %s at step %lld, on %lld held-out images\n", run, (long long)info->step,
           (long long)figures->images);
    for (size_t i = 0; i < ROW_COUNT; i++)
        printf("  %-28s %10.*f%s%s\n", rows[i].label, rows[i].digits, value_of(figures, &rows[i]),
               rows[i].unit[0] ? " " : "", rows[i].unit);
    printf("  %-28s", "zero codes, layer by layer");
    for (int i = 0; i < figures->layers; i++)
        printf(" %s%.3f", i == 0 ? "     " : "", figures->sparsity[i]);
    printf("\n");
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(const csctrl_figures *figures, const csctrl_model_info *info,
                       const char *run, bool line)
{
    json_t *object = json_object(), *sparsity = json_array();

    if (line)
        json_object_set_new(object, "event", json_string("figures"));
    json_object_set_new(object, "run", cli_json_text(run));
    json_object_set_new(object, "step", json_integer(info->step));
    json_object_set_new(object, "images", json_integer(figures->images));
    for (size_t i = 0; i < ROW_COUNT; i++)
        json_object_set_new(object, rows[i].key, number(value_of(figures, &rows[i])));
    for (int i = 0; i < figures->layers; i++)
        json_array_append_new(sparsity, number(figures->sparsity[i]));
    json_object_set_new(object, "sparsity", sparsity);
    json_dumpf(object, stdout, (line ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

int cli_figures_print(csctrl_model *model, const char *run, cli_figures_form form)
{
    const csctrl_config *config = csctrl_model_config(model);
    csctrl_dataset *train = NULL, *test = NULL;
    csctrl_model_info info;
    csctrl_figures figures;
    const bool note = isatty(STDERR_FILENO);

    if (note)
        fprintf(stderr, "computing the figures ...");
    csctrl_model_get_info(model, &info);
    csctrl_status status = csctrl_dataset_open(&train, config, CSCTRL_SPLIT_TRAIN);
    if (status == CSCTRL_OK)
        status = csctrl_dataset_open(&test, config, CSCTRL_SPLIT_TEST);
    if (status == CSCTRL_OK)
        status = csctrl_evaluate(model, train, test, &figures);
    csctrl_dataset_close(&train);
    csctrl_dataset_close(&test);
    if (note)
        fprintf(stderr, "\r\033[K");
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    if (form == CLI_FIGURES_TABLE)
        print_table(&figures, &info, run);
    else
        print_json(&figures, &info, run, form == CLI_FIGURES_JSON_LINE);
    return CLI_OK;
}
