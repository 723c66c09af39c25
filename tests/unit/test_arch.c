/* test_arch.c - model.layers and the lists beside it, to geometry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/arch.h"
#include "support/dataset_files.h"
#include "support/expect.h"

static csctrl_status read_texts(ct_arch *arch, const char *layers, const char *other)
{
    csctrl_config *config = config_make(NULL);

    expect_ok(csctrl_config_set(config, "model.layers", layers));
    if (other != NULL)
        expect_ok(csctrl_config_assign(config, other));
    const csctrl_status status = ct_arch_read(arch, config);
    csctrl_config_destroy(&config);
    return status;
}

static void expect_geometry(const ct_geom *g, int size, int channels, int out, int atoms)
{
    assert_int_equal(g->h, size);
    assert_int_equal(g->w, size);
    assert_int_equal(g->c, channels);
    assert_int_equal(g->oh, out);
    assert_int_equal(g->ow, out);
    assert_int_equal(g->atoms, atoms);
}

static void test_default(void **state)
{
    ct_arch arch;

    (void)state;
    expect_ok(read_texts(&arch, "16x4s2p1 32x4s2p1 64x4s2p1 64x4s1p0", NULL));
    assert_int_equal(arch.kind, CT_ARCH_CSC);
    assert_int_equal(arch.depth, 4);
    assert_int_equal(arch.features, 64);
    assert_true(arch.tied && arch.momentum);
    expect_geometry(&arch.layers[0].geom, 32, 1, 16, 16);
    expect_geometry(&arch.layers[1].geom, 16, 16, 8, 32);
    expect_geometry(&arch.layers[2].geom, 8, 32, 4, 64);
    expect_geometry(&arch.layers[3].geom, 4, 64, 1, 64);
    for (int l = 0; l < 4; l++) {
        assert_int_equal(arch.layers[l].steps, 2);
        assert_true(arch.layers[l].lambda == 0.1 && arch.layers[l].mu == 0.0);
        assert_true(arch.layers[l].nonneg);
    }
}

static void test_separators_and_spatial_codes(void **state)
{
    ct_arch arch;

    (void)state;
    expect_ok(read_texts(&arch, "  8x4s2p1,4x3s1p1 , 5x1s1p0 ", NULL));
    assert_int_equal(arch.depth, 3);
    assert_int_equal(arch.layers[2].geom.kernel, 1);
    assert_int_equal(arch.features, 5 * 16 * 16);
}

static void test_lists(void **state)
{
    ct_arch arch;

    (void)state;
    expect_ok(read_texts(&arch, "8x4s2p1 8x4s2p1", "model.lambda=[0.25, 0.5]"));
    assert_true(arch.layers[0].lambda == 0.25 && arch.layers[1].lambda == 0.5);
    expect_ok(read_texts(&arch, "8x4s2p1 8x4s2p1", "model.nonneg=[true, false]"));
    assert_true(arch.layers[0].nonneg && !arch.layers[1].nonneg);
    expect_ok(read_texts(&arch, "8x4s2p1 8x4s2p1", "model.nonneg=false"));
    assert_true(!arch.layers[0].nonneg && !arch.layers[1].nonneg);
    expect_ok(read_texts(&arch, "8x4s2p1 8x4s2p1", "model.steps=[1, 7]"));
    assert_int_equal(arch.layers[0].steps, 1);
    assert_int_equal(arch.layers[1].steps, 7);
    expect_ok(read_texts(&arch, "8x4s2p1 8x4s2p1", "model.mu=0.125"));
    assert_true(arch.layers[0].mu == 0.125 && arch.layers[1].mu == 0.125);
    expect_fail(read_texts(&arch, "8x4s2p1 8x4s2p1", "model.lambda=[1, 2, 3]"), CSCTRL_E_CONFIG,
                "model.lambda: expected one value or 2 (one a layer), found 3");
    expect_fail(read_texts(&arch, "8x4s2p1 8x4s2p1 4x8s1p0", "model.mu=[1, 2]"), CSCTRL_E_CONFIG,
                "model.mu: expected one value or 3 (one a layer), found 2");
    expect_fail(read_texts(&arch, "8x4s2p1", "model.nonneg=[true, false]"), CSCTRL_E_CONFIG,
                "model.nonneg: expected one value or 1 (one a layer), found 2");
    expect_fail(read_texts(&arch, "8x4s2p1", "model.steps=[2, 2]"), CSCTRL_E_CONFIG,
                "model.steps: expected one value or 1 (one a layer), found 2");
    expect_fail(read_texts(&arch, "8x4s2p1", "model.steps=2.5"), CSCTRL_E_CONFIG,
                "model.steps: expected whole numbers, found 2.5");
}

/* The generic pair is never tied, and takes one step whatever model.steps says. */
static void test_generic(void **state)
{
    csctrl_config *config = config_make("model.arch=generic", "model.steps=9", NULL);
    ct_arch arch;

    (void)state;
    expect_ok(ct_arch_read(&arch, config));
    assert_int_equal(arch.kind, CT_ARCH_GENERIC);
    assert_false(arch.tied);
    assert_int_equal(arch.layers[0].steps, 1);
    csctrl_config_destroy(&config);
}

