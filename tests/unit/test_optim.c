/* test_optim.c - each player's update against the textbook, written out here in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

enum { PARAMS = 8 * CSCTRL_MAX_LAYERS, ROUNDS = 4 };

/* Adam of one player as in the paper: m, v and value of every tensor. */
typedef struct textbook {
    double *m[PARAMS], *v[PARAMS];
} textbook;

static void open_book(textbook *book, const csctrl_model *m)
{
    for (size_t i = 0; i < m->param_count; i++) {
        const size_t count = (size_t)csctrl_tensor_count(m->params[i].value);
        book->m[i] = calloc(count, sizeof(double));
        book->v[i] = calloc(count, sizeof(double));
        assert_true(book->m[i] != NULL && book->v[i] != NULL);
    }
}

static void close_book(textbook *book, const csctrl_model *m)
{
    for (size_t i = 0; i < m->param_count; i++) {
        free(book->m[i]);
        free(book->v[i]);
    }
}

/* A gradient that differs by round, player, tensor and entry. */
static double gradient(int round, int player, size_t i, int64_t j)
{
    return sin(1.0 + 3.0 * round + 7.0 * player + 0.3 * (double)i + 0.9 * (double)j);
}

static void put_gradients(csctrl_model *m, ct_player player, int round)
{
    for (size_t i = 0; i < m->param_count; i++)
        for (int64_t j = 0;
             m->params[i].played_by[player] && j < csctrl_tensor_count(m->params[i].value); j++)
            tiny_set(m->params[i].grad, j, gradient(round, (int)player, i, j));
}

static double gradient_norm(const csctrl_model *m, ct_player player, int round)
{
    double squares = 0.0;

    for (size_t i = 0; i < m->param_count; i++)
        for (int64_t j = 0;
             m->params[i].played_by[player] && j < csctrl_tensor_count(m->params[i].value); j++)
            squares += pow(gradient(round, (int)player, i, j), 2.0);
    return sqrt(squares);
}

/* New values of tensor i, from its old ones. */
static void expect_adam(const csctrl_model *m, textbook *book, ct_player player, size_t i,
                        const double *old, int round, double lr, double scale)
{
    const double beta1 = 0.5, beta2 = 0.999, eps = 1e-8, sign = player == CT_ENCODER ? 1.0 : -1.0;
    const ct_tensor *value = m->params[i].value;
    const int64_t count = csctrl_tensor_count(value);
    double *next = malloc((size_t)count * sizeof(double));

    assert_non_null(next);
    for (int64_t j = 0; j < count; j++) {
        const double g = scale * gradient(round, (int)player, i, j);
        book->m[i][j] = beta1 * book->m[i][j] + (1.0 - beta1) * g;
        book->v[i][j] = beta2 * book->v[i][j] + (1.0 - beta2) * g * g;
        const double m_hat = book->m[i][j] / (1.0 - pow(beta1, round + 1));
        const double v_hat = book->v[i][j] / (1.0 - pow(beta2, round + 1));
        next[j] = old[j] + sign * lr * m_hat / (sqrt(v_hat) + eps);
    }
    const int64_t atom = value->ndim == 4 ? count / value->shape[0] : 0;
    for (int64_t a = 0; atom > 0 && m->arch.kind == CT_ARCH_CSC && a < value->shape[0]; a++) {
        double squares = 0.0;
        for (int64_t j = 0; j < atom; j++)
            squares += next[a * atom + j] * next[a * atom + j];
        for (int64_t j = 0; j < atom; j++)
            next[a * atom + j] /= sqrt(squares);
    }
    for (int64_t j = 0; j < count; j++)
        if (fabs(tiny_get(value, j) - next[j]) > 1e-12)
            fail_msg("%s[%lld]: expected %.15g, found %.15g", m->params[i].name, (long long)j,
                     next[j], tiny_get(value, j));
    free(next);
}

/* Both players in turn, each with its own moments, also of the shared dictionaries. */
static void check_adam(const char *arch, const char *clip, double bound)
{
    tiny_game g;
    textbook books[CT_PLAYERS];
    tiny_snapshot s;

    tiny_game_open(&g, tiny_config("device=ref", "precision=f64", arch, clip, NULL), 3);
    for (int player = 0; player < CT_PLAYERS; player++)
        open_book(&books[player], g.model);
    for (int round = 0; round < ROUNDS; round++)
        for (int p = 0; p < CT_PLAYERS; p++) {
            const ct_player player = (ct_player)p;
            const double lr = 0.01 * (round + 1), norm = gradient_norm(g.model, player, round);
            put_gradients(g.model, player, round);
            tiny_take(&s, g.model);
            expect_ok(tiny_update(&g.optim, player, lr));
            for (size_t i = 0; i < g.model->param_count; i++) {
                if (g.model->params[i].played_by[player])
                    expect_adam(g.model, &books[p], player, i, s.values[i], round, lr,
                                norm > bound ? bound / norm : 1.0);
                else
                    assert_false(tiny_changed(&s, i));
            }
            tiny_forget(&s);
        }
    for (int player = 0; player < CT_PLAYERS; player++)
        close_book(&books[player], g.model);
    tiny_game_close(&g);
}

static void test_adam(void **state)
{
    (void)state;
    check_adam("model.tied=true", "optim.clip=0", INFINITY);
    check_adam("model.tied=false", "optim.clip=0", INFINITY);
    check_adam("model.arch=generic", "optim.clip=0", INFINITY);
}

static void test_clipping(void **state)
{
    (void)state;
    check_adam("model.tied=true", "optim.clip=0.5", 0.5);
    check_adam("model.tied=false", "optim.clip=1e6", 1e6); /* above every norm */
}

