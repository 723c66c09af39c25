/* test_conv.c - the convolutional dictionary on every backend. `--bench [THREADS]` times it
 * instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "support/op_harness.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const op_conv_shape specs[] = {
    {2, 8, 8, 1, 16, 4, 2, 1},    {1, 8, 8, 16, 32, 4, 2, 1},   {3, 9, 7, 3, 7, 3, 1, 1},
    {5, 7, 7, 5, 7, 3, 2, 1},     {2, 10, 10, 3, 20, 4, 3, 0},  {2, 11, 11, 5, 7, 5, 2, 2},
    {4, 4, 4, 64, 64, 4, 1, 0},   {2, 6, 6, 7, 5, 1, 1, 0},     {2, 7, 7, 8, 7, 1, 2, 0},
    {3, 8, 8, 16, 32, 4, 2, 1},   {2, 8, 8, 33, 17, 3, 1, 1},   {1, 5, 5, 2, 3, 5, 1, 2},
    {1, 4, 4, 3, 9, 4, 1, 0},     {2, 12, 12, 24, 40, 3, 3, 0}, {2, 6, 10, 4, 16, 4, 2, 1},
    {2, 9, 9, 1, 7, 3, 1, 2},     {1, 6, 6, 8, 8, 3, 1, 2},     {2, 8, 8, 3, 7, 2, 3, 0},
    {2, 8, 8, 12, 16, 2, 3, 0},   {4, 10, 10, 1, 5, 1, 3, 0},   {16, 32, 32, 1, 16, 4, 2, 1},
    {8, 16, 16, 16, 32, 4, 2, 1}, {2, 16, 16, 64, 64, 3, 1, 1}, {5, 3, 3, 1, 1, 3, 1, 1},
    {9, 12, 20, 32, 48, 4, 2, 1}, {5, 11, 9, 16, 16, 3, 1, 1},  {40, 8, 8, 16, 80, 4, 2, 1},
    {2, 6, 10, 16, 32, 4, 2, 1},  {1, 4, 4, 32, 48, 4, 2, 1},   {2, 4, 4, 32, 48, 4, 1, 0},
    {40, 5, 6, 16, 32, 4, 2, 0},  {9, 11, 9, 16, 16, 4, 4, 0},  {9, 12, 8, 16, 16, 4, 4, 0},
    {2, 27, 27, 3, 16, 4, 2, 1},
};

static const char *text(const op_conv_shape *s)
{
    static char out[96];

    snprintf(out, sizeof out, "n%d %dx%dx%d -> %d, k%d s%d p%d", s->n, s->h, s->w, s->c, s->atoms,
             s->kernel, s->stride, s->pad);
    return out;
}

/* A convolution with its memory, its dictionary packed, an image and a code. */
typedef struct setup {
    ct_conv conv;
    ct_geom g;
    ct_tensor W, img, code;
} setup;

static setup prepare(op_run *run, const op_conv_shape *s)
{
    const ct_geom g = op_geom(s);
    setup u = {.g = g};

    u.W = OP_INPUT(run, 0.3, g.atoms, g.c, g.kernel, g.kernel);
    u.img = OP_INPUT(run, 1, g.n, g.h, g.w, g.c);
    u.code = OP_INPUT(run, 1, g.n, g.oh, g.ow, g.atoms);
    u.conv = op_conv(run, &g, &u.W);
    return u;
}

static void slots(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, params);
    const ct_geom *g = &u.g;
    ct_tensor code = OP_OUTPUT(run, g->n, g->oh, g->ow, g->atoms);
    ct_tensor img = OP_OUTPUT(run, g->n, g->h, g->w, g->c);
    ct_tensor dW = OP_INPUT(run, 1, g->atoms, g->c, g->kernel, g->kernel);

    csctrl_memory_stats before, after;
    csctrl_memory_get_stats(&before);
    OP_OK(ex->ops->analysis(ex, &u.conv, &u.img, &code));
    OP_OK(ex->ops->synthesis(ex, &u.conv, &u.code, &img));
    OP_OK(ex->ops->dict_grad(ex, &u.conv, 0.5, &u.img, &u.code, &dW));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.allocations, before.allocations);
    op_keep(run, "code", &code);
    op_keep(run, "img", &img);
    op_keep(run, "dW", &dW);

    /* The dictionary changes: everything packed must follow. */
    for (int64_t i = 0; i < csctrl_tensor_count(&u.W); i++)
        op_set(&u.W, i, op_get(&dW, csctrl_tensor_count(&dW) - 1 - i));
    OP_OK(ex->ops->conv_pack(ex, &u.conv, &u.W));
    OP_OK(ex->ops->analysis(ex, &u.conv, &u.img, &code));
    OP_OK(ex->ops->synthesis(ex, &u.conv, &u.code, &img));
    op_keep(run, "code of the second dictionary", &code);
    op_keep(run, "img of the second dictionary", &img);
    ex->ops->conv_destroy(ex, &u.conv);
    assert_null(u.conv.impl);
}

