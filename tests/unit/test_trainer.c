/* test_trainer.c - runs: progress, stopping, what they write and keep, that they learn. */
#define _POSIX_C_SOURCE 200809L
#include <fnmatch.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fs.h"
#include "io/events.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

/* ---- progress */

typedef struct seen {
    int64_t count, evaluated, stop_at;
    csctrl_progress last;
    csctrl_trainer *trainer;
} seen;

static bool watch(void *user, const csctrl_progress *p)
{
    seen *s = user;

    s->count++;
    assert_int_equal(p->step, s->count);
    assert_true(isfinite(p->max_value) && isfinite(p->min_value));
    assert_true(p->max_value > 0.0 && p->min_value > 0.0); /* a rate reduction */
    assert_true(p->images_per_second > 0.0 && p->seconds_left >= 0.0);
    assert_true(p->evaluated == (isfinite(p->psnr) && isfinite(p->cosine)));
    s->evaluated += p->evaluated;
    s->last = *p;
    return p->step != s->stop_at;
}

static void test_progress(void **state)
{
    csctrl_config *config = tiny_config("train.batches=12", "train.eval_every=5", NULL);
    csctrl_trainer *t = NULL;
    seen s = {0};

    (void)state;
    expect_ok(csctrl_trainer_create(&t, config, NULL));
    expect_ok(csctrl_trainer_run(t, watch, &s));
    assert_int_equal(s.count, 12);
    assert_int_equal(s.evaluated, 3); /* 5, 10 and the last */
    assert_true(s.last.evaluated && s.last.steps == 12);
    assert_true(s.last.psnr > 0.0 && s.last.cosine > -1.0 && s.last.cosine <= 1.0);
    assert_true(fabs(s.last.epoch - 12.0 / TINY_PER_EPOCH) < 1e-12);
    assert_true(s.last.seconds_left == 0.0);
    assert_int_equal(t->model->classes, TINY_CLASSES);
    expect_ok(csctrl_trainer_run(t, watch, &s)); /* there is nothing left to do */
    assert_int_equal(s.count, 12);
    expect_fail(csctrl_trainer_save(t), CSCTRL_E_STATE, "without a run directory");
    csctrl_trainer_destroy(&t);
    csctrl_trainer_destroy(&t);
    csctrl_trainer_destroy(NULL);
    csctrl_config_destroy(&config);
}

static void test_stopped(void **state)
{
    csctrl_config *config = tiny_config("train.batches=12", NULL);
    csctrl_trainer *t = NULL;
    seen s = {.stop_at = 3};

    expect_ok(csctrl_trainer_create(&t, config, NULL));
    expect_fail(csctrl_trainer_run(t, watch, &s), CSCTRL_E_INTERRUPTED,
                "stopped by request after step 3 of 12");
    assert_null(strstr(csctrl_last_error(), "saved"));
    csctrl_trainer_destroy(&t);
    s = (seen){.stop_at = 3};
    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_fail(csctrl_trainer_run(t, watch, &s), CSCTRL_E_INTERRUPTED, "the state is saved");
    assert_true(ct_fs_is_dir(temp_path(state, "run/checkpoints/step-00000003")));
    csctrl_trainer_destroy(&t);
    /* stopping at the last step is finishing */
    s = (seen){.stop_at = 12};
    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run2")));
    expect_ok(csctrl_trainer_run(t, watch, &s));
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

/* From create or resume until destroy. */
static void test_one_trainer_at_a_time(void **state)
{
    csctrl_config *config = tiny_config("train.batches=4", NULL);
    csctrl_trainer *first = NULL, *second = NULL;
    const char *run = temp_path(state, "run");

    expect_ok(csctrl_trainer_create(&first, config, run));
    expect_fail(csctrl_trainer_resume(&second, run, NULL, 0), CSCTRL_E_STATE,
                "run: another process is training in this run directory");
    assert_null(second);
    csctrl_trainer_destroy(&first);
    expect_ok(csctrl_trainer_resume(&first, run, NULL, 0));
    expect_fail(csctrl_trainer_resume(&second, run, NULL, 0), CSCTRL_E_STATE, "another process");
    expect_ok(csctrl_trainer_run(first, NULL, NULL));
    csctrl_trainer_destroy(&first);
    expect_ok(csctrl_trainer_resume(&second, run, NULL, 0));
    csctrl_trainer_destroy(&second);
    csctrl_config_destroy(&config);
}

/* All images are the same, and so are all features: no checkpoint is the best one. */
static void test_collapsed_is_not_best(void **state)
{
    csctrl_config *config = tiny_config("data.kind=folder", "data.holdout=0.4", "train.batches=4",
                                        "train.eval_every=2", "train.keep_best=true", NULL);
    csctrl_trainer *t = NULL;
    char name[64];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "set/%c/%d.png", 'a' + i % 2, i);
        put_png(state, name, 8, 8, 1);
    }
    expect_ok(csctrl_config_set(config, "data.path", temp_path(state, "set")));
    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    assert_true(t->monitor.count > 1);
    assert_true(ct_fs_exists(temp_path(state, "run/checkpoints/latest")));
    assert_false(ct_fs_exists(temp_path(state, "run/checkpoints/best")));
    assert_true(t->best_psnr < 0.0);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

