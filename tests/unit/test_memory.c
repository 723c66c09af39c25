/* test_memory.c - the memory plan against what a trainer then holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/tiny.h"

static void expect_planned(const char *const *texts)
{
    csctrl_config *config = tiny_config_list(texts);
    csctrl_memory_stats before, after;
    csctrl_memory_plan plan;
    csctrl_trainer *t = NULL;

    csctrl_memory_get_stats(&before);
    expect_ok(csctrl_trainer_plan(config, &plan));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes, before.bytes); /* planning keeps nothing */
    assert_int_equal(plan.total,
                     plan.param + plan.state + plan.saved + plan.scratch + plan.io + plan.data);
    assert_true(plan.resident > plan.total);
    expect_ok(csctrl_trainer_create(&t, config, NULL));
    csctrl_memory_get_stats(&after);
    /* the arenas are as planned; names, tables and options are the small rest */
    assert_int_equal(ct_plan_size(t->model->plan, CT_PARAM), plan.param);
    assert_int_equal(ct_plan_size(t->model->plan, CT_STATE), plan.state);
    assert_int_equal(ct_plan_size(t->model->plan, CT_SAVED), plan.saved);
    assert_int_equal(ct_plan_size(t->model->plan, CT_SCRATCH), plan.scratch);
    assert_true(ct_plan_size(t->model->plan, CT_IO) < plan.io);
    const size_t held = after.bytes - before.bytes;
    assert_true(held >= plan.total && held < plan.total + (512 << 10));
    csctrl_trainer_destroy(&t);
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes, before.bytes);
    csctrl_config_destroy(&config);
}

static void test_plan(void **state)
{
    static const char *const settings[][6] = {
        {NULL},
        {"device=ref", "precision=f64", "model.steps=5"},
        {"model.tied=false", "optim.ema=0.9", "data.loader_threads=3"},
        {"model.arch=generic", "data.channels=3", "objective.kind=multi"},
        {"data.size=32", "model.layers=16x4s2p1 32x4s2p1 64x4s2p1 64x4s1p0", "train.batch=32",
         "train.eval_images=1000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        expect_planned(settings[i]);
}

static csctrl_memory_plan plan_of(csctrl_config *config)
{
    csctrl_memory_plan plan;

    expect_ok(csctrl_trainer_plan(config, &plan));
    csctrl_config_destroy(&config);
    return plan;
}

/* What makes a class larger, and what does not. */
static void test_classes(void **state)
{
    const csctrl_memory_plan plain = plan_of(tiny_config(NULL));
    const csctrl_memory_plan batch = plan_of(tiny_config("train.batch=16", NULL));
    const csctrl_memory_plan ema = plan_of(tiny_config("optim.ema=0.9", NULL));
    const csctrl_memory_plan steps = plan_of(tiny_config("model.steps=6", NULL));
    const csctrl_memory_plan f64 = plan_of(tiny_config("device=ref", "precision=f64", NULL));
    const csctrl_memory_plan ring = plan_of(tiny_config("data.prefetch=50", NULL));

    (void)state;
    assert_int_equal(batch.state, plain.state);
    assert_true(batch.saved > plain.saved && batch.io > plain.io);
    assert_true(ema.state > plain.state && ema.saved == plain.saved);
    assert_true(steps.saved > plain.saved && steps.state == plain.state);
    assert_true(f64.state > plain.state && f64.saved > plain.saved);
    /* of bytes */
    assert_true(ring.io > plain.io + 40 * 8 * 64 && ring.io < plain.io + 80 * 8 * 64);
    assert_true(ring.saved == plain.saved);
}

/* Without the data the rest is planned all the same. */
static void test_without_data(void **state)
{
    const csctrl_memory_plan with = plan_of(tiny_config(NULL));
    const csctrl_memory_plan without =
        plan_of(tiny_config("data.kind=idx", "data.path=/no/such/folder", NULL));

    (void)state;
    assert_int_equal(without.data, 0);
    assert_int_equal(without.saved, with.saved);
    assert_int_equal(without.param, with.param);
}

/* More than the machine has is refused before it is asked for, in one line with both figures. */
static void test_too_much(void **state)
{
    csctrl_config *config = tiny_config("train.batch=64", "data.size=512", "model.steps=200",
                                        "model.layers=64x4s2p1 64x4s4p0 8x4s4p0 8x4s4p0", NULL);
    csctrl_memory_stats before, after;
    csctrl_trainer *t = NULL;
    double takes = 0.0, has = 0.0;

    (void)state;
    csctrl_memory_get_stats(&before);
    expect_fail(csctrl_trainer_create(&t, config, NULL), CSCTRL_E_NOMEM, "; lower train.batch");
    assert_null(t);
    assert_int_equal(sscanf(csctrl_last_error(),
                            "training takes %lf GiB of memory, %lf GiB are free;", &takes, &has),
                     2);
    assert_true(takes > 80.0 && has > 0.0 && has < takes);
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes, before.bytes);
    assert_true(after.peak_bytes < before.peak_bytes + (1 << 30));
    /* more positions than an int counts are refused before any memory is asked for */
    expect_ok(csctrl_config_set(config, "train.batch", "1000000"));
    expect_ok(csctrl_config_set(config, "data.synthetic_count", "2000000"));
    expect_fail(csctrl_trainer_create(&t, config, NULL), CSCTRL_E_CONFIG, "lower the batch");
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_without_data),
        cmocka_unit_test(test_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
