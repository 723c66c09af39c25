/* cli_figures.c - compute the figures of a model and print them. */
#include "cli_figures.h"
#include "cli_generation.h"
#include "cli_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef cli_figure row;

#define ROW(field, digits, label, unit)                                                            \
    {                                                                                              \
#field, label, unit, offsetof(csctrl_figures, field), digits                               \
    }

static const row rows[] = {
    ROW(psnr, 2, "PSNR", "dB"),
    ROW(ssim, 4, "SSIM", ""),
    ROW(ms_ssim, 4, "MS-SSIM", ""),
    ROW(cosine, 4, "cosine of Z and f(g(Z))", ""),
    ROW(accuracy, 4, "nearest-subspace accuracy", ""),
    ROW(knn, 4, "k-NN accuracy", ""),
    ROW(probe, 4, "linear probe accuracy", ""),
    ROW(rate_z, 3, "R(Z)", "nats"),
    ROW(rate_zhat, 3, "R(Zhat)", "nats"),
    ROW(reduction_z, 3, "dR(Z | labels)", "nats"),
    ROW(reduction_zhat, 3, "dR(Zhat | labels)", "nats"),
    ROW(distance, 3, "dR(Z, Zhat)", "nats"),
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const cli_figure *cli_figure_at(size_t index)
{
    return index < ROW_COUNT ? &rows[index] : NULL;
}

double cli_figure_value(const csctrl_figures *figures, const cli_figure *figure)
{
    return *(const double *)((const char *)figures + figure->offset);
}

static double value_of(const csctrl_figures *figures, const row *r)
{
    return cli_figure_value(figures, r);
}

/* SSIM and MS-SSIM are not defined for images below a size. */
static void print_row(const row *r, double value)
{
    const bool similarity = strcmp(r->key, "ssim") == 0 || strcmp(r->key, "ms_ssim") == 0;

    if (isnan(value))
        printf("  %-28s %10s%s\n", r->label, "-", similarity ? " (images too small)" : "");
    else
        printf("  %-28s %10.*f%s%s\n", r->label, r->digits, cli_plain_zero(value, r->digits),
               r->unit[0] ? " " : "", r->unit);
}

static void print_table(const csctrl_figures *figures, const csctrl_model *model, const char *run)
{
    const double pixels = csctrl_config_real(csctrl_model_config(model), "game.pixel_weight");
    csctrl_model_info info;

    csctrl_model_get_info(model, &info);
    printf("figures of %s at step %lld, on %lld held-out image%s\n", run, (long long)info.step,
           (long long)figures->images, cli_s(figures->images));
    if (pixels != 0.0)
        printf("trained with a pixel loss (game.pixel_weight %g), which the method has not\n",
               pixels);
    for (size_t i = 0; i < ROW_COUNT; i++)
        print_row(&rows[i], value_of(figures, &rows[i]));
    printf("  %-28s", "zero codes, layer by layer");
    for (int i = 0; i < figures->layers; i++)
        printf(" %s%.3f", i == 0 ? "     " : "", figures->sparsity[i]);
    printf("\n");
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void last_part(const char *path, char out[256])
{
    size_t end = strlen(path);

    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t first = end;
    while (first > 0 && path[first - 1] != '/')
        first--;
    snprintf(out, 256, "%.*s", (int)(end - first), path + first);
}

/* Which images: their folder by its name alone, for where it lies is not the figures' affair. */
static json_t *data_recipe(const csctrl_dataset *test, const csctrl_config *config)
{
    csctrl_dataset_info info;
    char name[256];

    csctrl_dataset_get_info(test, &info);
    last_part(info.path, name);
    return json_pack("{s:s, s:o, s:I, s:I}", "kind", info.kind, "name", cli_json_text(name),
                     "count", (json_int_t)info.count, "eval_count",
                     (json_int_t)csctrl_config_int(config, "eval.count"));
}

/* What the figures depend on besides the model. */
static json_t *recipe(const csctrl_dataset *test, const csctrl_config *config)
{
    return json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:f, s:f}", "program", csctrl_version(),
                     "data", data_recipe(test, config), "split",
                     "held-out; classifiers fitted on training images", "fit_count",
                     (json_int_t)csctrl_config_int(config, "eval.fit_count"), "components",
                     (json_int_t)csctrl_config_int(config, "eval.components"), "neighbours",
                     (json_int_t)csctrl_config_int(config, "eval.neighbours"), "probe_l2",
                     csctrl_config_real(config, "eval.probe_l2"), "pixel_weight",
                     csctrl_config_real(config, "game.pixel_weight"));
}

