/* maximin.h - the sequential maximin game (SPEC 4): each player's gradient, with the shared
 * dictionaries in its own role only. */
#ifndef CT_TRAIN_MAXIMIN_H
#define CT_TRAIN_MAXIMIN_H

#include "model/decoder.h"
#include "model/encoder.h"
#include "objective/rate_reduction.h"
#include "train/exchange.h"
#include "train/feed.h"

/* With several ranks a batch is that of all of them: each computes the features of its own images,
 * the objective of all features, and its share of every gradient, which are summed. */
typedef struct ct_game {
    csctrl_model *model;
    const ct_comm *ranks; /* borrowed */
    ct_exchange exchange; /* with them */
    int64_t *labels;      /* of all ranks; owned */
    bool rate_only;       /* the batch is loaded for dR(Z | labels) alone, too */
    ct_objective objective;
    ct_objective_kind kind;
    double sample_weight[CT_PLAYERS]; /* w of w mean |z - zhat|^2 */
    double pixel_weight;              /* w of w sum (x - xhat)^2 in the decoder's move */
    ct_encoder_goal goal;             /* of the decoder's move: h(xhat) shall come near h(x) */
    ct_feed feed;                     /* of which x comes */
    ct_tensor x;                      /* own part of the batch, [n, h, w, c] */
    ct_tensor xhat, dxhat;            /* [n, h, w, c] */
    ct_tensor F, dF; /* [2 n ranks, d]: Z of rank after rank above Zhat, and the gradient */
    ct_tensor values[CT_PLAYERS];        /* f64, terms of the objective in the player's last move */
    ct_objective_kind kinds[CT_PLAYERS]; /* of that move */
    ct_encoder_pass real, again;         /* f(x) and f(xhat), saved */
    ct_decoder_pass decoded;             /* g(Z), saved */
    ct_encoder_grad encoder_grad;
    ct_decoder_grad decoder_grad;
} ct_game;

/* Between ct_model_begin and ct_model_finish: declares the game's buffers in the model's plan.
 * ranks: that train the model together; NULL: none. */
csctrl_status ct_game_create(ct_game *game, csctrl_model *model, const ct_comm *ranks, int classes);
void ct_game_bind(ct_game *game); /* after ct_model_finish */
void ct_game_destroy(ct_game *game);

/* Take this rank's part of a batch, its images u8 as the loader has them, or f32, which are taken
 * as they are (labels may be NULL where the objective has no use for them). E_INVALID names a label
 * out of range. */
csctrl_status ct_game_load(ct_game *game, const ct_batch *batch);
csctrl_status ct_game_load_labels(ct_game *game, const int64_t *labels);

/* Max move: gradients of the objective, through f(x) and f(xhat) with xhat = g(f(x)) held constant,
 * for the encoder's parameters. rate_only: of dR(Z | labels) alone, through f(x). */
csctrl_status ct_game_max_move(ct_game *game, bool rate_only);

/* Min move: Z = f(x) is a constant; gradients through xhat = g(Z) and then f(xhat), for the
 * decoder's parameters; f's own are constants. */
csctrl_status ct_game_min_move(ct_game *game);

/* The objective, in nats, in the player's last move. E_NUMERIC names what is not finite. */
csctrl_status ct_game_value(const ct_game *game, ct_player player, double *value);

/* After the player's parameters were updated: its running statistics follow the move's batch. */
csctrl_status ct_game_follow(ct_game *game, ct_player player);

/* E_NUMERIC names the first tensor, in the order of computation of that player's move, that is not
 * finite. */
csctrl_status ct_game_check(const ct_game *game, ct_player player);

#endif
