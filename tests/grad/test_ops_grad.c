/* test_ops_grad.c - every backward operation against central differences of its forward one, in
 * double on the reference backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grad/kit.h"

/* gradient = start + scale * differences, for operations that accumulate. */
static ct_tensor accumulated(kit *k, const ct_tensor *start, double scale,
                             const ct_tensor *differences)
{
    const ct_tensor sum = kit_like(k, start);

    for (int64_t i = 0; i < csctrl_tensor_count(start); i++)
        kit_set(&sum, i, kit_get(start, i) + scale * kit_get(differences, i));
    return sum;
}

/* ---- the dictionary in its two roles */

static double analysis_value(kit *k, void *user)
{
    kit_dict *d = user;
    ct_tensor code = kit_like(k, &d->code);

    KIT_OK(k->ex->ops->conv_pack(k->ex, &d->conv, &d->W));
    KIT_OK(k->ex->ops->analysis(k->ex, &d->conv, &d->img, &code));
    const double value = kit_dot(&code, &d->code);
    kit_drop(k);
    return value;
}

static double synthesis_value(kit *k, void *user)
{
    kit_dict *d = user;
    ct_tensor img = kit_like(k, &d->img);

    KIT_OK(k->ex->ops->conv_pack(k->ex, &d->conv, &d->W));
    KIT_OK(k->ex->ops->synthesis(k->ex, &d->conv, &d->code, &img));
    const double value = kit_dot(&img, &d->img);
    kit_drop(k);
    return value;
}

