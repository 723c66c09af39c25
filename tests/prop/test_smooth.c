/* test_smooth.c - gradients of whole moves in float against double, on a net without kinks: codes
 * of either sign without a threshold, and shifts that keep every ReLU open. What differs then is
 * rounding alone, of Winograd's transforms for the most part. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/tiny.h"

enum { BATCH = 32 };

typedef struct net {
    csctrl_config *config;
    csctrl_model *model;
    ct_game game;
} net;

static bool ends(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void open_net(net *t, const char *device, const char *choice, const char *layers)
{
    const char *const texts[] = {"data.size=16",
                                 "data.channels=3",
                                 layers,
                                 "model.lambda=0",
                                 "model.nonneg=false",
                                 "objective.kind=binary",
                                 device,
                                 choice,
                                 NULL};

    t->config = tiny_config_list(texts);
    expect_ok(ct_model_begin(&t->model, t->config, BATCH, true, false, NULL));
    expect_ok(ct_game_create(&t->game, t->model, NULL, TINY_CLASSES));
    expect_ok(ct_model_finish(t->model));
    ct_game_bind(&t->game);
    for (size_t i = 0; i < t->model->param_count; i++) {
        const ct_param *p = &t->model->params[i];
        for (int64_t j = 0; strncmp(p->name, "decoder.", 8) == 0 && ends(p->name, ".shift") &&
                            j < csctrl_tensor_count(p->value);
             j++)
            tiny_set(p->value, j, 8.0);
    }
}

static void close_net(net *t)
{
    ct_game_destroy(&t->game);
    csctrl_model_destroy(&t->model);
    csctrl_config_destroy(&t->config);
}

static double relative(const ct_tensor *a, const ct_tensor *b)
{
    double error = 0.0, size = 0.0;

    for (int64_t i = 0; i < csctrl_tensor_count(a); i++) {
        error += pow(tiny_get(a, i) - tiny_get(b, i), 2.0);
        size += pow(tiny_get(b, i), 2.0);
    }
    return sqrt(error / size);
}

static int compare(const net *fast, const net *exact, ct_player player, double tolerance)
{
    int compared = 0;

    for (size_t i = 0; i < exact->model->param_count; i++) {
        const ct_param *a = &fast->model->params[i], *b = &exact->model->params[i];
        if (!b->played_by[player] || !ends(b->name, "dictionary"))
            continue;
        const double error = relative(a->grad, b->grad);
        if (!(error <= tolerance))
            fail_msg("gradient of %s: relative error %.3g, at most %.3g expected", b->name, error,
                     tolerance);
        compared++;
    }
    return compared;
}

static void moves_agree(const char *choice, const char *layers, int dictionaries, double tolerance)
{
    net fast, exact;
    csctrl_tensor images = {0};
    int64_t labels[BATCH];
    double a, b;

    open_net(&exact, "device=ref", "precision=f64", layers);
    open_net(&fast, "device=auto", choice, layers);
    images = tiny_images(4 * BATCH, 3, 7); /* of 8 x 8: as many numbers as BATCH of 16 x 16 */
    images.shape[0] = BATCH;
    images.shape[2] = images.shape[3] = 16;
    for (int i = 0; i < BATCH; i++)
        labels[i] = i % TINY_CLASSES;
    expect_ok(ct_game_load(&exact.game, &(ct_batch){.images = images, .labels = labels}));
    expect_ok(ct_game_load(&fast.game, &(ct_batch){.images = images, .labels = labels}));
    expect_ok(tiny_max_move(&exact.game, false, &b));
    expect_ok(tiny_max_move(&fast.game, false, &a));
    assert_true(fabs(a - b) <= tolerance * fabs(b));
    assert_int_equal(compare(&fast, &exact, CT_ENCODER, tolerance), dictionaries);
    expect_ok(tiny_min_move(&exact.game, &b));
    expect_ok(tiny_min_move(&fast.game, &a));
    assert_int_equal(compare(&fast, &exact, CT_DECODER, tolerance), dictionaries);
    tiny_free(&images);
    close_net(&fast);
    close_net(&exact);
}

static void test_stride_2(void **state)
{
    (void)state;
    moves_agree("isa=auto", "model.layers=16x4s2p1 32x4s2p1 16x4s1p0", 3, 5e-5);
    moves_agree("isa=portable", "model.layers=16x4s2p1 32x4s2p1 16x4s1p0", 3, 5e-5);
}

static void test_3x3(void **state)
{
    (void)state;
    moves_agree("isa=auto", "model.layers=16x4s2p1 16x3s1p1 32x4s2p1 16x4s1p0", 4, 2e-4);
}

/* Operands of 8 bits: half a percent a product, which the differences of features in the loss
 * magnify. PyTorch's autocast is about as far off. */
static void test_bf16(void **state)
{
    (void)state;
    moves_agree("precision=bf16", "model.layers=16x4s2p1 32x4s2p1 16x4s1p0", 3, 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stride_2),
        cmocka_unit_test(test_3x3),
        cmocka_unit_test(test_bf16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
