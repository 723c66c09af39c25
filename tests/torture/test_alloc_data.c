/* test_alloc_data.c - as test_alloc.c, for data sets, figures and single files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"
#include "torture/torture.h"

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
        cmocka_unit_test_setup_teardown(test_datasets, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_evaluation, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_subspaces),
        cmocka_unit_test_setup_teardown(test_files, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
