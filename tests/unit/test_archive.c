/* test_archive.c - class folders in tar and tar.gz. */
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
#include "data/tar.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"

static csctrl_dataset *open_set(csctrl_config *config, csctrl_split split,
                                csctrl_dataset_info *info)
{
    csctrl_dataset *set;

    expect_ok(csctrl_dataset_open(&set, config, split));
    csctrl_dataset_get_info(set, info);
    return set;
}

static void expect_open_fail(csctrl_config *config, csctrl_status status, const char *part)
{
    csctrl_dataset *set = (csctrl_dataset *)1;

    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN), status, part);
    assert_null(set);
    csctrl_config_destroy(&config);
}

static void make_tar(void **state, const char *name)
{
    tar_file *tar = tar_begin(state, name);

    tar_add_folder(tar, "./set/");
    tar_add_png(tar, "./set/test/cat/9.png", 8, 8, 3);
    tar_add_png(tar, "./set/train/cat/2.png", 10, 8, 3);
    tar_add_png(tar, "./set/train/cat/1.png", 8, 12, 1);
    tar_add(tar, "./set/train/cat/._1.png", "mac", 3);
    tar_add(tar, "./__MACOSX/set/train/cat/1.png", "mac", 3);
    tar_add_link(tar, "./set/train/cat/link.png", "1.png");
    tar_add(tar, "./set/readme.txt", "hello", 5);
    tar_add_png(tar, "./set/train/ant/1.png", 8, 8, 3);
    tar_add_png(tar, "./set/test/ant/1.png", 9, 9, 3);
    tar_end(tar);
}

/* The same images from a tar, a tar.gz and a folder: same labels, pixels and fingerprint. */
static void test_same_as_folder(void **state)
{
    static const char *const names[] = {"set.tar", "set.tar.gz", "set"};
    float pixels[3][5][192];
    uint64_t fingerprint[3];
    csctrl_dataset_info info;

    make_tar(state, "set.tar");
    make_tar(state, "set.tar.gz");
    put_png(state, "set/set/test/cat/9.png", 8, 8, 3);
    put_png(state, "set/set/train/cat/2.png", 10, 8, 3);
    put_png(state, "set/set/train/cat/1.png", 8, 12, 1);
    put_png(state, "set/set/train/ant/1.png", 8, 8, 3);
    put_png(state, "set/set/test/ant/1.png", 9, 9, 3);
    for (int s = 0; s < 3; s++) {
        csctrl_config *config = config_at(state, names[s], "data.size=8", "data.channels=3", NULL);
        int64_t label;
        for (int split = 0, at = 0; split < 2; split++) {
            csctrl_dataset *set = open_set(config, (csctrl_split)split, &info);
            assert_int_equal(info.count, split == 0 ? 3 : 2);
            assert_string_equal(info.kind, s < 2 ? "tar" : "folder");
            assert_int_equal(info.skipped, 0);
            assert_string_equal(csctrl_dataset_class_name(set, 1), "cat");
            for (int64_t i = 0; i < info.count; i++, at++) {
                csctrl_tensor view =
                    csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, 8, 8}, pixels[s][at]);
                expect_ok(csctrl_dataset_read(set, i, &view, &label));
            }
            csctrl_dataset_close(&set);
        }
        fingerprint[s] = info.fingerprint;
        csctrl_config_destroy(&config);
    }
    assert_memory_equal(pixels[0], pixels[1], sizeof pixels[0]);
    assert_memory_equal(pixels[0], pixels[2], sizeof pixels[0]);
    assert_true(fingerprint[0] == fingerprint[1]);
    assert_true(fingerprint[0] == fingerprint[2]);
}

