/* value.c - the value of an option, read from text. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/values.h"

void ct_value_free(ct_value *v)
{
    ct_free(v->text);
    ct_free(v->reals);
    *v = (ct_value){0};
}

bool ct_config_is_list(const csctrl_option *option)
{
    return option->type == CSCTRL_OPTION_REALS || option->type == CSCTRL_OPTION_BOOLS;
}

char *ct_config_shown(const char *text, char out[64])
{
    enum { SHOWN_MAX = 60 };
    size_t n = 0;

    for (; n < SHOWN_MAX && text[n] != '\0'; n++)
        out[n] = text[n];
    if (text[n] != '\0') {
        /* Cut where a UTF-8 character starts. */
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--;
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n] = '\0';
    return out;
}

/* ---- Each reader fills integer or reals and appends the canonical text. */

static csctrl_status fail_value(const csctrl_option *option, const char *expected, const char *text)
{
    char shown[64];

    return ct_fail(CSCTRL_E_CONFIG, "%s: expected %s, found \"%s\"", option->key, expected,
                   ct_config_shown(text, shown));
}

static const char *truth_text(bool truth)
{
    return truth ? "true" : "false";
}

static csctrl_status read_truth(const csctrl_option *option, const char *text, bool *out)
{
    static const char *const words[2][3] = {{"false", "False", "FALSE"}, {"true", "True", "TRUE"}};

    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 3; i++)
            if (strcmp(text, words[truth][i]) == 0) {
                *out = truth;
                return CSCTRL_OK;
            }
    return fail_value(option, "true or false", text);
}

static csctrl_status read_bool(const csctrl_option *option, const char *text, ct_value *v,
                               ct_strbuf *canonical)
{
    bool truth = false;

    CT_TRY(read_truth(option, text, &truth));
    v->integer = truth;
    ct_strbuf_add(canonical, "%s", truth_text(truth));
    return CSCTRL_OK;
}

/* A word that ends in ":N" stands for all with a number there. */
static bool is_choice(const char *word, size_t size, const char *text)
{
    const size_t length = strlen(text);

    if (size > 2 && memcmp(word + size - 2, ":N", 2) == 0)
        return length >= size && memcmp(word, text, size - 1) == 0 &&
               strspn(text + size - 1, "0123456789") == length - size + 1;
    return size == length && memcmp(word, text, size) == 0;
}

static csctrl_status check_choice(const csctrl_option *option, const char *text)
{
    char expected[256];

    for (const char *word = option->choices; word != NULL;) {
        const char *bar = strchr(word, '|');
        const size_t size = bar != NULL ? (size_t)(bar - word) : strlen(word);
        if (is_choice(word, size, text))
            return CSCTRL_OK;
        word = bar != NULL ? bar + 1 : NULL;
    }
    snprintf(expected, sizeof expected, "one of %s", option->choices);
    return fail_value(option, expected, text);
}

static csctrl_status read_int(const csctrl_option *option, const char *text, ct_value *v,
                              ct_strbuf *canonical)
{
    long long number;
    char expected[96];

    if (!ct_parse_int(text, &number) || (double)number < option->minimum ||
        (double)number > option->maximum) {
        snprintf(expected, sizeof expected, "a whole number from %.0f to %.0f", option->minimum,
                 option->maximum);
        return fail_value(option, expected, text);
    }
    char plain[32]; /* without a plus sign or zeros before it */
    snprintf(plain, sizeof plain, "%lld", number);
    if (option->choices != NULL)
        CT_TRY(check_choice(option, plain));
    v->integer = number;
    ct_strbuf_add(canonical, "%s", plain);
    return CSCTRL_OK;
}

static csctrl_status read_number(const csctrl_option *option, const char *text, double *number)
{
    char low[32], high[32], expected[96];

    if (ct_parse_double(text, number) && *number >= option->minimum && *number <= option->maximum)
        return CSCTRL_OK;
    snprintf(expected, sizeof expected, "a number from %s to %s",
             ct_double_text(option->minimum, low), ct_double_text(option->maximum, high));
    return fail_value(option, expected, text);
}

static csctrl_status read_real(const csctrl_option *option, const char *text, ct_value *v,
                               ct_strbuf *canonical)
{
    char number[32];

    v->reals = ct_calloc(1, sizeof *v->reals);
    if (v->reals == NULL)
        return CSCTRL_E_NOMEM;
    v->count = 1;
    CT_TRY(read_number(option, text, &v->reals[0]));
    ct_strbuf_add(canonical, "%s", ct_double_text(v->reals[0], number));
    return CSCTRL_OK;
}

/* One of REALS or BOOLS. */
static csctrl_status read_item(const csctrl_option *option, const char *text, double *item)
{
    bool truth = false;

    if (option->type == CSCTRL_OPTION_REALS)
        return read_number(option, text, item);
    CT_TRY(read_truth(option, text, &truth));
    *item = truth;
    return CSCTRL_OK;
}

