/* test_nccl.c - messages between devices, with NCCL and CUDA's streams played by host_nccl.c: what
 * is called in which order, and that data are right however the streams take turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nccl.h>

#include "comm/nccl/nccl_module.h"
#include "cuda/host_nccl.h"

enum { MIB = 1 << 20, LAYERS = 8, WEIGHTS = 40000 };

#define FORK "r:work w:messages "
#define JOIN "r:messages w:work "
#define SUM FORK "1:messages " JOIN
#define GATHER FORK "g:messages " JOIN

ct_nccl_open_fn ct_nccl_open;

static const ct_comm ranks = {.rank = 1, .size = 2, .local_rank = 1, .local_size = 2};
static ct_comm device;
static float floats[MIB / sizeof(float)];
static double weights[LAYERS][WEIGHTS], seen[LAYERS][WEIGHTS], norm[4], norm_seen[4];
static double features[2][4], features_seen[8];
static int tells;

static csctrl_status tell(const ct_comm *comm, void *all, size_t bytes)
{
    (void)comm;
    (void)all;
    assert_int_equal(bytes, sizeof(ncclUniqueId));
    tells++;
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
    host_forget();
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

static csctrl_status sum(void)
{
    return device.ops->sum(device.state, norm, 4, CSCTRL_F64);
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
    expect_calls(FORK "5:messages ");
    assert_int_equal(start(weights, MIB / sizeof(double) - 1, CSCTRL_F64), CSCTRL_OK);
    expect_calls("");
    assert_int_equal(start(norm, 1, CSCTRL_F64), CSCTRL_OK);
    assert_int_equal(start(floats, 4 * quarter, CSCTRL_F32), CSCTRL_OK);
    expect_calls(FORK "2:messages " FORK "1:messages ");
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
    expect_calls(FORK "3:messages " JOIN);
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
    expect_calls(FORK "512:messages " FORK "512:messages ");
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(FORK "1:messages " JOIN);
}

/* The work waits for what it needs at once, and with it for what was launched before; what is left
 * of the sums that were started goes by finish. */
static void test_at_once(void **state)
{
    (void)state;
    assert_int_equal(sum(), CSCTRL_OK);
    assert_int_equal(gather(), CSCTRL_OK);
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(SUM GATHER);
    assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_OK);
    assert_int_equal(start(weights, 10, CSCTRL_F64), CSCTRL_OK);
    assert_int_equal(sum(), CSCTRL_OK);
    expect_calls(FORK "1:messages " SUM);
    assert_int_equal(finish(), CSCTRL_OK);
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(SUM);
    assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_OK);
    assert_int_equal(gather(), CSCTRL_OK);
    assert_int_equal(finish(), CSCTRL_OK);
    expect_calls(FORK "1:messages " GATHER);
}

/* ---- whole moves, as the game makes them */

static csctrl_status move(void)
{
    CT_TRY(sum());
    host_set(features[1], 4, 5);
    CT_TRY(gather());
    host_copy(features_seen, features[0], 8);
    host_set(features[1], 4, -1);
    for (int l = 0; l < LAYERS; l++) {
        host_set(norm, 4, l + 1);
        CT_TRY(sum());
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
    memset(features_seen, 0, sizeof features_seen);
    host_run(work_first);
    for (int i = 0; i < 8; i++)
        assert_true(features_seen[i] == 5);
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
        if (i > 1) /* one after the other, and one as it comes */
            host_replay();
        if (i > 2)
            assert_int_equal(move(), CSCTRL_OK);
        expect_moved(i % 2 == 0);
    }
    host_forget();
    host.calls[0] = '\0';
}

static void test_moves(void **state)
{
    (void)state;
    expect_moves();
}

/* Sums that were launched and the work that is queued after them do not wait for each other: it
 * finds their results where messages go first, and the data of before where the work does. After a
 * sum at once it finds the results in any case. */
static void test_overlap(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const bool work_first = i % 2 == 1, at_once = i >= 2;
        host_set((double *)weights, MIB / sizeof(double), 1);
        assert_int_equal(start(weights, MIB / sizeof(double), CSCTRL_F64), CSCTRL_OK);
        if (at_once)
            assert_int_equal(sum(), CSCTRL_OK);
        host_copy(norm_seen, (double *)weights, 1);
        host_run(work_first);
        assert_true(norm_seen[0] == (work_first && !at_once ? 1 : 2));
        assert_int_equal(finish(), CSCTRL_OK);
        host_run(true);
    }
}

static void test_recorded(void **state)
{
    (void)state;
    expect_recorded_moves();
    expect_moves();
    expect_recorded_moves();
}

/* A recording that is broken off with sums launched and others pending, by the game (the stream of
 * messages is not joined) or by CUDA. In the next move the sum of the forward pass comes before the
 * gather, and neither launches what was pending. */