/* Members of an uncompressed tar stay in the file; those of a compressed one are held. */
static void test_zero_copy(void **state)
{
    csctrl_dataset_info plain, packed;
    ct_tar *tar;
    ct_tar_entry entry;
    ct_tar_bytes bytes;
    int files = 0;

    make_tar(state, "set.tar");
    make_tar(state, "set.tar.gz");
    for (int gz = 0; gz < 2; gz++) {
        expect_ok(ct_tar_open(&tar, temp_path(state, gz ? "set.tar.gz" : "set.tar")));
        for (;;) {
            expect_ok(ct_tar_next(tar, &entry));
            if (entry.name == NULL)
                break;
            if (entry.is_dir)
                continue;
            expect_ok(ct_tar_read(tar, 1 << 20, &bytes));
            assert_int_equal(bytes.mapped, !gz);
            assert_true(bytes.size >= 3);
            files++;
        }
        ct_tar_close(&tar);
    }
    assert_int_equal(files, 2 * 8);
    csctrl_config *config = config_at(state, "set.tar", "data.size=8", NULL);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, &plain);
    csctrl_dataset_close(&set);
    expect_ok(csctrl_config_set(config, "data.path", temp_path(state, "set.tar.gz")));
    set = open_set(config, CSCTRL_SPLIT_TRAIN, &packed);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
    assert_true(plain.memory < 16384);
    assert_true(packed.memory > plain.memory);
}

static void test_member_limit(void **state)
{
    ct_tar *tar;
    ct_tar_entry entry;
    ct_tar_bytes bytes;
    static const uint8_t data[5000];
    tar_file *file = tar_begin(state, "x.tar.gz");

    tar_add(file, "a.jpg", data, sizeof data);
    tar_add(file, "b.jpg", "xyz", 3);
    tar_end(file);
    expect_ok(ct_tar_open(&tar, temp_path(state, "x.tar.gz")));
    expect_ok(ct_tar_next(tar, &entry));
    expect_fail(ct_tar_read(tar, 4999, &bytes), CSCTRL_E_UNSUPPORTED, "the member is too large");
    expect_ok(ct_tar_next(tar, &entry)); /* the next one can still be read */
    assert_string_equal(entry.name, "b.jpg");
    expect_ok(ct_tar_read(tar, 3, &bytes));
    assert_int_equal(bytes.size, 3);
    assert_memory_equal(bytes.data, "xyz", 3);
    ct_tar_close(&tar);
    assert_null(tar);
    ct_tar_close(&tar);
}

/* The last member of a name counts, as when tar unpacks. */
static void test_repeated_member(void **state)
{
    csctrl_config *config = config_at(state, "x.tar", "data.holdout=0", NULL);
    csctrl_dataset_info info;
    tar_file *tar = tar_begin(state, "x.tar");

    tar_add(tar, "a/1.png", "broken", 6);
    tar_add_png(tar, "a/2.png", 8, 8, 1);
    tar_add_png(tar, "a/1.png", 8, 8, 1);
    tar_end(tar);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, &info);
    assert_int_equal(info.count, 2);
    assert_int_equal(info.skipped, 0);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

static void test_empty_class(void **state)
{
    tar_file *tar = tar_begin(state, "x.tar");

    tar_add_png(tar, "x/a/1.png", 8, 8, 1);
    tar_add_png(tar, "x/b/1.png", 8, 8, 1);
    tar_add_folder(tar, "x/c/");
    tar_end(tar);
    expect_open_fail(config_at(state, "x.tar", NULL), CSCTRL_E_FORMAT,
                     "x.tar:x/c: expected JPEG or PNG files in the class folder, found none");
}

