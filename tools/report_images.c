/* report_images.c - whole images: regenerations, samples, interpolations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { SHOWN = 10, SAMPLE_ROWS = 6, PAIRS = 6, BETWEEN = 8 };

/* ---- regenerations */

typedef struct ranked {
    double psnr;
    int64_t position;
} ranked;

static int by_psnr(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->psnr != y->psnr)
        return x->psnr > y->psnr ? -1 : 1;
    return x->position < y->position ? -1 : 1;
}

/* Two batches, one row each. */
static int join(const csctrl_tensor *above, const csctrl_tensor *below, csctrl_tensor *both)
{
    const size_t bytes = (size_t)csctrl_tensor_count(above) * sizeof(float);
    const int64_t *s = above->shape;
    const int code = cli_tensor_alloc(both, 4, (const int64_t[]){2 * s[0], s[1], s[2], s[3]});

    if (code == CLI_OK) {
        memcpy(both->data, above->data, bytes);
        memcpy((char *)both->data + bytes, below->data, bytes);
    }
    return code;
}

static int show_ranked(report *r, const char *name, const char *title, const ranked *from, int n)
{
    char labels[SHOWN][REPORT_LABEL], rows[2][REPORT_LABEL] = {"input", "regeneration"};
    csctrl_tensor x = {.data = NULL}, z = {.data = NULL}, xhat = {.data = NULL};
    csctrl_tensor both = {.data = NULL};
    int64_t positions[SHOWN];

    for (int i = 0; i < n; i++) {
        positions[i] = from[i].position;
        snprintf(labels[i], sizeof labels[i], "%.2f dB", from[i].psnr);
    }
    int code = report_read(r, &r->held, positions, n, &x);
    if (code == CLI_OK)
        code = report_features(r, &r->held, positions, n, &z);
    if (code == CLI_OK)
        code = report_decode(r, &z, &xhat);
    if (code == CLI_OK)
        code = join(&x, &xhat, &both);
    if (code == CLI_OK) {
        report_raw(r, "<h3>%s</h3>", title);
        code = report_show(r, &(report_grid){name, &both, n, 0, labels, rows});
    }
    cli_tensor_free(&x);
    cli_tensor_free(&z);
    cli_tensor_free(&xhat);
    cli_tensor_free(&both);
    return code;
}

int report_regenerations(report *r)
{
    const int64_t n = r->held.count;
    const int shown = n < SHOWN ? (int)n : SHOWN;
    ranked *all = calloc((size_t)n, sizeof *all);
    double mean = 0.0;

    if (all == NULL)
        return cli_fail_memory();
    for (int64_t i = 0; i < n; i++) {
        all[i] = (ranked){r->held.psnr[i], i};
        mean += r->held.psnr[i] / (double)n;
    }
    qsort(all, (size_t)n, sizeof *all, by_psnr);
    report_section(r, "regenerations", "Inputs beside their regenerations");
    report_figure(r);
    int code = show_ranked(r, "regenerations-best", "Best", all, shown);
    if (code == CLI_OK)
        code = show_ranked(r, "regenerations-median", "Median", all + (n - shown) / 2, shown);
    if (code == CLI_OK)
        code = show_ranked(r, "regenerations-worst", "Worst", all + (n - shown), shown);
    report_caption(r,
                   "x above g(f(x)), with the PSNR of each, of %lld held-out images: the %d "
                   "with the highest PSNR, those around the median, and the lowest. Mean %.2f dB, "
                   "median %.2f dB, from %.2f to %.2f dB.",
                   (long long)n, shown, mean, all[n / 2].psnr, all[n - 1].psnr, all[0].psnr);
    report_section_end(r);
    free(all);
    return code;
}

/* ---- samples */

/* Column i: SAMPLE_ROWS features of class shown[i]. */
static int draw_samples(report *r, csctrl_tensor *z)
{
    const int64_t d = r->info.features, columns = r->shown_count;
    csctrl_tensor one;
    int code = cli_tensor_alloc(&one, 2, (const int64_t[]){SAMPLE_ROWS, d});

    for (int64_t i = 0; i < columns && code == CLI_OK; i++) {
        const csctrl_status status =
            csctrl_subspaces_sample(r->subspaces, r->shown[i], (uint64_t)i, &one);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        for (int64_t row = 0; row < SAMPLE_ROWS && code == CLI_OK; row++)
            memcpy((float *)z->data + (row * columns + i) * d, (float *)one.data + row * d,
                   (size_t)d * sizeof(float));
    }
    cli_tensor_free(&one);
    return code;
}

