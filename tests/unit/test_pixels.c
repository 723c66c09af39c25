/* test_pixels.c - JPEG and PNG decoding: kinds, conversions, limits, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <png.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/pixels.h"
#include "support/encode.h"
#include "support/expect.h"

static ct_pixels decode_ok(uint8_t *file, size_t size, int channels, int at_least)
{
    const ct_decoding how = {.channels = channels, .at_least = at_least};
    ct_pixels p;

    expect_ok(ct_pixels_decode(file, size, "x", &how, &p));
    assert_int_equal(p.channels, channels);
    free(file);
    return p;
}

/* Rec. 601, rounded. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] + 0.5);
}

static uint8_t over_black(int value, int alpha)
{
    return (uint8_t)(value * alpha / 255.0 + 0.5);
}

static void expect_pixel(const ct_pixels *p, int x, int y, const uint8_t rgb[3])
{
    const uint8_t *at = p->data + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;

    if (p->channels == 3)
        for (int c = 0; c < 3; c++)
            assert_in_range(at[c] + 1, rgb[c], rgb[c] + 2); /* one off is rounding */
    else
        assert_in_range(at[0] + 1, luma(rgb), luma(rgb) + 2);
}

/* What encode_png's pixel is, in 8-bit RGB over black. */
static void want_pixel(int x, int y, int colour, int depth, uint8_t rgb[3])
{
    static const uint8_t palette[4][4] = {
        {0, 0, 0, 255}, {255, 0, 0, 128}, {0, 255, 0, 255}, {10, 20, 250, 255}};
    const bool grey = !(colour & PNG_COLOR_MASK_COLOR), alpha = colour & PNG_COLOR_MASK_ALPHA;

    for (int c = 0; c < 3; c++) {
        if (colour == PNG_COLOR_TYPE_PALETTE) {
            const uint8_t *entry = palette[encode_pattern(x, y, 0) % 4];
            rgb[c] = over_black(entry[c], entry[3]);
            continue;
        }
        int value = encode_pattern(x, y, grey ? 0 : c);
        if (depth < 8)
            value = (value >> (8 - depth)) * 255 / ((1 << depth) - 1);
        if (depth == 16)
            value = (int)(value * 256 / 65535.0 * 255.0 + 0.5);
        int a = alpha ? encode_pattern(x, y, grey ? 1 : 3) : 255;
        if (alpha && depth == 16)
            a = (int)(a * 256 / 65535.0 * 255.0 + 0.5);
        rgb[c] = over_black(value, a);
    }
}

static void check_png(int colour, int depth, int interlaced)
{
    enum { W = 13, H = 9 };

    for (int channels = 1; channels <= 3; channels += 2) {
        size_t size;
        uint8_t *file = encode_png(W, H, colour, depth, interlaced, &size);
        ct_pixels p = decode_ok(file, size, channels, 0);
        assert_int_equal(p.width, W);
        assert_int_equal(p.height, H);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                uint8_t rgb[3];
                want_pixel(x, y, colour, depth, rgb);
                expect_pixel(&p, x, y, rgb);
            }
        ct_pixels_free(&p);
        assert_null(p.data);
    }
}

static void test_every_kind_of_png(void **state)
{
    (void)state;
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        for (int depth = 1; depth <= 16; depth *= 2)
            check_png(PNG_COLOR_TYPE_GRAY, depth, interlaced);
        for (int depth = 2; depth <= 8; depth *= 2)
            check_png(PNG_COLOR_TYPE_PALETTE, depth, interlaced);
        for (int depth = 8; depth <= 16; depth *= 2) {
            check_png(PNG_COLOR_TYPE_RGB, depth, interlaced);
            check_png(PNG_COLOR_TYPE_GRAY_ALPHA, depth, interlaced);
            check_png(PNG_COLOR_TYPE_RGB_ALPHA, depth, interlaced);
        }
    }
}

