/* test_nccl.c - messages between devices, with NCCL and CUDA's streams played by host_nccl.c: what
 * is called in which order, and that data are right however the streams take turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "comm/nccl/nccl_module.h"
#include "cuda/host_nccl.h"

enum { MIB = 1 << 20, LAYERS = 8, WEIGHTS = 40000 };

#define FORK "r:work w:sums "
#define JOIN "r:sums w:work "

ct_nccl_open_fn ct_nccl_open;

static const ct_comm ranks = {.rank = 1, .size = 2, .local_rank = 1, .local_size = 2};
static ct_comm device;
static float floats[MIB / sizeof(float)];
static double weights[LAYERS][WEIGHTS], seen[LAYERS][WEIGHTS], norm[4], norm_seen[4];
static double features[2][4];

static csctrl_status tell(const ct_comm *comm, void *all, size_t bytes)
{
    assert_ptr_equal(comm, &ranks);
    (void)all;
    (void)bytes;
    return host_fails() ? CSCTRL_E_IO : CSCTRL_OK;
}

static csctrl_status open_device(const ct_comm *of, char *message)
{
    return ct_nccl_open(&device, of, host_work, tell, message, CT_NCCL_MESSAGE_MAX);
}

static int begin(void **state)
{
    char message[CT_NCCL_MESSAGE_MAX] = "";

    (void)state;
    memset(&host, 0, sizeof host);
    assert_int_equal(open_device(&ranks, message), CSCTRL_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    host_run(true);
    device.ops->close(device.state);
    return 0;
}

static csctrl_status start(void *data, int64_t count, csctrl_dtype dtype)
{
    return device.ops->start_sum(device.state, data, count, dtype);
}

static csctrl_status finish(void)
{
    return device.ops->finish_sums(device.state);
}

static csctrl_status gather(void)
{
    return device.ops->gather(device.state, features, sizeof features[0]);
}

/* What was queued since this was last called. */
static void expect_calls(const char *calls)
{
    assert_string_equal(host.calls, calls);
    host.calls[0] = '\0';
}

static void test_bucket(void **state)
{
    const int64_t quarter = MIB / sizeof(float) / 4;

    (void)state;
    for (int64_t i = 0; i < 4 * quarter; i++)
        floats[i] = 1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(start(floats + i * quarter, quarter, CSCTRL_F32), CSCTRL_OK);
    assert_int_equal(start(floats + 3 * quarter, quarter - 1, CSCTRL_F32), CSCTRL_OK);
    expect_calls("");
    assert_int_equal(start(floats + 4 * quarter - 1, 1, CSCTRL_F32), CSCTRL_OK);
    expect_calls(FORK "5:sums/2 ");
    assert_int_equal(start(weights, MIB / sizeof(double) - 1, CSCTRL_F64), CSCTRL_OK);
    expect_calls("");
    assert_int_equal(start(norm, 1, CSCTRL_F64), CSCTRL_OK);
    assert_int_equal(start(floats, 4 * quarter, CSCTRL_F32), CSCTRL_OK);
    expect_calls(FORK "2:sums/2 " FORK "1:sums/2 ");
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(JOIN);
    host_run(true);
    for (int64_t i = 0; i < 4 * quarter; i++)
        assert_true(floats[i] == 4);
}

static void test_less_than_a_bucket(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(start(weights[i], 100, CSCTRL_F64), CSCTRL_OK);
    expect_calls("");
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(FORK "3:sums/2 " JOIN);
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls("");
}

static void test_nothing(void **state)
{
    (void)state;
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls("");
}

static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < 1025; i++)
        assert_int_equal(start(floats + i, 1, CSCTRL_F32), CSCTRL_OK);
    expect_calls(FORK "512:sums/2 " FORK "512:sums/2 ");
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(FORK "1:sums/2 " JOIN);
}

