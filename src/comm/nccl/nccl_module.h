/* nccl_module.h - the module libcsctrl_nccl.so, the only part of csctrl that is linked with NCCL.
 * It calls nothing of libcsctrl. */
#ifndef CT_COMM_NCCL_MODULE_H
#define CT_COMM_NCCL_MODULE_H

#include "comm/comm.h"

#define CT_NCCL_MODULE "libcsctrl_nccl.so"
#define CT_NCCL_OPEN "ct_nccl_open"

enum { CT_NCCL_MESSAGE_MAX = 512 };

/* Messages between the devices of `ranks`, by which the first rank tells the others NCCL's id.
 * queue: a cudaStream_t of this rank's device, which is CUDA's present one; messages are queued
 * there and done in its order, but for sums that are started: what is queued before finish_sums
 * does not wait for them. Once opened, nothing is allocated, and all calls can be recorded. Fills
 * `device`, to be closed before the queue is. E_NOMEM; E_IO with the reason in `message`. */
typedef csctrl_status ct_nccl_open_fn(ct_comm *device, const ct_comm *ranks, void *queue,
                                      csctrl_status (*gather)(const ct_comm *comm, void *all,
                                                              size_t bytes),
                                      char *message, size_t message_size);

#endif
