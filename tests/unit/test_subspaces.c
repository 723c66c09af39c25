/* test_subspaces.c - principal subspaces of classes on synthetic unions of subspaces. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "csctrl/eval.h"

enum { D = 12, CLASSES = 3, DIMS = 3, EACH = 120, N = CLASSES * EACH };

/* Class k: unit vectors in the span of axes 3k .. 3k+2 with unequal spread, plus noise. */
typedef struct set {
    float z[N * D];
    int64_t labels[N];
} set;

static csctrl_tensor rows(float *data, int64_t n, int64_t d)
{
    return csctrl_tensor_view(CSCTRL_F32, 2, (const int64_t[]){n, d}, data);
}

static void normalise(float *row, int d)
{
    double sum = 0;

    for (int j = 0; j < d; j++)
        sum += (double)row[j] * (double)row[j];
    for (int j = 0; j < d; j++)
        row[j] = (float)(row[j] / sqrt(sum));
}

static void make_set(set *s, double noise, uint32_t sub)
{
    const ct_rng rng = ct_rng_make(3, CT_RNG_TEST, sub);

    for (int i = 0; i < N; i++) {
        const int k = i % CLASSES;
        s->labels[i] = k;
        for (int j = 0; j < D; j++) {
            const double t = ct_rng_normal(&rng, (uint64_t)(i * D + j));
            const int inside = j / DIMS == k;
            s->z[i * D + j] = (float)(inside ? t * (1 + j % DIMS) : noise * t);
        }
        normalise(s->z + i * D, D);
    }
}

static csctrl_subspaces *fit(set *s, int64_t n, int classes, int components)
{
    csctrl_subspaces *subspaces = NULL;
    const csctrl_tensor z = rows(s->z, n, D);

    assert_int_equal(csctrl_subspaces_fit(&subspaces, &z, s->labels, classes, components),
                     CSCTRL_OK);
    assert_non_null(subspaces);
    return subspaces;
}

static int right_of(const csctrl_subspaces *subspaces, set *s)
{
    static int64_t nearest[N];
    const csctrl_tensor z = rows(s->z, N, D);
    int right = 0;

    assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_OK);
    for (int i = 0; i < N; i++)
        right += nearest[i] == s->labels[i];
    return right;
}

static void test_separated_classes_are_told_apart(void **state)
{
    static set train, test;

    (void)state;
    make_set(&train, 0.02, 0);
    make_set(&test, 0.02, 1);
    for (int components = DIMS; components <= DIMS + 1; components++) {
        csctrl_subspaces *subspaces = fit(&train, N, CLASSES, components);
        assert_int_equal(right_of(subspaces, &test), N);
        csctrl_subspaces_destroy(&subspaces);
        assert_null(subspaces);
    }
}

/* Both classes have mean 0 in every axis, so only the directions can tell them apart. */
static void test_directions_count_not_only_means(void **state)
{
    static set s;
    int right = 0;
    int64_t nearest[8];
    float probe[8 * D] = {0};

    (void)state;
    for (int i = 0; i < N; i++) {
        s.labels[i] = i % 2;
        memset(s.z + i * D, 0, D * sizeof(float));
        s.z[i * D + i % 2 * 2 + i / 4 % 2] = i / 2 % 2 ? 1.0f : -1.0f;
    }
    csctrl_subspaces *subspaces = fit(&s, N, 2, 2);
    for (int i = 0; i < 8; i++) {
        probe[i * D + i % 2 * 2] = i & 2 ? 0.6f : -0.6f;
        probe[i * D + i % 2 * 2 + 1] = i & 4 ? 0.8f : -0.8f;
    }
    const csctrl_tensor z = rows(probe, 8, D);
    assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_OK);
    for (int i = 0; i < 8; i++)
        right += nearest[i] == i % 2;
    assert_int_equal(right, 8);
    csctrl_subspaces_destroy(&subspaces);
}

