/* error.h - the thread-local last-error record and the two ways to propagate a failure.
 * A function that acquires nothing uses CT_TRY; one that acquires uses CT_GOTO with a single
 * `done:` exit. */
#ifndef CT_BASE_ERROR_H
#define CT_BASE_ERROR_H

#include "csctrl/status.h"

#define CT_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Record a message (one line: expected, found, what to do) and return `status`. */
csctrl_status ct_fail(csctrl_status status, const char *format, ...) CT_PRINTF(2, 3);

/* The analyser sees one file at a time: show it that the status given is the one returned. */
#ifdef __clang_analyzer__
#define ct_fail(status, ...) ((void)ct_fail(status, __VA_ARGS__), (status))
#endif

/* Put "prefix: " before the message of the last failure and return `status` unchanged. */
csctrl_status ct_fail_context(csctrl_status status, const char *format, ...) CT_PRINTF(2, 3);

/* Control characters become '?': names from files may hold line breaks, messages are one line. */
void ct_one_line(char *text);

/* Leave the function with the first status that is not CSCTRL_OK. */
#define CT_TRY(call)                                                                               \
    do {                                                                                           \
        const csctrl_status ct_try_status = (call);                                                \
        if (ct_try_status != CSCTRL_OK)                                                            \
            return ct_try_status;                                                                  \
    } while (0)

/* Store the status in `st` and jump to `done` when it is not CSCTRL_OK. */
#define CT_GOTO(st, call)                                                                          \
    do {                                                                                           \
        (st) = (call);                                                                             \
        if ((st) != CSCTRL_OK)                                                                     \
            goto done;                                                                             \
    } while (0)

#endif
