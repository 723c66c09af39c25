/* test_comm.c - one rank that is alone, and kinds that cannot be opened. What several ranks say to
 * one another: tests/ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "comm/comm.h"
#include "csctrl/system.h"
#include "support/expect.h"

static void test_alone(void **state)
{
    ct_comm comm;
    double sums[] = {1.5, -2};
    bool yes = true, no = false;

    (void)state;
    expect_ok(ct_comm_open(&comm, &(ct_comm_options){.kind = "none"}));
    assert_int_equal(comm.rank, 0);
    assert_int_equal(comm.size, 1);
    assert_int_equal(comm.local_size, 1);
    expect_ok(ct_comm_sum(&comm, sums, 2, CSCTRL_F64));
    expect_ok(ct_comm_start_sum(&comm, sums, 2, CSCTRL_F64));
    expect_ok(ct_comm_finish_sums(&comm));
    expect_ok(ct_comm_gather(&comm, sums, sizeof sums));
    assert_true(sums[0] == 1.5 && sums[1] == -2);
    expect_ok(ct_comm_any(&comm, &yes));
    expect_ok(ct_comm_any(&comm, &no));
    assert_true(yes);
    assert_false(no);
    expect_ok(ct_comm_expect_same(&comm, UINT64_MAX, "a number"));
    ct_comm_close(&comm, false);
    assert_int_equal(comm.size, 1);
}

/* The sums of four ranks that all say the same, or of which this one differs. */
static csctrl_status four_times(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    const double *others = state;

    (void)dtype;
    for (int64_t i = 0; i < count; i++)
        ((double *)data)[i] =
            ((double *)data)[i] + 3 * (others != NULL ? others[i] : ((double *)data)[i]);
    return CSCTRL_OK;
}

static csctrl_status unreachable(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    (void)state;
    (void)data;
    (void)count;
    (void)dtype;
    return CSCTRL_E_IO;
}

/* Devices are attached where several ranks want it, and only a backend with a queue has one. */
static void test_devices(void **state)
{
    ct_comm comm = {.size = 4, .local_size = 4, .sharers = 4, .name = "test"};

    (void)state;
    expect_ok(ct_comm_attach(&comm, NULL));
    assert_null(comm.device);
    comm.wants_device = true;
    expect_fail(ct_comm_attach(&comm, NULL), CSCTRL_E_UNSUPPORTED, "needs device cuda");
    comm.size = 1;
    expect_ok(ct_comm_attach(&comm, NULL));
    ct_comm_detach(&comm);
}

static void count_close(void *state)
{
    ((int *)state)[0]++;
}

static void count_abort(void *state)
{
    ((int *)state)[1]++;
}

/* A device ends as its ranks do, once, and its memory with it. */
static void test_devices_end(void **state)
{
    static const ct_comm_ops ops = {.close = count_close, .abort = count_abort};

    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        int of_ranks[2] = {0, 0}, of_device[2] = {0, 0};
        csctrl_memory_stats before, after;
        csctrl_memory_get_stats(&before);
        ct_comm comm = {.size = 2, .name = "test", .ops = &ops, .state = of_ranks};
        comm.device = ct_calloc(1, sizeof *comm.device);
        assert_non_null(comm.device);
        *comm.device = (ct_comm){.size = 2, .name = "test", .ops = &ops, .state = of_device};
        ct_comm_close(&comm, failed == 1);
        assert_null(comm.device);
        assert_int_equal(of_ranks[failed], 1);
        assert_int_equal(of_device[failed], 1);
        assert_int_equal(of_ranks[1 - failed] + of_device[1 - failed], 0);
        csctrl_memory_get_stats(&after);
        assert_true(after.bytes == before.bytes);
    }
}

static void test_same(void **state)
{
    static const ct_comm_ops ops = {.sum = four_times};
    double others[] = {1, 6};
    ct_comm comm = {.size = 4, .local_size = 4, .sharers = 4, .name = "test", .ops = &ops};

    (void)state;
    expect_ok(ct_comm_expect_same(&comm, 0xfedcba9876543210U, "a number"));
    comm.state = others;
    expect_fail(ct_comm_expect_same(&comm, (1ULL << 32) + 5, "a number"), CSCTRL_E_STATE,
                "expected a number to be the same on all 4 ranks");
}

static void test_errors(void **state)
{
    static const ct_comm_ops ops = {.sum = unreachable};
    ct_comm comm = {
        .rank = 2, .size = 4, .local_size = 4, .sharers = 4, .name = "test", .ops = &ops};
    double number = 1;

    (void)state;
    expect_fail(ct_comm_sum(&comm, &number, 1, CSCTRL_F64), CSCTRL_E_IO,
                "rank 2 of 4 cannot reach another rank by test");
    expect_fail(ct_comm_open(&comm, &(ct_comm_options){.kind = "pigeon"}), CSCTRL_E_INVALID,
                "unknown kind \"pigeon\"");
    assert_int_equal(comm.size, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),       cmocka_unit_test(test_devices),
        cmocka_unit_test(test_devices_end), cmocka_unit_test(test_same),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