static void test_encoded_png_reads_back(void **state)
{
    uint8_t data[5 * 3 * 3], *file;
    size_t size;

    (void)state;
    for (int i = 0; i < 45; i++)
        data[i] = (uint8_t)(i * 5);
    for (int channels = 1; channels <= 3; channels += 2) {
        const ct_pixels p = {.width = 5, .height = 3, .channels = channels, .data = data};
        ct_pixels back;
        expect_ok(ct_pixels_encode_png(&p, &file, &size));
        expect_ok(ct_pixels_decode(file, size, "x", &(ct_decoding){.channels = channels}, &back));
        assert_memory_equal(back.data, data, 15 * (size_t)channels);
        ct_pixels_free(&back);
        ct_free(file);
    }
}

static void test_jpeg(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        const int components = k & 1 ? 3 : 1, channels = k & 2 ? 3 : 1;
        size_t size;
        uint8_t *file = encode_jpeg(40, 24, components, k & 4, &size);
        ct_pixels p = decode_ok(file, size, channels, 0);
        assert_int_equal(p.width, 40);
        assert_int_equal(p.height, 24);
        for (int y = 0; y < 24; y++)
            for (int x = 0; x < 40; x++) {
                const int base = 100 * x / 40 + 100 * y / 24;
                const uint8_t rgb[3] = {(uint8_t)base, (uint8_t)(base + 20), (uint8_t)(base + 40)};
                const uint8_t *at = p.data + (y * 40 + x) * channels;
                for (int c = 0; c < channels; c++) {
                    const int want = components == 1 ? base : channels == 1 ? luma(rgb) : rgb[c];
                    assert_in_range(at[c] + 8, want, want + 16);
                }
            }
        ct_pixels_free(&p);
    }
}

static void test_jpeg_is_reduced_while_decoding(void **state)
{
    const int cases[][3] = {{0, 200, 100}, {101, 200, 100}, {100, 200, 100}, {51, 200, 100},
                            {50, 100, 50}, {26, 100, 50},   {25, 50, 25},    {14, 50, 25},
                            {13, 25, 13},  {1, 25, 13}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        uint8_t *file = encode_jpeg(200, 100, 3, 0, &size);
        ct_pixels p = decode_ok(file, size, 3, cases[i][0]);
        assert_int_equal(p.width, cases[i][1]);
        assert_int_equal(p.height, cases[i][2]);
        ct_pixels_free(&p);
    }
}

static void test_one_pixel(void **state)
{
    uint8_t planes[3 * 8 * 8];
    size_t size;

    (void)state;
    uint8_t *file = encode_jpeg(1, 1, 3, 0, &size);
    ct_pixels p = decode_ok(file, size, 3, 32);
    assert_int_equal(p.width * p.height, 1);
    expect_ok(ct_pixels_fit(&p, 8, planes));
    for (int i = 0; i < 3 * 64; i++)
        assert_int_equal(planes[i], p.data[i / 64]);
    ct_pixels_free(&p);
}

static void expect_refused(uint8_t *file, size_t size, csctrl_status want, const char *part)
{
    ct_pixels p = {.data = file};

    expect_fail(ct_pixels_decode(file, size, "x.img", &(ct_decoding){.channels = 3}, &p), want,
                part);
    assert_non_null(strstr(csctrl_last_error(), "x.img"));
    assert_null(p.data);
    free(file);
}

static void test_other_formats_are_refused(void **state)
{
    size_t size;
    ct_pixels p;

    (void)state;
    uint8_t *file = encode_jpeg(8, 8, 4, 0, &size);
    expect_refused(file, size, CSCTRL_E_UNSUPPORTED, "found CMYK; convert it to RGB");
    file = encode_jpeg(8, 8, 2, 0, &size);
    expect_refused(file, size, CSCTRL_E_UNSUPPORTED, "found one of 2 components");
    expect_refused(calloc(1, 1), 0, CSCTRL_E_UNSUPPORTED, "found an empty file");
    expect_refused(calloc(9, 1), 9, CSCTRL_E_UNSUPPORTED, "expected a JPEG or PNG image");
    expect_fail(ct_pixels_decode("", 0, "x", &(ct_decoding){.channels = 2}, &p), CSCTRL_E_INVALID,
                "found 2");
}

