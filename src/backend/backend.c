/* backend.c - registry of backends. The only file that knows which of them were built. */
#define _GNU_SOURCE
#include "backend/backend.h"

#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { MAX_THREADS = 4096, MAX_DEVICES = 1024 };

#if !CSCTRL_WITH_CPU
static csctrl_status no_cpu(ct_exec *ex, int number)
{
    (void)ex;
    (void)number;
    return ct_fail(CSCTRL_E_UNSUPPORTED, "device \"cpu\" was not built into this library: choose "
                                         "\"ref\" or build with CSCTRL_WITH_CPU=ON");
}
#endif

static csctrl_status open_ref(ct_exec *ex, int number)
{
    (void)number;
    return ct_ref_init(ex);
}

#if CSCTRL_WITH_CPU
static csctrl_status open_cpu(ct_exec *ex, int number)
{
    (void)number;
    return ct_cpu_init(ex);
}
#endif

static bool always(void)
{
    return true;
}

static bool has_gpu(void)
{
    return ct_cuda_why_not() == NULL;
}

typedef struct backend {
    const char *name;
    bool (*usable)(void); /* whether "auto" may choose it; NULL: not built */
    bool has_f64, has_bf16, has_tf32, has_numbers;
    csctrl_status (*open)(ct_exec *ex, int number);
} backend;

/* In the order in which "auto" prefers them. */
static const backend backends[] = {
    {.name = "cuda",
     .usable = has_gpu,
     .has_bf16 = true,
     .has_tf32 = true,
     .has_numbers = true,
     .open = ct_cuda_init},
#if CSCTRL_WITH_CPU
    {.name = "cpu", .usable = always, .has_bf16 = true, .open = open_cpu},
#else
    {.name = "cpu", .has_bf16 = true, .open = no_cpu},
#endif
    {.name = "ref", .usable = always, .has_f64 = true, .open = open_ref},
};
enum { BACKENDS = sizeof backends / sizeof *backends };

/* Whether a backend computes what is asked for. */
static bool computes(const backend *b, const ct_exec_options *o)
{
    return (o->dtype == CSCTRL_F32 || b->has_f64) && (!o->bf16 || b->has_bf16) &&
           (!o->tf32 || b->has_tf32);
}

static const char *precision_of(const ct_exec_options *o)
{
    return o->dtype == CSCTRL_F64 ? "f64" : o->bf16 ? "bf16" : o->tf32 ? "tf32" : "f32";
}

/* "cuda:1" is device number 1 of backend "cuda". */
static bool names(const backend *b, const char *device, int *number)
{
    const size_t length = strlen(b->name);
    char *end = NULL;

    if (strncmp(device, b->name, length) != 0)
        return false;
    if (device[length] == '\0')
        return true;
    if (!b->has_numbers || device[length] != ':' || !isdigit((unsigned char)device[length + 1]))
        return false;
    const long value = strtol(device + length + 1, &end, 10);
    *number = (int)value;
    return *end == '\0' && value < MAX_DEVICES;
}

static csctrl_status find_backend(const ct_exec_options *o, const backend **found, int *number)
{
    for (int i = 0; i < BACKENDS; i++)
        if (names(&backends[i], o->device, number)) {
            *found = &backends[i];
            return CSCTRL_OK;
        }
    return ct_fail(CSCTRL_E_INVALID,
                   "device \"%s\" is unknown: auto, cpu, ref, cuda or cuda:N expected", o->device);
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

static csctrl_status expect_sound(const ct_exec_options *o)
{
    if (o->dtype != CSCTRL_F32 && o->dtype != CSCTRL_F64)
        return ct_fail(CSCTRL_E_UNSUPPORTED, "computation in %s: f32 or f64 expected",
                       csctrl_dtype_name(o->dtype));
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return ct_fail(CSCTRL_E_INVALID, "%d threads: 0 (all processors) to %d expected",
                       o->threads, MAX_THREADS);
    return CSCTRL_OK;
}

static csctrl_status open_backend(ct_exec **out, const backend *b, const ct_exec_options *options,
                                  int number, ct_isa isa)
{
    if (!computes(b, options))
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "device \"%s\" does not compute in %s: f64 needs device ref, bf16 cpu or "
                       "cuda, tf32 cuda",
                       b->name, precision_of(options));
    ct_exec *ex = ct_calloc(1, sizeof *ex);
    if (ex == NULL)
        return CSCTRL_E_NOMEM;
    ex->name = b->name;
    ex->dtype = options->dtype;
    ex->threads = options->threads > 0 ? options->threads : share(options->sharers);
    ex->isa = isa;
    ex->bf16 = options->bf16;
    ex->tf32 = options->tf32;
    ex->tune = options->tune;
    const csctrl_status status = b->open(ex, number);
    if (status != CSCTRL_OK) {
        ct_free(ex);
        return status;
    }
    ex->tune = NULL;
    *out = ex;
    return CSCTRL_OK;
}

/* The first that computes what is asked for and can be opened: a GPU may be there, and what it
 * needs not. */
static csctrl_status open_any(ct_exec **out, const ct_exec_options *options, ct_isa isa)
{
    for (int i = 0; i < BACKENDS; i++) {
        const backend *b = &backends[i];
        if (b->usable == NULL || !computes(b, options) || !b->usable())
            continue;
        const csctrl_status status = open_backend(out, b, options, -1 - options->number, isa);
        if (status != CSCTRL_E_UNSUPPORTED)
            return status;
        ct_log(CSCTRL_LOG_INFO, "device auto: %s", csctrl_last_error());
    }
    return ct_fail(
        CSCTRL_E_UNSUPPORTED,
        "precision \"%s\": no device that computes in it can be used here (csctrl doctor "
        "tells why); f32 is for all",
        precision_of(options));
}

csctrl_status ct_exec_create(ct_exec **out, const ct_exec_options *options)
{
    const backend *b = NULL;
    int number = -1 - options->number;
    ct_isa isa = CT_ISA_AUTO;

    *out = NULL;
    CT_TRY(expect_sound(options));
    CT_TRY(choose_isa(options->isa, &isa));
    if (strcmp(options->device, "auto") == 0)
        return open_any(out, options, isa);
    CT_TRY(find_backend(options, &b, &number));
    return open_backend(out, b, options, number, isa);
}

void ct_exec_destroy(ct_exec **ex)
{
    if (*ex == NULL)
        return;
    (*ex)->close(*ex);
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

static void report_cuda(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    const ct_exec_options options = {.device = "cuda", .dtype = CSCTRL_F32};
    ct_exec *ex = NULL;
    const char *why = ct_cuda_why_not();

    if (why == NULL && ct_exec_create(&ex, &options) != CSCTRL_OK)
        why = csctrl_last_error();
    fact(user, "device cuda", why == NULL ? "available" : why);
    ct_exec_destroy(&ex);
}

void ct_backend_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
#if CSCTRL_WITH_CPU
    ct_cpu_report(fact, user);
#else
    fact(user, "device cpu", "not built (CSCTRL_WITH_CPU=OFF)");
#endif
    report_cuda(fact, user);
    fact(user, "device ref", "available");
}
