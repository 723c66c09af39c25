/* nccl_module.c - sums and gathers of device memory by NCCL, in the order of the device's own work:
 * one communicator on one stream, so that no two messages can wait for each other. The sums of a
 * move's gradients go together, which is one launch. */
#include "comm/nccl/nccl_module.h"

#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensors whose sums are started and not finished. */
enum { PENDING_MAX = 512 };

typedef struct pending {
    void *data;
    size_t count;
    ncclDataType_t type;
} pending;

typedef struct devices {
    ncclComm_t comm;
    cudaStream_t queue;
    int rank;
    pending pending[PENDING_MAX];
    int count;
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

static csctrl_status finish_sums(void *state)
{
    devices *d = state;
    ncclResult_t result = ncclGroupStart();

    for (int i = 0; i < d->count && result == ncclSuccess; i++) {
        const pending *p = &d->pending[i];
        result = ncclAllReduce(p->data, p->data, p->count, p->type, ncclSum, d->comm, d->queue);
    }
    const ncclResult_t ended = ncclGroupEnd();
    d->count = 0;
    return status_of(result == ncclSuccess ? ended : result);
}

static csctrl_status start_sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    devices *d = state;

    if (d->count == PENDING_MAX)
        CT_TRY(finish_sums(d));
    d->pending[d->count++] = (pending){data, (size_t)count, type_of(dtype)};
    return CSCTRL_OK;
}

/* A move begins with it: sums that a recording broke off had started are forgotten. */
static csctrl_status gather(void *state, void *all, size_t bytes)
{
    devices *d = state;
    const unsigned char *const own = (unsigned char *)all + (size_t)d->rank * bytes;

    d->count = 0;
    return status_of(ncclAllGather(own, all, bytes, ncclChar, d->comm, d->queue));
}

static void close_devices(void *state)
{
    devices *d = state;

    ncclCommDestroy(d->comm);
    free(d);
}

/* The ranks behind it are ended by their own comm. */
static void abort_devices(void *state)
{
    devices *d = state;

    ncclCommAbort(d->comm);
    free(d);
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

__attribute__((visibility("default"))) ct_nccl_open_fn ct_nccl_open;

csctrl_status ct_nccl_open(ct_comm *device, const ct_comm *ranks, void *queue,
                           csctrl_status (*tell)(const ct_comm *comm, void *all, size_t bytes),
                           char *message, size_t message_size)
{
    devices *d = calloc(1, sizeof *d);
    ncclUniqueId id;

    if (d == NULL)
        return CSCTRL_E_NOMEM;
    d->queue = queue;
    d->rank = ranks->rank;
    csctrl_status status = share_id(ranks, tell, &id);
    if (status == CSCTRL_OK)
        status = status_of(ncclCommInitRank(&d->comm, ranks->size, id, ranks->rank));
    if (status != CSCTRL_OK) {
        snprintf(message, message_size, "%s", ncclGetLastError(NULL));
        free(d);
        return status;
    }
    *device = *ranks;
    device->name = "nccl";
    device->ops = &ops;
    device->state = d;
    device->device = NULL;
    return CSCTRL_OK;
}
