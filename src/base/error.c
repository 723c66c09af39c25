/* error.c - status names and the last-error record of each thread. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef ct_fail /* the analyser's macro */

enum { MESSAGE_MAX = 1024 };

static _Thread_local char last_error[MESSAGE_MAX];

const char *csctrl_status_name(csctrl_status status)
{
    switch (status) {
#define STATUS_CASE(name, value, text)                                                             \
    case CSCTRL_##name:                                                                            \
        return "CSCTRL_" #name;
        CSCTRL_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "CSCTRL_E_UNKNOWN";
}

const char *csctrl_status_text(csctrl_status status)
{
    switch (status) {
#define STATUS_CASE(name, value, text)                                                             \
    case CSCTRL_##name:                                                                            \
        return text;
        CSCTRL_STATUS_LIST(STATUS_CASE)
#undef STATUS_CASE
    }
    return "unknown status";
}

const char *csctrl_last_error(void)
{
    return last_error;
}

void ct_one_line(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
}

csctrl_status ct_fail(csctrl_status status, const char *format, ...)
{
    /* Format aside first: an argument may be the present message. */
    char message[MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ct_one_line(message);
    memcpy(last_error, message, sizeof message);
    return status;
}

csctrl_status ct_fail_context(csctrl_status status, const char *format, ...)
{
    char prefix[MESSAGE_MAX / 2];
    char message[MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    ct_one_line(prefix);
    snprintf(message, sizeof message, "%s: %.500s", prefix, last_error);
    memcpy(last_error, message, sizeof message);
    return status;
}
