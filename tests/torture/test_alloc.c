/* test_alloc.c - the n-th allocation of a public call fails, and all after it, for every n until
 * the call succeeds: it says so, gives back all it took, and leaves no result. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

enum { MOST = 20000 };

/* One attempt: 0 or more results in `user`; on failure it checks that they are empty. */
typedef csctrl_status attempt_fn(void *user);
typedef void release_fn(void *user);

static size_t held(void)
{
    csctrl_memory_stats stats;

    csctrl_memory_get_stats(&stats);
    return stats.bytes;
}

/* Returns the number of failures before the first success, which is released. */
static int torture(const char *label, attempt_fn *attempt, release_fn *release, void *user)
{
    for (int n = 1; n < MOST; n++) {
        const size_t before = held();
        ct_fail(CSCTRL_OK, "nothing");
        ct_mem_fail_from((uint64_t)n);
        const csctrl_status status = attempt(user);
        ct_mem_fail_from(0);
        if (status == CSCTRL_OK) {
            if (release != NULL)
                release(user);
            assert_int_equal(held(), before);
            print_message("%s: %d allocations\n", label, n - 1);
            return n - 1;
        }
        if (status != CSCTRL_E_NOMEM)
            fail_msg("%s, allocation %d: %s (%s)", label, n, csctrl_status_name(status),
                     csctrl_last_error());
        if (strstr(csctrl_last_error(), "out of memory") == NULL)
            fail_msg("%s, allocation %d: the message is '%s'", label, n, csctrl_last_error());
        if (held() != before)
            fail_msg("%s, allocation %d: %zu bytes leaked", label, n, held() - before);
    }
    fail_msg("%s: no success", label);
    return 0;
}

/* ---- config */

typedef struct config_case {
    csctrl_config *config;
    const char *path;
} config_case;

/* A config of its own each time, since success changes what it holds. */
static csctrl_status load_config(void *user)
{
    config_case *c = user;
    csctrl_config *config = NULL;
    csctrl_status status = csctrl_config_create(&config);

    if (status != CSCTRL_OK)
        return status;
    status = csctrl_config_load(config, c->path);
    assert_string_equal(csctrl_config_text(config, "train.batch"),
                        status == CSCTRL_OK ? "24" : "256");
    csctrl_config_destroy(&config);
    return status;
}

static csctrl_status new_config(void *user)
{
    config_case *c = user;
    csctrl_config *made = (csctrl_config *)c, *copied = (csctrl_config *)c;

    csctrl_status status = csctrl_config_create(&made);
    assert_true((status == CSCTRL_OK) == (made != NULL));
    if (status == CSCTRL_OK) {
        status = csctrl_config_copy(&copied, c->config);
        assert_true((status == CSCTRL_OK) == (copied != NULL));
        csctrl_config_destroy(&copied);
    }
    csctrl_config_destroy(&made);
    return status;
}

static csctrl_status set_text(void *user)
{
    config_case *c = user;
    const csctrl_status status = csctrl_config_set(c->config, "data.path", "/some/where/else");

    assert_string_equal(csctrl_config_text(c->config, "data.path"),
                        status == CSCTRL_OK ? "/some/where/else" : "");
    return status;
}

static void unset_text(void *user)
{
    config_case *c = user;

    expect_ok(csctrl_config_set(c->config, "data.path", ""));
}

static csctrl_status save_config(void *user)
{
    config_case *c = user;

    return csctrl_config_save(c->config, c->path);
}

static void test_config(void **state)
{
    static const char yaml[] = "seed: 7\ntrain:\n  batch: 24\nmodel:\n  lambda: [0.1, 0.2]\n";
    config_case c = {.config = tiny_config(NULL),
                     .path = temp_file(state, "c.yaml", yaml, sizeof yaml - 1)};

    assert_true(torture("config_create, copy", new_config, NULL, &c) > 0);
    assert_true(torture("config_set", set_text, unset_text, &c) > 0);
    assert_true(torture("config_load", load_config, NULL, &c) > 0);
    c.path = temp_path(state, "out.yaml");
    assert_true(torture("config_save", save_config, NULL, &c) > 0);
    csctrl_config_destroy(&c.config);
}

