/* test_elementwise.c - FISTA updates, activations, sums, layout, reductions, Adam and memory. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/crop.h"
#include "support/op_harness.h"

/* Around one vector, one chunk and several chunks. */
static const int64_t sizes[] = {1, 3, 16, 17, 1000, 16384, 16385, 70001};
enum { SIZES = sizeof sizes / sizeof *sizes };

typedef struct csc_params {
    int64_t size;
    double eta, lambda, mu;
    bool nonneg;
} csc_params;

static ct_prox prox_of(op_run *run, const csc_params *p)
{
    return (ct_prox){op_put(run, &p->eta, sizeof p->eta), p->lambda, p->mu, p->nonneg};
}

/* All uses that the contract allows: y or not, y_next or not, y_next in y, z_next in grad. */
static void csc_updates(op_run *run, const void *params)
{
    const csc_params *p = params;
    const ct_prox prox = prox_of(run, p);
    ct_exec *ex = op_exec(run);
    ct_tensor grad = OP_INPUT(run, 1, p->size), z_prev = OP_INPUT(run, 1, p->size);
    ct_tensor y = OP_INPUT(run, 1, p->size);
    ct_tensor z = OP_OUTPUT(run, p->size), y_next = OP_OUTPUT(run, p->size);

    OP_OK(ex->ops->csc_update(ex, &prox, 0, &grad, NULL, NULL, &z, NULL));
    op_keep(run, "z of the first step", &z);
    OP_OK(ex->ops->csc_update(ex, &prox, 0, &grad, &y, NULL, &z, NULL));
    op_keep(run, "z without momentum", &z);
    OP_OK(ex->ops->csc_update(ex, &prox, 0.4, &grad, &y, &z_prev, &z, &y_next));
    op_keep(run, "z", &z);
    op_keep(run, "y", &y_next);
    OP_OK(ex->ops->csc_update(ex, &prox, 0.4, &grad, NULL, &z_prev, &z, &y_next));
    op_keep(run, "y from zero", &y_next);
    OP_OK(ex->ops->csc_update(ex, &prox, 0.4, &grad, &y, &z_prev, &grad, &y));
    op_keep(run, "z in place", &grad);
    op_keep(run, "y in place", &y);
}

static void csc_backward(op_run *run, const void *params)
{
    const csc_params *p = params;
    const ct_prox prox = prox_of(run, p);
    ct_exec *ex = op_exec(run);
    const ct_tensor grad = OP_INPUT(run, 1, p->size);
    ct_tensor dz = OP_INPUT(run, 1, p->size);
    ct_tensor z = OP_OUTPUT(run, p->size), g = OP_OUTPUT(run, p->size);

    OP_OK(ex->ops->csc_update(ex, &prox, 0, &grad, NULL, NULL, &z, NULL));
    OP_OK(ex->ops->csc_update_backward(ex, &prox, &z, &dz, &g));
    op_keep(run, "g", &g);
    OP_OK(ex->ops->csc_update_backward(ex, &prox, &z, &dz, &dz));
    op_keep(run, "g in place", &dz);
}

static void test_csc(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++)
        for (int nonneg = 0; nonneg < 2; nonneg++) {
            const csc_params p = {sizes[i], 0.5, 0.8, nonneg ? 0 : 0.3, nonneg};
            op_check("csc_update", csc_updates, &p, 1e-5);
            op_check("csc_update_backward", csc_backward, &p, 1e-5);
        }
}

/* eta 0.5, lambda 0.8, mu 0.6: threshold 0.4, scale 1/1.3. */
static void csc_values(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    const bool nonneg = *(const bool *)params;
    const ct_prox prox = prox_of(run, &(csc_params){0, 0.5, 0.8, 0.6, nonneg});
    const double v[] = {2, 0.75, 0.5, 0, -0.75, -2, NAN};
    const double want[] = {0.6 / 1.3, 0, 0, 0, 0, nonneg ? 0 : -0.6 / 1.3, NAN};
    ct_tensor grad = OP_INPUT(run, 1, 7), z = OP_OUTPUT(run, 7);

    for (int i = 0; i < 7; i++)
        op_set(&grad, i, v[i]);
    OP_OK(ex->ops->csc_update(ex, &prox, 0, &grad, NULL, NULL, &z, NULL));
    for (int i = 0; i < 6; i++)
        op_close("prox", op_get(&z, i), want[i], 1e-7);
    assert_true(isnan(op_get(&z, 6)));
    for (int i = 0; i < 7; i++)
        op_set(&grad, i, 1);
    OP_OK(ex->ops->csc_update_backward(ex, &prox, &z, &grad, &grad));
    for (int i = 0; i < 6; i++)
        op_close("prox'", op_get(&grad, i), want[i] != 0 ? 0.5 / 1.3 : 0, 1e-7);
}

