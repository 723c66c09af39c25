/* test_feature_scores.c - kernel distance and Inception score against torch-fidelity, precision to
 * coverage against their definitions, and what a collapsed generator looks like. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "csctrl/score.h"
#include "eval/mt19937.h"
#include "support/expect.h"
#include "support/feature_pair.h"

static void test_numpy_permutes_alike(void **state)
{
    static const int64_t expected[] = {2, 1, 11, 4, 10, 5, 7, 9, 6, 3, 8, 0};
    int64_t order[12];
    ct_mt19937 r;

    (void)state;
    ct_mt19937_seed(&r, 2020);
    assert_int_equal(ct_mt19937_next(&r), 4236026720U);
    ct_mt19937_seed(&r, 2020);
    ct_mt19937_permutation(&r, 12, order);
    assert_memory_equal(order, expected, sizeof expected);
}

static double brute_kernel(const float *x, const float *y)
{
    double t = 0;

    for (int j = 0; j < D; j++)
        t += (double)x[j] * (double)y[j];
    t = t / D + 1;
    return t * t * t;
}

static void test_kernel_distance_is_that_of_torch_fidelity(void **state)
{
    feature_pair f;
    csctrl_kernel_distance k;
    double aa = 0, bb = 0, ab = 0;

    (void)state;
    fill_features(&f);
    csctrl_tensor a = rows_of(f.a, NA), b = rows_of(f.b, NB);
    expect_ok(csctrl_kernel_distance_compute(&a, &b, 7, 20, 2020, &k));
    assert_true(fabs(k.mean / 0.1747259912065883 - 1) < 1e-12);
    assert_true(fabs(k.deviation / 0.09168456902861039 - 1) < 1e-12);
    assert_int_equal(k.subset_size, 20);
    for (int i = 0; i < NA; i++)
        for (int j = 0; j < NA; j++)
            aa += i != j ? brute_kernel(f.a + i * D, f.a + j * D) : 0;
    for (int i = 0; i < NB; i++)
        for (int j = 0; j < NB; j++)
            bb += i != j ? brute_kernel(f.b + i * D, f.b + j * D) : 0;
    for (int i = 0; i < NA; i++)
        for (int j = 0; j < NB; j++)
            ab += brute_kernel(f.a + i * D, f.b + j * D);
    const double all = aa / (NA * (NA - 1)) + bb / (NB * (NB - 1)) - 2 * ab / (NA * NB);
    assert_true(fabs(k.all - all) < 1e-12);
}

/* A set against itself is a set against its copy: where the numbers lie does not matter. */
static void test_kernel_distance_of_a_set_to_itself(void **state)
{
    feature_pair f, g;
    csctrl_kernel_distance own, copied;

    (void)state;
    fill_features(&f);
    g = f;
    csctrl_tensor a = rows_of(f.a, NA), copy = rows_of(g.a, NA);
    expect_ok(csctrl_kernel_distance_compute(&a, &a, 3, 20, 2020, &own));
    expect_ok(csctrl_kernel_distance_compute(&a, &copy, 3, 20, 2020, &copied));
    assert_true(own.all == copied.all && own.mean == copied.mean);
}

/* With subsets as large as both sets there is one value, and fewer images than asked for will do.
 */
static void test_few_images_shrink_the_subsets(void **state)
{
    feature_pair f;
    csctrl_kernel_distance k;

    (void)state;
    fill_features(&f);
    csctrl_tensor a = rows_of(f.a, NB), b = rows_of(f.b, NB), one = rows_of(f.b, 1);
    expect_ok(csctrl_kernel_distance_compute(&a, &b, 3, 1000, 2020, &k));
    assert_int_equal(k.subset_size, NB);
    assert_true(fabs(k.mean - k.all) < 1e-12 && k.deviation < 1e-12);
    expect_fail(csctrl_kernel_distance_compute(&a, &one, 3, 9, 1, &k), CSCTRL_E_SHAPE,
                "at least 2");
    expect_fail(csctrl_kernel_distance_compute(&a, &b, 0, 9, 1, &k), CSCTRL_E_INVALID, "found 0");
    b.shape[1] = D - 1;
    expect_fail(csctrl_kernel_distance_compute(&a, &b, 3, 9, 1, &k), CSCTRL_E_SHAPE,
                "expected f32[any, 6]");
}

static void test_inception_score_is_that_of_torch_fidelity(void **state)
{
    feature_pair f;
    double mean, deviation;

    (void)state;
    fill_features(&f);
    for (int i = 0; i < NA * D; i++)
        f.a[i] *= 4;
    csctrl_tensor a = rows_of(f.a, NA);
    expect_ok(csctrl_inception_score(&a, 3, 2020, &mean, &deviation));
    assert_true(fabs(mean / 2.2458914449810603 - 1) < 1e-12);
    assert_true(fabs(deviation / 0.18809376233334993 - 1) < 1e-12);
}

