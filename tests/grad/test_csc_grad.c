/* test_csc_grad.c - the gradient of T unrolled FISTA steps with respect to image and dictionary
 * against central differences, in double on the reference backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grad/kit.h"
#include "layers/csc.h"

typedef struct layer_case {
    kit_dict dict;
    ct_csc layer;
    ct_csc_pass pass;
    ct_csc_grad grad;
    ct_plan *plan;
} layer_case;

static void open_layer(kit *k, layer_case *c, int steps, const ct_prox *prox, bool momentum)
{
    const ct_geom g = {.n = 2,
                       .h = 6,
                       .w = 4,
                       .c = 2,
                       .oh = 3,
                       .ow = 2,
                       .atoms = 4,
                       .kernel = 4,
                       .stride = 2,
                       .pad = 1};

    c->dict = kit_dictionary(k, &g);
    KIT_OK(k->ex->ops->unit_atoms(k->ex, &c->dict.W));
    KIT_OK(ct_csc_create(&c->layer, &c->dict.conv, steps, prox, momentum));
    KIT_OK(ct_plan_create(&c->plan));
    KIT_OK(ct_csc_pass_create(&c->pass, &c->layer, CSCTRL_F64, true, c->plan, 0, 1, 1));
    ct_csc_grad_declare(&c->grad, &c->layer, CSCTRL_F64, c->plan, 0, 0, 1);
    KIT_OK(ct_plan_finish(c->plan));
    KIT_OK(ct_plan_allocate(c->plan, NULL));
    ct_csc_pass_bind(&c->pass, &c->layer);
}

static void close_layer(kit *k, layer_case *c)
{
    ct_plan_destroy(&c->plan);
    ct_csc_pass_destroy(&c->pass);
    ct_csc_destroy(&c->layer);
    k->ex->ops->conv_destroy(k->ex, &c->dict.conv);
    kit_clear(k);
}

/* <codes of the image, a fixed direction> */
static double value_of(kit *k, void *user)
{
    layer_case *c = user;

    KIT_OK(k->ex->ops->conv_pack(k->ex, &c->dict.conv, &c->dict.W));
    KIT_OK(ct_csc_forward(k->ex, &c->layer, &c->dict.img, &c->pass));
    return kit_dot(&c->pass.z[c->layer.steps - 1], &c->dict.code);
}

static void check(kit *k, int steps, const ct_prox *prox, bool momentum)
{
    layer_case c;

    open_layer(k, &c, steps, prox, momentum);
    ct_tensor dW = kit_like(k, &c.dict.W);
    ct_tensor dx = kit_copy(k, &c.dict.img); /* written, not added to */
    value_of(k, &c);
    memcpy(c.grad.dz.data, c.dict.code.data, ct_tensor_bytes(&c.dict.code));
    KIT_OK(ct_csc_backward(k->ex, &c.layer, &c.dict.img, &c.pass, &c.grad, &dW, &dx));
    const ct_tensor by_img = kit_differences(k, value_of, &c, &c.dict.img);
    const ct_tensor by_W = kit_differences(k, value_of, &c, &c.dict.W);
    KIT_AGREE(&dx, &by_img);
    KIT_AGREE(&dW, &by_W);
    close_layer(k, &c);
}

static void test_any_number_of_steps(void **state)
{
    const double eta = 0.3;
    const ct_prox prox = {.eta = &eta, .lambda = 0.05, .nonneg = true};
    kit k;

    (void)state;
    kit_open(&k, 31);
    for (int steps = 1; steps <= 6; steps++)
        check(&k, steps, &prox, true);
    check(&k, 5, &prox, false);
    kit_close(&k);
}

static void test_signed_codes_and_elastic_net(void **state)
{
    const double eta = 0.3, smaller = 0.2;
    const ct_prox cases[] = {
        {.eta = &eta, .lambda = 0.1},
        {.eta = &eta, .lambda = 0.1, .mu = 0.4},
        {.eta = &eta, .lambda = 0.05, .mu = 0.4, .nonneg = true},
        {.eta = &smaller, .lambda = 0.0, .mu = 0.1},
    };
    kit k;

    (void)state;
    kit_open(&k, 32);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(&k, 5, &cases[i], true);
    kit_close(&k);
}

/* Either gradient may be left out; the other stays the same. */
static void test_parts(void **state)
{
    const double eta = 0.3;
    const ct_prox prox = {.eta = &eta, .lambda = 0.05, .nonneg = true};
    layer_case c;
    kit k;

    (void)state;
    kit_open(&k, 33);
    open_layer(&k, &c, 5, &prox, true);
    ct_tensor dW[2] = {kit_like(&k, &c.dict.W), kit_like(&k, &c.dict.W)};
    ct_tensor dx[2] = {kit_like(&k, &c.dict.img), kit_like(&k, &c.dict.img)};
    value_of(&k, &c);
    ct_tensor *const wanted[3][2] = {{&dW[0], &dx[0]}, {&dW[1], NULL}, {NULL, &dx[1]}};
    for (int i = 0; i < 3; i++) {
        memcpy(c.grad.dz.data, c.dict.code.data, ct_tensor_bytes(&c.dict.code));
        KIT_OK(ct_csc_backward(k.ex, &c.layer, &c.dict.img, &c.pass, &c.grad, wanted[i][0],
                               wanted[i][1]));
    }
    assert_true(kit_dot(&dW[0], &dW[0]) > 0 && kit_dot(&dx[0], &dx[0]) > 0);
    assert_memory_equal(dW[0].data, dW[1].data, ct_tensor_bytes(&dW[0]));
    assert_memory_equal(dx[0].data, dx[1].data, ct_tensor_bytes(&dx[0]));
    close_layer(&k, &c);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_number_of_steps),
        cmocka_unit_test(test_signed_codes_and_elastic_net),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
