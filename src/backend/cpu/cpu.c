/* cpu.c - the fast backend on the host. */
#include "backend/backend.h"
#include "backend/ref/ref.h"
#include "base/mem.h"

csctrl_status ct_cpu_init(ct_exec *ex)
{
    ct_ops *ops = ct_calloc(1, sizeof *ops);

    if (ops == NULL)
        return CSCTRL_E_NOMEM;
    ct_ref_f32_fill(ops);
    ex->ops = ops;
    ex->state = ops;
    return CSCTRL_OK;
}

void ct_cpu_exit(ct_exec *ex)
{
    ct_free(ex->state);
}

void ct_cpu_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    fact(user, "device cpu", "available");
}
