/* cli_training.h - what train and resume share: options, signals, the run, its last words. */
#ifndef CLI_TRAINING_H
#define CLI_TRAINING_H

#include "cli.h"
#include "cli_progress.h"

#define CLI_TRAINING_OPTIONS                                                                       \
    {"quiet", 'q', NULL, "print warnings and errors only"},                                        \
        {"log-format", 0, "text|json", "form of the progress (default text)"},                     \
        {"eval", 0, NULL, "compute and print the figures afterwards"},                             \
    {                                                                                              \
        "nproc", 0, "N", "train by N processes on this machine (mpirun -n N)"                      \
    }

/* What could not be created or resumed: the error, of which what every process says is said by the
 * first. */
int cli_training_refused(csctrl_status status);

/* Train to the end in `run`, and say where the results are. Destroys the trainer. */
int cli_training_run(csctrl_trainer **trainer, const char *run, cli_progress *progress,
                     const cli_args *args);

#endif
