/* test_discrepancy.c - the choice of lambda from residuals alone (tools/study_discrepancy.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "study.h"

static const double residuals[] = {0.05, 0.09, 0.21, 0.35};

static void test_the_first_that_reaches_the_noise(void **state)
{
    (void)state;
    assert_int_equal(study_choose(residuals, 4, 0.1), 2);
    assert_int_equal(study_choose(residuals, 4, 0.3), 3);
    assert_int_equal(study_choose(residuals, 4, 0.06), 1);
}

static void test_a_residual_equal_to_the_noise_is_enough(void **state)
{
    (void)state;
    assert_int_equal(study_choose(residuals, 4, 0.09), 1);
    assert_int_equal(study_choose(residuals, 4, 0.21), 2);
}

static void test_without_noise_nothing_is_changed(void **state)
{
    (void)state;
    assert_int_equal(study_choose(residuals, 4, 0), 0);
}

static void test_the_last_when_none_reaches_it(void **state)
{
    (void)state;
    assert_int_equal(study_choose(residuals, 4, 0.4), 3);
    assert_int_equal(study_choose(residuals, 1, 0.4), 0);
}

/* The residual need not grow with lambda: the first one counts. */
static void test_the_smallest_lambda_counts(void **state)
{
    static const double dips[] = {0.05, 0.2, 0.1, 0.3};

    (void)state;
    assert_int_equal(study_choose(dips, 4, 0.15), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_that_reaches_the_noise),
        cmocka_unit_test(test_a_residual_equal_to_the_noise_is_enough),
        cmocka_unit_test(test_without_noise_nothing_is_changed),
        cmocka_unit_test(test_the_last_when_none_reaches_it),
        cmocka_unit_test(test_the_smallest_lambda_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
