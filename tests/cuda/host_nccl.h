/* host_nccl.h - in the place of NCCL and of CUDA's streams, on the host: what is queued is kept
 * until the test lets it run, in any order that streams and events allow. There are two ranks,
 * whose data are the same, so that a sum is twice the data. A mistake that CUDA or NCCL need not
 * notice fails the test: also messages that are not in one order, and an end of the communicator
 * before that of a recording with its messages (by mock_assert, which a test can expect). */
#ifndef CT_TESTS_CUDA_HOST_NCCL_H
#define CT_TESTS_CUDA_HOST_NCCL_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct host_nccl {
    /* What was queued since the test emptied it: "r:S" an event recorded on stream S, "w:S" its
     * wait, "N:S" N sums in one launch on stream S, "g:S" a gather; and "destroy", "abort" of the
     * communicator. */
    char calls[4096];
    int failing; /* the n-th call from now fails, of those that can; 0: none */
    int comms, streams, events, groups; /* that are open */
    bool spoilt;                        /* the recording */
} host_nccl;

extern host_nccl host;
extern const cudaStream_t host_work; /* the stream of the device's work */

/* Whether this call is the one to fail. */
bool host_fails(void);

/* Queued on host_work: data [count] <- value; to [count] <- from. */
void host_set(double *data, size_t count, double value);
void host_copy(double *to, const double *from, size_t count);

/* What is queued in between is kept and not done, but by each replay, until it is forgotten. The
 * end fails, and nothing is kept, where the recording was spoilt or a stream that it forked was not
 * joined. */
void host_record(void);
cudaError_t host_recorded(void);
void host_replay(void);
void host_forget(void);

/* All that is queued is done; where there is a choice, first that on host_work, or last. */
void host_run(bool work_first);

#endif
