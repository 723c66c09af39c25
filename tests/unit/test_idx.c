/* test_idx.c - IDX files: what is read, and every way in which they can be wrong. */
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
#include "data/idx.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"

static void expect_open_fail(csctrl_config *config, csctrl_split split, csctrl_status status,
                             const char *part)
{
    csctrl_dataset *set = (csctrl_dataset *)1;

    expect_fail(csctrl_dataset_open(&set, config, split), status, part);
    assert_null(set);
    csctrl_config_destroy(&config);
}

static void expect_pixels(csctrl_dataset *set, int64_t index, int64_t image, int classes)
{
    float pixels[64];
    int64_t label = -1;
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 8, 8}, pixels);

    expect_ok(csctrl_dataset_read(set, index, &view, &label));
    assert_int_equal(label, image % classes);
    for (int p = 0; p < 64; p++)
        assert_true(pixels[p] == (float)idx_pixel(image, p) / 127.5f - 1.0f);
}

static void check_set(void **state, const char *suffix)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", NULL);
    csctrl_dataset *set;
    csctrl_dataset_info info;

    put_idx_part(state, "set", "train", suffix, 12, 8, 3);
    put_idx_part(state, "set", "t10k", suffix, 5, 8, 3);
    for (int split = 0; split < 2; split++) {
        expect_ok(csctrl_dataset_open(&set, config, (csctrl_split)split));
        csctrl_dataset_get_info(set, &info);
        assert_string_equal(info.kind, "idx");
        assert_string_equal(info.path, temp_path(state, "set"));
        assert_int_equal(info.count, split == 0 ? 12 : 5);
        assert_int_equal(info.classes, 3);
        assert_int_equal(info.channels, 1);
        assert_int_equal(info.size, 8);
        assert_int_equal(info.skipped, 0);
        assert_true(info.memory >= (size_t)info.count * 65 && info.memory < 4096);
        assert_string_equal(csctrl_dataset_class_name(set, 2), "2");
        assert_string_equal(csctrl_dataset_class_name(set, 3), "");
        for (int64_t i = 0; i < info.count; i++)
            expect_pixels(set, i, i, 3);
        csctrl_dataset_close(&set);
        assert_null(set);
    }
    csctrl_config_destroy(&config);
}

static void test_plain(void **state)
{
    check_set(state, "");
}

static void test_gzip(void **state)
{
    check_set(state, ".gz");
}

static void test_resize_and_colour(void **state)
{
    csctrl_config *config =
        config_at(state, "set", "data.size=12", "data.channels=3", "data.kind=idx", NULL);
    float pixels[3 * 144];
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, 12, 12}, pixels);
    csctrl_dataset *set;

    put_idx_part(state, "set", "train", "", 12, 8, 3);
    put_idx_part(state, "set", "t10k", "", 5, 8, 3);
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    expect_ok(csctrl_dataset_read(set, 11, &view, NULL));
    for (int p = 0; p < 144; p++) {
        assert_true(pixels[p] >= -1.0f && pixels[p] <= 1.0f);
        assert_true(pixels[p] == pixels[144 + p] && pixels[p] == pixels[288 + p]);
    }
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

