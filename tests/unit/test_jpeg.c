/* test_jpeg.c - what is left out or decoded in another way than libjpeg's must not show: the pixels
 * are those of the whole picture, decoded by libjpeg alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "base/mem.h"
#include "io/pixels.h"
#include "support/encode.h"
#include "support/expect.h"

typedef struct plain_decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    uint8_t *data; /* owned */
} plain_decoder;

static void on_error(j_common_ptr info)
{
    plain_decoder *d = info->client_data;

    longjmp(d->escape, 1);
}

static void on_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

/* Pixels [height, width, channels] by libjpeg; NULL when it gives up. */
static uint8_t *decode_plainly(const uint8_t *file, size_t size, int channels, int reduction)
{
    plain_decoder *d = calloc(1, sizeof *d);

    assert_non_null(d);
    d->info.err = jpeg_std_error(&d->errors);
    d->info.client_data = d;
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    if (setjmp(d->escape) == 0) {
        jpeg_create_decompress(&d->info);
        jpeg_mem_src(&d->info, file, size);
        (void)jpeg_read_header(&d->info, TRUE);
        d->info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
        d->info.scale_num = 1;
        d->info.scale_denom = (unsigned)reduction;
        (void)jpeg_start_decompress(&d->info);
        const size_t stride = (size_t)d->info.output_width * (size_t)channels;
        d->data = malloc(stride * d->info.output_height);
        while (d->data != NULL && d->info.output_scanline < d->info.output_height) {
            JSAMPROW row = d->data + d->info.output_scanline * stride;
            (void)jpeg_read_scanlines(&d->info, &row, 1);
        }
        (void)jpeg_finish_decompress(&d->info);
    } else {
        free(d->data);
        d->data = NULL;
    }
    jpeg_destroy_decompress(&d->info);
    uint8_t *data = d->data;
    free(d);
    return data;
}

static void expect_plain(const uint8_t *file, size_t size, const ct_pixels *p)
{
    uint8_t *want = decode_plainly(file, size, p->channels, p->reduction > 0 ? p->reduction : 1);

    assert_non_null(want);
    assert_memory_equal(p->data, want, (size_t)p->width * (size_t)p->height * (size_t)p->channels);
    free(want);
}

/* The whole as libjpeg has it, and from the square the same input as from the whole. */
static void check_kind(const encode_kind *kind, int channels, int at_least)
{
    enum { SIZE = 24 };
    const ct_decoding whole = {.channels = channels, .at_least = at_least},
                      square = {.channels = channels, .at_least = at_least, .square = true};
    uint8_t planes[2][3 * SIZE * SIZE];
    size_t size;
    uint8_t *file = encode_jpeg_kind(kind, &size);
    ct_pixels p, q;

    expect_ok(ct_pixels_decode(file, size, "x", &whole, &p));
    expect_plain(file, size, &p);
    expect_ok(ct_pixels_decode(file, size, "x", &square, &q));
    assert_int_equal(q.reduction, p.reduction);
    assert_true(q.width <= p.width && q.height <= p.height);
    expect_ok(ct_pixels_fit(&p, SIZE, planes[0]));
    expect_ok(ct_pixels_fit(&q, SIZE, planes[1]));
    assert_memory_equal(planes[1], planes[0], (size_t)(channels * SIZE * SIZE));
    ct_pixels_free(&p);
    ct_pixels_free(&q);
    free(file);
}

static const int sides[][2] = {{1, 1},   {1, 90},   {90, 1},   {8, 8},    {40, 17},  {17, 40},
                               {63, 64}, {64, 63},  {97, 65},  {65, 97},  {130, 48}, {48, 130},
                               {33, 31}, {200, 57}, {57, 200}, {149, 61}, {61, 149}, {301, 19}};
static const int samplings[][2] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}, {1, 4},
                                   {4, 2}, {2, 4}, {3, 1}, {1, 3}, {3, 2}};

enum { SIDES = sizeof sides / sizeof sides[0], SAMPLINGS = sizeof samplings / sizeof samplings[0] };

/* at_least makes reductions of 1 to 8 of the smaller side. */
static void check_sides(encode_kind kind)
{
    for (int i = 0; i < SIDES; i++)
        for (int by = 1; by <= 8; by *= 2)
            for (int channels = 1; channels <= 3; channels += 2) {
                kind.width = sides[i][0];
                kind.height = sides[i][1];
                const int side = kind.width < kind.height ? kind.width : kind.height;
                check_kind(&kind, channels, by > 1 ? (side + by - 1) / by : 0);
            }
}

