/* test_dataset.c - splits, hold-out, limits, detection, verify and failing memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"

enum { MANY = 200, CLASSES = 5 };

static csctrl_dataset *open_set(const csctrl_config *config, csctrl_split split,
                                csctrl_dataset_info *info)
{
    csctrl_dataset *set;

    expect_ok(csctrl_dataset_open(&set, config, split));
    csctrl_dataset_get_info(set, info);
    return set;
}

/* IDX images whose first pixel is their number. */
static void put_numbered(void **state, const char *folder, const char *part, int count)
{
    uint8_t values[256 * 16];
    char name[128];

    for (int i = 0; i < count * 16; i++)
        values[i] = (uint8_t)(i / 16);
    put_idx_part(state, folder, part, "", count, 4, CLASSES);
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", folder, part);
    put_idx(state, name, 3, (const uint32_t[]){(uint32_t)count, 4, 4}, values, (size_t)count * 16,
            0);
}

static int number_of(csctrl_dataset *set, int64_t index, int64_t *label)
{
    float pixels[16];
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 4, 4}, pixels);

    expect_ok(csctrl_dataset_read(set, index, &view, label));
    return (int)((double)(pixels[0] + 1.0f) * 127.5 + 0.5);
}

/* Which of the numbered images are in a split. */
static int64_t mark(const csctrl_config *config, csctrl_split split, bool in[MANY])
{
    csctrl_dataset_info info;
    csctrl_dataset *set = open_set(config, split, &info);

    memset(in, 0, MANY * sizeof *in);
    for (int64_t i = 0; i < info.count; i++) {
        int64_t label;
        const int number = number_of(set, i, &label);
        assert_in_range(number, 0, MANY - 1);
        assert_false(in[number]);
        in[number] = true;
        assert_int_equal(label, number % CLASSES);
    }
    csctrl_dataset_close(&set);
    return info.count;
}

static void expect_divided(const csctrl_config *config, int divided)
{
    for (int split = 0; split < 2; split++) {
        csctrl_dataset_info info;
        csctrl_dataset *set = open_set(config, (csctrl_split)split, &info);
        assert_int_equal(info.divided, divided);
        csctrl_dataset_close(&set);
    }
}

static void test_holdout(void **state)
{
    csctrl_config *config =
        config_at(state, "set", "data.size=4", "data.holdout=0.25", "seed=3", NULL);
    bool train[MANY], test[MANY], again[MANY];

    put_numbered(state, "set", "train", MANY);
    const int64_t kept = mark(config, CSCTRL_SPLIT_TRAIN, train);
    const int64_t held = mark(config, CSCTRL_SPLIT_TEST, test);
    assert_int_equal(kept + held, MANY);
    assert_in_range(held, MANY / 8, MANY * 3 / 8);
    for (int i = 0; i < MANY; i++)
        assert_true(train[i] != test[i]);
    expect_divided(config, 1);
    mark(config, CSCTRL_SPLIT_TEST, again);
    assert_memory_equal(test, again, sizeof test);
    expect_ok(csctrl_config_set(config, "seed", "4"));
    mark(config, CSCTRL_SPLIT_TEST, again);
    assert_memory_not_equal(test, again, sizeof test);
    csctrl_config_destroy(&config);
}

static void test_no_holdout(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=4", "data.holdout=0", NULL);
    csctrl_dataset *set = (csctrl_dataset *)1;
    bool train[MANY];

    put_numbered(state, "set", "train", MANY);
    assert_int_equal(mark(config, CSCTRL_SPLIT_TRAIN, train), MANY);
    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST), CSCTRL_E_CONFIG,
                "no test images: the set has no test split of its own and data.holdout holds out "
                "none of 200; set data.test_path or a larger data.holdout");
    assert_null(set);
    csctrl_config_destroy(&config);
}

static void test_test_path(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=4", NULL);
    bool in[MANY];

    put_numbered(state, "set", "train", 40);
    put_numbered(state, "other", "train", 30);
    put_numbered(state, "both", "train", 20);
    put_numbered(state, "both", "t10k", 10);
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "other")));
    assert_int_equal(mark(config, CSCTRL_SPLIT_TRAIN, in), 40); /* nothing is held out */
    assert_int_equal(mark(config, CSCTRL_SPLIT_TEST, in), 30);
    expect_divided(config, 0);
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "both")));
    assert_int_equal(mark(config, CSCTRL_SPLIT_TEST, in), 10);
    expect_divided(config, 0);
    expect_ok(csctrl_config_set(config, "data.path", temp_path(state, "both")));
    expect_ok(csctrl_config_set(config, "data.test_path", ""));
    expect_divided(config, 0);
    expect_ok(csctrl_config_set(config, "data.path", temp_path(state, "set")));
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "none")));
    csctrl_dataset *set;
    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST), CSCTRL_E_NOT_FOUND, "none");
    csctrl_config_destroy(&config);
}

