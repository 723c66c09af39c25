/* test_exec.c - the registry: which backend a caller gets, and what it is told when it gets none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "base/mem.h"

static bool has_cpu(void)
{
    ct_exec *ex = NULL;
    const bool built = ct_exec_create(&ex, &(ct_exec_options){.device = "cpu"}) == CSCTRL_OK;

    ct_exec_destroy(&ex);
    return built;
}

static void expect_fail(const ct_exec_options *options, csctrl_status status, const char *message)
{
    ct_exec *ex = (ct_exec *)(uintptr_t)1;

    assert_int_equal(ct_exec_create(&ex, options), status);
    assert_null(ex);
    if (strstr(csctrl_last_error(), message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", csctrl_last_error(), message);
}

static void test_choice(void **state)
{
    ct_exec *ex = NULL;

    (void)state;
    assert_int_equal(ct_exec_create(&ex, &(ct_exec_options){.device = "auto"}), CSCTRL_OK);
    assert_string_equal(ex->name, getenv("CSCTRL_TEST_CUDA") != NULL ? "cuda"
                                  : has_cpu()                        ? "cpu"
                                                                     : "ref");
    assert_true(ex->threads >= 1);
    assert_true(ex->isa != CT_ISA_AUTO);
    ct_exec_destroy(&ex);
    assert_null(ex);
    ct_exec_destroy(&ex);

    const ct_exec_options exact = {.device = "auto", .dtype = CSCTRL_F64, .threads = 3};
    assert_int_equal(ct_exec_create(&ex, &exact), CSCTRL_OK);
    assert_string_equal(ex->name, "ref");
    assert_int_equal(ex->dtype, CSCTRL_F64);
    assert_int_equal(ex->threads, 3);
    ct_exec_destroy(&ex);
}

/* Every slot is filled: a layer never asks. */
static void test_slots(void **state)
{
    static const char *const devices[] = {"ref", "auto"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        ct_exec *ex = NULL;
        assert_int_equal(ct_exec_create(&ex, &(ct_exec_options){.device = devices[i]}), CSCTRL_OK);
        void (*slots[sizeof(ct_ops) / sizeof(void (*)(void))])(void);
        memcpy(slots, ex->ops, sizeof slots);
        for (size_t s = 0; s < sizeof slots / sizeof *slots; s++)
            assert_non_null(slots[s]);
        ct_exec_destroy(&ex);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    expect_fail(&(ct_exec_options){.device = "gpu"}, CSCTRL_E_INVALID, "\"gpu\" is unknown");
    expect_fail(&(ct_exec_options){.device = "ref", .dtype = CSCTRL_U8}, CSCTRL_E_UNSUPPORTED,
                "f32 or f64");
    expect_fail(&(ct_exec_options){.device = "ref", .threads = -1}, CSCTRL_E_INVALID, "-1 threads");
    expect_fail(&(ct_exec_options){.device = "ref", .threads = 5000}, CSCTRL_E_INVALID, "4096");
    expect_fail(&(ct_exec_options){.device = "cpu", .dtype = CSCTRL_F64}, CSCTRL_E_UNSUPPORTED,
                "does not compute in f64");
    expect_fail(&(ct_exec_options){.device = "ref", .bf16 = true}, CSCTRL_E_UNSUPPORTED,
                "does not compute in bf16");
    for (int isa = CT_ISA_PORTABLE; isa <= CT_ISA_AVX512; isa++)
        if ((ct_isa)isa > ct_isa_best())
            expect_fail(&(ct_exec_options){.device = "auto", .isa = (ct_isa)isa},
                        CSCTRL_E_UNSUPPORTED, ct_isa_name((ct_isa)isa));
}

static void test_isa_names(void **state)
{
    ct_isa isa;

    (void)state;
    for (int i = CT_ISA_AUTO; i <= CT_ISA_AVX512; i++) {
        assert_true(ct_isa_from_name(ct_isa_name((ct_isa)i), &isa));
        assert_int_equal(isa, i);
    }
    assert_false(ct_isa_from_name("sse9", &isa));
    assert_in_range(ct_isa_best(), CT_ISA_PORTABLE, CT_ISA_AVX512);
}

static void test_isa_in_use(void **state)
{
    (void)state;
    for (int isa = CT_ISA_PORTABLE; has_cpu() && isa <= (int)ct_isa_best(); isa++) {
        ct_exec *ex = NULL;
        const ct_exec_options options = {.device = "cpu", .isa = (ct_isa)isa, .threads = 1};
        assert_int_equal(ct_exec_create(&ex, &options), CSCTRL_OK);
        assert_int_equal(ex->isa, isa);
        ct_exec_destroy(&ex);
    }
}

static void count_fact(void *user, const char *key, const char *value)
{
    assert_true(strlen(key) > 0 && strlen(value) > 0);
    if (strcmp(key, "device ref") == 0 || strcmp(key, "device cpu") == 0 ||
        strcmp(key, "onednn") == 0)
        *(int *)user += 1;
}

static void test_report(void **state)
{
    int facts = 0;

    (void)state;
    ct_backend_report(count_fact, &facts);
    assert_int_equal(facts, has_cpu() ? 3 : 2);
}

/* Creation fails cleanly at every allocation, and everything is given back. */
static void test_out_of_memory(void **state)
{
    static const char *const devices[] = {"ref", "auto"};
    const ct_geom geoms[] = {{1, 8, 8, 8, 4, 4, 8, 4, 2, 1}, {1, 8, 8, 1, 4, 4, 8, 4, 2, 1}};

    (void)state;
    for (int d = 0; d < 4; d++) {
        const ct_exec_options options = {.device = devices[d % 2], .threads = 1};
        csctrl_status status = CSCTRL_E_NOMEM;
        for (uint64_t n = 1; status != CSCTRL_OK && n < 50; n++) {
            csctrl_memory_stats before, after;
            ct_exec *ex = NULL;
            ct_conv conv = {0};
            csctrl_memory_get_stats(&before);
            ct_mem_fail_from(n);
            status = ct_exec_create(&ex, &options);
            if (status == CSCTRL_OK)
                status = ex->ops->conv_create(ex, &geoms[d / 2], &conv);
            ct_mem_fail_from(0);
            if (status == CSCTRL_OK)
                ex->ops->conv_destroy(ex, &conv);
            else
                assert_int_equal(status, CSCTRL_E_NOMEM);
            ct_exec_destroy(&ex);
            csctrl_memory_get_stats(&after);
            assert_int_equal(after.bytes, before.bytes);
        }
        assert_int_equal(status, CSCTRL_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_isa_in_use),
        cmocka_unit_test(test_isa_names),     cmocka_unit_test(test_report),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
