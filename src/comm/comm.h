/* comm.h - what the ranks of a data-parallel run say to one another.
 *
 * A rank is a process with a copy of the model and a share of every batch. All ranks make the same
 * calls in the same order; each call waits for the others. Data lies in host memory. A call that
 * fails leaves the ranks out of step: the run cannot go on, and ct_comm_close(failed) ends it for
 * all. */
#ifndef CT_COMM_COMM_H
#define CT_COMM_COMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

typedef struct ct_comm ct_comm;

/* What carries the messages. All but the last two return E_IO when a rank cannot be reached. */
typedef struct ct_comm_ops {
    /* data <- its sum over the ranks, the same bits on every rank; f32 or f64. start_sum returns at
     * once, and data is not touched until finish_sums has waited for all that were started. */
    csctrl_status (*sum)(void *state, void *data, int64_t count, csctrl_dtype dtype);
    csctrl_status (*start_sum)(void *state, void *data, int64_t count, csctrl_dtype dtype);
    csctrl_status (*finish_sums)(void *state);
    /* all [size][bytes] <- the part of every rank, whose own lies in its place already. */
    csctrl_status (*gather)(void *state, void *all, size_t bytes);
    /* The end of one opening; and of the processes of all ranks, wherever they wait. */
    void (*close)(void *state);
    void (*abort)(void *state);
} ct_comm_ops;

struct ct_comm {
    int rank, size;    /* 0 <= rank < size */
    int local_size;    /* ranks on this machine, */
    int sharers;       /* and those of them that may use the same processors as this one */
    bool wants_device; /* kind "nccl" */
    int local_rank;    /* 0 <= local_rank < local_size */
    ct_comm *device;   /* the same ranks for data in the memory of their devices; owned; NULL: such
                        * data go by way of the host */
    const char *name;  /* "none", "mpi", "tcp"; of a device "nccl" */
    const ct_comm_ops *ops;
    void *state;
};

extern const ct_comm ct_comm_alone; /* one rank */

/* kind: "none", one rank that is alone; "mpi", the ranks that mpirun or srun started; "tcp", those
 * that meet at an address (tcp.h); "nccl", either, whose devices will be attached. */
typedef struct ct_comm_options {
    const char *kind;
    const char *address; /* "host:port"; "" or NULL: nccl starts by MPI */
    int rank, ranks;     /* of tcp; otherwise not used */
} ct_comm_options;

/* E_UNSUPPORTED where MPI was not built or its module is not found; E_CONFIG, E_IO as ct_tcp_open.
 * Can be opened again. */
csctrl_status ct_comm_open(ct_comm *comm, const ct_comm_options *options);

/* Of kind "nccl" and more than one rank: give it this rank's device, by the queue of that device's
 * work, before which it must be closed (ct_comm_detach). All ranks do so together. E_UNSUPPORTED
 * where NCCL is missing, or the backend has no queue (NULL). */
csctrl_status ct_comm_attach(ct_comm *comm, void *queue);
void ct_comm_detach(ct_comm *comm);

/* failed: this rank cannot go on, and the others may wait for it: with several ranks all processes
 * are ended, this one too. */
void ct_comm_close(ct_comm *comm, bool failed);

/* The operations, which do nothing where one rank is alone. */
csctrl_status ct_comm_sum(const ct_comm *comm, void *data, int64_t count, csctrl_dtype dtype);
csctrl_status ct_comm_start_sum(const ct_comm *comm, void *data, int64_t count, csctrl_dtype dtype);
csctrl_status ct_comm_finish_sums(const ct_comm *comm);
csctrl_status ct_comm_gather(const ct_comm *comm, void *all, size_t bytes);

/* *any <- whether it is true on any rank. */
csctrl_status ct_comm_any(const ct_comm *comm, bool *any);

/* E_STATE when `mine` is not the same on every rank; `what` names it. */
csctrl_status ct_comm_expect_same(const ct_comm *comm, uint64_t mine, const char *what);

#endif