/* Labels of data.test_path are those of the training classes of the same names. */
static void test_test_path_classes(void **state)
{
    csctrl_config *config = config_at(state, "train_set", "data.size=4", NULL);
    csctrl_dataset_info info;
    int64_t label;

    put_png(state, "train_set/ant/1.png", 4, 4, 1);
    put_png(state, "train_set/bee/1.png", 4, 4, 1);
    put_png(state, "train_set/cat/1.png", 4, 4, 1);
    put_png(state, "tests/bee/1.png", 4, 4, 1);
    put_png(state, "tests/cat/1.png", 4, 4, 1);
    put_png(state, "more/bee/1.png", 4, 4, 1);
    put_png(state, "more/dog/1.png", 4, 4, 1);
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "tests")));
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TEST, &info);
    assert_int_equal(info.count, 2);
    assert_int_equal(info.classes, 3);
    assert_string_equal(csctrl_dataset_class_name(set, 0), "ant");
    number_of(set, 0, &label);
    assert_int_equal(label, 1);
    number_of(set, 1, &label);
    assert_int_equal(label, 2);
    csctrl_dataset_close(&set);
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "more")));
    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST), CSCTRL_E_MISMATCH,
                "more: class dog is not one of the 3 classes of");
    csctrl_config_destroy(&config);
}

static void test_limit_is_balanced(void **state)
{
    csctrl_config *config =
        config_at(state, "set", "data.size=4", "data.holdout=0", "data.limit=20", NULL);
    bool in[MANY];
    int held[CLASSES] = {0};

    put_numbered(state, "set", "train", MANY);
    assert_int_equal(mark(config, CSCTRL_SPLIT_TRAIN, in), 20);
    for (int i = 0; i < MANY; i++)
        held[i % CLASSES] += in[i];
    for (int k = 0; k < CLASSES; k++)
        assert_int_equal(held[k], 20 / CLASSES);
    expect_ok(csctrl_config_set(config, "data.limit", "100000"));
    assert_int_equal(mark(config, CSCTRL_SPLIT_TRAIN, in), MANY);
    csctrl_config_destroy(&config);
}

/* Folders come class by class; any beginning of the set is balanced nevertheless. */
static void test_folder_order_is_mixed(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=4", "data.holdout=0", NULL);
    csctrl_dataset_info info;
    char name[64];
    int64_t label, held[2] = {0};

    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "set/%s/%d.png", i < 8 ? "a" : "b", i);
        put_png(state, name, 4, 4, 1);
    }
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, &info);
    assert_int_equal(info.count, 12);
    for (int64_t i = 0; i < 12; i++) {
        number_of(set, i, &label);
        held[label]++;
        assert_true(llabs(held[0] - 2 * held[1]) <= 2);
    }
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

static void test_bad_arguments(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=4", NULL);
    csctrl_dataset_info info;
    float pixels[64];
    int64_t label = -7;
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 4, 4}, pixels);
    csctrl_tensor wrong = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, 4, 4}, pixels);
    csctrl_dataset *set = (csctrl_dataset *)1, *none = NULL;

    put_numbered(state, "set", "train", 40);
    expect_fail(csctrl_dataset_open(&set, config, (csctrl_split)2), CSCTRL_E_INVALID,
                "expected split 0 or 1, found 2");
    assert_null(set);
    set = open_set(config, CSCTRL_SPLIT_TRAIN, &info);
    expect_fail(csctrl_dataset_read(set, info.count, &view, &label), CSCTRL_E_INVALID,
                "expected an image index of 0..");
    expect_fail(csctrl_dataset_read(set, -1, &view, &label), CSCTRL_E_INVALID, "found -1");
    expect_fail(csctrl_dataset_read(set, 0, &wrong, &label), CSCTRL_E_SHAPE, "image");
    view.dtype = CSCTRL_F64;
    expect_fail(csctrl_dataset_read(set, 0, &view, &label), CSCTRL_E_DTYPE, "image");
    assert_int_equal(label, -7);
    csctrl_dataset_close(&set);
    csctrl_dataset_close(&none);
    csctrl_dataset_close(NULL);
    csctrl_config_destroy(&config);
}