static void test_csc_values(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const bool nonneg = i == 1;
        op_alone("ref", CSCTRL_F64, 1, csc_values, &nonneg);
        op_alone("auto", CSCTRL_F32, 1, csc_values, &nonneg);
    }
}

static void activations(op_run *run, const void *params)
{
    const int64_t size = *(const int64_t *)params;
    ct_exec *ex = op_exec(run);

    for (ct_act kind = CT_RELU; kind <= CT_TANH; kind++) {
        ct_tensor x = OP_INPUT(run, 2, size), dy = OP_INPUT(run, 1, size);
        ct_tensor y = OP_OUTPUT(run, size), dx = OP_OUTPUT(run, size);
        OP_OK(ex->ops->act(ex, kind, 0.2, &x, &y));
        OP_OK(ex->ops->act_backward(ex, kind, 0.2, &y, &dy, &dx));
        op_keep(run, "y", &y);
        op_keep(run, "dx", &dx);
        OP_OK(ex->ops->act(ex, kind, 0.2, &x, &x));
        OP_OK(ex->ops->act_backward(ex, kind, 0.2, &y, &dy, &dy));
        op_keep(run, "y in place", &x);
        op_keep(run, "dx in place", &dy);
    }
}

static void act_values(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    const double v[] = {-1000, -9, -1, -1e-4, 0, 1e-4, 0.5, 3, 9, 1000};
    ct_tensor x = OP_INPUT(run, 1, 10), y = OP_OUTPUT(run, 10), dx = OP_OUTPUT(run, 10);

    (void)params;
    for (int i = 0; i < 10; i++)
        op_set(&x, i, v[i]);
    OP_OK(ex->ops->act(ex, CT_TANH, 0, &x, &y));
    for (int i = 0; i < 10; i++) {
        op_close("tanh", op_get(&y, i) / (v[i] == 0 ? 1 : tanh(v[i])), v[i] != 0, 1e-6);
        assert_true(fabs(op_get(&y, i)) <= 1);
    }
    OP_OK(ex->ops->act(ex, CT_LEAKY_RELU, 0.2, &x, &y));
    for (int i = 0; i < 10; i++)
        op_close("leaky relu", op_get(&y, i), v[i] > 0 ? v[i] : 0.2 * v[i], 1e-6);
    OP_OK(ex->ops->fill(ex, 1, &x));
    OP_OK(ex->ops->act_backward(ex, CT_LEAKY_RELU, 0.2, &y, &x, &dx));
    for (int i = 0; i < 10; i++)
        op_close("leaky relu'", op_get(&dx, i), v[i] > 0 ? 1 : 0.2, 1e-6);
    OP_OK(ex->ops->act_backward(ex, CT_RELU, 0.2, &y, &x, &dx));
    for (int i = 0; i < 10; i++)
        op_close("relu'", op_get(&dx, i), v[i] > 0 ? 1 : 0, 0);
}

static void test_act(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++)
        op_check("act", activations, &sizes[i], 1e-5);
    op_alone("ref", CSCTRL_F64, 1, act_values, NULL);
    op_alone("auto", CSCTRL_F32, 1, act_values, NULL);
}

static void sums(op_run *run, const void *params)
{
    const int64_t size = *(const int64_t *)params;
    ct_exec *ex = op_exec(run);
    ct_tensor x = OP_INPUT(run, 1, size), y = OP_INPUT(run, 1, size), z = OP_OUTPUT(run, size);

    OP_OK(ex->ops->axpby(ex, 0.3, &x, -1.5, &y));
    op_keep(run, "a x + b y", &y);
    OP_OK(ex->ops->axpby(ex, 0.3, &x, 0, &z));
    op_keep(run, "a x", &z);
    OP_OK(ex->ops->axpby(ex, 0.25, &x, 0.5, &x));
    op_keep(run, "a x + b x", &x);
    OP_OK(ex->ops->fill(ex, 0.1, &x));
    op_keep(run, "fill", &x);
}

