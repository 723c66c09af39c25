/* test_config.c - the option table and its values: set, get, ranges, canonical text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "csctrl/config.h"
#include "csctrl/system.h"
#include "support/expect.h"

static int make(void **state)
{
    return csctrl_config_create((csctrl_config **)state) == CSCTRL_OK ? 0 : -1;
}

static int unmake(void **state)
{
    csctrl_config_destroy((csctrl_config **)state);
    return *state == NULL ? 0 : -1;
}

static void expect_text(const csctrl_config *config, const char *key, const char *text)
{
    assert_string_equal(csctrl_config_text(config, key), text);
}

static void test_table_is_sound(void **state)
{
    (void)state;
    assert_true(csctrl_option_count() > 50);
    assert_null(csctrl_option_at(csctrl_option_count()));
    assert_null(csctrl_option_find("no.such"));
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const csctrl_option *o = csctrl_option_at(i);
        const char *dot = strchr(o->key, '.');
        assert_ptr_equal(csctrl_option_find(o->key), o); /* keys are unique */
        assert_true(dot == NULL || strchr(dot + 1, '.') == NULL);
        assert_non_null(o->unit);
        assert_true(strlen(o->help) > 10 && o->help[strlen(o->help) - 1] == '.');
        assert_true((o->type == CSCTRL_OPTION_CHOICE) == (o->choices != NULL) ||
                    o->type == CSCTRL_OPTION_INT);
        assert_true(o->minimum <= o->maximum);
    }
}

/* Sections come in one piece each, or save would repeat them. */
static void test_sections_are_contiguous(void **state)
{
    (void)state;
    for (size_t i = 1; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key, *dot = strchr(key, '.');
        const size_t size = dot != NULL ? (size_t)(dot - key) + 1 : 0;
        bool left = false;
        for (size_t k = i; size > 0 && k-- > 0;) {
            const bool same = strncmp(csctrl_option_at(k)->key, key, size) == 0;
            assert_false(same && left);
            left = left || !same;
        }
    }
}

static void test_defaults_are_valid_and_canonical(void **state)
{
    const csctrl_config *config = *state;

    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const csctrl_option *o = csctrl_option_at(i);
        expect_text(config, o->key, o->default_text);
    }
    assert_null(csctrl_config_text(config, "no.such"));
}

static void test_bool(void **state)
{
    csctrl_config *config = *state;

    assert_true(csctrl_config_bool(config, "model.tied"));
    expect_ok(csctrl_config_set(config, "model.tied", "False"));
    assert_false(csctrl_config_bool(config, "model.tied"));
    expect_text(config, "model.tied", "false");
    expect_ok(csctrl_config_set(config, "model.tied", " TRUE "));
    expect_text(config, "model.tied", "true");
    expect_fail(csctrl_config_set(config, "model.tied", "yes"), CSCTRL_E_CONFIG,
                "model.tied: expected true or false, found \"yes\"");
    assert_true(csctrl_config_bool(config, "model.tied"));
}

static void test_int(void **state)
{
    csctrl_config *config = *state;

    expect_ok(csctrl_config_set(config, "train.batch", "+0064"));
    assert_int_equal(csctrl_config_int(config, "train.batch"), 64);
    expect_text(config, "train.batch", "64");
    expect_ok(csctrl_config_set(config, "train.batch", "2"));
    expect_ok(csctrl_config_set(config, "train.batch", "1000000"));
    const char *const bad[] = {"1",    "1000001", "-5", "",
                               "12.5", "1e3",     "x",  "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char found[64];
        snprintf(found, sizeof found, "a whole number from 2 to 1000000, found \"%s\"", bad[i]);
        expect_fail(csctrl_config_set(config, "train.batch", bad[i]), CSCTRL_E_CONFIG, found);
    }
    assert_int_equal(csctrl_config_int(config, "train.batch"), 1000000);
    expect_ok(csctrl_config_set(config, "seed", "9007199254740991"));
    assert_true(csctrl_config_int(config, "seed") == INT64_C(9007199254740991));
    expect_fail(csctrl_config_set(config, "seed", "9007199254740992"), CSCTRL_E_CONFIG, "seed");
}

