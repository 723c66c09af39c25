/* maximin.c - max step and min step of one batch. */
#include "train/maximin.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

/* The order of work in one batch; saved buffers that are not needed at the same time share memory.
 */
enum {
    PHASE_LOAD = 0,
    PHASE_MAX_REAL = 1,   /* Z = f(x) */
    PHASE_MAX_DECODE = 2, /* xhat = g(Z), not saved */
    PHASE_MAX_AGAIN = 3,  /* Zhat = f(xhat) */
    PHASE_MAX_GRAD = 6,   /* back through both */
    PHASE_MIN_DECODE = 8, /* after Z = f(x), not saved: xhat = g(Z) */
    PHASE_MIN_GRAD = 12,  /* back through f(xhat), then g */
};

static ct_objective_kind kind_of(const char *name)
{
    if (strcmp(name, "multi") == 0)
        return CT_OBJECTIVE_MULTI;
    return strcmp(name, "unsupervised") == 0 ? CT_OBJECTIVE_UNSUPERVISED : CT_OBJECTIVE_BINARY;
}

/* Of each layer but the last, whose h is compared as the feature. */
static csctrl_status declare_goal(ct_game *game)
{
    csctrl_model *m = game->model;
    const int depth = m->arch.depth, all = m->batch * game->ranks->size;
    double weight[CSCTRL_MAX_LAYERS];
    const size_t count =
        csctrl_config_reals(m->config, "game.decoder_layer_weight", weight, CSCTRL_MAX_LAYERS);

    if (count != 1 && count != (size_t)depth - 1)
        return ct_fail(
            CSCTRL_E_CONFIG,
            "game.decoder_layer_weight: expected one value, or %d value%s for a net of %d "
            "layers (one a layer but the last, which has game.decoder_sample_weight), "
            "found %zu",
            depth - 1, depth == 2 ? "" : "s", depth, count);
    for (int l = 0; l + 1 < depth; l++) {
        const ct_geom *g = &m->layers[l].conv.geom;
        game->goal.weight[l] =
            weight[count == 1 ? 0 : l] / ((double)all * g->oh * g->ow * g->atoms);
        game->goal.h[l] = ct_code_shape(m->ex->dtype, g);
        if (game->goal.weight[l] != 0.0)
            ct_plan_tensor(m->plan, CT_SAVED, &game->goal.h[l], PHASE_MIN_DECODE, PHASE_MIN_GRAD);
    }
    return CSCTRL_OK;
}

/* For all gradients of a move, and the features. */
static csctrl_status create_exchange(ct_game *game)
{
    const csctrl_model *m = game->model;
    size_t bytes = ct_tensor_bytes(&game->F);

    for (size_t i = 0; i < m->param_count; i++)
        if (m->params[i].grad != NULL)
            bytes += ct_tensor_bytes(m->params[i].grad);
    return ct_exchange_create(&game->exchange, m->ex, game->ranks, bytes, (int)m->param_count);
}

