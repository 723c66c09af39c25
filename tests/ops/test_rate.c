/* test_rate.c - coding rates and their gradients. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/op_harness.h"

#define EPS2 0.5
enum { MAX_ROWS = 300, TERMS = 7 };

typedef struct shape {
    int m, d;
} shape;
static const shape shapes[] = {{1, 1},    {2, 5},   {7, 3},    {40, 16},  {12, 48},
                               {300, 32}, {64, 64}, {300, 96}, {131, 150}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* All rows; every third row; none; one row; two parts and their union. */
typedef struct terms {
    int32_t rows[MAX_ROWS], thirds[MAX_ROWS];
    ct_rate_term list[TERMS];
} terms;

static void make_terms(int m, terms *t)
{
    int32_t count = 0;

    for (int32_t i = 0; i < m; i++) {
        t->rows[i] = m - 1 - i;
        if (i % 3 == 0)
            t->thirds[count++] = i;
    }
    const ct_rate_term list[TERMS] = {{1.0, t->rows, m},     {-0.5, t->thirds, count},
                                      {3.0, NULL, 0},        {0.25, t->rows, 1},
                                      {0.5, t->rows, m / 3}, {-2.0, t->rows + m / 3, m - m / 3},
                                      {1.5, t->rows, m}};
    memcpy(t->list, list, sizeof list);
}

/* The terms and the memory that they take. */
typedef struct loaded {
    terms t;
    ct_rate_terms all;
    void *scratch;
    double *values; /* TERMS */
} loaded;

static void load(op_run *run, const shape *s, int count, loaded *l)
{
    ct_exec *ex = op_exec(run);
    size_t bytes = 0, scratch = 0;

    make_terms(s->m, &l->t);
    ex->ops->rate_bytes(ex, s->m, s->d, TERMS, 5 * (int64_t)s->m + 1, &bytes, &scratch);
    l->all = (ct_rate_terms){l->t.list, count, op_memory(run, bytes)};
    l->scratch = op_memory(run, scratch);
    l->values = op_memory(run, TERMS * sizeof *l->values);
    OP_OK(ex->ops->rate_load(ex, s->m, s->d, EPS2, &l->all));
}

static void rates(op_run *run, const void *params)
{
    const shape *s = params;
    ct_exec *ex = op_exec(run);
    ct_tensor F = OP_INPUT(run, 1, s->m, s->d), dF = OP_INPUT(run, 0.1, s->m, s->d);
    ct_tensor norm = OP_OUTPUT(run, s->m);
    double values[TERMS], again[TERMS];
    loaded l;

    load(run, s, TERMS, &l);
    OP_OK(ex->ops->sphere(ex, &F, &F, &norm));
    OP_OK(ex->ops->rate_terms(ex, &F, EPS2, &l.all, l.values, &dF, l.scratch));
    op_fetch(run, values, l.values, sizeof values);
    OP_OK(ex->ops->rate_terms(ex, &F, EPS2, &l.all, l.values, NULL, l.scratch));
    op_fetch(run, again, l.values, sizeof again);
    for (int j = 0; j < TERMS; j++) {
        op_keep_number(run, "value", values[j]);
        op_close("value without gradient", again[j], values[j], 0);
    }
    op_close("rate of no rows", values[2], 0, 0);
    op_keep(run, "dF", &dF);
}

static void test_every_backend(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        op_check("rate_terms", rates, &shapes[i], 1e-6);
}

static double total(op_run *run, const ct_tensor *F, const loaded *l)
{
    ct_exec *ex = op_exec(run);
    double values[TERMS], sum = 0;

    OP_OK(ex->ops->rate_terms(ex, F, EPS2, &l->all, l->values, NULL, l->scratch));
    op_fetch(run, values, l->values, sizeof values);
    for (int j = 0; j < TERMS; j++)
        sum += l->t.list[j].weight * values[j];
    return sum;
}

