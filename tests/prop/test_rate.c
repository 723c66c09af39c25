/* test_rate.c - what every coding rate must satisfy: dR >= 0, no change under rotation of the
 * feature space or order of the images, the same value from either Gram matrix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grad/kit.h"
#include "objective/rate_reduction.h"
#include "support/measure.h"

enum { MOST = 64, CLASSES = 5 };

static const int shapes[][2] = {{48, 8}, {6, 24}, {16, 16}, {33, 16}, {1, 3}, {40, 1}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static ct_tensor unit_rows(kit *k, int m, int d)
{
    const ct_tensor x = KIT_RANDOM(k, m, d);
    ct_tensor z = KIT_ZEROS(k, m, d), norm = KIT_ZEROS(k, m);

    KIT_OK(k->ex->ops->sphere(k->ex, &x, &z, &norm));
    return z;
}

static double objective_of(kit *k, ct_objective_kind kind, const ct_tensor *F,
                           const int64_t *labels)
{
    const double gamma[3] = {1, 1, 1};
    const int n = (int)F->shape[0] / 2;
    ct_objective objective;
    double value = NAN;

    KIT_OK(ct_objective_create(k->ex, &objective, n, (int)F->shape[1], CLASSES, 0.5, gamma));
    objective.scratch = kit_bytes(k, objective.scratch_bytes);
    KIT_OK(measure_objective(k->ex, &objective, kind, F, labels, &value, NULL));
    ct_objective_destroy(&objective);
    return value;
}

static double rate_of(kit *k, const ct_tensor *Z, double eps2)
{
    int32_t rows[MOST];
    const ct_rate_term term = {.weight = 1, .rows = rows, .count = (int32_t)Z->shape[0]};
    const int m = (int)Z->shape[0], d = (int)Z->shape[1];
    ct_rate_terms terms = {.list = &term, .count = 1};
    size_t loaded = 0, scratch = 0;
    double value = NAN;

    k->ex->ops->rate_bytes(k->ex, m, d, 1, m, &loaded, &scratch);
    terms.loaded = kit_bytes(k, loaded);
    for (int32_t i = 0; i < term.count; i++)
        rows[i] = i;
    KIT_OK(k->ex->ops->rate_load(k->ex, m, d, eps2, &terms));
    KIT_OK(k->ex->ops->rate_terms(k->ex, Z, eps2, &terms, &value, NULL, kit_bytes(k, scratch)));
    return value;
}

/* Householder reflections of every row: an orthogonal map with no structure. */
static ct_tensor rotated(kit *k, const ct_tensor *F)
{
    const int64_t m = F->shape[0], d = F->shape[1];
    const ct_tensor out = kit_copy(k, F);

    for (int turn = 0; turn < 3; turn++) {
        const ct_tensor v = unit_rows(k, 1, (int)d);
        for (int64_t i = 0; i < m; i++) {
            double dot = 0;
            for (int64_t j = 0; j < d; j++)
                dot += kit_get(&v, j) * kit_get(&out, i * d + j);
            for (int64_t j = 0; j < d; j++)
                kit_set(&out, i * d + j, kit_get(&out, i * d + j) - 2 * dot * kit_get(&v, j));
        }
    }
    return out;
}

/* Images in another order: Z, Zhat and labels alike. */
static ct_tensor reordered(kit *k, const ct_tensor *F, int64_t *labels)
{
    const int n = (int)F->shape[0] / 2;
    const int64_t d = F->shape[1];
    const ct_tensor out = kit_like(k, F);
    int64_t before[MOST];
    int order[MOST];

    memcpy(before, labels, (size_t)n * sizeof *before);
    for (int i = 0; i < n; i++) {
        const int j = kit_between(k, 0, i);
        order[i] = order[j];
        order[j] = i;
    }
    for (int i = 0; i < n; i++) {
        labels[i] = before[order[i]];
        for (int64_t j = 0; j < d; j++) {
            kit_set(&out, i * d + j, kit_get(F, order[i] * d + j));
            kit_set(&out, (n + i) * d + j, kit_get(F, (n + order[i]) * d + j));
        }
    }
    return out;
}