/* The whole file in memory, changed at one place, does not pass. */
static void test_parse(void **state)
{
    uint8_t data[16 + 2 * 6] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3};
    ct_idx idx;

    (void)state;
    expect_ok(ct_idx_parse(data, sizeof data, "f", 3, &idx));
    assert_int_equal(idx.shape[0], 2);
    assert_int_equal(idx.shape[1], 2);
    assert_int_equal(idx.shape[2], 3);
    assert_int_equal(idx.header, 16);
    assert_int_equal(idx.bytes, sizeof data);
    expect_fail(ct_idx_parse(data, sizeof data - 1, "f", 3, &idx), CSCTRL_E_FORMAT,
                "f: expected 28 bytes by its header, found 27; the file is truncated");
    expect_fail(ct_idx_parse(data, 15, "f", 3, &idx), CSCTRL_E_FORMAT,
                "f: expected an IDX header of 16 bytes, found 15");
    expect_fail(ct_idx_parse(data, 0, "f", 1, &idx), CSCTRL_E_FORMAT, "of 8 bytes, found 0");
    data[15] = 2;
    expect_fail(ct_idx_parse(data, sizeof data, "f", 3, &idx), CSCTRL_E_FORMAT,
                "expected 24 bytes by its header, found at least 28; the file is too long");
    data[11] = 0;
    expect_fail(ct_idx_parse(data, sizeof data, "f", 3, &idx), CSCTRL_E_FORMAT,
                "dimension 1 of the IDX header is 0");
    data[3] = 1;
    expect_fail(ct_idx_parse(data, sizeof data, "f", 3, &idx), CSCTRL_E_FORMAT,
                "expected the IDX magic 0x00000803 (unsigned bytes, 3 dimensions), found "
                "0x00000801");
    data[2] = 0x0d;
    expect_fail(ct_idx_parse(data, sizeof data, "f", 1, &idx), CSCTRL_E_FORMAT,
                "0x00000801 (unsigned bytes, 1 dimension), found 0x00000d01");
    memset(data + 2, 0xff, sizeof data - 2);
    data[2] = 8;
    data[3] = 3;
    expect_fail(ct_idx_parse(data, sizeof data, "f", 3, &idx), CSCTRL_E_FORMAT,
                "images of 4294967295 x 4294967295 pixels");
}

static void test_wrong_lengths(void **state)
{
    static const struct {
        int cut;
        const char *part;
    } cases[] = {{1, "found 1039; the file is truncated"},
                 {-1, "found at least 1041; the file is too long"},
                 {-5000, "found at least 1041; the file is too long"},
                 {1030, "expected an IDX header of 16 bytes, found 10 bytes"},
                 {1040, "expected an IDX header of 16 bytes, found 0 bytes"}};
    static const uint8_t values[1024];
    char part[512];

    put_idx_part(state, "set", "train", "", 16, 8, 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_idx(state, "set/train-images-idx3-ubyte", 3, (const uint32_t[]){16, 8, 8}, values,
                sizeof values, cases[i].cut);
        snprintf(part, sizeof part, "%s: ", temp_path(state, "set/train-images-idx3-ubyte"));
        expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT, part);
        expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                         cases[i].part);
    }
}

/* A header that claims far more than there is costs no more memory than the file holds. */
static void test_lying_header(void **state)
{
    static const uint8_t values[1024];
    csctrl_memory_stats before, after;

    put_idx_part(state, "set", "train", "", 16, 8, 3);
    for (int gz = 0; gz < 2; gz++) {
        ct_fs_remove_tree(temp_path(state, "set/train-images-idx3-ubyte"));
        put_idx(state, gz ? "set/train-images-idx3-ubyte.gz" : "set/train-images-idx3-ubyte", 3,
                (const uint32_t[]){4000000000u, 8000, 8000}, values, sizeof values, 0);
        csctrl_memory_get_stats(&before);
        expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                         "expected 256000000000000016 bytes by its header, found 1040");
        csctrl_memory_get_stats(&after);
        assert_int_equal(after.bytes, before.bytes);
        assert_true(after.peak_bytes < before.peak_bytes + (4 << 20));
    }
}

static void test_damaged_gzip(void **state)
{
    const char *name = "set/train-images-idx3-ubyte.gz";
    unsigned char *data;
    size_t size;

    put_idx_part(state, "set", "train", ".gz", 400, 8, 3);
    expect_ok(ct_fs_read(temp_path(state, name), 1 << 20, &data, &size));
    put_file(state, name, data, size - 9);
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                     "unexpected end of file");
    data[size / 2] ^= 0x55;
    put_file(state, name, data, size);
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                     "train-images-idx3-ubyte.gz: ");
    ct_free(data);
}

