/* test_repeat.c - work that repeats, recorded where the backend records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "comm/comm.h"
#include "support/op_harness.h"

typedef struct doubling {
    ct_exec *ex;
    ct_tensor x;
    int calls;
} doubling;

static csctrl_status twice(void *user)
{
    doubling *d = user;

    d->calls++;
    CT_TRY(d->ex->ops->axpby(d->ex, 1, &d->x, 1, &d->x));
    return d->ex->ops->axpby(d->ex, 0, &d->x, 1, &d->x);
}

/* What waits for the device cannot be recorded. */
static csctrl_status once_with_a_look(void *user)
{
    doubling *d = user;
    double squares = 0;

    d->calls++;
    CT_TRY(d->ex->ops->axpby(d->ex, 1, &d->x, 1, &d->x));
    return d->ex->ops->sum_squares(d->ex, &d->x, &squares);
}

enum { TIMES = 5 };

/* Calls of it in TIMES repetitions, each of which has its effect. */
static int repeat(op_run *run, csctrl_status (*work)(void *user))
{
    doubling d = {.ex = op_exec(run), .x = OP_INPUT(run, 1, 40)};
    void *record = NULL;

    for (int i = 0; i < TIMES; i++) {
        OP_OK(d.ex->ops->repeat(d.ex, &record, work, &d));
        op_keep(run, "each time once more", &d.x);
    }
    d.ex->ops->repeat_end(d.ex, &record);
    assert_null(record);
    return d.calls;
}

static bool records(const op_run *run)
{
    return op_exec(run)->deferred;
}

/* Once as it comes, once to be recorded. */
static void recorded(op_run *run, const void *params)
{
    (void)params;
    assert_int_equal(repeat(run, twice), records(run) ? 2 : TIMES);
}

/* The attempt to record has no effect; then it is done as it comes. */
static void refused(op_run *run, const void *params)
{
    (void)params;
    assert_int_equal(repeat(run, once_with_a_look), records(run) ? TIMES + 1 : TIMES);
}

static csctrl_status with_one_more(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    (void)state;
    assert_int_equal(count, 1);
    assert_int_equal(dtype, CSCTRL_F64);
    *(double *)data += 1;
    return CSCTRL_OK;
}

static csctrl_status alone(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    (void)state;
    (void)data;
    (void)count;
    (void)dtype;
    return CSCTRL_OK;
}

/* params: whether another rank cannot record. */
static void with_ranks(op_run *run, const void *params)
{
    const bool other_refuses = *(const bool *)params;
    const ct_comm_ops ops = {.sum = other_refuses ? with_one_more : alone};
    const ct_comm ranks = {.size = 2, .ops = &ops};
    ct_exec *ex = op_exec(run);

    ex->repeat_ranks = &ranks;
    const int calls = repeat(run, twice);
    ex->repeat_ranks = NULL;
    assert_int_equal(calls, !records(run) ? TIMES : other_refuses ? TIMES + 1 : 2);
}

static void test_repeat(void **state)
{
    (void)state;
    op_check("repeat", recorded, NULL, 0);
    op_check("repeat with a look", refused, NULL, 0);
    op_check("repeat with ranks", with_ranks, &(bool){false}, 0);
    op_check("repeat with a rank that cannot", with_ranks, &(bool){true}, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_repeat)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
