/* nccl_module.h - the module libcsctrl_nccl.so, the only part of csctrl that is linked with NCCL.
 * It calls nothing of libcsctrl. */
#ifndef CT_COMM_NCCL_MODULE_H
#define CT_COMM_NCCL_MODULE_H

#include "comm/comm.h"

#define CT_NCCL_MODULE "libcsctrl_nccl.so"
#define CT_NCCL_OPEN "ct_nccl_open"

enum { CT_NCCL_MESSAGE_MAX = 512 };

/* Messages between the devices of `ranks`, by which (`tell`, a gather) the first rank tells the
 * others NCCL's id. queue: a cudaStream_t of this rank's device, which is CUDA's present one.
 * Messages are made in the order of the calls, after what is on the queue then; what is queued
 * later waits for them, but for sums that are started: for those it waits from the next sum, gather
 * or finish_sums on. One batch must run as it comes before one is recorded: NCCL connects, and
 * allocates, at the first call of each kind. Fills `device`, to be closed before the queue is and
 * after the recordings are gone: NCCL waits for them. E_NOMEM, E_IO with the reason in `message`;
 * what `tell` returns, which has said why: `message` is left as it was. */
typedef csctrl_status ct_nccl_open_fn(ct_comm *device, const ct_comm *ranks, void *queue,
                                      csctrl_status (*tell)(const ct_comm *comm, void *all,
                                                            size_t bytes),
                                      char *message, size_t message_size);

#endif