/* Every image of a class of its own, each as often: the score is the number of classes. */
static void test_inception_score_of_certain_classes(void **state)
{
    float logits[12 * D] = {0};
    double mean, deviation;

    (void)state;
    for (int i = 0; i < 12; i++)
        logits[i * D + i % D] = 100;
    csctrl_tensor a = rows_of(logits, 12);
    expect_ok(csctrl_inception_score(&a, 1, 0, &mean, &deviation));
    assert_true(fabs(mean - D) < 1e-9 && deviation < 1e-12);
    expect_fail(csctrl_inception_score(&a, 13, 0, &mean, &deviation), CSCTRL_E_INVALID,
                "1..12 splits");
    logits[3] = INFINITY;
    expect_fail(csctrl_inception_score(&a, 1, 0, &mean, &deviation), CSCTRL_E_NUMERIC, "finite");
}

/* Values of a direct NumPy version; torch-fidelity's precision and recall are the same. */
static void test_manifold_follows_the_definitions(void **state)
{
    feature_pair f;
    csctrl_manifold m;

    (void)state;
    fill_features(&f);
    csctrl_tensor a = rows_of(f.a, NA), b = rows_of(f.b, NB);
    expect_ok(csctrl_manifold_compute(&b, &a, 3, &m));
    assert_true(m.precision == 1.0);
    assert_true(fabs(m.recall - 0.35) < 1e-12);
    assert_true(fabs(m.density - 2.577777777777778) < 1e-12);
    assert_true(fabs(m.coverage - 0.775) < 1e-12);
    expect_fail(csctrl_manifold_compute(&b, &a, NB, &m), CSCTRL_E_INVALID,
                "more images than the 30");
    expect_fail(csctrl_manifold_compute(&b, &a, 0, &m), CSCTRL_E_INVALID, "more images than the 0");
    a.shape[1] = b.shape[1] = 0;
    expect_fail(csctrl_manifold_compute(&b, &a, 3, &m), CSCTRL_E_SHAPE, "at least one number");
}

/* One number that is none, on either side: not a distance of 0. */
static void test_features_that_are_not_finite_are_refused(void **state)
{
    feature_pair f;
    csctrl_kernel_distance k;
    csctrl_manifold m;

    (void)state;
    fill_features(&f);
    csctrl_tensor a = rows_of(f.a, NA), b = rows_of(f.b, NB);
    f.a[7] = NAN;
    expect_fail(csctrl_kernel_distance_compute(&a, &b, 3, 9, 1, &k), CSCTRL_E_NUMERIC,
                "first features: number 7 is not finite");
    expect_fail(csctrl_kernel_distance_compute(&b, &a, 3, 9, 1, &k), CSCTRL_E_NUMERIC,
                "second features: number 7");
    expect_fail(csctrl_manifold_compute(&a, &b, 3, &m), CSCTRL_E_NUMERIC, "samples: number 7");
    f.a[7] = INFINITY;
    expect_fail(csctrl_manifold_compute(&b, &a, 3, &m), CSCTRL_E_NUMERIC, "reference: number 7");
}

enum { MODES = 10, EACH = 30, ALL = MODES * EACH };

static void around_modes(float *x, int modes, float width, uint32_t sub)
{
    const ct_rng rng = ct_rng_make(1, CT_RNG_TEST, sub);

    for (int i = 0; i < ALL; i++)
        for (int j = 0; j < D; j++) {
            const int mode = i % modes;
            const float centre = (float)((mode * (j + 3) + mode * mode) % 11);
            x[i * D + j] = 4 * centre + width * (float)ct_rng_normal(&rng, (uint64_t)(i * D + j));
        }
}

/* Samples of one mode alone are all real: precise, without recall. Noise all over is the reverse.
 */
static void test_mode_collapse_is_precise_without_recall(void **state)
{
    float real[ALL * D], collapsed[ALL * D], noise[ALL * D], good[ALL * D];
    csctrl_manifold one, wide, same;

    (void)state;
    around_modes(real, MODES, 1, 0);
    around_modes(collapsed, 1, 0.5F, 1);
    around_modes(noise, MODES, 12, 2);
    around_modes(good, MODES, 1, 3);
    csctrl_tensor r = rows_of(real, ALL), c = rows_of(collapsed, ALL), n = rows_of(noise, ALL);
    csctrl_tensor g = rows_of(good, ALL);
    expect_ok(csctrl_manifold_compute(&c, &r, 5, &one));
    expect_ok(csctrl_manifold_compute(&n, &r, 5, &wide));
    expect_ok(csctrl_manifold_compute(&g, &r, 5, &same));
    assert_true(one.precision > 0.95 && one.recall < 0.1);
    assert_true(wide.precision < 0.3 && wide.recall > 0.9);
    assert_true(same.precision > 0.8 && same.recall > 0.8);
    assert_true(one.coverage < 0.15 && same.coverage > 0.8);
    assert_true(one.density > same.density && same.density > wide.density);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numpy_permutes_alike),
        cmocka_unit_test(test_kernel_distance_is_that_of_torch_fidelity),
        cmocka_unit_test(test_kernel_distance_of_a_set_to_itself),
        cmocka_unit_test(test_few_images_shrink_the_subsets),
        cmocka_unit_test(test_inception_score_is_that_of_torch_fidelity),
        cmocka_unit_test(test_inception_score_of_certain_classes),
        cmocka_unit_test(test_manifold_follows_the_definitions),
        cmocka_unit_test(test_features_that_are_not_finite_are_refused),
        cmocka_unit_test(test_mode_collapse_is_precise_without_recall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
