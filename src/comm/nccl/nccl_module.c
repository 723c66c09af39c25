/* nccl_module.c - sums and gathers of device memory by NCCL. What the device's work needs at once
 * is queued in its order, on its stream; sums that are started go on a second stream while the work
 * goes on. Each stream has a communicator of its own, and all ranks make the same calls on each, so
 * that no two messages can wait for each other. Streams wait by an event, which a graph records
 * too. */
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
    ncclComm_t comm, sums_comm;
    cudaStream_t queue, sums_queue; /* the work's; of sums that are started, owned */
    cudaEvent_t event;
    int rank;
    bool forked; /* sums_queue has what queue does not yet wait for */
    pending pending[PENDING_MAX];
    int count;
    size_t bytes;
} devices;

static csctrl_status status_of(ncclResult_t result)
{
    return result == ncclSuccess ? CSCTRL_OK : CSCTRL_E_IO;
}

static ncclDataType_t type_of(csctrl_dtype dtype)
{
    return dtype == CSCTRL_F64 ? ncclDouble : ncclFloat;
}

static csctrl_status sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    const devices *d = state;

    return status_of(
        ncclAllReduce(data, data, (size_t)count, type_of(dtype), ncclSum, d->comm, d->queue));
}

/* `later` goes on after what is on `earlier` now. One event will do: whoever waits for it keeps to
 * what it stood for then, and one that a broken recording left is recorded anew. */
static csctrl_status follow(const devices *d, cudaStream_t later, cudaStream_t earlier)
{
    return cudaEventRecord(d->event, earlier) == cudaSuccess &&
                   cudaStreamWaitEvent(later, d->event, 0) == cudaSuccess
               ? CSCTRL_OK
               : CSCTRL_E_IO;
}

static csctrl_status launch(devices *d)
{
    const int count = d->count;

    d->count = 0;
    d->bytes = 0;
    CT_TRY(follow(d, d->sums_queue, d->queue));
    d->forked = true;
    ncclResult_t result = ncclGroupStart();
    for (int i = 0; i < count && result == ncclSuccess; i++) {
        const pending *p = &d->pending[i];
        result = ncclAllReduce(p->data, p->data, p->count, p->type, ncclSum, d->sums_comm,
                               d->sums_queue);
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
    if (!d->forked)
        return CSCTRL_OK;
    d->forked = false;
    return follow(d, d->queue, d->sums_queue);
}

/* Each move has one before its sums: those that a recording broke off had started are forgotten.
 * The end of that recording has taken sums_queue out of it, and there is nothing to wait for. */
static csctrl_status gather(void *state, void *all, size_t bytes)
{
    devices *d = state;
    const unsigned char *const own = (unsigned char *)all + (size_t)d->rank * bytes;

    d->count = 0;
    d->bytes = 0;
    d->forked = false;
    return status_of(ncclAllGather(own, all, bytes, ncclChar, d->comm, d->queue));
}

static void release(devices *d)
{
    if (d->event != NULL)
        cudaEventDestroy(d->event);
    if (d->sums_queue != NULL)
        cudaStreamDestroy(d->sums_queue);
    free(d);
}

static void close_devices(void *state)
{
    devices *d = state;

    ncclCommDestroy(d->comm);
    ncclCommDestroy(d->sums_comm);
    release(d);
}

/* The ranks behind it are ended by their own comm. In a group: the work of either communicator may
 * wait for the other's. */
static void abort_devices(void *state)
{
    devices *d = state;

    ncclGroupStart();
    if (d->comm != NULL)
        ncclCommAbort(d->comm);
    if (d->sums_comm != NULL)
        ncclCommAbort(d->sums_comm);
    ncclGroupEnd();
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

/* The first rank's id, on every rank. */
static csctrl_status share_id(const ct_comm *ranks,
                              csctrl_status (*tell)(const ct_comm *comm, void *all, size_t bytes),
                              ncclUniqueId *id)
{
    ncclUniqueId *const all = calloc((size_t)ranks->size, sizeof *all);
    ncclResult_t result = ncclSuccess;

    if (all == NULL)
        return CSCTRL_E_NOMEM;
    if (ranks->rank == 0)
        result = ncclGetUniqueId(&all[0]);
    csctrl_status status = tell(ranks, all, sizeof *all); /* also where it failed: others wait */
    if (status == CSCTRL_OK)
        status = status_of(result);
    *id = all[0];
    free(all);
    return status;
}

static csctrl_status open_comm(ncclComm_t *comm, const ct_comm *ranks,
                               csctrl_status (*tell)(const ct_comm *comm, void *all, size_t bytes))
{
    ncclUniqueId id;

    CT_TRY(share_id(ranks, tell, &id));
    return status_of(ncclCommInitRank(comm, ranks->size, id, ranks->rank));
}

/* On the communicators' device, which is told to this module's own copy of CUDA's runtime. */
static cudaError_t open_queue(devices *d, int device)
{
    cudaError_t error = cudaSetDevice(device);

    if (error == cudaSuccess)
        error = cudaStreamCreateWithFlags(&d->sums_queue, cudaStreamNonBlocking);
    if (error == cudaSuccess)
        error = cudaEventCreateWithFlags(&d->event, cudaEventDisableTiming);
    return error;
}

__attribute__((visibility("default"))) ct_nccl_open_fn ct_nccl_open;

csctrl_status ct_nccl_open(ct_comm *device, const ct_comm *ranks, void *queue,
                           csctrl_status (*tell)(const ct_comm *comm, void *all, size_t bytes),
                           char *message, size_t message_size)
{
    devices *d = calloc(1, sizeof *d);
    cudaError_t error = cudaSuccess;
    int number = 0;

    if (d == NULL)
        return CSCTRL_E_NOMEM;
    d->queue = queue;
    d->rank = ranks->rank;
    csctrl_status status = open_comm(&d->comm, ranks, tell);
    if (status == CSCTRL_OK)
        status = open_comm(&d->sums_comm, ranks, tell);
    if (status == CSCTRL_OK)
        status = status_of(ncclCommCuDevice(d->comm, &number));
    if (status == CSCTRL_OK)
        error = open_queue(d, number);
    if (status != CSCTRL_OK || error != cudaSuccess) {
        snprintf(message, message_size, "%s",
                 status != CSCTRL_OK ? ncclGetLastError(NULL) : cudaGetErrorString(error));
        abort_devices(d);
        return status != CSCTRL_OK ? status : CSCTRL_E_IO;
    }
    *device = *ranks;
    device->name = "nccl";
    device->ops = &ops;
    device->state = d;
    device->device = NULL;
    return CSCTRL_OK;
}
