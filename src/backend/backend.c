/* backend.c - registry of backends. The only file that knows which of them were built. */
#define _GNU_SOURCE
#include "backend/backend.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { MAX_THREADS = 4096 };

#if !CSCTRL_WITH_CPU
static csctrl_status no_cpu(ct_exec *ex)
{
    (void)ex;
    return ct_fail(CSCTRL_E_UNSUPPORTED, "device \"cpu\" was not built into this library: choose "
                                         "\"ref\" or build with CSCTRL_WITH_CPU=ON");
}
#endif

typedef struct backend {
    const char *name;
    bool built, has_f64, has_bf16;
    csctrl_status (*init)(ct_exec *ex);
    void (*exit)(ct_exec *ex);
} backend;

/* In the order in which "auto" prefers them. */
static const backend backends[] = {
#if CSCTRL_WITH_CPU
    {.name = "cpu", .built = true, .has_bf16 = true, .init = ct_cpu_init, .exit = ct_cpu_exit},
#else
    {.name = "cpu", .init = no_cpu},
#endif
    {.name = "ref", .built = true, .has_f64 = true, .init = ct_ref_init, .exit = ct_ref_exit},
};
enum { BACKENDS = sizeof backends / sizeof *backends };

static const backend *find_backend(const char *device, csctrl_dtype dtype)
{
    const bool any = strcmp(device, "auto") == 0;

    for (int i = 0; i < BACKENDS; i++) {
        const backend *b = &backends[i];
        if (any ? b->built && (dtype == CSCTRL_F32 || b->has_f64) : strcmp(device, b->name) == 0)
            return b;
    }
    return NULL;
}

static int processors(void)
{
    cpu_set_t set;
    long count = 0;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    if (count < 1)
        count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (int)count;
}

static int share(int sharers)
{
    const int mine = sharers > 1 ? processors() / sharers : processors();

    return mine > 1 ? mine : 1;
}

static csctrl_status choose_isa(ct_isa wanted, ct_isa *isa)
{
    const ct_isa best = ct_isa_best();

    if (wanted > best)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "isa \"%s\" is not in this processor: it has \"%s\" at most",
                       ct_isa_name(wanted), ct_isa_name(best));
    *isa = wanted == CT_ISA_AUTO ? best : wanted;
    return CSCTRL_OK;
}

csctrl_status ct_exec_create(ct_exec **out, const ct_exec_options *options)
{
    *out = NULL;
    const backend *b = find_backend(options->device, options->dtype);
    if (options->dtype != CSCTRL_F32 && options->dtype != CSCTRL_F64)
        return ct_fail(CSCTRL_E_UNSUPPORTED, "computation in %s: f32 or f64 expected",
                       csctrl_dtype_name(options->dtype));
    if (b == NULL)
        return ct_fail(CSCTRL_E_INVALID, "device \"%s\" is unknown: auto, cpu or ref expected",
                       options->device);
    if (options->threads < 0 || options->threads > MAX_THREADS)
        return ct_fail(CSCTRL_E_INVALID, "%d threads: 0 (all processors) to %d expected",
                       options->threads, MAX_THREADS);
    if (b->built && options->dtype == CSCTRL_F64 && !b->has_f64)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "device \"%s\" computes in f32 only: choose device \"ref\" for f64",
                       b->name);
    if (b->built && options->bf16 && !b->has_bf16)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "device \"%s\" computes in f32 and f64 only: choose device \"cpu\" for bf16",
                       b->name);
    ct_isa isa = CT_ISA_AUTO;
    CT_TRY(choose_isa(options->isa, &isa));

    ct_exec *ex = ct_calloc(1, sizeof *ex);
    if (ex == NULL)
        return CSCTRL_E_NOMEM;
    ex->name = b->name;
    ex->dtype = options->dtype;
    ex->threads = options->threads > 0 ? options->threads : share(options->sharers);
    ex->isa = isa;
    ex->bf16 = options->bf16;
    ex->tune = options->tune;
    const csctrl_status status = b->init(ex);
    if (status != CSCTRL_OK) {
        ct_free(ex);
        return status;
    }
    ex->tune = NULL;
    *out = ex;
    return CSCTRL_OK;
}

void ct_exec_destroy(ct_exec **ex)
{
    if (*ex == NULL)
        return;
    for (int i = 0; i < BACKENDS; i++)
        if (strcmp((*ex)->name, backends[i].name) == 0)
            backends[i].exit(*ex);
    ct_free(*ex);
    *ex = NULL;
}

static const char *const isa_names[] = {
    [CT_ISA_AUTO] = "auto",
    [CT_ISA_PORTABLE] = "portable",
    [CT_ISA_AVX2] = "avx2",
    [CT_ISA_AVX512] = "avx512",
};

const char *ct_isa_name(ct_isa isa)
{
    return isa_names[isa];
}

bool ct_isa_from_name(const char *name, ct_isa *isa)
{
    for (int i = CT_ISA_AUTO; i <= CT_ISA_AVX512; i++)
        if (strcmp(name, isa_names[i]) == 0) {
            *isa = (ct_isa)i;
            return true;
        }
    return false;
}

ct_isa ct_isa_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CT_ISA_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return CT_ISA_AVX512;
    return CT_ISA_AVX2;
#else
    return CT_ISA_PORTABLE;
#endif
}

bool ct_isa_has_bf16(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return false;
#endif
}

void ct_backend_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
#if CSCTRL_WITH_CPU
    ct_cpu_report(fact, user);
#else
    fact(user, "device cpu", "not built (CSCTRL_WITH_CPU=OFF)");
#endif
    fact(user, "device ref", "available");
}