static void test_not_a_set(void **state)
{
    static const char zeros[20000];
    tar_file *tar = tar_begin(state, "text.tar");

    tar_add(tar, "a.txt", "hello", 5);
    tar_end(tar);
    expect_open_fail(config_at(state, "text.tar", NULL), CSCTRL_E_FORMAT,
                     "expected a tar with CIFAR .bin files or with JPEG or PNG files in class "
                     "folders, found none of them");
    expect_open_fail(config_at(state, "text.tar", "data.kind=folder", NULL), CSCTRL_E_FORMAT,
                     "expected JPEG or PNG files, in class sub-folders or not, found none");
    put_file(state, "plain.bin", "this is not an archive at all", 29);
    expect_open_fail(config_at(state, "plain.bin", NULL), CSCTRL_E_FORMAT,
                     "plain.bin: not a tar or tar.gz archive; only those and folders are read");
    put_jpeg(state, "a.jpg", 64, 64);
    expect_open_fail(config_at(state, "a.jpg", NULL), CSCTRL_E_FORMAT, "a.jpg: not a tar");
    put_file(state, "set.tar.xz",
             "\xfd"
             "7zXZ\0\0\x04\xe6\xd6\xb4\x46\0\0\0\0",
             16);
    expect_open_fail(config_at(state, "set.tar.xz", NULL), CSCTRL_E_FORMAT,
                     "set.tar.xz: not a tar");
    put_file(state, "empty.tar", "", 0);
    expect_open_fail(config_at(state, "empty.tar", NULL), CSCTRL_E_FORMAT, "found an empty file");
    put_file(state, "zeros.tar", zeros, sizeof zeros);
    expect_open_fail(config_at(state, "zeros.tar", NULL), CSCTRL_E_FORMAT, "zeros.tar: ");
    expect_open_fail(config_at(state, "none.tar", NULL), CSCTRL_E_NOT_FOUND, "none.tar");
    tar = tar_begin(state, "flat.tar");
    tar_add_png(tar, "train/1.png", 8, 8, 1);
    tar_end(tar);
    expect_open_fail(config_at(state, "flat.tar", NULL), CSCTRL_E_FORMAT,
                     "flat.tar: expected class sub-folders");
}

static void test_truncated(void **state)
{
    static const char *const names[] = {"set.tar", "set.tar.gz"};
    unsigned char *data;
    size_t size;

    for (int i = 0; i < 2; i++) {
        make_tar(state, names[i]);
        expect_ok(ct_fs_read(temp_path(state, names[i]), 1 << 20, &data, &size));
        put_file(state, names[i], data, i == 0 ? 2700 : size / 2);
        expect_open_fail(config_at(state, names[i], "data.kind=folder", NULL), CSCTRL_E_FORMAT,
                         "the archive is broken");
        assert_null(strstr(csctrl_last_error(), "byte -1"));
        ct_free(data);
    }
}

/* A header that claims a size of 8 GiB less one byte. */
static void test_absurd_size(void **state)
{
    unsigned char *data;
    size_t size;
    csctrl_memory_stats before, after;
    tar_file *tar = tar_begin(state, "x.tar");
    unsigned sum = 0;

    tar_add_png(tar, "a/1.png", 8, 8, 1);
    tar_end(tar);
    expect_ok(ct_fs_read(temp_path(state, "x.tar"), 1 << 20, &data, &size));
    memcpy(data + 124, "77777777777", 11);
    memset(data + 148, ' ', 8);
    for (int i = 0; i < 512; i++)
        sum += data[i];
    snprintf((char *)data + 148, 8, "%06o", sum);
    put_file(state, "x.tar", data, size);
    csctrl_memory_get_stats(&before);
    expect_open_fail(config_at(state, "x.tar", NULL), CSCTRL_E_FORMAT,
                     "the archive is broken near byte");
    csctrl_memory_get_stats(&after);
    assert_true(after.peak_bytes < before.peak_bytes + (1 << 20));
    assert_int_equal(after.bytes, before.bytes);
    ct_free(data);
}

static void test_broken_member(void **state)
{
    csctrl_config *config = config_at(state, "x.tar.gz", "data.size=8", "data.holdout=0", NULL);
    broken_list broken = {0};
    csctrl_dataset_info info;
    int64_t good, bad;
    tar_file *tar = tar_begin(state, "x.tar.gz");

    tar_add_png(tar, "a/1.png", 8, 8, 1);
    tar_add(tar, "a/2.png", "\x89PNG\r\n\x1a\nrest", 12);
    tar_add(tar, "a/3.png", "text", 4);
    tar_add(tar, "a/4.png", "", 0);
    tar_end(tar);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, &info);
    assert_int_equal(info.count, 2);
    assert_int_equal(info.skipped, 2);
    csctrl_dataset_close(&set);
    expect_ok(csctrl_dataset_verify(config, broken_collect, &broken, &good, &bad));
    assert_int_equal(good, 1);
    assert_int_equal(bad, 3);
    assert_non_null(strstr(broken.names[0], "x.tar.gz:a/3.png"));
    assert_string_equal(broken.reasons[0], "neither JPEG nor PNG by its first bytes");
    assert_string_equal(broken.reasons[1], "empty file");
    assert_non_null(strstr(broken.names[2], "x.tar.gz:a/2.png"));
    csctrl_config_destroy(&config);
}

