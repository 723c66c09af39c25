/* study_noise.c - the study noise: sparse coding as denoising. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study.h"

enum { SIGMAS = 4, SCALES = 5, IMAGES_MOST = 2000, FLOATS_MOST = 1 << 24 };

static const double sigmas[SIGMAS] = {0, 0.1, 0.2, 0.4};
static const int scales[SCALES] = {1, 2, 4, 8, 16};

typedef struct trial {
    csctrl_tensor clean, noisy, xhat;   /* f32[n, c, size, size] */
    csctrl_tensor kept[SIGMAS][SCALES]; /* f32[STUDY_COLUMNS, c, size, size]: for the picture */
    double *each;                       /* [n] */
    double psnr[SIGMAS][SCALES], residual[SIGMAS][SCALES], noisy_psnr[SIGMAS];
    double error; /* the residual of clean training images */
    int64_t step; /* of the model */
} trial;

/* Number `index` of a fixed sequence of normal numbers (splitmix64, Box-Muller). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double normal(uint64_t index)
{
    const double u = ((double)(mix(2 * index) >> 11) + 1) * 0x1p-53;
    const double v = (double)(mix(2 * index + 1) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v);
}

static void add_noise(const trial *t, double sigma)
{
    const float *clean = t->clean.data;
    float *noisy = t->noisy.data;

    for (int64_t i = 0; i < csctrl_tensor_count(&t->clean); i++)
        noisy[i] = clean[i] + (float)(sigma * normal((uint64_t)i));
}

static double mean_psnr(const trial *t, const csctrl_tensor *x)
{
    const int64_t n = t->clean.shape[0];
    double sum = 0;

    if (csctrl_psnr(&t->clean, x, t->each) != CSCTRL_OK)
        return NAN;
    for (int64_t i = 0; i < n; i++)
        sum += t->each[i];
    return sum / (double)n;
}

/* Root of the mean square of x - g(f(x)) over all pixels. */
static double rms_residual(const csctrl_tensor *x, const csctrl_tensor *xhat)
{
    const float *a = x->data, *b = xhat->data;
    const int64_t n = csctrl_tensor_count(x);
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / (double)n);
}

/* Every STUDY_COLUMNS-th part of `from` gives one image. */
static void keep_images(const csctrl_tensor *from, const csctrl_tensor *to)
{
    const int64_t n = from->shape[0], columns = n < STUDY_COLUMNS ? n : STUDY_COLUMNS;

    for (int64_t i = 0; i < columns; i++) {
        const csctrl_tensor source = cli_tensor_rows(from, i * n / columns, 1);
        const csctrl_tensor target = cli_tensor_rows(to, i, 1);
        memcpy(target.data, source.data, (size_t)csctrl_tensor_count(&source) * sizeof(float));
    }
}

/* "model.lambda=[...]": the trained values times `scale`; owned. */
static char *scaled_lambda(const csctrl_config *config, int scale)
{
    double values[CSCTRL_OPTION_LIST_MAX];
    char text[CSCTRL_OPTION_LIST_MAX * 28] = "";
    const size_t count =
        csctrl_config_reals(config, "model.lambda", values, CSCTRL_OPTION_LIST_MAX);
    size_t n = 0;

    for (size_t i = 0; i < count && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.9g", i > 0 ? ", " : "",
                              values[i] * scale);
    return cli_format("model.lambda=[%s]", text);
}

/* What the model misses without any noise, from images that it may look at. */
static int measure_error(const study *s, csctrl_model *model, trial *t)
{
    csctrl_dataset *train = NULL;
    csctrl_tensor x = {.data = NULL}, xhat = {.data = NULL};
    const csctrl_status status = csctrl_dataset_open(&train, s->config, CSCTRL_SPLIT_TRAIN);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    int code = study_images(train, t->clean.shape[0], &x);
    csctrl_dataset_close(&train);
    if (code == CLI_OK)
        code = cli_tensor_alloc(&xhat, 4, x.shape);
    if (code == CLI_OK)
        code = study_regenerate(model, &x, &xhat);
    if (code == CLI_OK)
        t->error = rms_residual(&x, &xhat);
    cli_tensor_free(&x);
    cli_tensor_free(&xhat);
    return code;
}

