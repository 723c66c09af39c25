/* dnnl_version.h - inside dnnl_*.c only: engine and stream, and what the versions of oneDNN do
 * differently with memory descriptors: by value in version 2, opaque in version 3. */
#ifndef CT_BACKEND_CPU_DNNL_VERSION_H
#define CT_BACKEND_CPU_DNNL_VERSION_H

#include <dnnl.h>
#include <string.h>

#include "base/error.h"

struct ct_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

static inline csctrl_status check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return CSCTRL_OK;
    if (status == dnnl_out_of_memory)
        return ct_fail(CSCTRL_E_NOMEM, "out of memory: oneDNN could not %s", what);
    return ct_fail(CSCTRL_E_BACKEND, "oneDNN could not %s (its status %d)", what, (int)status);
}

static inline csctrl_status bind(dnnl_memory_t memory, void *data)
{
    return check(dnnl_memory_set_data_handle(memory, data), "take over a buffer");
}

typedef dnnl_memory_desc_t owned_md;

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t borrowed_md;

static inline borrowed_md borrow(const owned_md *md)
{
    return *md;
}

static inline void release_md(owned_md *md)
{
    if (*md != NULL)
        dnnl_memory_desc_destroy(*md);
    *md = NULL;
}

static inline dnnl_status_t make_md(owned_md *md, int ndims, const dnnl_dims_t dims,
                                    dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(md, ndims, dims, dnnl_f32, tag);
}
#else
typedef const dnnl_memory_desc_t *borrowed_md;

static inline borrowed_md borrow(const owned_md *md)
{
    return md;
}

static inline void release_md(owned_md *md)
{
    memset(md, 0, sizeof *md);
}

static inline dnnl_status_t make_md(owned_md *md, int ndims, const dnnl_dims_t dims,
                                    dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(md, ndims, dims, dnnl_f32, tag);
}
#endif

#endif