csctrl_status ct_game_create(ct_game *game, csctrl_model *model, const ct_comm *ranks, int classes)
{
    const csctrl_config *config = model->config;
    const csctrl_dtype dtype = model->ex->dtype;
    const ct_geom *g = &model->layers[0].conv.geom;
    const int n = model->batch, d = model->arch.features;
    double gamma[3] = {1.0, 1.0, 1.0};

    *game = (ct_game){.model = model, .ranks = ranks != NULL ? ranks : &ct_comm_alone};
    const int all = n * game->ranks->size;
    game->labels = ct_calloc((size_t)all, sizeof *game->labels);
    if (game->labels == NULL)
        return CSCTRL_E_NOMEM;
    game->kind = kind_of(csctrl_config_text(config, "objective.kind"));
    game->rate_only =
        csctrl_config_bool(config, "game.encoder_rate_only") && game->kind == CT_OBJECTIVE_MULTI;
    game->sample_weight[CT_ENCODER] = csctrl_config_real(config, "game.encoder_sample_weight");
    game->sample_weight[CT_DECODER] = csctrl_config_real(config, "game.decoder_sample_weight");
    game->pixel_weight =
        csctrl_config_real(config, "game.pixel_weight") / ((double)all * g->c * g->h * g->w);
    if (csctrl_config_reals(config, "objective.gamma", gamma, 3) != 3)
        return ct_fail(CSCTRL_E_CONFIG, "objective.gamma: expected three values such as [1, 1, 1]");
    CT_TRY(ct_objective_create(model->ex, &game->objective, all, d, classes,
                               csctrl_config_real(config, "objective.eps2"), gamma));
    ct_objective_declare(&game->objective, model->plan, CT_TIME_OBJECTIVE, CT_TIME_OBJECTIVE);
    ct_objective_declare_kind(&game->objective, game->kind, model->plan);
    if (game->rate_only)
        ct_objective_declare_kind(&game->objective, CT_OBJECTIVE_REDUCTION, model->plan);
    for (int player = 0; player < CT_PLAYERS; player++) {
        game->values[player] =
            CT_SHAPE(CSCTRL_F64, ct_objective_terms(&game->objective, game->kind));
        ct_plan_tensor(model->plan, CT_IO, &game->values[player], CT_FOREVER);
    }
    game->x = game->xhat = game->dxhat = ct_image_shape(dtype, g);
    game->F = game->dF = CT_SHAPE(dtype, 2 * (int64_t)all, d);
    ct_feed_declare(&game->feed, model);
    ct_plan_tensor(model->plan, CT_SAVED, &game->x, PHASE_LOAD, PHASE_MIN_GRAD);
    ct_plan_tensor(model->plan, CT_SAVED, &game->xhat, PHASE_MAX_DECODE, PHASE_MIN_GRAD);
    ct_plan_tensor(model->plan, CT_SAVED, &game->dxhat, PHASE_MIN_GRAD, PHASE_MIN_GRAD);
    ct_plan_tensor(model->plan, CT_SAVED, &game->F, PHASE_LOAD, PHASE_MIN_GRAD);
    ct_plan_tensor(model->plan, CT_SAVED, &game->dF, PHASE_LOAD, PHASE_MIN_GRAD);
    CT_TRY(ct_encoder_pass_create(model, &game->real, true, PHASE_MAX_REAL, PHASE_MAX_GRAD));
    CT_TRY(ct_encoder_pass_create(model, &game->again, true, PHASE_MAX_AGAIN, PHASE_MIN_GRAD));
    CT_TRY(ct_decoder_pass_create(model, &game->decoded, true, PHASE_MIN_DECODE, PHASE_MIN_GRAD));
    CT_TRY(declare_goal(game));
    CT_TRY(create_exchange(game));
    ct_encoder_grad_declare(model, &game->encoder_grad);
    ct_decoder_grad_declare(model, &game->decoder_grad);
    return CSCTRL_OK;
}

void ct_game_bind(ct_game *game)
{
    ct_encoder_pass_bind(game->model, &game->real);
    ct_encoder_pass_bind(game->model, &game->again);
    ct_decoder_pass_bind(game->model, &game->decoded);
}

void ct_game_destroy(ct_game *game)
{
    if (game->model == NULL)
        return;
    ct_encoder_pass_destroy(game->model, &game->real);
    ct_encoder_pass_destroy(game->model, &game->again);
    ct_objective_destroy(&game->objective);
    ct_exchange_destroy(&game->exchange);
    ct_free(game->labels);
}

csctrl_status ct_game_load_labels(ct_game *game, const int64_t *labels)
{
    ct_exec *ex = game->model->ex;
    const size_t n = (size_t)game->model->batch;

    if (labels != NULL) {
        memcpy(game->labels + (size_t)game->ranks->rank * n, labels, n * sizeof *labels);
        CT_TRY(ct_comm_gather(game->ranks, game->labels, n * sizeof *labels));
    }
    if (game->rate_only)
        CT_TRY(ct_objective_load(ex, &game->objective, CT_OBJECTIVE_REDUCTION, game->labels));
    return ct_objective_load(ex, &game->objective, game->kind, game->labels);
}

csctrl_status ct_game_load(ct_game *game, const ct_batch *batch)
{
    CT_TRY(ct_game_load_labels(game, batch->labels));
    return ct_feed_take(&game->feed, batch, &game->x);
}

/* Own rows of F or dF: of Z (which = 0) or Zhat (which = 1). */
static ct_tensor own_rows(const ct_game *game, const ct_tensor *F, int which)
{
    ct_tensor rows = ct_tensor_head(F, game->model->batch);
    const size_t part = (size_t)(which * game->ranks->size + game->ranks->rank);

    rows.data = (unsigned char *)F->data + part * ct_tensor_bytes(&rows);
    return rows;
}

/* ---- what the ranks tell one another */

