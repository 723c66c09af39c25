/* test_device.c - device cuda against the host: the same games, bit-equal runs, and what a step
 * that is recorded must still tell. On a GPU, or on the host's stand-in for one (tests/cuda). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

/* Sets a number of a parameter, wherever its memory is. */
static void poison(csctrl_trainer *t, const char *name, float value)
{
    ct_exec *ex = t->model->ex;

    expect_ok(ex->ops->upload(ex, tiny_param(t->model, name)->value->data, &value, sizeof value));
}

static csctrl_trainer *trainer_of(const char *device, const char *const *more, const char *run)
{
    const char *texts[16] = {device};
    csctrl_trainer *t = NULL;

    for (size_t i = 0; more[i] != NULL; i++)
        texts[i + 1] = more[i];
    csctrl_config *config = tiny_config_list(texts);
    expect_ok(csctrl_trainer_create(&t, config, run));
    csctrl_config_destroy(&config);
    return t;
}

/* Largest difference of the objectives of two trainers' batches `first` to `last`. */
static double difference(csctrl_trainer *a, csctrl_trainer *b, int first, int last)
{
    csctrl_progress p, q;
    double most = 0;

    for (int i = first; i <= last; i++) {
        expect_ok(csctrl_trainer_step(a, &p));
        expect_ok(csctrl_trainer_step(b, &q));
        assert_true(isfinite(p.max_value) && isfinite(p.min_value));
        most = fmax(most, fabs(p.max_value - q.max_value) / fabs(q.max_value));
        most = fmax(most, fabs(p.min_value - q.min_value) / fabs(q.min_value));
    }
    return most;
}

static const char *const games[][6] = {
    {NULL},
    {"objective.kind=multi", "game.encoder_steps=2", "game.encoder_rate_only=true", NULL},
    {"model.tied=false", "optim.clip=0.1", "optim.ema=0.9", "model.steps=5", NULL},
    {"model.arch=generic", "game.decoder_steps=2", "game.decoder_layer_weight=2", NULL},
    {"model.layers=6x4s2p1 8x3s1p1", "model.mu=0.1", "model.nonneg=[true, false]", "data.flip=true",
     "data.crop_pad=9", NULL},
};
enum { GAMES = sizeof games / sizeof games[0] };

/* 200 batches of the first game, 60 of the others. Adam makes full steps of what is only rounding,
 * so later batches are held to less. */
static void test_games_follow_the_host(void **state)
{
    (void)state;
    for (int g = 0; g < GAMES; g++) {
        const int batches = g == 0 ? 200 : 60;
        const char *texts[8] = {"optim.encoder_lr=1e-4", "optim.decoder_lr=1e-4"};
        for (size_t i = 0; games[g][i] != NULL; i++)
            texts[i + 2] = games[g][i];
        csctrl_trainer *host = trainer_of("device=ref", texts, NULL);
        csctrl_trainer *device = trainer_of("device=cuda", texts, NULL);
        const double early = difference(device, host, 1, 20);
        const double late = difference(device, host, 21, batches);
        print_message("game %d: objectives differ by %.2g in 20 batches, %.2g in %d\n", g, early,
                      late, batches);
        assert_true(early < 1e-4);
        assert_true(late < 1e-2);
        csctrl_trainer_destroy(&device);
        csctrl_trainer_destroy(&host);
    }
}

static void test_bf16_is_near(void **state)
{
    static const char *const exact[] = {NULL}, *const half[] = {"precision=bf16", NULL},
                             *const tf32[] = {"precision=tf32", NULL};
    csctrl_trainer *a = trainer_of("device=cuda", half, NULL);
    csctrl_trainer *b = trainer_of("device=cuda", exact, NULL);
    csctrl_trainer *c = trainer_of("device=cuda", tf32, NULL);
    const double of_half = difference(a, b, 1, 1);

    (void)state;
    assert_true(of_half > 1e-6 && of_half < 5e-2);
    csctrl_trainer_destroy(&b);
    b = trainer_of("device=cuda", exact, NULL);
    const double of_tf32 = difference(c, b, 1, 1);
    assert_true(of_tf32 < of_half); /* cuDNN need not take it */
    csctrl_trainer_destroy(&a);
    csctrl_trainer_destroy(&b);
    csctrl_trainer_destroy(&c);
}

/* Two runs of six batches, one of them stopped after three and resumed. */
static void test_runs_repeat(void **state)
{
    static const char *const texts[] = {
        "train.batches=6", "train.checkpoint_every=3", "optim.ema=0.9",       "optim.clip=1",
        "data.flip=true",  "data.crop_pad=2",          "train.keep_last=100", NULL};
    csctrl_trainer *t = trainer_of("device=cuda", texts, temp_path(state, "whole"));

    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    t = trainer_of("device=cuda", texts, temp_path(state, "parts"));
    for (int i = 0; i < 3; i++)
        expect_ok(csctrl_trainer_step(t, NULL));
    expect_ok(csctrl_trainer_save(t));
    csctrl_trainer_destroy(&t);
    expect_ok(csctrl_trainer_resume(&t, temp_path(state, "parts"), NULL, 0));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    static const char *const files[] = {"model.safetensors", "state.safetensors"};
    for (int i = 0; i < 2; i++) {
        char a[64], b[64];
        snprintf(a, sizeof a, "whole/checkpoints/step-00000006/%s", files[i]);
        snprintf(b, sizeof b, "parts/checkpoints/step-00000006/%s", files[i]);
        expect_same_file(temp_path(state, a), temp_path(state, b));
    }
}

