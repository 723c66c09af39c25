/* cpu.c - the fast backend on the host: the reference table with every heavy slot replaced. */
#include "backend/cpu/cpu.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu_tune.h"
#include "backend/ref/ref.h"
#include "base/mem.h"

#define USE_PRODUCTS(cpu, isa)                                                                     \
    do {                                                                                           \
        (cpu)->product = ct_product_##isa;                                                         \
        (cpu)->patches = &ct_patches_##isa;                                                        \
        (cpu)->winograd = &ct_winograd_##isa;                                                      \
    } while (0)
#define USE_KERNELS(cpu, isa)                                                                      \
    do {                                                                                           \
        (cpu)->loops = &ct_loops_##isa;                                                            \
        (cpu)->float_patches = &ct_patches_##isa;                                                  \
        (cpu)->rates = &ct_rate_loops_##isa;                                                       \
        USE_PRODUCTS(cpu, isa);                                                                    \
    } while (0)

static void choose_kernels(ct_isa isa, bool bf16, ct_cpu *cpu)
{
    USE_KERNELS(cpu, portable);
    if (bf16)
        USE_PRODUCTS(cpu, portable_bf16);
#if defined(__x86_64__)
    if (isa == CT_ISA_AVX512)
        USE_KERNELS(cpu, avx512);
    if (isa == CT_ISA_AVX2)
        USE_KERNELS(cpu, avx2);
    if (bf16 && isa >= CT_ISA_AVX2)
        USE_PRODUCTS(cpu, avx2_bf16);
    if (bf16 && isa == CT_ISA_AVX512 && ct_isa_has_bf16())
        USE_PRODUCTS(cpu, avx512_bf16);
#else
    (void)isa;
#endif
}

ct_shrink ct_cpu_shrink(const ct_prox *prox, double beta)
{
    const float threshold = (float)(prox->lambda * *prox->eta);

    return (ct_shrink){
        .eta = (float)*prox->eta,
        .scale = (float)(1 / (1 + prox->mu * *prox->eta)),
        .threshold = threshold,
        .lower = prox->nonneg ? INFINITY : threshold,
        .beta = (float)beta,
    };
}

static void close_exec(ct_exec *ex)
{
    ct_cpu *cpu = ex->state;

    ct_dnnl_destroy(&cpu->dnnl);
    ct_tune_destroy(&cpu->tune);
    ct_free(cpu->shares);
    ct_free(cpu);
}

csctrl_status ct_cpu_init(ct_exec *ex)
{
    ct_cpu *cpu = ct_calloc(1, sizeof *cpu);

    if (cpu == NULL)
        return CSCTRL_E_NOMEM;
    ct_ref_f32_fill(&cpu->ops);
    ct_cpu_fill_elementwise(&cpu->ops);
    ct_cpu_fill_norm(&cpu->ops);
    ct_cpu_fill_conv(&cpu->ops);
    ct_cpu_fill_rate(&cpu->ops);
    choose_kernels(ex->isa, ex->bf16, cpu);
    /* oneDNN's barriers wait for ever for threads that were asked for and not granted. */
    if (ex->threads > omp_get_thread_limit())
        ex->threads = omp_get_thread_limit();
    ct_cpu_use_threads(ex);
    csctrl_status status = CSCTRL_E_NOMEM;
    cpu->shares = ct_alloc((size_t)ex->threads * sizeof *cpu->shares);
    if (cpu->shares == NULL)
        goto done;
    CT_GOTO(status, ct_tune_create(&cpu->tune, ex->tune));
    CT_GOTO(status, ct_dnnl_create(&cpu->dnnl, ex->isa));
    ex->ops = &cpu->ops;
    ex->state = cpu;
    ex->close = close_exec;
    cpu = NULL;
done:
    if (cpu != NULL) {
        ct_tune_destroy(&cpu->tune);
        ct_free(cpu->shares);
    }
    ct_free(cpu);
    return status;
}

void ct_cpu_use_threads(const ct_exec *ex)
{
    if (omp_get_dynamic())
        omp_set_dynamic(0);
    if (omp_get_max_threads() != ex->threads)
        omp_set_num_threads(ex->threads);
}

/* The rest of a share, piece after piece. */
static void work_off(ct_share *share, int64_t count, int64_t piece, ct_loop *loop, const void *args)
{
    /* Looked at before it is taken from: with many threads most shares are found empty. */
    while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
        const int64_t i = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
        if (i < share->end)
            loop(args, i * piece, (i + 1) * piece < count ? (i + 1) * piece : count);
    }
}

void ct_cpu_for(const ct_exec *ex, int64_t count, int64_t piece, ct_loop *loop, const void *args)
{
    const int threads = ex->threads;
    const int64_t pieces = threads == 1 ? 1 : (count + piece - 1) / piece;
    ct_share *shares = ((const ct_cpu *)ex->state)->shares;

    if (pieces <= 1 && omp_get_level() == 0) {
        loop(args, 0, count);
        return;
    }
    if (pieces <= 1)
        piece = count;
    for (int t = 0; t < threads; t++) {
        atomic_init(&shares[t].next, t * pieces / threads);
        shares[t].end = (t + 1) * pieces / threads;
    }
    /* Within the caller's own team also with one thread, which there has another number than 0: by
     * its number a loop finds its memory. */
#pragma omp parallel num_threads(threads) if (pieces > 1)
    for (int i = 0, own = omp_get_thread_num(); i < threads; i++)
        work_off(&shares[(own + i) % threads], count, piece, loop, args);
}

enum { SUM_BLOCKS = 32 };

typedef struct sum_args {
    int64_t count;
    ct_sum_loop *loop;
    const void *args;
    double (*partial)[CT_MAX_SUMS];
} sum_args;

static void sum_blocks(const void *args, int64_t begin, int64_t end)
{
    const sum_args *a = args;
    const int64_t size = (a->count + SUM_BLOCKS - 1) / SUM_BLOCKS;

    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * size < a->count ? b * size : a->count;
        a->loop(a->args, first, first + size < a->count ? first + size : a->count, a->partial[b]);
    }
}

void ct_cpu_sum(const ct_exec *ex, int64_t count, int width, ct_sum_loop *loop, const void *args,
                double *sums)
{
    enum { FEW = 1 << 14 };
    double partial[SUM_BLOCKS][CT_MAX_SUMS];
    const sum_args a = {.count = count, .loop = loop, .args = args, .partial = partial};

    ct_cpu_for(ex, SUM_BLOCKS, count * width > FEW ? 1 : SUM_BLOCKS, sum_blocks, &a);
    memset(sums, 0, (size_t)width * sizeof *sums);
    for (int b = 0; b < SUM_BLOCKS; b++)
        for (int j = 0; j < width; j++)
            sums[j] += partial[b][j];
}

void ct_cpu_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    char version[64];

    fact(user, "device cpu", "available");
    fact(user, "bf16", ct_isa_has_bf16() ? "native" : "emulated: slower than f32");
    fact(user, "onednn", ct_dnnl_version(version));
    snprintf(version, sizeof version, "%.63s", openblas_get_config());
    fact(user, "openblas", version);
}
