/* study_unseen.c - the study unseen: images of another kind than the training images. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_training.h"
#include "study.h"

enum { SETS_MOST = 8, FLAT_BATCH = 64 };

/* One data set with the model's channels and size. */
typedef struct image_set {
    char *name, *what; /* owned */
    csctrl_dataset *train, *test;
    csctrl_figures figures;
    double flat_psnr;
} image_set;

static const char synthetic[] = "synthetic";

/* The last part of a path, so that the table says the same on every machine; owned. */
static char *short_name(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    return cli_format("%.*s", (int)(n - from), path + from);
}

/* `path` NULL: the config's own data. */
static int open_set(const study *s, image_set *set, const char *path)
{
    csctrl_config *config = NULL;
    const bool made = path != NULL && strcmp(path, synthetic) == 0;
    csctrl_status status = csctrl_config_copy(&config, s->config);

    if (status == CSCTRL_OK && path != NULL) {
        status = csctrl_config_set(config, "data.kind", made ? synthetic : "auto");
        if (status == CSCTRL_OK)
            status = csctrl_config_set(config, "data.path", made ? "" : path);
        if (status == CSCTRL_OK)
            status = csctrl_config_set(config, "data.test_path", "");
    }
    if (status == CSCTRL_OK)
        status = csctrl_dataset_open(&set->train, config, CSCTRL_SPLIT_TRAIN);
    if (status == CSCTRL_OK)
        status = csctrl_dataset_open(&set->test, config, CSCTRL_SPLIT_TEST);
    const char *own = csctrl_config_text(config, "data.path");
    if (status == CSCTRL_OK)
        set->name = short_name(own[0] != '\0' ? own : synthetic);
    set->what = cli_format("%s", path == NULL ? "as trained on" : "unseen");
    csctrl_config_destroy(&config);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    return set->name != NULL && set->what != NULL ? CLI_OK : cli_fail_memory();
}

static void close_set(image_set *set)
{
    free(set->name);
    free(set->what);
    csctrl_dataset_close(&set->train);
    csctrl_dataset_close(&set->test);
}

/* Every image as flat as can be: its own mean in every pixel, channel by channel. */
static void flatten(const csctrl_tensor *x, const csctrl_tensor *flat)
{
    const int64_t pixels = x->shape[2] * x->shape[3];
    const float *from = x->data;
    float *to = flat->data;

    for (int64_t plane = 0; plane < x->shape[0] * x->shape[1]; plane++) {
        double sum = 0;
        for (int64_t i = 0; i < pixels; i++)
            sum += (double)from[plane * pixels + i];
        for (int64_t i = 0; i < pixels; i++)
            to[plane * pixels + i] = (float)(sum / (double)pixels);
    }
}