/* At first, and when the batch is a recording: the step fails, names it, and is not saved. */
static void test_not_finite(void **state)
{
    (void)state;
    for (int before = 0; before < 4; before += 3)
        for (int value = 0; value < 2; value++) {
            csctrl_trainer *t = trainer_of("device=cuda", (const char *const[]){NULL}, NULL);
            for (int i = 0; i < before; i++)
                expect_ok(csctrl_trainer_step(t, NULL));
            poison(t, "encoder.1.norm.scale", value == 0 ? NAN : INFINITY);
            expect_fail(csctrl_trainer_step(t, NULL), CSCTRL_E_NUMERIC,
                        "parameter 'encoder.1.norm.scale' is not finite");
            expect_fail(csctrl_trainer_step(t, NULL), CSCTRL_E_STATE, "failed half-way");
            csctrl_trainer_destroy(&t);
        }
}

static void encode_on(const char *device, csctrl_tensor *z, csctrl_tensor *xhat)
{
    csctrl_config *config = tiny_config(device, NULL);
    csctrl_tensor x = tiny_images(21, 1, 3);
    csctrl_model *m = NULL;
    double zeros[CSCTRL_MAX_LAYERS];

    *z = tiny_features(21, 8);
    *xhat = tiny_images(21, 1, 4);
    expect_ok(csctrl_model_create(&m, config, 8));
    expect_ok(csctrl_model_encode(m, &x, z));
    expect_ok(csctrl_model_decode(m, z, xhat));
    expect_ok(csctrl_model_sparsity(m, zeros));
    csctrl_parameter p;
    float atoms[6 * 16];
    expect_ok(csctrl_model_get_parameter(m, 0, &p));
    assert_true((p.value.data == NULL) == (strncmp(device, "device=cuda", 11) == 0));
    expect_ok(csctrl_model_read_parameter(m, 0, atoms, sizeof atoms));
    double squares = 0;
    for (int i = 0; i < 16; i++)
        squares += (double)atoms[i] * (double)atoms[i];
    assert_true(fabs(squares - 1) < 1e-5);
    assert_true(zeros[0] > 0 && zeros[0] < 1);
    csctrl_model_destroy(&m);
    csctrl_config_destroy(&config);
    tiny_free(&x);
}

static double distance(const csctrl_tensor *a, const csctrl_tensor *b)
{
    double most = 0;

    for (int64_t i = 0; i < csctrl_tensor_count(a); i++)
        most = fmax(most, fabs(tiny_get(a, i) - tiny_get(b, i)));
    return most;
}

static void test_inference(void **state)
{
    csctrl_tensor z[2], x[2];

    (void)state;
    encode_on("device=ref", &z[0], &x[0]);
    encode_on("device=cuda:0", &z[1], &x[1]);
    assert_true(distance(&z[0], &z[1]) < 1e-5);
    assert_true(distance(&x[0], &x[1]) < 1e-5);
    for (int i = 0; i < 2; i++) {
        tiny_free(&z[i]);
        tiny_free(&x[i]);
    }
}

static void test_devices(void **state)
{
    ct_exec *ex = NULL;

    (void)state;
    assert_int_equal(ct_exec_create(&ex, &(ct_exec_options){.device = "cuda:99"}),
                     CSCTRL_E_UNSUPPORTED);
    assert_non_null(strstr(csctrl_last_error(), "\"cuda:99\" does not exist"));
    assert_int_equal(ct_exec_create(&ex, &(ct_exec_options){.device = "cuda:"}), CSCTRL_E_INVALID);
    assert_int_equal(ct_exec_create(&ex, &(ct_exec_options){.device = "cuda:1x"}),
                     CSCTRL_E_INVALID);
    assert_int_equal(ct_exec_create(&ex, &(ct_exec_options){.device = "cuda", .dtype = CSCTRL_F64}),
                     CSCTRL_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_games_follow_the_host),
        cmocka_unit_test(test_bf16_is_near),
        cmocka_unit_test_setup_teardown(test_runs_repeat, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_not_finite),
    };
    ct_exec *ex = NULL;

    if (ct_exec_create(&ex, &(ct_exec_options){.device = "cuda"}) != CSCTRL_OK) {
        printf("skipped: %s\n", csctrl_last_error());
        return getenv("CSCTRL_TEST_CUDA") != NULL ? 1 : 77;
    }
    ct_exec_destroy(&ex);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
