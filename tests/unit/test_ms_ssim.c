/* test_ms_ssim.c - MS-SSIM against a direct two-dimensional NumPy version, odd sides included. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/score.h"
#include "support/expect.h"

enum { HEIGHT = 165, WIDTH = 170, PIXELS = HEIGHT * WIDTH };

static csctrl_tensor view_of(float *data, int64_t channels)
{
    return csctrl_tensor_view(CSCTRL_F32, 4, (const int64_t[]){1, channels, HEIGHT, WIDTH}, data);
}

static float *fill_two(void)
{
    float *x = calloc(4 * PIXELS, sizeof *x);

    assert_non_null(x);
    for (int i = 0; i < PIXELS; i++) {
        const int r = i / WIDTH, c = i % WIDTH;
        x[i] = (float)((r * r * 3 + c * c * 5 + r * c) % 128) / 64.0F - 1.0F;
        x[2 * PIXELS + i] = 0.75F * x[i] + 0.25F * ((float)((r * 5 + c * 11) % 64) / 32.0F - 1.0F);
        x[PIXELS + i] = x[i];
        x[3 * PIXELS + i] = x[i];
    }
    return x;
}

static void test_numpy_agrees(void **state)
{
    float *x = fill_two();
    csctrl_tensor a = view_of(x, 1), b = view_of(x + 2 * PIXELS, 1);
    double value = 0;

    (void)state;
    expect_ok(csctrl_ms_ssim(&a, &b, &value));
    assert_true(fabs(value - 0.9258624061952316) < 1e-9);
    expect_ok(csctrl_ms_ssim(&a, &a, &value));
    assert_true(value == 1.0);
    free(x);
}

/* One channel that differs, one that is the same. */
static void test_channels_are_averaged(void **state)
{
    float *x = fill_two();
    csctrl_tensor a = view_of(x, 2), b = view_of(x + 2 * PIXELS, 2);
    double value = 0;

    (void)state;
    expect_ok(csctrl_ms_ssim(&a, &b, &value));
    assert_true(fabs(value - (0.9258624061952316 + 1) / 2) < 1e-9);
    free(x);
}

static void test_the_negative_gives_0(void **state)
{
    float *x = fill_two();
    csctrl_tensor a = view_of(x, 1), b = view_of(x + PIXELS, 1);
    double value = 1;

    (void)state;
    for (int i = 0; i < PIXELS; i++)
        x[PIXELS + i] = -x[i];
    expect_ok(csctrl_ms_ssim(&a, &b, &value));
    assert_true(value == 0.0);
    x[7] = NAN; /* and what is no number does not look like one */
    expect_ok(csctrl_ms_ssim(&a, &b, &value));
    assert_true(isnan(value));
    free(x);
}

static void test_small_images_are_refused(void **state)
{
    float *x = fill_two();
    csctrl_tensor a = view_of(x, 1);
    double value;

    (void)state;
    a.shape[2] = CSCTRL_MS_SSIM_LEAST - 1;
    expect_fail(csctrl_ms_ssim(&a, &a, &value), CSCTRL_E_SHAPE, "161 x 161 pixels");
    a.shape[2] = CSCTRL_MS_SSIM_LEAST;
    expect_ok(csctrl_ms_ssim(&a, &a, &value));
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numpy_agrees),
        cmocka_unit_test(test_channels_are_averaged),
        cmocka_unit_test(test_the_negative_gives_0),
        cmocka_unit_test(test_small_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
