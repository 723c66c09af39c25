/* test_cifar.c - CIFAR-10 and CIFAR-100 binary files in folders and archives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "data/cifar.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"

static void put_records(void **state, const char *name, int first, int count, bool fine)
{
    size_t size;
    uint8_t *data = cifar_records(first, count, fine, &size);

    put_file(state, name, data, size);
    free(data);
}

static void add_records(tar_file *tar, const char *name, int first, int count, bool fine)
{
    size_t size;
    uint8_t *data = cifar_records(first, count, fine, &size);

    tar_add(tar, name, data, size);
    free(data);
}

static void expect_open_fail(csctrl_config *config, csctrl_status status, const char *part)
{
    csctrl_dataset *set = (csctrl_dataset *)1;

    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN), status, part);
    assert_null(set);
    csctrl_config_destroy(&config);
}

static void expect_records(csctrl_dataset *set, int first, int count, int classes)
{
    static float pixels[3072];
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, 32, 32}, pixels);
    csctrl_dataset_info info;
    int64_t label;

    csctrl_dataset_get_info(set, &info);
    assert_int_equal(info.count, count);
    assert_int_equal(info.classes, classes);
    for (int r = 0; r < count; r++) {
        expect_ok(csctrl_dataset_read(set, r, &view, &label));
        assert_int_equal(label, (first + r) % classes);
        for (int i = 0; i < 3072; i++)
            assert_true(pixels[i] ==
                        (float)cifar_pixel(first + r, i / 1024, i % 1024) / 127.5f - 1.0f);
    }
}

/* Opens both splits; the training records are 0.., the test records 100... */
static void check_splits(csctrl_config *config, const char *kind, int train, int test, int classes,
                         uint64_t *fingerprint)
{
    csctrl_dataset *set;
    csctrl_dataset_info info;

    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    csctrl_dataset_get_info(set, &info);
    assert_string_equal(info.kind, kind);
    *fingerprint = info.fingerprint;
    expect_records(set, 0, train, classes);
    csctrl_dataset_close(&set);
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST));
    expect_records(set, 100, test, classes);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

static void test_folder(void **state)
{
    uint64_t direct, outside;

    put_records(state, "set/cifar-10-batches-bin/data_batch_1.bin", 0, 4, false);
    put_records(state, "set/cifar-10-batches-bin/data_batch_2.bin", 4, 3, false);
    put_records(state, "set/cifar-10-batches-bin/test_batch.bin", 100, 5, false);
    put_file(state, "set/cifar-10-batches-bin/batches.meta.txt", "airplane\n", 9);
    check_splits(config_at(state, "set", "data.channels=3", NULL), "cifar10", 7, 5, 10, &outside);
    check_splits(
        config_at(state, "set/cifar-10-batches-bin", "data.channels=3", "data.kind=cifar10", NULL),
        "cifar10", 7, 5, 10, &direct);
    assert_true(direct == outside);
}

/* The order of the members does not matter, and packing does not change the data. */
static void test_archives(void **state)
{
    static const char *const names[] = {"set.tar", "set.tar.gz"};
    uint64_t packed, folder;

    put_records(state, "set/data_batch_1.bin", 0, 4, false);
    put_records(state, "set/data_batch_2.bin", 4, 3, false);
    put_records(state, "set/test_batch.bin", 100, 5, false);
    check_splits(config_at(state, "set", "data.channels=3", NULL), "cifar10", 7, 5, 10, &folder);
    for (int i = 0; i < 2; i++) {
        tar_file *tar = tar_begin(state, names[i]);
        tar_add_folder(tar, "cifar-10-batches-bin/");
        tar_add(tar, "cifar-10-batches-bin/readme.html", "hello", 5);
        add_records(tar, "cifar-10-batches-bin/data_batch_2.bin", 4, 3, false);
        add_records(tar, "cifar-10-batches-bin/test_batch.bin", 100, 5, false);
        add_records(tar, "cifar-10-batches-bin/data_batch_1.bin", 0, 4, false);
        tar_end(tar);
        check_splits(config_at(state, names[i], "data.channels=3", NULL), "cifar10", 7, 5, 10,
                     &packed);
        assert_true(packed == folder);
    }
}