/* The residual is what decides: in closed form for one direction, far from both means. */
static void test_nearest_means_smallest_residual(void **state)
{
    /* Class 0: mean (1, 0), varies along the second axis. Class 1: mean (-1, 0), one image. */
    float z[] = {1, 2, 1, -2, -1, 0}, probe[] = {0.25f, 9.0f, -0.25f, 9.0f, -0.5f, 0.1f};
    const int64_t labels[] = {0, 0, 1};
    int64_t nearest[3];
    csctrl_subspaces *subspaces = NULL;
    csctrl_tensor t = rows(z, 3, 2);

    (void)state;
    assert_int_equal(csctrl_subspaces_fit(&subspaces, &t, labels, 2, 2), CSCTRL_OK);
    t = rows(probe, 3, 2);
    assert_int_equal(csctrl_subspaces_classify(subspaces, &t, nearest), CSCTRL_OK);
    assert_int_equal(nearest[0], 0); /* 0.75 against more than 9 */
    assert_int_equal(nearest[1], 0); /* 1.25 against more than 9, though nearer to mean 1 in x */
    assert_int_equal(nearest[2], 1); /* 1.5 against 0.51 */
    csctrl_subspaces_destroy(&subspaces);
}

static void test_fewer_images_than_components_or_dimensions(void **state)
{
    static set train, test;

    (void)state;
    make_set(&train, 0.0, 0);
    make_set(&test, 0.0, 1);
    /* 4 images a class, so 3 directions of the 12 asked for: they span each class exactly. */
    csctrl_subspaces *subspaces = fit(&train, 4 * CLASSES, CLASSES, D);
    assert_int_equal(right_of(subspaces, &test), N);
    csctrl_subspaces_destroy(&subspaces);
    /* One image a class: no direction at all, the nearest mean. */
    subspaces = fit(&train, CLASSES, CLASSES, D);
    int64_t nearest[CLASSES];
    const csctrl_tensor z = rows(train.z, CLASSES, D);
    assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_OK);
    for (int k = 0; k < CLASSES; k++)
        assert_int_equal(nearest[k], k);
    csctrl_subspaces_destroy(&subspaces);
}

/* More components than a class has dimensions: what is left has no variance and is not kept, or
 * every class would contain everything. */
static void test_directions_without_variance_are_not_kept(void **state)
{
    static set train, test;

    (void)state;
    make_set(&train, 0.0, 0);
    make_set(&test, 0.0, 1);
    csctrl_subspaces *subspaces = fit(&train, N, CLASSES, D);
    assert_int_equal(right_of(subspaces, &test), N);
    csctrl_subspaces_destroy(&subspaces);
}

static void test_empty_classes_are_never_nearest_and_never_drawn(void **state)
{
    static set train;
    int64_t nearest[N];
    float drawn[6 * D];
    csctrl_tensor z = rows(drawn, 6, D);

    (void)state;
    make_set(&train, 0.02, 0);
    for (int i = 0; i < N; i++)
        train.labels[i] = 2 * train.labels[i] + 1; /* 1, 3, 5 of 0..6 */
    csctrl_subspaces *subspaces = fit(&train, N, 7, DIMS);
    assert_int_equal(right_of(subspaces, &train), N);
    assert_int_equal(csctrl_subspaces_sample(subspaces, 4, 1, &z), CSCTRL_E_INVALID);
    assert_string_equal(csctrl_last_error(),
                        "sample: class 4 had no images when the subspaces were fitted");
    assert_int_equal(csctrl_subspaces_sample(subspaces, -1, 1, &z), CSCTRL_OK);
    assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(nearest[i], 2 * (i % 3) + 1);
    csctrl_subspaces_destroy(&subspaces);
}