typedef struct bad_text {
    const char *layers, *message;
} bad_text;

static void test_malformed(void **state)
{
    static const bad_text cases[] = {
        {"", "model.layers: expected at least one layer such as 64x4s2p1, found ''"},
        {"  , ", "expected at least one layer"},
        {"16", "layer 1: expected ATOMSxKERNELsSTRIDEpPAD such as 64x4s2p1, found '16'"},
        {"16x4s2p1 32x4s2", "layer 2: expected ATOMSxKERNELsSTRIDEpPAD such as 64x4s2p1, found "
                            "'32x4s2'"},
        {"16x4s2p1q", "found '16x4s2p1q'"},
        {"16x4s2p1;8x4s2p1", "found '16x4s2p1;8x4s2p1'"},
        {"16y4s2p1", "found '16y4s2p1'"},
        {"0x4s2p1", "layer 1: 0x4s2p1 is out of range: atoms 1..65536"},
        {"-3x4s2p1", "-3x4s2p1 is out of range"},
        {"99999x4s2p1", "99999x4s2p1 is out of range"},
        {"9999999x4s2p1", "expected ATOMSxKERNELsSTRIDEpPAD"},
        {"8x0s1p0", "8x0s1p0 is out of range"},
        {"8x65s1p0", "8x65s1p0 is out of range: atoms 1..65536, kernel 1..64, stride 1..kernel"},
        {"8x4s0p1", "8x4s0p1 is out of range"},
        {"8x4s5p1", "8x4s5p1 is out of range"},
        {"8x4s2p4", "8x4s2p4 is out of range"},
        {"8x4s2p-1", "8x4s2p-1 is out of range"},
        {"8x3s2p1", "layer 1: kernel 3, stride 2, pad 1 do not fit an input of 32x32 (size + 2 pad "
                    "- kernel = 31 must be >= 0 and a multiple of the stride)"},
        {"8x4s2p1 8x20s1p0", "layer 2: kernel 20, stride 1, pad 0 do not fit an input of 16x16"},
        {"512x4s2p1", "the last layer gives 512x16x16 = 131072 features, at most 65536"},
    };
    ct_arch arch;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_fail(read_texts(&arch, cases[i].layers, NULL), CSCTRL_E_CONFIG, cases[i].message);
}

static void test_too_many_layers(void **state)
{
    char text[16 * (CSCTRL_MAX_LAYERS + 1)] = "";
    ct_arch arch;

    (void)state;
    for (int i = 0; i < CSCTRL_MAX_LAYERS; i++)
        strcat(text, "2x1s1p0 ");
    expect_ok(read_texts(&arch, text, NULL));
    assert_int_equal(arch.depth, CSCTRL_MAX_LAYERS);
    strcat(text, "2x1s1p0");
    expect_fail(read_texts(&arch, text, NULL), CSCTRL_E_CONFIG, "more than 32 layers");
}

static void test_channels(void **state)
{
    ct_arch arch;

    (void)state;
    expect_ok(read_texts(&arch, "8x4s2p1", "data.channels=3"));
    assert_int_equal(arch.layers[0].geom.c, 3);
}

/* By hand: 8 atoms of 3 x 4 x 4 at 16 x 16 places are 98,304 products an analysis or a synthesis.
 */
static void test_macs(void **state)
{
    ct_arch arch;

    (void)state;
    expect_ok(read_texts(&arch, "8x4s2p1", "data.channels=3"));
    assert_int_equal(ct_arch_decode_macs(&arch, 0), 98304);
    assert_int_equal(ct_arch_encode_macs(&arch, 0), 3 * 98304); /* T = 2 */
    expect_ok(read_texts(&arch, "8x4s2p1", "model.steps=1"));
    assert_int_equal(ct_arch_encode_macs(&arch, 0), 32768);
    expect_ok(read_texts(&arch, "8x4s2p1", "model.steps=5"));
    assert_int_equal(ct_arch_encode_macs(&arch, 0), 9 * 32768);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),   cmocka_unit_test(test_separators_and_spatial_codes),
        cmocka_unit_test(test_lists),     cmocka_unit_test(test_generic),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_too_many_layers),
        cmocka_unit_test(test_channels),  cmocka_unit_test(test_macs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