static void test_cifar100(void **state)
{
    uint64_t fingerprint;
    tar_file *tar = tar_begin(state, "c100.tar.gz");

    add_records(tar, "cifar-100-binary/train.bin", 0, 105, true);
    add_records(tar, "cifar-100-binary/test.bin", 100, 3, true);
    tar_end(tar);
    check_splits(config_at(state, "c100.tar.gz", "data.channels=3", NULL), "cifar100", 105, 3, 100,
                 &fingerprint);
    put_records(state, "set/cifar-100-binary/train.bin", 0, 105, true);
    put_records(state, "set/cifar-100-binary/test.bin", 100, 3, true);
    check_splits(config_at(state, "set", "data.channels=3", NULL), "cifar100", 105, 3, 100,
                 &fingerprint);
}

static void test_grey(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.channels=1", NULL);
    static float pixels[1024];
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 32, 32}, pixels);
    csctrl_dataset *set;

    put_records(state, "set/data_batch_1.bin", 0, 20, false);
    expect_ok(csctrl_config_assign(config, "data.holdout=0"));
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    expect_ok(csctrl_dataset_read(set, 7, &view, NULL));
    for (int p = 0; p < 1024; p++) {
        const double luma = 0.299 * cifar_pixel(7, 0, p) + 0.587 * cifar_pixel(7, 1, p) +
                            0.114 * cifar_pixel(7, 2, p);
        assert_true(pixels[p] >= (float)((luma - 0.51) / 127.5 - 1.0));
        assert_true(pixels[p] <= (float)((luma + 0.51) / 127.5 - 1.0));
    }
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

static void test_parse_errors(void **state)
{
    ct_raw raw = {0};
    size_t size;
    uint8_t *data = cifar_records(0, 3, false, &size);

    (void)state;
    expect_fail(ct_cifar_parse(data, size - 1, "f", false, &raw), CSCTRL_E_FORMAT,
                "f: expected a multiple of 3073 bytes (CIFAR-10 records), found 9218 bytes: the "
                "record at offset 6146 is incomplete");
    expect_fail(ct_cifar_parse(data, 0, "f", true, &raw), CSCTRL_E_FORMAT,
                "a multiple of 3074 bytes (CIFAR-100 records), found 0 bytes");
    data[3073] = 10;
    expect_fail(ct_cifar_parse(data, size, "f", false, &raw), CSCTRL_E_FORMAT,
                "f: expected a label of 0..9 at offset 3073, found 10");
    assert_int_equal(raw.count, 0);
    free(data);
    data = cifar_records(0, 3, true, &size);
    data[3074] = 20;
    expect_fail(ct_cifar_parse(data, size, "f", true, &raw), CSCTRL_E_FORMAT,
                "expected a label of 0..19 at offset 3074, found 20");
    data[3074] = 19;
    data[3075] = 100;
    expect_fail(ct_cifar_parse(data, size, "f", true, &raw), CSCTRL_E_FORMAT,
                "expected a label of 0..99 at offset 3075, found 100");
    data[3075] = 99;
    expect_ok(ct_cifar_parse(data, size, "f", true, &raw));
    assert_int_equal(raw.count, 3);
    assert_int_equal(raw.labels[1], 99);
    ct_raw_free(&raw);
    free(data);
}

