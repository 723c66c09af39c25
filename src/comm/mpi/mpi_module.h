/* mpi_module.h - the module libcsctrl_mpi.so, the only part of csctrl that is linked with MPI. It
 * calls nothing of libcsctrl. */
#ifndef CT_COMM_MPI_MODULE_H
#define CT_COMM_MPI_MODULE_H

#include "comm/comm.h"

#define CT_MPI_MODULE "libcsctrl_mpi.so"
#define CT_MPI_OPEN "ct_mpi_open"

enum { CT_MPI_MESSAGE_MAX = 512 };

/* Joins the ranks that mpirun or srun started, one that is alone without them. MPI is started by
 * the first call, unless the program has done so, and ended with the process. Fills `comm`;
 * E_UNSUPPORTED with the reason in `message`. */
typedef csctrl_status ct_mpi_open_fn(ct_comm *comm, char *message, size_t message_size);

#endif
