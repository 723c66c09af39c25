/* test_config_yaml.c - settings from YAML and back, and everything that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "csctrl/config.h"
#include "support/expect.h"
#include "support/temp.h"

static csctrl_config *fresh(void)
{
    csctrl_config *config;

    expect_ok(csctrl_config_create(&config));
    return config;
}

static csctrl_status parse(csctrl_config *config, const char *yaml)
{
    return csctrl_config_parse(config, yaml, strlen(yaml), "a.yaml");
}

static void test_sections_and_top_level(void **state)
{
    csctrl_config *config = fresh();

    (void)state;
    expect_ok(parse(config, "# a comment\n"
                            "seed: 7\n"
                            "data:\n"
                            "  path: /some where/x.tar  # another\n"
                            "  flip: true\n"
                            "model: {arch: generic, lambda: [0.1, 2e-1], steps: 3}\n"
                            "optim:\n"
                            "train.batch: '64'\n"));
    assert_int_equal(csctrl_config_int(config, "seed"), 7);
    assert_string_equal(csctrl_config_text(config, "data.path"), "/some where/x.tar");
    assert_true(csctrl_config_bool(config, "data.flip"));
    assert_string_equal(csctrl_config_text(config, "model.arch"), "generic");
    assert_string_equal(csctrl_config_text(config, "model.lambda"), "[0.1, 0.2]");
    assert_string_equal(csctrl_config_text(config, "model.steps"), "3");
    assert_int_equal(csctrl_config_int(config, "train.batch"), 64);
    assert_string_equal(csctrl_config_text(config, "train.batches"), "200"); /* not mentioned */
    csctrl_config_destroy(&config);
}

