/* mem.c - counted allocation. Each block is preceded by a header of one alignment unit that holds
 * its size. */
#define _GNU_SOURCE
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

typedef struct header {
    size_t bytes;
    void *base; /* what free() takes */
} header;

/* Process-wide by nature: the counters of csctrl_memory_get_stats and the switch of the torture
 * tests. */
static atomic_uint_fast64_t allocations, frees, fail_from;
static atomic_size_t held, peak;

static int must_fail(void)
{
    uint_fast64_t left = atomic_load_explicit(&fail_from, memory_order_relaxed);

    if (left == 0)
        return 0;
    if (left == 1)
        return 1;
    atomic_fetch_sub_explicit(&fail_from, 1, memory_order_relaxed);
    return 0;
}

void ct_mem_fail_from(uint64_t n)
{
    atomic_store(&fail_from, n);
}

static void count_alloc(size_t bytes)
{
    const size_t now = atomic_fetch_add(&held, bytes) + bytes;
    size_t top = atomic_load(&peak);

    atomic_fetch_add(&allocations, 1);
    while (now > top && !atomic_compare_exchange_weak(&peak, &top, now))
        ;
}

static void *allocate(size_t bytes, size_t alignment)
{
    /* alignment >= CT_ALIGNMENT bytes of header keep the block itself aligned. */
    const size_t room = bytes + alignment;
    const size_t rounded = (room + alignment - 1) / alignment * alignment;
    unsigned char *base = NULL;

    if (room >= bytes && rounded >= room && !must_fail())
        base = aligned_alloc(alignment, rounded);
    if (base == NULL) {
        ct_fail(CSCTRL_E_NOMEM, "out of memory: %zu bytes were asked for", bytes);
        return NULL;
    }
    unsigned char *block = base + alignment;
    header *h = (header *)(void *)(block - sizeof(header));
    *h = (header){.bytes = bytes, .base = base};
    count_alloc(bytes);
    return block;
}

static header *header_of(void *block)
{
    return (header *)(void *)((unsigned char *)block - sizeof(header));
}

void *ct_alloc(size_t bytes)
{
    return allocate(bytes, CT_ALIGNMENT);
}

void *ct_calloc(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        ct_fail(CSCTRL_E_NOMEM, "out of memory: %zu items of %zu bytes were asked for", count,
                size);
        return NULL;
    }
    void *block = ct_alloc(count * size);
    if (block != NULL)
        memset(block, 0, count * size);
    return block;
}

void *ct_realloc(void *old, size_t bytes)
{
    void *block = ct_alloc(bytes);

    if (block != NULL && old != NULL) {
        const size_t had = header_of(old)->bytes;
        memcpy(block, old, had < bytes ? had : bytes);
        ct_free(old);
    }
    return block;
}

void *ct_alloc_arena(size_t bytes)
{
    enum { HUGE = 2 << 20 };
    void *block = allocate(bytes, bytes >= HUGE ? HUGE : CT_ALIGNMENT);

    if (block == NULL)
        return NULL;
    if (bytes >= HUGE)
        (void)madvise(block, bytes,
                      MADV_HUGEPAGE); /* advice only: failure changes nothing but speed */
    memset(block, 0, bytes);
    return block;
}

void ct_free(void *block)
{
    if (block == NULL)
        return;
    const header h = *header_of(block);
    atomic_fetch_sub(&held, h.bytes);
    atomic_fetch_add(&frees, 1);
    free(h.base);
}

char *ct_strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = ct_alloc(size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void csctrl_memory_get_stats(csctrl_memory_stats *stats)
{
    *stats = (csctrl_memory_stats){
        .allocations = atomic_load(&allocations),
        .frees = atomic_load(&frees),
        .bytes = atomic_load(&held),
        .peak_bytes = atomic_load(&peak),
    };
}
