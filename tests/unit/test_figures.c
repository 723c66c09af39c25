/* test_figures.c - a whole data set through a model: features, figures, broken images, limits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csctrl/csctrl.h"
#include "eval/measures.h"
#include "model/model.h"
#include "support/dataset_files.h"
#include "support/encode.h"
#include "support/expect.h"
#include "support/temp.h"

enum { SIZE = 16, PIXELS = SIZE * SIZE, FEATURES = 12, CLASSES = 3, COMPONENTS = 3, LAYERS = 3 };

static const double eps2 = 0.25;

typedef struct setting {
    csctrl_config *config;
    csctrl_model *model;
    csctrl_dataset *train, *test;
} setting;

static void set(csctrl_config *config, const char *assignment)
{
    expect_ok(csctrl_config_assign(config, assignment));
}

static void open_sets(setting *s)
{
    csctrl_dataset_close(&s->train);
    csctrl_dataset_close(&s->test);
    expect_ok(csctrl_dataset_open(&s->train, s->config, CSCTRL_SPLIT_TRAIN));
    expect_ok(csctrl_dataset_open(&s->test, s->config, CSCTRL_SPLIT_TEST));
}

/* A fresh model and the synthetic set; `more` are further settings. */
static setting open_setting(const char *const *more)
{
    static const char *const usual[] = {"device=ref",
                                        "threads=1",
                                        "data.kind=synthetic",
                                        "data.size=16",
                                        "data.channels=1",
                                        "data.synthetic_count=90",
                                        "data.synthetic_classes=3",
                                        "model.layers=6x4s2p1 8x4s2p1 12x4s1p0",
                                        "objective.eps2=0.25",
                                        "eval.components=3",
                                        "eval.batch=7",
                                        "model.lambda=0.001"};
    setting s = {0};

    expect_ok(csctrl_config_create(&s.config));
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        set(s.config, usual[i]);
    for (; more != NULL && *more != NULL; more++)
        set(s.config, *more);
    expect_ok(csctrl_model_create(&s.model, s.config, 5));
    open_sets(&s);
    return s;
}

static void close_setting(setting *s)
{
    csctrl_dataset_close(&s->train);
    csctrl_dataset_close(&s->test);
    csctrl_model_destroy(&s->model);
    csctrl_config_destroy(&s->config);
}

static int64_t count_of(const csctrl_dataset *dataset)
{
    csctrl_dataset_info info;

    csctrl_dataset_get_info(dataset, &info);
    return info.count;
}

/* Everything about the held-out images, computed at once and not in batches. */
typedef struct whole {
    int64_t n, *labels;
    float *x, *xhat, *z, *zhat;
    csctrl_tensor tx, txhat, tz, tzhat;
} whole;

static whole read_whole(setting *s, csctrl_dataset *dataset)
{
    whole w = {.n = count_of(dataset)};
    const int64_t images[] = {w.n, 1, SIZE, SIZE}, rows[] = {w.n, FEATURES};

    w.labels = calloc((size_t)w.n, sizeof *w.labels);
    w.x = calloc((size_t)w.n, PIXELS * sizeof(float));
    w.xhat = calloc((size_t)w.n, PIXELS * sizeof(float));
    w.z = calloc((size_t)w.n, FEATURES * sizeof(float));
    w.zhat = calloc((size_t)w.n, FEATURES * sizeof(float));
    w.tx = csctrl_tensor_view(CSCTRL_F32, 4, images, w.x);
    w.txhat = csctrl_tensor_view(CSCTRL_F32, 4, images, w.xhat);
    w.tz = csctrl_tensor_view(CSCTRL_F32, 2, rows, w.z);
    w.tzhat = csctrl_tensor_view(CSCTRL_F32, 2, rows, w.zhat);
    for (int64_t i = 0; i < w.n; i++) {
        csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, images + 1, w.x + i * PIXELS);
        expect_ok(csctrl_dataset_read(dataset, i, &image, &w.labels[i]));
    }
    expect_ok(csctrl_model_encode(s->model, &w.tx, &w.tz));
    expect_ok(csctrl_model_decode(s->model, &w.tz, &w.txhat));
    expect_ok(csctrl_model_encode(s->model, &w.txhat, &w.tzhat));
    return w;
}

