/* exchange.h - tensors in a backend's memory, told to the other ranks: at once where the messages
 * can take them from there, by way of the host's memory where they cannot. */
#ifndef CT_TRAIN_EXCHANGE_H
#define CT_TRAIN_EXCHANGE_H

#include "backend/backend.h"

typedef struct ct_exchange {
    ct_exec *ex;
    const ct_comm *ranks;
    ct_tensor *pending; /* whose sums are under way, with `host` the copy of the first; owned */
    int pending_count, pending_most;
    unsigned char *host; /* owned; NULL: not needed */
    size_t host_bytes, used;
} ct_exchange;

/* host_bytes: of all tensors whose sums are under way at a time, and of what is gathered; `most`:
 * of how many. */
csctrl_status ct_exchange_create(ct_exchange *x, ct_exec *ex, const ct_comm *ranks,
                                 size_t host_bytes, int most);
void ct_exchange_destroy(ct_exchange *x);

/* As ct_comm_gather, ct_comm_start_sum and ct_comm_finish_sums. */
csctrl_status ct_exchange_gather(ct_exchange *x, void *all, size_t bytes);
csctrl_status ct_exchange_start_sum(ct_exchange *x, ct_tensor *t);
csctrl_status ct_exchange_finish_sums(ct_exchange *x);

#endif