/* All of F. */
static csctrl_status gather(ct_game *game)
{
    const ct_comm *ranks = game->ranks;
    const size_t part = ct_tensor_bytes(&game->F) / (size_t)(2 * ranks->size);
    unsigned char *const F = game->F.data;

    CT_TRY(ct_exchange_gather(&game->exchange, F, part));
    return ct_exchange_gather(&game->exchange, F + (size_t)ranks->size * part, part);
}

static csctrl_status start_sum(ct_game *game, ct_tensor *grad)
{
    return ct_exchange_start_sum(&game->exchange, grad);
}

/* While the backward pass goes on to the next layer. */
static csctrl_status sum_encoder_layer(void *user, int l)
{
    ct_game *game = user;
    ct_layer *layer = &game->model->layers[l];

    CT_TRY(start_sum(game, &layer->dW));
    if (!layer->has_norm)
        return CSCTRL_OK;
    CT_TRY(start_sum(game, &layer->norm.dscale));
    return start_sum(game, &layer->norm.dshift);
}

static csctrl_status sum_decoder_layer(void *user, int l)
{
    ct_game *game = user;
    ct_layer *layer = &game->model->layers[l];

    CT_TRY(start_sum(game, ct_layer_synthesis_grad(layer, game->model->arch.tied)));
    if (l == 0)
        return CSCTRL_OK;
    CT_TRY(start_sum(game, &layer->decoder_norm.dscale));
    return start_sum(game, &layer->decoder_norm.dshift);
}

/* ---- when something is not finite: the first tensor in the order of computation that is to blame
 */

static bool is_finite(ct_exec *ex, const ct_tensor *t)
{
    double squares = 0.0;

    return t->data == NULL ||
           (ex->ops->sum_squares(ex, t, &squares) == CSCTRL_OK && isfinite(squares));
}

static csctrl_status blame_encoder(const ct_game *game, const ct_encoder_pass *pass, const char *of)
{
    const csctrl_model *m = game->model;

    for (int l = 0; l < m->arch.depth; l++) {
        const ct_encoder_layer_pass *p = &pass->layers[l];
        if (!is_finite(m->ex, &p->csc.z[m->layers[l].csc.steps - 1]))
            return ct_fail(CSCTRL_E_NUMERIC, "the codes of encoder layer %d for %s are not finite",
                           l, of);
        if (!is_finite(m->ex, &p->norm.mean) || !is_finite(m->ex, &p->norm.var))
            return ct_fail(CSCTRL_E_NUMERIC, "the norm of encoder layer %d for %s is not finite", l,
                           of);
    }
    return CSCTRL_OK;
}

csctrl_status ct_game_check(const ct_game *game, ct_player player)
{
    const csctrl_model *m = game->model;

    if (!is_finite(m->ex, &game->x))
        return ct_fail(CSCTRL_E_NUMERIC, "the images of the batch are not finite");
    for (size_t i = 0; i < m->param_count; i++)
        if (!is_finite(m->ex, m->params[i].value))
            return ct_fail(CSCTRL_E_NUMERIC, "parameter '%s' is not finite", m->params[i].name);
    if (player == CT_ENCODER) /* in the decoder's move others use its memory */
        CT_TRY(blame_encoder(game, &game->real, "the images"));
    if (!is_finite(m->ex, &game->xhat))
        return ct_fail(CSCTRL_E_NUMERIC, "the regenerated images are not finite");
    return blame_encoder(game, &game->again, "the regenerated images");
}

/* ---- the moves */

static csctrl_status clear_grads(csctrl_model *m, ct_player player)
{
    for (size_t i = 0; i < m->param_count; i++)
        if (m->params[i].played_by[player])
            CT_TRY(m->ex->ops->fill(m->ex, 0.0, m->params[i].grad));
    return CSCTRL_OK;
}

/* Values and dF; with the sample-wise term, which both players want small: the encoder ascends J -
 * w mean |z - zhat|^2, the decoder descends J + w mean |z - zhat|^2. */
static csctrl_status evaluate(ct_game *game, ct_objective_kind kind, ct_player player)
{
    ct_exec *ex = game->model->ex;
    const ct_tensor z = own_rows(game, &game->F, 0), zhat = own_rows(game, &game->F, 1);
    ct_tensor dz = own_rows(game, &game->dF, 0), dzhat = own_rows(game, &game->dF, 1);
    const double all = (double)game->model->batch * game->ranks->size;
    const double w = (player == CT_ENCODER ? -2.0 : 2.0) * game->sample_weight[player] / all;

    CT_TRY(gather(game));
    game->kinds[player] = kind;
    const csctrl_status status = ct_objective_eval(ex, &game->objective, kind, &game->F,
                                                   game->values[player].data, &game->dF);
    if (status == CSCTRL_E_NUMERIC)
        CT_TRY(ct_game_check(game, player)); /* a better message, where there is a culprit */
    CT_TRY(status);
    if (w == 0.0 || kind == CT_OBJECTIVE_REDUCTION)
        return CSCTRL_OK;
    CT_TRY(ct_add_difference(ex, w, &z, &zhat, &dz));
    return ct_add_difference(ex, -w, &z, &zhat, &dzhat);
}