static void test_strings(void **state)
{
    csctrl_config *config = fresh();
    const char *const cases[][2] = {
        {"data: {path: ''}", ""},
        {"data:\n  path:\n", ""},
        {"data: {path: \"a\\tb \\\"c\\\" \\u00e9\"}", "a\tb \"c\" \xC3\xA9"},
        {"data: {path: 'it''s'}", "it's"},
        {"data:\n  path: >-\n    one\n    two\n", "one two"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_ok(parse(config, cases[i][0]));
        assert_string_equal(csctrl_config_text(config, "data.path"), cases[i][1]);
    }
    csctrl_config_destroy(&config);
}

static void test_nothing_is_fine(void **state)
{
    csctrl_config *config = fresh();
    const char *const empty[] = {
        "", "\n\n", "# only a comment\n", "---\n", "--- \n...\n", "{}", "\xEF\xBB\xBFseed: 0\n"};

    (void)state;
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        expect_ok(parse(config, empty[i]));
    csctrl_config_destroy(&config);
}

static const char *const refusals[][2] = {
    {"seed: 1\nmodel:\n  lamda: 0.1\n",
     "a.yaml:3: unknown key \"model.lamda\"; the nearest known one is model.lambda"},
    {"optm:\n  encoder_lr: 1\n", "a.yaml:2: unknown key \"optm.encoder_lr\""},
    {"sed: 1\n", "a.yaml:1: unknown key \"sed\"; the nearest known one is seed"},
    {"train:\n  batch: one\n", "a.yaml:2: train.batch: expected a whole number"},
    {"train:\n  batch: 1\n", "a.yaml:2: train.batch: expected a whole number from 2"},
    {"train:\n  batch:\n", "train.batch: expected a whole number"},
    {"seed: 1\nseed: 2\n", "a.yaml:2: key seed is given a second time"},
    {"train:\n  batch: 8\n  batch: 8\n", "a.yaml:3: key train.batch is given a second time"},
    {"train.batch: 8\ntrain:\n  batch: 8\n", "a.yaml:3: key train.batch is given a second"},
    {"train: {}\nseed: 1\ntrain: {}\n", "a.yaml:3: section train is given a second time"},
    {"train: 5\n", "a.yaml:1: train is a section: expected keys under it"},
    {"train: [5]\n", "a.yaml:1: train is a section"},
    {"seed: {}\n", "a.yaml:1: expected the name of a section, found \"seed\""},
    {"foo: {}\n", "a.yaml:1: expected the name of a section, found \"foo\""},
    {"seed: {a: 1}\n", "a.yaml:1: unknown key \"seed.a\""},
    {"train:\n  batch: {a: 1}\n", "a.yaml:2: expected a value, found a mapping"},
    {"seed: [1]\n", "a.yaml:1: seed: expected a single value, found a list"},
    {"no_such: [1]\n", "unknown key \"no_such\""},
    {"model:\n  lambda: [1, [2]]\n", "a.yaml:2: expected a list of single values"},
    {"model:\n  lambda: ['1,2']\n", "a.yaml:2: expected a list of single values"},
    {"model:\n  lambda: [1, {a: 2}]\n", "a.yaml:2: expected a list of single values"},
    {"model:\n  lambda: []\n",
     "a.yaml:2: model.lambda: expected one value or more, found an empty list"},
    {"[1, 2]\n", "a.yaml:1: expected a mapping of keys"},
    {"just text\n", "a.yaml:1: expected a mapping of keys"},
    {"[a]: 1\n", "a.yaml:1: expected a key"},
    {"seed: &a 1\n", "a.yaml:1: anchors (&) and aliases (*) are not supported"},
    {"data: &a {flip: true}\n", "a.yaml:1: anchors"},
    {"seed: 1\ntrain:\n  batch: *a\n", "a.yaml:3: anchors"},
    {"seed: !!int 1\n", "a.yaml:1: tags (!) are not supported"},
    {"data: !x {}\n", "a.yaml:1: tags"},
    {"seed: 1\n---\nseed: 2\n", "a.yaml:2: expected one document, found a second"},
    {"data: {path: \"a\\0b\"}\n", "a.yaml:1: expected text, found a zero byte"},
    {"data: {path: \"a\\nb\"}\n", "a.yaml:1: data.path: expected text without line breaks"},
    {"model: {lambda: [1\n", "not YAML"},
    {"data:\n  flip: true\n kind: idx\n", "a.yaml:3: not YAML"},
    {"\tseed: 1\n", "a.yaml:1: not YAML"},
    {"data: {path: \"\x01\"}\n", "not YAML: control characters"},
    {"data: {path: \xFF}\n", "not YAML: invalid leading UTF-8"},
};

static void test_refusals_name_file_line_and_key(void **state)
{
    csctrl_config *config = fresh();

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        expect_fail(parse(config, refusals[i][0]), CSCTRL_E_CONFIG, refusals[i][1]);
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const csctrl_option *o = csctrl_option_at(i);
        assert_string_equal(csctrl_config_text(config, o->key), o->default_text);
    }
    csctrl_config_destroy(&config);
}

static void test_all_or_nothing(void **state)
{
    csctrl_config *config = fresh();

    (void)state;
    expect_ok(parse(config, "seed: 3\n"));
    expect_fail(parse(config, "seed: 4\ntrain: {batch: 8, batches: 0}\n"), CSCTRL_E_CONFIG,
                "train.batches");
    assert_int_equal(csctrl_config_int(config, "seed"), 3);
    assert_int_equal(csctrl_config_int(config, "train.batch"), 256);
    csctrl_config_destroy(&config);
}

static void test_hostile_nesting(void **state)
{
    enum { DEEP = 200000 };
    char *text = malloc(DEEP + 16);
    csctrl_config *config = fresh();

    (void)state;
    assert_non_null(text);
    const char *const openers[] = {"[", "{", "- ", "? ", "a: [", "[{"};
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        const size_t size = strlen(openers[i]);
        for (size_t at = 0; at < DEEP; at++)
            text[at] = openers[i][at % size];
        assert_int_equal(csctrl_config_parse(config, text, DEEP, "deep"), CSCTRL_E_CONFIG);
    }
    free(text);
    text = calloc(1, (2 << 20) + 1);
    assert_non_null(text);
    memset(text, ' ', 2 << 20);
    expect_fail(csctrl_config_parse(config, text, 2 << 20, "big"), CSCTRL_E_CONFIG,
                "big: expected at most 1048576 bytes");
    free(text);
    csctrl_config_destroy(&config);
}