static void reductions(op_run *run, const void *params)
{
    const int64_t size = *(const int64_t *)params;
    ct_exec *ex = op_exec(run);
    ct_tensor x = OP_INPUT(run, 1, size);
    double sum, expected = 0, zeros;

    for (int64_t i = 0; i < size; i++) {
        if (i % 3 == 0)
            op_set(&x, i, i % 2 == 0 ? 0.0 : -0.0);
        expected += op_get(&x, i) * op_get(&x, i);
    }
    OP_OK(ex->ops->sum_squares(ex, &x, &sum));
    OP_OK(ex->ops->count_zeros(ex, &x, &zeros));
    op_close("sum of squares", sum, expected, 1e-12);
    op_close("zeros", zeros, (double)((size + 2) / 3), 0);
    op_keep_number(run, "sum of squares", sum);
    op_set(&x, size - 1, NAN);
    OP_OK(ex->ops->sum_squares(ex, &x, &sum));
    assert_true(isnan(sum));
    op_set(&x, size - 1, -INFINITY);
    OP_OK(ex->ops->sum_squares(ex, &x, &sum));
    assert_true(isinf(sum));
}

static void test_sums(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        op_check("axpby, fill", sums, &sizes[i], 1e-6);
        op_check("reductions", reductions, &sizes[i], 1e-12);
    }
}

static void layouts(op_run *run, const void *params)
{
    const int64_t *s = params, n = s[0], h = s[1], w = s[2], c = s[3];
    ct_exec *ex = op_exec(run);
    const ct_tensor nchw = OP_INPUT(run, 1, n, c, h, w);
    ct_tensor nhwc = OP_OUTPUT(run, n, h, w, c), back = OP_OUTPUT(run, n, c, h, w);

    OP_OK(ex->ops->to_nhwc(ex, &nchw, &nhwc));
    OP_OK(ex->ops->to_nchw(ex, &nhwc, &back));
    for (int64_t i = 0; i < n * h * w * c; i++) {
        const int64_t ic = i % c, ix = i / c % w, iy = i / c / w % h, in = i / c / w / h;
        op_close("nhwc", op_get(&nhwc, i), op_get(&nchw, ((in * c + ic) * h + iy) * w + ix), 0);
    }
    op_keep(run, "nhwc", &nhwc);
    op_keep(run, "nchw", &back);
}

typedef struct bytes_params {
    int n, h, w, c;
    const ct_crop *crops; /* [n], or NULL */
} bytes_params;

static void bytes(op_run *run, const void *params)
{
    const bytes_params *p = params;
    const int64_t n = p->n, h = p->h, w = p->w, c = p->c, count = n * h * w * c;
    const ct_crop *crops =
        p->crops == NULL ? NULL : op_put(run, p->crops, (size_t)n * sizeof *p->crops);
    ct_exec *ex = op_exec(run);
    unsigned char *host = malloc((size_t)count);
    ct_tensor nhwc = OP_OUTPUT(run, n, h, w, c);

    assert_non_null(host);
    for (int64_t i = 0; i < count; i++)
        host[i] = (unsigned char)(i * 37 + i / 256);
    const ct_tensor nchw = csctrl_tensor_view(CSCTRL_U8, 4, (const int64_t[]){n, c, h, w},
                                              op_put(run, host, (size_t)count));
    OP_OK(ex->ops->from_bytes(ex, &nchw, crops, &nhwc));
    for (int64_t i = 0; i < count; i++) {
        const int64_t ic = i % c, ix = i / c % w, iy = i / c / w % h, in = i / c / w / h;
        const ct_crop v = p->crops == NULL ? (ct_crop){0} : p->crops[in];
        const unsigned char byte =
            host[(in * c + ic) * h * w + cropped_pixel(v, (int)iy, (int)ix, p->h, p->w)];
        op_close("pixel", op_get(&nhwc, i), (double)((float)byte / 127.5F - 1.0F), 0);
    }
    op_keep(run, "pixels", &nhwc);
    free(host);
}

static void test_layout(void **state)
{
    static const int shapes[][4] = {{1, 1, 1, 1},  {2, 3, 5, 1},  {3, 7, 5, 3},
                                    {2, 33, 2, 5}, {4, 8, 8, 40}, {2, 32, 32, 3}};

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int *s = shapes[i];
        op_check("layout", layouts, (const int64_t[]){s[0], s[1], s[2], s[3]}, 0);
        op_check("bytes", bytes, &(bytes_params){s[0], s[1], s[2], s[3], NULL}, 0);
    }
}

