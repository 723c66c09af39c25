/* test_game.c - who moves what, and that the gradient of each whole move is that of SPEC 4. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/measure.h"
#include "support/tiny.h"

typedef struct variant {
    const char *name;
    int classes;
    const char *texts[6];
} variant;

static const variant variants[] = {
    {"tied binary", 3, {"objective.kind=binary"}},
    {"tied multi", 3, {"objective.kind=multi"}},
    {"untied binary", 3, {"model.tied=false"}},
    {"untied multi, sample-wise",
     3,
     {"model.tied=false", "objective.kind=multi", "game.encoder_sample_weight=0.3",
      "game.decoder_sample_weight=0.7"}},
    {"generic binary", 3, {"model.arch=generic", "model.layers=6x4s2p1 7x3s1p1 8x4s1p0"}},
    {"generic multi", 3, {"model.arch=generic", "objective.kind=multi"}},
    {"sample-wise",
     3,
     {"game.encoder_sample_weight=0.5", "game.decoder_sample_weight=0.25", "model.mu=0.05"}},
    {"every layer, and pixels",
     3,
     {"game.decoder_layer_weight=0.6", "game.decoder_sample_weight=0.25", "game.pixel_weight=0.4"}},
    {"layers, generic",
     3,
     {"model.arch=generic", "model.layers=6x4s2p1 7x3s1p1 8x4s1p0",
      "game.decoder_layer_weight=[0, 0.5]"}},
    {"unsupervised, first layer",
     3,
     {"objective.kind=unsupervised", "objective.gamma=[0.3, 1, 0.8]", "data.channels=3",
      "model.layers=6x4s2p1 7x3s1p1 3x4s2p1", "game.decoder_layer_weight=[0.7, 0]"}},
    {"signed, five steps", 3, {"model.steps=[5, 4]", "model.nonneg=false", "model.lambda=0.4"}},
    {"spatial code, colour, signed at the end",
     3,
     {"data.channels=3", "model.layers=6x4s2p1 3x3s1p1", "model.nonneg=[true, false]"}},
    {"more classes than labels", 7, {"objective.kind=multi", "objective.gamma=[1, 0.5, 2]"}},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static const char *const devices[][2] = {{"device=ref", "precision=f64"},
                                         {"device=auto", "precision=f32"}};

static csctrl_config *config_of(const variant *v, const char *const device[2])
{
    csctrl_config *config = tiny_config_list(v->texts);

    expect_ok(csctrl_config_assign(config, device[0]));
    expect_ok(csctrl_config_assign(config, device[1]));
    return config;
}

/* ---- what changes */

typedef enum kind { DICTIONARY, NORM, STATISTIC } kind;

static kind kind_of(const char *name)
{
    const char *last = strrchr(name, '.') + 1;

    return strcmp(last, "dictionary") == 0                         ? DICTIONARY
           : strcmp(last, "mean") == 0 || strcmp(last, "var") == 0 ? STATISTIC
                                                                   : NORM;
}

/* By name, not by the model's own book-keeping. */
static bool owns(const csctrl_model *m, ct_player player, const char *name)
{
    const bool of_encoder = strncmp(name, "encoder.", 8) == 0;

    if (player == CT_DECODER && kind_of(name) == DICTIONARY && m->arch.tied)
        return true;
    return of_encoder == (player == CT_ENCODER);
}

/* Exactly the player's tensors of the wanted sort changed since the snapshot. */
static void expect_moved(tiny_snapshot *s, ct_player player, bool parameters, bool statistics)
{
    const csctrl_model *m = s->model;

    for (size_t i = 0; i < m->param_count; i++) {
        const char *name = m->params[i].name;
        const bool wanted = kind_of(name) == STATISTIC ? statistics : parameters;
        const bool expected = wanted && owns(m, player, name);
        if (tiny_changed(s, i) != expected)
            fail_msg("%s %s", name, expected ? "did not move" : "moved");
    }
    tiny_forget(s);
    tiny_take(s, m);
}

static void check_moves(tiny_game *g, bool rate_only)
{
    tiny_snapshot s;
    double value = NAN;

    tiny_take(&s, g->model);
    expect_ok(tiny_max_move(&g->game, rate_only, &value));
    assert_true(isfinite(value));
    expect_moved(&s, CT_ENCODER, false, false);
    expect_ok(tiny_update(&g->optim, CT_ENCODER, 0.01));
    expect_moved(&s, CT_ENCODER, true, false);
    expect_ok(ct_game_follow(&g->game, CT_ENCODER));
    expect_moved(&s, CT_ENCODER, false, true);
    expect_ok(tiny_min_move(&g->game, &value));
    assert_true(isfinite(value));
    expect_moved(&s, CT_DECODER, false, false);
    expect_ok(tiny_update(&g->optim, CT_DECODER, 0.01));
    expect_moved(&s, CT_DECODER, true, false);
    expect_ok(ct_game_follow(&g->game, CT_DECODER));
    expect_moved(&s, CT_DECODER, false, true);
    tiny_forget(&s);
}

