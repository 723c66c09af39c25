/* test_kkt.c - many FISTA steps solve the layer's problem: the optimality conditions of
 * min lambda |z|_1 + mu/2 |z|^2 + 1/2 |x - A z|^2 hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grad/kit.h"
#include "layers/csc.h"
#include "layers/step_size.h"

enum { STEPS = 500 };

typedef struct solve {
    kit_dict dict;
    ct_csc layer;
    ct_csc_pass pass;
    ct_power power;
    ct_plan *plan;
    double eta;
} solve;

/* eta as in training: from the power iteration at the layer's own size. */
static void open_solve(kit *k, solve *s, const ct_geom *g, ct_prox prox)
{
    s->dict = kit_dictionary(k, g);
    KIT_OK(k->ex->ops->unit_atoms(k->ex, &s->dict.W));
    KIT_OK(k->ex->ops->conv_pack(k->ex, &s->dict.conv, &s->dict.W));
    KIT_OK(ct_csc_create(&s->layer, &s->dict.conv, STEPS, &prox, true));
    KIT_OK(ct_plan_create(&s->plan));
    KIT_OK(ct_power_create(k->ex, &s->power, g, s->plan, 0));
    KIT_OK(ct_csc_pass_create(&s->pass, &s->layer, CSCTRL_F64, false, s->plan, 0, 1, 1));
    KIT_OK(ct_plan_finish(s->plan));
    KIT_OK(ct_plan_allocate(s->plan, NULL));
    s->power.conv.packed = kit_bytes(k, s->power.conv.packed_bytes);
    s->power.conv.scratch = kit_bytes(k, s->power.conv.scratch_bytes);
    ct_csc_pass_bind(&s->pass, &s->layer);
    KIT_OK(ct_power_iterate(k->ex, &s->power, &s->dict.W, 200, 0.9, &s->eta));
    s->layer.prox.eta = &s->eta;
}

static void close_solve(kit *k, solve *s)
{
    ct_csc_pass_destroy(&s->pass);
    ct_csc_destroy(&s->layer);
    ct_power_destroy(k->ex, &s->power);
    ct_plan_destroy(&s->plan);
    k->ex->ops->conv_destroy(k->ex, &s->dict.conv);
    kit_clear(k);
}

/* Largest violation of 0 in lambda d|z| + mu z - A*(x - A z), entry by entry. */
static double kkt_residual(kit *k, solve *s, int64_t *active)
{
    const ct_prox *prox = &s->layer.prox;
    const ct_tensor *z = &s->pass.z[STEPS - 1];
    ct_tensor r = kit_like(k, &s->dict.img), g = kit_like(k, z);
    double worst = 0;

    KIT_OK(k->ex->ops->synthesis(k->ex, &s->dict.conv, z, &r));
    KIT_OK(k->ex->ops->axpby(k->ex, 1.0, &s->dict.img, -1.0, &r));
    KIT_OK(k->ex->ops->analysis(k->ex, &s->dict.conv, &r, &g));
    *active = 0;
    for (int64_t i = 0; i < csctrl_tensor_count(z); i++) {
        const double v = kit_get(z, i), slope = kit_get(&g, i) - prox->mu * v;
        double violation;
        if (v != 0)
            violation = fabs(slope - copysign(prox->lambda, v));
        else
            violation = fmax((prox->nonneg ? slope : fabs(slope)) - prox->lambda, 0);
        assert_true(!prox->nonneg || v >= 0);
        worst = fmax(worst, violation);
        *active += v != 0;
    }
    return worst;
}

static void check(kit *k, const ct_geom *g, ct_prox prox)
{
    solve s;
    int64_t active;

    open_solve(k, &s, g, prox);
    KIT_OK(ct_csc_forward(k->ex, &s.layer, &s.dict.img, &s.pass));
    const double residual = kkt_residual(k, &s, &active);
    print_message("residual %.2g, %lld of %lld codes active\n", residual, (long long)active,
                  (long long)csctrl_tensor_count(&s.dict.code));
    assert_true(residual < 1e-6);
    /* Neither trivially zero nor dense: lambda has work to do. */
    assert_true(active > 0 && active < csctrl_tensor_count(&s.dict.code));
    close_solve(k, &s);
}

static void test_500_steps_satisfy_the_optimality_conditions(void **state)
{
    const ct_geom down = {2, 8, 8, 3, 4, 4, 16, 4, 2, 1};
    const ct_geom same = {1, 6, 6, 4, 6, 6, 6, 3, 1, 1};
    const ct_geom point = {3, 4, 4, 8, 1, 1, 24, 4, 1, 0};
    /* Images of variance 1. Without a ridge and with half of the codes active (lambda = 0.3) the
     * problem is so flat that 500 steps of any first-order method leave 1e-5. */
    const ct_prox prox[] = {
        {.lambda = 1.0, .nonneg = true},
        {.lambda = 1.0},
        {.lambda = 0.3, .mu = 0.2, .nonneg = true},
        {.lambda = 0.3, .mu = 0.2},
    };
    kit k;

    (void)state;
    kit_open(&k, 61);
    for (size_t i = 0; i < sizeof prox / sizeof prox[0]; i++) {
        check(&k, &down, prox[i]);
        check(&k, &same, prox[i]);
        check(&k, &point, prox[i]);
    }
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_500_steps_satisfy_the_optimality_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
