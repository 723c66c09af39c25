/* test_psnr.c - PSNR against closed forms and against NumPy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/eval.h"
#include "support/image_pair.h"

static void test_identical_images_give_100(void **state)
{
    pair p;
    double psnr[N] = {0};

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a);
    assert_int_equal(csctrl_psnr(&a, &a, psnr), CSCTRL_OK);
    assert_true(psnr[0] == 100.0 && psnr[1] == 100.0);
}

static void test_a_shift_has_the_closed_form(void **state)
{
    pair p;
    double psnr[N] = {0};

    (void)state;
    for (int i = 0; i < ALL; i++) {
        p.a[i] = -0.25f;
        p.b[i] = i < ALL / N ? 0.25f : -0.25f + 0x1p-20f;
    }
    const csctrl_tensor a = view(p.a), b = view(p.b);
    assert_int_equal(csctrl_psnr(&a, &b, psnr), CSCTRL_OK);
    assert_true(fabs(psnr[0] - 10.0 * log10(4.0 / 0.25)) < 1e-12);
    /* 126 dB by the formula: nothing exceeds what identical images get. */
    assert_true(psnr[1] == 100.0);
}

static void test_numpy_agrees(void **state)
{
    pair p;
    double psnr[N] = {0};

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a), b = view(p.b);
    assert_int_equal(csctrl_psnr(&a, &b, psnr), CSCTRL_OK);
    assert_true(fabs(psnr[0] - 13.801704632698804) < 1e-10);
    assert_true(fabs(psnr[1] - 13.763057843976723) < 1e-10);
}

static void test_pixels_that_are_not_finite_do_not_look_good(void **state)
{
    pair p;
    double psnr[N] = {0};

    (void)state;
    fill(&p);
    p.b[3] = NAN;
    const csctrl_tensor a = view(p.a), b = view(p.b);
    assert_int_equal(csctrl_psnr(&a, &b, psnr), CSCTRL_OK);
    assert_true(isnan(psnr[0]));
    assert_true(fabs(psnr[1] - 13.763057843976723) < 1e-10);
}

static void test_bad_shapes_are_refused(void **state)
{
    pair p;
    double psnr[N] = {0};

    (void)state;
    fill(&p);
    const csctrl_tensor a = view(p.a);
    csctrl_tensor b = view(p.b);
    b.shape[3] = W - 1;
    assert_int_equal(csctrl_psnr(&a, &b, psnr), CSCTRL_E_SHAPE);
    assert_string_equal(csctrl_last_error(),
                        "second images: expected f32[2, 3, 16, 13], found f32[2, 3, 16, 12]");
    b = view(p.b);
    b.dtype = CSCTRL_U8;
    assert_int_equal(csctrl_psnr(&b, &a, psnr), CSCTRL_E_DTYPE);
    assert_non_null(strstr(csctrl_last_error(), "first images: expected f32"));
    b = view(p.b);
    b.ndim = 3;
    assert_int_equal(csctrl_psnr(&b, &b, psnr), CSCTRL_E_SHAPE);
    b = view(p.b);
    b.shape[2] = 0;
    assert_int_equal(csctrl_psnr(&b, &b, psnr), CSCTRL_E_SHAPE);
    assert_non_null(strstr(csctrl_last_error(), "at least one channel of 1 x 1 pixels"));
    assert_true(psnr[0] == 0 && psnr[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identical_images_give_100),
        cmocka_unit_test(test_a_shift_has_the_closed_form),
        cmocka_unit_test(test_numpy_agrees),
        cmocka_unit_test(test_pixels_that_are_not_finite_do_not_look_good),
        cmocka_unit_test(test_bad_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