static void test_moves(void **state)
{
    (void)state;
    for (int v = 0; v < VARIANTS; v++)
        for (int d = 0; d < 2; d++) {
            tiny_game g;
            tiny_game_open(&g, config_of(&variants[v], devices[d]), variants[v].classes);
            for (int round = 0; round < 2; round++)
                check_moves(&g, false);
            check_moves(&g, true);
            tiny_game_close(&g);
        }
}

/* The dictionary stays on the sphere after either player's update. */
static void test_atoms_keep_their_length(void **state)
{
    tiny_game g;

    (void)state;
    tiny_game_open(&g, tiny_config("device=ref", "precision=f64", NULL), 3);
    for (int player = 0; player < CT_PLAYERS; player++) {
        double value;
        expect_ok(player == CT_ENCODER ? tiny_max_move(&g.game, false, &value)
                                       : tiny_min_move(&g.game, &value));
        expect_ok(tiny_update(&g.optim, (ct_player)player, 0.1));
        for (int l = 0; l < g.model->arch.depth; l++) {
            const ct_tensor *W = &g.model->layers[l].W;
            const int64_t size = csctrl_tensor_count(W) / W->shape[0];
            for (int64_t a = 0; a < W->shape[0]; a++) {
                double squares = 0.0;
                for (int64_t i = 0; i < size; i++)
                    squares += tiny_get(W, a * size + i) * tiny_get(W, a * size + i);
                assert_true(fabs(squares - 1.0) < 1e-12);
            }
        }
    }
    tiny_game_close(&g);
}

/* ---- whole steps */