/* A line break in a member's name does not break the line of the message. */
static void test_name_with_line_break(void **state)
{
    csctrl_config *config = config_at(state, "x.tar", "data.holdout=0", NULL);
    static log_list log;
    csctrl_dataset_info info;
    tar_file *tar = tar_begin(state, "x.tar");

    tar_add_png(tar, "a/1.png", 8, 8, 1);
    tar_add(tar, "a/two\nlines.png", "text", 4);
    tar_end(tar);
    csctrl_log_set(log_collect, &log);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, &info);
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log.count, 1);
    assert_int_equal(log_count(&log, "x.tar:a/two?lines.png: left out: neither"), 1);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

/* The splits of a compressed archive do not each hold the images of both. */
static void test_splits_share_no_memory(void **state)
{
    static uint8_t noise[3 << 20];
    csctrl_config *config = config_at(state, "x.tar.gz", NULL);
    csctrl_dataset_info train, test;
    tar_file *tar = tar_begin(state, "x.tar.gz");

    memcpy(noise, "\x89PNG\r\n\x1a\n", 8);
    for (int i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/a/%d.png", i < 6 ? "train" : "test", i);
        tar_add(tar, name, noise, sizeof noise);
    }
    tar_end(tar);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, &train);
    csctrl_dataset_close(&set);
    set = open_set(config, CSCTRL_SPLIT_TEST, &test);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
    assert_int_equal(train.count, 6);
    assert_int_equal(test.count, 2);
    assert_true(train.memory >= 6 * sizeof noise && train.memory < 9 * sizeof noise);
    assert_true(test.memory >= 2 * sizeof noise && test.memory < 3 * sizeof noise);
}

/* One real archive of each layout. */
static void test_real_archives(void **state)
{
    static const struct {
        const char *name;
        int64_t train, test;
        int classes;
        const char *first;
    } sets[] = {{"bsd68.tar", 61, 7, 1, "BSD68"},
                {"imagenet-sample-125.tar", 115, 10, 125, "n01440764"},
                {"cifar10-train-jpeg.tar.gz", 45120, 4880, 10, "airplane"}};
    int found = 0;

    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        const char *path = real_data(sets[i].name);
        csctrl_dataset_info info;
        if (path == NULL) {
            print_message("skipped: %s is not there (set CSCTRL_DATA)\n", sets[i].name);
            continue;
        }
        csctrl_config *config = config_make("data.size=16", NULL);
        expect_ok(csctrl_config_set(config, "data.path", path));
        for (int split = 0; split < 2; split++) {
            csctrl_dataset *set = open_set(config, (csctrl_split)split, &info);
            float pixels[256];
            csctrl_tensor view =
                csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 16, 16}, pixels);
            assert_int_equal(info.count, split == 0 ? sets[i].train : sets[i].test);
            assert_int_equal(info.classes, sets[i].classes);
            assert_string_equal(csctrl_dataset_class_name(set, 0), sets[i].first);
            for (int64_t k = 0; k < 7; k++)
                expect_ok(csctrl_dataset_read(set, k, &view, NULL));
            csctrl_dataset_close(&set);
        }
        csctrl_config_destroy(&config);
        found++;
    }
    if (found == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_as_folder, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_zero_copy, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_member_limit, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_repeated_member, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_empty_class, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_not_a_set, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_truncated, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_absurd_size, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_broken_member, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_name_with_line_break, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_splits_share_no_memory, temp_make, temp_remove),
        cmocka_unit_test(test_real_archives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
