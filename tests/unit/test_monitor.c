/* test_monitor.c - the fixed held-out images: which, how they are measured, how they are drawn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"
#include "train/monitor.h"

typedef struct bench {
    csctrl_config *config;
    csctrl_model *model;
    csctrl_dataset *test;
    ct_monitor monitor;
} bench;

static void open_bench(bench *b, csctrl_config *config)
{
    *b = (bench){.config = config};
    expect_ok(csctrl_model_create(&b->model, config, 4));
    expect_ok(csctrl_dataset_open(&b->test, config, CSCTRL_SPLIT_TEST));
    expect_ok(ct_monitor_create(&b->monitor, b->model, b->test));
}

static void close_bench(bench *b)
{
    ct_monitor_destroy(&b->monitor);
    csctrl_dataset_close(&b->test);
    csctrl_model_destroy(&b->model);
    csctrl_config_destroy(&b->config);
}

/* 8 of 16: every second one. */
static void test_which_images(void **state)
{
    bench b;
    float pixels[64];
    ct_tensor image = CT_SHAPE(CSCTRL_F32, 1, 8, 8);

    (void)state;
    image.data = pixels;
    open_bench(&b, tiny_config(NULL));
    assert_int_equal(b.monitor.count, 8);
    assert_int_equal(b.monitor.pictures, 4);
    for (int64_t i = 0; i < 8; i++) {
        expect_ok(csctrl_dataset_read(b.test, 2 * i, &image, NULL));
        assert_memory_equal((float *)b.monitor.x.data + 64 * i, pixels, sizeof pixels);
    }
    close_bench(&b);
    open_bench(&b, tiny_config("train.eval_images=500", "train.pictures=200", NULL));
    assert_int_equal(b.monitor.count, 16); /* all there are */
    assert_int_equal(b.monitor.pictures, 16);
    close_bench(&b);
}

/* Against encode, decode and the definition of PSNR, written out. */
static void test_figures(void **state)
{
    bench b;
    double psnr = NAN, cosine = NAN, want_psnr = 0.0, want_cosine = 0.0;
    csctrl_tensor z = tiny_features(8, 8), zhat = tiny_features(8, 8), xhat = tiny_images(8, 1, 1);

    (void)state;
    open_bench(&b, tiny_config(NULL));
    expect_ok(ct_monitor_evaluate(&b.monitor, b.model, &psnr, &cosine));
    expect_ok(csctrl_model_encode(b.model, &b.monitor.x, &z));
    expect_ok(csctrl_model_decode(b.model, &z, &xhat));
    expect_ok(csctrl_model_encode(b.model, &xhat, &zhat));
    for (int i = 0; i < 8; i++) {
        double squares = 0.0;
        for (int j = 0; j < 64; j++)
            squares += pow(tiny_get(&xhat, 64 * i + j) - tiny_get(&b.monitor.x, 64 * i + j), 2.0);
        want_psnr += 10.0 * log10(4.0 / (squares / 64.0)) / 8.0;
        for (int j = 0; j < 8; j++)
            want_cosine += tiny_get(&z, 8 * i + j) * tiny_get(&zhat, 8 * i + j) / 8.0;
    }
    assert_true(fabs(psnr - want_psnr) < 1e-6 && fabs(cosine - want_cosine) < 1e-6);
    close_bench(&b);
    tiny_free(&z);
    tiny_free(&zhat);
    tiny_free(&xhat);
}

/* Rows of the features at will: what counts is whether they differ from one another. */
static void test_collapsed(void **state)
{
    bench b;

    (void)state;
    open_bench(&b, tiny_config(NULL));
    for (int64_t i = 0; i < 8; i++)
        for (int64_t j = 0; j < 8; j++)
            tiny_set(&b.monitor.z, 8 * i + j, j == 2 ? -1.0 : 0.0);
    assert_true(ct_monitor_collapsed(&b.monitor));
    tiny_set(&b.monitor.z, 2, -0.6); /* one of eight turned away: (42 + 14 * 0.6) / 56 */
    tiny_set(&b.monitor.z, 3, 0.8);
    assert_false(ct_monitor_collapsed(&b.monitor));
    for (int64_t i = 0; i < 8; i++)
        for (int64_t j = 0; j < 8; j++)
            tiny_set(&b.monitor.z, 8 * i + j, i == j ? 1.0 : 0.0);
    assert_false(ct_monitor_collapsed(&b.monitor));
    b.monitor.count = 1; /* one image cannot differ from itself */
    assert_false(ct_monitor_collapsed(&b.monitor));
    b.monitor.count = 8;
    close_bench(&b);
}

