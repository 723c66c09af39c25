/* cli_json.c - JSON of names that may be any bytes, where JSON takes UTF-8 only; files of lines. */
#include "cli_json.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHARACTER_MAX = 4 }; /* bytes of a character in UTF-8 */

/* Bytes of the character at `text`; 0 when it is not UTF-8. */
static size_t character(const char *text, size_t length)
{
    for (size_t n = 1; n <= CHARACTER_MAX && n <= length; n++) {
        json_t *one = json_stringn(text, n);
        json_decref(one);
        if (one != NULL)
            return n;
    }
    return 0;
}

json_t *cli_json_text(const char *text)
{
    size_t length = strlen(text);
    json_t *string = json_stringn(text, length);

    if (string != NULL)
        return string;
    char *copy = strdup(text);
    for (size_t i = 0; copy != NULL && i < length;) {
        const size_t n = character(copy + i, length - i);
        if (n == 0)
            copy[i] = '?';
        i += n > 0 ? n : 1;
    }
    if (copy != NULL)
        string = json_stringn(copy, length);
    free(copy);
    return string;
}

int cli_json_lines(const char *path, int (*take)(void *user, const json_t *object), void *user)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    int code = CLI_OK;

    while (file != NULL && code == CLI_OK && getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        if (json_is_object(object))
            code = take(user, object);
        json_decref(object);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return code;
}