static void test_file_errors(void **state)
{
    size_t size;
    uint8_t *data = cifar_records(0, 3, false, &size);
    tar_file *tar;

    put_folder(state, "empty");
    expect_open_fail(config_at(state, "empty", "data.kind=cifar10", NULL), CSCTRL_E_FORMAT,
                     "expected data_batch_1.bin to data_batch_5.bin and test_batch.bin, found no "
                     "such file");
    expect_open_fail(config_at(state, "empty", "data.kind=cifar100", NULL), CSCTRL_E_FORMAT,
                     "expected train.bin and test.bin");
    expect_open_fail(config_at(state, "missing", "data.kind=cifar10", NULL), CSCTRL_E_NOT_FOUND,
                     "missing does not exist; data.path says where");
    put_file(state, "set/data_batch_1.bin", data, size + 0);
    put_file(state, "set/data_batch_2.bin", data, size - 3000);
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_E_FORMAT,
                     "set/data_batch_2.bin: expected a multiple of 3073 bytes");
    tar = tar_begin(state, "set.tar");
    data[0] = 200;
    tar_add(tar, "x/data_batch_1.bin", data, size);
    tar_end(tar);
    expect_open_fail(config_at(state, "set.tar", NULL), CSCTRL_E_FORMAT,
                     "set.tar:x/data_batch_1.bin: expected a label of 0..9 at offset 0, found 200");
    free(data);
}

/* Log of opening both splits. */
static void open_both(csctrl_config *config, log_list *log)
{
    csctrl_dataset *train = NULL, *test = NULL;

    log->count = 0;
    csctrl_log_set(log_collect, log);
    expect_ok(csctrl_dataset_open(&train, config, CSCTRL_SPLIT_TRAIN));
    expect_ok(csctrl_dataset_open(&test, config, CSCTRL_SPLIT_TEST));
    csctrl_log_set(NULL, NULL);
    csctrl_dataset_close(&train);
    csctrl_dataset_close(&test);
}

/* A part of the set is trained on, but not in silence; each file is named once. */
static void test_missing_files(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.holdout=0.5", NULL);
    static log_list log;
    char name[64];

    for (int i = 1; i <= 5; i++) {
        snprintf(name, sizeof name, "set/data_batch_%d.bin", i);
        if (i != 2 && i != 4)
            put_records(state, name, 10 * i, 10, false);
    }
    open_both(config, &log);
    assert_int_equal(log_count(&log, "set: data_batch_2.bin is missing"), 1);
    assert_int_equal(log_count(&log, "set: data_batch_4.bin is missing"), 1);
    assert_int_equal(log_count(&log, "set: test_batch.bin is missing"), 1);
    assert_int_equal(log.count, 3);
    put_records(state, "set/data_batch_2.bin", 20, 10, false);
    put_records(state, "set/data_batch_4.bin", 40, 10, false);
    put_records(state, "set/test_batch.bin", 60, 10, false);
    open_both(config, &log);
    assert_int_equal(log.count, 0);
    csctrl_config_destroy(&config);
    config = config_at(state, "set100", "data.holdout=0.5", NULL);
    put_records(state, "set100/train.bin", 0, 20, true);
    open_both(config, &log);
    assert_int_equal(log_count(&log, "set100: test.bin is missing"), 1);
    assert_int_equal(log.count, 1);
    csctrl_config_destroy(&config);
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        int fine, part; /* part -1: another file */
    } cases[] = {{"data_batch_1.bin", 0, 0}, {"a/b/data_batch_12.bin", 0, 0},
                 {"test_batch.bin", 0, 1},   {"train.bin", 1, 0},
                 {"x/test.bin", 1, 1},       {"data_batch_.bin", 0, -1},
                 {"data_batch_1", 0, -1},    {"data_batch_1.bin/x", 0, -1},
                 {"mytrain.bin", 0, -1},     {"", 0, -1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ct_cifar_role role;
        const bool found = ct_cifar_name(cases[i].name, &role);
        assert_int_equal(found, cases[i].part >= 0);
        if (found) {
            assert_int_equal(role.fine, cases[i].fine);
            assert_int_equal(role.part, cases[i].part);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_archives, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_cifar100, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_grey, temp_make, temp_remove),
        cmocka_unit_test(test_parse_errors),
        cmocka_unit_test_setup_teardown(test_file_errors, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_missing_files, temp_make, temp_remove),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