/* A whole number within the range that is none of those taken. */
static void test_int_of_few(void **state)
{
    csctrl_config *config = *state;

    expect_ok(csctrl_config_set(config, "data.channels", "+03"));
    expect_text(config, "data.channels", "3");
    expect_fail(csctrl_config_set(config, "data.channels", "2"), CSCTRL_E_CONFIG,
                "data.channels: expected one of 1|3, found \"2\"");
    assert_int_equal(csctrl_config_int(config, "data.channels"), 3);
}

static void test_real(void **state)
{
    csctrl_config *config = *state;

    expect_ok(csctrl_config_set(config, "optim.encoder_lr", "1.50e-3"));
    assert_true(csctrl_config_real(config, "optim.encoder_lr") == 1.5e-3);
    expect_text(config, "optim.encoder_lr", "0.0015");
    expect_ok(csctrl_config_set(config, "optim.encoder_lr", "0"));
    expect_ok(csctrl_config_set(config, "optim.encoder_lr", "10"));
    expect_text(config, "optim.encoder_lr", "10");
    const char *const bad[] = {"-0.1", "10.0001", "nan", "inf", "", "1 2", "[1]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(csctrl_config_set(config, "optim.encoder_lr", bad[i]), CSCTRL_E_CONFIG,
                    "optim.encoder_lr: expected a number from 0 to 10, found");
    expect_text(config, "optim.encoder_lr", "10");
}

static void test_reals(void **state)
{
    csctrl_config *config = *state;
    double values[4] = {0};
    char many[256] = "1";

    assert_int_equal(csctrl_config_reals(config, "model.lambda", values, 4), 1);
    assert_true(values[0] == 0.1);
    expect_ok(csctrl_config_set(config, "model.lambda", "[0.10,  0.2 ,3e-1]"));
    assert_int_equal(csctrl_config_reals(config, "model.lambda", values, 2), 3);
    assert_true(values[0] == 0.1 && values[1] == 0.2 && values[2] == 0.0);
    expect_text(config, "model.lambda", "[0.1, 0.2, 0.3]");
    expect_ok(csctrl_config_set(config, "model.lambda", "[0.5]"));
    expect_text(config, "model.lambda", "0.5");
    expect_ok(csctrl_config_set(config, "model.lambda", "0.5, 0.25"));
    expect_text(config, "model.lambda", "[0.5, 0.25]");
    const char *const bad[] = {"",       "[]",     "[",   "]",     "[0.1", "0.1]",
                               "[0.1,]", "[,0.1]", "[a]", "[[1]]", "[-1]", "[1001]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(csctrl_config_set(config, "model.lambda", bad[i]), CSCTRL_E_CONFIG,
                    "model.lambda: expected");
    expect_text(config, "model.lambda", "[0.5, 0.25]");
    for (int i = 1; i < CSCTRL_OPTION_LIST_MAX; i++)
        strcat(many, ",1");
    expect_ok(csctrl_config_set(config, "model.lambda", many));
    assert_int_equal(csctrl_config_reals(config, "model.lambda", values, 4),
                     CSCTRL_OPTION_LIST_MAX);
    strcat(many, ",1");
    expect_fail(csctrl_config_set(config, "model.lambda", many), CSCTRL_E_CONFIG,
                "at most 32 values");
}

static void test_bools(void **state)
{
    csctrl_config *config = *state;
    bool values[4] = {0};

    assert_int_equal(csctrl_config_bools(config, "model.nonneg", values, 4), 1);
    assert_true(values[0]);
    expect_ok(csctrl_config_set(config, "model.nonneg", "[True,  false ,true]"));
    values[2] = false;
    assert_int_equal(csctrl_config_bools(config, "model.nonneg", values, 2), 3);
    assert_true(values[0] && !values[1] && !values[2]);
    expect_text(config, "model.nonneg", "[true, false, true]");
    expect_ok(csctrl_config_set(config, "model.nonneg", "[false]"));
    expect_text(config, "model.nonneg", "false");
    const char *const bad[] = {"", "[]", "[true", "true]", "[true,]", "[0]", "1", "[true false]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(csctrl_config_set(config, "model.nonneg", bad[i]), CSCTRL_E_CONFIG,
                    "model.nonneg: expected");
    expect_fail(csctrl_config_set(config, "model.nonneg", "[ ]"), CSCTRL_E_CONFIG,
                "model.nonneg: expected one value or more, found an empty list");
    expect_text(config, "model.nonneg", "false");
    /* No other type answers. */
    assert_int_equal(csctrl_config_bools(config, "model.tied", values, 4), 0);
    assert_int_equal(csctrl_config_bools(config, "model.lambda", values, 4), 0);
}

