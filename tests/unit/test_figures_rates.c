/* test_figures_rates.c - coding rates of the figures: closed forms, NumPy, invariances. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "eval/measures.h"
#include "support/expect.h"

enum { MOST = 600 * 24 };
static const double eps2 = 0.5;

static ct_tensor features(float *data, int64_t n, int64_t d)
{
    return csctrl_tensor_view(CSCTRL_F32, 2, (const int64_t[]){n, d}, data);
}

/* Sixteenths: the same numbers in float, double and NumPy. */
static void pattern(float *z, int n, int d, int s)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < d; j++)
            z[i * d + j] = (float)((i * i * 3 + j * 5 + i * j * s) % 11 - 5) / 16.0f;
}

static void random_unit_rows(float *z, int n, int d, uint32_t sub)
{
    const ct_rng rng = ct_rng_make(1, CT_RNG_TEST, sub);

    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < d; j++) {
            z[i * d + j] = (float)ct_rng_normal(&rng, (uint64_t)(i * d + j));
            sum += (double)z[i * d + j] * (double)z[i * d + j];
        }
        for (int j = 0; j < d; j++)
            z[i * d + j] = (float)(z[i * d + j] / sqrt(sum));
    }
}

enum { EXECS = 3 };

typedef struct execs {
    ct_exec *of[EXECS];
} execs;

static int open_execs(void **state)
{
    static const ct_exec_options options[EXECS] = {{.device = "ref", .dtype = CSCTRL_F64},
                                                   {.device = "ref", .dtype = CSCTRL_F32},
                                                   {.device = "cpu", .dtype = CSCTRL_F32}};
    execs *e = calloc(1, sizeof *e);

    for (int i = 0; i < EXECS; i++)
        expect_ok(ct_exec_create(&e->of[i], &options[i]));
    *state = e;
    return 0;
}

static int close_execs(void **state)
{
    execs *e = *state;

    for (int i = 0; i < EXECS; i++)
        ct_exec_destroy(&e->of[i]);
    free(e);
    return 0;
}

static csctrl_figures rates_on(ct_exec *ex, const ct_tensor *z, const ct_tensor *zhat,
                               const int64_t *labels, int classes)
{
    csctrl_figures figures = {0};

    expect_ok(ct_eval_rates(ex, z, zhat, labels, classes, eps2, &figures));
    return figures;
}

static double rate_of(void **state, const ct_tensor *z)
{
    static const int64_t zeros[600] = {0};
    const execs *e = *state;

    return rates_on(e->of[0], z, z, zeros, 1).rate_z;
}

static csctrl_figures rates_of(void **state, const ct_tensor *z, const ct_tensor *zhat,
                               const int64_t *labels, int classes)
{
    const execs *e = *state;

    return rates_on(e->of[0], z, zhat, labels, classes);
}

static void test_numpy_agrees_on_tall_and_wide(void **state)
{
    const struct {
        int n, d;
        double rate, reduction, distance;
    } cases[] = {
        {20, 6, 1.0914839151526778, 0.04516376669307798, 0.015141647679943027},
        {5, 12, 2.6837870118629743, 0.9784504216159204, 0.39426613169812996},
    };
    const execs *e = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int n = cases[i].n, d = cases[i].d;
        float z[20 * 12], zhat[20 * 12];
        int64_t labels[20];

        pattern(z, n, d, 1);
        pattern(zhat, n, d, 2);
        for (int k = 0; k < n; k++)
            labels[k] = k % 3;
        const ct_tensor a = features(z, n, d), b = features(zhat, n, d);
        for (int k = 0; k < EXECS; k++) {
            const csctrl_figures f = rates_on(e->of[k], &a, &b, labels, 3);
            const csctrl_figures back = rates_on(e->of[k], &b, &a, labels, 3);
            assert_true(fabs(f.rate_z - cases[i].rate) < 1e-12);
            assert_true(fabs(f.reduction_z - cases[i].reduction) < 1e-12);
            assert_true(fabs(f.distance - cases[i].distance) < 1e-12);
            assert_true(fabs(back.rate_zhat - f.rate_z) < 1e-12);
            assert_true(fabs(back.reduction_zhat - f.reduction_z) < 1e-12);
            assert_true(fabs(back.distance - f.distance) < 1e-12);
        }
    }
}

/* m times each of the first r axes: r eigenvalues 1 + d/(r eps2), whichever Gram matrix is used. */
static void test_orthonormal_rows_have_the_closed_form(void **state)
{
    enum { D = 24, R = 4 };
    static float z[600 * D];

    for (int copies = 1; copies <= 150; copies += 149) {
        const int n = copies * R;
        memset(z, 0, sizeof z);
        for (int i = 0; i < n; i++)
            z[i * D + i % R] = i % 2 == 0 ? 1.0f : -1.0f;
        const ct_tensor t = features(z, n, D);
        assert_true(fabs(rate_of(state, &t) - 0.5 * R * log(1.0 + D / (R * eps2))) < 1e-12);
    }
}

/* Each class on its own axes: the reduction in closed form; a class without images adds nothing. */
static void test_orthogonal_classes_reduce_most(void **state)
{
    enum { D = 6, N = 60, K = 3 };
    float z[N * D] = {0};
    int64_t labels[N];

    for (int i = 0; i < N; i++) {
        labels[i] = i % K;
        z[i * D + 2 * (i % K) + i / K % 2] = 1.0f;
    }
    const ct_tensor t = features(z, N, D);
    const double whole = 0.5 * D * log(1.0 + 1.0 / eps2);
    const double part = 0.5 * 2 * log(1.0 + D / (2 * eps2));
    const double reduction = rates_of(state, &t, &t, labels, K).reduction_z;
    assert_true(fabs(reduction - (whole - part)) < 1e-12);
    assert_true(rates_of(state, &t, &t, labels, K + 2).reduction_z == reduction);
}

