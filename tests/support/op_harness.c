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

/* Of the case that runs: what its tensors' memory is reached by. */
static ct_exec *current;

static void *element(const ct_tensor *t, int64_t i)
{
    return (unsigned char *)t->data + (size_t)i * csctrl_dtype_size(t->dtype);
}

double op_get(const ct_tensor *t, int64_t i)
{
    double wide = 0;
    float narrow = 0;

    if (t->dtype == CSCTRL_F64)
        OP_OK(current->ops->download(current, &wide, element(t, i), sizeof wide));
    else
        OP_OK(current->ops->download(current, &narrow, element(t, i), sizeof narrow));
    return t->dtype == CSCTRL_F64 ? wide : (double)narrow;
}

void op_set(const ct_tensor *t, int64_t i, double value)
{
    const float narrow = (float)value;

    if (t->dtype == CSCTRL_F64)
        OP_OK(current->ops->upload(current, element(t, i), &value, sizeof value));
    else
        OP_OK(current->ops->upload(current, element(t, i), &narrow, sizeof narrow));
}

/* All of t, as its own type; to be freed. */
static void *fetch(const ct_tensor *t)
{
    void *host = ct_alloc(ct_tensor_bytes(t) + 1);

    assert_non_null(host);
    OP_OK(current->ops->download(current, host, t->data, ct_tensor_bytes(t)));
    return host;
}

void *op_memory(op_run *run, size_t bytes)
{
    assert_true(run->block_count < MAX_BLOCKS);
    block *b = &run->blocks[run->block_count++];
    unsigned char *const pattern = ct_alloc(bytes + 2 * GUARD);
    void *base = NULL;

    assert_non_null(pattern);
    memset(pattern, GUARD_BYTE, bytes + 2 * GUARD);
    OP_OK(current->ops->mem_alloc(current, bytes + 2 * GUARD, &base));
    OP_OK(current->ops->upload(current, base, pattern, bytes + 2 * GUARD));
    ct_free(pattern);
    b->base = base;
    b->bytes = bytes;
    return b->base + GUARD;
}

void *op_put(op_run *run, const void *host, size_t bytes)
{
    void *const memory = op_memory(run, bytes);

    OP_OK(current->ops->upload(current, memory, host, bytes));
    return memory;
}

void op_fetch(const op_run *run, void *host, const void *memory, size_t bytes)
{
    OP_OK(run->ex->ops->download(run->ex, host, memory, bytes));
}

static void check_guards(const block *b)
{
    unsigned char front[GUARD], back[GUARD];

    OP_OK(current->ops->download(current, front, b->base, GUARD));
    OP_OK(current->ops->download(current, back, b->base + GUARD + b->bytes, GUARD));
    for (int i = 0; i < GUARD; i++)
        if (front[i] != GUARD_BYTE || back[i] != GUARD_BYTE)
            fail_msg("a buffer of %zu bytes was overrun at its %s", b->bytes,
                     front[i] != GUARD_BYTE ? "front" : "back");
}

static ct_tensor new_tensor(op_run *run, int ndim, const int64_t *shape)
{
    ct_tensor t = ct_tensor_shape(run->ex->dtype, ndim, shape);

    t.data = op_memory(run, ct_tensor_bytes(&t));
    return t;
}

/* NaN without a source of random numbers. */
static void fill(const ct_tensor *t, const ct_rng *rng, double scale)
{
    void *const host = ct_alloc(ct_tensor_bytes(t) + 1);

    assert_non_null(host);
    for (int64_t i = 0; i < csctrl_tensor_count(t); i++) {
        const float value =
            rng != NULL ? (float)(scale * ct_rng_normal(rng, (uint64_t)i)) : (float)NAN;
        if (t->dtype == CSCTRL_F64)
            ((double *)host)[i] = (double)value;
        else
            ((float *)host)[i] = value;
    }
    OP_OK(current->ops->upload(current, t->data, host, ct_tensor_bytes(t)));
    ct_free(host);
}

ct_tensor op_input(op_run *run, double scale, int ndim, const int64_t *shape)
{
    const ct_tensor t = new_tensor(run, ndim, shape);
    const ct_rng rng = ct_rng_make(1, CT_RNG_TEST, run->inputs++);

    fill(&t, &rng, scale);
    return t;
}

ct_tensor op_output(op_run *run, int ndim, const int64_t *shape)
{
    const ct_tensor t = new_tensor(run, ndim, shape);

    fill(&t, NULL, 0);
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
    void *const host = fetch(t);

    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        values[i] =
            t->dtype == CSCTRL_F64 ? ((const double *)host)[i] : (double)((const float *)host)[i];
    ct_free(host);
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
    current = run->ex;
    test(run, params);
    return run;
}

static void finish(op_run *run)
{
    current = run->ex;
    for (int i = 0; i < run->block_count; i++) {
        check_guards(&run->blocks[i]);
        run->ex->ops->mem_free(run->ex, run->blocks[i].base);
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
             options->bf16   ? " bf16"
             : options->tf32 ? " tf32"
                             : "");
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

/* On the GPU, or the host's emulation of one: "skipped" where there is neither. */
static void check_cuda(const char *label, ct_exec_options cuda, op_case *test, const void *params,
                       const op_run *oracle, double tolerance)
{
    static bool told;
    ct_exec *ex = NULL;

    cuda.device = "cuda";
    cuda.dtype = CSCTRL_F32;
    const bool usable = ct_exec_create(&ex, &cuda) == CSCTRL_OK;

    ct_exec_destroy(&ex);
    if (usable)
        check_one(label, &cuda, test, params, oracle, tolerance);
    else if (getenv("CSCTRL_TEST_CUDA") != NULL)
        fail_msg("%s", csctrl_last_error());
    else if (!told)
        print_message("cuda: skipped: %s\n", csctrl_last_error());
    told = !usable;
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
    check_cuda(label, (ct_exec_options){0}, test, params, oracle, tolerance);
    finish(oracle);
}

void op_check_bf16(const char *label, op_case *test, const void *params, double tolerance)
{
    op_run *oracle = run_oracle(test, params);

    check_cpu(label, true, test, params, oracle, tolerance);
    check_cuda(label, (ct_exec_options){.bf16 = true}, test, params, oracle, tolerance);
    finish(oracle);
}

void op_check_tf32(const char *label, op_case *test, const void *params, double tolerance)
{
    op_run *oracle = run_oracle(test, params);

    check_cuda(label, (ct_exec_options){.tf32 = true}, test, params, oracle, tolerance);
    finish(oracle);
}

void op_alone(const char *device, csctrl_dtype dtype, int threads, op_case *test,
              const void *params)
{
    finish(start(&(ct_exec_options){.device = device, .dtype = dtype, .threads = threads}, test,
                 params));
}
