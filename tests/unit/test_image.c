/* test_image.c - image files to tensors, tensors to pictures. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csctrl/image.h"
#include "io/pixels.h"
#include "support/dataset_files.h"
#include "support/encode.h"
#include "support/expect.h"
#include "support/temp.h"

static ct_pixels decode_file(const char *path, int channels)
{
    unsigned char *file;
    size_t size;
    ct_pixels p;

    expect_ok(ct_fs_read(path, 1 << 20, &file, &size));
    expect_ok(ct_pixels_decode(file, size, path, &(ct_decoding){.channels = channels}, &p));
    ct_free(file);
    return p;
}

static void test_read_is_decode_fit_normalise(void **state)
{
    size_t size;
    uint8_t *file = encode_png(21, 13, PNG_COLOR_TYPE_RGB, 8, 0, &size), planes[3 * 64];
    const char *path = temp_file(state, "not-a-name-for-png.jpg", file, size);
    float data[3 * 64];
    csctrl_tensor image = {CSCTRL_F32, 3, {3, 8, 8, 1}, data};

    expect_ok(csctrl_image_read(path, &image));
    ct_pixels p = decode_file(path, 3);
    expect_ok(ct_pixels_fit(&p, 8, planes));
    for (int i = 0; i < 3 * 64; i++) {
        assert_true(data[i] >= -1.0f && data[i] <= 1.0f);
        assert_true(data[i] == (float)planes[i] / 127.5f - 1.0f);
    }
    ct_pixels_free(&p);
    free(file);
}

static void test_grey_and_colour(void **state)
{
    size_t size;
    uint8_t *file = encode_png(8, 8, PNG_COLOR_TYPE_GRAY, 8, 0, &size);
    const char *path = temp_file(state, "g.png", file, size);
    float one[64], three[3 * 64];
    csctrl_tensor grey = {CSCTRL_F32, 3, {1, 8, 8, 1}, one},
                  colour = {CSCTRL_F32, 3, {3, 8, 8, 1}, three};

    expect_ok(csctrl_image_read(path, &grey));
    expect_ok(csctrl_image_read(path, &colour));
    for (int i = 0; i < 3 * 64; i++)
        assert_true(three[i] == one[i % 64]);
    free(file);
}

static void test_one_pixel_jpeg_is_enlarged(void **state)
{
    size_t size;
    uint8_t *file = encode_jpeg(1, 1, 3, 0, &size);
    float data[3 * 32 * 32];
    csctrl_tensor image = {CSCTRL_F32, 3, {3, 32, 32, 1}, data};

    expect_ok(csctrl_image_read(temp_file(state, "1.jpg", file, size), &image));
    for (int i = 0; i < 3 * 32 * 32; i++)
        assert_true(data[i] == data[i / 1024 * 1024]);
    free(file);
}

/* A data set's read and csctrl_image_read give the same input, whatever the JPEG decoder may scale
 * by itself. */
static void test_jpeg_reads_as_in_a_data_set(void **state)
{
    const int sides[] = {8, 15, 16, 31, 32, 33, 64, 100, 131, 200};

    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        float data[3 * 64], listed[3 * 64];
        csctrl_tensor image = {CSCTRL_F32, 3, {3, 8, 8, 1}, data};
        csctrl_config *config = config_at(state, "set", "data.kind=folder", "data.size=8",
                                          "data.channels=3", "data.holdout=0", NULL);
        csctrl_dataset *set;
        put_jpeg(state, "set/a/1.jpg", sides[i] + 3, sides[i]);
        put_jpeg(state, "set/b/1.jpg", sides[i], sides[i] + 7);
        expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
        for (int k = 0; k < 2; k++) {
            image.data = data;
            expect_ok(csctrl_image_read(temp_path(state, k == 0 ? "set/a/1.jpg" : "set/b/1.jpg"),
                                        &image));
            image.data = listed;
            int64_t label;
            expect_ok(csctrl_dataset_read(set, k, &image, &label));
            assert_int_equal(label, k);
            assert_memory_equal(data, listed, sizeof data);
        }
        csctrl_dataset_close(&set);
        csctrl_config_destroy(&config);
    }
}