static void test_samples_look_like_their_class(void **state)
{
    static set train;
    enum { DRAWN = 400 };
    static float drawn[DRAWN * D];
    int64_t nearest[DRAWN];
    csctrl_tensor z = rows(drawn, DRAWN, D);

    (void)state;
    make_set(&train, 0.02, 0);
    csctrl_subspaces *subspaces = fit(&train, N, CLASSES, DIMS);
    for (int k = 0; k < CLASSES; k++) {
        double second[D] = {0}, outside = 0;
        assert_int_equal(csctrl_subspaces_sample(subspaces, k, 5, &z), CSCTRL_OK);
        assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_OK);
        for (int i = 0; i < DRAWN; i++) {
            double norm = 0;
            for (int j = 0; j < D; j++) {
                const double v = (double)drawn[i * D + j];
                norm += v * v;
                second[j] += v * v / DRAWN;
            }
            assert_true(fabs(norm - 1.0) < 1e-6);
            assert_int_equal(nearest[i], k);
        }
        for (int j = 0; j < D; j++)
            outside += j / DIMS == k ? 0.0 : second[j];
        assert_true(outside < 0.01);
        /* Spread as fitted: axes of deviation 1, 2, 3. */
        assert_true(second[k * DIMS] < second[k * DIMS + 1]);
        assert_true(second[k * DIMS + 1] < second[k * DIMS + 2]);
    }
    csctrl_subspaces_destroy(&subspaces);
}

static void test_samples_are_a_function_of_the_seed(void **state)
{
    static set train;
    float a[10 * D], b[10 * D];
    csctrl_tensor za = rows(a, 10, D), zb = rows(b, 10, D);

    (void)state;
    make_set(&train, 0.02, 0);
    csctrl_subspaces *subspaces = fit(&train, N, CLASSES, DIMS);
    assert_int_equal(csctrl_subspaces_sample(subspaces, -1, 5, &za), CSCTRL_OK);
    assert_int_equal(csctrl_subspaces_sample(subspaces, -1, 5, &zb), CSCTRL_OK);
    assert_memory_equal(a, b, sizeof a);
    /* Fewer samples are the first of more. */
    memset(b, 0, sizeof b);
    zb = rows(b, 4, D);
    assert_int_equal(csctrl_subspaces_sample(subspaces, -1, 5, &zb), CSCTRL_OK);
    assert_memory_equal(a, b, 4 * D * sizeof(float));
    zb = rows(b, 10, D);
    assert_int_equal(csctrl_subspaces_sample(subspaces, -1, 6, &zb), CSCTRL_OK);
    assert_memory_not_equal(a, b, sizeof a);
    csctrl_subspaces_destroy(&subspaces);
}

static void fails(const csctrl_tensor *z, const int64_t *labels, int classes, int components,
                  csctrl_status status, const char *message)
{
    csctrl_subspaces *subspaces = (csctrl_subspaces *)(void *)&status;

    assert_int_equal(csctrl_subspaces_fit(&subspaces, z, labels, classes, components), status);
    assert_null(subspaces);
    assert_non_null(strstr(csctrl_last_error(), message));
}

/* Mean and standard deviation of class 0 along a direction. */
static void spread_along(const set *s, const float *mean, const float *direction, double *middle,
                         double *deviation)
{
    double sum = 0.0, squares = 0.0;

    for (int i = 0; i < N; i++) {
        double along = 0.0;
        for (int j = 0; j < D && s->labels[i] == 0; j++)
            along += ((double)s->z[i * D + j] - (double)mean[j]) * (double)direction[j];
        sum += along;
        squares += along * along;
    }
    *middle = sum / EACH;
    *deviation = sqrt(squares / EACH);
}

/* Class 0 spreads 1 : 2 : 3 along axes 0 to 2: its leading direction is near axis 2. */
static void test_components_are_directions_of_the_class(void **state)
{
    static set s;
    float mean_data[D], direction_data[DIMS][D];
    const int64_t d = D;
    double deviation[DIMS], middle, spread;
    csctrl_tensor mean = csctrl_tensor_view(CSCTRL_F32, 1, &d, mean_data);

    (void)state;
    make_set(&s, 0.02, 0);
    csctrl_subspaces *subspaces = fit(&s, N, CLASSES, DIMS);
    for (int c = 0; c < DIMS; c++) {
        csctrl_tensor direction = csctrl_tensor_view(CSCTRL_F32, 1, &d, direction_data[c]);
        assert_int_equal(
            csctrl_subspaces_component(subspaces, 0, c, &mean, &direction, &deviation[c]),
            CSCTRL_OK);
        spread_along(&s, mean_data, direction_data[c], &middle, &spread);
        assert_true(fabs(middle) < 1e-5 && fabs(spread - deviation[c]) < 1e-5);
        assert_true(c == 0 || deviation[c] < deviation[c - 1]);
        for (int b = 0; b <= c; b++) {
            double dot = 0.0;
            for (int j = 0; j < D; j++)
                dot += (double)direction_data[c][j] * (double)direction_data[b][j];
            assert_true(fabs(dot - (b == c)) < 1e-5);
        }
    }
    assert_true(fabs((double)direction_data[0][2]) > 0.9);
    csctrl_subspaces_destroy(&subspaces);
}