/* ---- model */

typedef struct model_case {
    csctrl_config *config;
    const char *path;
    csctrl_model *model;
} model_case;

static csctrl_status create_model(void *user)
{
    model_case *c = user;

    c->model = (csctrl_model *)c;
    const csctrl_status status = csctrl_model_create(&c->model, c->config, 4);
    assert_true((status == CSCTRL_OK) == (c->model != NULL));
    return status;
}

static csctrl_status load_model(void *user)
{
    model_case *c = user;
    static const char *const overrides[] = {"model.steps=3"};

    c->model = (csctrl_model *)c;
    const csctrl_status status = csctrl_model_load(&c->model, c->path, overrides, 1, 4);
    assert_true((status == CSCTRL_OK) == (c->model != NULL));
    return status;
}

static void drop_model(void *user)
{
    csctrl_model_destroy(&((model_case *)user)->model);
}

static void make_run(const csctrl_config *config, const char *run)
{
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, run));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
}

static void test_model(void **state)
{
    static const char *const settings[][4] = {
        {NULL},
        {"device=ref", "precision=f64", "model.tied=false", "model.steps=5"},
        {"model.arch=generic", "model.layers=6x4s2p1 3x3s1p1"},
    };
    char run[16];

    for (int i = 0; i < 3; i++) {
        csctrl_config *config = tiny_config(settings[i][0], settings[i][1], settings[i][2],
                                            settings[i][3], "optim.ema=0.9", NULL);
        model_case c = {.config = config};
        assert_true(torture("model_create", create_model, drop_model, &c) > 10);
        snprintf(run, sizeof run, "run%d", i);
        c.path = temp_path(state, run);
        make_run(config, c.path);
        assert_true(torture("model_load", load_model, drop_model, &c) > 20);
        csctrl_config_destroy(&config);
    }
}

/* ---- training */

typedef struct train_case {
    csctrl_config *config;
    void **state;
    char run[512];
    int number;
    csctrl_trainer *trainer;
} train_case;

/* Every attempt in a directory of its own. */
static csctrl_status create_step_save(void *user)
{
    train_case *c = user;
    char name[32];

    snprintf(name, sizeof name, "run%d", c->number++);
    snprintf(c->run, sizeof c->run, "%s", temp_path(c->state, name));
    c->trainer = (csctrl_trainer *)c;
    csctrl_status status = csctrl_trainer_create(&c->trainer, c->config, c->run);
    assert_true((status == CSCTRL_OK) == (c->trainer != NULL));
    if (status == CSCTRL_OK)
        status = csctrl_trainer_step(c->trainer, NULL);
    if (status == CSCTRL_OK)
        status = csctrl_trainer_save(c->trainer);
    if (status != CSCTRL_OK)
        csctrl_trainer_destroy(&c->trainer);
    ct_mem_fail_from(0);
    expect_ok(ct_fs_remove_tree(c->run));
    return status;
}

static void drop_trainer(void *user)
{
    csctrl_trainer_destroy(&((train_case *)user)->trainer);
}

static csctrl_status resume_run(void *user)
{
    train_case *c = user;

    c->trainer = (csctrl_trainer *)c;
    csctrl_status status = csctrl_trainer_resume(&c->trainer, c->run, NULL, 0);
    assert_true((status == CSCTRL_OK) == (c->trainer != NULL));
    return status;
}

static csctrl_status plan_run(void *user)
{
    train_case *c = user;
    csctrl_memory_plan plan;

    const csctrl_status status = csctrl_trainer_plan(c->config, &plan);
    assert_true(status != CSCTRL_OK || plan.resident > plan.total);
    return status;
}