/* Shifts of up to `reach` in both directions, mirrored and not, also much beyond the image. */
static void test_crops(void **state)
{
    enum { MOST = 2 * 23 * 23 };
    static const struct {
        int h, w, c, reach, step;
    } cases[] = {{1, 1, 1, 2, 1},  {1, 2, 3, 4, 1},  {2, 1, 2, 4, 1},    {2, 2, 1, 7, 1},
                 {3, 5, 2, 11, 1}, {4, 4, 3, 64, 8}, {17, 33, 3, 36, 18}};
    static ct_crop crops[MOST];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int reach = cases[i].reach, step = cases[i].step;
        int n = 0;
        for (int dy = -reach; dy <= reach; dy += step)
            for (int dx = -reach; dx <= reach; dx += step)
                for (int flip = 0; flip < 2; flip++) {
                    assert_true(n < MOST);
                    crops[n++] = (ct_crop){dx, dy, flip == 1};
                }
        op_check("crops", bytes, &(bytes_params){n, cases[i].h, cases[i].w, cases[i].c, crops}, 0);
    }
}

/* Two steps; the second moments start from the first step's. */
/* Two tensors, the second of 4 atoms where its size allows. */
typedef struct update_params {
    int64_t size;
    double clip; /* as a share of the gradient's norm */
} update_params;

static void updates(op_run *run, const void *params)
{
    const update_params *u = params;
    const int64_t size = u->size;
    ct_exec *ex = op_exec(run);
    ct_tensor p[2], m[2], v[2], g[2];
    ct_update list[2];
    double *const norm = op_memory(run, sizeof *norm);
    double got = NAN;

    for (int i = 0; i < 2; i++) {
        p[i] = i == 0 ? OP_INPUT(run, 1, size) : OP_INPUT(run, 1, 4, size, 1, 1);
        m[i] = OP_OUTPUT(run, i == 0 ? size : 4 * size);
        v[i] = OP_OUTPUT(run, i == 0 ? size : 4 * size);
        OP_OK(ex->ops->fill(ex, 0, &m[i]));
        OP_OK(ex->ops->fill(ex, 0, &v[i]));
        list[i] = (ct_update){&p[i], &m[i], &v[i], &g[i], i == 1};
    }
    for (int t = 1; t <= 2; t++) {
        g[0] = OP_INPUT(run, 1, size);
        g[1] = OP_INPUT(run, 1, 4 * size);
        const ct_adam adam = {.lr = t == 1 ? 0.1 : -0.05,
                              .beta1 = 0.5,
                              .beta2 = 0.999,
                              .eps = 1e-8,
                              .bias1 = 1 - pow(0.5, t),
                              .bias2 = 1 - pow(0.999, t),
                              .clip = u->clip * sqrt(5 * (double)size)};
        OP_OK(ex->ops->update(ex, op_put(run, &adam, sizeof adam), list, 2, norm));
        op_fetch(run, &got, norm, sizeof got);
        op_keep_number(run, "norm", got);
    }
    for (int i = 0; i < 2; i++) {
        op_keep(run, "p", &p[i]);
        op_keep(run, "m", &m[i]);
        op_keep(run, "v", &v[i]);
    }
}

/* The first step is lr times the gradient's sign, whatever its size. */
static void adam_sign(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    ct_tensor p = OP_OUTPUT(run, 50), m = OP_OUTPUT(run, 50), v = OP_OUTPUT(run, 50);
    const ct_tensor g = OP_INPUT(run, 1000, 50);
    const ct_adam adam = {0.01, 0.9, 0.999, 1e-8, 0.1, 0.001, 0};
    const ct_update update = {&p, &m, &v, &g, false};

    (void)params;
    OP_OK(ex->ops->fill(ex, 0, &p));
    OP_OK(ex->ops->fill(ex, 0, &m));
    OP_OK(ex->ops->fill(ex, 0, &v));
    OP_OK(ex->ops->update(ex, op_put(run, &adam, sizeof adam), &update, 1,
                          op_memory(run, sizeof(double))));
    for (int i = 0; i < 50; i++)
        op_close("step", op_get(&p, i), op_get(&g, i) > 0 ? 0.01 : -0.01, 1e-7);
}

