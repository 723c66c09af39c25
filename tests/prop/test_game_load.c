/* test_game_load.c - the batch that is played with is the one that was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/crop.h"
#include "support/expect.h"
#include "support/tiny.h"

enum { SIDE = TINY_SIZE, PLANE = SIDE * SIDE, CHANNELS = 3, COUNT = TINY_BATCH * CHANNELS * PLANE };

static const char *const devices[][2] = {{"device=ref", "precision=f64"},
                                         {"device=ref", "precision=f32"},
                                         {"device=auto", "precision=f32"}};
enum { DEVICES = sizeof devices / sizeof devices[0] };

static void open_colour(tiny_game *g, const char *const device[2])
{
    tiny_game_open(g, tiny_config(device[0], device[1], "data.channels=3", NULL), 3);
}

static csctrl_tensor images_of(csctrl_dtype dtype, void *data)
{
    return csctrl_tensor_view(dtype, 4, (const int64_t[]){TINY_BATCH, CHANNELS, SIDE, SIDE}, data);
}

static void make_bytes(unsigned char *bytes)
{
    for (int i = 0; i < COUNT; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
}

/* A batch of bytes is the batch of the numbers that they stand for. */
static void test_bytes_are_their_numbers(void **state)
{
    unsigned char bytes[COUNT];
    float numbers[COUNT];

    (void)state;
    make_bytes(bytes);
    for (int i = 0; i < COUNT; i++)
        numbers[i] = ct_tensor_pixel(bytes[i]);
    for (int d = 0; d < DEVICES; d++) {
        double of_bytes, of_numbers;
        tiny_game g;
        open_colour(&g, devices[d]);
        ct_batch batch = {.images = images_of(CSCTRL_U8, bytes), .labels = g.labels};
        expect_ok(ct_game_load(&g.game, &batch));
        expect_ok(tiny_max_move(&g.game, false, &of_bytes));
        batch.images = images_of(CSCTRL_F32, numbers);
        expect_ok(ct_game_load(&g.game, &batch));
        expect_ok(tiny_max_move(&g.game, false, &of_numbers));
        assert_true(of_bytes == of_numbers);
        batch.images.dtype = CSCTRL_F64;
        expect_fail(ct_game_load(&g.game, &batch), CSCTRL_E_DTYPE, "batch");
        tiny_game_close(&g);
    }
}

/* What the batch was loaded to, of the numbers' type. */
static void load(tiny_game *g, unsigned char *bytes, const ct_crop *crops, double *x)
{
    const ct_batch batch = {
        .images = images_of(CSCTRL_U8, bytes), .crops = crops, .labels = g->labels};
    ct_exec *ex = g->model->ex;

    expect_ok(ct_game_load(&g->game, &batch));
    expect_ok(ex->ops->download(ex, x, g->game.x.data, ct_tensor_bytes(&g->game.x)));
}

/* A batch and its crops is, bit for bit, the batch of the images cropped. */
static void test_crops_are_their_pixels(void **state)
{
    static const ct_crop crops[TINY_BATCH] = {{0, 0, false}, {0, 0, true},    {3, -2, false},
                                              {-3, 2, true}, {-1, 0, true},   {0, 5, false},
                                              {64, 1, true}, {-9, -64, false}};
    unsigned char bytes[COUNT], cropped[COUNT];
    double x[2][COUNT] = {0};

    (void)state;
    make_bytes(bytes);
    for (int i = 0; i < COUNT; i++)
        cropped[i] =
            bytes[i / PLANE * PLANE + cropped_pixel(crops[i / PLANE / CHANNELS], i / SIDE % SIDE,
                                                    i % SIDE, SIDE, SIDE)];
    for (int d = 0; d < DEVICES; d++) {
        tiny_game g;
        open_colour(&g, devices[d]);
        load(&g, bytes, NULL, x[1]);
        load(&g, bytes, crops, x[0]);
        assert_memory_not_equal(x[0], x[1], ct_tensor_bytes(&g.game.x));
        load(&g, cropped, NULL, x[1]);
        assert_memory_equal(x[0], x[1], ct_tensor_bytes(&g.game.x));
        tiny_game_close(&g);
    }
}

/* A batch that was brought ahead is the one that was brought, batch after batch; one that was not
 * may follow. */
static void test_ahead(void **state)
{
    enum { BATCHES = 5 };
    static const ct_crop crops[TINY_BATCH] = {{1, 0, true}, {0, -2, false}};
    static unsigned char bytes[BATCHES][COUNT];
    double x[2][COUNT] = {0};

    (void)state;
    for (int b = 0; b < BATCHES; b++) {
        make_bytes(bytes[b]);
        bytes[b][b] = (unsigned char)(bytes[b][b] + 100);
    }
    for (int d = 0; d < DEVICES; d++) {
        tiny_game g, direct;
        open_colour(&g, devices[d]);
        open_colour(&direct, devices[d]);
        load(&g, bytes[0], NULL, x[0]);
        for (int b = 1; b < BATCHES; b++) {
            const ct_crop *chosen = b % 2 == 0 ? crops : NULL;
            const ct_batch batch = {
                .images = images_of(CSCTRL_U8, bytes[b]), .crops = chosen, .labels = g.labels};
            if (b < BATCHES - 1)
                expect_ok(ct_feed_ahead(&g.game.feed, &batch));
            load(&g, bytes[b], chosen, x[0]);
            load(&direct, bytes[b], chosen, x[1]);
            assert_memory_equal(x[0], x[1], ct_tensor_bytes(&g.game.x));
        }
        tiny_game_close(&direct);
        tiny_game_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_their_numbers),
        cmocka_unit_test(test_crops_are_their_pixels),
        cmocka_unit_test(test_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
