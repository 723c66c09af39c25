/* plan.c - lifetimes to offsets. Largest first, each at the lowest offset that is free during its
 * whole lifetime. */
#include "tensor/plan.h"

#include <stdlib.h>

#include "base/mem.h"

typedef struct slot {
    ct_class kind;
    int first, last;
    size_t bytes, offset;
    void **pointer;
    size_t order; /* of declaration: makes the sort stable, the plan reproducible */
} slot;

struct ct_plan {
    slot *slots;
    size_t count, capacity;
    size_t size[CT_CLASSES];
    void *arena[CT_CLASSES];
    ct_plan_memory memory;
    csctrl_status failed;
    bool finished;
};

static csctrl_status host_alloc(void *user, size_t bytes, void **block)
{
    (void)user;
    *block = ct_alloc_arena(bytes);
    return *block != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static void host_release(void *user, void *block)
{
    (void)user;
    ct_free(block);
}

csctrl_status ct_plan_create(ct_plan **out)
{
    *out = ct_calloc(1, sizeof **out);
    if (*out == NULL)
        return CSCTRL_E_NOMEM;
    (*out)->memory = (ct_plan_memory){host_alloc, host_release, NULL};
    return CSCTRL_OK;
}

void ct_plan_destroy(ct_plan **plan)
{
    if (plan == NULL || *plan == NULL)
        return;
    for (int k = 0; k < CT_CLASSES; k++)
        if ((*plan)->arena[k] != NULL)
            (*plan)->memory.release((*plan)->memory.user, (*plan)->arena[k]);
    ct_free((*plan)->slots);
    ct_free(*plan);
    *plan = NULL;
}

void ct_plan_bytes(ct_plan *plan, ct_class kind, void **pointer, size_t bytes, int first, int last)
{
    *pointer = NULL;
    if (plan->failed != CSCTRL_OK || bytes == 0)
        return;
    if (plan->finished) {
        plan->failed = ct_fail(CSCTRL_E_STATE,
                               "memory plan: a buffer was declared after the plan was finished");
        return;
    }
    if (plan->count == plan->capacity) {
        const size_t capacity = plan->capacity ? 2 * plan->capacity : 64;
        slot *slots = ct_realloc(plan->slots, capacity * sizeof *slots);
        if (slots == NULL) {
            plan->failed = CSCTRL_E_NOMEM;
            return;
        }
        plan->slots = slots;
        plan->capacity = capacity;
    }
    plan->slots[plan->count] =
        (slot){.kind = kind,
               .first = first,
               .last = last,
               .bytes = (bytes + CT_ALIGNMENT - 1) / CT_ALIGNMENT * CT_ALIGNMENT,
               .pointer = pointer,
               .order = plan->count};
    plan->count++;
}

void ct_plan_tensor(ct_plan *plan, ct_class kind, ct_tensor *t, int first, int last)
{
    ct_plan_bytes(plan, kind, &t->data, ct_tensor_bytes(t), first, last);
}

static int by_size(const void *a, const void *b)
{
    const slot *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

static bool collide(const slot *a, const slot *b)
{
    return a->kind == b->kind && a->first <= b->last && b->first <= a->last;
}

/* Lowest offset at which slot i overlaps none of the slots before it that live at the same time. */
static size_t lowest_offset(const ct_plan *plan, size_t i)
{
    const slot *s = &plan->slots[i];
    size_t offset = 0;
    bool moved = true;

    while (moved) {
        moved = false;
        for (size_t j = 0; j < i; j++) {
            const slot *other = &plan->slots[j];
            if (collide(s, other) && offset < other->offset + other->bytes &&
                other->offset < offset + s->bytes) {
                offset = other->offset + other->bytes;
                moved = true;
            }
        }
    }
    return offset;
}

csctrl_status ct_plan_finish(ct_plan *plan)
{
    CT_TRY(plan->failed);
    plan->finished = true;
    if (plan->count > 1)
        qsort(plan->slots, plan->count, sizeof *plan->slots, by_size);
    for (size_t i = 0; i < plan->count; i++) {
        slot *s = &plan->slots[i];
        s->offset = lowest_offset(plan, i);
        if (s->offset + s->bytes > plan->size[s->kind])
            plan->size[s->kind] = s->offset + s->bytes;
    }
    return CSCTRL_OK;
}

size_t ct_plan_size(const ct_plan *plan, ct_class kind)
{
    return plan->size[kind];
}

csctrl_status ct_plan_allocate(ct_plan *plan, const ct_plan_memory *memory)
{
    if (!plan->finished)
        return ct_fail(CSCTRL_E_STATE, "memory plan: allocate comes after finish");
    if (memory != NULL)
        plan->memory = *memory;
    for (int k = 0; k < CT_CLASSES; k++)
        if (plan->size[k] > 0)
            CT_TRY(plan->memory.alloc(plan->memory.user, plan->size[k], &plan->arena[k]));
    for (size_t i = 0; i < plan->count; i++) {
        const slot *s = &plan->slots[i];
        *s->pointer = (unsigned char *)plan->arena[s->kind] + s->offset;
    }
    return CSCTRL_OK;
}
