/* test_base_rng.c - Philox4x32-10 against Random123's known answers, and the distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

static uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

/* Rows "philox4x32 10" of tests/kat_vectors in Random123: counter, key, answer. */
static void test_known_answers(void **state)
{
    static const uint32_t rows[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const uint32_t *r = rows[i];
        const ct_rng rng = {.seed = pair(r[4], r[5]), .stream = r[2], .sub = r[3]};
        uint32_t out[4];
        ct_rng_block(&rng, pair(r[0], r[1]), out);
        for (int k = 0; k < 4; k++)
            assert_int_equal(out[k], r[6 + k]);
    }
}

static void test_streams_differ(void **state)
{
    const ct_rng a = ct_rng_make(1, CT_RNG_INIT, 0), b = ct_rng_make(1, CT_RNG_ORDER, 0);
    const ct_rng c = ct_rng_make(1, CT_RNG_INIT, 1), d = ct_rng_make(2, CT_RNG_INIT, 0);
    const double u = ct_rng_uniform(&a, 5);

    (void)state;
    assert_true(u == ct_rng_uniform(&a, 5));
    assert_true(u != ct_rng_uniform(&a, 6));
    assert_true(u != ct_rng_uniform(&b, 5));
    assert_true(u != ct_rng_uniform(&c, 5));
    assert_true(u != ct_rng_uniform(&d, 5));
}

static void test_uniform_fills_its_range(void **state)
{
    enum { N = 100000 };
    const ct_rng rng = ct_rng_make(7, CT_RNG_TEST, 0);
    double sum = 0.0;

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        const double u = ct_rng_uniform(&rng, i);
        assert_true(u >= 0.0 && u < 1.0);
        sum += u;
    }
    assert_true(fabs(sum / N - 0.5) < 5.0 * sqrt(1.0 / 12.0 / N));
}

static void test_below_is_even(void **state)
{
    enum { N = 70000, BOUND = 7 };
    const ct_rng rng = ct_rng_make(7, CT_RNG_TEST, 1);
    int histogram[BOUND] = {0};
    double chi2 = 0.0;

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        const uint64_t value = ct_rng_below(&rng, i, BOUND);
        assert_true(value < BOUND);
        histogram[value]++;
        assert_int_equal(ct_rng_below(&rng, i, 1), 0);
    }
    for (int k = 0; k < BOUND; k++)
        chi2 += pow(histogram[k] - N / BOUND, 2.0) / (N / BOUND);
    assert_true(chi2 < 22.5); /* 6 degrees of freedom: p = 0.001 */
}

static void test_normal_moments(void **state)
{
    enum { N = 200000 };
    const ct_rng rng = ct_rng_make(7, CT_RNG_TEST, 2);
    double sum[4] = {0};

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        const double z = ct_rng_normal(&rng, i);
        assert_true(isfinite(z));
        for (int k = 0; k < 4; k++)
            sum[k] += pow(z, k + 1);
    }
    assert_true(fabs(sum[0] / N) < 5.0 / sqrt(N));
    assert_true(fabs(sum[1] / N - 1.0) < 5.0 * sqrt(2.0 / N));
    assert_true(fabs(sum[2] / N) < 5.0 * sqrt(15.0 / N));
    assert_true(fabs(sum[3] / N - 3.0) < 5.0 * sqrt(96.0 / N));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),           cmocka_unit_test(test_streams_differ),
        cmocka_unit_test(test_uniform_fills_its_range), cmocka_unit_test(test_below_is_even),
        cmocka_unit_test(test_normal_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
