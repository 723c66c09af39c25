/* test_resume.c - interrupted and resumed equals uninterrupted, to the byte; so does any number of
 * loader threads. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "model/checkpoint.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

/* 8 batches an epoch: 3 and 10 both lie in the middle of one. */
enum { HALF = 3, WHOLE = 10, KILLS = 10, KILLED_STEPS = 60 };

typedef struct setting {
    const char *name;
    const char *texts[10];
} setting;

static const setting settings[] = {
    {"plain", {NULL}},
    {"everything",
     {"optim.ema=0.9", "optim.schedule=cosine", "optim.warmup=5", "optim.clip=1", "data.flip=true",
      "data.crop_pad=2", "objective.kind=multi", "game.encoder_steps=2", "train.eval_every=3"}},
    {"untied, two threads", {"model.tied=false", "threads=2", "optim.schedule=linear"}},
    {"generic", {"model.arch=generic", "data.channels=3", "optim.ema=0.99"}},
    {"reference in double", {"device=ref", "precision=f64", "data.flip=true"}},
};
enum { SETTINGS = sizeof settings / sizeof settings[0] };

static csctrl_config *config_of(const setting *s, int batches)
{
    csctrl_config *config = tiny_config_list(s->texts);
    char text[32];

    snprintf(text, sizeof text, "%d", batches);
    expect_ok(csctrl_config_set(config, "train.batches", text));
    return config;
}

static void run_whole(const csctrl_config *config, const char *run)
{
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, run));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
}

static bool stop_at_half(void *user, const csctrl_progress *p)
{
    (void)user;
    return p->step < HALF;
}

/* A new run up to HALF. */
static void run_half(const csctrl_config *config, const char *run)
{
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, run));
    expect_fail(csctrl_trainer_run(t, stop_at_half, NULL), CSCTRL_E_INTERRUPTED,
                "stopped by request after step 3 of 10; the state is saved");
    csctrl_trainer_destroy(&t);
}

static void run_rest(const char *run)
{
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_resume(&t, run, NULL, 0));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
}

/* Steps of metrics.jsonl in order: every one from 1 on, once. */
static void expect_every_step_logged(const char *path, int steps)
{
    char *text = tiny_text(path);
    int line = 0;

    for (char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        char want[32];
        snprintf(want, sizeof want, "{\"step\": %d,", ++line);
        assert_memory_equal(at, want, strlen(want));
    }
    assert_int_equal(line, steps);
    free(text);
}

static void test_interrupted(void **state)
{
    const char *last = "checkpoints/step-00000010";
    char whole[64], parts[64], name[128];

    for (int i = 0; i < SETTINGS; i++) {
        csctrl_config *config = config_of(&settings[i], WHOLE);
        print_message("%s\n", settings[i].name);
        snprintf(whole, sizeof whole, "whole%d", i);
        snprintf(parts, sizeof parts, "parts%d", i);
        run_whole(config, temp_path(state, whole));
        run_half(config, temp_path(state, parts));
        run_rest(temp_path(state, parts));
        char *a = ct_path_join(temp_path(state, whole), last),
             *b = ct_path_join(temp_path(state, parts), last);
        expect_same_folder(a, b);
        ct_free(a);
        ct_free(b);
        snprintf(name, sizeof name, "%s/metrics.jsonl", parts);
        expect_every_step_logged(temp_path(state, name), WHOLE);
        csctrl_config_destroy(&config);
    }
}

/* Saved by csctrl_trainer_save() and stopped by csctrl_trainer_request_stop(), several times. */
static void test_many_interruptions(void **state)
{
    csctrl_config *config = config_of(&settings[1], WHOLE);
    char *run = strdup(temp_path(state, "parts"));
    csctrl_trainer *t = NULL;

    /* not at a step that is played by hand: only a run evaluates */
    expect_ok(csctrl_config_assign(config, "train.eval_every=9"));
    run_whole(config, temp_path(state, "whole"));
    expect_ok(csctrl_trainer_create(&t, config, run));
    for (int step = 1; step <= 5; step++) {
        expect_ok(csctrl_trainer_step(t, NULL));
        expect_ok(csctrl_trainer_save(t));
        csctrl_trainer_destroy(&t);
        expect_ok(csctrl_trainer_resume(&t, run, NULL, 0));
        assert_int_equal(t->model->step, step);
    }
    csctrl_trainer_request_stop(t);
    expect_fail(csctrl_trainer_run(t, NULL, NULL), CSCTRL_E_INTERRUPTED, "after step 6 of 10");
    csctrl_trainer_destroy(&t);
    run_rest(run);
    expect_same_folder(temp_path(state, "whole/checkpoints/step-00000010"),
                       temp_path(state, "parts/checkpoints/step-00000010"));
    csctrl_config_destroy(&config);
    free(run);
}

