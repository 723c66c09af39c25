/* cuda_repeat.c - work that repeats is queued once as it comes, which plans and allocates what is
 * still missing, once more to be recorded as a CUDA graph, and from then on as that graph; or as it
 * comes each time, where a library does in it what a graph cannot hold. */
#include <stdio.h>

#include "backend/cuda/cuda.h"

typedef struct repetition {
    int calls;
    bool refused; /* something in it cannot be recorded */
    ct_cuda_graph *graph;
} repetition;

static csctrl_status record_graph(ct_exec *ex, repetition *r, csctrl_status (*call)(void *user),
                                  void *user)
{
    ct_cuda_device *device = ct_cuda_of(ex)->device;

    CT_TRY(ct_cuda_record(device));
    const csctrl_status status = call(user);
    char why[256] = "";
    if (status != CSCTRL_OK) /* what ends the recording fails too, and says less */
        snprintf(why, sizeof why, "%s", ct_cuda_library->last_error());
    const csctrl_status ended = ct_cuda_recorded(device, &r->graph);
    if (status == CSCTRL_OK)
        return ended;
    ct_cuda_graph_free(&r->graph);
    return ct_cuda_library->fail(status, "%s", why);
}

/* A message is recorded by all ranks or by none. */
static csctrl_status record_or_refuse(ct_exec *ex, repetition *r, csctrl_status (*call)(void *user),
                                      void *user)
{
    const bool mine = record_graph(ex, r, call, user) == CSCTRL_OK;

    r->refused = !mine;
    if (ex->repeat_ranks != NULL)
        CT_TRY(ct_cuda_library->any(ex->repeat_ranks, &r->refused));
    if (!r->refused)
        return CSCTRL_OK;
    ct_cuda_graph_free(&r->graph);
    ct_cuda_library->log(CSCTRL_LOG_WARNING,
                         "device \"cuda\": a batch cannot be recorded as a graph, which makes it "
                         "slower: %s",
                         mine ? "not on another rank" : ct_cuda_library->last_error());
    return CSCTRL_OK;
}

static csctrl_status repeat(ct_exec *ex, void **record, csctrl_status (*call)(void *user),
                            void *user)
{
    repetition *r = *record;

    if (r == NULL) {
        r = *record = ct_cuda_library->calloc(1, sizeof *r);
        if (r == NULL)
            return CSCTRL_E_NOMEM;
    }
    if (r->calls++ == 0 || r->refused)
        return call(user);
    if (r->graph == NULL)
        CT_TRY(record_or_refuse(ex, r, call, user));
    if (r->refused)
        return call(user);
    return ct_cuda_replay(ct_cuda_of(ex)->device, r->graph);
}

static void repeat_end(ct_exec *ex, void **record)
{
    repetition *r = *record;

    (void)ex;
    if (r == NULL)
        return;
    ct_cuda_graph_free(&r->graph);
    ct_cuda_library->free(r);
    *record = NULL;
}

void ct_cuda_fill_repeat(ct_ops *ops)
{
    ops->repeat = repeat;
    ops->repeat_end = repeat_end;
}