static void test_empty_path(void **state)
{
    static const char *const kinds[] = {"auto", "idx", "cifar10", "cifar100", "folder"};
    csctrl_config *config = config_make(NULL);
    csctrl_dataset *set;
    int64_t good, bad;

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        expect_ok(csctrl_config_set(config, "data.kind", kinds[i]));
        expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN), CSCTRL_E_CONFIG,
                    "data.path is empty");
        expect_fail(csctrl_dataset_verify(config, NULL, NULL, &good, &bad), CSCTRL_E_CONFIG,
                    "data.path is empty");
    }
    csctrl_config_destroy(&config);
}

static void test_verify(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=4", "data.limit=3", NULL);
    int64_t good, bad;
    char part[512];

    put_numbered(state, "set", "train", 40);
    put_numbered(state, "set", "t10k", 9);
    put_numbered(state, "other", "train", 5);
    expect_ok(csctrl_dataset_verify(config, NULL, NULL, &good, &bad));
    assert_int_equal(good, 49);
    assert_int_equal(bad, 0);
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "other")));
    expect_ok(csctrl_dataset_verify(config, NULL, NULL, &good, &bad));
    assert_int_equal(good, 54);
    put_file(state, "other/train-images-idx3-ubyte", "xx", 2);
    snprintf(part, sizeof part, "%s: ", temp_path(state, "other/train-images-idx3-ubyte"));
    expect_fail(csctrl_dataset_verify(config, NULL, NULL, &good, &bad), CSCTRL_E_FORMAT, part);
    csctrl_config_destroy(&config);
}

/* Every allocation of open, read and close fails once; nothing leaks and nothing breaks. */
static void torture(const csctrl_config *config, csctrl_split split)
{
    csctrl_memory_stats before, after;
    csctrl_status status = CSCTRL_E_NOMEM;
    uint64_t n;

    csctrl_memory_get_stats(&before);
    for (n = 1; status == CSCTRL_E_NOMEM && n < 5000; n++) {
        csctrl_dataset *set;
        float pixels[16];
        csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 4, 4}, pixels);
        ct_mem_fail_from(n);
        status = csctrl_dataset_open(&set, config, split);
        if (status == CSCTRL_OK)
            status = csctrl_dataset_read(set, 0, &view, NULL);
        csctrl_dataset_close(&set);
        ct_mem_fail_from(0);
        csctrl_memory_get_stats(&after);
        assert_int_equal(after.bytes, before.bytes);
    }
    expect_ok(status);
    assert_true(n > 5);
}

static void test_failing_memory(void **state)
{
    size_t size;
    uint8_t *records = cifar_records(0, 2, false, &size);
    tar_file *tar = tar_begin(state, "set.tar.gz");

    tar_add_png(tar, "a/1.png", 8, 8, 1);
    tar_add_png(tar, "b/1.png", 8, 8, 3);
    tar_add_png(tar, "b/2.png", 8, 8, 3);
    tar_end(tar);
    put_numbered(state, "idx", "train", 40);
    put_numbered(state, "idx", "t10k", 40);
    put_png(state, "folder/train/a/1.png", 8, 8, 1);
    put_png(state, "folder/test/a/1.png", 8, 8, 1);
    put_file(state, "cifar/data_batch_1.bin", records, size);
    put_file(state, "cifar/test_batch.bin", records, size);
    free(records);
    static const char *const names[] = {"set.tar.gz", "idx", "folder", "cifar", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        csctrl_config *config = config_at(state, names[i], "data.size=4", "data.holdout=0.5", NULL);
        if (names[i][0] == '\0')
            expect_ok(csctrl_config_set(config, "data.kind", "synthetic"));
        torture(config, CSCTRL_SPLIT_TRAIN);
        if (i != 0)
            torture(config, CSCTRL_SPLIT_TEST);
        csctrl_config_destroy(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_holdout, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_no_holdout, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_test_path, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_test_path_classes, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_limit_is_balanced, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_folder_order_is_mixed, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_bad_arguments, temp_make, temp_remove),
        cmocka_unit_test(test_empty_path),
        cmocka_unit_test_setup_teardown(test_verify, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_failing_memory, temp_make, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