/* What a run writes does not depend on the loader's threads; its config does, so files are compared
 * one by one. */
static void test_loader_threads(void **state)
{
    csctrl_config *config = config_of(&settings[1], WHOLE);

    run_whole(config, temp_path(state, "one"));
    expect_ok(csctrl_config_assign(config, "data.loader_threads=4"));
    expect_ok(csctrl_config_assign(config, "data.prefetch=5"));
    run_whole(config, temp_path(state, "four"));
    expect_same_file(temp_path(state, "one/checkpoints/step-00000010/model.safetensors"),
                     temp_path(state, "four/checkpoints/step-00000010/model.safetensors"));
    expect_same_file(temp_path(state, "one/checkpoints/step-00000010/state.safetensors"),
                     temp_path(state, "four/checkpoints/step-00000010/state.safetensors"));
    csctrl_config_destroy(&config);
}

/* What a killed save leaves is neither loaded nor kept. */
static void test_unfinished_checkpoint(void **state)
{
    csctrl_config *config = config_of(&settings[0], WHOLE);
    char *run = strdup(temp_path(state, "parts"));
    csctrl_model *m = NULL;
    csctrl_model_info info;

    run_whole(config, temp_path(state, "whole"));
    run_half(config, run);
    expect_ok(ct_fs_mkdirs(temp_path(state, "parts/checkpoints/.unfinished")));
    temp_file(state, "parts/checkpoints/.unfinished/model.safetensors", "torn", 4);
    temp_file(state, "parts/checkpoints/latest.a0819e", "step-0000", 9);
    expect_ok(csctrl_model_load(&m, run, NULL, 0, 4));
    csctrl_model_get_info(m, &info);
    assert_int_equal(info.step, HALF);
    csctrl_model_destroy(&m);
    csctrl_trainer *t = NULL;
    expect_ok(csctrl_trainer_resume(&t, run, NULL, 0));
    assert_false(ct_fs_exists(temp_path(state, "parts/checkpoints/.unfinished")));
    assert_false(ct_fs_exists(temp_path(state, "parts/checkpoints/latest.a0819e")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    expect_same_folder(temp_path(state, "whole/checkpoints/step-00000010"),
                       temp_path(state, "parts/checkpoints/step-00000010"));
    /* Killed after the last save and before the one that it replaces was removed. */
    const char *one[] = {"train.keep_last=1"};
    expect_ok(ct_fs_mkdirs(temp_path(state, "parts/checkpoints/step-00000001")));
    expect_ok(csctrl_trainer_resume(&t, run, one, 1));
    csctrl_trainer_destroy(&t);
    assert_false(ct_fs_exists(temp_path(state, "parts/checkpoints/step-00000001")));
    assert_true(ct_fs_exists(temp_path(state, "parts/checkpoints/step-00000010")));
    csctrl_config_destroy(&config);
    free(run);
}

/* ---- killed at any time */

static csctrl_config *killed_config(void)
{
    return tiny_config("train.batches=60", "train.checkpoint_every=1", "train.eval_every=2",
                       "optim.ema=0.9", "data.crop_pad=1", NULL);
}

/* In a process of its own: begin the run, or go on with it. */
static int train_in_child(const char *run)
{
    csctrl_config *config = killed_config();
    csctrl_trainer *t = NULL;
    csctrl_status status = ct_fs_exists(run) ? csctrl_trainer_resume(&t, run, NULL, 0)
                                             : csctrl_trainer_create(&t, config, run);

    if (status == CSCTRL_OK)
        status = csctrl_trainer_run(t, NULL, NULL);
    if (status != CSCTRL_OK)
        fprintf(stderr, "child: %s\n", csctrl_last_error());
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    return (int)status;
}

/* After a kill: whatever `latest` and `best` name is whole. Without any checkpoint yet the run
 * begins anew. */
static void expect_whole_checkpoints(const char *run)
{
    static const char *const pointers[][2] = {{"latest", NULL}, {"best", NULL}};

    for (int i = 0; i < 2; i++) {
        char *checkpoint = NULL;
        const csctrl_status status = ct_checkpoint_locate(run, pointers[i], &checkpoint);
        if (status == CSCTRL_E_NOT_FOUND) {
            if (i == 0)
                expect_ok(ct_fs_remove_tree(run));
            return;
        }
        expect_ok(status);
        expect_ok(ct_checkpoint_verify(checkpoint, true));
        ct_free(checkpoint);
    }
}

static void test_killed(void **state)
{
    char *path = strdup(temp_path(state, "killed"));
    csctrl_config *config = killed_config();
    unsigned turn = 12345;
    int killed = 0;

    run_whole(config, temp_path(state, "whole"));
    for (int i = 0; i < KILLS; i++) {
        turn = turn * 1103515245u + 12345u;
        const struct timespec wait = {.tv_nsec = 5000000 + (long)(turn >> 8) % 40000000};
        const pid_t child = tiny_spawn("--train", path);
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        const int code = tiny_wait(child);
        killed += code == 128 + SIGKILL;
        assert_true(code == 0 || code == 128 + SIGKILL);
        expect_whole_checkpoints(path);
    }
    assert_true(killed > 0);
    assert_int_equal(tiny_wait(tiny_spawn("--train", path)), 0);
    expect_same_folder(temp_path(state, "whole/checkpoints"),
                       temp_path(state, "killed/checkpoints"));
    expect_every_step_logged(temp_path(state, "killed/metrics.jsonl"), KILLED_STEPS);
    csctrl_config_destroy(&config);
    free(path);
}

/* ---- what cannot be resumed */

static void test_refused(void **state)
{
    csctrl_config *config = config_of(&settings[0], 3);
    char *run = strdup(temp_path(state, "run"));
    const char *other_data[] = {"data.synthetic_count=72"}, *other_arch[] = {"model.tied=false"};
    const char *wider[] = {"model.layers=6x4s2p1 9x4s1p0"}, *unknown[] = {"model.width=3"};
    csctrl_trainer *t = NULL;

    run_whole(config, run);
    expect_fail(csctrl_trainer_resume(&t, run, other_data, 1), CSCTRL_E_MISMATCH,
                "the run was trained on other data: fingerprint");
    assert_null(t);
    expect_fail(csctrl_trainer_resume(&t, run, other_arch, 1), CSCTRL_E_MISMATCH,
                "tensor 'decoder.0.dictionary' f32[6, 1, 4, 4] is missing");
    expect_fail(csctrl_trainer_resume(&t, run, wider, 1), CSCTRL_E_MISMATCH,
                "tensor 'encoder.1.dictionary': the model expects f32[9, 6, 4, 4], the file has "
                "f32[8, 6, 4, 4]");
    expect_fail(csctrl_trainer_resume(&t, run, unknown, 1), CSCTRL_E_CONFIG, "model.width");
    expect_fail(csctrl_trainer_resume(&t, temp_path(state, "none"), NULL, 0), CSCTRL_E_NOT_FOUND,
                "none: no such run or checkpoint directory");
    expect_fail(
        csctrl_trainer_resume(&t, temp_path(state, "run/checkpoints/step-00000003"), NULL, 0),
        CSCTRL_E_NOT_FOUND, "expected a run directory");
    expect_fail(csctrl_trainer_resume(&t, temp_path(state, "run/checkpoints/latest"), NULL, 0),
                CSCTRL_E_NOT_FOUND, "expected a run directory");
    assert_null(t);
    expect_fail(csctrl_trainer_create(&t, config, run), CSCTRL_E_EXISTS, "not empty");
    assert_null(t);
    /* none of that harmed the run: it goes on */
    const char *longer[] = {"train.batches=5"};
    expect_ok(csctrl_trainer_resume(&t, run, longer, 1));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    assert_int_equal(t->model->step, 5);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    free(run);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_interrupted, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_many_interruptions, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_loader_threads, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_unfinished_checkpoint, tiny_memory_folder,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_killed, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_refused, tiny_memory_folder, temp_remove),
    };

    if (argc == 3 && strcmp(argv[1], "--train") == 0)
        return train_in_child(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
