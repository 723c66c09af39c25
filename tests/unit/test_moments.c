/* test_moments.c - means, covariances and Frechet distances against closed forms and pytorch-fid's
 * calculate_frechet_distance; statistics files. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csctrl/npy.h"
#include "csctrl/system.h"
#include "eval/moments.h"
#include "io/npz.h"
#include "support/expect.h"
#include "support/feature_pair.h"
#include "support/temp.h"

static csctrl_moments *moments_of(const csctrl_tensor *features)
{
    csctrl_moments *m = NULL;

    expect_ok(csctrl_moments_create(&m, features->shape[1]));
    expect_ok(csctrl_moments_add(m, features));
    return m;
}

static double distance_of(const csctrl_moments *a, const csctrl_moments *b)
{
    double distance = -1;

    expect_ok(csctrl_frechet_distance(a, b, &distance));
    return distance;
}

/* Points on the axes: the covariance is diagonal, so is its root. */
static void test_diagonal_gaussians_have_the_closed_form(void **state)
{
    float a[4][2] = {{3, 0}, {-3, 0}, {0, 1}, {0, -1}};
    float b[4][2] = {{6, 2}, {4, 2}, {5, 4}, {5, 0}};
    const int64_t shape[] = {4, 2};
    csctrl_tensor x = csctrl_tensor_view(CSCTRL_F32, 2, shape, a);
    csctrl_tensor y = csctrl_tensor_view(CSCTRL_F32, 2, shape, b);
    csctrl_moments *p = moments_of(&x), *q = moments_of(&y);
    const double d0 = sqrt(6.0) - sqrt(2.0 / 3), d1 = sqrt(2.0 / 3) - sqrt(8.0 / 3);

    (void)state;
    assert_true(fabs(distance_of(p, q) - (25 + 4 + d0 * d0 + d1 * d1)) < 1e-12);
    assert_true(distance_of(p, p) < 1e-12);
    csctrl_moments_destroy(&p);
    csctrl_moments_destroy(&q);
    assert_null(p);
}

static void test_pytorch_fid_agrees(void **state)
{
    feature_pair f;

    (void)state;
    fill_features(&f);
    csctrl_tensor x = rows_of(f.a, NA), y = rows_of(f.b, NB);
    csctrl_moments *p = moments_of(&x), *q = moments_of(&y);
    assert_true(fabs(distance_of(p, q) / 0.7795976643091653 - 1) < 1e-10);
    assert_true(fabs(distance_of(q, p) / 0.7795976643091653 - 1) < 1e-10);
    csctrl_moments_destroy(&p);
    csctrl_moments_destroy(&q);
}

/* Four points in six dimensions: both covariances are singular. pytorch-fid itself is only good to
 * some 1e-7 here. */
static void test_singular_covariances_have_a_distance(void **state)
{
    feature_pair f;

    (void)state;
    fill_features(&f);
    csctrl_tensor x = rows_of(f.a, 4), y = rows_of(f.b, 4);
    csctrl_moments *p = moments_of(&x), *q = moments_of(&y);
    assert_true(fabs(distance_of(p, q) / 2.141738871860605 - 1) < 1e-6);
    assert_true(distance_of(p, p) < 1e-12);
    csctrl_moments_destroy(&p);
    csctrl_moments_destroy(&q);
}

static void test_batches_do_not_matter(void **state)
{
    feature_pair f;
    double mean[2][D], covariance[2][D * D];

    (void)state;
    fill_features(&f);
    for (int i = 0; i < NA * D; i++)
        f.a[i] += 1000; /* far from 0, where squares would cancel */
    csctrl_tensor all = rows_of(f.a, NA), first = rows_of(f.a, 7), rest = rows_of(f.a + 7 * D, 33);
    csctrl_moments *p = moments_of(&all), *q = moments_of(&first);
    csctrl_moments_info info;
    expect_ok(csctrl_moments_add(q, &rest));
    csctrl_moments_get_info(q, &info);
    assert_int_equal(info.count, NA);
    assert_int_equal(info.features, D);
    expect_ok(ct_moments_final(p, mean[0], covariance[0]));
    expect_ok(ct_moments_final(q, mean[1], covariance[1]));
    for (int i = 0; i < D * D; i++)
        assert_true(fabs(covariance[0][i] - covariance[1][i]) < 1e-11);
    /* Against the definition. */
    double sum = 0, cross = 0;
    for (int i = 0; i < NA; i++)
        sum += f.a[i * D + 2];
    for (int i = 0; i < NA; i++)
        cross += (f.a[i * D + 2] - mean[0][2]) * (f.a[i * D + 4] - mean[0][4]);
    assert_true(fabs(mean[0][2] - sum / NA) < 1e-9);
    assert_true(fabs(covariance[0][2 * D + 4] - cross / (NA - 1)) < 1e-9);
    csctrl_moments_destroy(&p);
    csctrl_moments_destroy(&q);
}