static void test_dict_grad_in_both_roles(void **state)
{
    kit k;

    (void)state;
    kit_open(&k, 1);
    for (int i = 0; i < 12; i++) {
        const ct_geom g = kit_geometry(&k);
        kit_dict d = kit_dictionary(&k, &g);
        const double scale = i % 2 ? -0.7 : 1.0;
        const ct_tensor start = KIT_RANDOM(&k, g.atoms, g.c, g.kernel, g.kernel);
        ct_tensor dW = kit_copy(&k, &start);

        KIT_OK(k.ex->ops->dict_grad(k.ex, &d.conv, scale, &d.img, &d.code, &dW));
        const ct_tensor analyses = kit_differences(&k, analysis_value, &d, &d.W);
        const ct_tensor synthesises = kit_differences(&k, synthesis_value, &d, &d.W);
        const ct_tensor a = accumulated(&k, &start, scale, &analyses);
        const ct_tensor b = accumulated(&k, &start, scale, &synthesises);
        KIT_AGREE(&dW, &a);
        KIT_AGREE(&dW, &b);
        k.ex->ops->conv_destroy(k.ex, &d.conv);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* Each of A and A* is the backward operation of the other. */
static void test_analysis_and_synthesis_differentiate_each_other(void **state)
{
    kit k;

    (void)state;
    kit_open(&k, 2);
    for (int i = 0; i < 12; i++) {
        const ct_geom g = kit_geometry(&k);
        kit_dict d = kit_dictionary(&k, &g);
        ct_tensor dimg = kit_like(&k, &d.img), dcode = kit_like(&k, &d.code);

        KIT_OK(k.ex->ops->synthesis(k.ex, &d.conv, &d.code, &dimg));
        KIT_OK(k.ex->ops->analysis(k.ex, &d.conv, &d.img, &dcode));
        const ct_tensor by_img = kit_differences(&k, analysis_value, &d, &d.img);
        const ct_tensor by_code = kit_differences(&k, synthesis_value, &d, &d.code);
        assert_true(kit_distance(&dimg, &by_img) < 1e-6);
        KIT_AGREE(&dcode, &by_code);
        k.ex->ops->conv_destroy(k.ex, &d.conv);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* ---- the proximal step */

typedef struct prox_case {
    ct_prox prox;
    ct_tensor grad, y, dz;
} prox_case;

static double prox_value(kit *k, void *user)
{
    prox_case *p = user;
    ct_tensor z = kit_like(k, &p->grad);

    KIT_OK(k->ex->ops->csc_update(k->ex, &p->prox, 0.0, &p->grad, &p->y, NULL, &z, NULL));
    const double value = kit_dot(&z, &p->dz);
    kit_drop(k);
    return value;
}

/* No entry of y + eta grad so near the threshold that a difference would cross it. */
static void leave_thresholds(const prox_case *p)
{
    const double threshold = p->prox.lambda * *p->prox.eta;

    for (int64_t i = 0; i < csctrl_tensor_count(&p->y); i++) {
        const double v = kit_get(&p->y, i) + *p->prox.eta * kit_get(&p->grad, i);
        if (fabs(fabs(v) - threshold) < 1e-3)
            kit_set(&p->y, i, kit_get(&p->y, i) + 5e-3);
    }
}

static void test_csc_update_backward(void **state)
{
    const double etas[] = {0.3, 0.6};
    const ct_prox cases[] = {
        {.eta = &etas[1], .lambda = 0.5, .nonneg = true},
        {.eta = &etas[1], .lambda = 0.5, .mu = 0.7, .nonneg = true},
        {.eta = &etas[0], .lambda = 1.5},
        {.eta = &etas[0], .lambda = 1.5, .mu = 0.2},
        {.eta = &etas[0], .lambda = 0.0, .mu = 0.2},
    };
    kit k;

    (void)state;
    kit_open(&k, 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        prox_case p = {.prox = cases[i],
                       .grad = KIT_RANDOM(&k, 2, 3, 4, 5),
                       .y = KIT_RANDOM(&k, 2, 3, 4, 5),
                       .dz = KIT_RANDOM(&k, 2, 3, 4, 5)};
        leave_thresholds(&p);
        ct_tensor z = kit_like(&k, &p.y), g = kit_copy(&k, &p.dz);

        KIT_OK(k.ex->ops->csc_update(k.ex, &p.prox, 0.0, &p.grad, &p.y, NULL, &z, NULL));
        /* In place, with respect to the gradient of the data term ... */
        KIT_OK(k.ex->ops->csc_update_backward(k.ex, &p.prox, &z, &g, &g));
        ct_tensor differences = kit_differences(&k, prox_value, &p, &p.grad);
        KIT_AGREE(&g, &differences);
        /* ... and into other memory, with respect to the point it is taken from: eta times that. */
        KIT_OK(k.ex->ops->csc_update_backward(k.ex, &p.prox, &z, &p.dz, &g));
        differences = kit_differences(&k, prox_value, &p, &p.y);
        KIT_OK(k.ex->ops->axpby(k.ex, *p.prox.eta, &differences, 0.0, &differences));
        KIT_AGREE(&g, &differences);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* ---- batch normalisation */

typedef struct bn_case {
    ct_tensor x, scale, shift, mean, var, y, dy;
    double eps;
} bn_case;

static double bn_value(kit *k, void *user)
{
    bn_case *b = user;

    KIT_OK(k->ex->ops->bn_forward(k->ex, &b->x, &b->scale, &b->shift, b->eps, &b->y, &b->mean,
                                  &b->var));
    return kit_dot(&b->y, &b->dy);
}

static bn_case make_bn(kit *k, int n, int h, int w, int c, double eps)
{
    return (bn_case){.x = KIT_RANDOM(k, n, h, w, c),
                     .scale = KIT_RANDOM(k, c),
                     .shift = KIT_RANDOM(k, c),
                     .mean = KIT_ZEROS(k, c),
                     .var = KIT_ZEROS(k, c),
                     .y = KIT_ZEROS(k, n, h, w, c),
                     .dy = KIT_RANDOM(k, n, h, w, c),
                     .eps = eps};
}

static void test_bn_backward(void **state)
{
    const int shapes[][4] = {{3, 4, 5, 6}, {7, 1, 1, 3}, {1, 2, 2, 1}, {2, 1, 1, 2}};
    kit k;

    (void)state;
    kit_open(&k, 4);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int *s = shapes[i];
        bn_case b = make_bn(&k, s[0], s[1], s[2], s[3], i % 2 ? 0.3 : 1e-5);
        ct_tensor dx = kit_like(&k, &b.x);
        const ct_tensor dscale0 = KIT_RANDOM(&k, s[3]), dshift0 = KIT_RANDOM(&k, s[3]);
        ct_tensor dscale = kit_copy(&k, &dscale0), dshift = kit_copy(&k, &dshift0);

        bn_value(&k, &b);
        KIT_OK(k.ex->ops->bn_backward(k.ex, &b.x, &b.dy, &b.scale, &b.mean, &b.var, b.eps, &dx,
                                      &dscale, &dshift));
        const ct_tensor by_x = kit_differences(&k, bn_value, &b, &b.x);
        const ct_tensor by_scale = kit_differences(&k, bn_value, &b, &b.scale);
        const ct_tensor by_shift = kit_differences(&k, bn_value, &b, &b.shift);
        const ct_tensor want_scale = accumulated(&k, &dscale0, 1.0, &by_scale);
        const ct_tensor want_shift = accumulated(&k, &dshift0, 1.0, &by_shift);
        KIT_AGREE(&dx, &by_x);
        KIT_AGREE(&dscale, &want_scale);
        KIT_AGREE(&dshift, &want_shift);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* Leaving parts out, or working in place, changes nothing about the rest. */
static void test_bn_backward_in_parts(void **state)
{
    kit k;

    (void)state;
    kit_open(&k, 5);
    bn_case b = make_bn(&k, 3, 2, 2, 4, 1e-5);
    ct_tensor dx = kit_like(&k, &b.x), dscale = KIT_ZEROS(&k, 4), dshift = KIT_ZEROS(&k, 4);
    ct_tensor only_scale = KIT_ZEROS(&k, 4), only_shift = KIT_ZEROS(&k, 4);

    bn_value(&k, &b);
    KIT_OK(k.ex->ops->bn_backward(k.ex, &b.x, &b.dy, &b.scale, &b.mean, &b.var, b.eps, &dx, &dscale,
                                  &dshift));
    KIT_OK(k.ex->ops->bn_backward(k.ex, &b.x, &b.dy, &b.scale, &b.mean, &b.var, b.eps, NULL,
                                  &only_scale, NULL));
    KIT_OK(k.ex->ops->bn_backward(k.ex, &b.x, &b.dy, &b.scale, &b.mean, &b.var, b.eps, NULL, NULL,
                                  &only_shift));
    KIT_OK(k.ex->ops->bn_backward(k.ex, &b.x, &b.dy, &b.scale, &b.mean, &b.var, b.eps, &b.dy, NULL,
                                  NULL));
    assert_true(kit_distance(&b.dy, &dx) < 1e-14);
    assert_true(kit_distance(&only_scale, &dscale) < 1e-14);
    assert_true(kit_distance(&only_shift, &dshift) < 1e-14);
    kit_close(&k);
}

/* ---- activations */

typedef struct act_case {
    ct_act kind;
    double slope;
    ct_tensor x, y, dy;
} act_case;

static double act_value(kit *k, void *user)
{
    act_case *a = user;

    KIT_OK(k->ex->ops->act(k->ex, a->kind, a->slope, &a->x, &a->y));
    return kit_dot(&a->y, &a->dy);
}

static void test_act_backward(void **state)
{
    const ct_act kinds[] = {CT_RELU, CT_LEAKY_RELU, CT_TANH};
    kit k;

    (void)state;
    kit_open(&k, 6);
    for (size_t i = 0; i < 3; i++) {
        act_case a = {.kind = kinds[i],
                      .slope = 0.2,
                      .x = KIT_RANDOM(&k, 3, 4, 5, 6),
                      .y = KIT_ZEROS(&k, 3, 4, 5, 6),
                      .dy = KIT_RANDOM(&k, 3, 4, 5, 6)};
        for (int64_t j = 0; j < csctrl_tensor_count(&a.x); j++)
            if (fabs(kit_get(&a.x, j)) < 1e-3) /* no difference across the corner */
                kit_set(&a.x, j, 0.5);
        ct_tensor dx = kit_like(&k, &a.x), in_place = kit_copy(&k, &a.dy);

        act_value(&k, &a);
        KIT_OK(k.ex->ops->act_backward(k.ex, a.kind, a.slope, &a.y, &a.dy, &dx));
        KIT_OK(k.ex->ops->act_backward(k.ex, a.kind, a.slope, &a.y, &in_place, &in_place));
        const ct_tensor differences = kit_differences(&k, act_value, &a, &a.x);
        KIT_AGREE(&dx, &differences);
        KIT_AGREE(&in_place, &differences);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* At 0 the derivative is that of the negative side, by contract. */
static void test_act_backward_at_zero(void **state)
{
    kit k;

    (void)state;
    kit_open(&k, 7);
    const ct_tensor y = KIT_ZEROS(&k, 1), dy = KIT_RANDOM(&k, 1);
    ct_tensor dx = KIT_RANDOM(&k, 1);

    KIT_OK(k.ex->ops->act_backward(k.ex, CT_RELU, 0.2, &y, &dy, &dx));
    assert_true(kit_get(&dx, 0) == 0.0);
    KIT_OK(k.ex->ops->act_backward(k.ex, CT_LEAKY_RELU, 0.2, &y, &dy, &dx));
    assert_true(kit_get(&dx, 0) == 0.2 * kit_get(&dy, 0));
    kit_close(&k);
}

/* ---- the unit sphere */

typedef struct sphere_case {
    ct_tensor x, z, norm, dz;
} sphere_case;

static double sphere_value(kit *k, void *user)
{
    sphere_case *s = user;

    KIT_OK(k->ex->ops->sphere(k->ex, &s->x, &s->z, &s->norm));
    return kit_dot(&s->z, &s->dz);
}

static void test_sphere_backward(void **state)
{
    const int64_t shapes[][2] = {{5, 7}, {1, 2}, {9, 33}};
    kit k;

    (void)state;
    kit_open(&k, 8);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        sphere_case s = {.x = kit_random(&k, 2, shapes[i]),
                         .z = kit_zeros(&k, 2, shapes[i]),
                         .norm = kit_zeros(&k, 1, shapes[i]),
                         .dz = kit_random(&k, 2, shapes[i])};
        ct_tensor dx = kit_like(&k, &s.x), in_place = kit_copy(&k, &s.dz);

        sphere_value(&k, &s);
        KIT_OK(k.ex->ops->sphere_backward(k.ex, &s.z, &s.norm, &s.dz, &dx));
        KIT_OK(k.ex->ops->sphere_backward(k.ex, &s.z, &s.norm, &in_place, &in_place));
        const ct_tensor differences = kit_differences(&k, sphere_value, &s, &s.x);
        KIT_AGREE(&dx, &differences);
        KIT_AGREE(&in_place, &differences);
        kit_clear(&k);
    }
    kit_close(&k);
}

/* ---- coding rates */

enum { TERMS = 4 };

typedef struct rate_case {
    ct_tensor F;
    double eps2;
    ct_rate_term list[TERMS];
    ct_rate_terms terms;
    void *scratch;
} rate_case;

static double rate_value(kit *k, void *user)
{
    rate_case *r = user;
    double values[TERMS], sum = 0;

    KIT_OK(k->ex->ops->rate_terms(k->ex, &r->F, r->eps2, &r->terms, values, NULL, r->scratch));
    for (int j = 0; j < TERMS; j++)
        sum += r->list[j].weight * values[j];
    return sum;
}

/* All rows, every third row (backwards), a single row and none, with weights of both signs. */
static void test_rate_terms_gradient(void **state)
{
    const int shapes[][2] = {{40, 6}, {6, 40}, {12, 12}, {21, 14}, {1, 5}, {5, 1}};
    kit k;

    (void)state;
    kit_open(&k, 9);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const int m = shapes[i][0], d = shapes[i][1];
        int32_t all[40], third[40], one = m / 2;
        int32_t thirds = 0;
        for (int32_t j = 0; j < m; j++)
            all[j] = j;
        for (int32_t j = m - 1; j >= 0; j -= 3)
            third[thirds++] = j;
        rate_case r = {
            .F = KIT_RANDOM(&k, m, d),
            .eps2 = 0.5,
            .list = {{1.0, all, m}, {-0.6, third, thirds}, {0.3, &one, 1}, {2.0, all, 0}}};
        const ct_tensor start = KIT_RANDOM(&k, m, d);
        ct_tensor dF = kit_copy(&k, &start);
        double values[TERMS];
        size_t loaded = 0, scratch = 0;

        k.ex->ops->rate_bytes(k.ex, m, d, TERMS, TERMS * (int64_t)m, &loaded, &scratch);
        r.terms = (ct_rate_terms){r.list, TERMS, kit_bytes(&k, loaded)};
        r.scratch = kit_bytes(&k, scratch);
        KIT_OK(k.ex->ops->rate_load(k.ex, m, d, r.eps2, &r.terms));
        KIT_OK(k.ex->ops->rate_terms(k.ex, &r.F, r.eps2, &r.terms, values, &dF, r.scratch));
        assert_true(values[0] > 0 && values[1] > 0 && values[2] > 0 && values[3] == 0);
        const ct_tensor differences = kit_differences(&k, rate_value, &r, &r.F);
        const ct_tensor want = accumulated(&k, &start, 1.0, &differences);
        KIT_AGREE(&dF, &want);
        kit_clear(&k);
    }
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dict_grad_in_both_roles),
        cmocka_unit_test(test_analysis_and_synthesis_differentiate_each_other),
        cmocka_unit_test(test_csc_update_backward),
        cmocka_unit_test(test_bn_backward),
        cmocka_unit_test(test_bn_backward_in_parts),
        cmocka_unit_test(test_act_backward),
        cmocka_unit_test(test_act_backward_at_zero),
        cmocka_unit_test(test_sphere_backward),
        cmocka_unit_test(test_rate_terms_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
