/* test_plan.c - the memory plan: nothing alive at once overlaps, what never meets shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/expect.h"
#include "tensor/plan.h"

static void test_disjoint_lifetimes_share(void **state)
{
    ct_plan *plan;
    void *a, *b, *c;

    (void)state;
    expect_ok(ct_plan_create(&plan));
    ct_plan_bytes(plan, CT_SCRATCH, &a, 1024, 0, 1);
    ct_plan_bytes(plan, CT_SCRATCH, &b, 1024, 2, 3);
    ct_plan_bytes(plan, CT_SCRATCH, &c, 512, 1, 2);
    expect_ok(ct_plan_finish(plan));
    assert_int_equal(ct_plan_size(plan, CT_SCRATCH), 1024 + 512);
    expect_ok(ct_plan_allocate(plan, NULL));
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    ct_plan_destroy(&plan);
    assert_null(plan);
}

static void test_lifetimes_include_both_ends(void **state)
{
    ct_plan *plan;
    void *a, *b;

    (void)state;
    expect_ok(ct_plan_create(&plan));
    ct_plan_bytes(plan, CT_SCRATCH, &a, 64, 0, 1);
    ct_plan_bytes(plan, CT_SCRATCH, &b, 64, 1, 2);
    expect_ok(ct_plan_finish(plan));
    assert_int_equal(ct_plan_size(plan, CT_SCRATCH), 128);
    ct_plan_destroy(&plan);
}

static void test_classes_do_not_share(void **state)
{
    ct_plan *plan;
    ct_tensor t[CT_CLASSES];

    (void)state;
    expect_ok(ct_plan_create(&plan));
    for (int k = 0; k < CT_CLASSES; k++) {
        t[k] = CT_SHAPE(CSCTRL_F32, k + 1, 25); /* 100 (k + 1) bytes */
        ct_plan_tensor(plan, (ct_class)k, &t[k], k, k);
    }
    expect_ok(ct_plan_finish(plan));
    expect_ok(ct_plan_allocate(plan, NULL));
    for (int k = 0; k < CT_CLASSES; k++) {
        const size_t rounded = (100 * (size_t)(k + 1) + 63) / 64 * 64;
        assert_int_equal(ct_plan_size(plan, (ct_class)k), rounded);
        assert_non_null(t[k].data);
        for (int j = 0; j < k; j++)
            assert_ptr_not_equal(t[k].data, t[j].data);
    }
    ct_plan_destroy(&plan);
}

static void test_no_bytes_bind_null(void **state)
{
    ct_plan *plan;
    int mark;
    void *a = &mark;

    (void)state;
    expect_ok(ct_plan_create(&plan));
    ct_plan_bytes(plan, CT_PARAM, &a, 0, CT_FOREVER);
    expect_ok(ct_plan_finish(plan));
    expect_ok(ct_plan_allocate(plan, NULL));
    assert_null(a);
    assert_int_equal(ct_plan_size(plan, CT_PARAM), 0);
    ct_plan_destroy(&plan);
    ct_plan_destroy(&plan);
    ct_plan_destroy(NULL);
}

static void test_order_of_calls(void **state)
{
    ct_plan *plan;
    void *a;

    (void)state;
    expect_ok(ct_plan_create(&plan));
    expect_fail(ct_plan_allocate(plan, NULL), CSCTRL_E_STATE, "after finish");
    expect_ok(ct_plan_finish(plan));
    ct_plan_bytes(plan, CT_PARAM, &a, 8, 0, 0);
    expect_fail(ct_plan_finish(plan), CSCTRL_E_STATE, "after the plan was finished");
    ct_plan_destroy(&plan);
}

typedef struct buffer {
    void *data;
    size_t bytes;
    ct_class kind;
    int first, last;
} buffer;

enum { BUFFERS = 60, PHASES = 12 };

static void declare_random(ct_plan *plan, uint32_t trial, buffer *all)
{
    const ct_rng rng = ct_rng_make(3, CT_RNG_TEST, trial);

    for (int i = 0; i < BUFFERS; i++) {
        uint32_t r[4];
        ct_rng_block(&rng, (uint64_t)i, r);
        buffer *b = &all[i];
        *b = (buffer){.bytes = r[0] % 5000, .kind = (ct_class)(r[1] % CT_CLASSES)};
        b->first = (int)(r[2] % PHASES);
        b->last = b->first + (int)(r[3] % 4);
        ct_plan_bytes(plan, b->kind, &b->data, b->bytes, b->first, b->last);
    }
}

/* Most bytes of a class alive in one phase: no plan can be smaller. */
static size_t alive_bytes(const buffer *all, ct_class kind)
{
    size_t most = 0;

    for (int phase = 0; phase < PHASES + 4; phase++) {
        size_t bytes = 0;
        for (int i = 0; i < BUFFERS; i++)
            if (all[i].kind == kind && all[i].first <= phase && phase <= all[i].last)
                bytes += (all[i].bytes + 63) / 64 * 64;
        most = bytes > most ? bytes : most;
    }
    return most;
}

static void check_pair(const buffer *a, const buffer *b)
{
    const unsigned char *x = a->data, *y = b->data;
    const bool meet = a->first <= b->last && b->first <= a->last;

    if (a->bytes > 0 && b->bytes > 0 && (meet || a->kind != b->kind))
        assert_true(x + a->bytes <= y || y + b->bytes <= x);
}

