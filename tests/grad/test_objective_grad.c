/* test_objective_grad.c - gradients of the objectives of SPEC 3 against central differences, in
 * double on the reference backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grad/kit.h"
#include "objective/rate_reduction.h"
#include "support/measure.h"

typedef struct objective_case {
    ct_objective objective;
    ct_objective_kind kind;
    ct_tensor F;
    int64_t labels[32];
} objective_case;

static double value_of(kit *k, void *user)
{
    objective_case *o = user;
    double value = NAN;

    KIT_OK(measure_objective(k->ex, &o->objective, o->kind, &o->F, o->labels, &value, NULL));
    return value;
}

static void check(kit *k, ct_objective_kind kind, int n, int d, int classes, int used)
{
    const double gamma[3] = {1.0, 0.7, 1.6};
    objective_case o = {.kind = kind, .F = KIT_RANDOM(k, 2 * n, d)};
    ct_tensor dF = KIT_RANDOM(k, 2 * n, d); /* written, not added to */
    double value = NAN;

    for (int i = 0; i < n; i++)
        o.labels[i] = kit_between(k, 0, used - 1);
    KIT_OK(ct_objective_create(k->ex, &o.objective, n, d, classes, 0.5, gamma));
    o.objective.scratch = kit_bytes(k, o.objective.scratch_bytes);
    KIT_OK(measure_objective(k->ex, &o.objective, kind, &o.F, o.labels, &value, &dF));
    assert_true(value == value_of(k, &o));
    const ct_tensor differences = kit_differences(k, value_of, &o, &o.F);
    KIT_AGREE(&dF, &differences);
    ct_objective_destroy(&o.objective);
    kit_clear(k);
}

static void check_shapes(ct_objective_kind kind, uint64_t seed)
{
    kit k;

    kit_open(&k, seed);
    check(&k, kind, 30, 6, 3, 3);  /* every class taller than wide */
    check(&k, kind, 30, 12, 8, 8); /* the whole tall, classes wide */
    check(&k, kind, 5, 16, 2, 2);  /* fewer images than features */
    check(&k, kind, 12, 7, 10, 4); /* empty classes */
    check(&k, kind, 8, 8, 1, 1);   /* one class */
    kit_close(&k);
}

static void test_binary(void **state)
{
    (void)state;
    check_shapes(CT_OBJECTIVE_BINARY, 21);
}

static void test_unsupervised(void **state)
{
    (void)state;
    check_shapes(CT_OBJECTIVE_UNSUPERVISED, 23);
}

static void test_multi(void **state)
{
    (void)state;
    check_shapes(CT_OBJECTIVE_MULTI, 22);
}

/* Zhat is no part of it: its gradient is exactly zero. */
static void test_reduction(void **state)
{
    const double gamma[3] = {1, 1, 1};
    const int64_t labels[6] = {0, 1, 0, 1, 0, 1};
    ct_objective objective;
    double value;
    kit k;

    (void)state;
    kit_open(&k, 23);
    check(&k, CT_OBJECTIVE_REDUCTION, 30, 6, 3, 3);
    check(&k, CT_OBJECTIVE_REDUCTION, 5, 16, 4, 2);
    ct_tensor F = KIT_RANDOM(&k, 12, 4), dF = KIT_RANDOM(&k, 12, 4);
    KIT_OK(ct_objective_create(k.ex, &objective, 6, 4, 2, 0.5, gamma));
    objective.scratch = kit_bytes(&k, objective.scratch_bytes);
    KIT_OK(measure_objective(k.ex, &objective, CT_OBJECTIVE_REDUCTION, &F, labels, &value, &dF));
    for (int64_t i = 0; i < csctrl_tensor_count(&dF); i++)
        assert_true((kit_get(&dF, i) != 0.0) == (i < csctrl_tensor_count(&dF) / 2));
    ct_objective_destroy(&objective);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_unsupervised),
        cmocka_unit_test(test_multi),
        cmocka_unit_test(test_reduction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
