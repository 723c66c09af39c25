/* cuda_optim.c - the move of a player. */
#include <assert.h>

#include "backend/cuda/cuda.h"

static_assert(sizeof(ct_k_adam) == sizeof(ct_adam), "the same numbers in the same order");

/* The tensors from `first` on that one launch takes. */
static ct_k_tensors describe(const ct_update *updates, int first, int count)
{
    ct_k_tensors tensors = {.count = count - first < CT_K_TENSORS ? count - first : CT_K_TENSORS};

    for (int i = 0; i < tensors.count; i++) {
        const ct_update *u = &updates[first + i];
        tensors.list[i] = (ct_k_tensor){.p = u->p->data,
                                        .m = u->m->data,
                                        .v = u->v->data,
                                        .g = u->g->data,
                                        .count = ct_cuda_count(u->p),
                                        .atoms = u->unit_atoms ? (int32_t)u->p->shape[0] : 0};
    }
    return tensors;
}

static csctrl_status update(ct_exec *ex, const ct_adam *adam, const ct_update *updates, int count,
                            double *norm)
{
    void *const stream = ct_cuda_queue(ex);
    const int parts = count * CT_K_NORM_PARTS;

    CT_TRY(ct_cuda_need_work(ex, (size_t)parts * sizeof(double)));
    double *const part = ct_cuda_of(ex)->work;
    for (int i = 0; i < count; i += CT_K_TENSORS) {
        const ct_k_tensors tensors = describe(updates, i, count);
        CT_CUDA_TRY(ct_k_gradient_squares(stream, &tensors, part + i * CT_K_NORM_PARTS));
    }
    CT_CUDA_TRY(ct_k_gradient_norm(stream, part, parts, norm));
    for (int i = 0; i < count; i += CT_K_TENSORS) {
        const ct_k_tensors tensors = describe(updates, i, count);
        CT_CUDA_TRY(ct_k_adam_step(stream, &tensors, (const ct_k_adam *)(const void *)adam, norm));
    }
    return CSCTRL_OK;
}

void ct_cuda_fill_optim(ct_ops *ops)
{
    ops->update = update;
}