/* Broken files among the held-out images are passed over. */
static void test_broken_images(void **state)
{
    char name[64];
    bench b;

    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "set/%s/%s/%02d.png", i % 2 ? "train" : "test",
                 i % 4 < 2 ? "a" : "b", i);
        put_png(state, name, 8, 8, 1);
    }
    csctrl_config *config = config_at(state, "set", "data.kind=folder", "data.size=8",
                                      "model.layers=6x4s2p1 8x4s1p0", "threads=1", NULL);
    open_bench(&b, config);
    assert_int_equal(b.monitor.count, 6);
    ct_monitor_destroy(&b.monitor);
    put_file(state, "set/test/a/00.png", "not a picture", 13); /* after the open has seen it */
    static log_list log;
    csctrl_log_set(log_collect, &log);
    expect_ok(ct_monitor_create(&b.monitor, b.model, b.test));
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log_count(&log, "left out: "), 1);
    assert_int_equal(log_count(&log, "set/test/a/00.png: "), 1);
    assert_int_equal(b.monitor.count, 5);
    assert_int_equal(b.monitor.x.shape[0], 5);
    double psnr = NAN, cosine = NAN;
    expect_ok(ct_monitor_evaluate(&b.monitor, b.model, &psnr, &cosine));
    assert_true(isfinite(psnr) && isfinite(cosine));
    close_bench(&b);
}

/* Rows of ten images, each above its regenerations; enlarged to about 64 pixels a side; black where
 * a row is not full. */
static void test_picture(void **state)
{
    enum { SCALE = 8, SIDE = TINY_SIZE * SCALE, GAP = 2, COLUMNS = 10 };
    enum { WIDE = COLUMNS * SIDE + (COLUMNS - 1) * GAP };
    bench b;
    const char *path = temp_path(state, "p.png");

    open_bench(&b, tiny_config("train.pictures=12", "train.eval_images=12", NULL));
    expect_ok(ct_monitor_picture(&b.monitor, b.model, path));
    char *png = tiny_text(path);
    free(png);
    unsigned char header[24];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(header, 1, sizeof header, file), sizeof header);
    fclose(file);
    const int width = header[16] << 24 | header[17] << 16 | header[18] << 8 | header[19];
    const int height = header[20] << 24 | header[21] << 16 | header[22] << 8 | header[23];
    assert_in_range(width, WIDE, WIDE + 2 * GAP);
    assert_in_range(height, 4 * SIDE + 3 * GAP, 4 * SIDE + 5 * GAP);
    /* the tensor behind it: image 11 is the second of the third row, below it its regeneration */
    const float *pairs = b.monitor.pairs.data, *x = b.monitor.x.data, *xhat = b.monitor.xhat.data;
    assert_int_equal(b.monitor.pairs.shape[0], 40);
    assert_memory_equal(pairs + 21 * 64, x + 11 * 64, 64 * sizeof(float));
    assert_memory_equal(pairs + 31 * 64, xhat + 11 * 64, 64 * sizeof(float));
    for (int i = 0; i < 64; i++)
        assert_true(pairs[22 * 64 + i] == -1.0f && pairs[39 * 64 + i] == -1.0f);
    expect_fail(ct_monitor_picture(&b.monitor, b.model, temp_path(state, "none/p.png")),
                CSCTRL_E_NOT_FOUND, "none/p.png");
    close_bench(&b);
}

/* Evaluation uses the averages and puts the weights back, also when it fails. */
static void test_averages(void **state)
{
    csctrl_config *config = tiny_config("optim.ema=0.5", NULL);
    csctrl_trainer *t = NULL;
    double psnr[3], cosine;
    tiny_snapshot s;

    (void)state;
    expect_ok(csctrl_trainer_create(&t, config, NULL));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    tiny_take(&s, t->model);
    expect_ok(ct_monitor_evaluate(&t->monitor, t->model, &psnr[0], &cosine));
    expect_ok(ct_model_swap_averages(t->model));
    t->model->averaged = false;
    expect_ok(ct_monitor_evaluate(&t->monitor, t->model, &psnr[1], &cosine));
    t->model->averaged = true;
    expect_ok(ct_model_swap_averages(t->model));
    t->model->averaged = false;
    expect_ok(ct_monitor_evaluate(&t->monitor, t->model, &psnr[2], &cosine));
    t->model->averaged = true;
    assert_true(psnr[0] == psnr[1] && psnr[0] != psnr[2]);
    tiny_set(&tiny_param(t->model, "encoder.1.norm.scale")->average, 0, NAN);
    expect_fail(ct_monitor_evaluate(&t->monitor, t->model, &psnr[0], &cosine), CSCTRL_E_NUMERIC,
                "encode: a value of image 0 is not finite");
    for (size_t i = 0; i < t->model->param_count; i++)
        assert_false(tiny_changed(&s, i));
    tiny_forget(&s);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

static void test_memory(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    csctrl_memory_stats before, after;
    csctrl_dataset *test = NULL;
    csctrl_model *m = NULL;
    ct_monitor monitor;

    (void)state;
    expect_ok(csctrl_model_create(&m, config, 4));
    expect_ok(csctrl_dataset_open(&test, config, CSCTRL_SPLIT_TEST));
    csctrl_memory_get_stats(&before);
    expect_ok(ct_monitor_create(&monitor, m, test));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes - before.bytes, ct_monitor_memory(config, &m->arch, 16));
    ct_monitor_destroy(&monitor);
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes, before.bytes);
    csctrl_dataset_close(&test);
    csctrl_model_destroy(&m);
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_images),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_collapsed),
        cmocka_unit_test_setup_teardown(test_broken_images, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_picture, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_averages),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