static void test_reductions_are_not_negative(void **state)
{
    static float z[MOST], zhat[MOST];
    const int shapes[][2] = {{600, 24}, {24, 24}, {7, 24}, {1, 24}, {300, 1}};

    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const int n = shapes[s][0], d = shapes[s][1];
        int64_t labels[600];

        random_unit_rows(z, n, d, (uint32_t)(2 * s));
        random_unit_rows(zhat, n, d, (uint32_t)(2 * s + 1));
        for (int i = 0; i < n; i++)
            labels[i] = (i * i + 3 * i) % 7;
        const ct_tensor a = features(z, n, d), b = features(zhat, n, d);
        const csctrl_figures f = rates_of(state, &a, &b, labels, 7);
        assert_true(f.rate_z > 0 && f.rate_zhat > 0);
        assert_true(f.reduction_z > -1e-12 && f.reduction_zhat > -1e-12);
        assert_true(f.distance > -1e-12);
        assert_true(fabs(rates_of(state, &a, &a, labels, 7).distance) < 1e-12);
    }
}

static void test_rotation_and_order_do_not_matter(void **state)
{
    enum { N = 300, D = 24 };
    static float z[N * D], turned[N * D];
    const double c = 0.6, s = 0.8;

    random_unit_rows(z, N, D, 50);
    /* Givens rotations of neighbouring axes, and the rows backwards. */
    for (int i = 0; i < N; i++) {
        double row[D];
        for (int j = 0; j < D; j++)
            row[j] = (double)z[i * D + j];
        for (int j = 0; j + 1 < D; j++) {
            const double u = row[j], v = row[j + 1];
            row[j] = c * u - s * v;
            row[j + 1] = s * u + c * v;
        }
        for (int j = 0; j < D; j++)
            turned[(N - 1 - i) * D + j] = (float)row[j];
    }
    const ct_tensor a = features(z, N, D), b = features(turned, N, D);
    assert_true(fabs(rate_of(state, &a) - rate_of(state, &b)) < 1e-5 * rate_of(state, &a));
}

static void test_errors_say_what_is_wrong(void **state)
{
    const execs *e = *state;
    float z[6] = {1, 0, 0, 1, 0, 1}, other[6] = {0};
    int64_t labels[3] = {0, 2, 1};
    csctrl_figures f = {.rate_z = 7, .distance = 7};
    ct_tensor a = features(z, 3, 2), b = features(other, 2, 3);

    expect_fail(ct_eval_rates(e->of[0], &a, &a, labels, 2, eps2, &f), CSCTRL_E_INVALID,
                "expected labels in 0..1, found others at 1 of 3 images");
    labels[1] = -1;
    expect_fail(ct_eval_rates(e->of[0], &a, &a, labels, 2, eps2, &f), CSCTRL_E_INVALID, "0..1");
    labels[1] = 0;
    expect_fail(ct_eval_rates(e->of[0], &a, &b, labels, 2, eps2, &f), CSCTRL_E_SHAPE,
                "regenerated features: expected f32[3, 2], found f32[2, 3]");
    a.shape[1] = 0;
    expect_fail(ct_eval_rates(e->of[0], &a, &a, labels, 2, eps2, &f), CSCTRL_E_SHAPE,
                "at least one image and feature, found 3 and 0");
    a = features(z, 0, 2);
    expect_fail(ct_eval_rates(e->of[0], &a, &a, labels, 2, eps2, &f), CSCTRL_E_SHAPE,
                "found 0 and 2");
    for (int k = 0; k < EXECS; k++) {
        a = features(z, 3, 2);
        z[1] = k == 0 ? INFINITY : NAN;
        expect_fail(ct_eval_rates(e->of[k], &a, &a, labels, 2, eps2, &f), CSCTRL_E_NUMERIC,
                    "expected a finite number");
        z[1] = 0;
    }
    assert_true(f.rate_z == 7 && f.distance == 7);
}

static void test_every_failing_allocation_is_reported(void **state)
{
    const execs *e = *state;
    float z[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0};
    const int64_t labels[4] = {0, 1, 0, 1};
    const ct_tensor a = features(z, 4, 3);
    csctrl_memory_stats before, after;
    csctrl_figures f;
    csctrl_status st = CSCTRL_E_NOMEM;
    int failures = 0;

    csctrl_memory_get_stats(&before);
    while (st != CSCTRL_OK && failures < 100) {
        ct_mem_fail_from((uint64_t)++failures);
        st = ct_eval_rates(e->of[0], &a, &a, labels, 2, eps2, &f);
        ct_mem_fail_from(0);
        assert_true(st == CSCTRL_OK || st == CSCTRL_E_NOMEM);
    }
    csctrl_memory_get_stats(&after);
    assert_int_equal(st, CSCTRL_OK);
    assert_true(failures > 5);
    assert_int_equal(after.bytes, before.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numpy_agrees_on_tall_and_wide),
        cmocka_unit_test(test_orthonormal_rows_have_the_closed_form),
        cmocka_unit_test(test_orthogonal_classes_reduce_most),
        cmocka_unit_test(test_reductions_are_not_negative),
        cmocka_unit_test(test_rotation_and_order_do_not_matter),
        cmocka_unit_test(test_errors_say_what_is_wrong),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, open_execs, close_execs);
}