static void check_step(const char *const texts[])
{
    csctrl_config *config = tiny_config_list(texts);
    csctrl_trainer *t = NULL;
    csctrl_progress p;
    tiny_snapshot s;

    expect_ok(csctrl_trainer_create(&t, config, NULL));
    for (int step = 1; step <= 3; step++) {
        tiny_take(&s, t->model);
        expect_ok(csctrl_trainer_step(t, &p));
        assert_int_equal(p.step, step);
        for (size_t i = 0; i < t->model->param_count; i++)
            if (!tiny_changed(&s, i))
                fail_msg("%s did not move in step %d", t->model->params[i].name, step);
        tiny_forget(&s);
    }
    assert_int_equal(t->optim.moves[CT_ENCODER],
                     3 * csctrl_config_int(config, "game.encoder_steps"));
    assert_int_equal(t->optim.moves[CT_DECODER],
                     3 * csctrl_config_int(config, "game.decoder_steps"));
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

static void test_steps(void **state)
{
    static const char *const more[][6] = {
        {"game.encoder_steps=2", "game.decoder_steps=2"},
        {"objective.kind=multi", "game.encoder_steps=2", "game.encoder_rate_only=true"},
        {"model.arch=generic", "game.decoder_steps=2", "optim.clip=0.1"},
        {"model.tied=false", "game.encoder_steps=3", "optim.ema=0.9"},
    };

    (void)state;
    for (int v = 0; v < VARIANTS; v++)
        check_step(variants[v].texts);
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        check_step(more[i]);
}

/* With a learning rate of 0 a player's own parameters stay (up to the rounding of the sphere),
 * while its statistics and the other player's parameters move. */
static void check_still(const char *lr, ct_player still)
{
    csctrl_config *config =
        tiny_config("model.tied=false", "optim.encoder_lr=0.01", "optim.decoder_lr=0.01", lr, NULL);
    csctrl_trainer *t = NULL;
    tiny_snapshot s;

    expect_ok(csctrl_trainer_create(&t, config, NULL));
    tiny_take(&s, t->model);
    expect_ok(csctrl_trainer_step(t, NULL));
    for (size_t i = 0; i < t->model->param_count; i++) {
        const ct_param *p = &t->model->params[i];
        const float *before = s.values[i];
        double most = 0.0;
        for (int64_t j = 0; j < csctrl_tensor_count(p->value); j++)
            most = fmax(most, fabs(tiny_get(p->value, j) - (double)before[j]));
        if (owns(t->model, still, p->name) && kind_of(p->name) != STATISTIC)
            assert_true(most < 1e-6);
        else
            assert_true(most > 1e-4);
    }
    tiny_forget(&s);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

static void test_resting_player(void **state)
{
    (void)state;
    check_still("optim.encoder_lr=0", CT_ENCODER);
    check_still("optim.decoder_lr=0", CT_DECODER);
}

/* ---- the gradient of a whole move against central differences, in double */

typedef struct probe {
    tiny_game *g;
    ct_tensor F, xhat; /* own copies */
    bool rate_only;
} probe;

static ct_tensor copy_of(const ct_tensor *t)
{
    ct_tensor copy = *t;

    copy.data = malloc(ct_tensor_bytes(t));
    assert_non_null(copy.data);
    memcpy(copy.data, t->data, ct_tensor_bytes(t));
    return copy;
}

static ct_tensor rows(const ct_tensor *F, int which)
{
    ct_tensor half = ct_tensor_head(F, F->shape[0] / 2);

    if (which == 1)
        half.data = (unsigned char *)F->data + ct_tensor_bytes(&half);
    return half;
}

/* Sum of the squares of a - b. */
static double distance(const ct_tensor *a, const ct_tensor *b)
{
    double squares = 0.0;

    for (int64_t i = 0; i < csctrl_tensor_count(a); i++)
        squares += pow(tiny_get(a, i) - tiny_get(b, i), 2.0);
    return squares;
}

/* What the decoder's move adds for the layers and the pixels: f's outputs for x and for the probe's
 * xhat, forward passes of their own. */
static double layers_and_pixels(probe *p)
{
    ct_game *game = &p->g->game;
    csctrl_model *m = game->model;
    ct_tensor z = copy_of(&game->F);
    double weights[CSCTRL_MAX_LAYERS] = {0}, value = 0.0;
    ct_encoder_goal seen[2] = {{.weight = {0}}, {.weight = {0}}};

    const size_t count =
        csctrl_config_reals(m->config, "game.decoder_layer_weight", weights, CSCTRL_MAX_LAYERS);
    z.shape[0] = m->batch;
    for (int which = 0; which < 2; which++) {
        const ct_encoder_watch watch = {.keep = &seen[which]};
        for (int l = 0; l + 1 < m->arch.depth; l++) {
            seen[which].weight[l] = 1.0;
            seen[which].h[l] = copy_of(&m->infer_encoder->layers[l].h);
        }
        expect_ok(ct_encoder_forward(m, m->infer_encoder, CT_MODE_TRAIN,
                                     which == 0 ? &game->x : &p->xhat, &z, &watch));
    }
    for (int l = 0; l + 1 < m->arch.depth; l++) {
        const double units = (double)csctrl_tensor_count(&seen[0].h[l]);
        value += weights[count == 1 ? 0 : l] * distance(&seen[0].h[l], &seen[1].h[l]) / units;
        free(seen[0].h[l].data);
        free(seen[1].h[l].data);
    }
    free(z.data);
    return value + csctrl_config_real(m->config, "game.pixel_weight") *
                       distance(&game->x, &p->xhat) / (double)csctrl_tensor_count(&game->x);
}

/* J plus or minus w mean |z - zhat|^2 at the probe's F. */
static double objective(probe *p, ct_player player)
{
    ct_game *game = &p->g->game;
    const int64_t count = csctrl_tensor_count(&p->F) / 2;
    double value = NAN, squares = 0.0;

    expect_ok(measure_objective(game->model->ex, &game->objective,
                                p->rate_only ? CT_OBJECTIVE_REDUCTION : game->kind, &p->F,
                                p->g->labels, &value, NULL));
    for (int64_t i = 0; i < count; i++)
        squares += pow(tiny_get(&p->F, i) - tiny_get(&p->F, count + i), 2.0);
    if (p->rate_only)
        return value;
    return value + (player == CT_ENCODER ? -1.0 : 1.0) * game->sample_weight[player] * squares /
                       game->model->batch;
}

/* f with the present parameters for both; xhat is what it was. */
static double max_value(probe *p)
{
    ct_game *game = &p->g->game;
    ct_tensor z = rows(&p->F, 0), zhat = rows(&p->F, 1);

    expect_ok(ct_encoder_forward(game->model, &game->real, CT_MODE_TRAIN, &game->x, &z, NULL));
    expect_ok(ct_encoder_forward(game->model, &game->again, CT_MODE_TRAIN, &p->xhat, &zhat, NULL));
    return objective(p, CT_ENCODER);
}

/* g with the present parameter, then f as it was; Z is what it was. */
static double min_value(probe *p, ct_tensor *moved, int64_t index, double at)
{
    ct_game *game = &p->g->game;
    const ct_tensor z = rows(&p->F, 0);
    ct_tensor zhat = rows(&p->F, 1);
    const double present = tiny_get(moved, index);

    expect_ok(ct_decoder_forward(game->model, &game->decoded, CT_MODE_TRAIN, &z, &p->xhat));
    tiny_set(moved, index, at);
    expect_ok(ct_model_refresh(game->model, 0));
    expect_ok(ct_encoder_forward(game->model, &game->again, CT_MODE_TRAIN, &p->xhat, &zhat, NULL));
    const double value = objective(p, CT_DECODER) + layers_and_pixels(p);
    tiny_set(moved, index, present);
    return value;
}

static double value_at(probe *p, ct_player player, ct_tensor *t, int64_t index, double at,
                       double offset)
{
    tiny_set(t, index, at + offset);
    expect_ok(ct_model_refresh(p->g->model, 0));
    const double value = player == CT_ENCODER ? max_value(p) : min_value(p, t, index, at);
    tiny_set(t, index, at);
    expect_ok(ct_model_refresh(p->g->model, 0));
    return value;
}

/* Some entries of every tensor of the player. */
static void compare_gradients(probe *p, ct_player player, const char *label)
{
    const csctrl_model *m = p->g->model;
    const double h = 1e-5;

    for (size_t i = 0; i < m->param_count; i++) {
        const ct_param *param = &m->params[i];
        const int64_t count = csctrl_tensor_count(param->value), stride = count / 9 + 1;
        double error = 0.0, size = 0.0;
        if (kind_of(param->name) == STATISTIC || !owns(m, player, param->name))
            continue;
        for (int64_t j = 0; j < count; j += stride) {
            const double at = tiny_get(param->value, j);
            const double above = value_at(p, player, param->value, j, at, h);
            const double below = value_at(p, player, param->value, j, at, -h);
            const double difference = (above - below) / (2.0 * h);
            error += pow(tiny_get(param->grad, j) - difference, 2.0);
            size += difference * difference;
        }
        if (!(size > 0.0) || sqrt(error / size) > 1e-6)
            fail_msg("%s: gradient of %s in the %s's move: relative error %g", label, param->name,
                     player == CT_ENCODER ? "encoder" : "decoder", sqrt(error / size));
    }
}

static void check_gradients(const variant *v)
{
    tiny_game g;
    double value = NAN;

    tiny_game_open(&g, config_of(v, devices[0]), v->classes);
    g.model->fixed_eta = true;
    g.game.rate_only = true;
    expect_ok(ct_game_load_labels(&g.game, g.labels));
    for (int move = 0; move < 3; move++) { /* max, rate alone, min */
        const ct_player player = move < 2 ? CT_ENCODER : CT_DECODER;
        expect_ok(player == CT_ENCODER ? tiny_max_move(&g.game, move == 1, &value)
                                       : tiny_min_move(&g.game, &value));
        probe p = {.g = &g,
                   .F = copy_of(&g.game.F),
                   .xhat = copy_of(&g.game.xhat),
                   .rate_only = move == 1};
        double again = NAN;
        expect_ok(measure_objective(g.model->ex, &g.game.objective,
                                    move == 1 ? CT_OBJECTIVE_REDUCTION : g.game.kind, &p.F,
                                    g.labels, &again, NULL));
        assert_true(value == again);
        compare_gradients(&p, player, v->name);
        free(p.F.data);
        free(p.xhat.data);
    }
    tiny_game_close(&g);
}

static void test_gradients(void **state)
{
    (void)state;
    for (int v = 0; v < VARIANTS; v++)
        check_gradients(&variants[v]);
}

/* A class without images adds nothing: 7 declared classes of which 3 occur are 3 classes. */
static void test_empty_classes_change_nothing(void **state)
{
    double values[2][2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        tiny_game g;
        tiny_game_open(&g, tiny_config("objective.kind=multi", "device=ref", "precision=f64", NULL),
                       i == 0 ? 3 : 7);
        expect_ok(tiny_max_move(&g.game, false, &values[i][0]));
        expect_ok(tiny_min_move(&g.game, &values[i][1]));
        tiny_game_close(&g);
    }
    assert_true(values[0][0] == values[1][0] && values[0][1] == values[1][1]);
}

static void test_label_out_of_range(void **state)
{
    tiny_game g;

    (void)state;
    tiny_game_open(&g, tiny_config("objective.kind=multi", NULL), 3);
    g.labels[5] = 3;
    expect_fail(ct_game_load_labels(&g.game, g.labels), CSCTRL_E_INVALID,
                "label 3 of image 5 is not in 0..2");
    tiny_game_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_atoms_keep_their_length),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_resting_player),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_empty_classes_change_nothing),
        cmocka_unit_test(test_label_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
