/* test_ssim.c - SSIM against closed forms and against a direct two-dimensional NumPy version. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "csctrl/eval.h"
#include "support/image_pair.h"

static void test_identical_images_give_1(void **state)
{
    pair p;
    double ssim[N] = {0};

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a);
    assert_int_equal(csctrl_ssim(&a, &a, ssim), CSCTRL_OK);
    assert_true(ssim[0] == 1.0 && ssim[1] == 1.0);
}

/* Flat images have no structure: only the luminance term is left. */
static void test_flat_images_have_the_closed_form(void **state)
{
    pair p;
    double ssim[N] = {0};
    const double c1 = 0.02 * 0.02, expected = (2 * 0.5 * 0.25 + c1) / (0.25 + 0.0625 + c1);

    (void)state;
    for (int i = 0; i < ALL; i++) {
        p.a[i] = 0.5f;
        p.b[i] = 0.25f;
    }
    const csctrl_tensor a = view(p.a), b = view(p.b);
    assert_int_equal(csctrl_ssim(&a, &b, ssim), CSCTRL_OK);
    assert_true(fabs(ssim[0] - expected) < 1e-10);
    assert_true(fabs(ssim[1] - expected) < 1e-10);
}

static void test_numpy_agrees_and_order_does_not_matter(void **state)
{
    pair p;
    double ssim[N] = {0}, swapped[N] = {0};

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a), b = view(p.b);
    assert_int_equal(csctrl_ssim(&a, &b, ssim), CSCTRL_OK);
    assert_int_equal(csctrl_ssim(&b, &a, swapped), CSCTRL_OK);
    assert_true(fabs(ssim[0] - 0.3002285527297587) < 1e-12);
    assert_true(fabs(ssim[1] - 0.22128623661583013) < 1e-12);
    assert_true(fabs(ssim[0] - swapped[0]) < 1e-14 && fabs(ssim[1] - swapped[1]) < 1e-14);
}

/* A checkerboard and its negative: equal means, structure reversed. */
static void test_the_negative_of_a_checkerboard_gives_almost_minus_1(void **state)
{
    pair p;
    double ssim[N] = {0};

    (void)state;
    for (int i = 0; i < ALL; i++) {
        p.a[i] = (i / W + i % W) % 2 == 0 ? 1.0f : -1.0f;
        p.b[i] = -p.a[i];
    }
    const csctrl_tensor a = view(p.a), b = view(p.b);
    assert_int_equal(csctrl_ssim(&a, &b, ssim), CSCTRL_OK);
    assert_true(ssim[0] < -0.99 && ssim[0] > -1.0);
    assert_true(ssim[1] < -0.99 && ssim[1] > -1.0);
}

static void test_bad_shapes_are_refused(void **state)
{
    pair p;
    double ssim[N] = {0};

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a);
    csctrl_tensor b = view(p.b);
    b.shape[0] = 1;
    assert_int_equal(csctrl_ssim(&a, &b, ssim), CSCTRL_E_SHAPE);
    assert_non_null(strstr(csctrl_last_error(), "second images: expected f32[2, 3, 16, 13]"));
    b = view(p.b);
    b.shape[3] = 10;
    assert_int_equal(csctrl_ssim(&b, &b, ssim), CSCTRL_E_SHAPE);
    assert_string_equal(csctrl_last_error(), "images: expected at least one channel of 11 x 11 "
                                             "pixels, found f32[2, 3, 16, 10]");
    b = view(NULL);
    assert_int_equal(csctrl_ssim(&a, &b, ssim), CSCTRL_E_SHAPE);
    assert_non_null(strstr(csctrl_last_error(), "without data"));
}

static void test_no_memory_is_reported(void **state)
{
    pair p;
    double ssim[N] = {0};
    csctrl_memory_stats before, after;

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a), b = view(p.b);
    csctrl_memory_get_stats(&before);
    ct_mem_fail_from(1);
    const csctrl_status st = csctrl_ssim(&a, &b, ssim);
    ct_mem_fail_from(0);
    assert_int_equal(st, CSCTRL_E_NOMEM);
    assert_non_null(strstr(csctrl_last_error(), "out of memory"));
    assert_int_equal(csctrl_ssim(&a, &b, ssim), CSCTRL_OK);
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes, before.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identical_images_give_1),
        cmocka_unit_test(test_flat_images_have_the_closed_form),
        cmocka_unit_test(test_numpy_agrees_and_order_does_not_matter),
        cmocka_unit_test(test_the_negative_of_a_checkerboard_gives_almost_minus_1),
        cmocka_unit_test(test_bad_shapes_are_refused),
        cmocka_unit_test(test_no_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
