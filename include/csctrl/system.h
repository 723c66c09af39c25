/** @file system.h
 * Versions, the machine, and what the library allocates.
 */
#ifndef CSCTRL_SYSTEM_H
#define CSCTRL_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include "csctrl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CSCTRL_VERSION_MAJOR 0
#define CSCTRL_VERSION_MINOR 1
#define CSCTRL_VERSION_PATCH 0
#define CSCTRL_VERSION "0.1.0"

/** Version of the library at run time, "major.minor.patch". Threading: any thread. */
CSCTRL_API const char *csctrl_version(void);

/** One fact of the report: `key` such as "onednn", `value` such as "2.6.3". Valid during the call.
 */
typedef void (*csctrl_fact_fn)(void *user, const char *key, const char *value);

/** Report versions of the library and of those it runs on, the CPU and its instruction sets (found
 * and used), threads, and the backends with the reason why one is missing.
 *
 * libjpeg-turbo, jansson and libarchive: the version of the headers that the library was compiled
 * against. All other versions are those loaded.
 *
 * @param fact  Called once a fact, in a fixed order.
 * Threading: any thread; `fact` is called on the calling thread.
 */
CSCTRL_API void csctrl_system_report(csctrl_fact_fn fact, void *user);

/** What the library itself has allocated from the heap since the process began. */
typedef struct csctrl_memory_stats {
    uint64_t allocations; /**< calls that gave memory */
    uint64_t frees;       /**< calls that gave it back */
    size_t bytes;         /**< held now */
    size_t peak_bytes;    /**< held at most */
} csctrl_memory_stats;

/** Counters of all threads together. @param stats Written. Threading: any thread. */
CSCTRL_API void csctrl_memory_get_stats(csctrl_memory_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
