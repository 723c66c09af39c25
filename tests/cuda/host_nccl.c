/* host_nccl.c - see host_nccl.h. */
#include "cuda/host_nccl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <nccl.h>

struct CUstream_st {
    const char *name;
    bool open, joined; /* joined: the recording's own stream waits for the last on this one */
    int recording;     /* 0: none */
    size_t last;       /* place of what was queued last */
    size_t heard;      /* so many of the messages are before what comes on it */
};

struct CUevent_st {
    bool open;
    cudaStream_t stream; /* on which it was recorded; NULL: never */
    int recording;
    size_t place;
};

struct ncclComm {
    bool open;
    int references; /* messages of the recording, for which its end would wait */
};

typedef enum kind { MARK, WAIT, SUM, GATHER, SET, COPY } kind;

typedef struct work {
    cudaStream_t stream;
    kind kind;
    bool done;
    size_t after; /* WAIT: place of the MARK */
    size_t heard; /* MARK: its stream's */
    void *data;
    const double *from;
    size_t count;
    double value;
    ncclDataType_t type;
} work;

typedef struct list {
    work items[4096];
    size_t count;
} list;

host_nccl host;

static struct CUstream_st work_stream = {.name = "work", .open = true};
static struct CUstream_st messages_stream = {.name = "messages"};
static struct CUstream_st in_replay = {.name = "messages of a replay"};
static struct CUevent_st the_event;
static struct ncclComm the_comm;
static list queued, recorded, grouped;
static int recording, recordings;
static bool group_failed;

const cudaStream_t host_work = &work_stream;

bool host_fails(void)
{
    return host.failing > 0 && --host.failing == 0;
}

static void told(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void told(const char *format, ...)
{
    const size_t used = strlen(host.calls);
    va_list args;

    va_start(args, format);
    vsnprintf(host.calls + used, sizeof host.calls - used, format, args);
    va_end(args);
}

/* ---- streams */

static void append(list *to, work w)
{
    assert_true(to->count < sizeof to->items / sizeof *to->items);
    to->items[to->count++] = w;
}

static void enqueue(work w)
{
    list *to = w.stream->recording != 0 ? &recorded : &queued;

    assert_true(w.stream->open);
    w.stream->last = to->count;
    w.stream->joined = false;
    append(to, w);
}

/* A call that fails on a stream that is recorded spoils the recording. */
static bool fails_on(const struct CUstream_st *stream)
{
    const bool in_recording = stream->recording != 0;

    if (!host_fails())
        return in_recording && host.spoilt;
    host.spoilt = host.spoilt || in_recording;
    return true;
}

void host_set(double *data, size_t count, double value)
{
    enqueue((work){&work_stream, SET, .data = data, .count = count, .value = value});
}

void host_copy(double *to, const double *from, size_t count)
{
    enqueue((work){&work_stream, COPY, .data = to, .from = from, .count = count});
}

void host_record(void)
{
    assert_int_equal(recording, 0);
    assert_int_equal(recorded.count, 0);
    recording = ++recordings;
    work_stream.recording = recording;
    host.spoilt = false;
}

cudaError_t host_recorded(void)
{
    const bool unjoined = messages_stream.recording != 0 && !messages_stream.joined;
    const bool spoilt = host.spoilt;

    recording = 0;
    work_stream.recording = 0;
    messages_stream.recording = 0;
    host.spoilt = false;
    if (spoilt || unjoined)
        host_forget();
    if (spoilt)
        return cudaErrorStreamCaptureInvalidated;
    return unjoined ? cudaErrorStreamCaptureUnjoined : cudaSuccess;
}

void host_forget(void)
{
    assert_int_equal(recording, 0);
    recorded.count = 0;
    the_comm.references = 0;
}

/* As one piece of work on host_work: what was recorded on another stream does not wait for what is
 * on that stream now, nor the other way round. */
void host_replay(void)
{
    const size_t base = queued.count;

    assert_true(recorded.count > 0);
    for (size_t i = 0; i < recorded.count; i++) {
        work w = recorded.items[i];
        w.after += base;
        if (w.stream == &messages_stream)
            w.stream = &in_replay;
        append(&queued, w);
    }
}

static void twice(const work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->type == ncclDouble)
            ((double *)w->data)[i] *= 2;
        else
            ((float *)w->data)[i] *= 2;
    }
}