static void test_broken_off(void **state)
{
    (void)state;
    for (int spoilt = 0; spoilt < 2; spoilt++) {
        expect_moves();
        host_record();
        assert_int_equal(gather(), CSCTRL_OK);
        assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_OK);
        assert_int_equal(start(norm, 4, CSCTRL_F64), CSCTRL_OK);
        expect_calls(GATHER FORK "1:messages ");
        host.spoilt = spoilt == 1;
        if (host.spoilt)
            assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_E_IO);
        assert_int_equal(host_recorded(), spoilt == 1 ? cudaErrorStreamCaptureInvalidated
                                                      : cudaErrorStreamCaptureUnjoined);
        assert_int_equal(sum(), CSCTRL_OK);
        assert_int_equal(gather(), CSCTRL_OK);
        assert_int_equal(finish(), CSCTRL_OK);
        assert_int_equal(start(floats, MIB / sizeof(float) - 1, CSCTRL_F32), CSCTRL_OK);
        expect_calls(SUM GATHER);
        assert_int_equal(finish(), CSCTRL_OK);
        expect_calls(FORK "1:messages " JOIN);
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
        host_forget(); /* not kept, also where CUDA did not notice */
        host.failing = 0;
        host.calls[0] = '\0';
        expect_moves();
    }
    host.failing = 0;
    host_forget();
    assert_in_range(n, 60, 100);
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
    assert_int_equal(host.comms, count);
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
    expect_calls("destroy ");
}

/* With sums under way. */
static void test_abort(void **state)
{
    begin(state);
    assert_int_equal(start(floats, MIB / sizeof(float), CSCTRL_F32), CSCTRL_OK);
    expect_calls(FORK "1:messages ");
    device.ops->abort(device.state);
    expect_open(0);
    expect_calls("abort ");
    host_run(true);
}

/* NCCL waits for recordings with its messages: they go first. */
static void test_recording_goes_first(void **state)
{
    begin(state);
    host_record();
    assert_int_equal(gather(), CSCTRL_OK);
    assert_int_equal(host_recorded(), cudaSuccess);
    host_replay();
    host_run(true);
    expect_assert_failure(device.ops->close(device.state));
    expect_assert_failure(device.ops->abort(device.state));
    expect_open(1);
    host_forget();
    device.ops->close(device.state);
    expect_open(0);
}

/* Nothing refers to the communicator after a recording that broke off. */
static void test_abort_after_broken_off(void **state)
{
    begin(state);
    host_record();
    assert_int_equal(gather(), CSCTRL_OK);
    host.failing = 3;
    assert_int_equal(sum(), CSCTRL_E_IO);
    assert_int_not_equal(host_recorded(), cudaSuccess);
    device.ops->abort(device.state);
    expect_open(0);
}

/* The stand-in itself: messages on two streams, neither of which waits for the other, and a
 * replay's beside one that the work did not wait for. */
static void test_no_order(void **state)
{
    ncclComm_t comm = NULL;
    cudaStream_t other = NULL;

    (void)state;
    memset(&host, 0, sizeof host);
    assert_int_equal(ncclCommInitRank(&comm, 2, (ncclUniqueId){0}, 1), ncclSuccess);
    assert_int_equal(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
    ncclAllReduce(norm, norm, 4, ncclDouble, ncclSum, comm, host_work);
    ncclAllReduce(norm, norm, 4, ncclDouble, ncclSum, comm, other);
    expect_assert_failure(host_run(true));
    host_record();
    ncclAllReduce(norm, norm, 4, ncclDouble, ncclSum, comm, host_work);
    assert_int_equal(host_recorded(), cudaSuccess);
    ncclAllReduce(norm, norm, 4, ncclDouble, ncclSum, comm, other);
    host_replay();
    expect_assert_failure(host_run(true));
    host_forget();
    cudaStreamDestroy(other);
    ncclCommDestroy(comm);
}

/* The n-th call fails, of a rank that opens. */
static void expect_not_open(const ct_comm *of, int n, const char *why)
{
    char message[CT_NCCL_MESSAGE_MAX] = "";

    memset(&host, 0, sizeof host);
    tells = 0;
    host.failing = n;
    assert_int_equal(open_device(of, message), CSCTRL_E_IO);
    assert_string_equal(message, why);
    assert_int_equal(tells, 1);
    assert_int_equal(host.failing, 0);
    expect_open(0);
}

/* Rank 1: tell, which gives its own reason; communicator, its device; CUDA's device, stream, event.
 * Rank 0 makes the id before, and tells the others also where it could not. */
static void test_failed_open(void **state)
{
    const ct_comm first = {.rank = 0, .size = 2, .local_size = 2};

    (void)state;
    expect_not_open(&first, 1, "NCCL's reason");
    expect_not_open(&first, 2, "");
    expect_not_open(&ranks, 1, "");
    for (int n = 2; n <= 6; n++)
        expect_not_open(&ranks, n, n <= 3 ? "NCCL's reason" : "CUDA's reason");
    host.failing = 7;
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
        cmocka_unit_test(test_recording_goes_first),
        cmocka_unit_test(test_abort_after_broken_off),
        cmocka_unit_test(test_no_order),
        cmocka_unit_test(test_failed_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
