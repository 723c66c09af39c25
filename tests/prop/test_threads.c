/* test_threads.c - where csctrl's own kernels compute, results do not depend on the number of
 * threads. Distinct models are independent (csctrl/model.h), also within the threads of a program's
 * own OpenMP region, where a thread's number says nothing about csctrl's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "csctrl/csctrl.h"
#include "support/expect.h"
#include "support/tiny.h"

enum {
    THREADS = 4,
    IMAGES = 100 /* several blocks in each Winograd layer */,
    SIDE = 32,
    FEATURES = 16
};

/* Every layer goes to a kernel of our own. */
static csctrl_config *make_config(const char *threads)
{
    return tiny_config(threads, "data.size=32", "model.layers=16x4s2p1 32x4s2p1 32x4s2p1 16x4s1p0",
                       NULL);
}

/* Features of a fixed batch by a model of its own. */
static csctrl_status encode(const csctrl_config *config, float *features)
{
    static const int64_t x_shape[] = {IMAGES, 1, SIDE, SIDE}, z_shape[] = {IMAGES, FEATURES};
    float pixels[IMAGES * SIDE * SIDE];
    csctrl_model *model = NULL;
    const csctrl_tensor x = csctrl_tensor_view(CSCTRL_F32, 4, x_shape, pixels);
    csctrl_tensor z = csctrl_tensor_view(CSCTRL_F32, 2, z_shape, features);
    csctrl_status status = csctrl_model_create(&model, config, IMAGES);

    for (int i = 0; i < IMAGES * SIDE * SIDE; i++)
        pixels[i] = (float)(i * 37 % 101) / 50.0F - 1.0F;
    if (status == CSCTRL_OK)
        status = csctrl_model_encode(model, &x, &z);
    csctrl_model_destroy(&model);
    return status;
}

static void test_encode(void **state)
{
    static const char *const threads[] = {"threads=1", "threads=2", "threads=5"};
    float features[3][IMAGES * FEATURES];

    (void)state;
    for (int i = 0; i < 3; i++) {
        csctrl_config *config = make_config(threads[i]);
        expect_ok(encode(config, features[i]));
        csctrl_config_destroy(&config);
        assert_memory_equal(features[i], features[0], sizeof features[0]);
    }
}

/* Both moves of a game: all gradients, and the parameters that they move. */
static void play(tiny_game *g, const char *threads)
{
    double value;

    tiny_game_open(
        g, tiny_config(threads, "model.layers=16x4s2p1 32x4s2p1 16x2s1p0", "precision=f32", NULL),
        TINY_CLASSES);
    expect_ok(tiny_max_move(&g->game, false, &value));
    expect_ok(tiny_update(&g->optim, CT_ENCODER, 1e-3));
    expect_ok(ct_game_follow(&g->game, CT_ENCODER));
    expect_ok(tiny_min_move(&g->game, &value));
    expect_ok(tiny_update(&g->optim, CT_DECODER, 1e-3));
}

static void test_game(void **state)
{
    tiny_game one, other;

    (void)state;
    play(&one, "threads=1");
    play(&other, "threads=3");
    for (size_t i = 0; i < one.model->param_count; i++) {
        const ct_param *a = &one.model->params[i], *b = &other.model->params[i];
        assert_memory_equal(a->value->data, b->value->data, ct_tensor_bytes(a->value));
    }
    tiny_game_close(&one);
    tiny_game_close(&other);
}

static void test_own_region(void **state)
{
    csctrl_config *config = tiny_config("threads=1", "data.size=32",
                                        "model.layers=16x4s2p1 32x4s2p1 32x4s2p1 16x4s1p0", NULL);
    float alone[IMAGES * FEATURES], each[THREADS][IMAGES * FEATURES];
    csctrl_status statuses[THREADS];
    int team = 1;

    (void)state;
    expect_ok(encode(config, alone));
#pragma omp parallel num_threads(THREADS)
    {
        const int i = omp_get_thread_num();
        statuses[i] = encode(config, each[i]);
#pragma omp single
        team = omp_get_num_threads();
    }
    for (int i = 0; i < team; i++) {
        expect_ok(statuses[i]);
        assert_memory_equal(each[i], alone, sizeof alone);
    }
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_game),
        cmocka_unit_test(test_own_region),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