/* Adds the PSNR of each flat image to the set's. */
static int add_flat(image_set *set, const csctrl_tensor *x, csctrl_tensor *flat)
{
    double psnr[FLAT_BATCH];

    flat->shape[0] = x->shape[0];
    flatten(x, flat);
    const csctrl_status status = csctrl_psnr(x, flat, psnr);
    for (int64_t i = 0; i < x->shape[0] && status == CSCTRL_OK; i++)
        set->flat_psnr += psnr[i];
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

static int measure_flat(image_set *set)
{
    const int64_t count = set->figures.images;
    csctrl_dataset_info info;
    csctrl_tensor x = {.data = NULL}, flat = {.data = NULL};
    int64_t next = 0, measured = 0;

    csctrl_dataset_get_info(set->test, &info);
    const int64_t most = count < info.count ? count : info.count;
    const int64_t shape[] = {FLAT_BATCH, info.channels, info.size, info.size};
    int code = cli_tensor_alloc(&x, 4, shape);
    if (code == CLI_OK)
        code = cli_tensor_alloc(&flat, 4, shape);
    while (code == CLI_OK && next < most) {
        x.shape[0] = FLAT_BATCH;
        code = study_read(set->test, count, &next, &x);
        if (code == CLI_OK && x.shape[0] > 0)
            code = add_flat(set, &x, &flat);
        measured += x.shape[0];
    }
    set->flat_psnr = measured > 0 ? set->flat_psnr / (double)measured : NAN;
    cli_tensor_free(&x);
    cli_tensor_free(&flat);
    return code;
}

/* Its figures, and its two rows of the picture. */
static int measure_set(csctrl_model *model, image_set *set, const csctrl_tensor *rows, int index)
{
    csctrl_tensor x;
    csctrl_status status = csctrl_evaluate(model, set->train, set->test, &set->figures);
    int code = status == CSCTRL_OK ? measure_flat(set) : cli_fail_status_at(status, set->name);

    if (code == CLI_OK)
        code = study_images(set->test, STUDY_COLUMNS, &x);
    if (code != CLI_OK)
        return code;
    const csctrl_tensor top = cli_tensor_rows(rows, 2 * (int64_t)index * STUDY_COLUMNS, x.shape[0]);
    csctrl_tensor below =
        cli_tensor_rows(rows, (2 * (int64_t)index + 1) * STUDY_COLUMNS, x.shape[0]);
    memcpy(top.data, x.data, (size_t)csctrl_tensor_count(&x) * sizeof(float));
    code = study_regenerate(model, &x, &below);
    cli_tensor_free(&x);
    return code;
}

static const study_column columns[] = {
    {"data", "data set", 0},     {"what", "", 0},
    {"images", "images", 0},     {"psnr", "PSNR, dB", 2},
    {"ssim", "SSIM", 3},         {"cosine", "cosine", 3},
    {"accuracy", "accuracy", 3}, {"flat_psnr", "flat image's PSNR, dB", 2},
};

static int finish(study *s, const image_set *sets, int count, int64_t step)
{
    char figures[1024];
    study_table table;
    const int code = study_table_init(&table, columns, sizeof columns / sizeof columns[0]);

    if (code != CLI_OK)
        return code;
    for (int i = 0; i < count; i++) {
        json_t *row = study_row(table.rows);
        study_text(row, "data", sets[i].name);
        study_text(row, "what", sets[i].what);
        study_integer(row, "images", sets[i].figures.images);
        study_real(row, "psnr", sets[i].figures.psnr);
        study_real(row, "ssim", sets[i].figures.ssim);
        study_real(row, "cosine", sets[i].figures.cosine);
        study_real(row, "accuracy", sets[i].figures.accuracy);
        study_real(row, "flat_psnr", sets[i].flat_psnr);
    }
    snprintf(
        figures, sizeof figures,
        "One model (%lld batches), in eval mode. Images are held-out ones of each data set, "
        "converted to the model's channels and size; the model saw training images of the first "
        "alone. Accuracy is that of the nearest subspace, fitted on features of the same data "
        "set's training images. The flat image has every image's own mean in all pixels: its PSNR "
        "says how far a data set is from plain. The data set `synthetic` is made by csctrl: shapes "
        "and textures; it is the unseen one when no other is given.",
        (long long)step);
    table.figures = figures;
    table.caption = "Two rows a data set, in the order of the table: held-out images, and their "
                    "regenerations.";
    return study_finish(s, &table);
}

static int open_sets(const study *s, image_set sets[SETS_MOST], int *count)
{
    const size_t unseen = s->unseen != NULL ? json_array_size(s->unseen) : 1;
    int code = CLI_OK;

    *count = 1 + (int)unseen;
    if (*count > SETS_MOST)
        return cli_fail(CLI_USAGE, "study unseen: expected at most %d --unseen, found %d",
                        SETS_MOST - 1, *count - 1);
    for (int i = 0; i < *count && code == CLI_OK; i++) {
        const char *path = i > 0 ? synthetic : NULL; /* unless others were given */
        if (i > 0 && s->unseen != NULL)
            path = json_string_value(json_array_get(s->unseen, (size_t)i - 1));
        code = open_set(s, &sets[i], path);
    }
    return code;
}

static int measure_unseen(study *s)
{
    image_set sets[SETS_MOST] = {{.name = NULL}};
    csctrl_model *model = NULL;
    csctrl_tensor rows = {.data = NULL};
    csctrl_model_info info = {.step = 0};
    int count = 0;
    int code = open_sets(s, sets, &count);

    if (code == CLI_OK)
        code = study_load(s, &s->runs[0], NULL, &model);
    if (code == CLI_OK) {
        csctrl_model_get_info(model, &info);
        code = cli_tensor_alloc(&rows, 4,
                                (const int64_t[]){2 * (int64_t)count * STUDY_COLUMNS, info.channels,
                                                  info.size, info.size});
    }
    for (int i = 0; i < count && code == CLI_OK; i++) {
        code = measure_set(model, &sets[i], &rows, i);
        if (code == CLI_OK && cli_signals_caught())
            code = study_interrupted(s);
        if (code == CLI_OK)
            study_say(s, &s->runs[0], "psnr %.2f dB on %s", sets[i].figures.psnr, sets[i].name);
    }
    if (code == CLI_OK)
        code = study_picture(s, &rows);
    if (code == CLI_OK)
        code = finish(s, sets, count, info.step);
    csctrl_model_destroy(&model);
    cli_tensor_free(&rows);
    for (int i = 0; i < SETS_MOST; i++)
        close_set(&sets[i]);
    return code;
}

/* A path that is no data set shows before an hour of training. */
static int plan_unseen(study *s)
{
    image_set sets[SETS_MOST] = {{.name = NULL}};
    const char *kind = csctrl_config_text(s->config, "data.kind");
    const char *path = csctrl_config_text(s->config, "data.path");
    const bool own = strcmp(kind, synthetic) == 0 || path[0] == '\0';
    study_run *run;
    int count = 0;

    if (s->unseen == NULL && own)
        return cli_fail(CLI_USAGE, "study unseen: the config's data are synthetic; give other data "
                                   "by --unseen PATH");
    int code = open_sets(s, sets, &count);
    for (int i = 0; i < SETS_MOST; i++)
        close_set(&sets[i]);
    return code == CLI_OK ? study_add(s, "model", "trained on the first data set", &run) : code;
}

const study_kind study_unseen = {
    .name = "unseen",
    .question = "Does what was learnt on one kind of images serve for another? A model of one data "
                "set regenerates held-out images of it and of others.",
    .batches = 2000,
    .takes_model = true,
    .plan = plan_unseen,
    .measure = measure_unseen,
};
