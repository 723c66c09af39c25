/* save.h - checkpoints of a run: written aside, flushed, renamed, rotated (layout:
 * model/checkpoint.h). */
#ifndef CT_TRAIN_SAVE_H
#define CT_TRAIN_SAVE_H

#include "train/optim.h"

/* In RUN/checkpoints for a moment: a checkpoint that one of the same step replaces. */
#define CT_SAVE_REPLACED ".replaced"

/* What a resumed run needs besides the model. */
typedef struct ct_train_state {
    csctrl_model *model;
    ct_optim *optim;
    uint64_t data_fingerprint;
    int ranks;        /* that train together; 0 and 1: one */
    double best_psnr; /* of the evaluations so far; -1 before the first */
} ct_train_state;

/* Write RUN/checkpoints/step-N for model->step and point `latest` (and `best`) to it. An older
 * checkpoint of that step is replaced. E_IO: the former checkpoints and pointers are untouched. */
csctrl_status ct_save(const char *run_dir, const ct_train_state *state, bool best);

/* Remove all but the `keep` newest and what `latest` and `best` name. */
csctrl_status ct_save_rotate(const char *run_dir, int keep);

/* Read model and state back from a checkpoint directory that was verified. E_MISMATCH when the
 * data's fingerprint differs. Another device, number of ranks or threads, or instruction set
 * is logged as a warning. */
csctrl_status ct_restore(const char *checkpoint, ct_train_state *state);

#endif
