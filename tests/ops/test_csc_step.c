/* test_csc_step.c - a whole FISTA step and its gradient on every backend, for geometries of every
 * way that a backend has to compute them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/log.h"
#include "support/op_harness.h"
#include "support/temp.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef struct spec {
    const char *label;
    op_conv_shape shape;
    double lambda, mu;
    bool nonneg;
} spec;

/* Among them: whole and cut tiles, more than one chunk of images, few channels, one code pixel. */
static const spec specs[] = {
    {"k4 s2", {8, 16, 16, 16, 32, 4, 2, 1}, 0.1, 0, true},
    {"k4 s2 signed, elastic", {9, 12, 20, 32, 48, 4, 2, 1}, 0.3, 0.2, false},
    {"k4 s2 large tiles, cut", {9, 14, 14, 32, 48, 4, 2, 1}, 0.3, 0.2, false},
    {"k4 s2 large tiles, cut across", {9, 14, 18, 16, 32, 4, 2, 1}, 0.1, 0, true},
    {"k4 s2 few tiles, some cut", {2, 6, 10, 16, 32, 4, 2, 1}, 0.2, 0.1, true},
    {"k4 s2 tiles of two kinds", {2, 16, 16, 16, 32, 4, 2, 1}, 0.1, 0, true},
    {"k4 s2 tiles of two kinds, cut", {3, 14, 18, 16, 32, 4, 2, 1}, 0.2, 0.1, false},
    {"k4 s2 one tile", {1, 4, 4, 32, 16, 4, 2, 1}, 0.1, 0, false},
    {"one pixel, few images", {3, 4, 4, 32, 48, 4, 1, 0}, 0.1, 0, true},
    {"k3 s1", {5, 11, 9, 16, 16, 3, 1, 1}, 0.2, 0.1, true},
    {"k4 s2 colour", {3, 16, 16, 3, 32, 4, 2, 1}, 0.1, 0, true},
    {"one pixel", {6, 4, 4, 16, 24, 4, 1, 0}, 0.1, 0.3, false},
    {"k4 s2 one chunk, atoms in parts", {3, 8, 8, 16, 144, 4, 2, 1}, 0.1, 0, true},
    {"k5 s2 odd channels", {2, 11, 11, 5, 7, 5, 2, 2}, 0.1, 0, true},
    {"k4 s2 many images", {300, 8, 8, 32, 64, 4, 2, 1}, 0.1, 0, true}, /* the last */
};

typedef struct setup {
    ct_conv conv;
    ct_geom g;
    ct_prox prox;
    ct_tensor W;
} setup;

/* The last, of many images, is there for what cpu does with them, and slow where cuda is only
 * played. */
static size_t spec_count(void)
{
    return getenv("CSCTRL_TEST_CUDA") == NULL ? COUNT(specs) : COUNT(specs) - 1;
}

static setup prepare(op_run *run, const spec *s)
{
    setup u = {
        .g = op_geom(&s->shape),
        .prox = {.eta = op_put(run, &(double){0.3}, sizeof(double)),
                 .lambda = s->lambda,
                 .mu = s->mu,
                 .nonneg = s->nonneg},
    };

    u.W = OP_INPUT(run, 0.1, u.g.atoms, u.g.c, u.g.kernel, u.g.kernel);
    u.conv = op_conv(run, &u.g, &u.W);
    return u;
}

static ct_tensor code_input(op_run *run, const ct_geom *g)
{
    return OP_INPUT(run, 1, g->n, g->oh, g->ow, g->atoms);
}

static ct_tensor image_input(op_run *run, const ct_geom *g)
{
    return OP_INPUT(run, 1, g->n, g->h, g->w, g->c);
}

static ct_tensor code_output(op_run *run, const ct_geom *g)
{
    return OP_OUTPUT(run, g->n, g->oh, g->ow, g->atoms);
}

static ct_tensor image_output(op_run *run, const ct_geom *g)
{
    return OP_OUTPUT(run, g->n, g->h, g->w, g->c);
}

