/* test_folder.c - which classes and parts the paths of image files give. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/layout.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"

/* The layout of some paths; returns what each path's class is as "class@part", "-" when outside. */
static void expect_classes(const char *const *paths, const char *const *classes)
{
    ct_members members = {0};
    ct_layout layout;
    ct_member *member;
    char text[256];

    for (int i = 0; paths[i] != NULL; i++) {
        expect_ok(ct_members_add(&members, paths[i], &member));
        assert_non_null(member);
    }
    expect_ok(ct_layout_find(&members, "root", &layout));
    for (int i = 0; paths[i] != NULL; i++) {
        ct_span name;
        csctrl_split part;
        if (ct_layout_class(&layout, ct_member_name(&members, i), &name, &part))
            snprintf(text, sizeof text, "%.*s@%d", (int)name.length, name.text, (int)part);
        else
            snprintf(text, sizeof text, "-");
        assert_string_equal(text, classes[i]);
    }
    ct_members_free(&members);
}

/* A NULL-terminated list. */
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_layouts(void **state)
{
    (void)state;
    expect_classes(LIST("a/1.png", "a/2.png", "b/1.png"), LIST("a@0", "a@0", "b@0"));
    expect_classes(LIST("set/a/1.png", "set/b/1.png", "set/x.png"), LIST("a@0", "b@0", "-"));
    expect_classes(LIST("./set/./a//1.png", "set/b/1.png"), LIST("a@0", "b@0"));
    expect_classes(LIST("train/a/1.jpg", "test/a/1.jpg"), LIST("a@0", "a@1"));
    expect_classes(LIST("train/a/1.jpg", "train/b/1.jpg"), LIST("a@0", "b@0"));
    expect_classes(LIST("x/train/a/deep/er/1.jpg", "x/val/a/1.jpg", "x/a.png", "y/train/1.png"),
                   LIST("a@0", "a@1", "-", "-"));
    expect_classes(LIST("a/x/1.png", "a/y/2.png", "b/x/1.png"), LIST("a@0", "a@0", "b@0"));
    expect_classes(LIST("BSD68/1.png", "BSD68/2.png"), LIST("BSD68@0", "BSD68@0"));
    expect_classes(LIST("p/q/1.png", "p/q/2.png"), LIST("q@0", "q@0"));
    expect_classes(LIST("ab/1.png", "a/1.png"), LIST("ab@0", "a@0"));
    expect_classes(LIST("n01_a.JPEG", "n02_b_c.JPEG"), LIST("n01@0", "n02@0"));
    expect_classes(LIST("in/n01_a.JPEG", "in/n02_b.JPEG"), LIST("n01@0", "n02@0"));
    expect_classes(LIST("1.png", "2.png"), LIST("images@0", "images@0"));
    expect_classes(LIST("n01_a.png", "n_b.png"), LIST("images@0", "images@0"));
    expect_classes(LIST("n01/n01_a.JPEG", "n02/n02_b.JPEG"), LIST("n01@0", "n02@0"));
}

static void expect_no_classes(const char *const *paths, const char *part)
{
    ct_members members = {0};
    ct_layout layout;
    ct_member *member;

    for (int i = 0; paths[i] != NULL; i++)
        expect_ok(ct_members_add(&members, paths[i], &member));
    expect_fail(ct_layout_find(&members, "root", &layout), CSCTRL_E_FORMAT, part);
    ct_members_free(&members);
}

static void test_no_layout(void **state)
{
    (void)state;
    expect_no_classes(LIST("train/1.png", "train/2.png"),
                      "root: expected class sub-folders (CLASS/image.jpg, or train/CLASS/image.jpg "
                      "and test/CLASS/image.jpg), found train/1.png outside of one");
    expect_no_classes(LIST("train/1.png", "test/2.png"), "found train/1.png outside of one");
}