static void test_files_keep_everything(void **state)
{
    feature_pair f;
    csctrl_moments *q = NULL;
    csctrl_moments_info info;

    fill_features(&f);
    csctrl_tensor x = rows_of(f.a, NA);
    csctrl_moments *p = moments_of(&x);
    csctrl_moments_set_recipe(p, "resize clean");
    expect_ok(csctrl_moments_write(p, temp_path(state, "a.npz")));
    expect_ok(csctrl_moments_read(&q, temp_path(state, "a.npz")));
    csctrl_moments_get_info(q, &info);
    assert_int_equal(info.count, NA);
    assert_string_equal(info.recipe, "resize clean");
    assert_true(distance_of(p, q) < 1e-12);
    expect_fail(csctrl_moments_add(q, &x), CSCTRL_E_STATE, "read from a file");
    csctrl_moments_destroy(&p);
    csctrl_moments_destroy(&q);
}

static void test_foreign_files_are_read_and_bad_ones_refused(void **state)
{
    float mu[2] = {1, 2}, sigma[4] = {1, 0, 0, 1};
    ct_named_tensor arrays[] = {{"mu.npy", CT_SHAPE(CSCTRL_F32, 2)},
                                {"sigma.npy", CT_SHAPE(CSCTRL_F32, 2, 2)}};
    csctrl_moments *m = NULL;
    csctrl_moments_info info;
    const char *path = temp_path(state, "f.npz");

    arrays[0].value.data = mu;
    arrays[1].value.data = sigma;
    expect_ok(ct_npz_write(path, arrays, 2));
    expect_ok(csctrl_moments_read(&m, path));
    csctrl_moments_get_info(m, &info);
    assert_int_equal(info.count, 0);
    assert_string_equal(info.recipe, "");
    csctrl_moments_destroy(&m);
    sigma[3] = NAN;
    expect_ok(ct_npz_write(path, arrays, 2));
    expect_fail(csctrl_moments_read(&m, path), CSCTRL_E_FORMAT, "sigma: number 3 is not finite");
    expect_ok(ct_npz_write(path, arrays, 1));
    expect_fail(csctrl_moments_read(&m, path), CSCTRL_E_FORMAT, "expected an array \"sigma\"");
    arrays[1].value = CT_SHAPE(CSCTRL_F32, 4);
    arrays[1].value.data = sigma;
    expect_ok(ct_npz_write(path, arrays, 2));
    expect_fail(csctrl_moments_read(&m, path), CSCTRL_E_FORMAT, "expected mu [d] and sigma [d, d]");
    arrays[0].value = CT_SHAPE(CSCTRL_F32, 0);
    arrays[1].value = CT_SHAPE(CSCTRL_F32, 0, 0);
    arrays[0].value.data = arrays[1].value.data = sigma;
    expect_ok(ct_npz_write(path, arrays, 2));
    expect_fail(csctrl_moments_read(&m, path), CSCTRL_E_FORMAT,
                "f.npz: expected statistics of 1..46340 features, found 0");
    arrays[0].value = CT_SHAPE(CSCTRL_F32, 46341);
    arrays[0].value.data = calloc(46341, sizeof(float));
    expect_ok(ct_npz_write(path, arrays, 2));
    expect_fail(csctrl_moments_read(&m, path), CSCTRL_E_FORMAT,
                "f.npz: mu: expected at most 46340");
    free(arrays[0].value.data);
    path = temp_file(state, "no.npz", "hello", 5);
    expect_fail(csctrl_moments_read(&m, path), CSCTRL_E_FORMAT, "expected an .npz file");
    expect_fail(csctrl_moments_read(&m, temp_path(state, "none.npz")), CSCTRL_E_NOT_FOUND, "none");
    assert_null(m);
}

/* An entry is read no further than its header speaks of: a compressed one could be of any length.
 */