/* Step sizes follow the dictionaries. */
static void test_step_size_follows(void **state)
{
    tiny_game g;

    (void)state;
    tiny_game_open(&g, tiny_config("device=ref", "precision=f64", NULL), 3);
    const double before = tiny_eta(g.model, 0);
    put_gradients(g.model, CT_ENCODER, 0);
    expect_ok(tiny_update(&g.optim, CT_ENCODER, 0.5));
    assert_true(tiny_eta(g.model, 0) != before);
    assert_true(tiny_eta(g.model, 0) > 0.0);
    tiny_game_close(&g);
}

static void test_gradient_not_finite(void **state)
{
    tiny_game g;
    tiny_snapshot s;

    (void)state;
    tiny_game_open(&g, tiny_config(NULL), 3);
    put_gradients(g.model, CT_DECODER, 0);
    tiny_set(tiny_param(g.model, "decoder.1.norm.shift")->grad, 4, -INFINITY);
    tiny_take(&s, g.model);
    expect_fail(tiny_update(&g.optim, CT_DECODER, 0.1), CSCTRL_E_NUMERIC,
                "the gradient of 'decoder.1.norm.shift' in the decoder's move is not finite; "
                "nothing was updated by that move");
    for (size_t i = 0; i < g.model->param_count; i++)
        assert_false(tiny_changed(&s, i));
    put_gradients(g.model, CT_DECODER, 0); /* the encoder does not mind */
    put_gradients(g.model, CT_ENCODER, 0);
    expect_ok(tiny_update(&g.optim, CT_ENCODER, 0.1));
    tiny_forget(&s);
    tiny_game_close(&g);
}

/* ---- averages */

/* average <- decay average + (1 - decay) value, statistics included, from the initial value; decay
 * is (1 + t) / (10 + t) at batch t, at most optim.ema. */
static void test_average(void **state)
{
    tiny_game g;
    double *want[PARAMS];

    (void)state;
    tiny_game_open(&g, tiny_config("device=ref", "precision=f64", "optim.ema=0.75", NULL), 3);
    for (size_t i = 0; i < g.model->param_count; i++) {
        const ct_param *p = &g.model->params[i];
        const int64_t count = csctrl_tensor_count(p->value);
        want[i] = malloc((size_t)count * sizeof(double));
        assert_non_null(want[i]);
        for (int64_t j = 0; j < count; j++) {
            want[i][j] = tiny_get(p->value, j);
            assert_true(tiny_get(&p->average, j) == want[i][j]);
        }
    }
    static const struct {
        int step;
        double decay;
    } rounds[] = {{0, 0.1}, {8, 0.5}, {1000, 0.75}};
    for (int round = 0; round < 3; round++) {
        const double decay = rounds[round].decay;
        g.model->step = rounds[round].step;
        for (size_t i = 0; i < g.model->param_count; i++)
            for (int64_t j = 0; j < csctrl_tensor_count(g.model->params[i].value); j++) {
                const double value = gradient(round, 0, i, j);
                tiny_set(g.model->params[i].value, j, value);
                want[i][j] = decay * want[i][j] + (1.0 - decay) * value;
            }
        expect_ok(ct_optim_average(&g.optim));
    }
    for (size_t i = 0; i < g.model->param_count; i++) {
        for (int64_t j = 0; j < csctrl_tensor_count(g.model->params[i].value); j++) {
            assert_true(fabs(tiny_get(&g.model->params[i].average, j) - want[i][j]) < 1e-14);
            assert_true(tiny_get(g.model->params[i].value, j) == gradient(2, 0, i, j));
        }
        free(want[i]);
    }
    tiny_game_close(&g);
}

/* Swapped in, the averages are what encode uses; swapped back, all is as it was. */
static void test_swap(void **state)
{
    csctrl_config *config = tiny_config("optim.ema=0.9", NULL);
    csctrl_tensor x = tiny_images(4, 1, 5);
    csctrl_tensor z[3] = {tiny_features(4, 8), tiny_features(4, 8), tiny_features(4, 8)};
    csctrl_tensor loaded = tiny_features(4, 8);
    csctrl_trainer *t = NULL;
    csctrl_model *m = NULL;
    tiny_snapshot s;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    tiny_take(&s, t->model);
    expect_ok(csctrl_model_encode(t->model, &x, &z[0]));
    expect_ok(ct_model_swap_averages(t->model));
    expect_ok(csctrl_model_encode(t->model, &x, &z[1]));
    expect_ok(ct_model_swap_averages(t->model));
    expect_ok(csctrl_model_encode(t->model, &x, &z[2]));
    for (size_t i = 0; i < t->model->param_count; i++)
        assert_false(tiny_changed(&s, i));
    assert_memory_equal(z[0].data, z[2].data, ct_tensor_bytes(&z[0]));
    assert_memory_not_equal(z[0].data, z[1].data, ct_tensor_bytes(&z[0]));
    /* a model that is loaded for use is the averaged one */
    expect_ok(csctrl_model_load(&m, temp_path(state, "run"), NULL, 0, 8));
    expect_ok(csctrl_model_encode(m, &x, &loaded));
    assert_memory_equal(z[1].data, loaded.data, ct_tensor_bytes(&loaded));
    tiny_forget(&s);
    csctrl_model_destroy(&m);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    for (int i = 0; i < 3; i++)
        tiny_free(&z[i]);
    tiny_free(&x);
    tiny_free(&loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_step_size_follows),
        cmocka_unit_test(test_gradient_not_finite),
        cmocka_unit_test(test_average),
        cmocka_unit_test_setup_teardown(test_swap, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