static void free_whole(whole *w)
{
    free(w->labels);
    free(w->x);
    free(w->xhat);
    free(w->z);
    free(w->zhat);
}

static void test_a_data_set_is_encoded_in_order(void **state)
{
    setting s = open_setting(NULL);
    whole w = read_whole(&s, s.train);
    csctrl_tensor z;
    int64_t *labels = NULL;

    (void)state;
    expect_ok(csctrl_model_encode_dataset(s.model, s.train, 0, &z, &labels));
    assert_int_equal(z.ndim, 2);
    assert_int_equal(z.shape[0], 90);
    assert_int_equal(z.shape[1], FEATURES);
    assert_memory_equal(labels, w.labels, 90 * sizeof *labels);
    for (int i = 0; i < 90 * FEATURES; i++)
        assert_true(fabs((double)((float *)z.data)[i] - (double)w.z[i]) < 1e-6);
    for (int i = 0; i < 90; i++) {
        double norm = 0;
        for (int j = 0; j < FEATURES; j++)
            norm += pow((double)((float *)z.data)[i * FEATURES + j], 2);
        assert_true(fabs(norm - 1) < 1e-5);
    }
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    assert_null(z.data);
    assert_null(labels);
    csctrl_labels_free(&labels);
    csctrl_labels_free(NULL);
    free_whole(&w);
    close_setting(&s);
}

/* Row of w that equals row i of z, at `from` or later; -1 when there is none. */
static int64_t find_row(const whole *w, const csctrl_tensor *z, int64_t i, int64_t from)
{
    const float *row = (const float *)z->data + i * FEATURES;

    for (; from < w->n; from++) {
        double worst = 0;
        for (int j = 0; j < FEATURES; j++)
            worst = fmax(worst, fabs((double)row[j] - (double)w->z[from * FEATURES + j]));
        if (worst < 1e-6)
            return from;
    }
    return -1;
}

/* A limit draws one image from every stretch: in order, none twice, the same every time. */
static void test_a_limit_draws_from_all_over(void **state)
{
    enum { LIMIT = 20 };
    setting s = open_setting(NULL);
    whole w = read_whole(&s, s.train);
    csctrl_tensor z, again;
    int64_t *labels = NULL, *labels_again = NULL;

    (void)state;
    expect_ok(csctrl_model_encode_dataset(s.model, s.train, LIMIT, &z, &labels));
    assert_int_equal(z.shape[0], LIMIT);
    for (int64_t i = 0, at = -1; i < LIMIT; i++) {
        at = find_row(&w, &z, i, at + 1);
        assert_in_range(at, i * w.n / LIMIT, (i + 1) * w.n / LIMIT - 1);
        assert_int_equal(labels[i], w.labels[at]);
    }
    expect_ok(csctrl_model_encode_dataset(s.model, s.train, LIMIT, &again, &labels_again));
    assert_memory_equal(z.data, again.data, LIMIT * FEATURES * sizeof(float));
    csctrl_npy_free(&z);
    csctrl_npy_free(&again);
    csctrl_labels_free(&labels);
    csctrl_labels_free(&labels_again);
    /* More than there are is all. */
    expect_ok(csctrl_model_encode_dataset(s.model, s.train, 1000, &z, &labels));
    assert_int_equal(z.shape[0], 90);
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    free_whole(&w);
    close_setting(&s);
}

