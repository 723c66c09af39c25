/* test_csc_step.c - a whole FISTA step and its gradient on every backend, for geometries of every
 * way that a backend has to compute them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/op_harness.h"

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
    {"k4 s2 many images", {300, 8, 8, 32, 64, 4, 2, 1}, 0.1, 0, true},
    {"k4 s2 few tiles, some cut", {2, 6, 10, 16, 32, 4, 2, 1}, 0.2, 0.1, true},
    {"k4 s2 one tile", {1, 4, 4, 32, 16, 4, 2, 1}, 0.1, 0, false},
    {"one pixel, few images", {3, 4, 4, 32, 48, 4, 1, 0}, 0.1, 0, true},
    {"k3 s1", {5, 11, 9, 16, 16, 3, 1, 1}, 0.2, 0.1, true},
    {"k4 s2 colour", {3, 16, 16, 3, 32, 4, 2, 1}, 0.1, 0, true},
    {"one pixel", {6, 4, 4, 16, 24, 4, 1, 0}, 0.1, 0.3, false},
    {"k5 s2 odd channels", {2, 11, 11, 5, 7, 5, 2, 2}, 0.1, 0, true},
};

typedef struct setup {
    ct_conv conv;
    ct_geom g;
    ct_prox prox;
    ct_tensor W;
} setup;

static setup prepare(op_run *run, const spec *s)
{
    setup u = {
        .g = op_geom(&s->shape),
        .prox = {.eta = 0.3, .lambda = s->lambda, .mu = s->mu, .nonneg = s->nonneg},
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
    for (size_t i = 0; i < COUNT(specs); i++)
        op_check(specs[i].label, steps, &specs[i], 1e-5);
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++)
        op_check(specs[i].label, gradients, &specs[i], 1e-5);
}

/* An operand keeps 8 bits, and the transforms magnify what is lost. */
static void test_bf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++) {
        op_check_bf16(specs[i].label, steps, &specs[i], 3e-2);
        op_check_bf16(specs[i].label, gradients, &specs[i], 3e-2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_gradients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
