/* test_classifiers.c - nearest neighbours and the linear probe against SciPy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/log.h"
#include "csctrl/score.h"
#include "support/expect.h"
#include "support/feature_pair.h"

enum { CLASSES = 3 };

typedef struct labelled {
    feature_pair f;
    csctrl_tensor a, b;
    int64_t labels[NA], found[NB];
} labelled;

/* The class of a row is the place of the largest of its first three numbers. */
static void prepare(labelled *l)
{
    fill_features(&l->f);
    l->a = rows_of(l->f.a, NA);
    l->b = rows_of(l->f.b, NB);
    for (int i = 0; i < NA; i++) {
        l->labels[i] = 0;
        for (int c = 1; c < CLASSES; c++)
            if (l->f.a[i * D + c] > l->f.a[i * D + l->labels[i]])
                l->labels[i] = c;
    }
}

static void test_nearest_neighbours_are_those_of_numpy(void **state)
{
    static const int64_t expected[NB] = {2, 0, 2, 0, 0, 1, 1, 2, 2, 0, 1, 2, 0, 0, 2,
                                         2, 2, 0, 2, 2, 0, 0, 1, 0, 2, 1, 1, 0, 0, 1};
    labelled l;

    (void)state;
    prepare(&l);
    expect_ok(csctrl_knn_classify(&l.a, l.labels, CLASSES, 5, &l.b, l.found));
    assert_memory_equal(l.found, expected, sizeof expected);
    /* Its own nearest neighbour is itself. */
    int64_t own[NA];
    expect_ok(csctrl_knn_classify(&l.a, l.labels, CLASSES, 1, &l.a, own));
    assert_memory_equal(own, l.labels, sizeof own);
}

static void test_linear_probe_is_the_minimum_of_scipy(void **state)
{
    static const int64_t expected[NB] = {2, 2, 2, 0, 0, 1, 1, 1, 2, 0, 1, 2, 0, 0, 2,
                                         2, 2, 0, 2, 0, 0, 0, 1, 0, 2, 0, 1, 0, 0, 1};
    labelled l;

    (void)state;
    prepare(&l);
    expect_ok(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 0.01, &l.b, l.found));
    assert_memory_equal(l.found, expected, sizeof expected);
    int64_t own[NA], right = 0;
    expect_ok(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 1e-6, &l.a, own));
    for (int i = 0; i < NA; i++)
        right += own[i] == l.labels[i];
    assert_true(right == NA); /* the classes are linear functions of the features */
}

static void count_warnings(void *user, csctrl_log_level level, const char *message)
{
    if (level == CSCTRL_LOG_WARNING && strstr(message, "linear probe: no minimum") != NULL)
        ++*(int *)user;
}

/* Features of sizes so different that L-BFGS does not get there: said once a fit, and only then. */
static void test_a_probe_without_a_minimum_is_told(void **state)
{
    labelled l;
    int warnings = 0;

    (void)state;
    prepare(&l);
    csctrl_log_set(count_warnings, &warnings);
    expect_ok(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 0.01, &l.b, l.found));
    assert_int_equal(warnings, 0);
    for (int i = 0; i < NA; i++) {
        l.labels[i] = i % CLASSES;
        l.f.a[i * D] *= 1e9F;
        l.f.a[i * D + 1] *= 1e-3F;
    }
    expect_ok(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 1e-12, &l.b, l.found));
    assert_int_equal(warnings, 1);
    csctrl_log_set(NULL, NULL);
}

static void test_misuse_is_told(void **state)
{
    labelled l;

    (void)state;
    prepare(&l);
    expect_fail(csctrl_knn_classify(&l.a, l.labels, CLASSES, NA + 1, &l.b, l.found),
                CSCTRL_E_INVALID, "expected 1..40, found 41");
    expect_fail(csctrl_knn_classify(&l.a, l.labels, 2, 1, &l.b, l.found), CSCTRL_E_INVALID,
                "expected labels in 0..1, found 2");
    expect_fail(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 0, &l.b, l.found),
                CSCTRL_E_INVALID, "l2 > 0");
    l.f.a[5] = NAN;
    expect_fail(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found),
                CSCTRL_E_NUMERIC, "not finite");
    expect_fail(csctrl_knn_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found), CSCTRL_E_NUMERIC,
                "features: number 5 is not finite");
    l.f.a[5] = 0;
    l.f.b[8] = NAN;
    expect_fail(csctrl_knn_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found), CSCTRL_E_NUMERIC,
                "features to classify: number 8 is not finite");
    expect_fail(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found),
                CSCTRL_E_NUMERIC, "features to classify: number 8 is not finite");
    l.b.shape[1] = 2;
    expect_fail(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found),
                CSCTRL_E_SHAPE, "features to classify");
    l.a.shape[1] = l.b.shape[1] = 0;
    expect_fail(csctrl_knn_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found), CSCTRL_E_SHAPE,
                "features: expected at least one number");
    expect_fail(csctrl_linear_probe_classify(&l.a, l.labels, CLASSES, 1, &l.b, l.found),
                CSCTRL_E_SHAPE, "features: expected at least one number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_neighbours_are_those_of_numpy),
        cmocka_unit_test(test_linear_probe_is_the_minimum_of_scipy),
        cmocka_unit_test(test_a_probe_without_a_minimum_is_told),
        cmocka_unit_test(test_misuse_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
