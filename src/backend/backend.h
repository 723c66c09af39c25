/* backend.h - registry of backends and the execution context. */
#ifndef CT_BACKEND_BACKEND_H
#define CT_BACKEND_BACKEND_H

#include "backend/ops.h"
#include "comm/comm.h"

typedef enum ct_isa { CT_ISA_AUTO, CT_ISA_PORTABLE, CT_ISA_AVX2, CT_ISA_AVX512 } ct_isa;

/* What a caller may choose. */
typedef struct ct_exec_options {
    const char *device; /* "auto", "cpu", "ref", "cuda", "cuda:N" */
    csctrl_dtype dtype; /* CSCTRL_F32, or CSCTRL_F64 (ref only) */
    int threads;        /* 0: all processors this process may use */
    ct_isa isa;         /* cpu: highest instruction set to use; AUTO: the machine's best */
    bool bf16;          /* cpu, cuda: products of convolutions are of bfloat16, summed in float */
    bool tf32;          /* cuda: they are of floats rounded to TF32 */
    const char *tune;   /* cpu: "off" (or NULL), "on" or a file, see cpu/cpu_tune.h; borrowed */
    int number;         /* of the device where its name has none, modulo how many there are */
    int sharers;        /* processes among which 0 threads divides the processors; 0: this one */
} ct_exec_options;

/* Context in which operations run. Layers read ops and dtype, and ask ct_exec_rows. */
struct ct_exec {
    const ct_ops *ops;
    csctrl_dtype dtype;
    int threads;
    const char *name; /* "ref", "cpu" or "cuda" */
    bool deferred;    /* operations may not be done when they return: upload and download wait */
    ct_isa isa;       /* in use */
    bool bf16, tf32;
    const char *tune; /* read by init only */
    /* Ranks whose batches are one batch to the norms; NULL: each rank's is its own. Borrowed. */
    const ct_comm *norm_ranks;
    /* Ranks with messages in the work that `repeat` is given, which record it all or none; NULL: it
     * has none. Borrowed. */
    const ct_comm *repeat_ranks;
    void *queue; /* cuda: the stream of all its work; NULL on the host */
    void *state; /* backend's own, released by close */
    void (*close)(struct ct_exec *ex);
};

/* E_UNSUPPORTED with the reason when the backend is missing or does not do that dtype; E_INVALID
 * for an unknown name. */
csctrl_status ct_exec_create(ct_exec **out, const ct_exec_options *options);
void ct_exec_destroy(ct_exec **ex);

/* For the norms of a training batch: rows of all ranks together, as many on each; sums over them.
 */
static inline int64_t ct_exec_rows(const ct_exec *ex, int64_t rows)
{
    return ex->norm_ranks != NULL ? rows * ex->norm_ranks->size : rows;
}
static inline csctrl_status ct_exec_sum(const ct_exec *ex, double *sums, int count)
{
    return ex->norm_ranks != NULL ? ct_comm_sum(ex->norm_ranks, sums, count, CSCTRL_F64)
                                  : CSCTRL_OK;
}

/* "portable", "avx2", "avx512"; best that this CPU has. */
const char *ct_isa_name(ct_isa isa);
ct_isa ct_isa_best(void);
bool ct_isa_has_bf16(void); /* products of bfloat16 are instructions of this CPU */
bool ct_isa_from_name(const char *name, ct_isa *isa); /* also "auto" */

/* A backend: fills ex->ops, ex->state and ex->close, or says why it cannot. */
csctrl_status ct_ref_init(ct_exec *ex);
csctrl_status ct_cpu_init(ct_exec *ex);
/* cuda_load.c: the device of that number, or, below 0, of number -1 - number modulo how many there
 * are; by the module that is linked with CUDA. */
csctrl_status ct_cuda_init(ct_exec *ex, int number);
/* Why no GPU can be used; NULL: one may be. At little cost: CUDA's libraries are not loaded for it.
 */
const char *ct_cuda_why_not(void);
void ct_cpu_report(void (*fact)(void *user, const char *key, const char *value), void *user);

/* Versions of what the cpu backend runs on ("onednn", "2.6.3"), for csctrl_system_report. */
void ct_backend_report(void (*fact)(void *user, const char *key, const char *value), void *user);

/* d <- d + w (a - b): the gradient of w/2 |a - b|^2 for a. */
static inline csctrl_status ct_add_difference(ct_exec *ex, double w, const ct_tensor *a,
                                              const ct_tensor *b, ct_tensor *d)
{
    CT_TRY(ex->ops->axpby(ex, w, a, 1.0, d));
    return ex->ops->axpby(ex, -w, b, 1.0, d);
}

#endif