/* The run directory is refused before the data are looked for. */
static void test_directory_first(void **state)
{
    csctrl_config *config = tiny_config("data.kind=folder", "data.path=/nonexistent/images", NULL);
    csctrl_trainer *t = NULL;

    temp_file(state, "mine.txt", "x", 1);
    expect_fail(csctrl_trainer_create(&t, config, *state), CSCTRL_E_EXISTS, "not empty");
    assert_null(t);
    expect_fail(csctrl_trainer_create(&t, config, temp_path(state, "new")), CSCTRL_E_NOT_FOUND,
                "/nonexistent/images");
    assert_false(ct_fs_exists(temp_path(state, "new")));
    csctrl_config_destroy(&config);
}

/* ---- what a run leaves */

static void expect_names(const char *folder, const char *const *names)
{
    ct_name_list list;
    size_t count = 0;

    expect_ok(ct_fs_list(folder, &list));
    while (names[count] != NULL)
        count++;
    for (size_t i = 0; i < list.count && i < count; i++)
        if (fnmatch(names[i], list.names[i], 0) != 0)
            assert_string_equal(list.names[i], names[i]);
    assert_int_equal(list.count, count);
    ct_fs_list_free(&list);
}

static void test_files(void **state)
{
    static const char *const top[] = {"checkpoints",   "config.yaml", "manifest.json",
                                      "metrics.jsonl", "pictures",    NULL};
    static const char *const with_events[] = {
        "checkpoints", "config.yaml", "events.out.tfevents.*", "manifest.json", "metrics.jsonl",
        "pictures",    NULL};
    static const char *const pictures[] = {"step-00000001.png",
                                           "step-00000002.png",
                                           "step-00000004.png",
                                           "step-00000006.png",
                                           "step-00000008.png",
                                           "step-00000009.png",
                                           NULL};
    static const char *const parts[] = {"config.yaml", "manifest.json", "model.safetensors",
                                        "state.safetensors", NULL};
    csctrl_config *config =
        tiny_config("train.batches=9", "train.picture_every=6", "train.log_every=4",
                    "train.eval_every=3", "train.checkpoint_every=3", "train.keep_last=9", NULL);
    csctrl_trainer *t = NULL;
    int64_t steps[8];
    size_t lines = 0;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    expect_names(temp_path(state, "run"), ct_events_built() ? with_events : top);
    expect_names(temp_path(state, "run/pictures"), pictures);
    expect_names(temp_path(state, "run/checkpoints/step-00000009"), parts);
    char *text = tiny_text(temp_path(state, "run/metrics.jsonl"));
    for (char *line = strtok(text, "\n"); line != NULL && lines < 8; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        steps[lines] = json_integer_value(json_object_get(object, "step"));
        const bool evaluated = steps[lines] % 3 == 0;
        assert_true((json_object_get(object, "psnr") != NULL) == evaluated);
        assert_true((json_object_get(object, "cosine") != NULL) == evaluated);
        assert_true(json_real_value(json_object_get(object, "encoder_lr")) == 0.001);
        lines++;
        json_decref(object);
    }
    assert_int_equal(lines, 5);
    static const int64_t want[] = {3, 4, 6, 8, 9};
    assert_memory_equal(steps, want, sizeof want);
    free(text);
    csctrl_config_destroy(&config);
}