/* A pass that keeps no residual: its second step starts at y. */
static void dropped(op_run *run, setup *u, const ct_tensor *x, const ct_tensor *y)
{
    ct_exec *ex = op_exec(run);
    ct_tensor memory = image_output(run, &u->g), z = code_output(run, &u->g);
    ct_csc_step step = {.prox = u->prox, .x = x, .r = &memory, .drop_r = true, .z = &z};

    OP_OK(ex->ops->csc_step(ex, &u->conv, &step));
    step.y = y;
    OP_OK(ex->ops->csc_step(ex, &u->conv, &step));
    op_keep(run, "second step of a pass that drops residuals", &z);
}

/* The first step, one with momentum, and one whose y_next takes the place of y. */
static void steps(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, params);
    const ct_tensor x = image_input(run, &u.g), z_prev = code_input(run, &u.g);
    ct_tensor y = code_input(run, &u.g), r = image_output(run, &u.g);
    ct_tensor z = code_output(run, &u.g), y_next = code_output(run, &u.g);
    ct_csc_step step = {.prox = u.prox, .beta = 0.4, .x = &x, .r = &r, .z = &z};

    OP_OK(ex->ops->csc_step(ex, &u.conv, &step));
    op_keep(run, "z of the first step", &z);
    dropped(run, &u, &x, &y);
    for (int64_t i = 0; i < csctrl_tensor_count(&u.W); i += 3)
        op_set(&u.W, i, 0.7 * op_get(&u.W, i));
    OP_OK(ex->ops->conv_pack(ex, &u.conv, &u.W));
    dropped(run, &u, &x, &y); /* by the new dictionary */
    step.y = &y;
    step.z_prev = &z_prev;
    step.y_next = &y_next;
    OP_OK(ex->ops->csc_step(ex, &u.conv, &step));
    op_keep(run, "r", &r);
    op_keep(run, "z", &z);
    op_keep(run, "y_next", &y_next);
    step.y_next = &y;
    OP_OK(ex->ops->csc_step(ex, &u.conv, &step));
    op_keep(run, "y_next in the place of y", &y);
    ex->ops->conv_destroy(ex, &u.conv);
}

/* Half of the codes are 0, the rest are what a step could have returned. */
static void thin_out(const ct_tensor *z, bool nonneg)
{
    for (int64_t i = 0; i < csctrl_tensor_count(z); i++)
        if (nonneg ? op_get(z, i) < 0 : i % 2 == 0)
            op_set(z, i, 0);
}

static void gradients(op_run *run, const void *params)
{
    const spec *s = params;
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, s);
    const ct_tensor r = image_input(run, &u.g), y = code_input(run, &u.g);
    const ct_tensor z = code_input(run, &u.g);
    ct_tensor dz = code_input(run, &u.g), again = code_input(run, &u.g);
    ct_tensor last = code_input(run, &u.g);
    ct_tensor dW = OP_INPUT(run, 1, u.g.atoms, u.g.c, u.g.kernel, u.g.kernel);
    ct_tensor q = image_output(run, &u.g), dx = image_output(run, &u.g);
    ct_tensor dy = code_output(run, &u.g);

    thin_out(&z, s->nonneg);
    ct_csc_step_grad grad = {.prox = u.prox,
                             .r = &r,
                             .y = &y,
                             .z = &z,
                             .dz = &dz,
                             .q = &q,
                             .dy = &dy,
                             .dx = &dx,
                             .dW = &dW};
    OP_OK(ex->ops->csc_step_backward(ex, &u.conv, &grad));
    op_keep(run, "dy", &dy);
    grad.y = NULL; /* the first step adds to what the others left */
    grad.dz = &again;
    grad.add_dx = true;
    OP_OK(ex->ops->csc_step_backward(ex, &u.conv, &grad));
    op_keep(run, "dx", &dx);
    op_keep(run, "dW", &dW);
    grad.dz = &last;
    grad.dx = grad.dW = NULL;
    grad.y = &y;
    OP_OK(ex->ops->csc_step_backward(ex, &u.conv, &grad));
    op_keep(run, "dy alone", &dy);
    ex->ops->conv_destroy(ex, &u.conv);
}

static void test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < spec_count(); i++)
        op_check(specs[i].label, steps, &specs[i], 1e-5);
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < spec_count(); i++)
        op_check(specs[i].label, gradients, &specs[i], 1e-5);
}