static double mean_of(const double *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static void close_to(double a, double b)
{
    assert_true(fabs(a - b) < 1e-5 * fmax(1.0, fabs(b)));
}

static void check_images(setting *s, whole *w, const csctrl_figures *figures)
{
    double *quality = calloc((size_t)w->n, sizeof(double)), zeros[CSCTRL_MAX_LAYERS], cosine = 0;

    expect_ok(csctrl_psnr(&w->tx, &w->txhat, quality));
    close_to(figures->psnr, mean_of(quality, w->n));
    expect_ok(csctrl_ssim(&w->tx, &w->txhat, quality));
    close_to(figures->ssim, mean_of(quality, w->n));
    for (int64_t i = 0; i < w->n * FEATURES; i++)
        cosine += (double)w->z[i] * (double)w->zhat[i] / (double)w->n;
    close_to(figures->cosine, cosine);
    expect_ok(csctrl_model_encode(s->model, &w->tx, &w->tz));
    expect_ok(csctrl_model_sparsity(s->model, zeros));
    for (int l = 0; l < LAYERS; l++) {
        close_to(figures->sparsity[l], zeros[l]);
        assert_true(figures->sparsity[l] > 0 && figures->sparsity[l] < 1);
    }
    free(quality);
}

static void check_rates(const setting *s, const whole *w, const csctrl_figures *figures)
{
    csctrl_figures want;

    expect_ok(ct_eval_rates(s->model->ex, &w->tz, &w->tzhat, w->labels, CLASSES, eps2, &want));
    close_to(figures->rate_z, want.rate_z);
    close_to(figures->rate_zhat, want.rate_zhat);
    close_to(figures->reduction_z, want.reduction_z);
    close_to(figures->reduction_zhat, want.reduction_zhat);
    close_to(figures->distance, want.distance);
    assert_true(figures->distance > 0);
}

static double share_right(const whole *test, const int64_t *predicted)
{
    int64_t right = 0;

    for (int64_t i = 0; i < test->n; i++)
        right += predicted[i] == test->labels[i];
    return (double)right / (double)test->n;
}

static void check_accuracy(const whole *train, const whole *test, const csctrl_figures *figures)
{
    csctrl_subspaces *subspaces = NULL;
    int64_t *nearest = calloc((size_t)test->n, sizeof *nearest);

    assert_int_equal(
        csctrl_subspaces_fit(&subspaces, &train->tz, train->labels, CLASSES, COMPONENTS),
        CSCTRL_OK);
    expect_ok(csctrl_subspaces_classify(subspaces, &test->tz, nearest));
    close_to(figures->accuracy, share_right(test, nearest));
    expect_ok(csctrl_knn_classify(&train->tz, train->labels, CLASSES, 7, &test->tz, nearest));
    close_to(figures->knn, share_right(test, nearest));
    expect_ok(csctrl_linear_probe_classify(&train->tz, train->labels, CLASSES, 0.001, &test->tz,
                                           nearest));
    close_to(figures->probe, share_right(test, nearest));
    assert_true(figures->knn > 0.4 && figures->probe > 0.4); /* three classes: better than chance */
    csctrl_subspaces_destroy(&subspaces);
    free(nearest);
}

/* Batches of 7 through a model planned for 5 give what one batch of all gives. */
static void test_figures_are_those_of_the_whole_set(void **state)
{
    const char *const more[] = {"eval.neighbours=7", "eval.probe_l2=0.001", NULL};
    setting s = open_setting(more);
    csctrl_figures figures;
    whole train = read_whole(&s, s.train), test = read_whole(&s, s.test);

    (void)state;
    expect_ok(csctrl_evaluate(s.model, s.train, s.test, &figures));
    assert_int_equal(figures.images, test.n);
    assert_true(test.n % 7 != 0);
    assert_int_equal(figures.layers, LAYERS);
    check_images(&s, &test, &figures);
    check_rates(&s, &test, &figures);
    check_accuracy(&train, &test, &figures);
    free_whole(&train);
    free_whole(&test);
    close_setting(&s);
}

static void test_counts_are_limits(void **state)
{
    const char *const few[] = {"eval.count=9", "eval.fit_count=12", "eval.components=11", NULL};
    setting s = open_setting(few);
    csctrl_figures figures;

    (void)state;
    expect_ok(csctrl_evaluate(s.model, s.train, s.test, &figures));
    assert_int_equal(figures.images, 9);
    assert_true(figures.accuracy >= 0 && figures.accuracy <= 1);
    close_setting(&s);
}

static void refuses_to_evaluate(const char *assignment, const char *message)
{
    const char *const more[] = {assignment, NULL};
    setting s = open_setting(more);
    csctrl_figures figures;

    expect_fail(csctrl_evaluate(s.model, s.train, s.test, &figures), CSCTRL_E_CONFIG, message);
    close_setting(&s);
}

static void test_meaningless_accuracy_is_refused(void **state)
{
    (void)state;
    refuses_to_evaluate("eval.components=12",
                        "eval.components: expected fewer than the model's 12 features, found 12");
    refuses_to_evaluate("eval.components=4096", "found 4096");
    refuses_to_evaluate("eval.fit_count=2",
                        "eval.fit_count: expected at least one image for each of 3 classes, found "
                        "2");
}

static void test_small_images_have_no_ssim(void **state)
{
    const char *const small[] = {"data.size=8", "model.layers=6x4s2p1 12x4s1p0", NULL};
    setting s = open_setting(small);
    csctrl_figures figures;

    (void)state;
    expect_ok(csctrl_evaluate(s.model, s.train, s.test, &figures));
    assert_true(isnan(figures.ssim) && isnan(figures.ms_ssim));
    assert_true(figures.psnr > 0 && isfinite(figures.cosine));
    close_setting(&s);
}

static void test_sets_that_do_not_fit_are_refused(void **state)
{
    setting s = open_setting(NULL);
    csctrl_dataset *train = s.train;
    csctrl_figures figures;
    csctrl_tensor z;
    int64_t *labels = NULL;

    (void)state;
    s.train = NULL;
    set(s.config, "data.synthetic_classes=4");
    open_sets(&s);
    assert_int_equal(csctrl_evaluate(s.model, train, s.test, &figures), CSCTRL_E_MISMATCH);
    assert_string_equal(csctrl_last_error(), "evaluation: the training data have 3 classes, the "
                                             "held-out data 4; use two splits of one data set");
    set(s.config, "data.size=20");
    open_sets(&s);
    assert_int_equal(csctrl_evaluate(s.model, s.train, s.test, &figures), CSCTRL_E_SHAPE);
    assert_non_null(
        strstr(csctrl_last_error(), "expects images of 1 x 16 x 16, found 1 x 20 x 20"));
    z.data = &z;
    assert_int_equal(csctrl_model_encode_dataset(s.model, s.test, 0, &z, &labels), CSCTRL_E_SHAPE);
    assert_null(z.data);
    assert_null(labels);
    csctrl_dataset_close(&train);
    close_setting(&s);
}

/* ---- broken images: folders of PNG files, some overwritten in the middle */

static void overwrite(const char *path)
{
    FILE *file = fopen(path, "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, 60, SEEK_SET), 0);
    for (int i = 0; i < 30; i++)
        fputc(0x55, file);
    assert_int_equal(fclose(file), 0);
}

/* Two classes of six images; the first `broken` of each are spoilt. */
static void write_folder(void **state, int broken)
{
    float pixels[PIXELS];
    char name[32];
    const csctrl_tensor image =
        csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, SIZE, SIZE}, pixels);

    for (int i = 0; i < 12; i++) {
        const int k = i / 6;
        for (int p = 0; p < PIXELS; p++)
            pixels[p] = (float)((p * (3 + 2 * k) + p / SIZE * (5 + i)) % 17) / 8.0f - 1.0f;
        snprintf(name, sizeof name, "c%d", k);
        expect_ok(ct_fs_mkdirs(temp_path(state, name)));
        snprintf(name, sizeof name, "c%d/%02d.png", k, i);
        const char *path = temp_path(state, name);
        expect_ok(csctrl_image_write(path, &image));
        if (i % 6 < broken)
            overwrite(path);
    }
}

