/* test_pixels_resize.c - centre crop and resize equal Pillow's crop().resize(BICUBIC) bit for bit.
 * The expected values were made with Pillow 9.4 from images of encode_pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "io/pixels.h"
#include "io/resample.h"
#include "support/encode.h"
#include "support/expect.h"

static ct_pixels pattern(int width, int height, int channels)
{
    ct_pixels p = {.width = width, .height = height, .channels = channels};

    p.data = ct_alloc((size_t)width * (size_t)height * (size_t)channels);
    assert_non_null(p.data);
    for (int y = 0, i = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++, i++)
                p.data[i] = encode_pattern(x, y, c);
    return p;
}

typedef struct sizes {
    int width, height, channels, size;
    uint8_t want[64];
} sizes;

static const sizes small[] = {
    /* reduced */
    {13,
     11,
     1,
     4,
     {122, 127, 117, 120, 134, 147, 128, 141, 118, 134, 129, 135, 167, 115, 133, 116}},
    {5, 7, 3, 3, {151, 141, 104, 99,  133, 167, 125, 125, 153, 157, 133, 93,  124, 142,
                  145, 181, 119, 118, 147, 106, 146, 121, 152, 138, 105, 112, 108}},
    /* enlarged */
    {3, 3, 1, 8, {0,   0,   4,   19,  35,  51,  62,  67,  3,   4,   16,  32,  48,  65,  77,  82,
                  30,  33,  44,  62,  81,  104, 121, 128, 68,  73,  85,  104, 125, 152, 170, 178,
                  106, 112, 128, 149, 159, 162, 162, 163, 146, 153, 175, 199, 186, 138, 96,  82,
                  174, 181, 208, 234, 203, 114, 40,  14,  186, 193, 223, 249, 211, 107, 21,  0}},
    /* reduced eightfold, cropped on the left and right */
    {64, 48, 1, 6, {130, 132, 126, 125, 127, 133, 133, 122, 123, 127, 120, 132,
                    121, 125, 124, 131, 133, 138, 133, 145, 150, 124, 124, 131,
                    130, 148, 140, 124, 128, 129, 126, 130, 126, 124, 133, 129}},
    /* only cropped */
    {9, 4, 1, 4, {74, 111, 148, 185, 179, 223, 11, 55, 28, 79, 130, 181, 133, 191, 249, 51}},
    /* one pixel */
    {1, 1, 3, 4, {0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
                  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,  53,
                  106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 106, 106}},
};

static void test_small_images_equal_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        const sizes *s = &small[i];
        const size_t count = (size_t)(s->size * s->size * s->channels);
        uint8_t planes[64];
        ct_pixels p = pattern(s->width, s->height, s->channels);
        expect_ok(ct_pixels_fit(&p, s->size, planes));
        assert_memory_equal(planes, s->want, count);
        ct_pixels_free(&p);
    }
}

static const struct {
    int width, height, channels, size;
    uint32_t crc;
} large[] = {
    {500, 375, 3, 64, 0x7052093b}, {33, 47, 3, 32, 0x143a5e35}, {64, 64, 1, 63, 0xae1f9811},
    {31, 31, 3, 224, 0x26cee0a7},  {1000, 8, 1, 3, 0x526b4b47}, {2, 9, 3, 5, 0x6d039ff1},
    {257, 256, 3, 1, 0x7669cb06},
};
enum { LARGE = sizeof large / sizeof large[0], ROOM = 3 * 224 * 224 };

/* One fitter for all of them: what it keeps from one size must not show in the next. */
static void test_large_images_equal_pillow(void **state)
{
    uint8_t *planes = malloc(ROOM);
    ct_fitter *fitter;

    (void)state;
    assert_non_null(planes);
    expect_ok(ct_fitter_create(&fitter));
    for (int i = 0; i < 3 * LARGE; i++) {
        const int k = i % LARGE;
        const int count = large[k].size * large[k].size * large[k].channels;
        ct_pixels p = pattern(large[k].width, large[k].height, large[k].channels);
        memset(planes, 0xCC, ROOM);
        expect_ok(ct_fitter_run(fitter, &p, large[k].size, planes));
        assert_int_equal(crc32(0, planes, (uInt)count), large[k].crc);
        for (int at = count; at < ROOM; at++)
            assert_int_equal(planes[at], 0xCC);
        ct_pixels_free(&p);
    }
    ct_fitter_destroy(&fitter);
    assert_null(fitter);
    free(planes);
}

/* A slope that the decoder has halved: pixel i stands for the file's 2 i and 2 i + 1. The square is
 * the file's, though its edges lie within pixels; off by half of one shows as two levels. */
