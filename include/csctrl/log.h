/** @file log.h
 * Where the library's messages go: a callback of the application, or nowhere.
 */
#ifndef CSCTRL_LOG_H
#define CSCTRL_LOG_H

#include "csctrl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum csctrl_log_level {
    CSCTRL_LOG_DEBUG = 0,
    CSCTRL_LOG_INFO = 1,
    CSCTRL_LOG_WARNING = 2
} csctrl_log_level;

/** Receives one message (a line without newline, valid during the call only). May be called from
 * loader threads, never from two threads at once. */
typedef void (*csctrl_log_fn)(void *user, csctrl_log_level level, const char *message);

/** Install the process-wide receiver of messages; the default is none (silence).
 *
 * @param fn    NULL switches messages off.
 * @param user  Kept and passed back; must outlive its use.
 * Threading: any thread; takes effect for the next message.   Allocates: nothing.
 */
CSCTRL_API void csctrl_log_set(csctrl_log_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