static json_t *make_json(const csctrl_figures *figures, const csctrl_model *model,
                         const csctrl_dataset *test, const char *run)
{
    json_t *object = json_object(), *sparsity = json_array();
    csctrl_model_info info;

    csctrl_model_get_info(model, &info);
    json_object_set_new(object, "run", cli_json_text(run));
    json_object_set_new(object, "step", json_integer(info.step));
    json_object_set_new(object, "images", json_integer(figures->images));
    for (size_t i = 0; i < ROW_COUNT; i++)
        json_object_set_new(object, rows[i].key, number(value_of(figures, &rows[i])));
    for (int i = 0; i < figures->layers; i++)
        json_array_append_new(sparsity, number(figures->sparsity[i]));
    json_object_set_new(object, "sparsity", sparsity);
    json_object_set_new(object, "recipe", recipe(test, csctrl_model_config(model)));
    return object;
}

static void print_line(json_t *figures)
{
    json_t *object = json_pack("{s:s}", "event", "figures");

    json_object_update(object, figures);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

/* `g` is NULL where nothing was scored. */
static int report(csctrl_model *model, const csctrl_dataset *test, const char *run,
                  const csctrl_figures *figures, const cli_generation *g, cli_figures_form form,
                  const char *save)
{
    json_t *object = make_json(figures, model, test, run);
    int code = CLI_OK;

    if (g != NULL) {
        cli_generation_json(g, object);
        cli_scores_warn_few("held-out images", g->held_out);
    }
    if (save != NULL)
        code = cli_scores_write_json(json_incref(object), save);
    if (form == CLI_FIGURES_JSON_LINE) {
        print_line(object);
    } else if (form == CLI_FIGURES_JSON) {
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        print_table(figures, model, run);
        if (g != NULL)
            cli_generation_print(g);
        if (g != NULL && save != NULL && code == CLI_OK)
            printf("saved with the recipe in %s\n", save);
    }
    json_decref(object);
    return code;
}

int cli_figures_print(csctrl_model *model, const char *run, cli_figures_form form,
                      cli_scorer *scorer, const char *save)
{
    const csctrl_config *config = csctrl_model_config(model);
    csctrl_dataset *train = NULL, *test = NULL;
    csctrl_figures figures = {.images = 0};
    cli_generation g = {.held_out = 0};
    const bool note = isatty(STDERR_FILENO);
    int code = CLI_OK;

    if (note)
        fprintf(stderr, "computing the figures ...");
    csctrl_status status = csctrl_dataset_open(&train, config, CSCTRL_SPLIT_TRAIN);
    if (status == CSCTRL_OK)
        status = csctrl_dataset_open(&test, config, CSCTRL_SPLIT_TEST);
    if (status == CSCTRL_OK)
        status = csctrl_evaluate(model, train, test, &figures);
    if (note)
        fprintf(stderr, "\r\033[K");
    if (status != CSCTRL_OK)
        code = cli_fail_status(status);
    else if (scorer != NULL)
        code = cli_generation_compute(&g, scorer, model, train, test);
    if (code == CLI_OK)
        code = report(model, test, run, &figures, scorer != NULL ? &g : NULL, form, save);
    csctrl_dataset_close(&train);
    csctrl_dataset_close(&test);
    return code;
}
