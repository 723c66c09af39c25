/* test_schedule.c - the learning rate over a run, by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/dataset_files.h"
#include "train/optim.h"

typedef double schedule(const csctrl_config *config, int64_t step, int64_t steps);

static void expect_shares_of(schedule *find, csctrl_config *config, int64_t steps,
                             const double *want, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        const double share = find(config, i, steps);
        if (fabs(share - want[i]) > 1e-12)
            fail_msg("step %lld: expected %.15g, found %.15g", (long long)i, want[i], share);
    }
    csctrl_config_destroy(&config);
}

static void expect_shares(csctrl_config *config, int64_t steps, const double *want, int64_t count)
{
    expect_shares_of(ct_schedule, config, steps, want, count);
}

static void test_constant(void **state)
{
    static const double flat[] = {1, 1, 1, 1}, warm[] = {0.25, 0.5, 0.75, 1, 1, 1};

    (void)state;
    expect_shares(config_make(NULL), 4, flat, 4);
    expect_shares(config_make("optim.warmup=4", NULL), 6, warm, 6);
    expect_shares(config_make("optim.final_scale=0.5", NULL), 4, flat, 4);
}

static void test_linear(void **state)
{
    static const double to_zero[] = {1, 0.75, 0.5, 0.25}, to_part[] = {1, 0.8, 0.6, 0.4};
    static const double warm[] = {0.5, 1, 1, 0.75, 0.5, 0.25};

    (void)state;
    expect_shares(config_make("optim.schedule=linear", NULL), 4, to_zero, 4);
    expect_shares(config_make("optim.schedule=linear", "optim.final_scale=0.2", NULL), 4, to_part,
                  4);
    expect_shares(config_make("optim.schedule=linear", "optim.warmup=2", NULL), 6, warm, 6);
}

/* cos at 0, 60, 90, 120 degrees. */
static void test_cosine(void **state)
{
    static const double six[] = {1, 0.9330127018922193, 0.75, 0.5, 0.25, 0.0669872981077807};
    static const double part[] = {1, 0.775, 0.325};
    static const double warm[] = {1.0 / 3, 2.0 / 3, 1, 1, 0.75, 0.25};

    (void)state;
    expect_shares(config_make("optim.schedule=cosine", NULL), 6, six, 6);
    expect_shares(config_make("optim.schedule=cosine", "optim.final_scale=0.1", NULL), 3, part, 3);
    expect_shares(config_make("optim.schedule=cosine", "optim.warmup=3", NULL), 6, warm, 6);
}

/* A run that ends within its warm-up only warms up. */
static void test_short_run(void **state)
{
    static const double want[] = {0.1, 0.2, 0.3};

    (void)state;
    expect_shares(config_make("optim.schedule=cosine", "optim.warmup=10", NULL), 3, want, 3);
    expect_shares(config_make("optim.schedule=linear", "optim.warmup=10", NULL), 10, want, 3);
}

/* Half of five batches are three. */
static void test_encoder_span(void **state)
{
    static const double whole[] = {1, 0.75, 0.5, 0.25, 0, 0}, half[] = {1, 0.5, 0, 0};
    static const double flat[] = {1, 1, 1, 0, 0}, none[] = {0, 0}, warm[] = {0.5, 1, 0, 0};

    (void)state;
    expect_shares_of(ct_encoder_schedule, config_make("optim.schedule=linear", NULL), 4, whole, 5);
    expect_shares_of(ct_encoder_schedule,
                     config_make("optim.schedule=linear", "optim.encoder_span=0.5", NULL), 4, half,
                     4);
    expect_shares_of(ct_encoder_schedule, config_make("optim.encoder_span=0.5", NULL), 5, flat, 5);
    expect_shares_of(ct_encoder_schedule, config_make("optim.encoder_span=0", NULL), 2, none, 2);
    expect_shares_of(ct_encoder_schedule,
                     config_make("optim.warmup=2", "optim.encoder_span=0.5", NULL), 4, warm, 4);
    csctrl_config *config = config_make("optim.encoder_span=0.28", NULL);
    assert_true(ct_encoder_schedule(config, 27, 100) == 1.0);
    assert_true(ct_encoder_schedule(config, 28, 100) == 0.0);
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant),     cmocka_unit_test(test_linear),
        cmocka_unit_test(test_cosine),       cmocka_unit_test(test_short_run),
        cmocka_unit_test(test_encoder_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