static int try_scale(study *s, trial *t, int scale)
{
    csctrl_model *model = NULL;
    char *lambda = scaled_lambda(s->runs[0].config, scales[scale]);
    int code = lambda != NULL ? study_load(s, &s->runs[0], lambda, &model) : cli_fail_memory();

    if (code == CLI_OK && scale == 0) {
        csctrl_model_info info;
        csctrl_model_get_info(model, &info);
        t->step = info.step;
        code = measure_error(s, model, t);
    }
    for (int i = 0; i < SIGMAS && code == CLI_OK; i++) {
        add_noise(t, sigmas[i]);
        code = study_regenerate(model, &t->noisy, &t->xhat);
        if (code != CLI_OK)
            break;
        t->noisy_psnr[i] = mean_psnr(t, &t->noisy);
        t->psnr[i][scale] = mean_psnr(t, &t->xhat);
        t->residual[i][scale] = rms_residual(&t->noisy, &t->xhat);
        code = cli_tensor_alloc(&t->kept[i][scale], 4,
                                (const int64_t[]){STUDY_COLUMNS, t->clean.shape[1],
                                                  t->clean.shape[2], t->clean.shape[3]});
        if (code == CLI_OK)
            keep_images(&t->xhat, &t->kept[i][scale]);
    }
    csctrl_model_destroy(&model);
    free(lambda);
    if (code == CLI_OK)
        study_say(s, &s->runs[0], "lambda x %d  psnr %.2f dB without noise, %.2f dB at sigma %.1f",
                  scales[scale], t->psnr[0][scale], t->psnr[SIGMAS - 1][scale], sigmas[SIGMAS - 1]);
    return code;
}

static int draw(const study *s, const trial *t)
{
    csctrl_tensor rows;
    int code =
        cli_tensor_alloc(&rows, 4,
                         (const int64_t[]){(1 + 3 * SIGMAS) * STUDY_COLUMNS, t->clean.shape[1],
                                           t->clean.shape[2], t->clean.shape[3]});

    if (code != CLI_OK)
        return code;
    keep_images(&t->clean, &rows);
    for (int i = 0; i < SIGMAS; i++) {
        const int chosen = study_choose(t->residual[i], SCALES, sigmas[i]);
        const csctrl_tensor noisy =
            cli_tensor_rows(&rows, (int64_t)(1 + 3 * i) * STUDY_COLUMNS, STUDY_COLUMNS);
        const size_t bytes = (size_t)csctrl_tensor_count(&noisy) * sizeof(float);
        add_noise(t, sigmas[i]);
        keep_images(&t->noisy, &noisy);
        memcpy((char *)noisy.data + bytes, t->kept[i][0].data, bytes);
        memcpy((char *)noisy.data + 2 * bytes, t->kept[i][chosen].data, bytes);
    }
    code = study_picture(s, &rows);
    cli_tensor_free(&rows);
    return code;
}

static const study_column columns[] = {
    {"sigma", "noise sigma", 1},
    {"noisy_psnr", "noisy image, dB", 2},
    {"psnr_1", "lambda x 1, dB", 2},
    {"psnr_2", "x 2, dB", 2},
    {"psnr_4", "x 4, dB", 2},
    {"psnr_8", "x 8, dB", 2},
    {"psnr_16", "x 16, dB", 2},
    {"residual_1", "residual at x 1", 3},
    {"residual_2", "x 2", 3},
    {"residual_4", "x 4", 3},
    {"residual_8", "x 8", 3},
    {"residual_16", "x 16", 3},
    {"chosen", "chosen by the residual: lambda x", 0},
    {"chosen_psnr", "PSNR at the chosen, dB", 2},
    {"chosen_error", "chosen with the model's error: lambda x", 0},
    {"chosen_error_psnr", "PSNR at that, dB", 2},
    {"best_psnr", "best PSNR, dB", 2},
};

