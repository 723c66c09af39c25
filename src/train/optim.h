/* optim.h - Adam for each player, atoms back on the sphere, clipping, averages. */
#ifndef CT_TRAIN_OPTIM_H
#define CT_TRAIN_OPTIM_H

#include "model/model.h"

typedef struct ct_moments {
    ct_tensor m, v;
} ct_moments;

typedef struct ct_optim {
    csctrl_model *model;
    ct_moments moments[CT_PLAYERS][CT_PARAMS_MAX]; /* by player and parameter; a shared
                                                              dictionary has two */
    int64_t moves[CT_PLAYERS];
    double beta1, beta2, eps, clip, ema;
} ct_optim;

/* Between ct_model_begin and ct_model_finish: declares the moments in the model's plan. */
void ct_optim_create(ct_optim *optim, csctrl_model *model);

/* Update the player's parameters from their gradients: the encoder ascends, the decoder descends.
 * E_NUMERIC, before anything is changed, when a gradient is not finite. */
csctrl_status ct_optim_step(ct_optim *optim, ct_player player, double lr);

/* average <- decay average + (1 - decay) value, running statistics included; decay grows to
 * optim.ema over the first batches. Once a batch. Averaged atoms are a little shorter than 1, so
 * that the step size of the dictionaries they come from stays a valid one. */
csctrl_status ct_optim_average(ct_optim *optim);

/* Share of the full learning rate at batch `step` (from 0) of `steps`. */
double ct_schedule(const csctrl_config *config, int64_t step, int64_t steps);

#endif
