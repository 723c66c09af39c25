/* report_tables.c - numbers of a report: the figures, the layers, what model and training cost
 * beside the generic pair, the config. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_figures.h"
#include "report.h"

static void put_figures(report *r)
{
    const cli_figure *figure;

    report_raw(r, "<table>");
    for (size_t i = 0; (figure = cli_figure_at(i)) != NULL; i++) {
        const double value = cli_figure_value(&r->figures, figure);
        report_raw(r, "<tr><td>");
        report_text(r, figure->label);
        if (isfinite(value))
            report_raw(r, "</td><td>%.*f%s%s</td></tr>", figure->digits,
                       cli_plain_zero(value, figure->digits), figure->unit[0] != '\0' ? " " : "",
                       figure->unit);
        else
            report_raw(r, "</td><td>not defined</td></tr>");
    }
    report_raw(r, "</table>\n<p>Figures of csctrl eval, on %lld held-out images.</p>\n",
               (long long)r->figures.images);
}

static void put_settings(report *r)
{
    static const char *const keys[] = {"objective.kind", "model.arch",    "model.layers",
                                       "model.steps",    "model.lambda",  "model.mu",
                                       "train.batch",    "train.batches", "seed",
                                       "data.kind",      "data.path"};

    report_raw(r, "<table>");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        report_raw(r, "<tr><td>%s</td><td>", keys[i]);
        report_text(r, csctrl_config_text(r->config, keys[i]));
        report_raw(r, "</td></tr>");
    }
    report_raw(r, "</table>\n<details><summary>Whole config</summary><pre>");
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key;
        report_raw(r, "%s: ", key);
        report_text(r, csctrl_config_text(r->config, key));
        report_raw(r, "\n");
    }
    report_raw(r, "</pre></details>\n");
}

/* The method has no pixel loss; a run that was given one must not pass for the method. */
static void put_pixel_weight(report *r)
{
    const double weight = csctrl_config_real(r->config, "game.pixel_weight");
    if (weight != 0.0)
        report_raw(r,
                   "<p class=\"warn\"><strong>Trained with a pixel loss</strong>: "
                   "game.pixel_weight is %g. Closed-loop transcription has none.</p>\n",
                   weight);
}

int report_summary(report *r)
{
    report_raw(r, "<h1>");
    report_text(r, r->run);
    report_raw(r,
               "</h1>\n<p>%s autoencoder, %s dictionaries, at step %lld; images %d x %d x %d, %d "
               "classes, %d features; objective ",
               r->info.arch, r->info.tied ? "shared" : "separate", (long long)r->info.step,
               r->info.channels, r->info.size, r->info.size, r->classes, r->info.features);
    report_text(r, csctrl_config_text(r->config, "objective.kind"));
    report_raw(r, ". Written by csctrl %s.</p>\n", csctrl_version());
    put_pixel_weight(r);
    report_raw(r, "<nav><a href=\"#figures\">figures</a><a href=\"#regenerations\">regenerations"
                  "</a><a href=\"#training\">training</a><a href=\"#atoms\">atoms</a>"
                  "<a href=\"#codes\">codes</a><a href=\"#alone\">layers alone</a>"
                  "<a href=\"#similarity\">similarity</a><a href=\"#components\">components</a>"
                  "<a href=\"#samples\">samples</a><a href=\"#interpolations\">interpolations</a>"
                  "<a href=\"#cost\">cost</a></nav>\n");
    report_section(r, "figures", "Figures and config");
    report_raw(r, "<div class=\"row\"><div>");
    put_figures(r);
    report_raw(r, "</div><div class=\"wide\">");
    put_settings(r);
    report_raw(r, "</div></div>");
    report_section_end(r);
    return CLI_OK;
}