static void test_load(void **state)
{
    csctrl_config *config = fresh();
    const char *path = temp_file(state, "c.yaml", "seed: 5\ntrian: 1\n", 17);

    expect_fail(csctrl_config_load(config, path), CSCTRL_E_CONFIG, "c.yaml:2: unknown key");
    expect_fail(csctrl_config_load(config, temp_path(state, "none.yaml")), CSCTRL_E_IO,
                "none.yaml: No such file");
    expect_fail(csctrl_config_load(config, *state), CSCTRL_E_IO, "directory");
    char *big = calloc(1, (1 << 20) + 1);
    assert_non_null(big);
    path = temp_file(state, "big.yaml", big, (1 << 20) + 1);
    free(big);
    expect_fail(csctrl_config_load(config, path), CSCTRL_E_CONFIG, "larger than");
    assert_int_equal(csctrl_config_int(config, "seed"), 0);
    expect_ok(csctrl_config_load(config, temp_file(state, "c.yaml", "seed: 5\n", 8)));
    assert_int_equal(csctrl_config_int(config, "seed"), 5);
    csctrl_config_destroy(&config);
}

static void expect_same(const csctrl_config *a, const csctrl_config *b)
{
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key;
        assert_string_equal(csctrl_config_text(a, key), csctrl_config_text(b, key));
    }
}

static void round_trip(void **state, const csctrl_config *config)
{
    csctrl_config *back = fresh();
    const char *path = temp_path(state, "saved.yaml");

    expect_ok(csctrl_config_save(config, path));
    expect_ok(csctrl_config_load(back, path));
    expect_same(config, back);
    csctrl_config_destroy(&back);
}

/* A value that is not the default, of each type. */
static void set_random(csctrl_config *config, const csctrl_option *o, const ct_rng *rng, uint64_t i)
{
    const double u = ct_rng_uniform(rng, i), real = o->minimum + u * (o->maximum - o->minimum);
    char text[128], number[32];

    switch (o->choices != NULL ? CSCTRL_OPTION_CHOICE : o->type) {
    case CSCTRL_OPTION_BOOL:
        snprintf(text, sizeof text, "%s", u < 0.5 ? "true" : "false");
        break;
    case CSCTRL_OPTION_INT:
        snprintf(text, sizeof text, "%.0f", real);
        break;
    case CSCTRL_OPTION_REAL:
        ct_double_text(real, text);
        break;
    case CSCTRL_OPTION_REALS:
        snprintf(text, sizeof text, "[%s, %.3f]", ct_double_text(real, number), o->maximum);
        break;
    case CSCTRL_OPTION_BOOLS:
        snprintf(text, sizeof text, "[%s, false]", u < 0.5 ? "true" : "false");
        break;
    case CSCTRL_OPTION_CHOICE:
        snprintf(text, sizeof text, "%s", strrchr(o->choices, '|') + 1);
        if (strlen(text) > 2 && strcmp(text + strlen(text) - 2, ":N") == 0)
            text[strlen(text) - 1] = '7'; /* any number */
        break;
    default:
        snprintf(text, sizeof text, "text %d: # \"%c", (int)(u * 1e6), ' ' + (int)(u * 94));
        break;
    }
    expect_ok(csctrl_config_set(config, o->key, text));
}

static void test_save_and_load_any_values(void **state)
{
    csctrl_config *config = fresh();
    const ct_rng rng = ct_rng_make(11, CT_RNG_TEST, 0);

    round_trip(state, config);
    for (uint64_t trial = 0; trial < 20; trial++) {
        for (size_t i = 0; i < csctrl_option_count(); i++)
            set_random(config, csctrl_option_at(i), &rng, trial * 1000 + i);
        round_trip(state, config);
    }
    csctrl_config_destroy(&config);
}

