/* test_norm.c - batch normalisation, the unit sphere and unit atoms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/op_harness.h"

#define EPS 1e-5

/* Rows and channels: around a vector and a group of channels, one row, more rows than blocks. */
typedef struct shape {
    int64_t rows, channels;
} shape;
static const shape shapes[] = {{1, 1},   {2, 3},   {5, 5},     {33, 16},  {100, 64},
                               {77, 65}, {9, 130}, {1000, 20}, {4096, 16}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void batch_norm(op_run *run, const void *params)
{
    const shape *s = params;
    const int64_t c = s->channels;
    ct_exec *ex = op_exec(run);
    ct_tensor x = OP_INPUT(run, 2, s->rows, c), dy = OP_INPUT(run, 1, s->rows, c);
    const ct_tensor scale = OP_INPUT(run, 1, c), shift = OP_INPUT(run, 1, c);
    ct_tensor y = OP_OUTPUT(run, s->rows, c), dx = OP_OUTPUT(run, s->rows, c);
    ct_tensor mean = OP_OUTPUT(run, c), var = OP_OUTPUT(run, c);
    ct_tensor dscale = OP_INPUT(run, 1, c), dshift = OP_INPUT(run, 1, c);

    for (int64_t i = 0; i < s->rows * c; i++)
        op_set(&x, i, op_get(&x, i) + 3);
    OP_OK(ex->ops->bn_forward(ex, &x, &scale, &shift, EPS, &y, &mean, &var));
    op_keep(run, "y", &y);
    op_keep(run, "mean", &mean);
    op_keep(run, "var", &var);
    OP_OK(ex->ops->bn_eval(ex, &x, &scale, &shift, &mean, &var, EPS, &y));
    op_keep(run, "y of eval", &y);
    OP_OK(ex->ops->bn_backward(ex, &x, &dy, &scale, &mean, &var, EPS, &dx, &dscale, &dshift));
    op_keep(run, "dscale", &dscale);
    op_keep(run, "dshift", &dshift);
    /* With one row or two, dx is a difference of equal numbers. */
    if (s->rows > 2)
        op_keep(run, "dx", &dx);
    OP_OK(ex->ops->bn_backward(ex, &x, &dy, &scale, &mean, &var, EPS, NULL, &dscale, NULL));
    op_keep(run, "dscale twice", &dscale);
    OP_OK(ex->ops->bn_backward(ex, &x, &dy, &scale, &mean, &var, EPS, &dy, NULL, NULL));
    if (s->rows > 2)
        op_keep(run, "dx in place", &dy);
    OP_OK(ex->ops->bn_forward(ex, &x, &scale, &shift, EPS, &x, &mean, &var));
    op_keep(run, "y in place", &x);
}

/* Another rank with the same rows. */
static csctrl_status twin(void *state, void *data, int64_t count, csctrl_dtype dtype)
{
    (void)state;
    for (int64_t i = 0; i < count && dtype == CSCTRL_F64; i++)
        ((double *)data)[i] *= 2;
    return dtype == CSCTRL_F64 ? CSCTRL_OK : CSCTRL_E_UNSUPPORTED;
}

/* Statistics are those of one rank; rows and sums are all of both. */
static void batch_norm_of_ranks(op_run *run, const void *params)
{
    static const ct_comm_ops ops = {.sum = twin};
    const ct_comm ranks = {.size = 2, .local_size = 1, .sharers = 1, .name = "test", .ops = &ops};
    ct_exec *ex = op_exec(run);

    ex->norm_ranks = &ranks;
    batch_norm(run, params);
    ex->norm_ranks = NULL;
}

/* With the scale 1 and shift 0 every channel has mean 0 and variance var / (var + eps); dx is
 * orthogonal to 1 and to y. */
static void batch_norm_moments(op_run *run, const void *params)
{
    enum { ROWS = 500, C = 7 };
    ct_exec *ex = op_exec(run);
    const double tolerance = ex->dtype == CSCTRL_F64 ? 1e-12 : 1e-4;
    const ct_tensor x = OP_INPUT(run, 2, ROWS, C), dy = OP_INPUT(run, 1, ROWS, C);
    ct_tensor scale = OP_OUTPUT(run, C), shift = OP_OUTPUT(run, C);
    ct_tensor mean = OP_OUTPUT(run, C), var = OP_OUTPUT(run, C);
    ct_tensor y = OP_OUTPUT(run, ROWS, C), dx = OP_OUTPUT(run, ROWS, C);

    (void)params;
    OP_OK(ex->ops->fill(ex, 1, &scale));
    OP_OK(ex->ops->fill(ex, 0, &shift));
    OP_OK(ex->ops->bn_forward(ex, &x, &scale, &shift, 0.5, &y, &mean, &var));
    OP_OK(ex->ops->bn_backward(ex, &x, &dy, &scale, &mean, &var, 0, &dx, NULL, NULL));
    for (int c = 0; c < C; c++) {
        double sum = 0, square = 0, along_1 = 0, along_y = 0;
        for (int64_t i = c; i < (int64_t)ROWS * C; i += C) {
            sum += op_get(&y, i);
            square += op_get(&y, i) * op_get(&y, i);
            along_1 += op_get(&dx, i);
            along_y += op_get(&dx, i) * op_get(&y, i);
        }
        const double v = op_get(&var, c);
        op_close("mean of y", sum / ROWS, 0, tolerance);
        op_close("variance of y", square / ROWS, v / (v + 0.5), tolerance);
        op_close("sum of dx", along_1, 0, tolerance);
        op_close("<dx, y>", along_y, 0, tolerance);
    }
}

static void test_batch_norm(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        op_check("batch norm", batch_norm, &shapes[i], 1e-5);
        op_check("batch norm of two ranks", batch_norm_of_ranks, &shapes[i], 1e-5);
    }
    op_alone("ref", CSCTRL_F64, 1, batch_norm_moments, NULL);
    op_alone("auto", CSCTRL_F32, 2, batch_norm_moments, NULL);
}

