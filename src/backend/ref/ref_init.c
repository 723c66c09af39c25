/* ref_init.c - the reference backend for the context's element type. */
#include "backend/ref/ref.h"
#include "base/mem.h"

static void close_exec(ct_exec *ex)
{
    ct_free(ex->state);
}

csctrl_status ct_ref_init(ct_exec *ex)
{
    ct_ops *ops = ct_calloc(1, sizeof *ops);

    if (ops == NULL)
        return CSCTRL_E_NOMEM;
    if (ex->dtype == CSCTRL_F64)
        ct_ref_f64_fill(ops);
    else
        ct_ref_f32_fill(ops);
    ex->ops = ops;
    ex->state = ops;
    ex->close = close_exec;
    ex->name = "ref";
    ex->isa = CT_ISA_PORTABLE;
    return CSCTRL_OK;
}