static void test_save_and_load_strange_strings(void **state)
{
    const char *const strange[] = {"\"",
                                   "'",
                                   "\\",
                                   "a: b",
                                   "# c",
                                   "- d",
                                   "[e]",
                                   "{f}",
                                   "&g",
                                   "*h",
                                   "!i",
                                   "%j",
                                   "@k",
                                   "`l",
                                   " m ",
                                   "true",
                                   "null",
                                   "~",
                                   "1e3",
                                   "|",
                                   ">",
                                   "?",
                                   ":",
                                   "\t",
                                   "\x01\x1F\x7F",
                                   "\xC3\xA9\xE2\x82\xAC",
                                   "\xF0\x9F\x98\x80",
                                   "\xC2\x85\xE2\x80\xA8\xE2\x80\xA9", /* NEL LS PS */
                                   "\xEF\xBB\xBF",
                                   "\xEF\xBF\xBE",
                                   "\xC2\x80",
                                   "---",
                                   "...",
                                   "a\\nb"};
    csctrl_config *config = fresh();
    char longest[4001];

    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        expect_ok(csctrl_config_set(config, "data.path", strange[i]));
        round_trip(state, config);
    }
    for (int i = 0; i < 4000; i++)
        longest[i] = i % 7 == 0 ? ' ' : 'a';
    longest[4000] = '\0';
    expect_ok(csctrl_config_set(config, "data.path", longest)); /* no line folding */
    round_trip(state, config);
    csctrl_config_destroy(&config);
}

static void test_saved_text(void **state)
{
    csctrl_config *config = fresh();
    unsigned char *text;
    size_t size;

    expect_ok(parse(config, "model: {lambda: [0.1, 0.2]}\ndata: {path: 'a \"b\"'}\n"));
    expect_ok(csctrl_config_save(config, temp_path(state, "s.yaml")));
    expect_ok(ct_fs_read(temp_path(state, "s.yaml"), 1 << 20, &text, &size));
    assert_non_null(strstr((char *)text, "seed: 0\n"));
    assert_non_null(strstr((char *)text, "\ndata:\n  kind: auto\n  path: \"a \\\"b\\\"\"\n"));
    assert_non_null(strstr((char *)text, "\n  lambda: [0.1, 0.2]\n"));
    ct_free(text);
    csctrl_config_destroy(&config);
}

static void test_failed_save_keeps_the_old_file(void **state)
{
    csctrl_config *config = fresh();
    unsigned char *text;
    size_t size;
    const char *path = temp_file(state, "s.yaml", "seed: 1\n", 8);

    ct_fs_fail_writes_from(1);
    const csctrl_status status = csctrl_config_save(config, path);
    ct_fs_fail_writes_from(0);
    expect_fail(status, CSCTRL_E_IO, "s.yaml");
    expect_ok(ct_fs_read(path, 100, &text, &size));
    assert_string_equal((char *)text, "seed: 1\n");
    ct_free(text);
    csctrl_config_destroy(&config);
}

static void test_out_of_memory(void **state)
{
    csctrl_config *config = fresh();
    const char *yaml = "seed: 9\nmodel: {lambda: [0.1, 0.2]}\n";
    csctrl_status parsed = CSCTRL_E_NOMEM, saved = CSCTRL_E_NOMEM;
    uint64_t n = 0;

    while (parsed != CSCTRL_OK || saved != CSCTRL_OK) {
        assert_in_range(++n, 1, 2000);
        ct_mem_fail_from(n);
        saved = csctrl_config_save(config, temp_path(state, "s.yaml"));
        ct_mem_fail_from(n);
        parsed = parse(config, yaml);
        ct_mem_fail_from(0);
        assert_true(saved == CSCTRL_OK || saved == CSCTRL_E_NOMEM);
        assert_true(parsed == CSCTRL_OK || parsed == CSCTRL_E_NOMEM);
        assert_int_equal(csctrl_config_int(config, "seed"), parsed == CSCTRL_OK ? 9 : 0);
    }
    assert_true(n > csctrl_option_count()); /* every value of the copy was refused once */
    csctrl_config_destroy(&config);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, temp_make, temp_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections_and_top_level),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_nothing_is_fine),
        cmocka_unit_test(test_refusals_name_file_line_and_key),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_hostile_nesting),
        CASE(test_load),
        CASE(test_save_and_load_any_values),
        CASE(test_save_and_load_strange_strings),
        CASE(test_saved_text),
        CASE(test_failed_save_keeps_the_old_file),
        CASE(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
