/* report_training.c - metrics.jsonl as curves. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_json.h"
#include "report.h"

static const char *const keys[] = {"step",      "psnr",       "cosine",    "max_value",
                                   "min_value", "encoder_lr", "decoder_lr"};
enum { STEP, PSNR, COSINE, MAX_VALUE, MIN_VALUE, ENCODER_LR, DECODER_LR, COLUMNS };

typedef struct table {
    double *column[COLUMNS];
    size_t rows, capacity;
} table;

static void table_free(table *t)
{
    for (int c = 0; c < COLUMNS; c++)
        free(t->column[c]);
}

static bool grow(table *t)
{
    if (t->rows < t->capacity)
        return true;
    t->capacity = 2 * t->capacity + 256;
    for (int c = 0; c < COLUMNS; c++) {
        double *column = realloc(t->column[c], t->capacity * sizeof *column);
        if (column == NULL)
            return false;
        t->column[c] = column;
    }
    return true;
}

static int take_line(void *user, const json_t *object)
{
    table *t = user;

    if (!grow(t))
        return cli_fail_memory();
    for (int c = 0; c < COLUMNS; c++) {
        const json_t *value = json_object_get(object, keys[c]);
        t->column[c][t->rows] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    t->rows++;
    return CLI_OK;
}

/* Of a run, or of the run that a checkpoint or pointer lies in; owned. */
static char *metrics_path(const char *run)
{
    char *path = cli_format("%s/metrics.jsonl", run);

    if (path == NULL || access(path, F_OK) == 0)
        return path;
    free(path);
    size_t length = strlen(run);
    while (length > 1 && run[length - 1] == '/')
        length--;
    while (length > 0 && run[length - 1] != '/')
        length--;
    return cli_format("%.*s../metrics.jsonl", (int)length, run);
}

static void draw(report *r, const table *t, const char *title, const char *unit, const int *columns,
                 const char *const *names, size_t count)
{
    const double most = columns[0] == COSINE ? 1.0 : INFINITY;
    report_series series[2];

    for (size_t i = 0; i < count; i++)
        series[i] = (report_series){names[i], t->column[STEP], t->column[columns[i]], t->rows};
    report_draw(r, &(report_chart){title, "step (batches)", unit, series, count,
                                   (double)r->info.step, most});
}

static void draw_all(report *r, const table *t)
{
    static const char *const players[] = {"encoder", "decoder"};
    const char *rates = "nats";

    report_figure(r);
    report_raw(r, "<div class=\"row\">");
    draw(r, t, "PSNR", "dB", (const int[]){PSNR}, players, 1);
    draw(r, t, "Cosine of Z and f(g(Z))", "cosine", (const int[]){COSINE}, players, 1);
    draw(r, t, "Objective", rates, (const int[]){MAX_VALUE, MIN_VALUE}, players, 2);
    draw(r, t, "Learning rate", "rate", (const int[]){ENCODER_LR, DECODER_LR}, players, 2);
    report_raw(r, "</div>");
    report_caption(
        r,
        "From metrics.jsonl, %zu logged step%s. PSNR and cosine: means over at most %lld held-out "
        "images, "
        "where they were measured. Objective: its value on the training batch at the encoder's "
        "move, which raises it, and at the decoder's, which lowers it. A dashed line marks the "
        "step of the model that this report is about, where the run went on.",
        t->rows, cli_s((int64_t)t->rows),
        (long long)csctrl_config_int(r->config, "train.eval_images"));
}

int report_training(report *r)
{
    table t = {.rows = 0};
    char *path = metrics_path(r->run);
    const int code = path != NULL ? cli_json_lines(path, take_line, &t) : cli_fail_memory();

    report_section(r, "training", "Training");
    if (code == CLI_OK && t.rows > 0)
        draw_all(r, &t);
    else if (code == CLI_OK)
        report_raw(r, "<p>There is no metrics.jsonl with a logged step.</p>\n");
    report_section_end(r);
    table_free(&t);
    free(path);
    return code;
}