static void test_trainer(void **state)
{
    train_case c = {.config = tiny_config("optim.ema=0.9", "data.loader_threads=2",
                                          "train.picture_every=2", NULL),
                    .state = state};

    assert_true(torture("trainer_create, step, save", create_step_save, drop_trainer, &c) > 60);
    snprintf(c.run, sizeof c.run, "%s", temp_path(state, "kept"));
    make_run(c.config, c.run);
    assert_true(torture("trainer_resume", resume_run, drop_trainer, &c) > 60);
    assert_true(torture("trainer_plan", plan_run, NULL, &c) > 60);
    csctrl_config_destroy(&c.config);
}

/* What a finished step writes: line, picture, checkpoint, rotation. A run that meets a lack of
 * memory there keeps its checkpoints, and goes on when there is memory again. */
static void test_run(void **state)
{
    csctrl_config *config =
        tiny_config("train.keep_last=1", "train.checkpoint_every=1", "train.eval_every=1",
                    "train.picture_every=1", "optim.ema=0.9", NULL);
    const char *const loadable[] = {strdup(temp_path(state, "run")),
                                    strdup(temp_path(state, "run/checkpoints/best"))};
    csctrl_status status = CSCTRL_E_NOMEM;
    csctrl_trainer *t = NULL;
    csctrl_model *m = NULL;
    int failures = -1;

    expect_ok(csctrl_trainer_create(&t, config, loadable[0]));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    for (int n = 1; n < MOST && status != CSCTRL_OK; n++, failures++) {
        const size_t before = held();
        t->steps = t->model->step + 1;
        ct_mem_fail_from((uint64_t)n);
        status = csctrl_trainer_run(t, NULL, NULL);
        ct_mem_fail_from(0);
        assert_int_equal(held(), before);
        if (status != CSCTRL_OK)
            expect_fail(status, CSCTRL_E_NOMEM, "out of memory");
        for (int i = 0; i < 2; i++) {
            expect_ok(csctrl_model_load(&m, loadable[i], NULL, 0, 4));
            csctrl_model_destroy(&m);
        }
        expect_ok(csctrl_trainer_save(t)); /* rotates what was left over */
    }
    print_message("trainer_run: %d allocations\n", failures);
    assert_true(failures > 60);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    for (int i = 0; i < 2; i++)
        free((void *)(uintptr_t)loadable[i]);
}

/* ---- data */

typedef struct data_case {
    csctrl_config *config;
    csctrl_dataset *dataset;
    csctrl_model *model;
    csctrl_dataset *test;
} data_case;

static csctrl_status open_data(void *user)
{
    data_case *c = user;

    c->dataset = (csctrl_dataset *)c;
    const csctrl_status status = csctrl_dataset_open(&c->dataset, c->config, CSCTRL_SPLIT_TRAIN);
    assert_true((status == CSCTRL_OK) == (c->dataset != NULL));
    return status;
}

static void close_data(void *user)
{
    csctrl_dataset_close(&((data_case *)user)->dataset);
}

static csctrl_status verify_data(void *user)
{
    data_case *c = user;
    int64_t good = 0, bad = 0;
    const csctrl_status status = csctrl_dataset_verify(c->config, NULL, NULL, &good, &bad);

    assert_true(status != CSCTRL_OK || (good > 0 && bad == 0));
    return status;
}

static csctrl_status read_data(void *user)
{
    data_case *c = user;
    csctrl_dataset_info info;
    float pixels[64];
    int64_t label = 0;

    csctrl_dataset_get_info(c->dataset, &info);
    ct_tensor image = CT_SHAPE(CSCTRL_F32, info.channels, info.size, info.size);
    image.data = pixels;
    return csctrl_dataset_read(c->dataset, 0, &image, &label);
}

