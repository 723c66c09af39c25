/* study_stability.c - the study stability: the course of long runs over seeds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "study.h"

enum { SEEDS = 3, PARTS = 8, WINDOW = 4, EVALUATIONS = 64, EVAL_IMAGES = 1000 };

static int plan_stability(study *s)
{
    const int64_t batches = csctrl_config_int(s->config, "train.batches");
    const int64_t every = batches / EVALUATIONS > 0 ? batches / EVALUATIONS : 1;
    int code = CLI_OK;

    for (int seed = 0; seed < SEEDS && code == CLI_OK; seed++) {
        char label[STUDY_LABEL_MAX];
        study_run *run;
        snprintf(label, sizeof label, "seed-%d", seed);
        code = study_add(s, label, label, &run);
        if (code == CLI_OK)
            code = study_set(run, "seed", "%d", seed);
        if (code == CLI_OK)
            code = study_set(run, "train.eval_every", "%lld", (long long)every);
        if (code == CLI_OK)
            code = study_set(run, "train.eval_images", "%d", EVAL_IMAGES);
    }
    return code;
}

/* PSNR at the last evaluation up to part `part` of PARTS. */
static double psnr_at(const study_metrics *m, int64_t batches, int part)
{
    const int64_t limit = (batches * part + PARTS - 1) / PARTS;
    double psnr = NAN;

    for (int64_t i = 0; i < m->count && m->steps[i] <= limit; i++)
        psnr = m->psnr[i];
    return psnr;
}

/* How far the mean of WINDOW evaluations is ever below the best that it has been before. */
static double largest_fall(const study_metrics *m)
{
    double best = -INFINITY, fall = 0;

    for (int64_t i = WINDOW; i <= m->count; i++) {
        double mean = 0;
        for (int64_t k = i - WINDOW; k < i; k++)
            mean += m->psnr[k] / WINDOW;
        best = fmax(best, mean);
        fall = fmax(fall, best - mean);
    }
    return fall;
}

static const char *const keys[PARTS] = {"psnr_1", "psnr_2", "psnr_3", "psnr_4",
                                        "psnr_5", "psnr_6", "psnr_7", "psnr_8"};

static const study_column columns[] = {
    {"run", "run", 0},
    {"psnr_1", "PSNR at 1/8, dB", 2},
    {"psnr_2", "2/8", 2},
    {"psnr_3", "3/8", 2},
    {"psnr_4", "4/8", 2},
    {"psnr_5", "5/8", 2},
    {"psnr_6", "6/8", 2},
    {"psnr_7", "7/8", 2},
    {"psnr_8", "8/8, dB", 2},
    {"fall", "largest fall, dB", 2},
    {"accuracy", "accuracy at the end", 3},
    {"seconds", "training, s (this machine)", 1},
};

/* The runs' mean, and their largest less their smallest, column by column. */
static int summarise(study_table *table)
{
    table->summary = json_array();
    json_t *mean = study_row(table->summary), *spread = study_row(table->summary);

    if (mean == NULL || spread == NULL)
        return cli_fail_memory();
    study_text(mean, "run", "mean");
    study_text(spread, "run", "largest less smallest");
    for (int c = 1; c + 1 < table->column_count; c++) { /* neither the name nor the time */
        const char *key = table->columns[c].key;
        double sum = 0, low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < json_array_size(table->rows); i++) {
            const json_t *cell = json_object_get(json_array_get(table->rows, i), key);
            const double value = json_is_number(cell) ? json_number_value(cell) : NAN;
            sum += value;
            low = fmin(low, value);
            high = fmax(high, value);
        }
        study_real(mean, key, sum / (double)json_array_size(table->rows));
        study_real(spread, key, high - low);
    }
    return CLI_OK;
}

static void caption_of(char *text, size_t size, int64_t batches, double low, double high)
{
    snprintf(text, size,
             "PSNR over the run of seeds 0 (blue), 1 (orange) and 2 (green). From left to right: "
             "batches 0 to %lld; from bottom to top: %.0f to %.0f dB, a grey line every dB.",
             (long long)batches, low, high);
}

static int draw(const study *s, const study_metrics *metrics, char *caption, size_t size)
{
    study_line lines[SEEDS];
    const int64_t batches = csctrl_config_int(s->config, "train.batches");
    double low = INFINITY, high = -INFINITY;
    char *path = cli_format("%s/picture.png", s->dir);

    if (path == NULL)
        return cli_fail_memory();
    for (int i = 0; i < SEEDS; i++) {
        lines[i] = (study_line){metrics[i].steps, metrics[i].psnr, metrics[i].count};
        for (int64_t k = 0; k < metrics[i].count; k++) {
            low = fmin(low, metrics[i].psnr[k]);
            high = fmax(high, metrics[i].psnr[k]);
        }
    }
    low = floor(low);
    high = fmax(ceil(high), low + 1);
    caption_of(caption, size, batches, low, high);
    const int code = study_plot(path, lines, SEEDS, batches, low, high, 1);
    free(path);
    return code;
}

static int finish(study *s, const study_metrics *metrics)
{
    char caption[512], figures[768];
    const int64_t batches = csctrl_config_int(s->config, "train.batches");
    study_table table;
    int code = draw(s, metrics, caption, sizeof caption);

    if (code == CLI_OK)
        code = study_table_init(&table, columns, sizeof columns / sizeof columns[0]);
    if (code != CLI_OK)
        return code;
    for (int i = 0; i < SEEDS; i++) {
        json_t *row = study_row(table.rows);
        study_text(row, "run", s->runs[i].label);
        for (int part = 1; part <= PARTS; part++)
            study_real(row, keys[part - 1], psnr_at(&metrics[i], batches, part));
        study_real(row, "fall", largest_fall(&metrics[i]));
        study_real(row, "accuracy", s->runs[i].figures.accuracy);
        study_real(row, "seconds", s->runs[i].seconds);
    }
    snprintf(figures, sizeof figures,
             "PSNR is that of the evaluations along the run: %lld batches, at most %d held-out "
             "images. The largest fall is how far the mean of %d evaluations is ever below the "
             "best such mean before it. Accuracy is that of the nearest subspace on %lld held-out "
             "images, fitted on features of training images, at the last checkpoint.",
             (long long)batches, EVAL_IMAGES, WINDOW, (long long)s->runs[0].figures.images);
    table.figures = figures;
    table.caption = caption;
    code = summarise(&table);
    if (code == CLI_OK)
        return study_finish(s, &table);
    study_table_free(&table);
    return code;
}

static int measure_stability(study *s)
{
    study_metrics metrics[SEEDS] = {{.count = 0}};
    int code = study_evaluate(s);

    for (int i = 0; i < SEEDS && code == CLI_OK; i++)
        code = study_metrics_read(&metrics[i], s, &s->runs[i]);
    if (code == CLI_OK)
        code = finish(s, metrics);
    for (int i = 0; i < SEEDS; i++)
        study_metrics_free(&metrics[i]);
    return code;
}

const study_kind study_stability = {
    .name = "stability",
    .question = "Does the game stay where it has come, over a long run and over seeds? Runs that "
                "differ in `seed` alone.",
    .batches = 3000,
    .varies = "seed",
    .plan = plan_stability,
    .measure = measure_stability,
};