static const ct_objective_kind kinds[] = {CT_OBJECTIVE_BINARY, CT_OBJECTIVE_UNSUPERVISED,
                                          CT_OBJECTIVE_MULTI, CT_OBJECTIVE_REDUCTION};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* bound: rounding of the element type, relative to rates of the size of 1. */
static void check(const char *device, csctrl_dtype dtype, double bound)
{
    kit k;
    const csctrl_status st = kit_try(&k, device, dtype, CT_ISA_AUTO, 51);

    if (st == CSCTRL_E_UNSUPPORTED) {
        print_message("%s left out: %s\n", device, csctrl_last_error());
        return;
    }
    KIT_OK(st);
    for (int s = 0; s < SHAPES; s++)
        for (int kind = 0; kind < KINDS; kind++) {
            const int n = shapes[s][0] / 2 + 1, d = shapes[s][1];
            int64_t labels[MOST];
            for (int i = 0; i < n; i++)
                labels[i] = kit_between(&k, 0, CLASSES - 2); /* the last class stays empty */
            const ct_tensor F = unit_rows(&k, 2 * n, d);
            const double value = objective_of(&k, kinds[kind], &F, labels);
            const ct_tensor turned = rotated(&k, &F);

            assert_true(value > -bound);
            assert_true(fabs(objective_of(&k, kinds[kind], &turned, labels) - value) < bound);
            const ct_tensor other = reordered(&k, &F, labels);
            assert_true(fabs(objective_of(&k, kinds[kind], &other, labels) - value) < bound);
            kit_clear(&k);
        }
    kit_close(&k);
}

static void test_not_negative_and_invariant(void **state)
{
    (void)state;
    check("ref", CSCTRL_F64, 1e-12);
    check("ref", CSCTRL_F32, 2e-5);
    check("cpu", CSCTRL_F32, 2e-5);
}

/* dR(Z, Z) = 0: nothing tells a set from itself; and it grows when the sets come apart. */
static void test_distance_is_zero_for_equal_sets_only(void **state)
{
    kit k;

    (void)state;
    kit_open(&k, 52);
    for (int s = 0; s < SHAPES; s++) {
        const int n = shapes[s][0] / 2 + 1, d = shapes[s][1];
        ct_tensor F = unit_rows(&k, 2 * n, d);
        ct_tensor zhat = F;
        zhat.data = (double *)F.data + n * d;

        const double apart = objective_of(&k, CT_OBJECTIVE_BINARY, &F, NULL);
        memcpy(zhat.data, F.data, (size_t)(n * d) * sizeof(double));
        const double same = objective_of(&k, CT_OBJECTIVE_BINARY, &F, NULL);
        assert_true(fabs(same) < 1e-12);
        assert_true(d == 1 || apart > 1e-6);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* R of the transposed features, with eps2 such that alpha is the same, takes the other Gram matrix:
 * logdet(I + alpha Z^T Z) = logdet(I + alpha Z Z^T). */
static void check_grams(const char *device, csctrl_dtype dtype, double bound)
{
    kit k;
    const csctrl_status st = kit_try(&k, device, dtype, CT_ISA_AUTO, 53);

    if (st == CSCTRL_E_UNSUPPORTED)
        return;
    KIT_OK(st);
    for (int s = 0; s < SHAPES; s++) {
        const int m = shapes[s][0], d = shapes[s][1];
        const double ratio = (double)m / d, eps2 = 0.5;
        const ct_tensor Z = unit_rows(&k, m, d), T = KIT_ZEROS(&k, d, m);

        for (int i = 0; i < m; i++)
            for (int j = 0; j < d; j++)
                kit_set(&T, j * m + i, kit_get(&Z, i * d + j));
        const double rate = rate_of(&k, &Z, eps2);
        assert_true(rate > 0);
        assert_true(fabs(rate_of(&k, &T, ratio * ratio * eps2) - rate) < bound * rate);
        kit_clear(&k);
    }
    kit_close(&k);
}

static void test_both_gram_matrices_give_one_value(void **state)
{
    (void)state;
    check_grams("ref", CSCTRL_F64, 1e-12);
    check_grams("ref", CSCTRL_F32, 1e-5);
    check_grams("cpu", CSCTRL_F32, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_negative_and_invariant),
        cmocka_unit_test(test_distance_is_zero_for_equal_sets_only),
        cmocka_unit_test(test_both_gram_matrices_give_one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
