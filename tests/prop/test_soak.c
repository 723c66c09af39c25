/* test_soak.c - a training step allocates nothing, memory does not grow over thousands of steps,
 * and a run takes what csctrl_trainer_plan() predicted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

/* A sanitizer's own memory is part of the process. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

enum { STEPS = 2000, WARM = 200, GROWTH = 1 << 20 };

/* ---- a step allocates nothing */

static void check_steps(const char *const texts[])
{
    csctrl_config *config = tiny_config_list(texts);
    csctrl_trainer *t = NULL;
    csctrl_memory_stats before, after;

    expect_ok(csctrl_trainer_create(&t, config, NULL));
    expect_ok(csctrl_trainer_step(t, NULL));
    csctrl_memory_get_stats(&before);
    for (int i = 0; i < 20; i++)
        expect_ok(csctrl_trainer_step(t, NULL));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.allocations - before.allocations, 0);
    assert_int_equal(after.frees - before.frees, 0);
    assert_int_equal(after.bytes, before.bytes);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

static void test_steps_allocate_nothing(void **state)
{
    static const char *const settings[][8] = {
        {NULL},
        {"device=ref", "precision=f64"},
        {"model.tied=false", "objective.kind=multi", "optim.ema=0.9", "optim.clip=1"},
        {"model.arch=generic", "data.channels=3", "data.flip=true", "data.crop_pad=1"},
        {"model.steps=5", "game.encoder_steps=2", "data.loader_threads=3", "threads=2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        check_steps(settings[i]);
}

/* Neither do encode and decode, from the first call on. */
static void test_inference_allocates_nothing(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    csctrl_tensor x = tiny_images(11, 1, 1), z = tiny_features(11, 8);
    csctrl_memory_stats before, after;
    csctrl_model *m = NULL;

    (void)state;
    expect_ok(csctrl_model_create(&m, config, 4));
    csctrl_memory_get_stats(&before);
    expect_ok(csctrl_model_encode(m, &x, &z));
    expect_ok(csctrl_model_decode(m, &z, &x));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.allocations - before.allocations, 0);
    csctrl_model_destroy(&m);
    csctrl_config_destroy(&config);
    tiny_free(&x);
    tiny_free(&z);
}

/* ---- resident memory */

static size_t status_bytes(const char *key)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), ": %zu", &kib);
    fclose(file);
    assert_true(kib > 0);
    return kib * 1024;
}

/* With everything that a run does besides: lines, evaluations, pictures, checkpoints. */
static bool watch(void *user, const csctrl_progress *p)
{
    size_t *resident = user;

    if (p->step == WARM)
        resident[0] = status_bytes("VmRSS");
    if (p->step == STEPS)
        resident[1] = status_bytes("VmRSS");
    return true;
}

static void test_memory_stays_flat(void **state)
{
    csctrl_config *config =
        tiny_config("train.batches=2000", "train.log_every=50", "train.eval_every=100",
                    "train.picture_every=100", "train.checkpoint_every=100", "optim.ema=0.9", NULL);
    csctrl_trainer *t = NULL;
    size_t resident[2] = {0, 0};

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, watch, resident));
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    assert_true(resident[0] > 0 && resident[1] > 0);
    print_message("resident after %d steps %zu KiB, after %d steps %zu KiB\n", (int)WARM,
                  resident[0] / 1024, (int)STEPS, resident[1] / 1024);
    if (!SANITIZED)
        assert_true(resident[1] < resident[0] + GROWTH);
}

/* ---- the prediction, in a process of its own */

/* A run as users start it: the default model at its default batch on 32 x 32 images. */
static int predict_and_run(const char *run)
{
    csctrl_config *config = NULL;
    csctrl_trainer *t = NULL;
    csctrl_memory_plan plan;
    static const char *const texts[] = {"data.kind=synthetic", "data.synthetic_count=2048",
                                        "train.batches=4", "train.checkpoint_every=2"};

    csctrl_status status = csctrl_config_create(&config);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == CSCTRL_OK; i++)
        status = csctrl_config_assign(config, texts[i]);
    if (status == CSCTRL_OK)
        status = csctrl_trainer_plan(config, &plan);
    if (status == CSCTRL_OK)
        status = csctrl_trainer_create(&t, config, run);
    if (status == CSCTRL_OK)
        status = csctrl_trainer_run(t, NULL, NULL);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    if (status != CSCTRL_OK) {
        fprintf(stderr, "child: %s\n", csctrl_last_error());
        return 1;
    }
    const double peak = (double)status_bytes("VmHWM"), error = (double)plan.resident / peak - 1.0;
    printf("predicted %.1f MiB, peak %.1f MiB (%+.1f %%)\n", (double)plan.resident / 1048576.0,
           peak / 1048576.0, 100.0 * error);
    fflush(stdout);
    return SANITIZED || (error < 0.10 && error > -0.10) ? 0 : 2;
}

static void test_predicted_memory(void **state)
{
    assert_int_equal(tiny_wait(tiny_spawn("--run", temp_path(state, "run"))), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_inference_allocates_nothing),
        cmocka_unit_test_setup_teardown(test_memory_stays_flat, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_predicted_memory, tiny_memory_folder, temp_remove),
    };

    if (argc == 3 && strcmp(argv[1], "--run") == 0)
        return predict_and_run(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