static void test_every_backend(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++) {
        op_check(text(&specs[i]), slots, &specs[i], 1e-5);
        op_check_bf16(text(&specs[i]), slots, &specs[i], 5e-2);
    }
}

/* ---- double ref against formulas written again, as scatters over image pixels */

typedef struct tap {
    int64_t img, code, weight;
} tap;

/* Every product of the trilinear form sum code W img; the caller's function sees each once. */
static void for_each_tap(const ct_geom *g, void (*visit)(void *user, const tap *t), void *user)
{
    for (int c = 0; c < g->c; c++)
        for (int a = 0; a < g->atoms; a++)
            for (int iy = 0; iy < g->h; iy++)
                for (int ix = 0; ix < g->w; ix++)
                    for (int oy = 0; oy < g->oh; oy++)
                        for (int ox = 0; ox < g->ow; ox++) {
                            const int ky = iy - (oy * g->stride - g->pad);
                            const int kx = ix - (ox * g->stride - g->pad);
                            if (ky < 0 || kx < 0 || ky >= g->kernel || kx >= g->kernel)
                                continue;
                            for (int n = 0; n < g->n; n++)
                                visit(user,
                                      &(tap){
                                          .img = ((n * g->h + iy) * g->w + ix) * g->c + c,
                                          .code = ((n * g->oh + oy) * g->ow + ox) * g->atoms + a,
                                          .weight =
                                              ((a * g->c + c) * g->kernel + ky) * g->kernel + kx,
                                      });
                        }
}

typedef struct sums {
    const double *W, *x, *z;
    double *code, *img, *dW;
} sums;

static void add_tap(void *user, const tap *t)
{
    const sums *s = user;

    s->code[t->code] += s->W[t->weight] * s->x[t->img];
    s->img[t->img] += s->W[t->weight] * s->z[t->code];
    s->dW[t->weight] += s->z[t->code] * s->x[t->img];
}

static void expect_equal(const char *what, const ct_tensor *got, const double *want)
{
    for (int64_t i = 0; i < csctrl_tensor_count(got); i++)
        op_close(what, op_get(got, i), want[i], 1e-12);
}

static ct_tensor zeros(op_run *run, const ct_tensor *like)
{
    ct_tensor t = op_output(run, like->ndim, like->shape);

    OP_OK(op_exec(run)->ops->fill(op_exec(run), 0, &t));
    return t;
}

static void formulas(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, params);
    ct_tensor code = zeros(run, &u.code), img = zeros(run, &u.img), dW = zeros(run, &u.W);
    const ct_tensor code2 = zeros(run, &u.code), img2 = zeros(run, &u.img), dW2 = zeros(run, &u.W);

    OP_OK(ex->ops->analysis(ex, &u.conv, &u.img, &code));
    OP_OK(ex->ops->synthesis(ex, &u.conv, &u.code, &img));
    OP_OK(ex->ops->dict_grad(ex, &u.conv, 1, &u.img, &u.code, &dW));
    const sums s = {u.W.data, u.img.data, u.code.data, code2.data, img2.data, dW2.data};
    for_each_tap(&u.g, add_tap, (void *)(uintptr_t)&s);
    expect_equal("analysis", &code, s.code);
    expect_equal("synthesis", &img, s.img);
    expect_equal("dict_grad", &dW, s.dW);
    ex->ops->conv_destroy(ex, &u.conv);
}

static void test_ref_formulas(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++)
        if (specs[i].n * specs[i].atoms * specs[i].c < 1000)
            op_alone("ref", CSCTRL_F64, 1, formulas, &specs[i]);
}

static double inner(const ct_tensor *a, const ct_tensor *b)
{
    double sum = 0;

    for (int64_t i = 0; i < csctrl_tensor_count(a); i++)
        sum += op_get(a, i) * op_get(b, i);
    return sum;
}