/* What the work needs at once does not leave its stream. */
static void test_at_once(void **state)
{
    (void)state;
    assert_int_equal(device.ops->sum(device.state, norm, 4, CSCTRL_F64), CSCTRL_OK);
    assert_int_equal(gather(), CSCTRL_OK);
    expect_calls("1:work/1 g:work/1 ");
}

/* ---- whole moves, as the game makes them */

static csctrl_status move(void)
{
    CT_TRY(gather());
    for (int l = 0; l < LAYERS; l++) {
        host_set(norm, 4, l + 1);
        CT_TRY(device.ops->sum(device.state, norm, 4, CSCTRL_F64));
        host_copy(norm_seen, norm, 4);
        host_set(weights[l], WEIGHTS, l + 1);
        CT_TRY(start(weights[l], WEIGHTS, CSCTRL_F64));
    }
    CT_TRY(finish());
    for (int l = 0; l < LAYERS; l++) {
        host_copy(seen[l], weights[l], WEIGHTS);
        host_set(weights[l], WEIGHTS, -1); /* of the next move: a sum that is late would show */
    }
    return CSCTRL_OK;
}

static void expect_moved(bool work_first)
{
    memset(seen, 0, sizeof seen);
    host_run(work_first);
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < WEIGHTS; i++)
            assert_true(seen[l][i] == 2 * (l + 1) && weights[l][i] == -1);
    assert_true(norm_seen[0] == 2 * LAYERS);
}

static void expect_moves(void)
{
    for (int i = 0; i < 4; i++) {
        assert_int_equal(move(), CSCTRL_OK);
        expect_moved(i % 2 == 0);
    }
    host.calls[0] = '\0';
}

static void expect_recorded_moves(void)
{
    host_record();
    assert_int_equal(move(), CSCTRL_OK);
    assert_int_equal(move(), CSCTRL_OK);
    assert_int_equal(host_recorded(), cudaSuccess);
    for (int i = 0; i < 4; i++) {
        host_replay();
        expect_moved(i % 2 == 0);
    }
    host.calls[0] = '\0';
}

static void test_moves(void **state)
{
    (void)state;
    expect_moves();
}

/* Sums start while the work goes on: the last layer's tensor is summed before the first's is
 * computed. */
static void test_overlap(void **state)
{
    (void)state;
    host_set((double *)weights, MIB / sizeof(double), 1);
    assert_int_equal(start(weights, MIB / sizeof(double), CSCTRL_F64), CSCTRL_OK);
    host_copy(norm_seen, (double *)weights, 1);
    host_run(false);
    assert_true(norm_seen[0] == 2);
    assert_int_equal(finish(), CSCTRL_OK);
    host_run(true);
}

static void test_recorded(void **state)
{
    (void)state;
    expect_recorded_moves();
    expect_moves();
    expect_recorded_moves();
}

/* A recording that is broken off between two layers, with sums under way and others waiting,
 * whether CUDA was the first to know or not. */
static void test_broken_off(void **state)
{
    (void)state;
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        expect_moves();
        host_record();
        assert_int_equal(gather(), CSCTRL_OK);
        assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_OK);
        assert_int_equal(start(norm, 4, CSCTRL_F64), CSCTRL_OK);
        expect_calls("g:work/1 " FORK "1:sums/2 ");
        host.spoilt = spoilt == 1;
        if (host.spoilt)
            assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_E_IO);
        assert_int_equal(host_recorded(), spoilt == 1 ? cudaErrorStreamCaptureInvalidated
                                                      : cudaErrorStreamCaptureUnjoined);
        assert_int_equal(gather(), CSCTRL_OK);
        assert_int_equal(finish(), CSCTRL_OK);
        assert_int_equal(start(floats, MIB / sizeof(float) - 1, CSCTRL_F32), CSCTRL_OK);
        expect_calls("g:work/1 ");
        assert_int_equal(finish(), CSCTRL_OK);
        expect_calls(FORK "1:sums/2 " JOIN);
        expect_moves();
        expect_recorded_moves();
    }
}