static void test_which_components_there_are(void **state)
{
    static set s;
    float mean_data[D];
    csctrl_tensor mean = csctrl_tensor_view(CSCTRL_F32, 1, (const int64_t[]){D - 1}, mean_data);

    (void)state;
    make_set(&s, 0.02, 0);
    csctrl_subspaces *subspaces = fit(&s, N, CLASSES + 1, DIMS);
    assert_int_equal(csctrl_subspaces_count(subspaces, 0), DIMS);
    assert_int_equal(csctrl_subspaces_count(subspaces, CLASSES), -1); /* empty */
    assert_int_equal(csctrl_subspaces_count(subspaces, CLASSES + 1), -1);
    assert_int_equal(csctrl_subspaces_count(subspaces, -1), -1);
    assert_int_equal(csctrl_subspaces_component(subspaces, 0, 1, NULL, NULL, NULL), CSCTRL_OK);
    assert_int_equal(csctrl_subspaces_component(subspaces, 0, DIMS, NULL, NULL, NULL),
                     CSCTRL_E_INVALID);
    assert_string_equal(csctrl_last_error(),
                        "component: expected one of the 3 of class 0, found number 3");
    assert_int_equal(csctrl_subspaces_component(subspaces, CLASSES, 0, NULL, NULL, NULL),
                     CSCTRL_E_INVALID);
    assert_int_equal(csctrl_subspaces_component(subspaces, 0, -1, NULL, NULL, NULL),
                     CSCTRL_E_INVALID);
    assert_int_equal(csctrl_subspaces_component(subspaces, 0, 0, &mean, NULL, NULL),
                     CSCTRL_E_SHAPE);
    csctrl_subspaces_destroy(&subspaces);
}

static void test_a_bad_fit_is_refused(void **state)
{
    static set s;
    const int64_t below[] = {0, -1};
    csctrl_tensor z = rows(s.z, N, D);

    (void)state;
    make_set(&s, 0.02, 0);
    fails(&z, s.labels, 2, 3, CSCTRL_E_INVALID,
          "subspaces: expected labels in 0..1, found 2 at feature 2");
    fails(&z, below, 2, 3, CSCTRL_E_INVALID, "found -1 at feature 1");
    fails(&z, s.labels, 0, 3, CSCTRL_E_INVALID, "expected at least one class, found 0");
    fails(&z, s.labels, CLASSES, 0, CSCTRL_E_INVALID, "expected 1..12 components, found 0");
    fails(&z, s.labels, CLASSES, D + 1, CSCTRL_E_INVALID, "expected 1..12 components, found 13");
    z = rows(s.z, 0, D);
    fails(&z, s.labels, CLASSES, 3, CSCTRL_E_INVALID, "every class is empty");
    z = rows(s.z, N, 0);
    fails(&z, s.labels, CLASSES, 3, CSCTRL_E_SHAPE, "expected 1..46340 numbers");
    z = rows(s.z, N, D);
    z.ndim = 1;
    fails(&z, s.labels, CLASSES, 3, CSCTRL_E_SHAPE, "features: expected f32[any, any]");
    z = rows(s.z, N, D);
    z.dtype = CSCTRL_F64;
    fails(&z, s.labels, CLASSES, 3, CSCTRL_E_DTYPE, "features: expected f32");
    z = rows(s.z, N, D);
    s.z[7 * D + 2] = NAN;
    fails(&z, s.labels, CLASSES, 3, CSCTRL_E_NUMERIC, "feature 7 is not finite");
}

