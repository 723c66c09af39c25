/* ref_memory.c - the device is the host. */
#include <string.h>

#include "backend/ref/ref.h"
#include "base/mem.h"

static csctrl_status mem_alloc(ct_exec *ex, size_t bytes, void **block)
{
    (void)ex;
    *block = ct_alloc_arena(bytes);
    return *block == NULL ? CSCTRL_E_NOMEM : CSCTRL_OK;
}

static void mem_free(ct_exec *ex, void *block)
{
    (void)ex;
    ct_free(block);
}

static csctrl_status upload(ct_exec *ex, void *device, const void *host, size_t bytes)
{
    (void)ex;
    if (bytes > 0)
        memcpy(device, host, bytes);
    return CSCTRL_OK;
}

static csctrl_status upload_wait(ct_exec *ex)
{
    (void)ex;
    return CSCTRL_OK;
}

static csctrl_status download(ct_exec *ex, void *host, const void *device, size_t bytes)
{
    return upload(ex, host, device, bytes);
}

static csctrl_status pin(ct_exec *ex, void *host, size_t bytes)
{
    (void)ex;
    (void)host;
    (void)bytes;
    return CSCTRL_OK;
}

static void unpin(ct_exec *ex, void *host)
{
    (void)ex;
    (void)host;
}

void REF(fill_memory)(ct_ops *ops)
{
    ops->pin = pin;
    ops->unpin = unpin;
    ops->mem_alloc = mem_alloc;
    ops->mem_free = mem_free;
    ops->upload = ops->upload_ahead = upload;
    ops->upload_wait = upload_wait;
    ops->download = download;
}