static void test_square_of_colour(void **state)
{
    (void)state;
    for (int k = 0; k < SAMPLINGS; k++)
        check_sides((encode_kind){.components = 3,
                                  .across = samplings[k][0],
                                  .down = samplings[k][1],
                                  .noise = 60,
                                  .optimised = k & 1});
}

static void test_square_of_grey(void **state)
{
    (void)state;
    check_sides((encode_kind){.components = 1, .across = 1, .down = 1, .noise = 60});
    check_sides((encode_kind){.components = 1, .across = 2, .down = 2, .noise = 60});
}

static void test_square_of_other_coding(void **state)
{
    (void)state;
    check_sides((encode_kind){.components = 3, .progressive = 1, .noise = 60});
    check_sides((encode_kind){.components = 3, .restart = 3, .noise = 60});
}

/* From a few bits a block to codes of sixteen bits. */
static void test_every_quality(void **state)
{
    (void)state;
    for (int quality = 1; quality <= 100; quality++)
        for (int optimised = 0; optimised < 2; optimised++) {
            const encode_kind kind = {.width = 120,
                                      .height = 71,
                                      .components = 3,
                                      .quality = quality,
                                      .optimised = optimised,
                                      .noise = quality % 2 ? 200 : 20};
            check_kind(&kind, 3, 0);
        }
}

/* A tall picture's square ends far above the last byte: damage there is the whole file's, and not
 * the square's. Of a wide one everything counts. */
static void test_truncated(void **state)
{
    static const ct_decoding whole = {.channels = 3}, square = {.channels = 3, .square = true};

    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        const encode_kind kind = {
            .width = wide ? 96 : 32, .height = wide ? 32 : 96, .components = 3, .noise = 9};
        size_t size, intact = 0;
        uint8_t *file = encode_jpeg_kind(&kind, &size), want[3 * 64], planes[3 * 64];
        ct_pixels p;
        expect_ok(ct_pixels_decode(file, size, "x", &whole, &p));
        expect_ok(ct_pixels_fit(&p, 8, want));
        ct_pixels_free(&p);
        for (size_t n = 4; n < size; n++) {
            uint8_t *part = malloc(n); /* for the sanitizers */
            assert_non_null(part);
            memcpy(part, file, n);
            expect_fail(ct_pixels_decode(part, n, "x", &whole, &p), CSCTRL_E_FORMAT,
                        "x: expected a sound JPEG");
            if (ct_pixels_decode(part, n, "x", &square, &p) == CSCTRL_OK) {
                intact++;
                expect_ok(ct_pixels_fit(&p, 8, planes));
                assert_memory_equal(planes, want, sizeof want);
            } else {
                assert_int_equal(intact, 0); /* once there is enough, there is with more */
                assert_null(p.data);
            }
            ct_pixels_free(&p);
            free(part);
        }
        assert_true(wide ? intact == 0 : intact > size / 10 && intact < size / 3);
        free(file);
    }
}

/* Damage is accepted or refused as ever; what is accepted is what libjpeg makes of it. */
static void test_damaged(void **state)
{
    int accepted = 0, refused = 0;

    (void)state;
    for (int optimised = 0; optimised < 2; optimised++) {
        const encode_kind kind = {
            .width = 40, .height = 24, .components = 3, .noise = 30, .optimised = optimised};
        size_t size;
        uint8_t *file = encode_jpeg_kind(&kind, &size);
        for (size_t i = 4; i < size; i++)
            for (int bit = 0; bit < 8; bit += 3) {
                ct_pixels p;
                file[i] ^= (uint8_t)(1 << bit);
                if (ct_pixels_decode(file, size, "x", &(ct_decoding){.channels = 3}, &p) ==
                    CSCTRL_OK) {
                    expect_plain(file, size, &p);
                    accepted++;
                } else {
                    refused++;
                }
                ct_pixels_free(&p);
                file[i] ^= (uint8_t)(1 << bit);
            }
        free(file);
    }
    assert_true(accepted > 1000 && refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_square_of_colour),
        cmocka_unit_test(test_square_of_grey),
        cmocka_unit_test(test_square_of_other_coding),
        cmocka_unit_test(test_every_quality),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
