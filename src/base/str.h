/* str.h - growing text buffers and the small string helpers that more than one stratum needs. */
#ifndef CT_BASE_STR_H
#define CT_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Zero-initialise; `text` is NULL until something is added. A failed addition sets `failed` and
 * later ones do nothing, so that one check at the end is enough. */
typedef struct ct_strbuf {
    char *text;
    size_t length, capacity;
    bool failed;
} ct_strbuf;

void ct_strbuf_add(ct_strbuf *buf, const char *format, ...) CT_PRINTF(2, 3);
void ct_strbuf_free(ct_strbuf *buf);

/* Number of insertions, deletions and substitutions between two words (for "did you mean"). */
size_t ct_edit_distance(const char *a, const char *b);

/* Shortest decimal text that reads back as the same double, e.g. "0.1"; returns out. */
char *ct_double_text(double value, char out[32]);

/* Whole-text parsers: false for empty text, trailing characters, overflow, and (double) values that
 * are not finite. */
bool ct_parse_int(const char *text, long long *value);
bool ct_parse_double(const char *text, double *value);

/* The text without spaces and tabs at either end: a pointer into it, its end cut. */
char *ct_trim(char *text);

#endif