/* Offset of marker FF `code`. */
static size_t find_marker(const uint8_t *file, size_t size, int code, size_t from)
{
    for (size_t i = from; i + 1 < size; i++)
        if (file[i] == 0xFF && file[i + 1] == code)
            return i;
    fail_msg("no marker");
    return 0;
}

static void put_be(uint8_t *at, int count, uint32_t value)
{
    for (int i = count; i-- > 0; value >>= 8)
        at[i] = (uint8_t)value;
}

static void test_huge_jpeg_is_refused_by_its_header(void **state)
{
    const double start = ct_now();
    size_t size;

    (void)state;
    uint8_t *file = encode_jpeg(8, 8, 1, 0, &size);
    const size_t frame = find_marker(file, size, 0xC0, 0);
    put_be(file + frame + 5, 2, 20000);
    put_be(file + frame + 7, 2, 20000);
    csctrl_memory_stats before, after;
    csctrl_memory_get_stats(&before);
    expect_refused(file, size, CSCTRL_E_UNSUPPORTED,
                   "expected at most 64000000 pixels, found 20000 x 20000");
    csctrl_memory_get_stats(&after);
    assert_true(after.peak_bytes < 100 << 20);
    assert_true(ct_now() - start < 1.0);
}

static void test_huge_png_is_refused_by_its_header(void **state)
{
    const uint32_t sides[] = {20000, 2000000000};

    (void)state;
    for (int i = 0; i < 2; i++) {
        size_t size;
        uint8_t *file = encode_png(8, 8, PNG_COLOR_TYPE_GRAY, 8, 0, &size);
        put_be(file + 16, 4, sides[i]);
        put_be(file + 20, 4, sides[i]);
        png_uint_32 crc = 0xFFFFFFFF; /* of the chunk's type and data */
        for (int k = 12; k < 29; k++) {
            crc ^= file[k];
            for (int bit = 0; bit < 8; bit++)
                crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
        }
        put_be(file + 29, 4, ~crc);
        expect_refused(file, size, CSCTRL_E_UNSUPPORTED,
                       i == 0 ? "found 20000 x 20000" : "found 2000000000 x 2000000000");
    }
}

static void test_thousands_of_scans_are_refused(void **state)
{
    size_t size;

    (void)state;
    uint8_t *file = encode_jpeg(64, 64, 1, 1, &size);
    const size_t scan = find_marker(file, size, 0xDA, 0);
    size_t end = scan + 2;
    while (file[end] != 0xFF || file[end + 1] == 0)
        end++;
    const size_t length = end - scan, repeat = 300;
    uint8_t *long_file = malloc(size + repeat * length);
    assert_non_null(long_file);
    memcpy(long_file, file, scan);
    for (size_t i = 0; i <= repeat; i++)
        memcpy(long_file + scan + i * length, file + scan, length);
    memcpy(long_file + end + repeat * length, file + end, size - end);
    free(file);
    expect_refused(long_file, size + repeat * length, CSCTRL_E_UNSUPPORTED, "at most 100 scans");
}

static void expect_all_truncations_fail(uint8_t *file, size_t size)
{
    for (size_t n = 4; n < size; n++) {
        uint8_t *part = malloc(n);
        assert_non_null(part);
        memcpy(part, file, n);
        expect_refused(part, n, CSCTRL_E_FORMAT, "expected a sound");
    }
    free(file);
}