static void test_choice(void **state)
{
    csctrl_config *config = *state;

    expect_ok(csctrl_config_set(config, "model.arch", " generic"));
    expect_text(config, "model.arch", "generic");
    const char *const bad[] = {"gen", "csc|generic", "", "CSC", "genericx"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(csctrl_config_set(config, "model.arch", bad[i]), CSCTRL_E_CONFIG,
                    "model.arch: expected one of csc|generic, found");
    expect_text(config, "model.arch", "generic");
}

static void test_string(void **state)
{
    csctrl_config *config = *state;
    const char *const good[] = {"",
                                " a b ",
                                "\"quoted\"",
                                "# no: comment",
                                "\xC3\xA9\xF0\x9F\x98\x80",
                                "\xEF\xBF\xBD",
                                "\t\x7F\x01"};
    const char *const bad[] = {"\xFF",     "a\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                               "\xE2\x82", "\x80"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        expect_ok(csctrl_config_set(config, "data.path", good[i]));
        expect_text(config, "data.path", good[i]);
    }
    expect_ok(csctrl_config_set(config, "data.path", "kept"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(csctrl_config_set(config, "data.path", bad[i]), CSCTRL_E_CONFIG,
                    "data.path: expected UTF-8 text");
    expect_fail(csctrl_config_set(config, "data.path", "a\nb"), CSCTRL_E_CONFIG,
                "without line breaks, found \"a?b\"");
    expect_text(config, "data.path", "kept");
}

static void test_unknown_keys_are_suggested(void **state)
{
    const char *const cases[][2] = {{"optim.encodr_lr", "optim.encoder_lr"},
                                    {"encoder_lr", "optim.encoder_lr"},
                                    {"optm.encoder_lr", "optim.encoder_lr"},
                                    {"data.lambda", "model.lambda"},
                                    {"sed", "seed"},
                                    {"lr", "optim.encoder_lr"},
                                    {"optim.lr", "optim.encoder_lr"},
                                    {"train.batchs", "train.batches"},
                                    {"train.bach", "train.batch"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char part[96];
        snprintf(part, sizeof part, "unknown key \"%s\"; the nearest known one is %s", cases[i][0],
                 cases[i][1]);
        expect_fail(csctrl_config_set(*state, cases[i][0], "1"), CSCTRL_E_CONFIG, part);
    }
}

static void test_sections_and_far_keys_suggest_no_key(void **state)
{
    expect_fail(csctrl_config_set(*state, "data", "3"), CSCTRL_E_CONFIG,
                "data is a section: expected a key in it, such as data.kind");
    const char *const far[] = {"", "q", "zzz", "data.", "data.zz"};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        char whole[64];
        snprintf(whole, sizeof whole, "unknown key \"%s\"; no known one is near it", far[i]);
        expect_fail(csctrl_config_set(*state, far[i], "3"), CSCTRL_E_CONFIG, whole);
    }
}

static void test_long_values_are_cut_in_messages(void **state)
{
    char text[200];

    for (int i = 0; i < 99; i++)
        memcpy(text + 2 * i, "\xC3\xA9", 2);
    text[198] = '\0';
    memmove(text + 1, text, 199);
    text[0] = 'x'; /* now byte 60 is inside a character */
    expect_fail(csctrl_config_set(*state, "model.arch", text), CSCTRL_E_CONFIG, "\xC3\xA9...\"");
    expect_fail(csctrl_config_set(*state, text, "1"), CSCTRL_E_CONFIG, "\xC3\xA9...\"");
}

static void test_assign(void **state)
{
    csctrl_config *config = *state;

    expect_ok(csctrl_config_assign(config, "train.batch=32"));
    expect_ok(csctrl_config_assign(config, " train.batches = 7"));
    expect_ok(csctrl_config_assign(config, "data.path=a=b"));
    assert_int_equal(csctrl_config_int(config, "train.batch"), 32);
    assert_int_equal(csctrl_config_int(config, "train.batches"), 7);
    expect_text(config, "data.path", "a=b");
    expect_fail(csctrl_config_assign(config, "train.batch"), CSCTRL_E_CONFIG,
                "expected key=value, found \"train.batch\"");
    expect_fail(csctrl_config_assign(config, "=1"), CSCTRL_E_CONFIG, "unknown key \"\"");
    expect_fail(csctrl_config_assign(config, ""), CSCTRL_E_CONFIG, "expected key=value");
}

static void test_wrong_type_gives_nothing(void **state)
{
    const csctrl_config *config = *state;
    double value = 5.0;

    assert_int_equal(csctrl_config_int(config, "optim.encoder_lr"), 0);
    assert_true(csctrl_config_real(config, "train.batch") == 0.0);
    assert_false(csctrl_config_bool(config, "train.batch"));
    assert_int_equal(csctrl_config_int(config, "no.such"), 0);
    assert_int_equal(csctrl_config_reals(config, "train.batch", &value, 1), 0);
    assert_true(value == 5.0);
}

static void test_copy_is_independent(void **state)
{
    csctrl_config *config = *state, *copy;

    expect_ok(csctrl_config_set(config, "train.batch", "8"));
    expect_ok(csctrl_config_set(config, "model.lambda", "[1, 2]"));
    expect_ok(csctrl_config_copy(&copy, config));
    expect_ok(csctrl_config_set(config, "train.batch", "9"));
    expect_text(copy, "train.batch", "8");
    expect_text(copy, "model.lambda", "[1, 2]");
    csctrl_config_destroy(&copy);
    assert_null(copy);
    csctrl_config_destroy(&copy);
    csctrl_config_destroy(NULL);
}

static void test_out_of_memory_changes_nothing(void **state)
{
    csctrl_config *config = *state, *copy;
    csctrl_memory_stats before, after;
    int failed = 0;

    csctrl_memory_get_stats(&before);
    for (uint64_t n = 1; n <= 1000; n += n < 10 ? 1 : 29) {
        ct_mem_fail_from(n);
        const csctrl_status set = csctrl_config_set(config, "model.lambda", "[0.3, 0.4]");
        ct_mem_fail_from(n);
        const csctrl_status copied = csctrl_config_copy(&copy, config);
        ct_mem_fail_from(n);
        const csctrl_status assigned = csctrl_config_assign(config, "seed=0");
        ct_mem_fail_from(0);
        assert_true(set == CSCTRL_OK || set == CSCTRL_E_NOMEM);
        assert_true(copied == CSCTRL_OK || copied == CSCTRL_E_NOMEM);
        assert_true(assigned == CSCTRL_OK || assigned == CSCTRL_E_NOMEM);
        expect_text(config, "model.lambda", set == CSCTRL_OK ? "[0.3, 0.4]" : "0.1");
        failed += (set != CSCTRL_OK) + (copied != CSCTRL_OK);
        csctrl_config_destroy(&copy);
        expect_ok(csctrl_config_set(config, "model.lambda", "0.1"));
    }
    csctrl_memory_get_stats(&after);
    assert_true(failed > 5);
    assert_in_range(after.bytes, before.bytes - 256, before.bytes + 256); /* buffers may differ */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, unmake)

/* "cuda:N" stands for all with a number. */
static void test_numbered_choice(void **state)
{
    static const char *const good[] = {"cuda", "cuda:0", "cuda:12", " cpu "};
    static const char *const bad[] = {"cuda:",   "cuda:x", "cuda:1x", "cuda:-1",
                                      "cuda: 1", "cuda:N", "cud",     ""};
    csctrl_config *config = NULL;

    (void)state;
    expect_ok(csctrl_config_create(&config));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        expect_ok(csctrl_config_set(config, "device", good[i]));
    assert_string_equal(csctrl_config_text(config, "device"), "cpu");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(csctrl_config_set(config, "device", bad[i]), CSCTRL_E_CONFIG,
                    "expected one of auto|cpu|ref|cuda|cuda:N");
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbered_choice),
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_sections_are_contiguous),
        CASE(test_defaults_are_valid_and_canonical),
        CASE(test_bool),
        CASE(test_int),
        CASE(test_int_of_few),
        CASE(test_real),
        CASE(test_reals),
        CASE(test_bools),
        CASE(test_choice),
        CASE(test_string),
        CASE(test_unknown_keys_are_suggested),
        CASE(test_sections_and_far_keys_suggest_no_key),
        CASE(test_long_values_are_cut_in_messages),
        CASE(test_assign),
        CASE(test_wrong_type_gives_nothing),
        CASE(test_copy_is_independent),
        CASE(test_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
