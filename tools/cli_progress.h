/* cli_progress.h - how a training run shows where it is: a bar on a terminal, plain lines or JSON
 * lines elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli.h"

/* Seconds of a clock that is never set back. */
double cli_now(void);

typedef enum cli_progress_mode {
    CLI_PROGRESS_QUIET,
    CLI_PROGRESS_BAR,
    CLI_PROGRESS_LINES,
    CLI_PROGRESS_JSON
} cli_progress_mode;

typedef struct cli_progress {
    cli_progress_mode mode;
    bool bar_shown;
    bool started;
    bool finished;             /* before it began: a resumed run at its end */
    double began, last_report; /* seconds, monotonic */
    double rate;               /* images/s, smoothed */
    int64_t psnr_step;         /* of the last evaluation; 0: none yet */
    double psnr;
    int run, runs;     /* of a study; runs 0: no study */
    const char *label; /* of that run */
} cli_progress;

/* The mode that --quiet, --log-format and the terminal ask for. */
int cli_progress_init(cli_progress *progress, const cli_args *args);

/* Show a step; the bar is redrawn, other forms speak every 10 seconds and at evaluations. */
void cli_progress_show(cli_progress *progress, const csctrl_progress *state);

/* Leave the bar's line. */
void cli_progress_end(cli_progress *progress);

/* A receiver of csctrl_log_set() that does not break the bar; user: cli_progress. */
void cli_progress_message(void *user, csctrl_log_level level, const char *message);

/* "1h02m", "3m20s", "12s". */
void cli_time_text(double seconds, char out[32]);

#endif
