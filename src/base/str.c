/* str.c - growing text buffers and small string helpers. */
#define _POSIX_C_SOURCE 200809L
#include "base/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool reserve(ct_strbuf *buf, size_t extra)
{
    if (buf->length + extra < buf->capacity)
        return true;
    const size_t capacity = 2 * buf->capacity + extra + 64;
    char *text = ct_realloc(buf->text, capacity);
    if (text == NULL) {
        buf->failed = true;
        return false;
    }
    buf->text = text;
    buf->capacity = capacity;
    return true;
}

void ct_strbuf_add(ct_strbuf *buf, const char *format, ...)
{
    va_list args;

    if (buf->failed)
        return;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(buf, (size_t)length + 1))
        return;
    va_start(args, format);
    vsnprintf(buf->text + buf->length, (size_t)length + 1, format, args);
    va_end(args);
    buf->length += (size_t)length;
}

void ct_strbuf_free(ct_strbuf *buf)
{
    ct_free(buf->text);
    *buf = (ct_strbuf){0};
}

size_t ct_edit_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 64 };
    const size_t la = strlen(a), lb = strlen(b);
    size_t row[WORD_MAX + 1];

    if (la > WORD_MAX || lb > WORD_MAX)
        return la > lb ? la : lb;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            const size_t above = row[j];
            const size_t swap = diagonal + (a[i - 1] != b[j - 1]);
            const size_t step = 1 + (above < row[j - 1] ? above : row[j - 1]);
            row[j] = swap < step ? swap : step;
            diagonal = above;
        }
    }
    return row[lb];
}

/* Numbers in files have a point, whatever locale the application chose. glibc's "C" is a constant:
 * this allocates nothing. */
static locale_t enter_c_locale(locale_t *c)
{
    *c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return *c != (locale_t)0 ? uselocale(*c) : (locale_t)0;
}

static void leave_c_locale(locale_t c, locale_t before)
{
    if (c == (locale_t)0)
        return;
    uselocale(before);
    freelocale(c);
}

char *ct_double_text(double value, char out[32])
{
    size_t least = SIZE_MAX;
    locale_t c;
    const locale_t before = enter_c_locale(&c);

    /* More digits may be shorter: 10 rather than 1e+01. But never shorter than their number. */
    for (int digits = 1; digits <= 17 && (size_t)digits < least; digits++) {
        char text[32];
        const size_t length = (size_t)snprintf(text, sizeof text, "%.*g", digits, value);
        if (length < least && (strtod(text, NULL) == value || digits == 17)) {
            least = length;
            memcpy(out, text, length + 1);
        }
    }
    leave_c_locale(c, before);
    return out;
}

bool ct_parse_int(const char *text, long long *value)
{
    char *end = NULL;

    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

bool ct_parse_double(const char *text, double *value)
{
    char *end = NULL;
    locale_t c;
    const locale_t before = enter_c_locale(&c);

    *value = strtod(text, &end);
    leave_c_locale(c, before);
    return end != text && *end == '\0' && isfinite(*value);
}

char *ct_trim(char *text)
{
    size_t length;

    text += strspn(text, " \t");
    for (length = strlen(text); length > 0 && strchr(" \t", text[length - 1]) != NULL; length--)
        ;
    text[length] = '\0';
    return text;
}