static void perform(const work *w)
{
    double *const data = w->data;

    if (w->kind == SUM)
        twice(w);
    if (w->kind == GATHER)
        memcpy(w->data, w->from, w->count);
    for (size_t i = 0; i < w->count && w->kind == SET; i++)
        data[i] = w->value;
    for (size_t i = 0; i < w->count && w->kind == COPY; i++)
        data[i] = w->from[i];
}

/* The next piece of work on a stream, if there is one and it need not wait. */
static bool step(const struct CUstream_st *stream)
{
    size_t i = 0;

    while (i < queued.count && (queued.items[i].done || queued.items[i].stream != stream))
        i++;
    if (i == queued.count)
        return false;
    work *const w = &queued.items[i];
    if (w->kind == WAIT && !queued.items[w->after].done)
        return false;
    perform(w);
    w->done = true;
    return true;
}

static bool is_message(const work *w)
{
    return w->kind == SUM || w->kind == GATHER;
}

/* Every message is after the one before it, by streams and events alone. */
static bool in_order(void)
{
    size_t messages = 0;

    work_stream.heard = messages_stream.heard = in_replay.heard = 0;
    for (size_t i = 0; i < queued.count; i++) {
        work *const w = &queued.items[i];
        size_t *const heard = &w->stream->heard;
        if (w->kind == MARK)
            w->heard = *heard;
        else if (w->kind == WAIT && queued.items[w->after].heard > *heard)
            *heard = queued.items[w->after].heard;
        else if (is_message(w)) {
            if (*heard != messages)
                return false;
            *heard = ++messages;
        }
    }
    return true;
}

void host_run(bool work_first)
{
    const struct CUstream_st *const first = work_first ? &work_stream : &in_replay;
    const struct CUstream_st *const last = work_first ? &in_replay : &work_stream;
    const bool ordered = in_order();

    while (step(first) || step(&messages_stream) || step(last))
        ;
    for (size_t i = 0; i < queued.count; i++)
        assert_true(queued.items[i].done);
    queued.count = 0;
    mock_assert(ordered, "messages are ordered", __FILE__, __LINE__);
}

/* ---- CUDA */

cudaError_t cudaSetDevice(int device)
{
    assert_int_equal(device, 3);
    return host_fails() ? cudaErrorDevicesUnavailable : cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
    assert_int_not_equal(error, cudaSuccess);
    return "CUDA's reason";
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned int flags)
{
    assert_int_equal(flags, cudaStreamNonBlocking);
    assert_int_equal(recording, 0);
    if (host_fails())
        return cudaErrorMemoryAllocation;
    assert_false(messages_stream.open);
    messages_stream.open = true;
    host.streams++;
    *stream = &messages_stream;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    assert_ptr_equal(stream, &messages_stream);
    assert_true(stream->open);
    stream->open = false;
    host.streams--;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags)
{
    assert_int_equal(flags, cudaEventDisableTiming);
    assert_int_equal(recording, 0);
    if (host_fails())
        return cudaErrorMemoryAllocation;
    assert_false(the_event.open);
    the_event = (struct CUevent_st){.open = true};
    host.events++;
    *event = &the_event;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    assert_true(event->open);
    event->open = false;
    host.events--;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    assert_true(event->open);
    if (fails_on(stream))
        return cudaErrorUnknown;
    enqueue((work){stream, MARK, .after = 0});
    *event = (struct CUevent_st){true, stream, stream->recording, stream->last};
    told("r:%s ", stream->name);
    return cudaSuccess;
}

