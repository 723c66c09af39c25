/* test_adjoint.c - <A z, x> = <z, A* x> for every dictionary geometry, backend, element type and
 * instruction set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "grad/kit.h"

/* |<A z, x> - <z, A* x>| against the size of its terms. */
static double adjoint_error(kit *k, const ct_geom *g)
{
    const ct_ops *ops = k->ex->ops;
    kit_dict d = kit_dictionary(k, g);
    ct_tensor Az = kit_random(k, 4, d.img.shape), Ax = kit_random(k, 4, d.code.shape);

    KIT_OK(ops->unit_atoms(k->ex, &d.W));
    KIT_OK(ops->conv_pack(k->ex, &d.conv, &d.W));
    KIT_OK(ops->synthesis(k->ex, &d.conv, &d.code, &Az));
    KIT_OK(ops->analysis(k->ex, &d.conv, &d.img, &Ax));
    const double size = sqrt(kit_dot(&Az, &Az) * kit_dot(&d.img, &d.img));
    const double error = fabs(kit_dot(&Az, &d.img) - kit_dot(&d.code, &Ax));
    assert_true(size > 0);
    ops->conv_destroy(k->ex, &d.conv);
    kit_clear(k);
    return error / size;
}

/* Geometries of the shipped networks, where fast paths are taken; n = 3 leaves a remainder. */
static const ct_geom usual[] = {
    {3, 32, 32, 1, 16, 16, 16, 4, 2, 1}, {3, 32, 32, 3, 16, 16, 64, 4, 2, 1},
    {3, 16, 16, 16, 8, 8, 32, 4, 2, 1},  {3, 4, 4, 64, 1, 1, 64, 4, 1, 0},
    {3, 4, 4, 37, 1, 1, 129, 4, 1, 0},   {3, 8, 8, 33, 8, 8, 17, 3, 1, 1},
    {3, 9, 9, 5, 5, 5, 7, 1, 2, 0},      {3, 8, 8, 20, 8, 8, 40, 5, 1, 2},
};

static void check(const char *device, csctrl_dtype dtype, ct_isa isa, double bound)
{
    kit k;
    const csctrl_status st = kit_try(&k, device, dtype, isa, 41);

    if (st == CSCTRL_E_UNSUPPORTED) {
        print_message("%s %s left out: %s\n", device, ct_isa_name(isa), csctrl_last_error());
        return;
    }
    KIT_OK(st);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        assert_true(adjoint_error(&k, &usual[i]) < bound);
    for (int i = 0; i < 60; i++) {
        const ct_geom g = kit_geometry(&k);
        assert_true(adjoint_error(&k, &g) < bound);
    }
    kit_close(&k);
}

static void test_ref(void **state)
{
    (void)state;
    check("ref", CSCTRL_F64, CT_ISA_AUTO, 1e-12);
    check("ref", CSCTRL_F32, CT_ISA_AUTO, 1e-5);
}

static void test_cpu(void **state)
{
    (void)state;
    check("cpu", CSCTRL_F32, CT_ISA_PORTABLE, 1e-5);
    check("cpu", CSCTRL_F32, CT_ISA_AVX2, 1e-5);
    check("cpu", CSCTRL_F32, CT_ISA_AVX512, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ref),
        cmocka_unit_test(test_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