static void test_nothing_optional(void **state)
{
    static const char *const checkpoints[] = {"latest", "step-00000000", "step-00000005", NULL};
    csctrl_config *config = tiny_config("train.batches=5", "train.picture_every=0",
                                        "train.eval_every=0", "train.checkpoint_every=0", NULL);
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    expect_names(temp_path(state, "run/checkpoints"), checkpoints);
    expect_names(temp_path(state, "run/pictures"), (const char *const[]){NULL});
    csctrl_config_destroy(&config);
}

/* The newest `keep_last` and whatever `best` names. */
static void test_rotation(void **state)
{
    static const char *const first[] = {"best", "latest", "step-00000001", NULL};
    csctrl_config *config =
        tiny_config("train.checkpoint_every=1", "train.eval_every=1", "train.keep_last=1", NULL);
    char *best = NULL;
    csctrl_trainer *t = NULL;
    csctrl_model *m = NULL;
    seen s = {.stop_at = 1};

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    csctrl_trainer_run(t, watch, &s);
    expect_names(temp_path(state, "run/checkpoints"), first);
    t->best_psnr = 99.0; /* nothing after step 1 is better */
    s.stop_at = 0;
    expect_ok(csctrl_trainer_run(t, watch, &s));
    expect_names(temp_path(state, "run/checkpoints"),
                 (const char *const[]){"best", "latest", "step-00000001", "step-00000004", NULL});
    best = tiny_text(temp_path(state, "run/checkpoints/best"));
    assert_string_equal(best, "step-00000001\n");
    expect_ok(csctrl_model_load(&m, temp_path(state, "run/checkpoints/best"), NULL, 0, 2));
    assert_int_equal(m->step, 1);
    csctrl_model_destroy(&m);
    free(best);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

/* Rotation that cannot tell what is named deletes nothing. */
static void test_rotation_with_damaged_pointer(void **state)
{
    csctrl_config *config = tiny_config("train.keep_last=1", "train.eval_every=0", NULL);
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_step(t, NULL));
    temp_file(state, "run/checkpoints/best", "a/b\n", 4);
    expect_fail(csctrl_trainer_save(t), CSCTRL_E_FORMAT, "best: expected one line");
    assert_true(ct_fs_is_dir(temp_path(state, "run/checkpoints/step-00000000")));
    assert_true(ct_fs_is_dir(temp_path(state, "run/checkpoints/step-00000001")));
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

static void test_without_best(void **state)
{
    csctrl_config *config = tiny_config("train.keep_best=false", "train.eval_every=1",
                                        "train.checkpoint_every=2", "train.keep_last=1", NULL);
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    expect_names(temp_path(state, "run/checkpoints"),
                 (const char *const[]){"latest", "step-00000004", NULL});
    csctrl_config_destroy(&config);
}

/* ---- learning */

/* Each player gets its way when it alone moves on one batch. */
static void expect_learning(const char *const *texts)
{
    enum { MOVES = 40 };
    double first = NAN, value = NAN;
    tiny_game g;

    tiny_game_open(&g, tiny_config_list(texts), TINY_CLASSES);
    for (int i = 0; i < MOVES; i++) {
        expect_ok(tiny_max_move(&g.game, false, &value));
        expect_ok(tiny_update(&g.optim, CT_ENCODER, 0.003));
        first = i == 0 ? value : first;
    }
    print_message("%s: encoder %.3f -> %.3f", texts[0], first, value);
    assert_true(value > 1.05 * first);
    for (int i = 0; i < MOVES; i++) {
        expect_ok(tiny_min_move(&g.game, &value));
        expect_ok(tiny_update(&g.optim, CT_DECODER, 0.003));
        first = i == 0 ? value : first;
    }
    print_message(", decoder %.3f -> %.3f\n", first, value);
    assert_true(value < 0.95 * first);
    tiny_game_close(&g);
}

static void test_learning(void **state)
{
    static const char *const settings[][4] = {
        {"model.arch=csc"},
        {"model.tied=false", "model.steps=4"},
        {"model.arch=generic"},
        {"objective.kind=multi"},
        {"objective.kind=multi", "model.arch=generic"},
        {"device=ref", "game.decoder_sample_weight=0.1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        expect_learning(settings[i]);
}

/* ---- refusals */

static void test_refused(void **state)
{
    static const char *const bad[][2] = {
        {"model.layers=6x4s2p1 8x5s1p0", "model.layers: layer 2"},
        {"objective.gamma=[1, 2]", "objective.gamma: expected three values such as [1, 1, 1]"},
        {"train.batch=1000000", "expected at least one batch of 1000000 images, found 64"},
        {"train.batch=100", "expected at least one batch of 100 images, found 64; lower "
                            "train.batch"},
        {"model.lambda=[1, 2, 3]", "model.lambda: expected one value or 2"},
    };
    csctrl_memory_plan plan;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        csctrl_config *config = tiny_config(bad[i][0], NULL);
        csctrl_trainer *t = (csctrl_trainer *)config;
        expect_fail(csctrl_trainer_create(&t, config, temp_path(state, "run")), CSCTRL_E_CONFIG,
                    bad[i][1]);
        assert_null(t);
        assert_false(ct_fs_exists(temp_path(state, "run")));
        if (strstr(bad[i][0], "batch") == NULL)
            expect_fail(csctrl_trainer_plan(config, &plan), CSCTRL_E_CONFIG, bad[i][1]);
        csctrl_config_destroy(&config);
    }
    csctrl_config *config = tiny_config("data.kind=idx", "data.path=/no/such/folder", NULL);
    csctrl_trainer *t = NULL;
    expect_fail(csctrl_trainer_create(&t, config, temp_path(state, "run")), CSCTRL_E_NOT_FOUND,
                "/no/such/folder");
    assert_false(ct_fs_exists(temp_path(state, "run")));
    csctrl_config_destroy(&config);
}

/* Another number of threads is allowed, and said. */
static void test_resume_with_other_threads(void **state)
{
    static const char *const threads[] = {"threads=2", "train.batches=6"};
    csctrl_config *config = tiny_config(NULL);
    csctrl_trainer *t = NULL;
    static log_list log;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    csctrl_log_set(log_collect, &log);
    expect_ok(csctrl_trainer_resume(&t, temp_path(state, "run"), threads + 1, 1));
    csctrl_trainer_destroy(&t);
    assert_int_equal(log_count(&log, "results will differ"), 0);
    expect_ok(csctrl_trainer_resume(&t, temp_path(state, "run"), threads, 2));
    const int differs = t->model->ex->threads != 1; /* OMP_THREAD_LIMIT may keep it at 1 */
    assert_int_equal(log_count(&log, "threads: 1 when the run was saved, 2 now"), differs);
    csctrl_log_set(NULL, NULL);
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    assert_int_equal(t->model->step, 6);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),
        cmocka_unit_test_setup_teardown(test_stopped, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_one_trainer_at_a_time, tiny_memory_folder,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_directory_first, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_collapsed_is_not_best, tiny_memory_folder,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_files, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_nothing_optional, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_rotation, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_rotation_with_damaged_pointer, tiny_memory_folder,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_without_best, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_learning),
        cmocka_unit_test_setup_teardown(test_refused, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_resume_with_other_threads, tiny_memory_folder,
                                        temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
