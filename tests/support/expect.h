/* expect.h - assertions on statuses and messages, shared by the tests. */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include "csctrl/status.h"

/* Pass only on CSCTRL_OK; otherwise show the message. */
void expect_ok(csctrl_status status);

/* Pass only on `want` with a one-line message that contains `part`. */
void expect_fail(csctrl_status status, csctrl_status want, const char *part);

#endif
