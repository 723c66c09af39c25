#include "support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void expect_ok(csctrl_status status)
{
    if (status != CSCTRL_OK)
        fail_msg("%s: %s", csctrl_status_name(status), csctrl_last_error());
}

void expect_fail(csctrl_status status, csctrl_status want, const char *part)
{
    const char *message = csctrl_last_error();

    if (status != want)
        fail_msg("expected %s, found %s (%s)", csctrl_status_name(want), csctrl_status_name(status),
                 message);
    if (strstr(message, part) == NULL)
        fail_msg("expected a message with \"%s\", found \"%s\"", part, message);
    assert_null(strchr(message, '\n'));
}
