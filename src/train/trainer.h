/* trainer.h - what trainer.c, run.c and memory.c share. */
#ifndef CT_TRAIN_TRAINER_H
#define CT_TRAIN_TRAINER_H

#include <stdatomic.h>

#include "csctrl/trainer.h"
#include "data/loader.h"
#include "train/board.h"
#include "train/maximin.h"
#include "train/monitor.h"
#include "train/optim.h"
#include "train/save.h"

struct csctrl_trainer {
    csctrl_config *config;
    ct_comm ranks; /* only the first one logs, evaluates, draws and saves */
    csctrl_dataset *train, *test;
    ct_loader *loader;
    csctrl_model *model;
    ct_game game;
    ct_optim optim;
    ct_move *moves; /* of a batch: `ups` of the encoder, `downs` of the decoder; owned */
    int ups, downs;
    ct_batch batch; /* of the step, or of the next one, whose images are on their way */
    void *ring;     /* the loader's, where it is pinned */
    void *record;   /* of a batch's work, where the backend keeps one */
    ct_monitor monitor;
    ct_board board;
    unsigned char *copy; /* host memory for the largest parameter, where there are several ranks */
    char *run_dir;       /* NULL: keeps nothing on disk */
    int lock;            /* of run_dir, -1: none */
    int classes;
    int64_t train_images, test_images, steps, first_step;
    uint64_t fingerprint;
    double best_psnr, max_value, min_value, encoder_lr, decoder_lr;
    double started, reported; /* ct_now() */
    atomic_bool stop;
    bool failed; /* a step ended half-way: neither to be continued nor saved */
    bool lost;   /* the other ranks may wait for this one, which failed alone */
};

/* Model, game and optimizer declared in one plan, not yet finished. train.batch is a multiple of
 * the ranks. */
csctrl_status ct_trainer_model(csctrl_trainer *t, const csctrl_config *config, int classes);
void ct_trainer_destroy_model(csctrl_trainer *t);

/* With data open and the model's plan finished, before memory is taken: E_NOMEM when the machine
 * has less than the run takes, also with swap; a warning when it would swap. */
csctrl_status ct_trainer_expect_memory(const csctrl_trainer *t);

/* E_STATE after a step that failed: one player may have moved and the other not. */
csctrl_status ct_trainer_expect_sound(const csctrl_trainer *t);

void ct_loader_options_read(ct_loader_options *options, const csctrl_config *config,
                            const ct_comm *ranks, int64_t start);

static inline ct_train_state ct_trainer_state(csctrl_trainer *t)
{
    return (ct_train_state){.model = t->model,
                            .optim = &t->optim,
                            .data_fingerprint = t->fingerprint,
                            .ranks = t->ranks.size,
                            .best_psnr = t->best_psnr};
}

#endif