static void test_random_plans(void **state)
{
    (void)state;
    for (uint32_t trial = 0; trial < 200; trial++) {
        ct_plan *plan;
        buffer all[BUFFERS];
        expect_ok(ct_plan_create(&plan));
        declare_random(plan, trial, all);
        expect_ok(ct_plan_finish(plan));
        expect_ok(ct_plan_allocate(plan, NULL));
        size_t sum[CT_CLASSES] = {0};
        for (int i = 0; i < BUFFERS; i++) {
            sum[all[i].kind] += (all[i].bytes + 63) / 64 * 64;
            assert_int_equal((uintptr_t)all[i].data % CT_ALIGNMENT, 0);
            if (all[i].bytes > 0)
                memset(all[i].data, i, all[i].bytes); /* a sanitizer sees what leaves the arena */
            for (int j = 0; j < i; j++)
                check_pair(&all[i], &all[j]);
        }
        for (int k = 0; k < CT_CLASSES; k++)
            assert_in_range(ct_plan_size(plan, (ct_class)k), alive_bytes(all, (ct_class)k), sum[k]);
        ct_plan_destroy(&plan);
    }
}

static void test_out_of_memory(void **state)
{
    csctrl_memory_stats before, after;

    (void)state;
    csctrl_memory_get_stats(&before);
    int failures = 0;
    for (uint64_t n = 1; n <= 12; n++) {
        ct_plan *plan;
        buffer all[BUFFERS];
        ct_mem_fail_from(n);
        csctrl_status status = ct_plan_create(&plan);
        if (status == CSCTRL_OK) {
            declare_random(plan, 0, all);
            status = ct_plan_finish(plan);
        }
        if (status == CSCTRL_OK)
            status = ct_plan_allocate(plan, NULL);
        ct_mem_fail_from(0);
        assert_true(status == CSCTRL_OK || status == CSCTRL_E_NOMEM);
        failures += status != CSCTRL_OK;
        ct_plan_destroy(&plan);
    }
    csctrl_memory_get_stats(&after);
    assert_int_equal(failures, 2 + CT_CLASSES); /* the plan, its table, the arenas */
    assert_int_equal(after.bytes, before.bytes);
}

typedef struct device {
    int allocs, releases;
} device;

static csctrl_status device_alloc(void *user, size_t bytes, void **block)
{
    device *d = user;

    if (++d->allocs > 1)
        return ct_fail(CSCTRL_E_NOMEM, "device is full");
    *block = ct_alloc_arena(bytes);
    return CSCTRL_OK;
}

static void device_release(void *user, void *block)
{
    device *d = user;

    d->releases++;
    ct_free(block);
}

static void test_other_memory(void **state)
{
    device d = {0};
    const ct_plan_memory memory = {device_alloc, device_release, &d};
    ct_plan *plan;
    void *a, *b;

    (void)state;
    expect_ok(ct_plan_create(&plan));
    ct_plan_bytes(plan, CT_PARAM, &a, 64, CT_FOREVER);
    ct_plan_bytes(plan, CT_STATE, &b, 64, CT_FOREVER);
    expect_ok(ct_plan_finish(plan));
    expect_fail(ct_plan_allocate(plan, &memory), CSCTRL_E_NOMEM, "device is full");
    ct_plan_destroy(&plan);
    assert_int_equal(d.allocs, 2);
    assert_int_equal(d.releases, 1);
}

static void test_tensor_helpers(void **state)
{
    char text[96];
    float data[6];
    ct_tensor t = CT_SHAPE(CSCTRL_F32, 2, 3);

    (void)state;
    assert_string_equal(ct_tensor_text(&t, text), "f32[2, 3]");
    assert_int_equal(ct_tensor_bytes(&t), 24);
    expect_fail(ct_tensor_expect(&t, "x", CSCTRL_F32, 2, (const int64_t[]){2, 3}), CSCTRL_E_SHAPE,
                "without data");
    t.data = data;
    expect_ok(ct_tensor_expect(&t, "x", CSCTRL_F32, 2, (const int64_t[]){-1, 3}));
    expect_fail(ct_tensor_expect(&t, "x", CSCTRL_F32, 2, (const int64_t[]){2, 4}), CSCTRL_E_SHAPE,
                "x: expected f32[2, 4], found f32[2, 3]");
    expect_fail(ct_tensor_expect(&t, "x", CSCTRL_F64, 2, (const int64_t[]){2, -1}), CSCTRL_E_DTYPE,
                "expected f64[2, any]");
    const ct_tensor head = ct_tensor_head(&t, 1);
    assert_int_equal(csctrl_tensor_count(&head), 3);
    const ct_tensor scalar = csctrl_tensor_view(CSCTRL_I64, 0, NULL, NULL);
    assert_int_equal(csctrl_tensor_count(&scalar), 1);
    assert_string_equal(csctrl_dtype_name((csctrl_dtype)99), "?");
    assert_int_equal(csctrl_dtype_size((csctrl_dtype)99), 0);
    const ct_tensor clamped = csctrl_tensor_view(CSCTRL_U8, 9, (const int64_t[]){1, 2, 3, 4}, NULL);
    assert_int_equal(clamped.ndim, CSCTRL_MAX_DIMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disjoint_lifetimes_share),
        cmocka_unit_test(test_lifetimes_include_both_ends),
        cmocka_unit_test(test_classes_do_not_share),
        cmocka_unit_test(test_no_bytes_bind_null),
        cmocka_unit_test(test_order_of_calls),
        cmocka_unit_test(test_random_plans),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_other_memory),
        cmocka_unit_test(test_tensor_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
