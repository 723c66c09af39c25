/* exchange.c - messages from the host's memory, or by way of it. */
#include "train/exchange.h"

#include "base/mem.h"

/* Whether messages go by way of the host. */
static bool by_host(const ct_exchange *x)
{
    return x->host != NULL;
}

csctrl_status ct_exchange_create(ct_exchange *x, ct_exec *ex, const ct_comm *ranks,
                                 size_t host_bytes, int most)
{
    *x = (ct_exchange){.ex = ex, .ranks = ranks, .host_bytes = host_bytes, .pending_most = most};
    if (ranks->device != NULL)
        x->ranks = ranks->device;
    if (ranks->size == 1 || !ex->deferred || ranks->device != NULL)
        return CSCTRL_OK;
    x->host = ct_alloc(host_bytes);
    x->pending = ct_calloc((size_t)most, sizeof *x->pending);
    return x->host != NULL && x->pending != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

void ct_exchange_destroy(ct_exchange *x)
{
    ct_free(x->host);
    ct_free(x->pending);
    *x = (ct_exchange){0};
}

csctrl_status ct_exchange_gather(ct_exchange *x, void *all, size_t bytes)
{
    const size_t whole = bytes * (size_t)x->ranks->size;
    const size_t own = bytes * (size_t)x->ranks->rank;

    if (!by_host(x))
        return ct_comm_gather(x->ranks, all, bytes);
    CT_TRY(x->ex->ops->download(x->ex, x->host + own, (unsigned char *)all + own, bytes));
    CT_TRY(ct_comm_gather(x->ranks, x->host, bytes));
    return x->ex->ops->upload(x->ex, all, x->host, whole);
}

csctrl_status ct_exchange_start_sum(ct_exchange *x, ct_tensor *t)
{
    const size_t bytes = ct_tensor_bytes(t);

    if (!by_host(x))
        return ct_comm_start_sum(x->ranks, t->data, csctrl_tensor_count(t), t->dtype);
    unsigned char *const copy = x->host + x->used;
    x->pending[x->pending_count++] = *t;
    x->used += bytes;
    CT_TRY(x->ex->ops->download(x->ex, copy, t->data, bytes));
    return ct_comm_start_sum(x->ranks, copy, csctrl_tensor_count(t), t->dtype);
}

csctrl_status ct_exchange_finish_sums(ct_exchange *x)
{
    const unsigned char *copy = x->host;

    CT_TRY(ct_comm_finish_sums(x->ranks));
    for (int i = 0; i < x->pending_count; i++) {
        const ct_tensor *t = &x->pending[i];
        CT_TRY(x->ex->ops->upload(x->ex, t->data, copy, ct_tensor_bytes(t)));
        copy += ct_tensor_bytes(t);
    }
    x->pending_count = 0;
    x->used = 0;
    return CSCTRL_OK;
}