static void test_bad_use_is_refused(void **state)
{
    static set s;
    int64_t nearest[2];
    float other[2 * D] = {0};
    csctrl_tensor z = rows(other, 2, D - 1);

    (void)state;
    make_set(&s, 0.02, 0);
    csctrl_subspaces *subspaces = fit(&s, N, CLASSES, DIMS);
    assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_E_SHAPE);
    assert_string_equal(csctrl_last_error(), "features: expected f32[any, 12], found f32[2, 11]");
    assert_int_equal(csctrl_subspaces_sample(subspaces, 0, 1, &z), CSCTRL_E_SHAPE);
    z = rows(other, 2, D);
    assert_int_equal(csctrl_subspaces_sample(subspaces, CLASSES, 1, &z), CSCTRL_E_INVALID);
    assert_string_equal(csctrl_last_error(), "sample: expected a class in -1..2, found 3");
    assert_int_equal(csctrl_subspaces_sample(subspaces, -2, 1, &z), CSCTRL_E_INVALID);
    other[D + 1] = INFINITY;
    assert_int_equal(csctrl_subspaces_classify(subspaces, &z, nearest), CSCTRL_E_NUMERIC);
    assert_non_null(strstr(csctrl_last_error(), "feature 1 is not finite"));
    csctrl_subspaces_destroy(&subspaces);
    csctrl_subspaces_destroy(&subspaces);
    csctrl_subspaces_destroy(NULL);
}

static csctrl_status fit_classify_sample(set *s)
{
    csctrl_subspaces *subspaces = NULL;
    int64_t nearest[CLASSES];
    float drawn[CLASSES * D];
    const csctrl_tensor all = rows(s->z, N, D), few = rows(s->z, CLASSES, D);
    csctrl_tensor z = rows(drawn, CLASSES, D);
    csctrl_status st = csctrl_subspaces_fit(&subspaces, &all, s->labels, CLASSES, DIMS);

    if (st == CSCTRL_OK)
        st = csctrl_subspaces_classify(subspaces, &few, nearest);
    if (st == CSCTRL_OK)
        st = csctrl_subspaces_sample(subspaces, -1, 1, &z);
    csctrl_subspaces_destroy(&subspaces);
    return st;
}

static void test_every_failing_allocation_is_reported(void **state)
{
    static set s;
    csctrl_memory_stats before, after;
    csctrl_status st = CSCTRL_E_NOMEM;
    int tries = 0;

    (void)state;
    make_set(&s, 0.02, 0);
    csctrl_memory_get_stats(&before);
    while (st != CSCTRL_OK && tries < 100) {
        ct_mem_fail_from((uint64_t)++tries);
        st = fit_classify_sample(&s);
        ct_mem_fail_from(0);
        assert_true(st == CSCTRL_OK || st == CSCTRL_E_NOMEM);
        csctrl_memory_get_stats(&after);
        assert_int_equal(after.bytes, before.bytes);
    }
    assert_int_equal(st, CSCTRL_OK);
    assert_true(tries > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_separated_classes_are_told_apart),
        cmocka_unit_test(test_directions_count_not_only_means),
        cmocka_unit_test(test_nearest_means_smallest_residual),
        cmocka_unit_test(test_fewer_images_than_components_or_dimensions),
        cmocka_unit_test(test_directions_without_variance_are_not_kept),
        cmocka_unit_test(test_empty_classes_are_never_nearest_and_never_drawn),
        cmocka_unit_test(test_samples_look_like_their_class),
        cmocka_unit_test(test_samples_are_a_function_of_the_seed),
        cmocka_unit_test(test_components_are_directions_of_the_class),
        cmocka_unit_test(test_which_components_there_are),
        cmocka_unit_test(test_a_bad_fit_is_refused),
        cmocka_unit_test(test_bad_use_is_refused),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
