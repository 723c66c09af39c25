/* nccl_module.c - sums and gathers of device memory by NCCL. All messages are of one communicator
 * and go on one stream, which is not the work's: in the order of the calls, which is the same on
 * all ranks, also in a graph, so that no two can wait for each other. The work waits at once for
 * what it needs at once, and at the end of a move for the sums that were started. Streams wait by
 * an event, which a graph records too. */
#include "comm/nccl/nccl_module.h"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensors whose sums are started and go together, as one launch. */
enum {
    BUCKET_BYTES = 1 << 20, /* less would be latency for the most part; not measured */
    PENDING_MAX = 512,
};

typedef struct pending {
    void *data;
    size_t count;
    ncclDataType_t type;
} pending;

typedef struct devices {
    ncclComm_t comm;
    cudaStream_t queue, messages; /* the work's; owned */
    cudaEvent_t event;
    int rank;
    bool forked; /* messages has what queue does not yet wait for */
    pending pending[PENDING_MAX];
    int count;
    size_t bytes;
    ncclUniqueId ids[]; /* one a rank, of which the first rank's is everyone's */
} devices;

static csctrl_status status_of(ncclResult_t result)
{
    return result == ncclSuccess ? CSCTRL_OK : CSCTRL_E_IO;
}

static ncclDataType_t type_of(csctrl_dtype dtype)
{
    return dtype == CSCTRL_F64 ? ncclDouble : ncclFloat;
}

/* `later` goes on after what is on `earlier` now. One event will do: a wait keeps to what the event
 * stood for when it was called, in a graph too, and each has a record of its own before it. */
static csctrl_status follow(const devices *d, cudaStream_t later, cudaStream_t earlier)
{
    return cudaEventRecord(d->event, earlier) == cudaSuccess &&
                   cudaStreamWaitEvent(later, d->event, 0) == cudaSuccess
               ? CSCTRL_OK
               : CSCTRL_E_IO;
}

static csctrl_status branch(devices *d)
{
    CT_TRY(follow(d, d->messages, d->queue));
    d->forked = true;
    return CSCTRL_OK;
}

/* The work waits for all messages, sums that were started before too. */
static csctrl_status join(devices *d)
{
    d->forked = false;
    return follow(d, d->queue, d->messages);
}

static csctrl_status sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    devices *d = state;

    CT_TRY(branch(d));
    CT_TRY(status_of(
        ncclAllReduce(data, data, (size_t)count, type_of(dtype), ncclSum, d->comm, d->messages)));
    return join(d);
}

static csctrl_status launch(devices *d)
{
    const int count = d->count;

    d->count = 0;
    d->bytes = 0;
    CT_TRY(branch(d));
    ncclResult_t result = ncclGroupStart();
    for (int i = 0; i < count && result == ncclSuccess; i++) {
        const pending *p = &d->pending[i];
        result = ncclAllReduce(p->data, p->data, p->count, p->type, ncclSum, d->comm, d->messages);
    }
    const ncclResult_t ended = ncclGroupEnd();
    return status_of(result == ncclSuccess ? ended : result);
}

static csctrl_status start_sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    devices *d = state;

    d->pending[d->count++] = (pending){data, (size_t)count, type_of(dtype)};
    d->bytes += (size_t)count * (dtype == CSCTRL_F64 ? sizeof(double) : sizeof(float));
    return d->bytes >= BUCKET_BYTES || d->count == PENDING_MAX ? launch(d) : CSCTRL_OK;
}

static csctrl_status finish_sums(void *state)
{
    devices *d = state;

    if (d->count > 0)
        CT_TRY(launch(d));
    return d->forked ? join(d) : CSCTRL_OK;
}

/* Each move has one before it starts sums: those that a recording broke off are forgotten. What was
 * launched went with that recording, whose end has taken the stream of messages out of it. */
static csctrl_status gather(void *state, void *all, size_t bytes)
{
    devices *d = state;
    const unsigned char *const own = (unsigned char *)all + (size_t)d->rank * bytes;

    d->count = 0;
    d->bytes = 0;
    CT_TRY(branch(d));
    CT_TRY(status_of(ncclAllGather(own, all, bytes, ncclChar, d->comm, d->messages)));
    return join(d);
}

static void release(devices *d)
{
    if (d->event != NULL)
        cudaEventDestroy(d->event);
    if (d->messages != NULL)
        cudaStreamDestroy(d->messages);
    free(d);
}

static void close_devices(void *state)
{
    devices *d = state;

    ncclCommDestroy(d->comm);
    release(d);
}

/* The ranks behind it are ended by their own comm. */
static void abort_devices(void *state)
{
    devices *d = state;

    if (d->comm != NULL)
        ncclCommAbort(d->comm);
    release(d);
}

static const ct_comm_ops ops = {
    .sum = sum,
    .start_sum = start_sum,
    .finish_sums = finish_sums,
    .gather = gather,
    .close = close_devices,
    .abort = abort_devices,
};

/* On the communicator's device, which is told to this module's own copy of CUDA's runtime. */
static cudaError_t open_queue(devices *d, int device)
{
    cudaError_t error = cudaSetDevice(device);

    if (error == cudaSuccess)
        error = cudaStreamCreateWithFlags(&d->messages, cudaStreamNonBlocking);
    if (error == cudaSuccess)
        error = cudaEventCreateWithFlags(&d->event, cudaEventDisableTiming);
    return error;
}

__attribute__((visibility("default"))) ct_nccl_open_fn ct_nccl_open;

csctrl_status ct_nccl_open(ct_comm *device, const ct_comm *ranks, void *queue,
                           csctrl_status (*tell)(const ct_comm *comm, void *all, size_t bytes),
                           char *message, size_t message_size)
{
    devices *d = calloc(1, sizeof *d + (size_t)ranks->size * sizeof d->ids[0]);
    int number = 0;

    if (d == NULL) {
        snprintf(message, message_size, "out of memory");
        return CSCTRL_E_NOMEM;
    }
    d->queue = queue;
    d->rank = ranks->rank;
    ncclResult_t result = d->rank == 0 ? ncclGetUniqueId(&d->ids[0]) : ncclSuccess;
    const csctrl_status told = tell(ranks, d->ids, sizeof d->ids[0]); /* also no id: others wait */
    if (told != CSCTRL_OK) {
        release(d);
        return told;
    }
    if (result == ncclSuccess)
        result = ncclCommInitRank(&d->comm, ranks->size, d->ids[0], d->rank);
    if (result == ncclSuccess)
        result = ncclCommCuDevice(d->comm, &number);
    const cudaError_t error = result == ncclSuccess ? open_queue(d, number) : cudaSuccess;
    if (result != ncclSuccess || error != cudaSuccess) {
        snprintf(message, message_size, "%s",
                 result != ncclSuccess ? ncclGetLastError(NULL) : cudaGetErrorString(error));
        abort_devices(d);
        return CSCTRL_E_IO;
    }
    *device = *ranks;
    device->name = "nccl";
    device->ops = &ops;
    device->state = d;
    device->device = NULL;
    return CSCTRL_OK;
}
