/* cli_ranks.h - training by several processes: what the launcher says, and --nproc. */
#ifndef CLI_RANKS_H
#define CLI_RANKS_H

#include "cli.h"

#define CLI_OPTION_NPROC                                                                           \
    {                                                                                              \
        "nproc", 0, "N", "train by N processes on this machine (mpirun -n N)"                      \
    }

/* This process's number among those that mpirun or srun started; 0 where none did. */
int cli_rank(void);

/* For a verb with --nproc: starts mpirun with the whole command line in the place of this process
 * (returns on failure only), or, where a launcher has started it, sets parallel.comm unless the
 * user did. CLI_OK to go on. */
int cli_ranks_join(cli_args *args, char **argv);

/* E_STATE's message where srun started several tasks and MPI sees one. */
int cli_ranks_expect(const csctrl_trainer *trainer);

#endif