/* Whatever call fails in a recording: the move says so, and the next ones are right. */
static void test_broken_anywhere(void **state)
{
    int n = 1;

    (void)state;
    for (;; n++) {
        host_record();
        host.failing = n;
        const csctrl_status status = move();
        const cudaError_t ended = host_recorded();
        if (status == CSCTRL_OK) {
            assert_int_equal(ended, cudaSuccess);
            break;
        }
        assert_int_equal(status, CSCTRL_E_IO);
        assert_int_equal(host.groups, 0);
        host.failing = 0;
        host.calls[0] = '\0';
        expect_moves();
    }
    host.failing = 0;
    assert_in_range(n, 25, 100);
    expect_recorded_moves();
}

/* A launch that fails in its n-th call: event, wait, group, first sum, second sum, end of group. */
static void test_failed_launch(void **state)
{
    static const char *const after[] = {"", "r:work ", FORK JOIN, FORK JOIN, FORK JOIN, FORK JOIN};

    (void)state;
    for (int n = 1; n <= 6; n++) {
        assert_int_equal(gather(), CSCTRL_OK);
        host.calls[0] = '\0';
        assert_int_equal(start(weights[0], 10, CSCTRL_F64), CSCTRL_OK);
        assert_int_equal(start(weights[1], 10, CSCTRL_F64), CSCTRL_OK);
        host.failing = n;
        assert_int_equal(finish(), CSCTRL_E_IO);
        assert_int_equal(host.failing, 0);
        assert_int_equal(host.groups, 0);
        assert_int_equal(finish(), CSCTRL_OK); /* without the sums */
        expect_calls(after[n - 1]);
        host_run(true);
    }
}

/* ---- opening and closing */

static void expect_open(int count)
{
    assert_int_equal(host.comms, 2 * count);
    assert_int_equal(host.streams, count);
    assert_int_equal(host.events, count);
    assert_int_equal(host.groups, 0);
}

static void test_close(void **state)
{
    begin(state);
    expect_open(1);
    assert_string_equal(device.name, "nccl");
    assert_int_equal(device.rank, 1);
    device.ops->close(device.state);
    expect_open(0);
    expect_calls("destroy:1 destroy:2 ");
}

/* With sums under way. */
static void test_abort(void **state)
{
    begin(state);
    assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_OK);
    expect_calls(FORK "1:sums/2 ");
    device.ops->abort(device.state);
    expect_open(0);
    expect_calls("abort:1 abort:2 ");
    host_run(true);
}

/* Rank 1 takes ids from rank 0: tell, communicator, twice; device of the first, CUDA's device,
 * stream, event. */
static void test_failed_open(void **state)
{
    (void)state;
    for (int n = 1; n <= 8; n++) {
        char message[CT_NCCL_MESSAGE_MAX] = "";
        memset(&host, 0, sizeof host);
        host.failing = n;
        assert_int_equal(open_device(&ranks, message), CSCTRL_E_IO);
        assert_string_equal(message, n <= 5 ? "NCCL's reason" : "CUDA's reason");
        assert_int_equal(host.failing, 0);
        expect_open(0);
    }
    host.failing = 9;
    assert_int_equal(open_device(&ranks, (char[CT_NCCL_MESSAGE_MAX]){""}), CSCTRL_OK);
    device.ops->close(device.state);
    host.failing = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bucket, begin, end),
        cmocka_unit_test_setup_teardown(test_less_than_a_bucket, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_many, begin, end),
        cmocka_unit_test_setup_teardown(test_at_once, begin, end),
        cmocka_unit_test_setup_teardown(test_moves, begin, end),
        cmocka_unit_test_setup_teardown(test_overlap, begin, end),
        cmocka_unit_test_setup_teardown(test_recorded, begin, end),
        cmocka_unit_test_setup_teardown(test_broken_off, begin, end),
        cmocka_unit_test_setup_teardown(test_broken_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(test_failed_launch, begin, end),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_failed_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