static void test_passed_over(void **state)
{
    static const char *const names[] = {"a/x.txt",    "a/._x.png",       ".hidden/x.png",
                                        "../x.png",   "a/../../b/x.png", "__MACOSX/a/x.png",
                                        "a/x.png.gz", "a/png",           ""};
    ct_members members = {0};
    ct_member *member;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect_ok(ct_members_add(&members, names[i], &member));
        assert_null(member);
    }
    for (int i = 0; i < 3; i++) { /* any case of the extension */
        static const char *const good[] = {"a/x.JPG", "a/x.Jpeg", "/a/x.pNG"};
        expect_ok(ct_members_add(&members, good[i], &member));
        assert_non_null(member);
        assert_string_equal(ct_member_name(&members, i), good[i] + (good[i][0] == '/'));
    }
    assert_int_equal(members.count, 3);
    ct_members_free(&members);
}

static csctrl_dataset *open_set(csctrl_config *config, csctrl_split split, int64_t count)
{
    csctrl_dataset *set;
    csctrl_dataset_info info;

    expect_ok(csctrl_dataset_open(&set, config, split));
    csctrl_dataset_get_info(set, &info);
    assert_int_equal(info.count, count);
    return set;
}

static void put_classes(void **state)
{
    put_png(state, "set/train/cat/1.png", 9, 8, 3);
    put_jpeg(state, "set/train/cat/2.JPG", 20, 30);
    put_png(state, "set/train/ant/1.png", 8, 8, 1);
    put_png(state, "set/val/ant/7.png", 8, 8, 1);
    put_png(state, "set/val/cat/7.png", 8, 8, 1);
}

static void test_splits(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", "data.channels=3", NULL);
    float pixels[192];
    csctrl_tensor view = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, 8, 8}, pixels);
    csctrl_dataset_info info;
    int64_t label, cats = 0;

    put_classes(state);
    put_file(state, "set/notes.txt", "hello", 5);
    put_folder(state, "set/.cache/thumbs");
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, 3);
    csctrl_dataset_get_info(set, &info);
    assert_string_equal(info.kind, "folder");
    assert_int_equal(info.classes, 2);
    assert_string_equal(csctrl_dataset_class_name(set, 0), "ant");
    assert_string_equal(csctrl_dataset_class_name(set, 1), "cat");
    for (int64_t i = 0; i < 3; i++) {
        expect_ok(csctrl_dataset_read(set, i, &view, &label));
        cats += label;
    }
    assert_int_equal(cats, 2);
    csctrl_dataset_close(&set);
    set = open_set(config, CSCTRL_SPLIT_TEST, 2);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

static void expect_open_fail(csctrl_config *config, csctrl_status status, const char *part)
{
    csctrl_dataset *set = (csctrl_dataset *)1;

    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN), status, part);
    assert_null(set);
    csctrl_config_destroy(&config);
}

static void test_empty_classes(void **state)
{
    put_classes(state);
    put_folder(state, "set/train/dog");
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_E_FORMAT,
                     "set/train/dog: expected JPEG or PNG files in the class folder, found none");
    put_file(state, "set/train/dog/readme.txt", "x", 1);
    expect_open_fail(config_at(state, "set/train", NULL), CSCTRL_E_FORMAT, "set/train/dog: ");
    expect_ok(ct_fs_remove_tree(temp_path(state, "set/train/dog")));
    put_folder(state, "one");
    expect_open_fail(config_at(state, "one", NULL), CSCTRL_E_FORMAT,
                     "one: expected JPEG or PNG files, in class sub-folders or not, found none");
    put_png(state, "one/a/1.png", 8, 8, 1);
    put_folder(state, "one/b");
    expect_open_fail(config_at(state, "one", NULL), CSCTRL_E_FORMAT, "one/b: expected JPEG or PNG");
    put_png(state, "set/val/dog/1.png", 8, 8, 1);
    expect_open_fail(config_at(state, "set", NULL), CSCTRL_E_FORMAT,
                     "expected the same class folders for training and test, found dog in test "
                     "only");
}