static void test_read_errors(void **state)
{
    size_t size;
    uint8_t *file = encode_jpeg(16, 16, 4, 0, &size);
    float data[3 * 64];
    csctrl_tensor image = {CSCTRL_F32, 3, {3, 8, 8, 1}, data};

    expect_fail(csctrl_image_read(temp_path(state, "none.png"), &image), CSCTRL_E_NOT_FOUND,
                "none.png");
    expect_fail(csctrl_image_read(*state, &image), CSCTRL_E_IO, "directory");
    expect_fail(csctrl_image_read(temp_file(state, "c.jpg", file, size), &image),
                CSCTRL_E_UNSUPPORTED, "c.jpg: expected a grey or RGB JPEG, found CMYK");
    expect_fail(csctrl_image_read(temp_file(state, "e.jpg", "", 0), &image), CSCTRL_E_UNSUPPORTED,
                "an empty file");
    free(file);
    file = encode_png(16, 16, PNG_COLOR_TYPE_GRAY, 8, 0, &size);
    const char *path = temp_file(state, "t.png", file, size - 14);
    free(file);
    expect_fail(csctrl_image_read(path, &image), CSCTRL_E_FORMAT, "t.png: expected a sound PNG");
    /* A sparse file of 300 MB takes no disk. */
    const int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(ftruncate(fd, (off_t)300 << 20), 0);
    close(fd);
    expect_fail(csctrl_image_read(path, &image), CSCTRL_E_FORMAT,
                "larger than the 268435456 bytes");
}

static void test_read_wants_a_square_tensor(void **state)
{
    float data[3 * 64];
    const csctrl_tensor bad[] = {
        {CSCTRL_F32, 3, {2, 8, 8, 1}, data},       {CSCTRL_F32, 3, {3, 8, 4, 1}, data},
        {CSCTRL_F32, 3, {3, 0, 0, 1}, data},       {CSCTRL_F32, 2, {8, 8, 1, 1}, data},
        {CSCTRL_F32, 3, {3, 8, 8, 1}, NULL},       {CSCTRL_F32, 4, {1, 3, 8, 8}, data},
        {CSCTRL_F32, 3, {3, 9000, 9000, 1}, data},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        csctrl_tensor image = bad[i];
        expect_fail(csctrl_image_read("unused", &image), CSCTRL_E_SHAPE, "image: expected f32[");
    }
    csctrl_tensor bytes = {CSCTRL_U8, 3, {3, 8, 8, 1}, data};
    expect_fail(csctrl_image_read("unused", &bytes), CSCTRL_E_DTYPE, "found u8[3, 8, 8]");
}

static void test_write_rounds_and_clamps(void **state)
{
    float data[8] = {-1.0f, 1.0f, -7.0f, INFINITY, NAN, 0.0f, -0.996f, 0.5f};
    const uint8_t want[8] = {0, 255, 0, 255, 0, 128, 1, 191};
    const csctrl_tensor image = {CSCTRL_F32, 3, {1, 2, 4, 1}, data};

    expect_ok(csctrl_image_write(temp_path(state, "w.png"), &image));
    ct_pixels p = decode_file(temp_path(state, "w.png"), 1);
    assert_int_equal(p.width, 4);
    assert_int_equal(p.height, 2);
    assert_memory_equal(p.data, want, 8);
    ct_pixels_free(&p);
}

static void test_write_then_read_is_exact_on_bytes(void **state)
{
    float data[3 * 64], back[3 * 64];
    csctrl_tensor image = {CSCTRL_F32, 3, {3, 8, 8, 1}, data};

    for (int i = 0; i < 3 * 64; i++)
        data[i] = (float)((i * 83) % 256) / 127.5f - 1.0f;
    expect_ok(csctrl_image_write(temp_path(state, "w.png"), &image));
    image.data = back;
    expect_ok(csctrl_image_read(temp_path(state, "w.png"), &image));
    assert_memory_equal(back, data, sizeof data);
}

/* Five images of 2 x 3, three a row, enlarged twice: two rows, the last place empty. */
static void test_grid_layout(void **state)
{
    enum { N = 5, H = 2, W = 3, SCALE = 2, COLUMNS = 3, WIDTH = 3 * 6 + 2 * 2, HEIGHT = 2 * 4 + 2 };
    float data[N * 3 * H * W];
    const csctrl_tensor images = {CSCTRL_F32, 4, {N, 3, H, W}, data};

    for (int i = 0; i < N * 3 * H * W; i++)
        data[i] = (float)(i * 2) / 127.5f - 1.0f; /* byte 2 i */
    expect_ok(csctrl_image_write_grid(temp_path(state, "g.png"), &images, COLUMNS, SCALE));
    ct_pixels p = decode_file(temp_path(state, "g.png"), 3);
    assert_int_equal(p.width, WIDTH);
    assert_int_equal(p.height, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            const int column = x / 8, row = y / 6, u = x % 8, v = y % 6;
            const int image = row * COLUMNS + column;
            const bool gap = u >= 6 || v >= 4 || image >= N;
            for (int c = 0; c < 3; c++)
                assert_int_equal(p.data[(y * WIDTH + x) * 3 + c],
                                 gap ? 255 : 2 * (((image * 3 + c) * H + v / 2) * W + u / 2));
        }
    ct_pixels_free(&p);
}