/* Activations far from zero: the variance must not drown in the mean's square. */
static void large_mean(op_run *run, const void *params)
{
    enum { ROWS = 2000, C = 5 };
    ct_exec *ex = op_exec(run);
    ct_tensor x = OP_INPUT(run, 1, ROWS, C);
    const ct_tensor scale = OP_INPUT(run, 1, C), shift = OP_INPUT(run, 1, C);
    ct_tensor y = OP_OUTPUT(run, ROWS, C), mean = OP_OUTPUT(run, C), var = OP_OUTPUT(run, C);

    (void)params;
    for (int64_t i = 0; i < (int64_t)ROWS * C; i++)
        op_set(&x, i, (double)(float)(op_get(&x, i) + 1000));
    OP_OK(ex->ops->bn_forward(ex, &x, &scale, &shift, EPS, &y, &mean, &var));
    op_keep(run, "mean", &mean);
    op_keep(run, "var", &var);
}

static void test_large_mean(void **state)
{
    (void)state;
    op_check("batch norm far from zero", large_mean, NULL, 1e-6);
}

static void spheres(op_run *run, const void *params)
{
    const shape *s = params;
    ct_exec *ex = op_exec(run);
    ct_tensor x = OP_INPUT(run, 3, s->rows, s->channels);
    ct_tensor dz = OP_INPUT(run, 1, s->rows, s->channels);
    ct_tensor z = OP_OUTPUT(run, s->rows, s->channels), norm = OP_OUTPUT(run, s->rows);
    ct_tensor dx = OP_OUTPUT(run, s->rows, s->channels);

    OP_OK(ex->ops->sphere(ex, &x, &z, &norm));
    op_keep(run, "z", &z);
    op_keep(run, "norm", &norm);
    OP_OK(ex->ops->sphere_backward(ex, &z, &norm, &dz, &dx));
    OP_OK(ex->ops->sphere_backward(ex, &z, &norm, &dz, &dz));
    /* On the unit circle of one dimension there is nowhere to go: dx is rounding. */
    if (s->channels > 1) {
        op_keep(run, "dx", &dx);
        op_keep(run, "dx in place", &dz);
    }
    OP_OK(ex->ops->sphere(ex, &x, &x, &norm));
    op_keep(run, "z in place", &x);
    for (int64_t r = 0; r < s->rows; r++) {
        double squares = 0, radial = 0;
        for (int64_t i = r * s->channels; i < (r + 1) * s->channels; i++) {
            squares += op_get(&z, i) * op_get(&z, i);
            radial += op_get(&z, i) * op_get(&dx, i);
        }
        op_close("|z|^2", squares, 1, 1e-5);
        op_close("<z, dx>", radial, 0, 1e-5);
    }
}

static void zero_row(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    ct_tensor x = OP_INPUT(run, 1, 2, 3), z = OP_OUTPUT(run, 2, 3), norm = OP_OUTPUT(run, 2);

    (void)params;
    for (int i = 0; i < 3; i++)
        op_set(&x, i, 0);
    OP_OK(ex->ops->sphere(ex, &x, &z, &norm));
    op_close("norm of zero", op_get(&norm, 0) * 1e12, 1, 1e-6);
    for (int i = 0; i < 3; i++)
        op_close("zero on the sphere", op_get(&z, i), 0, 0);
}

static void test_sphere(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        op_check("sphere", spheres, &shapes[i], 1e-5);
    op_alone("ref", CSCTRL_F64, 1, zero_row, NULL);
    op_alone("auto", CSCTRL_F32, 1, zero_row, NULL);
}

static void atoms(op_run *run, const void *params)
{
    const shape *s = params;
    ct_exec *ex = op_exec(run);
    ct_tensor W = OP_INPUT(run, 5, s->rows, s->channels, 3, 3);
    const int64_t d = s->channels * 9;

    for (int64_t i = 0; i < d; i++)
        op_set(&W, i, s->rows > 1 ? 0 : op_get(&W, i)); /* a dead atom stays zero */
    OP_OK(ex->ops->unit_atoms(ex, &W));
    op_keep(run, "W", &W);
    for (int64_t a = 0; a < s->rows; a++) {
        double squares = 0;
        for (int64_t i = a * d; i < (a + 1) * d; i++)
            squares += op_get(&W, i) * op_get(&W, i);
        op_close("|atom|^2", squares, s->rows > 1 && a == 0 ? 0 : 1, 1e-5);
    }
}

static void test_unit_atoms(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPES; i++)
        op_check("unit_atoms", atoms, &shapes[i], 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_large_mean),
        cmocka_unit_test(test_sphere),
        cmocka_unit_test(test_unit_atoms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
