/* comm.c - one rank that is alone, or a module that carries the messages; the only file that knows
 * where modules are. */
#define _GNU_SOURCE
#include "comm/comm.h"

#include <dlfcn.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "comm/mpi/mpi_module.h"
#include "comm/nccl/nccl_module.h"
#include "comm/tcp.h"

const ct_comm ct_comm_alone = {.size = 1, .local_size = 1, .sharers = 1, .name = "none"};

/* A function of a module, which stays: neither MPI's library nor CUDA's can be taken out of a
 * process. */
static csctrl_status find(const char *module, int flags, const char *name, const char *needs,
                          void *function, size_t size)
{
    void *const library = dlopen(module, flags);

    if (library == NULL)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "parallel.comm: the module was not found (%s); install %s", dlerror(),
                       needs);
    void *const symbol = dlsym(library, name);
    memcpy(function, &symbol, size); /* C has no cast from an object to a function */
    return symbol != NULL ? CSCTRL_OK
                          : ct_fail(CSCTRL_E_UNSUPPORTED, "parallel.comm: %s has no function %s",
                                    module, name);
}

static csctrl_status open_mpi(ct_comm *comm)
{
    char message[CT_MPI_MESSAGE_MAX] = "";
    ct_mpi_open_fn *open = NULL;

    CT_TRY(find(CT_MPI_MODULE, RTLD_NOW | RTLD_GLOBAL, /* Open MPI's own modules need it */
                CT_MPI_OPEN, "MPI and build csctrl with CSCTRL_WITH_MPI=ON", &open, sizeof open));
    const csctrl_status status = open(comm, message, sizeof message);
    return status == CSCTRL_OK ? status : ct_fail(status, "MPI: %s", message);
}

csctrl_status ct_comm_open(ct_comm *comm, const ct_comm_options *options)
{
    const char *const kind = options->kind;
    const bool nccl = strcmp(kind, "nccl") == 0;
    const bool meets = options->address != NULL && options->address[0] != '\0';

    *comm = ct_comm_alone;
    if (strcmp(kind, "none") == 0) {
        if (meets || options->ranks > 1)
            ct_log(CSCTRL_LOG_WARNING, "this process trains alone: parallel.comm is none, whatever "
                                       "parallel.address and parallel.ranks are");
        return CSCTRL_OK;
    }
    if (strcmp(kind, "tcp") == 0 || (nccl && meets))
        CT_TRY(ct_tcp_open(comm, meets ? options->address : "", options->rank, options->ranks));
    else if (strcmp(kind, "mpi") == 0 || nccl)
        CT_TRY(open_mpi(comm));
    else
        return ct_fail(CSCTRL_E_INVALID,
                       "parallel.comm: unknown kind \"%s\": none, mpi, tcp or nccl expected", kind);
    comm->wants_device = nccl;
    if (comm->size == 1)
        ct_log(
            CSCTRL_LOG_WARNING,
            "this process trains alone: parallel.comm is %s, but there is one rank; start several "
            "by --nproc, mpirun or srun, or with parallel.ranks",
            kind);
    return CSCTRL_OK;
}

csctrl_status ct_comm_attach(ct_comm *comm, void *queue)
{
    char message[CT_NCCL_MESSAGE_MAX] = "";
    ct_nccl_open_fn *open = NULL;

    if (!comm->wants_device || comm->size == 1)
        return CSCTRL_OK;
    if (queue == NULL)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "parallel.comm \"nccl\" needs device cuda; set parallel.comm=mpi");
    CT_TRY(find(CT_NCCL_MODULE, RTLD_NOW | RTLD_LOCAL, CT_NCCL_OPEN,
                "NCCL and build csctrl with CSCTRL_WITH_CUDA=ON, or set parallel.comm=mpi", &open,
                sizeof open));
    ct_comm *device = ct_calloc(1, sizeof *device);
    if (device == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = open(device, comm, queue, ct_comm_gather, message, sizeof message);
    if (status != CSCTRL_OK) {
        ct_free(device);
        return message[0] == '\0' ? status /* of `comm`, which has said why */
                                  : ct_fail(status, "NCCL: %s", message);
    }
    comm->device = device;
    return CSCTRL_OK;
}

static void end_device(ct_comm *comm, bool failed)
{
    if (comm->device != NULL)
        ct_comm_close(comm->device, failed);
    ct_free(comm->device);
    comm->device = NULL;
}

void ct_comm_detach(ct_comm *comm)
{
    end_device(comm, false);
}

void ct_comm_close(ct_comm *comm, bool failed)
{
    end_device(comm, failed);
    if (failed && comm->size > 1)
        comm->ops->abort(comm->state);
    else if (comm->ops != NULL)
        comm->ops->close(comm->state);
    *comm = ct_comm_alone;
}

static csctrl_status told(const ct_comm *comm, csctrl_status status)
{
    return status == CSCTRL_OK ? status
                               : ct_fail(status, "rank %d of %d cannot reach another rank by %s",
                                         comm->rank, comm->size, comm->name);
}

csctrl_status ct_comm_sum(const ct_comm *comm, void *data, int64_t count, csctrl_dtype dtype)
{
    return comm->size == 1 ? CSCTRL_OK
                           : told(comm, comm->ops->sum(comm->state, data, count, dtype));
}

csctrl_status ct_comm_start_sum(const ct_comm *comm, void *data, int64_t count, csctrl_dtype dtype)
{
    return comm->size == 1 ? CSCTRL_OK
                           : told(comm, comm->ops->start_sum(comm->state, data, count, dtype));
}

csctrl_status ct_comm_finish_sums(const ct_comm *comm)
{
    return comm->size == 1 ? CSCTRL_OK : told(comm, comm->ops->finish_sums(comm->state));
}

csctrl_status ct_comm_gather(const ct_comm *comm, void *all, size_t bytes)
{
    return comm->size == 1 ? CSCTRL_OK : told(comm, comm->ops->gather(comm->state, all, bytes));
}

csctrl_status ct_comm_any(const ct_comm *comm, bool *any)
{
    double count = *any ? 1.0 : 0.0;

    CT_TRY(ct_comm_sum(comm, &count, 1, CSCTRL_F64));
    *any = count > 0.0;
    return CSCTRL_OK;
}

/* Each half of 32 bits is exact as a double, and so is the sum of those of two million ranks. */
csctrl_status ct_comm_expect_same(const ct_comm *comm, uint64_t mine, const char *what)
{
    const double halves[2] = {(double)(mine >> 32), (double)(mine & UINT32_MAX)};
    double sums[2] = {halves[0], halves[1]};
    const double size = comm->size;

    CT_TRY(ct_comm_sum(comm, sums, 2, CSCTRL_F64));
    bool differs = sums[0] != size * halves[0] || sums[1] != size * halves[1];
    CT_TRY(ct_comm_any(comm, &differs));
    return differs ? ct_fail(CSCTRL_E_STATE,
                             "expected %s to be the same on all %d ranks, found another on one of "
                             "them; start all with the same command, on the same files",
                             what, comm->size)
                   : CSCTRL_OK;
}
