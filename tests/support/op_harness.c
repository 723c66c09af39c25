/* op_harness.c */
#include "support/op_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

enum { MAX_BLOCKS = 64, MAX_RESULTS = 32, GUARD = 64, GUARD_BYTE = 0xA5 };

typedef struct block {
    unsigned char *base;
    size_t bytes;
} block;

typedef struct result {
    const char *name;
    double *values;
    int64_t count;
} result;

struct op_run {
    ct_exec *ex;
    block blocks[MAX_BLOCKS];
    int block_count;
    uint32_t inputs;
    result results[MAX_RESULTS];
    int result_count;
};

ct_exec *op_exec(const op_run *run)
{
    return run->ex;
}

void op_ok(csctrl_status status, const char *call)
{
    if (status != CSCTRL_OK)
        fail_msg("%s: %s: %s", call, csctrl_status_name(status), csctrl_last_error());
}

void op_close(const char *what, double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance * fmax(1, fabs(b))))
        fail_msg("%s: %.17g, expected %.17g", what, a, b);
}

double op_get(const ct_tensor *t, int64_t i)
{
    return t->dtype == CSCTRL_F64 ? ((const double *)t->data)[i]
                                  : (double)((const float *)t->data)[i];
}

void op_set(const ct_tensor *t, int64_t i, double value)
{
    if (t->dtype == CSCTRL_F64)
        ((double *)t->data)[i] = value;
    else
        ((float *)t->data)[i] = (float)value;
}

void *op_memory(op_run *run, size_t bytes)
{
    assert_true(run->block_count < MAX_BLOCKS);
    block *b = &run->blocks[run->block_count++];
    b->base = ct_alloc(bytes + 2 * GUARD);
    b->bytes = bytes;
    assert_non_null(b->base);
    memset(b->base, GUARD_BYTE, bytes + 2 * GUARD);
    return b->base + GUARD;
}

static void check_guards(const block *b)
{
    for (int i = 0; i < GUARD; i++)
        if (b->base[i] != GUARD_BYTE || b->base[GUARD + b->bytes + (size_t)i] != GUARD_BYTE)
            fail_msg("a buffer of %zu bytes was overrun at its %s", b->bytes,
                     b->base[i] != GUARD_BYTE ? "front" : "back");
}

static ct_tensor new_tensor(op_run *run, int ndim, const int64_t *shape)
{
    ct_tensor t = ct_tensor_shape(run->ex->dtype, ndim, shape);

    t.data = op_memory(run, ct_tensor_bytes(&t));
    return t;
}

ct_tensor op_input(op_run *run, double scale, int ndim, const int64_t *shape)
{
    const ct_tensor t = new_tensor(run, ndim, shape);
    const ct_rng rng = ct_rng_make(1, CT_RNG_TEST, run->inputs++);

    for (int64_t i = 0; i < csctrl_tensor_count(&t); i++)
        op_set(&t, i, (double)(float)(scale * ct_rng_normal(&rng, (uint64_t)i)));
    return t;
}

ct_tensor op_output(op_run *run, int ndim, const int64_t *shape)
{
    const ct_tensor t = new_tensor(run, ndim, shape);

    for (int64_t i = 0; i < csctrl_tensor_count(&t); i++)
        op_set(&t, i, (double)NAN);
    return t;
}

ct_geom op_geom(const op_conv_shape *s)
{
    return (ct_geom){
        .n = s->n,
        .h = s->h,
        .w = s->w,
        .c = s->c,
        .oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1,
        .ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1,
        .atoms = s->atoms,
        .kernel = s->kernel,
        .stride = s->stride,
        .pad = s->pad,
    };
}

ct_conv op_conv(op_run *run, const ct_geom *g, const ct_tensor *W)
{
    const ct_ops *ops = run->ex->ops;
    ct_conv conv;

    OP_OK(ops->conv_create(run->ex, g, &conv));
    conv.packed = op_memory(run, conv.packed_bytes);
    conv.scratch = op_memory(run, conv.scratch_bytes);
    OP_OK(ops->conv_pack(run->ex, &conv, W));
    return conv;
}

static double *keep(op_run *run, const char *name, int64_t count)
{
    assert_true(run->result_count < MAX_RESULTS);
    double *values = ct_calloc((size_t)count, sizeof *values);
    assert_non_null(values);
    run->results[run->result_count++] = (result){.name = name, .values = values, .count = count};
    return values;
}