static void test_companions(void **state)
{
    static const uint8_t labels[11];

    put_folder(state, "set");
    expect_open_fail(config_at(state, "set", "data.kind=idx", NULL), CSCTRL_SPLIT_TRAIN,
                     CSCTRL_E_FORMAT,
                     "expected train-images-idx3-ubyte (or .gz), found no such file");
    put_idx_part(state, "set", "train", "", 12, 8, 3);
    put_idx(state, "set/train-labels-idx1-ubyte", 1, (const uint32_t[]){11}, labels, 11, 0);
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                     "holds 12 images but");
    expect_ok(ct_fs_remove_tree(temp_path(state, "set/train-labels-idx1-ubyte")));
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_NOT_FOUND,
                     "expected train-labels-idx1-ubyte (or .gz) beside train-images-idx3-ubyte");
    put_idx_part(state, "set", "emnist-digits-train", "", 12, 8, 3);
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                     "found emnist-digits-train-images-idx3-ubyte and train-images-idx3-ubyte");
    expect_open_fail(config_at(state, "set/train-images-idx3-ubyte", "data.kind=idx", NULL),
                     CSCTRL_SPLIT_TRAIN, CSCTRL_E_FORMAT,
                     "data.kind idx expects a folder, found a file");
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        int part; /* -1: not an IDX image file */
    } cases[] = {{"train-images-idx3-ubyte", 0},
                 {"train-images-idx3-ubyte.gz", 0},
                 {"train-images.idx3-ubyte", 0},
                 {"t10k-images.idx3-ubyte.gz", 1},
                 {"emnist-letters-test-images-idx3-ubyte.gz", 1},
                 {"train-labels-idx1-ubyte", -1},
                 {"-images-idx3-ubyte", -1},
                 {"other-images-idx3-ubyte", -1},
                 {"train-images-idx3-ubyte.zip", -1},
                 {"", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        csctrl_split part;
        const bool found = ct_idx_images_name(cases[i].name, &part);
        assert_int_equal(found, cases[i].part >= 0);
        if (found)
            assert_int_equal(part, cases[i].part);
    }
}

static void test_fingerprint(void **state)
{
    csctrl_config *config = config_at(state, "set", NULL);
    uint64_t seen[3];
    csctrl_dataset *set;
    csctrl_dataset_info info;

    for (int i = 0; i < 3; i++) { /* twice the same, also gzipped, then other labels */
        expect_ok(ct_fs_remove_tree(temp_path(state, "set")));
        put_idx_part(state, "set", "train", i == 1 ? ".gz" : "", 12, 8, i < 2 ? 3 : 4);
        expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
        csctrl_dataset_get_info(set, &info);
        seen[i] = info.fingerprint;
        csctrl_dataset_close(&set);
    }
    assert_true(seen[0] == seen[1]);
    assert_true(seen[0] != seen[2]);
    csctrl_config_destroy(&config);
}

static void test_fashion_mnist(void **state)
{
    const char *path = "/usr/share/datasets/fashion-mnist";
    csctrl_config *config = config_make("data.size=28", NULL);
    float pixels[784];
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 28, 28}, pixels);
    csctrl_dataset *set;
    csctrl_dataset_info info;
    int64_t label, held[10] = {0};

    (void)state;
    if (!ct_fs_is_dir(path)) {
        csctrl_config_destroy(&config);
        print_message("skipped: %s is not there (package dataset-fashion-mnist)\n", path);
        skip();
    }
    expect_ok(csctrl_config_set(config, "data.path", path));
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST));
    csctrl_dataset_get_info(set, &info);
    assert_int_equal(info.count, 10000);
    assert_int_equal(info.classes, 10);
    for (int64_t i = 0; i < info.count; i++) {
        expect_ok(csctrl_dataset_read(set, i, &view, &label));
        held[label]++;
    }
    for (int k = 0; k < 10; k++)
        assert_int_equal(held[k], 1000);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_gzip, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_resize_and_colour, temp_make, temp_remove),
        cmocka_unit_test(test_parse),
        cmocka_unit_test_setup_teardown(test_wrong_lengths, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_lying_header, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_damaged_gzip, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_companions, temp_make, temp_remove),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_fingerprint, temp_make, temp_remove),
        cmocka_unit_test(test_fashion_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
