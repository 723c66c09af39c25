/* report_data.c - the images that a report looks at, and their features. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

static void note(const char *what)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s ...", what);
}

static void note_end(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

/* The i-th of `count` images drawn from all over a data set of `total`: one from each of `count`
 * equal stretches, always the same ones. */
static int64_t drawn(int64_t i, int64_t count, int64_t total)
{
    const int64_t first = i * total / count, last = (i + 1) * total / count;
    const uint64_t mixed = ((uint64_t)i + 1) * UINT64_C(0x9E3779B97F4A7C15);

    return first + (int64_t)((mixed >> 32) % (uint64_t)(last - first));
}

/* One image into row `row` of x. */
static csctrl_status read_row(csctrl_dataset *data, int64_t index, csctrl_tensor *x, int64_t row,
                              int64_t *label)
{
    const csctrl_tensor one = cli_tensor_rows(x, row, 1);
    csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, one.shape + 1, one.data);

    return csctrl_dataset_read(data, index, &image, label);
}

static int set_open(report_set *set, const report *r, csctrl_split split, int64_t most)
{
    csctrl_dataset_info info;
    const csctrl_status status = csctrl_dataset_open(&set->data, r->config, split);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_dataset_get_info(set->data, &info);
    set->count = info.count < most ? info.count : most;
    const size_t n = set->count > 0 ? (size_t)set->count : 1;
    set->index = calloc(n, sizeof *set->index);
    set->labels = calloc(n, sizeof *set->labels);
    set->psnr = calloc(n, sizeof *set->psnr);
    if (set->index == NULL || set->labels == NULL || set->psnr == NULL)
        return cli_fail_memory();
    const int64_t shape[] = {set->count, r->info.features};
    int code = cli_tensor_alloc(&set->z, 2, shape);
    if (code == CLI_OK && split == CSCTRL_SPLIT_TEST)
        code = cli_tensor_alloc(&set->zhat, 2, shape);
    return code;
}

/* Features of n images in x; of held-out ones also what becomes of them. */
static csctrl_status look(report *r, report_set *set, int64_t first, csctrl_tensor x,
                          csctrl_tensor xhat, int64_t n)
{
    csctrl_tensor z = cli_tensor_rows(&set->z, first, n);

    x.shape[0] = xhat.shape[0] = n;
    csctrl_status status = csctrl_model_encode(r->model, &x, &z);
    if (status != CSCTRL_OK || set->zhat.data == NULL)
        return status;
    csctrl_tensor zhat = cli_tensor_rows(&set->zhat, first, n);
    status = csctrl_model_decode(r->model, &z, &xhat);
    if (status == CSCTRL_OK)
        status = csctrl_model_encode(r->model, &xhat, &zhat);
    return status == CSCTRL_OK ? csctrl_psnr(&x, &xhat, set->psnr + first) : status;
}

static csctrl_status fill(report *r, report_set *set, csctrl_tensor *x, csctrl_tensor *xhat)
{
    csctrl_dataset_info info;
    int64_t used = 0, waiting = 0;
    csctrl_status status = CSCTRL_OK;

    csctrl_dataset_get_info(set->data, &info);
    for (int64_t i = 0; i < set->count && status == CSCTRL_OK; i++) {
        const int64_t at = used + waiting;
        set->index[at] = drawn(i, set->count, info.count);
        status = read_row(set->data, set->index[at], x, waiting, set->labels + at);
        if (status == CSCTRL_OK)
            waiting++;
        else if (cli_is_broken(status))
            status = CSCTRL_OK;
        if (status == CSCTRL_OK && waiting > 0 && (waiting == r->batch || i + 1 == set->count)) {
            status = look(r, set, used, *x, *xhat, waiting);
            used += waiting;
            waiting = 0;
        }
    }
    set->count = set->z.shape[0] = set->zhat.shape[0] = used;
    return status;
}

static int set_fill(report *r, report_set *set, const char *what)
{
    csctrl_tensor x = {.data = NULL}, xhat = {.data = NULL};

    note(what);
    int code = report_images_alloc(r, &x, r->batch);
    if (code == CLI_OK)
        code = report_images_alloc(r, &xhat, r->batch);
    if (code == CLI_OK) {
        const csctrl_status status = fill(r, set, &x, &xhat);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        else if (set->count == 0)
            code = cli_fail(CLI_USAGE,
                            "report: found no image that can be read among the %s; see "
                            "csctrl data verify",
                            what);
    }
    cli_tensor_free(&x);
    cli_tensor_free(&xhat);
    note_end();
    return code;
}

