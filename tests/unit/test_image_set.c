/* test_image_set.c - image files of a folder, of a tar and of a tar.gz, at their own sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/csctrl.h"
#include "support/dataset_files.h"
#include "support/encode.h"
#include "support/expect.h"
#include "support/temp.h"

static void expect_pattern(const csctrl_image_set *set, int64_t index, int width, int height,
                           int channels)
{
    csctrl_tensor image;

    expect_ok(csctrl_image_set_read(set, index, &image));
    assert_int_equal(image.dtype, CSCTRL_U8);
    assert_int_equal(image.shape[0], 3);
    assert_int_equal(image.shape[1], height);
    assert_int_equal(image.shape[2], width);
    const uint8_t *pixels = image.data;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                assert_int_equal(pixels[(c * height + y) * width + x],
                                 encode_pattern(x, y, channels == 3 ? c : 0));
    csctrl_npy_free(&image);
}

/* The three images of every set: mixed sizes, grey among them, at different depths. */
static void check_set(const char *path)
{
    csctrl_image_set *set = NULL;
    csctrl_tensor image;

    expect_ok(csctrl_image_set_open(&set, path));
    assert_int_equal(csctrl_image_set_count(set), 3);
    assert_string_equal(csctrl_image_set_name(set, 0), "a.png");
    assert_string_equal(csctrl_image_set_name(set, 1), "below/deep/c.PNG");
    assert_string_equal(csctrl_image_set_name(set, 2), "train/b.png");
    assert_null(csctrl_image_set_name(set, 3));
    assert_null(csctrl_image_set_name(set, -1));
    expect_pattern(set, 0, 30, 20, 3);
    expect_pattern(set, 1, 5, 41, 1);
    expect_pattern(set, 2, 8, 8, 3);
    expect_fail(csctrl_image_set_read(set, 3, &image), CSCTRL_E_INVALID, "0..2, found 3");
    assert_null(image.data);
    csctrl_image_set_close(&set);
    assert_null(set);
}

static void test_folders_and_archives_are_alike(void **state)
{
    static const char *const names[] = {"set.tar", "set.tar.gz"};

    put_png(state, "set/a.png", 30, 20, 3);
    put_png(state, "set/train/b.png", 8, 8, 3);
    put_png(state, "set/below/deep/c.PNG", 5, 41, 1);
    put_png(state, "set/.hidden.png", 8, 8, 3);
    put_file(state, "set/notes.txt", "hello", 5);
    check_set(temp_path(state, "set"));
    for (int i = 0; i < 2; i++) {
        tar_file *tar = tar_begin(state, names[i]);
        tar_add_folder(tar, "below");
        tar_add_png(tar, "./train/b.png", 8, 8, 3);
        tar_add_png(tar, "below/deep/c.PNG", 5, 41, 1);
        tar_add_png(tar, "a.png", 30, 20, 3);
        tar_add(tar, "notes.txt", "hello", 5);
        tar_end(tar);
        check_set(temp_path(state, names[i]));
    }
}

static void test_jpeg_by_any_ending(void **state)
{
    csctrl_image_set *set = NULL;
    csctrl_tensor image;

    put_jpeg(state, "set/a.JPEG", 30, 20);
    put_jpeg(state, "set/b.Jpg", 30, 20);
    expect_ok(csctrl_image_set_open(&set, temp_path(state, "set")));
    assert_int_equal(csctrl_image_set_count(set), 2);
    expect_ok(csctrl_image_set_read(set, 1, &image));
    assert_int_equal(image.shape[1], 20);
    csctrl_npy_free(&image);
    csctrl_image_set_close(&set);
}

static void test_what_is_broken_is_named(void **state)
{
    csctrl_image_set *set = NULL;
    csctrl_tensor image;

    put_file(state, "set/a.png", "no image", 8);
    put_file(state, "set/b.jpg", "", 0);
    expect_ok(csctrl_image_set_open(&set, temp_path(state, "set")));
    expect_fail(csctrl_image_set_read(set, 0, &image), CSCTRL_E_FORMAT, "set/a.png: neither");
    assert_null(image.data);
    expect_fail(csctrl_image_set_read(set, 1, &image), CSCTRL_E_FORMAT, "set/b.jpg: empty");
    csctrl_image_set_close(&set);
    put_file(state, "none/notes.txt", "hello", 5);
    expect_fail(csctrl_image_set_open(&set, temp_path(state, "none")), CSCTRL_E_FORMAT,
                "found none");
    assert_null(set);
    expect_fail(csctrl_image_set_open(&set, temp_path(state, "gone")), CSCTRL_E_NOT_FOUND, "gone");
    put_file(state, "text.tar", "hello, this is no archive", 25);
    expect_fail(csctrl_image_set_open(&set, temp_path(state, "text.tar")), CSCTRL_E_FORMAT,
                "not a tar");
    assert_null(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folders_and_archives_are_alike, temp_make,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_jpeg_by_any_ending, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_what_is_broken_is_named, temp_make, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
