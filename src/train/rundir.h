/* rundir.h - the run directory: what a run leaves on disk, except for its checkpoints (save.h). */
#ifndef CT_TRAIN_RUNDIR_H
#define CT_TRAIN_RUNDIR_H

#include <stdint.h>

#include "csctrl/config.h"
#include "csctrl/data.h"
#include "model/model.h"

/* Everything a run's manifest.json says. */
typedef struct ct_run_facts {
    const csctrl_config *config;
    const ct_exec *ex;
    uint64_t data_fingerprint;
    int64_t train_images, test_images;
} ct_run_facts;

/* One line of metrics.jsonl; NAN values are left out. */
typedef struct ct_metrics {
    int64_t step;
    double epoch, max_value, min_value, encoder_lr, decoder_lr, images_per_second, seconds;
    double psnr, cosine;
} ct_metrics;

/* E_EXISTS when `path` is a non-empty directory or a file. */
csctrl_status ct_rundir_expect_new(const char *path);
/* A run to go on with is a directory with checkpoints: a checkpoint alone is not enough. */
csctrl_status ct_rundir_expect(const char *path);

/* New directory tree with config.yaml and manifest.json, locked as by ct_rundir_lock(). */
csctrl_status ct_rundir_create(const char *path, const ct_run_facts *facts, int *lock);

/* One trainer at a time writes to a run. E_STATE when another holds the lock. The kernel releases
 * it with the process, so that nothing is left by one that was killed. *lock: descriptor, for
 * ct_rundir_unlock(); -1 on failure. */
csctrl_status ct_rundir_lock(const char *path, int *lock);
void ct_rundir_unlock(int *lock); /* -1: nothing */

/* After ct_rundir_create() and before any step: take back what is in the directory, so that the
 * next try finds it empty. Returns `status`, whose message stays. */
csctrl_status ct_rundir_undo(const char *path, csctrl_status status);

/* Append one line; open, write, close, so that a reader sees whole lines. */
csctrl_status ct_rundir_log(const char *path, const ct_metrics *metrics);

/* Drop the lines and pictures behind `step`, a torn last line, and files that were not finished: a
 * resumed run writes them anew. */
csctrl_status ct_rundir_rewind(const char *path, int64_t step);

/* RUN/config.yaml: the effective config, with what a resume has changed. */
csctrl_status ct_rundir_write_config(const char *path, const csctrl_config *config);

/* PATH/pictures/step-N.png (owned: ct_free). */
char *ct_rundir_picture(const char *path, int64_t step);

#endif