static void test_flat(void **state)
{
    csctrl_config *config = config_at(state, "flat", "data.holdout=0", NULL);
    csctrl_dataset *set;

    put_png(state, "flat/1.png", 8, 8, 1);
    put_png(state, "flat/2.png", 8, 8, 1);
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    assert_string_equal(csctrl_dataset_class_name(set, 0), "images");
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
    put_folder(state, "flat/cats");
    expect_open_fail(config_at(state, "flat", NULL), CSCTRL_E_FORMAT,
                     "flat: expected class sub-folders (CLASS/image.jpg, or train/CLASS/image.jpg "
                     "and test/CLASS/image.jpg), found 1.png outside of one");
}

/* What is not an image by its first bytes is named, counted and left out; what breaks later is
 * found by verify. */
static void test_broken(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", NULL);
    static log_list log;
    broken_list broken = {0};
    csctrl_dataset_info info;
    int64_t good, bad;
    unsigned char *data;
    size_t size;

    put_classes(state);
    put_file(state, "set/train/cat/3.png", "no image", 8);
    put_file(state, "set/train/cat/4.jpg", "", 0);
    expect_ok(ct_fs_read(temp_path(state, "set/train/cat/1.png"), 4096, &data, &size));
    put_file(state, "set/train/cat/5.png", data, size / 2);
    csctrl_log_set(log_collect, &log);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, 4);
    csctrl_log_set(NULL, NULL);
    csctrl_dataset_get_info(set, &info);
    assert_int_equal(info.skipped, 2);
    assert_int_equal(log_count(&log, "train/cat/3.png: left out: neither JPEG nor PNG"), 1);
    assert_int_equal(log_count(&log, "train/cat/4.jpg: left out: empty file"), 1);
    csctrl_dataset_close(&set);
    csctrl_log_set(log_collect, &log); /* the test split does not tell again */
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST));
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log_count(&log, "left out"), 2);
    csctrl_dataset_close(&set);
    expect_ok(csctrl_dataset_verify(config, broken_collect, &broken, &good, &bad));
    assert_int_equal(good, 5);
    assert_int_equal(bad, 3);
    assert_int_equal(broken.count, 3);
    assert_string_equal(broken.names[0], temp_path(state, "set/train/cat/3.png"));
    assert_string_equal(broken.names[2], temp_path(state, "set/train/cat/5.png"));
    assert_null(strstr(broken.reasons[2], "5.png"));
    csctrl_config_destroy(&config);
    ct_free(data);
}

/* Of a tall picture that ends too early but below its square, all that the model sees is there;
 * verify reads on. */
static void test_cut_below_the_square(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", "data.holdout=0", NULL);
    broken_list broken = {0};
    float pixels[2][3 * 64];
    int64_t good, bad, label;
    unsigned char *data;
    size_t size;

    put_jpeg(state, "set/cat/1.jpg", 64, 200);
    put_png(state, "set/dog/1.png", 9, 9, 3);
    csctrl_dataset *set = open_set(config, CSCTRL_SPLIT_TRAIN, 2);
    csctrl_dataset_info info;
    csctrl_dataset_get_info(set, &info);
    csctrl_tensor image = {CSCTRL_F32, 3, {info.channels, 8, 8}, pixels[0]};
    expect_ok(csctrl_dataset_read(set, 0, &image, &label));
    expect_ok(ct_fs_read(temp_path(state, "set/cat/1.jpg"), 1 << 20, &data, &size));
    put_file(state, "set/cat/1.jpg", data, size - 20);
    image.data = pixels[1];
    expect_ok(csctrl_dataset_read(set, 0, &image, &label));
    assert_memory_equal(pixels[1], pixels[0], sizeof(float) * 64 * (size_t)info.channels);
    csctrl_dataset_close(&set);
    expect_ok(csctrl_dataset_verify(config, broken_collect, &broken, &good, &bad));
    assert_int_equal(good, 1);
    assert_int_equal(bad, 1);
    assert_string_equal(broken.names[0], temp_path(state, "set/cat/1.jpg"));
    assert_non_null(strstr(broken.reasons[0], "expected a sound JPEG"));
    csctrl_config_destroy(&config);
    ct_free(data);
}