/* <A z, x> = <z, A* x>, and <dW, V> = <z, A*(V) x> for any V. */
static void identities(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    setup u = prepare(run, params);
    const ct_geom *g = &u.g;
    ct_tensor code = zeros(run, &u.code), img = zeros(run, &u.img), dW = zeros(run, &u.W);
    const double tolerance = ex->dtype == CSCTRL_F64 ? 1e-11 : 1e-3;

    OP_OK(ex->ops->analysis(ex, &u.conv, &u.img, &code));
    OP_OK(ex->ops->synthesis(ex, &u.conv, &u.code, &img));
    op_close("adjoint", inner(&img, &u.img), inner(&u.code, &code), tolerance);
    OP_OK(ex->ops->dict_grad(ex, &u.conv, 1, &u.img, &u.code, &dW));
    for (int i = 0; i < 3; i++) {
        const ct_tensor V = OP_INPUT(run, 1, g->atoms, g->c, g->kernel, g->kernel);
        OP_OK(ex->ops->conv_pack(ex, &u.conv, &V));
        OP_OK(ex->ops->analysis(ex, &u.conv, &u.img, &code));
        op_close("derivative", inner(&dW, &V), inner(&u.code, &code), tolerance);
    }
    ex->ops->conv_destroy(ex, &u.conv);
}

static void test_identities(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++) {
        op_alone("ref", CSCTRL_F64, 1, identities, &specs[i]);
        op_alone("auto", CSCTRL_F32, 2, identities, &specs[i]);
    }
}

/* ---- speed */

static const op_conv_shape speeds[] = {
    {256, 32, 32, 1, 16, 4, 2, 1},  {256, 16, 16, 16, 32, 4, 2, 1}, {256, 8, 8, 32, 64, 4, 2, 1},
    {256, 4, 4, 64, 64, 4, 1, 0},   {128, 32, 32, 3, 64, 4, 2, 1},  {128, 16, 16, 64, 128, 4, 2, 1},
    {128, 8, 8, 128, 256, 4, 2, 1}, {128, 4, 4, 256, 128, 4, 1, 0}, {32, 32, 32, 64, 64, 3, 1, 1},
    {1, 16, 16, 16, 32, 4, 2, 1},
};

/* Shortest time of many runs of 0 analysis, 1 synthesis, 2 dict_grad: what else the machine does
 * only ever adds to it. */
static double seconds(ct_exec *ex, setup *u, ct_tensor *dW, int op)
{
    double best = 1e9;
    const double start = ct_now();

    for (int i = 0; i < 200 && (i < 10 || ct_now() - start < 0.7); i++) {
        const double begin = ct_now();
        if (op == 0)
            OP_OK(ex->ops->analysis(ex, &u->conv, &u->img, &u->code));
        else if (op == 1)
            OP_OK(ex->ops->synthesis(ex, &u->conv, &u->code, &u->img));
        else
            OP_OK(ex->ops->dict_grad(ex, &u->conv, 1, &u->img, &u->code, dW));
        const double time = ct_now() - begin;
        best = time < best ? time : best;
    }
    return best;
}

static void bench(op_run *run, const void *params)
{
    setup u = prepare(run, params);
    const ct_geom *g = &u.g;
    ct_tensor dW = zeros(run, &u.W);
    const double flop = 2.0 * g->n * g->oh * g->ow * g->atoms * g->c * g->kernel * g->kernel;

    printf("%-32s", text(params));
    for (int op = 0; op < 3; op++)
        printf(" %9.1f", flop / seconds(op_exec(run), &u, &dW, op) * 1e-9);
    printf("  %7.2f MiB scratch\n", (double)u.conv.scratch_bytes / (1 << 20));
    op_exec(run)->ops->conv_destroy(op_exec(run), &u.conv);
}

static int run_bench(int threads)
{
    printf("%-32s %9s %9s %9s  (%d threads)\n", "GFLOP/s", "analysis", "synthesis", "dict_grad",
           threads);
    for (size_t i = 0; i < COUNT(speeds); i++)
        op_alone("cpu", CSCTRL_F32, threads, bench, &speeds[i]);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_backend),
        cmocka_unit_test(test_ref_formulas),
        cmocka_unit_test(test_identities),
    };

    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return run_bench(argc > 2 ? atoi(argv[2]) : 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
