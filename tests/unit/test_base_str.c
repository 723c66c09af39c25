/* test_base_str.c - text buffers, edit distance, numbers to and from text. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

static void test_buffer_grows(void **state)
{
    ct_strbuf buf = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        ct_strbuf_add(&buf, "%d,", i % 10);
    assert_false(buf.failed);
    assert_int_equal(buf.length, 2000);
    assert_int_equal(strlen(buf.text), 2000);
    assert_memory_equal(buf.text + 1990, "5,6,7,8,9,", 10);
    ct_strbuf_free(&buf);
    assert_null(buf.text);
}

static void test_buffer_remembers_failure(void **state)
{
    ct_strbuf buf = {0};

    (void)state;
    ct_mem_fail_from(1);
    ct_strbuf_add(&buf, "x");
    ct_mem_fail_from(0);
    ct_strbuf_add(&buf, "y");
    assert_true(buf.failed);
    assert_int_equal(buf.length, 0);
    ct_strbuf_free(&buf);
}

static void test_edit_distance(void **state)
{
    char a[100], b[100];

    (void)state;
    assert_int_equal(ct_edit_distance("", ""), 0);
    assert_int_equal(ct_edit_distance("abc", ""), 3);
    assert_int_equal(ct_edit_distance("", "ab"), 2);
    assert_int_equal(ct_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(ct_edit_distance("sitting", "kitten"), 3);
    assert_int_equal(ct_edit_distance("optim.encoder_lr", "optim.encodr_lr"), 1);
    memset(a, 'a', 99);
    memset(b, 'a', 99);
    a[99] = b[99] = '\0';
    assert_int_equal(ct_edit_distance(a, "aa"), 99); /* too long to compare: the larger length */
}

static void test_double_text_reads_back(void **state)
{
    const ct_rng rng = ct_rng_make(1, CT_RNG_TEST, 0);
    char text[32];

    (void)state;
    assert_string_equal(ct_double_text(0.1, text), "0.1");
    assert_string_equal(ct_double_text(1.0, text), "1");
    assert_string_equal(ct_double_text(10.0, text), "10");
    assert_string_equal(ct_double_text(1000.0, text), "1000");
    assert_string_equal(ct_double_text(1e12, text), "1e+12");
    assert_string_equal(ct_double_text(1e-5, text), "1e-05");
    assert_string_equal(ct_double_text(-0.0, text), "-0");
    const double edges[] = {DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, 1.0 / 3.0};
    for (int i = 0; i < 1005; i++) {
        const double value = i < 5 ? edges[i]
                                   : ldexp(ct_rng_normal(&rng, (uint64_t)i),
                                           (int)ct_rng_below(&rng, (uint64_t)i, 600) - 300);
        double back = 0.0;
        assert_true(ct_parse_double(ct_double_text(value, text), &back));
        assert_true(back == value);
    }
}

static void test_numbers_are_whole_texts(void **state)
{
    const char *const bad_ints[] = {"", " ", "x", "1x", "1.0", "9223372036854775808", "--1"};
    const char *const bad_reals[] = {"", "x", "1x", "nan", "inf", "-inf", "1e999", "1,5"};
    long long i = 0;
    double d = 0.0;

    (void)state;
    assert_true(ct_parse_int("-9223372036854775808", &i));
    assert_true(i == INT64_MIN);
    assert_true(ct_parse_int("42", &i));
    assert_int_equal(i, 42);
    for (size_t k = 0; k < sizeof bad_ints / sizeof bad_ints[0]; k++)
        assert_false(ct_parse_int(bad_ints[k], &i));
    assert_true(ct_parse_double("-2.5e-3", &d));
    assert_true(d == -2.5e-3);
    for (size_t k = 0; k < sizeof bad_reals / sizeof bad_reals[0]; k++)
        assert_false(ct_parse_double(bad_reals[k], &d));
}

/* An application may speak German: 0,1. Files go on with points. */
static void test_locale_does_not_matter(void **state)
{
    char text[32];
    double value = 0.0;

    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL)
        skip();
    ct_double_text(0.5, text);
    const bool read = ct_parse_double("0.25", &value);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "0.5");
    assert_true(read && value == 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer_grows),
        cmocka_unit_test(test_buffer_remembers_failure),
        cmocka_unit_test(test_edit_distance),
        cmocka_unit_test(test_double_text_reads_back),
        cmocka_unit_test(test_numbers_are_whole_texts),
        cmocka_unit_test(test_locale_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
