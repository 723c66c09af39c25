/* test_base_error.c - status names, the last-error record, messages to the application. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

static void test_statuses_are_pinned(void **state)
{
    (void)state;
    assert_int_equal(CSCTRL_OK, 0);
    assert_int_equal(CSCTRL_E_SHAPE, 2);
    assert_int_equal(CSCTRL_E_CONFIG, 7);
    assert_int_equal(CSCTRL_E_NOT_FOUND, 15);
    assert_string_equal(csctrl_status_name(CSCTRL_OK), "CSCTRL_OK");
    assert_string_equal(csctrl_status_name(CSCTRL_E_SHAPE), "CSCTRL_E_SHAPE");
    assert_string_equal(csctrl_status_text(CSCTRL_E_SHAPE), "shape mismatch");
    assert_string_equal(csctrl_status_name((csctrl_status)999), "CSCTRL_E_UNKNOWN");
    assert_string_equal(csctrl_status_text((csctrl_status)999), "unknown status");
}

static void test_message_is_kept(void **state)
{
    (void)state;
    assert_int_equal(ct_fail(CSCTRL_E_IO, "disk %d of %s", 7, "nine"), CSCTRL_E_IO);
    assert_string_equal(csctrl_last_error(), "disk 7 of nine");
}

static void test_message_may_quote_the_last_one(void **state)
{
    (void)state;
    ct_fail(CSCTRL_E_IO, "first");
    ct_fail(CSCTRL_E_IO, "second after %s", csctrl_last_error());
    assert_string_equal(csctrl_last_error(), "second after first");
}

static void test_context_goes_before(void **state)
{
    (void)state;
    ct_fail(CSCTRL_E_FORMAT, "bad byte");
    assert_int_equal(ct_fail_context(CSCTRL_E_FORMAT, "%s:%d", "file", 3), CSCTRL_E_FORMAT);
    assert_string_equal(csctrl_last_error(), "file:3: bad byte");
}

static void test_message_is_one_line(void **state)
{
    (void)state;
    ct_fail(CSCTRL_E_FORMAT, "name \"a\nb\x1b\"");
    assert_string_equal(csctrl_last_error(), "name \"a?b?\"");
    ct_fail_context(CSCTRL_E_FORMAT, "c\nd");
    assert_string_equal(csctrl_last_error(), "c?d: name \"a?b?\"");
}

static void test_long_message_is_cut(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    ct_fail(CSCTRL_E_FORMAT, "%s", text);
    assert_int_equal(strlen(csctrl_last_error()), 1023);
    ct_fail_context(CSCTRL_E_FORMAT, "%s", text);
    assert_in_range(strlen(csctrl_last_error()), 500, 1023);
}

static void *fail_elsewhere(void *user)
{
    ct_fail(CSCTRL_E_IO, "other thread");
    return strcmp(csctrl_last_error(), "other thread") == 0 ? user : NULL;
}

static void test_record_belongs_to_the_thread(void **state)
{
    pthread_t thread;
    int mark = 0;
    void *result = NULL;

    (void)state;
    ct_fail(CSCTRL_E_IO, "this thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &mark), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &mark);
    assert_string_equal(csctrl_last_error(), "this thread");
}

static csctrl_status three_steps(int bad, int *done)
{
    for (int i = 0; i < 3; i++) {
        CT_TRY(i == bad ? ct_fail(CSCTRL_E_STATE, "step %d", i) : CSCTRL_OK);
        ++*done;
    }
    return CSCTRL_OK;
}

static csctrl_status with_exit(int bad, int *released)
{
    csctrl_status status;

    CT_GOTO(status, bad ? CSCTRL_E_NOMEM : CSCTRL_OK);
done:
    ++*released;
    return status;
}

static void test_propagation(void **state)
{
    int done = 0, released = 0;

    (void)state;
    assert_int_equal(three_steps(1, &done), CSCTRL_E_STATE);
    assert_int_equal(done, 1);
    assert_int_equal(three_steps(9, &done), CSCTRL_OK);
    assert_int_equal(done, 4);
    assert_int_equal(with_exit(1, &released), CSCTRL_E_NOMEM);
    assert_int_equal(with_exit(0, &released), CSCTRL_OK);
    assert_int_equal(released, 2);
}

typedef struct heard {
    int count;
    csctrl_log_level level;
    char text[64];
} heard;

static void hear(void *user, csctrl_log_level level, const char *message)
{
    heard *h = user;

    h->count++;
    h->level = level;
    snprintf(h->text, sizeof h->text, "%s", message);
}

static void test_log_goes_to_the_receiver(void **state)
{
    heard h = {0};

    (void)state;
    ct_log(CSCTRL_LOG_INFO, "nobody listens");
    csctrl_log_set(hear, &h);
    ct_log(CSCTRL_LOG_WARNING, "%d broken", 3);
    csctrl_log_set(NULL, NULL);
    ct_log(CSCTRL_LOG_INFO, "nobody listens");
    assert_int_equal(h.count, 1);
    assert_int_equal(h.level, CSCTRL_LOG_WARNING);
    assert_string_equal(h.text, "3 broken");
}

static void test_clock_does_not_go_back(void **state)
{
    double last = ct_now();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        const double now = ct_now();
        assert_true(now >= last);
        last = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses_are_pinned),
        cmocka_unit_test(test_message_is_kept),
        cmocka_unit_test(test_message_may_quote_the_last_one),
        cmocka_unit_test(test_context_goes_before),
        cmocka_unit_test(test_message_is_one_line),
        cmocka_unit_test(test_long_message_is_cut),
        cmocka_unit_test(test_record_belongs_to_the_thread),
        cmocka_unit_test(test_propagation),
        cmocka_unit_test(test_log_goes_to_the_receiver),
        cmocka_unit_test(test_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