static void check_data(const char *label, csctrl_config *config)
{
    data_case c = {.config = config};

    print_message("%s\n", label);
    assert_true(torture("dataset_open", open_data, close_data, &c) > 0);
    torture("dataset_verify", verify_data, NULL, &c);
    expect_ok(csctrl_dataset_open(&c.dataset, config, CSCTRL_SPLIT_TRAIN));
    torture("dataset_read", read_data, NULL, &c);
    csctrl_dataset_close(&c.dataset);
    csctrl_config_destroy(&config);
}

static void put_class_folders(void **state)
{
    char name[64];
    tar_file *tar = tar_begin(state, "set.tar");
    tar_file *zipped = tar_begin(state, "set.tar.gz");

    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "folder/%s/%d.png", i % 2 ? "b" : "a", i);
        put_png(state, name, 12, 10, 3);
        snprintf(name, sizeof name, "folder/%s/%d.jpg", i % 2 ? "b" : "a", i);
        put_jpeg(state, name, 17, 16);
        snprintf(name, sizeof name, "%s/%d.png", i % 2 ? "b" : "a", i);
        tar_add_png(tar, name, 9, 9, 1);
        tar_add_png(zipped, name, 9, 9, 1);
    }
    tar_end(tar);
    tar_end(zipped);
}

static void test_datasets(void **state)
{
    size_t size = 0;
    uint8_t *records = cifar_records(0, 20, false, &size);

    put_idx_part(state, "idx", "train", "", 20, 8, 3);
    put_idx_part(state, "idx", "t10k", "", 4, 8, 3);
    put_idx_part(state, "gz", "train", ".gz", 20, 8, 3);
    put_idx_part(state, "gz", "t10k", ".gz", 4, 8, 3);
    put_file(state, "cifar/data_batch_1.bin", records, size);
    put_file(state, "cifar/test_batch.bin", records, size);
    free(records);
    put_class_folders(state);
    check_data("synthetic", tiny_config(NULL));
    check_data("idx", config_at(state, "idx", "data.kind=idx", "data.size=8", NULL));
    check_data("idx.gz", config_at(state, "gz", "data.size=8", NULL));
    check_data("cifar", config_at(state, "cifar", "data.kind=cifar10", "data.size=4", NULL));
    check_data("folder", config_at(state, "folder", "data.kind=folder", "data.size=8", NULL));
    check_data("tar", config_at(state, "set.tar", "data.size=8", NULL));
    check_data("tar.gz", config_at(state, "set.tar.gz", "data.size=8", NULL));
}

/* ---- evaluation */

static csctrl_status evaluate(void *user)
{
    data_case *c = user;
    csctrl_figures figures;

    return csctrl_evaluate(c->model, c->dataset, c->test, &figures);
}

static csctrl_status encode_dataset(void *user)
{
    data_case *c = user;
    csctrl_tensor z = {.data = c};
    int64_t *labels = (int64_t *)(void *)c;

    const csctrl_status status = csctrl_model_encode_dataset(c->model, c->dataset, 20, &z, &labels);
    assert_true((status == CSCTRL_OK) == (z.data != NULL));
    assert_true((status == CSCTRL_OK) == (labels != NULL));
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    return status;
}

static void test_evaluation(void **state)
{
    data_case c = {.config = tiny_config(NULL)};

    (void)state;
    expect_ok(csctrl_model_create(&c.model, c.config, 8));
    expect_ok(csctrl_dataset_open(&c.dataset, c.config, CSCTRL_SPLIT_TRAIN));
    expect_ok(csctrl_dataset_open(&c.test, c.config, CSCTRL_SPLIT_TEST));
    assert_true(torture("evaluate", evaluate, NULL, &c) > 10);
    assert_true(torture("encode_dataset", encode_dataset, NULL, &c) > 1);
    csctrl_dataset_close(&c.test);
    csctrl_dataset_close(&c.dataset);
    csctrl_model_destroy(&c.model);
    csctrl_config_destroy(&c.config);
}

