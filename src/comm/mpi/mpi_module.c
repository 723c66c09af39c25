/* mpi_module.c - sums and gathers by MPI (3.0 for the sums that go on in the background). */
#define _GNU_SOURCE
#include "comm/mpi/mpi_module.h"

#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* Ranks of one machine whose processors are compared. */
enum { LOCAL_MAX = 256 };

/* Sums under way at a time; with more, the oldest are waited for. */
enum { PENDING_MAX = 64 };

typedef struct ranks {
    MPI_Comm comm;
    MPI_Request pending[PENDING_MAX];
    int count;
    int opened; /* and not closed */
} ranks;

static ranks all_ranks; /* MPI itself is one a process */

static MPI_Datatype type_of(csctrl_dtype dtype)
{
    return dtype == CSCTRL_F64 ? MPI_DOUBLE : MPI_FLOAT;
}

static csctrl_status status_of(int error)
{
    return error == MPI_SUCCESS ? CSCTRL_OK : CSCTRL_E_IO;
}

/* MPI counts in int. */
enum { COUNT_MAX = 1 << 30 };

static int at_most(int64_t count)
{
    return count < COUNT_MAX ? (int)count : COUNT_MAX;
}

static void *element(void *data, int64_t i, csctrl_dtype dtype)
{
    return (unsigned char *)data +
           (size_t)i * (dtype == CSCTRL_F64 ? sizeof(double) : sizeof(float));
}

static csctrl_status sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    const ranks *r = state;
    int error = MPI_SUCCESS;

    for (int64_t i = 0; i < count && error == MPI_SUCCESS; i += COUNT_MAX)
        error = MPI_Allreduce(MPI_IN_PLACE, element(data, i, dtype), at_most(count - i),
                              type_of(dtype), MPI_SUM, r->comm);
    return status_of(error);
}

static csctrl_status finish_sums(void *state)
{
    ranks *r = state;
    const int error = MPI_Waitall(r->count, r->pending, MPI_STATUSES_IGNORE);

    r->count = 0;
    return status_of(error);
}

static csctrl_status start_sum(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    ranks *r = state;

    for (int64_t i = 0; i < count; i += COUNT_MAX) {
        if (r->count == PENDING_MAX)
            CT_TRY(finish_sums(r));
        const int error = MPI_Iallreduce(MPI_IN_PLACE, element(data, i, dtype), at_most(count - i),
                                         type_of(dtype), MPI_SUM, r->comm, &r->pending[r->count]);
        if (error != MPI_SUCCESS)
            return CSCTRL_E_IO;
        r->count++;
    }
    return CSCTRL_OK;
}

static csctrl_status gather(void *state, void *all, size_t bytes)
{
    const ranks *r = state;
    MPI_Datatype part; /* so that no rank's part has more numbers than an int */

    if (bytes > COUNT_MAX)
        return CSCTRL_E_IO;
    if (MPI_Type_contiguous((int)bytes, MPI_BYTE, &part) != MPI_SUCCESS ||
        MPI_Type_commit(&part) != MPI_SUCCESS)
        return CSCTRL_E_IO;
    const int error = MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, 1, part, r->comm);
    MPI_Type_free(&part);
    return status_of(error);
}

static void close_ranks(void *state)
{
    ((ranks *)state)->opened--;
}

static void end_all(void *state)
{
    MPI_Abort(((const ranks *)state)->comm, 1);
}

static const ct_comm_ops ops = {
    .sum = sum,
    .start_sum = start_sum,
    .finish_sums = finish_sums,
    .gather = gather,
    .close = close_ranks,
    .abort = end_all,
};

/* This rank among those on this machine, their number, and those of them that may run on the same
 * processors as this one. */
static int count_local(MPI_Comm all, int *rank, int *count, int *sharers)
{
    MPI_Comm local;
    cpu_set_t mine, others[LOCAL_MAX];
    int error = MPI_Comm_split_type(all, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);

    CPU_ZERO(&mine);
    (void)sched_getaffinity(0, sizeof mine, &mine);
    if (error == MPI_SUCCESS)
        error = MPI_Comm_size(local, count);
    if (error == MPI_SUCCESS)
        error = MPI_Comm_rank(local, rank);
    if (error != MPI_SUCCESS)
        return error;
    *sharers = *count;
    if (*count <= LOCAL_MAX) {
        error = MPI_Allgather(&mine, sizeof mine, MPI_BYTE, others, sizeof mine, MPI_BYTE, local);
        *sharers = 0;
        for (int i = 0; i < *count && error == MPI_SUCCESS; i++)
            *sharers += CPU_EQUAL(&mine, &others[i]);
    }
    MPI_Comm_free(&local);
    return error;
}

/* At the end of the process. The other ranks may wait for one that left in mid-run. */
static void finalize(void)
{
    if (all_ranks.opened > 0)
        end_all(&all_ranks);
    MPI_Finalize();
}

static csctrl_status start(char *message, size_t message_size)
{
    int started = 0, ended = 0, provided = 0;

    MPI_Initialized(&started);
    MPI_Finalized(&ended);
    if (ended ||
        (!started && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)) {
        snprintf(message, message_size, "%s",
                 ended ? "the program has ended it already" : "it cannot be started");
        return CSCTRL_E_UNSUPPORTED;
    }
    if (!started && atexit(finalize) != 0) {
        snprintf(message, message_size, "its end cannot be arranged for");
        return CSCTRL_E_UNSUPPORTED;
    }
    return CSCTRL_OK;
}

__attribute__((visibility("default"))) ct_mpi_open_fn ct_mpi_open;

csctrl_status ct_mpi_open(ct_comm *comm, char *message, size_t message_size)
{
    static ct_comm opened; /* MPI is one a process, and so are its ranks */

    if (opened.size == 0) {
        ct_comm c = {.name = "mpi", .ops = &ops, .state = &all_ranks};
        CT_TRY(start(message, message_size));
        if (MPI_Comm_dup(MPI_COMM_WORLD, &all_ranks.comm) != MPI_SUCCESS ||
            MPI_Comm_set_errhandler(all_ranks.comm, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
            MPI_Comm_rank(all_ranks.comm, &c.rank) != MPI_SUCCESS ||
            MPI_Comm_size(all_ranks.comm, &c.size) != MPI_SUCCESS ||
            count_local(all_ranks.comm, &c.local_rank, &c.local_size, &c.sharers) != MPI_SUCCESS) {
            snprintf(message, message_size, "the ranks cannot reach one another");
            return CSCTRL_E_UNSUPPORTED;
        }
        opened = c;
    }
    all_ranks.opened++;
    *comm = opened;
    return CSCTRL_OK;
}