/* `items` is "a, b, c" and is cut up. */
static csctrl_status read_items(const csctrl_option *option, char *items, ct_value *v)
{
    for (char *item = items, *next; item != NULL; item = next) {
        next = strchr(item, ',');
        if (next != NULL)
            *next++ = '\0';
        if (v->count == CSCTRL_OPTION_LIST_MAX)
            return ct_fail(CSCTRL_E_CONFIG, "%s: expected at most %d values, found more",
                           option->key, CSCTRL_OPTION_LIST_MAX);
        CT_TRY(read_item(option, ct_trim(item), &v->reals[v->count]));
        v->count++;
    }
    return CSCTRL_OK;
}

static csctrl_status read_list(const csctrl_option *option, const char *text, ct_value *v,
                               ct_strbuf *canonical)
{
    char *copy = ct_strdup(text);
    csctrl_status status = CSCTRL_E_NOMEM;

    v->reals = ct_calloc(CSCTRL_OPTION_LIST_MAX, sizeof *v->reals);
    if (copy == NULL || v->reals == NULL)
        goto done;
    const size_t length = strlen(copy);
    char *items = copy;
    if (copy[0] == '[') {
        if (copy[length - 1] != ']') {
            status = fail_value(option,
                                option->type == CSCTRL_OPTION_REALS
                                    ? "a list in brackets, as [0.1, 0.2]"
                                    : "a list in brackets, as [true, false]",
                                text);
            goto done;
        }
        copy[length - 1] = '\0';
        items = copy + 1;
    }
    if (items != copy && *ct_trim(items) == '\0') {
        status = ct_fail(CSCTRL_E_CONFIG, "%s: expected one value or more, found an empty list",
                         option->key);
        goto done;
    }
    CT_GOTO(status, read_items(option, items, v));
    for (size_t i = 0; i < v->count; i++) {
        char number[32];
        ct_strbuf_add(canonical, "%s%s",
                      i > 0          ? ", "
                      : v->count > 1 ? "["
                                     : "",
                      option->type == CSCTRL_OPTION_REALS ? ct_double_text(v->reals[i], number)
                                                          : truth_text(v->reals[i] != 0.0));
    }
    ct_strbuf_add(canonical, "%s", v->count > 1 ? "]" : "");
done:
    ct_free(copy);
    return status;
}

static csctrl_status read_choice(const csctrl_option *option, const char *text, ct_value *v,
                                 ct_strbuf *canonical)
{
    (void)v;
    CT_TRY(check_choice(option, text));
    ct_strbuf_add(canonical, "%s", text);
    return CSCTRL_OK;
}

/* Length of the UTF-8 character at `s`, 0 when it is none (overlong, surrogate, cut). */
static size_t utf8_length(const unsigned char *s)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = s[0] < 0x80             ? 1
                     : (s[0] & 0xE0) == 0xC0 ? 2
                     : (s[0] & 0xF0) == 0xE0 ? 3
                     : (s[0] & 0xF8) == 0xF0 ? 4
                                             : 0;
    uint32_t code = n == 1 ? s[0] : n > 0 ? s[0] & (0x7Fu >> n) : 0;

    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3Fu);
    }
    return n > 0 && code >= least[n] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF) ? n
                                                                                             : 0;
}

static csctrl_status read_string(const csctrl_option *option, const char *text, ct_value *v,
                                 ct_strbuf *canonical)
{
    (void)v;
    if (strpbrk(text, "\n\r") != NULL)
        return fail_value(option, "text without line breaks", text);
    for (size_t at = 0, n; text[at] != '\0'; at += n) {
        n = utf8_length((const unsigned char *)text + at);
        if (n == 0) /* YAML could not hold it */
            return ct_fail(CSCTRL_E_CONFIG,
                           "%s: expected UTF-8 text, found byte 0x%02x at position %zu",
                           option->key, (unsigned char)text[at], at);
    }
    ct_strbuf_add(canonical, "%s", text);
    return CSCTRL_OK;
}

csctrl_status ct_value_read(ct_value *v, const csctrl_option *option, const char *text,
                            ct_strbuf *canonical)
{
    switch (option->type) {
    case CSCTRL_OPTION_BOOL:
        return read_bool(option, text, v, canonical);
    case CSCTRL_OPTION_INT:
        return read_int(option, text, v, canonical);
    case CSCTRL_OPTION_REAL:
        return read_real(option, text, v, canonical);
    case CSCTRL_OPTION_REALS:
    case CSCTRL_OPTION_BOOLS:
        return read_list(option, text, v, canonical);
    case CSCTRL_OPTION_CHOICE:
        return read_choice(option, text, v, canonical);
    case CSCTRL_OPTION_STRING:
        break;
    }
    return read_string(option, text, v, canonical);
}