/* An operand keeps 8 bits, and the transforms magnify what is lost. */
static void test_bf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < spec_count(); i++) {
        op_check_bf16(specs[i].label, steps, &specs[i], 3e-2);
        op_check_bf16(specs[i].label, gradients, &specs[i], 3e-2);
    }
}

/* Enough for what does not depend on the size. */
static bool is_small(const spec *s)
{
    return s->shape.n <= 6;
}

/* Of small geometries, in each precision. */
static void check_small(op_case *test, double f32, double tf32, double bf16)
{
    for (size_t i = 0; i < COUNT(specs); i++)
        if (is_small(&specs[i])) {
            op_check(specs[i].label, test, &specs[i], f32);
            op_check_tf32(specs[i].label, test, &specs[i], tf32);
            op_check_bf16(specs[i].label, test, &specs[i], bf16);
        }
}

static void test_tf32(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++) {
        if (!is_small(&specs[i]))
            continue;
        op_check_tf32(specs[i].label, steps, &specs[i], 3e-3);
        op_check_tf32(specs[i].label, gradients, &specs[i], 3e-3);
    }
}

static double has_nan(const ct_tensor *t)
{
    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        if (isnan(op_get(t, i)))
            return 1;
    return 0;
}

/* A prox must not make a number of what is none. */
static void not_finite(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, params);
    const ct_tensor x = image_input(run, &u.g), y = code_input(run, &u.g);
    ct_tensor r = image_output(run, &u.g), z = code_input(run, &u.g);
    ct_csc_step step = {.prox = u.prox, .x = &x, .r = &r, .z = &z};

    op_set(&x, csctrl_tensor_count(&x) / 2, NAN);
    OP_OK(ex->ops->csc_step(ex, &u.conv, &step));
    op_keep_number(run, "NaN after the first step", has_nan(&z));
    step.y = &y;
    for (int64_t i = 0; i < csctrl_tensor_count(&z); i++)
        op_set(&z, i, 0);
    OP_OK(ex->ops->csc_step(ex, &u.conv, &step));
    op_keep_number(run, "NaN after another", has_nan(&z));
    ex->ops->conv_destroy(ex, &u.conv);
}

static void test_not_finite(void **state)
{
    (void)state;
    check_small(not_finite, 0, 0, 0);
}

/* Codes that are cut off are exactly 0: the gradient and the figures go by it. In low precision
 * those near the threshold may differ, which are few. */
static void zeros(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, params);
    const ct_tensor x = image_input(run, &u.g), y = code_input(run, &u.g);
    ct_tensor r = image_output(run, &u.g), z = code_output(run, &u.g);
    ct_csc_step step = {.prox = u.prox, .x = &x, .r = &r, .z = &z};

    step.prox.lambda *= 5;
    for (int k = 0; k < 2; k++) {
        OP_OK(ex->ops->csc_step(ex, &u.conv, &step));
        for (int64_t i = 0; i < csctrl_tensor_count(&z); i++)
            op_set(&z, i, op_get(&z, i) == 0 ? 1 : 0);
        op_keep(run, k == 0 ? "zeros of the first step" : "zeros of another", &z);
        step.y = &y;
    }
    ex->ops->conv_destroy(ex, &u.conv);
}

static void test_zeros(void **state)
{
    (void)state;
    check_small(zeros, 1e-2, 0.1, 0.3);
}

/* ---- ways that the rule does not choose, pinned by a file of option `tune` */

static const char *pin(void **state, const ct_geom *g, const char *way)
{
    static const char *const isas[] = {"portable", "avx2", "avx512"};
    char text[2048] = "# pinned\n\n";

    /* Two threads, or one where the environment grants no more. */
    for (size_t i = 0; i < 2 * COUNT(isas); i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used,
                 "%s f32 threads=%d n=%d %dx%dx%d atoms=%d k%d s%d p%d: %s\n", isas[i / 2],
                 1 + (int)(i % 2), g->n, g->h, g->w, g->c, g->atoms, g->kernel, g->stride, g->pad,
                 way);
    }
    return temp_file(state, "tune.txt", text, strlen(text));
}

