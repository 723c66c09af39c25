/* cli_training.h - what train and resume share: options, signals, the run, its last words. */
#ifndef CLI_TRAINING_H
#define CLI_TRAINING_H

#include <signal.h>

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

/* From watch to unwatch SIGINT, SIGTERM and SIGUSR1 stop a trainer that plays after its step, and
 * are remembered; a second SIGINT kills. */
enum { CLI_SIGNALS = 3 };
typedef struct cli_signals {
    struct sigaction old[CLI_SIGNALS];
} cli_signals;
void cli_signals_watch(cli_signals *kept);
void cli_signals_unwatch(const cli_signals *kept);
bool cli_signals_caught(void);

/* csctrl_trainer_run() that shows its progress and can be stopped by watched signals. */
csctrl_status cli_training_play(csctrl_trainer *trainer, cli_progress *progress);

/* Train to the end in `run`, and say where the results are. Destroys the trainer. */
int cli_training_run(csctrl_trainer **trainer, const char *run, cli_progress *progress,
                     const cli_args *args);

#endif
