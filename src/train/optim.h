/* optim.h - Adam for each player, atoms back on the sphere, clipping, averages. */
#ifndef CT_TRAIN_OPTIM_H
#define CT_TRAIN_OPTIM_H

#include "model/model.h"

typedef struct ct_moments {
    ct_tensor m, v;
} ct_moments;

/* One update of a batch. */
typedef struct ct_move {
    ct_player player;
    double lr;
} ct_move;

typedef struct ct_optim {
    csctrl_model *model;
    ct_moments moments[CT_PLAYERS][CT_PARAMS_MAX]; /* by player and parameter; a shared
                                                              dictionary has two */
    int64_t moves[CT_PLAYERS];
    double beta1, beta2, eps, clip, ema;
    int batch_moves;    /* at most in a batch */
    ct_adam *host_adam; /* of each move of the batch; owned */
    ct_player *players; /* likewise */
    void *adam, *norms; /* the same and the norms of the gradients, in the backend's memory */
} ct_optim;

/* Between ct_model_begin and ct_model_finish: declares its memory in the model's plan. */
csctrl_status ct_optim_create(ct_optim *optim, csctrl_model *model);
void ct_optim_destroy(ct_optim *optim);

/* What the moves of the coming batch will be, of at most game.encoder_steps + game.decoder_steps.
 */
csctrl_status ct_optim_load(ct_optim *optim, const ct_move *moves, int count);

/* The i-th of them: update the player's parameters from their gradients, the encoder ascends, the
 * decoder descends. A gradient that is not finite changes nothing, which ct_optim_check tells: then
 * E_NUMERIC. */
csctrl_status ct_optim_step(ct_optim *optim, int i);
csctrl_status ct_optim_check(const ct_optim *optim, int i);

/* average <- decay average + (1 - decay) value, running statistics included; decay grows to
 * optim.ema over the first batches. Once a batch. Averaged atoms are a little shorter than 1, so
 * that the step size of the dictionaries they come from stays a valid one. */
csctrl_status ct_optim_average(ct_optim *optim);

/* Share of the full learning rate at batch `step` (from 0) of `steps`. */
double ct_schedule(const csctrl_config *config, int64_t step, int64_t steps);

/* The encoder's: the schedule of the first optim.encoder_span of the run, then 0. */
double ct_encoder_schedule(const csctrl_config *config, int64_t step, int64_t steps);

#endif