static void test_grid_is_no_wider_than_its_images(void **state)
{
    float data[2 * 16] = {0};
    const csctrl_tensor images = {CSCTRL_F32, 4, {2, 1, 4, 4}, data};

    expect_ok(csctrl_image_write_grid(temp_path(state, "g.png"), &images, 8, 1));
    ct_pixels p = decode_file(temp_path(state, "g.png"), 1);
    assert_int_equal(p.width, 10);
    assert_int_equal(p.height, 4);
    ct_pixels_free(&p);
}

static void test_write_errors(void **state)
{
    float data[32] = {0};
    const csctrl_tensor images = {CSCTRL_F32, 4, {2, 1, 4, 4}, data};
    csctrl_tensor bad = images;
    const char *path = temp_path(state, "g.png");

    expect_fail(csctrl_image_write_grid(path, &images, 0, 1), CSCTRL_E_INVALID, "found 0 and 1");
    expect_fail(csctrl_image_write_grid(path, &images, 1, 0), CSCTRL_E_INVALID, "found 1 and 0");
    const int scales[] = {10000, INT32_MAX};
    for (int i = 0; i < 2; i++)
        expect_fail(csctrl_image_write_grid(path, &images, 1, scales[i]), CSCTRL_E_SHAPE,
                    "at most 64000000 pixels");
    bad.shape[1] = 2;
    expect_fail(csctrl_image_write_grid(path, &bad, 1, 1), CSCTRL_E_SHAPE, "found f32[2, 2, 4, 4]");
    bad.shape[0] = 0;
    bad.shape[1] = 1;
    expect_fail(csctrl_image_write_grid(path, &bad, 1, 1), CSCTRL_E_SHAPE, "found f32[0, 1, 4, 4]");
    expect_fail(csctrl_image_write(path, &images), CSCTRL_E_SHAPE, "image: expected f32[any, any");
    bad = images;
    bad.dtype = CSCTRL_F64;
    expect_fail(csctrl_image_write_grid(path, &bad, 1, 1), CSCTRL_E_DTYPE, "found f64");
    assert_false(ct_fs_exists(path));
    expect_fail(csctrl_image_write_grid(temp_path(state, "no/g.png"), &images, 1, 1),
                CSCTRL_E_NOT_FOUND, "no/g.png");
}

static void test_full_disk_keeps_the_old_picture(void **state)
{
    float data[16] = {0};
    const csctrl_tensor image = {CSCTRL_F32, 3, {1, 4, 4, 1}, data};
    const char *path = temp_file(state, "w.png", "old", 3);
    unsigned char *file;
    size_t size;

    ct_fs_fail_writes_from(1);
    const csctrl_status status = csctrl_image_write(path, &image);
    ct_fs_fail_writes_from(0);
    expect_fail(status, CSCTRL_E_IO, "No space left");
    expect_ok(ct_fs_read(path, 10, &file, &size));
    assert_string_equal((char *)file, "old");
    ct_free(file);
}

static void test_out_of_memory(void **state)
{
    size_t size;
    uint8_t *file = encode_png(21, 13, PNG_COLOR_TYPE_RGB, 8, 0, &size);
    const char *path = temp_file(state, "r.png", file, size), *out = temp_path(state, "w.png");
    float data[3 * 64];
    csctrl_tensor image = {CSCTRL_F32, 3, {3, 8, 8, 1}, data};
    csctrl_memory_stats before, after;
    csctrl_status read = CSCTRL_E_NOMEM, written = CSCTRL_E_NOMEM;
    uint64_t n = 0;

    csctrl_memory_get_stats(&before);
    while (read != CSCTRL_OK || written != CSCTRL_OK) {
        assert_in_range(++n, 1, 100);
        ct_mem_fail_from(n);
        read = csctrl_image_read(path, &image);
        ct_mem_fail_from(n);
        written = csctrl_image_write(out, &image);
        ct_mem_fail_from(0);
        assert_true(read == CSCTRL_OK || read == CSCTRL_E_NOMEM);
        assert_true(written == CSCTRL_OK || written == CSCTRL_E_NOMEM);
    }
    csctrl_memory_get_stats(&after);
    assert_true(n > 8);
    assert_int_equal(after.bytes, before.bytes);
    free(file);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, temp_make, temp_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_read_is_decode_fit_normalise),
        CASE(test_grey_and_colour),
        CASE(test_one_pixel_jpeg_is_enlarged),
        CASE(test_jpeg_reads_as_in_a_data_set),
        CASE(test_read_errors),
        cmocka_unit_test(test_read_wants_a_square_tensor),
        CASE(test_write_rounds_and_clamps),
        CASE(test_write_then_read_is_exact_on_bytes),
        CASE(test_grid_layout),
        CASE(test_grid_is_no_wider_than_its_images),
        CASE(test_write_errors),
        CASE(test_full_disk_keeps_the_old_picture),
        CASE(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