/* A stream that waits for one that is recorded is recorded too. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags)
{
    assert_int_equal(flags, 0);
    assert_non_null(event->stream);
    if (fails_on(stream))
        return cudaErrorUnknown;
    if (event->recording != 0 && event->recording != recording)
        return cudaErrorCapturedEvent;
    if (event->recording == 0 && stream->recording != 0) {
        host.spoilt = true;
        return cudaErrorStreamCaptureIsolation;
    }
    stream->recording = event->recording;
    enqueue((work){stream, WAIT, .after = event->place});
    if (stream == &work_stream && event->place == event->stream->last)
        event->stream->joined = true;
    told("w:%s ", stream->name);
    return cudaSuccess;
}

/* ---- NCCL */

const char *ncclGetLastError(ncclComm_t comm)
{
    (void)comm;
    return "NCCL's reason";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *uniqueId)
{
    memset(uniqueId, 0, sizeof *uniqueId);
    return host_fails() ? ncclSystemError : ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int nranks, ncclUniqueId commId, int rank)
{
    (void)commId;
    assert_int_equal(recording, 0);
    assert_in_range(rank, 0, nranks - 1);
    if (host_fails())
        return ncclSystemError;
    assert_false(the_comm.open);
    the_comm = (struct ncclComm){.open = true};
    host.comms++;
    *comm = &the_comm;
    return ncclSuccess;
}

ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int *device)
{
    assert_true(comm->open);
    *device = 3;
    return host_fails() ? ncclInternalError : ncclSuccess;
}

/* NCCL would wait for the end of the recordings. */
static ncclResult_t shut(ncclComm_t comm, const char *how)
{
    assert_true(comm->open);
    mock_assert(comm->references == 0, "no recording has messages", __FILE__, __LINE__);
    comm->open = false;
    host.comms--;
    told("%s ", how);
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    return shut(comm, "destroy");
}

ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    assert_int_equal(host.groups, 0);
    return shut(comm, "abort");
}

static void enqueue_message(work w)
{
    the_comm.references += w.stream->recording != 0;
    enqueue(w);
}

/* nccl.h has these two without a prototype. */
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);

ncclResult_t ncclGroupStart(void)
{
    host.groups++;
    group_failed = host_fails();
    return group_failed ? ncclInternalError : ncclSuccess;
}

/* Nothing of a group is queued before its end. */
ncclResult_t ncclGroupEnd(void)
{
    const list *const g = &grouped;
    const size_t count = g->count;

    assert_int_equal(host.groups--, 1);
    grouped.count = 0;
    if (count == 0)
        return group_failed ? ncclInternalError : ncclSuccess;
    const cudaStream_t stream = g->items[0].stream;
    if (group_failed || fails_on(stream))
        return ncclInternalError;
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(g->items[i].stream, stream);
        enqueue_message(g->items[i]);
    }
    told("%zu:%s ", count, stream->name);
    return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *sendbuff, void *recvbuff, size_t count,
                           ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream)
{
    const work w = {stream, SUM, .data = recvbuff, .count = count, .type = datatype};

    assert_true(comm->open);
    assert_ptr_equal(sendbuff, recvbuff);
    assert_int_equal(op, ncclSum);
    if (fails_on(stream)) {
        group_failed = host.groups > 0;
        return ncclInternalError;
    }
    if (host.groups > 0) {
        append(&grouped, w);
        return ncclSuccess;
    }
    enqueue_message(w);
    told("1:%s ", stream->name);
    return ncclSuccess;
}

ncclResult_t ncclAllGather(const void *sendbuff, void *recvbuff, size_t sendcount,
                           ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream)
{
    assert_true(comm->open);
    assert_ptr_equal(sendbuff, (unsigned char *)recvbuff + sendcount); /* the part of rank 1 */
    assert_int_equal(datatype, ncclChar);
    assert_int_equal(host.groups, 0);
    if (fails_on(stream))
        return ncclInternalError;
    enqueue_message((work){stream, GATHER, .data = recvbuff, .from = sendbuff, .count = sendcount});
    told("g:%s ", stream->name);
    return ncclSuccess;
}
