/* mem.h - every heap allocation of the library: counted, 64-byte aligned, able to fail on demand in
 * tests. */
#ifndef CT_BASE_MEM_H
#define CT_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "csctrl/system.h"

enum { CT_ALIGNMENT = 64 };

/* Uninitialised (ct_alloc) or zeroed (ct_calloc) memory; NULL when out of memory, with the last
 * error set. Zero bytes give a valid pointer. ct_calloc refuses count * size overflow. */
void *ct_alloc(size_t bytes);
void *ct_calloc(size_t count, size_t size);

/* Grow or shrink; on failure the old block stays valid. NULL `old` allocates. */
void *ct_realloc(void *old, size_t bytes);

void ct_free(void *block);

/* Large zeroed block for arenas: 2 MiB aligned, transparent huge pages advised. Released with
 * ct_free. */
void *ct_alloc_arena(size_t bytes);

/* Copy of a string; NULL when out of memory. */
char *ct_strdup(const char *text);

/* Tests only: the n-th allocation from now (1 = next) and all after it fail; 0 switches that off.
 */
void ct_mem_fail_from(uint64_t n);

#endif
