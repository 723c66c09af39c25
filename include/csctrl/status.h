/** @file status.h
 * Status codes and the thread-local record of the last error.
 */
#ifndef CSCTRL_STATUS_H
#define CSCTRL_STATUS_H

#if defined(__GNUC__)
#define CSCTRL_API __attribute__((visibility("default")))
#else
#define CSCTRL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Every status: name, pinned value, short text. Values never change meaning between versions. */
#define CSCTRL_STATUS_LIST(X)                                                                      \
    X(OK, 0, "success")                                                                            \
    X(E_INVALID, 1, "invalid argument")                                                            \
    X(E_SHAPE, 2, "shape mismatch")                                                                \
    X(E_DTYPE, 3, "element type mismatch")                                                         \
    X(E_NOMEM, 4, "out of memory")                                                                 \
    X(E_IO, 5, "input or output failed")                                                           \
    X(E_FORMAT, 6, "malformed file")                                                               \
    X(E_CONFIG, 7, "invalid configuration")                                                        \
    X(E_NUMERIC, 8, "a value is not finite")                                                       \
    X(E_UNSUPPORTED, 9, "not supported")                                                           \
    X(E_EXISTS, 10, "already exists")                                                              \
    X(E_MISMATCH, 11, "does not belong together")                                                  \
    X(E_INTERRUPTED, 12, "interrupted by request")                                                 \
    X(E_STATE, 13, "call out of order")                                                            \
    X(E_BACKEND, 14, "backend failure")                                                            \
    X(E_NOT_FOUND, 15, "not found")

/** Result of a fallible call; CSCTRL_OK is 0. */
typedef enum csctrl_status {
#define CSCTRL_STATUS_ENUM(name, value, text) CSCTRL_##name = value,
    CSCTRL_STATUS_LIST(CSCTRL_STATUS_ENUM)
#undef CSCTRL_STATUS_ENUM
} csctrl_status;

/** Name of a status, e.g. "CSCTRL_E_SHAPE".
 *
 * @param status  Any value; unknown ones give "CSCTRL_E_UNKNOWN".
 * @return a static string. Threading: any thread. Allocates: nothing.
 */
CSCTRL_API const char *csctrl_status_name(csctrl_status status);

/** Short text of a status, e.g. "shape mismatch".
 *
 * @param status  Any value; unknown ones give "unknown status".
 * @return a static string. Threading: any thread. Allocates: nothing.
 */
CSCTRL_API const char *csctrl_status_text(csctrl_status status);

/** Detail of the last failure on the calling thread: one line, what was expected, found and to be
 * done.
 *
 * @return a string owned by the library, valid until the next failing call on this thread; "" when
 * nothing failed yet. Threading: thread-local. Allocates: nothing.
 */
CSCTRL_API const char *csctrl_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