int report_layer_table(report *r)
{
    csctrl_layer_info l;

    report_raw(r, "<h3>Layers</h3><div class=\"wide\"><table><tr><th>layer</th>"
                  "<th>dictionary</th><th>stride</th><th>pad</th><th>codes</th><th>steps</th>"
                  "<th>lambda</th><th>mu</th><th>eta</th><th>parameters</th><th>encode MAC</th>"
                  "<th>decode MAC</th></tr>");
    for (int i = 0; i < r->info.layers; i++) {
        char parameters[32], encode[32], decode[32];
        const csctrl_status known = csctrl_model_get_layer(r->model, i, &l);
        if (known != CSCTRL_OK)
            return cli_fail_status(known);
        cli_count_text((double)l.parameters, parameters);
        cli_count_text((double)l.encode_macs, encode);
        cli_count_text((double)l.decode_macs, decode);
        report_raw(r,
                   "<tr><td>%d</td><td>%d x %d x %d x %d</td><td>%d</td><td>%d</td>"
                   "<td>%d x %d x %d</td><td>%d</td><td>%.4g</td><td>%.4g</td><td>%.3g</td>"
                   "<td>%s</td><td>%s</td><td>%s</td></tr>",
                   i + 1, l.atoms, l.channels, l.kernel, l.kernel, l.stride, l.pad, l.atoms,
                   l.out_size, l.out_size, l.steps, l.lambda, l.mu, l.eta, parameters, encode,
                   decode);
    }
    report_raw(r, "</table></div>\n");
    return CLI_OK;
}

/* One column of the cost table. */
typedef struct cost {
    csctrl_model_info info;
    csctrl_memory_plan plan;
} cost;

static csctrl_status generic_cost(const report *r, cost *c)
{
    csctrl_config *config = NULL;
    csctrl_model *model = NULL;
    csctrl_status status = csctrl_config_copy(&config, r->config);

    if (status == CSCTRL_OK)
        status = csctrl_config_set(config, "model.arch", "generic");
    if (status == CSCTRL_OK)
        status = csctrl_model_create(&model, config, 1);
    if (status == CSCTRL_OK) {
        csctrl_model_get_info(model, &c->info);
        status = csctrl_trainer_plan(config, &c->plan);
    }
    csctrl_model_destroy(&model);
    csctrl_config_destroy(&config);
    return status;
}

static void cost_row(report *r, const char *label, double own, double other,
                     void (*text)(double, char[32]))
{
    char a[32], b[32];

    text(own, a);
    text(other, b);
    report_raw(r, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%.2f</td></tr>", label, a, b,
               other > 0.0 ? own / other : NAN);
}

int report_cost(report *r)
{
    cost own, other;

    own.info = r->info;
    csctrl_status status = csctrl_trainer_plan(r->config, &own.plan);
    if (status == CSCTRL_OK)
        status = generic_cost(r, &other);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    report_section(r, "cost", "Parameters, work and memory");
    report_raw(r, "<div class=\"wide\"><table><tr><th></th><th>this model</th><th>generic pair</th>"
                  "<th>ratio</th></tr>");
    cost_row(r, "parameters", (double)own.info.parameters, (double)other.info.parameters,
             cli_count_text);
    cost_row(r, "encode, MAC an image", (double)own.info.encode_macs,
             (double)other.info.encode_macs, cli_count_text);
    cost_row(r, "decode, MAC an image", (double)own.info.decode_macs,
             (double)other.info.decode_macs, cli_count_text);
    cost_row(r, "training: parameters, gradients, statistics", (double)own.plan.param,
             (double)other.plan.param, cli_size_text);
    cost_row(r, "training: optimizer state", (double)own.plan.state, (double)other.plan.state,
             cli_size_text);
    cost_row(r, "training: activations kept for backward", (double)own.plan.saved,
             (double)other.plan.saved, cli_size_text);
    cost_row(r, "training: buffers reused within a step", (double)own.plan.scratch,
             (double)other.plan.scratch, cli_size_text);
    cost_row(r, "training: batches in flight, pictures", (double)own.plan.io, (double)other.plan.io,
             cli_size_text);
    cost_row(r, "training: sum, with the data set", (double)own.plan.total,
             (double)other.plan.total, cli_size_text);
    report_raw(r,
               "</table></div>\n<p>Beside the generic pair of CTRL with the same layers and "
               "image size (model.arch: generic). Memory as planned, with batches of %lld "
               "images. MAC: multiply-accumulates.</p>\n",
               (long long)csctrl_config_int(r->config, "train.batch"));
    const int code = report_layer_table(r);
    report_section_end(r);
    return code;
}