static csctrl_status fit_and_use(void *user)
{
    csctrl_subspaces *s = user;
    csctrl_tensor z = tiny_features(12, 4);
    int64_t labels[12];

    for (int i = 0; i < 12; i++) {
        labels[i] = i % 2;
        ((float *)z.data)[4 * i + i % 4] = i % 3 ? 1.0f : -1.0f;
    }
    csctrl_status status = csctrl_subspaces_fit(&s, &z, labels, 2, 2);
    assert_true((status == CSCTRL_OK) == (s != NULL));
    if (status == CSCTRL_OK)
        status = csctrl_subspaces_classify(s, &z, labels);
    if (status == CSCTRL_OK)
        status = csctrl_subspaces_sample(s, -1, 1, &z);
    csctrl_subspaces_destroy(&s);
    tiny_free(&z);
    return status;
}

static void test_subspaces(void **state)
{
    int anything = 0;

    (void)state;
    assert_true(torture("subspaces", fit_and_use, NULL, &anything) > 1);
}

/* ---- files of one tensor or image */

typedef struct file_case {
    const char *path;
    csctrl_tensor tensor;
} file_case;

static csctrl_status read_npy(void *user)
{
    file_case *c = user;

    c->tensor.data = c;
    const csctrl_status status = csctrl_npy_read(c->path, &c->tensor);
    assert_true((status == CSCTRL_OK) == (c->tensor.data != NULL));
    return status;
}

static void free_npy(void *user)
{
    csctrl_npy_free(&((file_case *)user)->tensor);
}

static csctrl_status write_npy(void *user)
{
    const file_case *c = user;

    return csctrl_npy_write(c->path, &c->tensor);
}

static csctrl_status read_image(void *user)
{
    file_case *c = user;

    return csctrl_image_read(c->path, &c->tensor);
}

static csctrl_status write_image(void *user)
{
    const file_case *c = user;

    return csctrl_image_write(c->path, &c->tensor);
}

static csctrl_status write_grid(void *user)
{
    const file_case *c = user;

    return csctrl_image_write_grid(c->path, &c->tensor, 2, 2);
}

static csctrl_status measure_ssim(void *user)
{
    const file_case *c = user;
    double ssim[4];

    return csctrl_ssim(&c->tensor, &c->tensor, ssim);
}

static void test_files(void **state)
{
    csctrl_tensor images = tiny_images(4, 3, 1);
    const int64_t shape[] = {3, TINY_SIZE, TINY_SIZE};
    csctrl_tensor one = csctrl_tensor_view(CSCTRL_F32, 3, shape, images.data);
    file_case c = {.path = temp_path(state, "t.npy"), .tensor = images};

    assert_true(torture("npy_write", write_npy, NULL, &c) > 0);
    assert_true(torture("npy_read", read_npy, free_npy, &c) > 0);
    put_png(state, "a.png", 30, 20, 3);
    put_jpeg(state, "a.jpg", 30, 20);
    c = (file_case){.path = temp_path(state, "a.png"), .tensor = one};
    assert_true(torture("image_read png", read_image, NULL, &c) > 0);
    c.path = temp_path(state, "a.jpg");
    assert_true(torture("image_read jpeg", read_image, NULL, &c) > 0);
    c.path = temp_path(state, "out.png");
    assert_true(torture("image_write", write_image, NULL, &c) > 0);
    c.tensor = images;
    assert_true(torture("image_write_grid", write_grid, NULL, &c) > 0);
    const int64_t large[] = {1, 1, 12, 12};
    c.tensor = csctrl_tensor_view(CSCTRL_F32, 4, large, images.data);
    assert_true(torture("ssim", measure_ssim, NULL, &c) > 0);
    tiny_free(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_config, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_model, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_trainer, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_run, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_datasets, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_evaluation, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_subspaces),
        cmocka_unit_test_setup_teardown(test_files, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