csctrl_status ct_game_max_move(ct_game *game, bool rate_only)
{
    csctrl_model *m = game->model;
    ct_tensor z = own_rows(game, &game->F, 0), zhat = own_rows(game, &game->F, 1);
    const ct_tensor dz = own_rows(game, &game->dF, 0), dzhat = own_rows(game, &game->dF, 1);
    const ct_layer_done sum = {sum_encoder_layer, game};

    CT_TRY(ct_encoder_forward(m, &game->real, CT_MODE_TRAIN, &game->x, &z, NULL));
    if (!rate_only) {
        CT_TRY(ct_decoder_forward(m, m->infer_decoder, CT_MODE_TRAIN, &z, &game->xhat));
        CT_TRY(ct_encoder_forward(m, &game->again, CT_MODE_TRAIN, &game->xhat, &zhat, NULL));
    }
    CT_TRY(evaluate(game, rate_only ? CT_OBJECTIVE_REDUCTION : game->kind, CT_ENCODER));
    CT_TRY(clear_grads(m, CT_ENCODER));
    if (!rate_only)
        CT_TRY(ct_encoder_backward(m, &game->again, &game->encoder_grad, &zhat, &dzhat, true, NULL,
                                   NULL, NULL));
    CT_TRY(
        ct_encoder_backward(m, &game->real, &game->encoder_grad, &z, &dz, true, NULL, NULL, &sum));
    return ct_exchange_finish_sums(&game->exchange);
}

/* Of w mean (xhat - x)^2. */
static csctrl_status add_pixel_gradient(ct_game *game)
{
    const double w = 2.0 * game->pixel_weight;

    return w != 0.0 ? ct_add_difference(game->model->ex, w, &game->xhat, &game->x, &game->dxhat)
                    : CSCTRL_OK;
}

csctrl_status ct_game_min_move(ct_game *game)
{
    csctrl_model *m = game->model;
    ct_tensor z = own_rows(game, &game->F, 0), zhat = own_rows(game, &game->F, 1);
    const ct_tensor dzhat = own_rows(game, &game->dF, 1);
    const ct_layer_done sum = {sum_decoder_layer, game};
    const ct_encoder_watch keep = {.keep = &game->goal};

    CT_TRY(ct_encoder_forward(m, m->infer_encoder, CT_MODE_TRAIN, &game->x, &z, &keep));
    CT_TRY(ct_decoder_forward(m, &game->decoded, CT_MODE_TRAIN, &z, &game->xhat));
    CT_TRY(ct_encoder_forward(m, &game->again, CT_MODE_TRAIN, &game->xhat, &zhat, NULL));
    CT_TRY(evaluate(game, game->kind, CT_DECODER));
    CT_TRY(clear_grads(m, CT_DECODER));
    CT_TRY(ct_encoder_backward(m, &game->again, &game->encoder_grad, &zhat, &dzhat, false,
                               &game->dxhat, &game->goal, NULL));
    CT_TRY(add_pixel_gradient(game));
    CT_TRY(ct_decoder_backward(m, &game->decoded, &game->decoder_grad, &game->xhat, &game->dxhat,
                               &sum));
    return ct_exchange_finish_sums(&game->exchange);
}

csctrl_status ct_game_value(const ct_game *game, ct_player player, double *value)
{
    CT_TRY(ct_objective_value(game->model->ex, &game->objective, game->kinds[player],
                              game->values[player].data, value));
    if (isfinite(*value))
        return CSCTRL_OK;
    CT_TRY(ct_game_check(game, player));
    return ct_fail(CSCTRL_E_NUMERIC, "the objective in the %s's move is not finite",
                   player == CT_ENCODER ? "encoder" : "decoder");
}

csctrl_status ct_game_follow(ct_game *game, ct_player player)
{
    return player == CT_ENCODER ? ct_encoder_follow(game->model, &game->real)
                                : ct_decoder_follow(game->model, &game->decoded);
}