static void test_truncated_files(void **state)
{
    size_t size;

    (void)state;
    uint8_t *file = encode_jpeg(24, 24, 3, 0, &size);
    expect_all_truncations_fail(file, size);
    file = encode_jpeg(24, 24, 1, 1, &size);
    expect_all_truncations_fail(file, size);
    file = encode_png(9, 9, PNG_COLOR_TYPE_RGB, 8, 0, &size);
    expect_all_truncations_fail(file, size);
    file = encode_png(9, 9, PNG_COLOR_TYPE_PALETTE, 8, 1, &size);
    expect_all_truncations_fail(file, size);
}

/* A flipped bit in a PNG's image data is found by its checksums. In a JPEG it may go unseen; it
 * must not do harm. */
static void test_damaged_files(void **state)
{
    size_t size;

    (void)state;
    uint8_t *file = encode_png(9, 9, PNG_COLOR_TYPE_RGB, 8, 0, &size);
    for (size_t i = 41; i < size - 20; i++) {
        uint8_t *bad = malloc(size);
        assert_non_null(bad);
        memcpy(bad, file, size);
        bad[i] ^= 0x10;
        expect_refused(bad, size, CSCTRL_E_FORMAT, "expected a sound PNG, found:");
    }
    free(file);
    file = encode_jpeg(24, 24, 3, 0, &size);
    for (size_t i = 4; i < size; i++) {
        ct_pixels p;
        file[i] ^= 0x10;
        if (ct_pixels_decode(file, size, "x", &(ct_decoding){.channels = 3}, &p) == CSCTRL_OK)
            assert_non_null(p.data);
        else
            assert_null(p.data);
        ct_pixels_free(&p);
        file[i] ^= 0x10;
    }
    free(file);
}

static void test_out_of_memory(void **state)
{
    size_t jpeg_size, png_size, size;
    uint8_t *jpeg = encode_jpeg(24, 24, 3, 0, &jpeg_size);
    uint8_t *png = encode_png(9, 9, PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, &png_size), *out;
    csctrl_memory_stats before, after;
    int failures = 0;

    (void)state;
    csctrl_memory_get_stats(&before);
    for (uint64_t n = 1; n <= 6; n++) {
        ct_pixels a, b;
        uint8_t planes[3 * 16 * 16];
        ct_mem_fail_from(n);
        csctrl_status s = ct_pixels_decode(jpeg, jpeg_size, "x", &(ct_decoding){.channels = 3}, &a);
        ct_mem_fail_from(n);
        const csctrl_status t =
            ct_pixels_decode(png, png_size, "x", &(ct_decoding){.channels = 1}, &b);
        ct_mem_fail_from(0);
        assert_true(s == CSCTRL_OK || s == CSCTRL_E_NOMEM);
        assert_true(t == CSCTRL_OK || t == CSCTRL_E_NOMEM);
        failures += (s != CSCTRL_OK) + (t != CSCTRL_OK);
        if (s == CSCTRL_OK) {
            ct_mem_fail_from(n);
            const csctrl_status fitted = ct_pixels_fit(&a, 16, planes);
            ct_mem_fail_from(n);
            s = ct_pixels_encode_png(&a, &out, &size);
            ct_mem_fail_from(0);
            assert_true(s == CSCTRL_OK || s == CSCTRL_E_NOMEM);
            assert_true(fitted == CSCTRL_OK || fitted == CSCTRL_E_NOMEM);
            ct_free(out);
        }
        ct_pixels_free(&a);
        ct_pixels_free(&b);
    }
    csctrl_memory_get_stats(&after);
    assert_int_equal(failures, 2 + 3);
    assert_int_equal(after.bytes, before.bytes);
    free(jpeg);
    free(png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_png),
        cmocka_unit_test(test_encoded_png_reads_back),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_jpeg_is_reduced_while_decoding),
        cmocka_unit_test(test_one_pixel),
        cmocka_unit_test(test_other_formats_are_refused),
        cmocka_unit_test(test_huge_jpeg_is_refused_by_its_header),
        cmocka_unit_test(test_huge_png_is_refused_by_its_header),
        cmocka_unit_test(test_thousands_of_scans_are_refused),
        cmocka_unit_test(test_truncated_files),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