/* The model of the usual setting with the folder as training data. */
static setting open_folder(void **state, int broken)
{
    setting s = open_setting(NULL);
    char assignment[512];

    write_folder(state, broken);
    snprintf(assignment, sizeof assignment, "data.path=%s", temp_path(state, ""));
    set(s.config, assignment);
    set(s.config, "data.kind=folder");
    set(s.config, "data.holdout=0");
    csctrl_dataset_close(&s.train);
    expect_ok(csctrl_dataset_open(&s.train, s.config, CSCTRL_SPLIT_TRAIN));
    assert_int_equal(count_of(s.train), 12);
    return s;
}

static void test_broken_images_are_left_out(void **state)
{
    setting s = open_folder(state, 2);
    csctrl_figures figures;
    csctrl_tensor z;
    int64_t *labels = NULL, of_class[2] = {0};

    static log_list log;
    csctrl_log_set(log_collect, &log);
    expect_ok(csctrl_model_encode_dataset(s.model, s.train, 0, &z, &labels));
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log.count, 4);
    assert_int_equal(log_count(&log, "left out: "), 4);
    assert_int_equal(log_count(&log, "c0/01.png: "), 1);
    assert_int_equal(log_count(&log, "c1/07.png: "), 1);
    assert_int_equal(z.shape[0], 8);
    for (int i = 0; i < 8; i++) {
        assert_in_range(labels[i], 0, 1);
        of_class[labels[i]]++;
    }
    assert_true(of_class[0] == 4 && of_class[1] == 4);
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    expect_ok(csctrl_evaluate(s.model, s.train, s.train, &figures));
    assert_int_equal(figures.images, 8);
    assert_true(isfinite(figures.psnr) && isfinite(figures.distance));
    close_setting(&s);
}