/* A test split with files of its own tells of them, and only of them. */
static void test_broken_apart(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", NULL);
    static log_list log;
    csctrl_dataset *set;

    put_classes(state);
    put_file(state, "set/train/cat/3.png", "no image", 8);
    put_png(state, "apart/cat/1.png", 8, 8, 1);
    put_png(state, "apart/ant/1.png", 8, 8, 1);
    put_file(state, "apart/ant/2.png", "no image", 8);
    expect_ok(csctrl_config_set(config, "data.test_path", temp_path(state, "apart")));
    csctrl_log_set(log_collect, &log);
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TEST));
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log_count(&log, "apart/ant/2.png: left out"), 1);
    assert_int_equal(log.count, 1);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

/* What a file or a folder is called cannot break a line or steer a terminal. */
static void test_names_are_one_line(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", "data.holdout=0", NULL);
    static log_list log;
    broken_list broken = {0};
    csctrl_dataset *set;
    int64_t good, bad;
    unsigned char *data;
    size_t size;

    put_png(state, "set/a\nb/1.png", 8, 8, 1);
    put_png(state, "set/c\033[2J/1.png", 8, 8, 1);
    put_file(state, "set/a\nb/2\r.png", "no image", 8);
    expect_ok(ct_fs_read(temp_path(state, "set/a\nb/1.png"), 4096, &data, &size));
    put_file(state, "set/a\nb/3\n.png", data, size / 2);
    ct_free(data);
    csctrl_log_set(log_collect, &log);
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log_count(&log, "set/a?b/2?.png: left out"), 1);
    assert_string_equal(csctrl_dataset_class_name(set, 0), "a?b");
    assert_string_equal(csctrl_dataset_class_name(set, 1), "c?[2J");
    csctrl_dataset_close(&set);
    expect_ok(csctrl_dataset_verify(config, broken_collect, &broken, &good, &bad));
    assert_int_equal(bad, 2);
    assert_string_equal(broken.names[0], temp_path(state, "set/a?b/2?.png"));
    assert_string_equal(broken.names[1], temp_path(state, "set/a?b/3?.png"));
    assert_null(strstr(broken.reasons[1], ".png"));
    csctrl_config_destroy(&config);
}

/* A whole set of broken files cannot be opened, but it can be verified. */
static void test_all_broken(void **state)
{
    csctrl_config *config = config_at(state, "set", NULL);
    csctrl_dataset *set;
    int64_t good, bad;

    put_file(state, "set/a/1.png", "xxxx", 4);
    put_file(state, "set/b/1.png", "yyyy", 4);
    expect_fail(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN), CSCTRL_E_FORMAT,
                "no usable training images (2 broken files left out)");
    expect_ok(csctrl_dataset_verify(config, NULL, NULL, &good, &bad));
    assert_int_equal(good, 0);
    assert_int_equal(bad, 2);
    csctrl_config_destroy(&config);
}

/* Pipes, loops of links and unreadable things do not hang the open. */
static void test_special_files(void **state)
{
    csctrl_config *config = config_at(state, "set", "data.size=8", "data.holdout=0", NULL);
    csctrl_dataset_info info;

    put_png(state, "set/a/1.png", 8, 8, 1);
    put_png(state, "set/b/1.png", 8, 8, 1);
    assert_int_equal(mkfifo(temp_path(state, "set/a/pipe.png"), 0600), 0);
    assert_int_equal(symlink("nowhere", temp_path(state, "set/a/dangling.jpg")), 0);
    assert_int_equal(symlink("..", temp_path(state, "set/b/loop")), 0);
    csctrl_dataset *set;
    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    csctrl_dataset_get_info(set, &info);
    assert_int_equal(info.classes, 2);
    assert_true(info.skipped >= 2);
    csctrl_dataset_close(&set);
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_no_layout),
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test_setup_teardown(test_splits, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_empty_classes, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_flat, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_broken, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_cut_below_the_square, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_broken_apart, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_names_are_one_line, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_all_broken, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_special_files, temp_make, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
