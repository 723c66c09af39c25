/* test_base_mem.c - alignment, counters and the failure switch of the allocator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "csctrl/status.h"

static csctrl_memory_stats stats(void)
{
    csctrl_memory_stats s;

    csctrl_memory_get_stats(&s);
    return s;
}

static void test_blocks_are_aligned(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 13) {
        unsigned char *block = ct_alloc(bytes);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % CT_ALIGNMENT, 0);
        memset(block, 0xAB, bytes);
        ct_free(block);
    }
    ct_free(NULL);
}

static void test_calloc_is_zero_and_checks_overflow(void **state)
{
    (void)state;
    unsigned char *block = ct_calloc(37, 3);
    assert_non_null(block);
    for (int i = 0; i < 37 * 3; i++)
        assert_int_equal(block[i], 0);
    ct_free(block);
    assert_null(ct_calloc(SIZE_MAX / 2, 3));
    assert_non_null(strstr(csctrl_last_error(), "out of memory"));
    assert_null(ct_alloc(SIZE_MAX - 8));
    assert_non_null(strstr(csctrl_last_error(), "out of memory"));
}

static void test_realloc_keeps_contents(void **state)
{
    (void)state;
    unsigned char *block = ct_realloc(NULL, 10);
    assert_non_null(block);
    for (int i = 0; i < 10; i++)
        block[i] = (unsigned char)i;
    block = ct_realloc(block, 1000);
    assert_non_null(block);
    block = ct_realloc(block, 5);
    assert_non_null(block);
    for (int i = 0; i < 5; i++)
        assert_int_equal(block[i], i);
    ct_free(block);
}

static void test_failed_realloc_keeps_the_block(void **state)
{
    (void)state;
    char *block = ct_strdup("kept");
    assert_non_null(block);
    ct_mem_fail_from(1);
    assert_null(ct_realloc(block, 100));
    ct_mem_fail_from(0);
    assert_string_equal(block, "kept");
    ct_free(block);
}

static void test_counters(void **state)
{
    const csctrl_memory_stats before = stats();

    (void)state;
    void *a = ct_alloc(1000), *b = ct_calloc(10, 50);
    const csctrl_memory_stats during = stats();
    assert_int_equal(during.allocations - before.allocations, 2);
    assert_int_equal(during.bytes - before.bytes, 1500);
    assert_true(during.peak_bytes >= during.bytes);
    ct_free(a);
    ct_free(b);
    const csctrl_memory_stats after = stats();
    assert_int_equal(after.frees - before.frees, 2);
    assert_int_equal(after.bytes, before.bytes);
    assert_int_equal(after.peak_bytes, during.peak_bytes);
}

static void test_failure_switch(void **state)
{
    (void)state;
    ct_mem_fail_from(3);
    void *a = ct_alloc(1), *b = ct_alloc(1), *c = ct_alloc(1), *d = ct_alloc(1);
    assert_null(ct_strdup("x"));
    assert_null(ct_alloc_arena(1));
    ct_mem_fail_from(0);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_null(d);
    ct_free(a);
    ct_free(b);
    a = ct_alloc(1);
    assert_non_null(a);
    ct_free(a);
}

static void test_arena_is_zero_and_aligned(void **state)
{
    const size_t sizes[] = {100, (size_t)3 << 20};

    (void)state;
    for (int i = 0; i < 2; i++) {
        unsigned char *block = ct_alloc_arena(sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (i == 0 ? CT_ALIGNMENT : 2 << 20), 0);
        size_t set = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            set += block[k] != 0;
        assert_int_equal(set, 0);
        ct_free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_aligned),
        cmocka_unit_test(test_calloc_is_zero_and_checks_overflow),
        cmocka_unit_test(test_realloc_keeps_contents),
        cmocka_unit_test(test_failed_realloc_keeps_the_block),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_failure_switch),
        cmocka_unit_test(test_arena_is_zero_and_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
