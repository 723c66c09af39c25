/* model.h - the autoencoder inside: layers, parameters by name, one memory plan. */
#ifndef CT_MODEL_MODEL_H
#define CT_MODEL_MODEL_H

#include "csctrl/model.h"
#include "layers/batchnorm.h"
#include "layers/csc.h"
#include "layers/step_size.h"
#include "model/arch.h"

/* Who moves a parameter. A shared dictionary belongs to both. */
typedef enum ct_player { CT_ENCODER = 0, CT_DECODER = 1, CT_PLAYERS = 2 } ct_player;

/* One named tensor. `grad` is the moving player's gradient; `average` follows the value when
 * optim.ema is on. */
typedef struct ct_param {
    char name[48];
    ct_tensor *value, *grad; /* in the layers; grad NULL: a running statistic */
    ct_tensor average;       /* without data when there is none */
    bool played_by[CT_PLAYERS];
} ct_param;

/* Encoder layer l and the decoder's part that undoes it. */
typedef struct ct_layer {
    ct_csc csc; /* steps = 1 and only the analysis is used when the arch is generic */
    ct_conv conv, decoder_conv;      /* decoder_conv only when not tied */
    ct_power power;                  /* csc only */
    ct_tensor eta;                   /* f64[1], the step size; likewise */
    ct_tensor W, dW;                 /* [atoms, c, k, k] */
    ct_tensor decoder_W, decoder_dW; /* only when not tied */
    ct_batchnorm norm;               /* after the codes */
    ct_batchnorm decoder_norm;       /* after the synthesis; not at layer 0 */
    bool has_norm, has_act;          /* encoder side */
} ct_layer;

/* Most parameters a model can have: two dictionaries and two norms of four a layer. */
enum { CT_PARAMS_MAX = 10 * CSCTRL_MAX_LAYERS };

struct ct_encoder_pass;
struct ct_decoder_pass;
struct ct_encoder_grad;
struct ct_decoder_grad;

struct csctrl_model {
    csctrl_config *config;
    ct_exec *ex;
    ct_arch arch;
    int batch;
    ct_layer layers[CSCTRL_MAX_LAYERS];
    ct_param params[CT_PARAMS_MAX];
    size_t param_count;
    ct_plan *plan;
    void *conv_scratch; /* shared by all dictionaries: one is used at a time */
    bool averaged;      /* averages exist */
    bool fixed_eta;     /* step sizes are given and kept (golden tests) */
    int64_t step;       /* batches trained */
    int classes;        /* of the training data; 0 unknown */

    /* inference: owned passes in scratch, staging for one batch */
    struct ct_encoder_pass *infer_encoder;
    struct ct_decoder_pass *infer_decoder;
    ct_tensor x_nchw, x_nhwc, z;     /* io */
    double zeros[CSCTRL_MAX_LAYERS]; /* zero codes of the last encode call */
    double codes[CSCTRL_MAX_LAYERS]; /* codes of the last encode call */
};

/* Told by a backward pass that a layer's gradients are complete. */
typedef struct ct_layer_done {
    csctrl_status (*call)(void *user, int layer);
    void *user;
} ct_layer_done;

/* The scratch class is one time axis: each kind of work has its own stretch of it, minor steps are
 * layers. */
enum {
    CT_TIME_ENCODE = 1000,
    CT_TIME_DECODE = 2000,
    CT_TIME_ENCODE_GRAD = 3000,
    CT_TIME_DECODE_GRAD = 4000,
    CT_TIME_OBJECTIVE = 5000,
    CT_TIME_STEP_SIZE = 6000
};

/* In three parts, so that a trainer can declare its own buffers in the same plan: begin; (declare
 * more); finish. begin makes the exec, the layers and the inference passes; `grads` and `averages`
 * ask for those buffers; `ranks` (borrowed; NULL: none) train this model together, each with a
 * batch of its own. finish plans, allocates, binds and draws the initial parameters from `seed`. */
csctrl_status ct_model_begin(csctrl_model **out, const csctrl_config *config, int batch, bool grads,
                             bool averages, const ct_comm *ranks);
csctrl_status ct_model_finish(csctrl_model *model);
/* Planning only: ends begin without allocating, for the sizes. */
csctrl_status ct_model_finish_plan_only(csctrl_model *model);

/* init.c: random parameters, unit atoms, norms at identity, power vectors at their start. */
csctrl_status ct_model_init(csctrl_model *model);

/* After any change of dictionaries: step sizes by `iterations` of the power iteration (0: keep),
 * then pack. */
csctrl_status ct_model_refresh(csctrl_model *model, int iterations);

/* Step size of a layer of the csc arch; and E_NUMERIC unless all of them are positive numbers. */
csctrl_status ct_model_get_eta(const csctrl_model *model, int layer, double *eta);
csctrl_status ct_model_expect_etas(const csctrl_model *model);

/* Exchange values and averages (for evaluating the averaged weights) and pack. Twice = back. */
csctrl_status ct_model_swap_averages(csctrl_model *model);

/* serialize.c: parameters, running statistics, step sizes and averages to and from one safetensors
 * file. */
csctrl_status ct_model_write(const csctrl_model *model, const char *path);
/* use_average: values come from the averages where the file has them. Message of E_MISMATCH names
 * the tensor, both shapes. */
csctrl_status ct_model_read(csctrl_model *model, const char *path, bool use_average);

/* infer.c: f32 numbers of the caller to a device tensor, as its dtype, and back. */
csctrl_status ct_put(ct_exec *ex, const float *rows, int64_t count, ct_tensor *to);
csctrl_status ct_get(csctrl_model *model, const ct_tensor *from, int64_t count, float *rows);
/* Images in the piece of the batch's size that begins at `at`. */
int64_t ct_piece(const csctrl_model *model, int64_t total, int64_t at);
/* E_NUMERIC names the image: `first_row` and on, `width` numbers each. */
csctrl_status ct_expect_finite(const char *what, const float *rows, int64_t count,
                               int64_t first_row, int64_t width);

/* Number of encoder iterations of the power method at the start and after every move. */
enum { CT_POWER_START = 60, CT_POWER_STEP = 2 };

#endif
