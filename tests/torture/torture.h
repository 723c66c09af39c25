/* torture.h - fail the n-th allocation of a call, and all after it, for every n until it succeeds.
 * cmocka.h and what it needs are included first. */
#ifndef TESTS_TORTURE_H
#define TESTS_TORTURE_H

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum { MOST = 20000 };

/* One attempt: 0 or more results in `user`; on failure it checks that they are empty. */
typedef csctrl_status attempt_fn(void *user);
typedef void release_fn(void *user);

static inline size_t held(void)
{
    csctrl_memory_stats stats;

    csctrl_memory_get_stats(&stats);
    return stats.bytes;
}

/* Returns the number of failures before the first success, which is released. */
static inline int torture(const char *label, attempt_fn *attempt, release_fn *release, void *user)
{
    for (int n = 1; n < MOST; n++) {
        const size_t before = held();
        ct_fail(CSCTRL_OK, "nothing");
        ct_mem_fail_from((uint64_t)n);
        const csctrl_status status = attempt(user);
        ct_mem_fail_from(0);
        if (status == CSCTRL_OK) {
            if (release != NULL)
                release(user);
            assert_int_equal(held(), before);
            print_message("%s: %d allocations\n", label, n - 1);
            return n - 1;
        }
        if (status != CSCTRL_E_NOMEM)
            fail_msg("%s, allocation %d: %s (%s)", label, n, csctrl_status_name(status),
                     csctrl_last_error());
        if (strstr(csctrl_last_error(), "out of memory") == NULL)
            fail_msg("%s, allocation %d: the message is '%s'", label, n, csctrl_last_error());
        if (held() != before)
            fail_msg("%s, allocation %d: %zu bytes leaked", label, n, held() - before);
    }
    fail_msg("%s: no success", label);
    return 0;
}

#endif