static void test_entries_are_read_as_far_as_their_header_says(void **state)
{
    enum { COUNT = 4 << 20 };
    static const char longer[] = "(4194304,)", shorter[] = "(2,)      ";
    const char *path = temp_path(state, "long.npz");
    ct_named_tensor array = {"mu.npy", CT_SHAPE(CSCTRL_U8, COUNT)};
    ct_npz_item item = {.name = "mu"};
    unsigned char *file = NULL, *at;
    size_t size = 0;

    array.value.data = calloc(COUNT, 1);
    expect_ok(ct_npz_write(path, &array, 1));
    item.most = COUNT - 1;
    expect_fail(ct_npz_read(path, &item, 1), CSCTRL_E_FORMAT,
                "mu: expected at most 4194303 numbers, found u8[4194304]");
    item.most = 0;
    expect_ok(ct_npz_read(path, &item, 1));
    csctrl_npy_free(&item.value);
    expect_ok(ct_fs_read(path, SIZE_MAX, &file, &size));
    at = memmem(file, size, longer, strlen(longer));
    assert_non_null(at);
    memcpy(at, shorter, strlen(shorter));
    expect_fail(ct_npz_parse(file, size, "long", &item, 1), CSCTRL_E_FORMAT,
                "expected 2 bytes of elements from the npy header, found 3: the file is too long");
    assert_null(item.value.data);
    ct_free(file);
    free(array.value.data);
}

static csctrl_moments *moments_from(void **state, double *mu, double *sigma)
{
    const char *path = temp_path(state, "d.npz");
    ct_named_tensor arrays[] = {{"mu.npy", CT_SHAPE(CSCTRL_F64, 2)},
                                {"sigma.npy", CT_SHAPE(CSCTRL_F64, 2, 2)}};
    csctrl_moments *m = NULL;

    arrays[0].value.data = mu;
    arrays[1].value.data = sigma;
    expect_ok(ct_npz_write(path, arrays, 2));
    expect_ok(csctrl_moments_read(&m, path));
    return m;
}

/* Finite in the file, but their squares are not: no distance, least of all 0. */
static void test_huge_numbers_have_no_distance(void **state)
{
    double zero[2] = {0}, huge[2] = {1e200, -1e200};
    double unit[4] = {1, 0, 0, 1}, wide[4] = {1e200, 0, 0, 1e200}, most[4] = {1e308, 0, 0, 1e308};
    csctrl_moments *plain = moments_from(state, zero, unit), *far = moments_from(state, huge, unit);
    csctrl_moments *large = moments_from(state, zero, wide), *top = moments_from(state, zero, most);
    double distance = -1;

    expect_fail(csctrl_frechet_distance(far, plain, &distance), CSCTRL_E_NUMERIC, "too large");
    expect_fail(csctrl_frechet_distance(large, large, &distance), CSCTRL_E_NUMERIC, "Frechet");
    expect_fail(csctrl_frechet_distance(top, top, &distance), CSCTRL_E_NUMERIC, "Frechet");
    assert_true(distance == -1);
    csctrl_moments_destroy(&plain);
    csctrl_moments_destroy(&far);
    csctrl_moments_destroy(&large);
    csctrl_moments_destroy(&top);
}

static void test_misuse_is_told(void **state)
{
    float x[4] = {1, 2, NAN, 4};
    csctrl_moments *m = NULL, *other = NULL;
    double distance;

    (void)state;
    expect_fail(csctrl_moments_create(&m, 0), CSCTRL_E_INVALID, "expected 1..46340 features");
    assert_null(m);
    expect_ok(csctrl_moments_create(&m, 2));
    expect_ok(csctrl_moments_create(&other, 3));
    csctrl_tensor t = csctrl_tensor_view(CSCTRL_F32, 2, (const int64_t[]){2, 2}, x);
    expect_fail(csctrl_moments_add(m, &t), CSCTRL_E_NUMERIC, "number 2 is not finite");
    expect_fail(csctrl_moments_add(other, &t), CSCTRL_E_SHAPE, "expected f32[any, 3]");
    expect_fail(csctrl_frechet_distance(m, other, &distance), CSCTRL_E_SHAPE, "found 2 and 3");
    t.shape[0] = 1;
    expect_ok(csctrl_moments_add(m, &t));
    expect_fail(csctrl_frechet_distance(m, m, &distance), CSCTRL_E_STATE, "at least 2 images");
    csctrl_moments_destroy(&m);
    csctrl_moments_destroy(&other);
    csctrl_moments_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diagonal_gaussians_have_the_closed_form),
        cmocka_unit_test(test_pytorch_fid_agrees),
        cmocka_unit_test(test_singular_covariances_have_a_distance),
        cmocka_unit_test(test_batches_do_not_matter),
        cmocka_unit_test_setup_teardown(test_files_keep_everything, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_foreign_files_are_read_and_bad_ones_refused, temp_make,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_entries_are_read_as_far_as_their_header_says,
                                        temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_huge_numbers_have_no_distance, temp_make, temp_remove),
        cmocka_unit_test(test_misuse_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
