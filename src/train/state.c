/* state.c - what an optimizer remembers, by name. */
#include "train/state.h"

#include <stdio.h>

csctrl_status ct_state_visit(const ct_train_state *state, ct_state_fn visit, void *user)
{
    static const char *const side[CT_PLAYERS] = {"encoder", "decoder"};
    csctrl_model *m = state->model;
    char name[96];

    for (int player = 0; player < CT_PLAYERS; player++)
        for (size_t i = 0; i < m->param_count; i++) {
            ct_moments *moments = &state->optim->moments[player][i];
            if (!m->params[i].played_by[player])
                continue;
            snprintf(name, sizeof name, "%s.m.%s", side[player], m->params[i].name);
            CT_TRY(visit(user, name, &moments->m));
            snprintf(name, sizeof name, "%s.v.%s", side[player], m->params[i].name);
            CT_TRY(visit(user, name, &moments->v));
        }
    for (int l = 0; l < m->arch.depth && m->arch.kind == CT_ARCH_CSC; l++) {
        snprintf(name, sizeof name, "power.%d", l);
        CT_TRY(visit(user, name, &m->layers[l].power.v));
    }
    return CSCTRL_OK;
}