/* A gradient that is not finite changes nothing, in no tensor of the move, and its norm tells. */
static void update_not_finite(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    ct_tensor p[2], m[2], v[2], g[2];
    ct_update list[2];
    double *const norm = op_memory(run, sizeof *norm);
    const ct_adam adam = {0.01, 0.9, 0.999, 1e-8, 0.1, 0.001, 1};
    double got = 0;

    for (int i = 0; i < 2; i++) {
        p[i] = OP_INPUT(run, 1, 3, 20);
        m[i] = OP_INPUT(run, 1, 60);
        v[i] = OP_INPUT(run, 1, 60);
        g[i] = OP_INPUT(run, 1, 60);
        list[i] = (ct_update){&p[i], &m[i], &v[i], &g[i], true};
    }
    op_set(&g[1], 59, *(const double *)params);
    op_keep(run, "before", &p[0]);
    OP_OK(ex->ops->update(ex, op_put(run, &adam, sizeof adam), list, 2, norm));
    op_fetch(run, &got, norm, sizeof got);
    assert_true(!isfinite(got));
    op_keep(run, "p of a sound gradient", &p[0]);
    op_keep(run, "p", &p[1]);
    op_keep(run, "m", &m[1]);
    op_keep(run, "v", &v[0]);
}

static void test_update(void **state)
{
    const double bad[] = {(double)NAN, (double)INFINITY};

    (void)state;
    for (int i = 0; i < SIZES; i++) {
        op_check("update", updates, &(update_params){sizes[i], 0}, 1e-5);
        op_check("update, clipped", updates, &(update_params){sizes[i], 0.8}, 1e-5);
        op_check("update, clip above the norm", updates, &(update_params){sizes[i], 1e3}, 1e-5);
    }
    for (int i = 0; i < 2; i++)
        op_check("update, not finite", update_not_finite, &bad[i], 0);
    op_alone("ref", CSCTRL_F64, 1, adam_sign, NULL);
    op_alone("auto", CSCTRL_F32, 1, adam_sign, NULL);
}

/* ---- power iteration */

static void units(op_run *run, const void *params)
{
    const int64_t size = *(const int64_t *)params;
    ct_exec *ex = op_exec(run);
    const ct_tensor x = OP_INPUT(run, 1, size);
    ct_tensor u = OP_OUTPUT(run, size), zero = OP_OUTPUT(run, size);
    double *const eta = op_memory(run, sizeof *eta);
    double got = 0;

    OP_OK(ex->ops->unit(ex, &x, &u, 0, NULL));
    op_keep(run, "u", &u);
    OP_OK(ex->ops->unit(ex, &x, NULL, 0.9, eta));
    op_fetch(run, &got, eta, sizeof got);
    op_keep_number(run, "eta", got);
    OP_OK(ex->ops->fill(ex, 0, &zero));
    OP_OK(ex->ops->unit(ex, &zero, &u, 0.9, eta));
    op_fetch(run, &got, eta, sizeof got);
    assert_true(!isfinite(got));
    op_keep(run, "u of nothing", &u);
}

static void test_unit(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++)
        op_check("unit", units, &sizes[i], 1e-6);
}

static void memory(op_run *run, const void *params)
{
    ct_exec *ex = op_exec(run);
    unsigned char host[300], back[300];
    void *block;

    (void)params;
    for (int i = 0; i < 300; i++)
        host[i] = (unsigned char)(i * 7);
    OP_OK(ex->ops->mem_alloc(ex, 300, &block));
    assert_int_equal((uintptr_t)block % 64, 0);
    OP_OK(ex->ops->download(ex, back, block, 300));
    for (int i = 0; i < 300; i++)
        assert_int_equal(back[i], 0);
    OP_OK(ex->ops->upload(ex, block, host, 300));
    OP_OK(ex->ops->download(ex, back, block, 300));
    assert_memory_equal(host, back, 300);
    ex->ops->mem_free(ex, block);
}

static void test_memory(void **state)
{
    (void)state;
    op_alone("ref", CSCTRL_F64, 1, memory, NULL);
    op_alone("auto", CSCTRL_F32, 1, memory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csc),    cmocka_unit_test(test_csc_values),
        cmocka_unit_test(test_act),    cmocka_unit_test(test_sums),
        cmocka_unit_test(test_layout), cmocka_unit_test(test_crops),
        cmocka_unit_test(test_update), cmocka_unit_test(test_unit),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
