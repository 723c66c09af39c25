/* cli_ranks.h - training by several processes: what the launcher says, and --nproc. */
#ifndef CLI_RANKS_H
#define CLI_RANKS_H

#include "cli.h"

/* This process's number among those that mpirun or srun started; 0 where none did. */
int cli_rank(void);

/* Whether another process of this run speaks and writes: launched, and to train together. */
bool cli_is_other(const csctrl_config *config);

/* For a verb with --nproc: starts mpirun with the whole command line in the place of this process
 * (returns on failure only), or, where a launcher has started it, puts parallel.comm=mpi and its
 * number in front of the user's --set. CLI_OK to go on. */
int cli_ranks_join(cli_args *args, char **argv);

/* CLI_USAGE where the launcher and MPI do not count the same processes. */
int cli_ranks_expect(csctrl_trainer *trainer);

#endif