void op_keep(op_run *run, const char *name, const ct_tensor *t)
{
    double *values = keep(run, name, csctrl_tensor_count(t));

    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        values[i] = op_get(t, i);
}

void op_keep_number(op_run *run, const char *name, double value)
{
    *keep(run, name, 1) = value;
}

static op_run *start(const ct_exec_options *options, op_case *test, const void *params)
{
    op_run *run = ct_calloc(1, sizeof *run);

    assert_non_null(run);
    op_ok(ct_exec_create(&run->ex, options), "ct_exec_create");
    test(run, params);
    return run;
}

static void finish(op_run *run)
{
    for (int i = 0; i < run->block_count; i++) {
        check_guards(&run->blocks[i]);
        ct_free(run->blocks[i].base);
    }
    for (int i = 0; i < run->result_count; i++)
        ct_free(run->results[i].values);
    ct_exec_destroy(&run->ex);
    ct_free(run);
}

static void compare(const char *label, const char *subject, const result *got, const result *want,
                    double tolerance)
{
    double error = 0, norm = 0;

    assert_int_equal(got->count, want->count);
    for (int64_t i = 0; i < got->count; i++) {
        const double d = got->values[i] - want->values[i];
        error += d * d;
        norm += want->values[i] * want->values[i];
    }
    if (!(sqrt(error) <= tolerance * sqrt(norm)))
        fail_msg("%s on %s: %s differs from double ref by %.3g (norm %.3g), tolerance %.1g", label,
                 subject, got->name, sqrt(error), sqrt(norm), tolerance);
}

static void check_one(const char *label, const ct_exec_options *options, op_case *test,
                      const void *params, const op_run *oracle, double tolerance)
{
    op_run *first = start(options, test, params), *second = start(options, test, params);
    char subject[64];

    snprintf(subject, sizeof subject, "%s %s%s", options->device, ct_isa_name(options->isa),
             options->bf16 ? " bf16" : "");
    assert_int_equal(first->result_count, oracle->result_count);
    for (int i = 0; i < oracle->result_count; i++) {
        const result *a = &first->results[i], *b = &second->results[i];
        compare(label, subject, a, &oracle->results[i], tolerance);
        if (memcmp(a->values, b->values, (size_t)a->count * sizeof *a->values) != 0)
            fail_msg("%s on %s: two runs give a different %s", label, subject, a->name);
    }
    finish(first);
    finish(second);
}

static const char *cpu_tune;

void op_set_tune(const char *tune)
{
    cpu_tune = tune;
}

static void check_cpu(const char *label, bool bf16, op_case *test, const void *params,
                      const op_run *oracle, double tolerance)
{
    ct_exec_options fast = {
        .device = "cpu", .dtype = CSCTRL_F32, .threads = 2, .bf16 = bf16, .tune = cpu_tune};
    ct_exec *cpu = NULL;
    const bool built = ct_exec_create(&cpu, &fast) == CSCTRL_OK;
    ct_exec_destroy(&cpu);
    /* Best first: oneDNN keeps the first limit it was given. */
    for (int isa = CT_ISA_AVX512; built && isa >= CT_ISA_PORTABLE; isa--) {
        fast.isa = (ct_isa)isa;
        if (fast.isa <= ct_isa_best())
            check_one(label, &fast, test, params, oracle, tolerance);
        else
            print_message("%s: skipped on %s, which this processor lacks\n", label,
                          ct_isa_name(fast.isa));
    }
}

static op_run *run_oracle(op_case *test, const void *params)
{
    return start(&(ct_exec_options){.device = "ref", .dtype = CSCTRL_F64}, test, params);
}

void op_check(const char *label, op_case *test, const void *params, double tolerance)
{
    const ct_exec_options ref = {.device = "ref", .dtype = CSCTRL_F32};
    op_run *oracle = run_oracle(test, params);

    check_one(label, &ref, test, params, oracle, tolerance);
    check_cpu(label, false, test, params, oracle, tolerance);
    finish(oracle);
}

void op_check_bf16(const char *label, op_case *test, const void *params, double tolerance)
{
    op_run *oracle = run_oracle(test, params);

    check_cpu(label, true, test, params, oracle, tolerance);
    finish(oracle);
}

void op_alone(const char *device, csctrl_dtype dtype, int threads, op_case *test,
              const void *params)
{
    finish(start(&(ct_exec_options){.device = device, .dtype = dtype, .threads = threads}, test,
                 params));
}