static csctrl_status create_with(const char *tune, const ct_geom *g)
{
    const ct_exec_options options = {.device = "cpu", .threads = 2, .tune = tune};
    ct_exec *ex = NULL;
    ct_conv conv;
    csctrl_status status = ct_exec_create(&ex, &options);

    if (status != CSCTRL_OK)
        return status;
    status = ex->ops->conv_create(ex, g, &conv);
    if (status == CSCTRL_OK)
        ex->ops->conv_destroy(ex, &conv);
    ct_exec_destroy(&ex);
    return status;
}

static void test_every_way(void **state)
{
    static const char *const ways[] = {"winograd-f11", "winograd-f42", "winograd-f42-f22",
                                       "winograd-f22", "winograd-f43", "blas",
                                       "onednn",       "direct"};
    /* Small: every geometry is computed in up to four ways. */
    static const spec small[] = {
        {"4x4 stride 2", {3, 8, 8, 16, 16, 4, 2, 1}, 0.1, 0, true},
        {"4x4 stride 2, cut tiles", {1, 6, 10, 16, 32, 4, 2, 1}, 0.2, 0.1, false},
        {"3x3", {2, 7, 5, 16, 16, 3, 1, 1}, 0.1, 0, true},
        {"one pixel", {3, 4, 4, 16, 16, 4, 1, 0}, 0.1, 0, true},
        {"no overlap", {2, 8, 4, 16, 16, 2, 2, 0}, 0.1, 0.1, true},
        {"1x1", {2, 3, 5, 16, 16, 1, 1, 0}, 0.1, 0, true},
    };
    int checked = 0;

    for (size_t i = 0; i < COUNT(small); i++) {
        const ct_geom g = op_geom(&small[i].shape);
        for (size_t w = 0; w < COUNT(ways); w++) {
            const char *tune = pin(state, &g, ways[w]);
            const csctrl_status status = create_with(tune, &g);
            if (status == CSCTRL_E_UNSUPPORTED)
                skip(); /* no cpu backend */
            if (status == CSCTRL_E_FORMAT) {
                assert_non_null(strstr(csctrl_last_error(), "does not fit"));
                continue;
            }
            assert_int_equal(status, CSCTRL_OK);
            op_set_tune(tune);
            op_check(small[i].label, steps, &small[i], 1e-5);
            op_check(small[i].label, gradients, &small[i], 1e-5);
            op_set_tune(NULL);
            checked++;
        }
    }
    assert_int_equal(checked, 23); /* all that fit */
}

static void count_warnings(void *user, csctrl_log_level level, const char *message)
{
    (void)message;
    *(int *)user += level == CSCTRL_LOG_WARNING;
}

/* A file is made, read again, and what is wrong in it is told by its line. */
static void test_tune_file(void **state)
{
    const ct_geom g = op_geom(&specs[0].shape);
    const char *path = temp_path(state, "made.txt");
    char line[256] = "";
    int warnings;

    if (create_with("on", &g) == CSCTRL_E_UNSUPPORTED)
        skip();
    assert_int_equal(create_with("on", &g), CSCTRL_OK);
    assert_int_equal(create_with(path, &g), CSCTRL_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(line[0], '#');
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, "n=8 16x16x16 atoms=32 k4 s2 p1: "));
    assert_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    assert_int_equal(create_with(path, &g), CSCTRL_OK);

    static const char wrong[] = "# comment\navx2 f32 threads=1: fastest\n";
    path = temp_file(state, "wrong.txt", wrong, sizeof wrong - 1);
    assert_int_equal(create_with(path, &g), CSCTRL_E_FORMAT);
    assert_non_null(strstr(csctrl_last_error(), "wrong.txt:2: expected \"GEOMETRY: WAY\""));
    /* Where the file cannot be written the choice is made all the same, with a warning. */
    warnings = 0;
    csctrl_log_set(count_warnings, &warnings);
    assert_int_equal(create_with(temp_path(state, "no/such/folder.txt"), &g), CSCTRL_OK);
    csctrl_log_set(NULL, NULL);
    assert_int_equal(warnings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_tf32),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test_setup_teardown(test_every_way, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_tune_file, temp_make, temp_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