static int fit_subspaces(report *r)
{
    const int64_t wanted = csctrl_config_int(r->config, "eval.components");
    const csctrl_status status =
        csctrl_subspaces_fit(&r->subspaces, &r->fit.z, r->fit.labels, r->classes,
                             (int)(wanted < r->info.features ? wanted : r->info.features));

    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

/* Of many classes those shown are spread over all. */
static void choose_classes(report *r)
{
    int with_images = 0, seen = 0;

    for (int k = 0; k < r->classes; k++)
        with_images += csctrl_subspaces_count(r->subspaces, k) >= 0;
    const int most = with_images < REPORT_CLASSES_MAX ? with_images : REPORT_CLASSES_MAX;
    for (int k = 0; k < r->classes && r->shown_count < most; k++)
        if (most > 0 && csctrl_subspaces_count(r->subspaces, k) >= 0 &&
            seen++ == r->shown_count * with_images / most)
            r->shown[r->shown_count++] = k;
}

static int evaluate(report *r)
{
    note("computing the figures");
    const csctrl_status status = csctrl_evaluate(r->model, r->fit.data, r->held.data, &r->figures);
    note_end();
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

int report_open(report *r)
{
    const int64_t fit_count = csctrl_config_int(r->config, "eval.fit_count");
    csctrl_dataset_info info;

    csctrl_model_get_info(r->model, &r->info);
    int code = set_open(&r->fit, r, CSCTRL_SPLIT_TRAIN,
                        fit_count < REPORT_FIT_MAX ? fit_count : REPORT_FIT_MAX);
    if (code == CLI_OK)
        code = set_open(&r->held, r, CSCTRL_SPLIT_TEST, REPORT_HELD_MAX);
    if (code != CLI_OK)
        return code;
    csctrl_dataset_get_info(r->fit.data, &info);
    r->classes = info.classes;
    code = evaluate(r); /* first: it says what is wrong with the data */
    if (code == CLI_OK)
        code = set_fill(r, &r->held, "held-out images");
    if (code == CLI_OK)
        code = set_fill(r, &r->fit, "training images");
    if (code == CLI_OK)
        code = fit_subspaces(r);
    if (code == CLI_OK)
        choose_classes(r);
    return code;
}

static void set_close(report_set *set)
{
    csctrl_dataset_close(&set->data);
    free(set->index);
    free(set->labels);
    free(set->psnr);
    cli_tensor_free(&set->z);
    cli_tensor_free(&set->zhat);
}

void report_close(report *r)
{
    for (size_t i = 0; i < r->written_count; i++)
        free(r->written[i]);
    free(r->written);
    csctrl_subspaces_destroy(&r->subspaces);
    set_close(&r->held);
    set_close(&r->fit);
    csctrl_model_destroy(&r->model);
}

/* Position of image number `rank` of class k; -1 when it has fewer. */
static int64_t nth_of_class(const report_set *set, int k, int rank)
{
    for (int64_t i = 0; i < set->count; i++)
        if (set->labels[i] == k && rank-- == 0)
            return i;
    return -1;
}

int report_pick(const report *r, int count, int64_t *positions)
{
    int n = 0;
    bool found = true;

    for (int rank = 0; n < count && found; rank++) {
        found = false;
        for (int i = 0; i < r->shown_count && n < count; i++) {
            const int64_t at = nth_of_class(&r->held, r->shown[i], rank);
            if (at < 0)
                continue;
            found = true;
            positions[n++] = at;
        }
    }
    return n;
}

int report_images_alloc(const report *r, csctrl_tensor *x, int64_t count)
{
    return cli_tensor_alloc(x, 4,
                            (const int64_t[]){count, r->info.channels, r->info.size, r->info.size});
}

int report_read(const report *r, const report_set *set, const int64_t *positions, int count,
                csctrl_tensor *x)
{
    int code = report_images_alloc(r, x, count);

    for (int i = 0; i < count && code == CLI_OK; i++) {
        const csctrl_status status = read_row(set->data, set->index[positions[i]], x, i, NULL);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    return code;
}

int report_features(const report *r, const report_set *set, const int64_t *positions, int count,
                    csctrl_tensor *z)
{
    const size_t row = (size_t)r->info.features * sizeof(float);
    const int code = cli_tensor_alloc(z, 2, (const int64_t[]){count, r->info.features});

    for (int i = 0; i < count && code == CLI_OK; i++)
        memcpy((char *)z->data + (size_t)i * row,
               (const char *)set->z.data + (size_t)positions[i] * row, row);
    return code;
}

int report_decode(const report *r, const csctrl_tensor *z, csctrl_tensor *x)
{
    const int code = report_images_alloc(r, x, z->shape[0]);

    if (code != CLI_OK)
        return code;
    const csctrl_status status = csctrl_model_decode(r->model, z, x);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

const char *report_class(const report *r, int label)
{
    return csctrl_dataset_class_name(r->fit.data, label);
}

void report_class_label(const report *r, int label, size_t most, char out[REPORT_LABEL])
{
    const char *name = report_class(r, label);
    size_t n = strlen(name);

    if (n > most)
        for (n = most; n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80;) /* within a character */
            n--;
    snprintf(out, REPORT_LABEL, "%.*s", (int)n, name);
}
