/* plan.h - the memory plan: every buffer is declared with a class and a lifetime before anything is
 * allocated; buffers of one class whose lifetimes do not meet share memory; one allocation a class.
 */
#ifndef CT_TENSOR_PLAN_H
#define CT_TENSOR_PLAN_H

#include "tensor/tensor.h"

typedef enum ct_class {
    CT_PARAM,   /* parameters, gradients, running statistics, packed dictionaries */
    CT_STATE,   /* optimizer moments, averages, power-iteration vectors */
    CT_SAVED,   /* activations kept for the backward pass */
    CT_SCRATCH, /* dead at the end of the phase that wrote it */
    CT_IO,      /* batches in flight */
    CT_CLASSES
} ct_class;

/* Phases are whatever consecutive integers the planner's user likes; a lifetime is [first, last],
 * both included. */
#define CT_FOREVER 0, 1 << 30

typedef struct ct_plan ct_plan;

/* How the arenas are made; NULL functions: host memory. */
typedef struct ct_plan_memory {
    csctrl_status (*alloc)(void *user, size_t bytes, void **block);
    void (*release)(void *user, void *block);
    void *user;
} ct_plan_memory;

csctrl_status ct_plan_create(ct_plan **out);
void ct_plan_destroy(ct_plan **plan); /* releases the arenas too */

/* Declare a buffer for `t` (dtype and shape are set; data is bound by ct_plan_allocate, so `t` must
 * stay where it is) or for a raw pointer. A failed declaration is remembered and returned by
 * ct_plan_finish. Declaring 0 bytes binds NULL. */
void ct_plan_tensor(ct_plan *plan, ct_class kind, ct_tensor *t, int first, int last);
void ct_plan_bytes(ct_plan *plan, ct_class kind, void **pointer, size_t bytes, int first, int last);

/* Assign offsets (first fit, largest first). After it nothing can be declared. */
csctrl_status ct_plan_finish(ct_plan *plan);

/* Bytes of a class's arena. */
size_t ct_plan_size(const ct_plan *plan, ct_class kind);

/* Allocate the arenas (zeroed) and bind every declared pointer. */
csctrl_status ct_plan_allocate(ct_plan *plan, const ct_plan_memory *memory);

#endif