/* dF along random directions against central differences. */
static void derivative(op_run *run, const void *params)
{
    const shape *s = params;
    ct_exec *ex = op_exec(run);
    ct_tensor F = OP_INPUT(run, 0.5, s->m, s->d), dF = OP_OUTPUT(run, s->m, s->d);
    loaded l;

    load(run, s, TERMS, &l);
    OP_OK(ex->ops->fill(ex, 0, &dF));
    OP_OK(ex->ops->rate_terms(ex, &F, EPS2, &l.all, l.values, &dF, l.scratch));
    for (int k = 0; k < 3; k++) {
        const ct_tensor V = OP_INPUT(run, 1, s->m, s->d);
        const double h = 1e-5;
        double along = 0;
        for (int64_t i = 0; i < csctrl_tensor_count(&V); i++)
            along += op_get(&dF, i) * op_get(&V, i);
        OP_OK(ex->ops->axpby(ex, h, &V, 1, &F));
        const double above = total(run, &F, &l);
        OP_OK(ex->ops->axpby(ex, -2 * h, &V, 1, &F));
        const double below = total(run, &F, &l);
        OP_OK(ex->ops->axpby(ex, h, &V, 1, &F));
        op_close("derivative", along, (above - below) / (2 * h), 1e-6);
    }
}

/* Orthonormal rows: R = m/2 log(1 + d / (m eps2)), dR/dF = alpha / (1 + alpha) F. */
static void closed_form(op_run *run, const void *params)
{
    const shape *s = params;
    ct_exec *ex = op_exec(run);
    ct_tensor F = OP_OUTPUT(run, s->m, s->d), dF = OP_OUTPUT(run, s->m, s->d);
    const double alpha = s->d / (s->m * EPS2);
    double value = NAN;
    loaded l;

    load(run, s, 1, &l);
    OP_OK(ex->ops->fill(ex, 0, &F));
    OP_OK(ex->ops->fill(ex, 0, &dF));
    for (int i = 0; i < s->m; i++)
        op_set(&F, (int64_t)i * s->d + i, 1);
    OP_OK(ex->ops->rate_terms(ex, &F, EPS2, &l.all, l.values, &dF, l.scratch));
    op_fetch(run, &value, l.values, sizeof value);
    op_close("rate", value, 0.5 * s->m * log(1 + alpha), 1e-12);
    for (int64_t i = 0; i < (int64_t)s->m * s->d; i++)
        op_close("gradient", op_get(&dF, i), alpha / (1 + alpha) * op_get(&F, i), 1e-6);
}

static void test_formulas(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        op_alone("ref", CSCTRL_F64, 1, derivative, &shapes[i]);
        if (shapes[i].m <= shapes[i].d) {
            op_alone("ref", CSCTRL_F64, 1, closed_form, &shapes[i]);
            op_alone("auto", CSCTRL_F32, 1, closed_form, &shapes[i]);
        }
    }
}

/* Nothing is written when a feature is not finite, and the message says where it is. */
static void not_finite(op_run *run, const void *params)
{
    const shape s = {6, 4};
    ct_exec *ex = op_exec(run);
    const ct_tensor F = OP_INPUT(run, 1, 6, 4);
    ct_tensor dF = OP_OUTPUT(run, 6, 4);
    const double seven = 7;
    double value = NAN;
    loaded l;

    load(run, &s, TERMS, &l);
    OP_OK(ex->ops->upload(ex, l.values, &seven, sizeof seven));
    OP_OK(ex->ops->fill(ex, 0, &dF));
    op_set(&F, 2 * 4 + 3, *(const double *)params);
    assert_int_equal(ex->ops->rate_terms(ex, &F, EPS2, &l.all, l.values, &dF, l.scratch),
                     CSCTRL_E_NUMERIC);
    assert_non_null(strstr(csctrl_last_error(), "feature 3 of row 2"));
    op_fetch(run, &value, l.values, sizeof value);
    op_close("value", value, 7, 0);
    for (int i = 0; i < 24; i++)
        op_close("gradient", op_get(&dF, i), 0, 0);
}

/* Finite features whose Gram matrix is not. */
static void too_large(op_run *run, const void *params)
{
    const shape s = {6, 4};
    ct_exec *ex = op_exec(run);
    ct_tensor F = OP_OUTPUT(run, 6, 4);
    loaded l;

    (void)params;
    load(run, &s, TERMS, &l);
    OP_OK(ex->ops->fill(ex, 1e200, &F));
    assert_int_equal(ex->ops->rate_terms(ex, &F, EPS2, &l.all, l.values, NULL, l.scratch),
                     CSCTRL_E_NUMERIC);
    assert_non_null(strstr(csctrl_last_error(), "too large"));
}

static void test_numeric(void **state)
{
    const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};

    (void)state;
    for (int i = 0; i < 3; i++) {
        op_alone("ref", CSCTRL_F64, 1, not_finite, &bad[i]);
        op_alone("cpu", CSCTRL_F32, 1, not_finite, &bad[i]);
    }
    op_alone("ref", CSCTRL_F64, 1, too_large, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_backend),
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_numeric),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