int report_samples(report *r)
{
    char labels[REPORT_CLASSES_MAX][REPORT_LABEL];
    csctrl_tensor z, x = {.data = NULL};
    int code =
        cli_tensor_alloc(&z, 2, (const int64_t[]){SAMPLE_ROWS * r->shown_count, r->info.features});

    report_section(r, "samples", "Samples of each class");
    for (int i = 0; i < r->shown_count; i++)
        report_class_label(r, r->shown[i], 10, labels[i]);
    if (code == CLI_OK)
        code = draw_samples(r, &z);
    if (code == CLI_OK)
        code = report_decode(r, &z, &x);
    report_figure(r);
    if (code == CLI_OK)
        code = report_show(r, &(report_grid){"samples", &x, r->shown_count, 0, labels, NULL});
    report_caption(
        r,
        "Decoded features drawn from a Gaussian in each class's principal subspace (%lld "
        "components at most), fitted on %lld training images: one class a column, %d of "
        "%d classes, %d samples each, none chosen.",
        (long long)csctrl_config_int(r->config, "eval.components"), (long long)r->fit.count,
        r->shown_count, r->classes, SAMPLE_ROWS);
    report_section_end(r);
    cli_tensor_free(&z);
    cli_tensor_free(&x);
    return code;
}

/* ---- interpolations */

/* Row i of `out`: the straight line from a to b, each point put on the unit sphere. */
static void interpolate(const float *a, const float *b, int64_t d, float *out)
{
    for (int i = 0; i < BETWEEN; i++) {
        const double t = (double)i / (BETWEEN - 1);
        double norm2 = 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double v = (1.0 - t) * (double)a[j] + t * (double)b[j];
            out[i * d + j] = (float)v;
            norm2 += v * v;
        }
        for (int64_t j = 0; j < d; j++)
            out[i * d + j] /= (float)fmax(sqrt(norm2), 1e-12);
    }
}

/* Rows of [input | BETWEEN decoded | input]. */
static int decode_pairs(report *r, const csctrl_tensor *x, const csctrl_tensor *ends, int pairs,
                        csctrl_tensor *rows)
{
    const int64_t d = r->info.features;
    const size_t image = (size_t)csctrl_tensor_count(x) / (size_t)x->shape[0];
    csctrl_tensor z, between = {.data = NULL};
    int code = cli_tensor_alloc(&z, 2, (const int64_t[]){(int64_t)pairs * BETWEEN, d});

    for (int i = 0; i < pairs && code == CLI_OK; i++) {
        const float *a = (const float *)ends->data + 2 * i * d;
        interpolate(a, a + d, d, (float *)z.data + (int64_t)i * BETWEEN * d);
    }
    if (code == CLI_OK)
        code = report_decode(r, &z, &between);
    if (code == CLI_OK)
        code = report_images_alloc(r, rows, (int64_t)pairs * (BETWEEN + 2));
    for (int i = 0; i < pairs && code == CLI_OK; i++) {
        float *row = (float *)rows->data + (size_t)i * (BETWEEN + 2) * image;
        const float *inputs = (const float *)x->data + 2 * (size_t)i * image;
        memcpy(row, inputs, image * sizeof(float));
        memcpy(row + image, (float *)between.data + (size_t)i * BETWEEN * image,
               BETWEEN * image * sizeof(float));
        memcpy(row + (BETWEEN + 1) * image, inputs + image, image * sizeof(float));
    }
    cli_tensor_free(&z);
    cli_tensor_free(&between);
    return code;
}

int report_interpolations(report *r)
{
    char labels[BETWEEN + 2][REPORT_LABEL] = {"input"};
    int64_t positions[2 * PAIRS];
    csctrl_tensor x = {.data = NULL}, z = {.data = NULL}, rows = {.data = NULL};
    const int pairs = report_pick(r, 2 * PAIRS, positions) / 2;
    int code = CLI_OK;

    report_section(r, "interpolations", "Interpolations");
    for (int i = 0; i < BETWEEN; i++)
        snprintf(labels[i + 1], REPORT_LABEL, "%.2f", (double)i / (BETWEEN - 1));
    snprintf(labels[BETWEEN + 1], REPORT_LABEL, "input");
    if (pairs > 0)
        code = report_read(r, &r->held, positions, 2 * pairs, &x);
    if (pairs > 0 && code == CLI_OK)
        code = report_features(r, &r->held, positions, 2 * pairs, &z);
    if (pairs > 0 && code == CLI_OK)
        code = decode_pairs(r, &x, &z, pairs, &rows);
    report_figure(r);
    if (pairs > 0 && code == CLI_OK)
        code =
            report_show(r, &(report_grid){"interpolations", &rows, BETWEEN + 2, 0, labels, NULL});
    report_caption(r,
                   "g((1 - t) z1 + t z2), the feature put back on the unit sphere, between the "
                   "features of two held-out images, which stand at the ends; t is above each "
                   "column. %d pairs.",
                   pairs);
    report_section_end(r);
    cli_tensor_free(&x);
    cli_tensor_free(&z);
    cli_tensor_free(&rows);
    return code;
}