static void fill_row(json_t *row, const trial *t, int i)
{
    const int chosen = study_choose(t->residual[i], SCALES, sigmas[i]);
    const int with_error = study_choose(t->residual[i], SCALES, hypot(sigmas[i], t->error));
    double best = t->psnr[i][0];

    study_real(row, "sigma", sigmas[i]);
    study_real(row, "noisy_psnr", t->noisy_psnr[i]);
    for (int k = 0; k < SCALES; k++) {
        char key[32];
        snprintf(key, sizeof key, "psnr_%d", scales[k]);
        study_real(row, key, t->psnr[i][k]);
        snprintf(key, sizeof key, "residual_%d", scales[k]);
        study_real(row, key, t->residual[i][k]);
        best = fmax(best, t->psnr[i][k]);
    }
    study_integer(row, "chosen", scales[chosen]);
    study_real(row, "chosen_psnr", t->psnr[i][chosen]);
    study_integer(row, "chosen_error", scales[with_error]);
    study_real(row, "chosen_error_psnr", t->psnr[i][with_error]);
    study_real(row, "best_psnr", best);
}

static int finish(study *s, const trial *t)
{
    char figures[1024];
    study_table table;
    const int code = study_table_init(&table, columns, sizeof columns / sizeof columns[0]);

    if (code != CLI_OK)
        return code;
    for (int i = 0; i < SIGMAS; i++)
        fill_row(study_row(table.rows), t, i);
    snprintf(
        figures, sizeof figures,
        "One model (%lld batches), %lld held-out images, evenly spaced over the test split. "
        "Noise is white and normal, of standard deviation sigma in units of pixels in "
        "[-1, 1], and is not clipped. PSNR is against the clean image. The residual is the "
        "root mean square of noisy image minus regeneration; the smallest lambda whose "
        "residual reaches sigma is chosen, else the largest (discrepancy principle), without "
        "a look at the clean image. With the model's error: reaches the root of sigma^2 + e^2, "
        "where e = %.3f is the residual of as many clean training images.",
        (long long)t->step, (long long)t->clean.shape[0], t->error);
    table.figures = figures;
    table.caption = "First row: clean images. Then for every sigma three rows: noisy images, "
                    "regenerations with the trained lambda, regenerations with the chosen one.";
    return study_finish(s, &table);
}

static int64_t image_count(const study *s)
{
    const int64_t size = csctrl_config_int(s->config, "data.size");
    const int64_t image = csctrl_config_int(s->config, "data.channels") * size * size;
    const int64_t wanted = csctrl_config_int(s->config, "eval.count");
    int64_t n = wanted < IMAGES_MOST ? wanted : IMAGES_MOST;

    n = n < FLOATS_MOST / image ? n : FLOATS_MOST / image;
    return n > 0 ? n : 1;
}

static int measure_noise(study *s)
{
    trial t = {.each = NULL};
    int code = study_open_test(s);

    if (code == CLI_OK)
        code = study_images(s->test, image_count(s), &t.clean);
    if (code == CLI_OK)
        code = cli_tensor_alloc(&t.noisy, 4, t.clean.shape);
    if (code == CLI_OK)
        code = cli_tensor_alloc(&t.xhat, 4, t.clean.shape);
    if (code == CLI_OK && (t.each = calloc((size_t)t.clean.shape[0], sizeof *t.each)) == NULL)
        code = cli_fail_memory();
    for (int k = 0; k < SCALES && code == CLI_OK; k++)
        code = try_scale(s, &t, k);
    if (code == CLI_OK)
        code = draw(s, &t);
    if (code == CLI_OK)
        code = finish(s, &t);
    for (int i = 0; i < SIGMAS * SCALES; i++)
        cli_tensor_free(&t.kept[i / SCALES][i % SCALES]);
    cli_tensor_free(&t.clean);
    cli_tensor_free(&t.noisy);
    cli_tensor_free(&t.xhat);
    free(t.each);
    return code;
}

static int plan_noise(study *s)
{
    study_run *run;

    return study_add(s, "model", "of clean images", &run);
}

const study_kind study_noise = {
    .name = "noise",
    .question =
        "Does more sparsity at test time remove noise, and can its weight be chosen without "
        "the clean image? One model trained on clean images encodes noisy ones with "
        "`model.lambda` times 1 to 16; all else, running statistics too, is as trained.",
    .batches = 2000,
    .takes_model = true,
    .plan = plan_noise,
    .measure = measure_noise,
};