/* One file is gone since the open, one is of a kind that is not read. */
static void test_unreadable_images_are_left_out(void **state)
{
    setting s = open_folder(state, 0);
    static log_list log;
    csctrl_tensor z;
    int64_t *labels = NULL;
    size_t size;
    uint8_t *cmyk = encode_jpeg(SIZE, SIZE, 4, 0, &size);

    assert_int_equal(remove(temp_path(state, "c0/00.png")), 0);
    put_file(state, "c1/06.png", cmyk, size);
    csctrl_log_set(log_collect, &log);
    expect_ok(csctrl_model_encode_dataset(s.model, s.train, 0, &z, &labels));
    csctrl_log_set(NULL, NULL);
    assert_int_equal(z.shape[0], 10);
    assert_int_equal(log.count, 2);
    assert_int_equal(log_count(&log, "c0/00.png: No such file"), 1);
    assert_int_equal(log_count(&log, "c1/06.png: expected a grey or RGB JPEG, found CMYK"), 1);
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    close_setting(&s);
    free(cmyk);
}

static void test_a_set_of_broken_images_is_an_error(void **state)
{
    setting s = open_folder(state, 6);
    csctrl_figures figures;
    csctrl_tensor z;
    int64_t *labels = NULL;

    expect_fail(csctrl_model_encode_dataset(s.model, s.train, 0, &z, &labels), CSCTRL_E_FORMAT,
                "none of its 12 images could be read");
    assert_null(z.data);
    assert_null(labels);
    expect_fail(csctrl_evaluate(s.model, s.train, s.train, &figures), CSCTRL_E_FORMAT,
                "none of its 12 images could be read");
    expect_fail(csctrl_evaluate(s.model, s.test, s.train, &figures), CSCTRL_E_MISMATCH,
                "the training data have 3 classes, the held-out data 2");
    close_setting(&s);
}

static void test_every_failing_allocation_is_reported(void **state)
{
    const char *const few[] = {"eval.count=9", "eval.fit_count=12", NULL};
    setting s = open_setting(few);
    csctrl_memory_stats before, after;
    csctrl_figures figures;
    csctrl_status st = CSCTRL_E_NOMEM;
    uint64_t tries = 0;

    (void)state;
    csctrl_memory_get_stats(&before);
    while (st != CSCTRL_OK && tries < 2000) {
        ct_mem_fail_from(++tries);
        st = csctrl_evaluate(s.model, s.train, s.test, &figures);
        ct_mem_fail_from(0);
        assert_true(st == CSCTRL_OK || st == CSCTRL_E_NOMEM);
        csctrl_memory_get_stats(&after);
        assert_int_equal(after.bytes, before.bytes);
        assert_int_equal(after.allocations - after.frees, before.allocations - before.frees);
    }
    assert_int_equal(st, CSCTRL_OK);
    assert_true(tries > 10);
    close_setting(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_data_set_is_encoded_in_order),
        cmocka_unit_test(test_a_limit_draws_from_all_over),
        cmocka_unit_test(test_figures_are_those_of_the_whole_set),
        cmocka_unit_test(test_counts_are_limits),
        cmocka_unit_test(test_meaningless_accuracy_is_refused),
        cmocka_unit_test(test_small_images_have_no_ssim),
        cmocka_unit_test(test_sets_that_do_not_fit_are_refused),
        cmocka_unit_test_setup_teardown(test_broken_images_are_left_out, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_unreadable_images_are_left_out, temp_make,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_a_set_of_broken_images_is_an_error, temp_make,
                                        temp_remove),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