static void test_reduced_images_keep_their_place(void **state)
{
    const int sides[][2] = {{61, 31}, {31, 61}, {62, 32}, {60, 33}, {33, 33}};
    enum { SIZE = 16, EDGE = 2 };

    (void)state;
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        const int width = sides[i][0], height = sides[i][1];
        uint8_t data[2][64 * 64], planes[2][SIZE * SIZE];
        const ct_pixels full = {.width = width, .height = height, .channels = 1, .data = data[0]};
        const ct_pixels half = {.width = (width + 1) / 2,
                                .height = (height + 1) / 2,
                                .channels = 1,
                                .data = data[1],
                                .reduction = 2,
                                .full_width = width,
                                .full_height = height};
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                data[0][y * width + x] = (uint8_t)(3 + 2 * (x + y));
        for (int y = 0; y < half.height; y++)
            for (int x = 0; x < half.width; x++)
                data[1][y * half.width + x] = (uint8_t)(5 + 4 * (x + y));
        expect_ok(ct_pixels_fit(&full, SIZE, planes[0]));
        expect_ok(ct_pixels_fit(&half, SIZE, planes[1]));
        for (int y = EDGE; y < SIZE - EDGE; y++)
            for (int x = EDGE; x < SIZE - EDGE; x++)
                assert_in_range(planes[1][y * SIZE + x] + 1, planes[0][y * SIZE + x],
                                planes[0][y * SIZE + x] + 2);
    }
}

static void test_flat_images_stay_flat(void **state)
{
    uint8_t planes[40 * 40], data[30 * 30];

    (void)state;
    for (int value = 0; value < 256; value += 51) {
        memset(data, value, sizeof data);
        const ct_pixels p = {.width = 30, .height = 30, .channels = 1, .data = data};
        for (int size = 1; size <= 40; size++) {
            expect_ok(ct_pixels_fit(&p, size, planes));
            for (int i = 0; i < size * size; i++)
                assert_int_equal(planes[i], value);
        }
    }
}

static void test_second_run_allocates_nothing(void **state)
{
    uint8_t planes[3 * 16 * 16];
    ct_pixels p = pattern(50, 40, 3);
    csctrl_memory_stats before, after;
    ct_fitter *fitter;

    (void)state;
    expect_ok(ct_fitter_create(&fitter));
    expect_ok(ct_fitter_run(fitter, &p, 16, planes));
    csctrl_memory_get_stats(&before);
    expect_ok(ct_fitter_run(fitter, &p, 16, planes));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.allocations, before.allocations);
    ct_fitter_destroy(&fitter);
    ct_pixels_free(&p);
}

/* After any failed allocation the fitter still works. */
static void test_out_of_memory(void **state)
{
    uint8_t planes[3 * 16 * 16], want[3 * 16 * 16];
    ct_pixels p = pattern(50, 40, 3), small_one = pattern(9, 9, 3);
    int failures = 0;

    (void)state;
    expect_ok(ct_pixels_fit(&p, 16, want));
    for (uint64_t n = 1; n <= 12; n++) {
        ct_fitter *fitter;
        expect_ok(ct_fitter_create(&fitter));
        expect_ok(ct_fitter_run(fitter, &small_one, 8, planes));
        ct_mem_fail_from(n);
        const csctrl_status status = ct_fitter_run(fitter, &p, 16, planes);
        ct_mem_fail_from(0);
        assert_true(status == CSCTRL_OK || status == CSCTRL_E_NOMEM);
        failures += status != CSCTRL_OK;
        expect_ok(ct_fitter_run(fitter, &p, 16, planes));
        assert_memory_equal(planes, want, sizeof want);
        ct_fitter_destroy(&fitter);
    }
    assert_in_range(failures, 5, 11);
    ct_pixels_free(&p);
    ct_pixels_free(&small_one);
}

static void test_normalise(void **state)
{
    const uint8_t in[4] = {0, 255, 51, 204};
    float out[4];

    (void)state;
    ct_pixels_normalise(in, 4, out);
    assert_true(out[0] == -1.0f && out[1] == 1.0f);
    assert_true(out[2] > -0.6001f && out[2] < -0.5999f && out[3] > 0.5999f && out[3] < 0.6001f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_images_equal_pillow),
        cmocka_unit_test(test_large_images_equal_pillow),
        cmocka_unit_test(test_reduced_images_keep_their_place),
        cmocka_unit_test(test_flat_images_stay_flat),
        cmocka_unit_test(test_second_run_allocates_nothing),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_normalise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
