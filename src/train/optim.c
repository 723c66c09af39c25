/* optim.c - one player's update. */
#include "train/optim.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static void declare_moments(ct_optim *optim)
{
    csctrl_model *model = optim->model;

    for (int player = 0; player < CT_PLAYERS; player++)
        for (size_t i = 0; i < model->param_count; i++) {
            ct_moments *moments = &optim->moments[player][i];
            if (!model->params[i].played_by[player])
                continue;
            moments->m = moments->v = *model->params[i].value;
            ct_plan_tensor(model->plan, CT_STATE, &moments->m, CT_FOREVER);
            ct_plan_tensor(model->plan, CT_STATE, &moments->v, CT_FOREVER);
        }
}

csctrl_status ct_optim_create(ct_optim *optim, csctrl_model *model)
{
    const csctrl_config *config = model->config;

    *optim = (ct_optim){
        .model = model,
        .beta1 = csctrl_config_real(config, "optim.beta1"),
        .beta2 = csctrl_config_real(config, "optim.beta2"),
        .eps = csctrl_config_real(config, "optim.eps"),
        .clip = csctrl_config_real(config, "optim.clip"),
        .ema = csctrl_config_real(config, "optim.ema"),
        .batch_moves = (int)csctrl_config_int(config, "game.encoder_steps") +
                       (int)csctrl_config_int(config, "game.decoder_steps"),
    };
    const size_t moves = (size_t)optim->batch_moves;
    optim->host_adam = ct_calloc(moves, sizeof *optim->host_adam);
    optim->players = ct_calloc(moves, sizeof *optim->players);
    if (optim->host_adam == NULL || optim->players == NULL)
        return CSCTRL_E_NOMEM;
    declare_moments(optim);
    ct_plan_bytes(model->plan, CT_IO, &optim->adam, moves * sizeof(ct_adam), CT_FOREVER);
    ct_plan_bytes(model->plan, CT_IO, &optim->norms, moves * sizeof(double), CT_FOREVER);
    return CSCTRL_OK;
}

void ct_optim_destroy(ct_optim *optim)
{
    ct_free(optim->host_adam);
    ct_free(optim->players);
    optim->host_adam = NULL;
    optim->players = NULL;
}

csctrl_status ct_optim_load(ct_optim *optim, const ct_move *moves, int count)
{
    ct_exec *ex = optim->model->ex;

    for (int i = 0; i < count; i++) {
        const ct_player player = moves[i].player;
        const double t = (double)++optim->moves[player];
        optim->players[i] = player;
        optim->host_adam[i] = (ct_adam){
            .lr = player == CT_ENCODER ? moves[i].lr : -moves[i].lr,
            .beta1 = optim->beta1,
            .beta2 = optim->beta2,
            .eps = optim->eps,
            .bias1 = 1.0 - pow(optim->beta1, t),
            .bias2 = 1.0 - pow(optim->beta2, t),
            .clip = optim->clip,
        };
    }
    return ex->ops->upload(ex, optim->adam, optim->host_adam,
                           (size_t)count * sizeof *optim->host_adam);
}

static bool is_dictionary(const ct_param *p)
{
    return p->value->ndim == 4;
}

csctrl_status ct_optim_step(ct_optim *optim, int i)
{
    csctrl_model *m = optim->model;
    const ct_player player = optim->players[i];
    ct_update updates[CT_PARAMS_MAX];
    int count = 0;

    for (size_t k = 0; k < m->param_count; k++) {
        ct_param *p = &m->params[k];
        ct_moments *moments = &optim->moments[player][k];
        if (p->played_by[player])
            updates[count++] =
                (ct_update){.p = p->value,
                            .m = &moments->m,
                            .v = &moments->v,
                            .g = p->grad,
                            .unit_atoms = is_dictionary(p) && m->arch.kind == CT_ARCH_CSC};
    }
    CT_TRY(m->ex->ops->update(m->ex, (const ct_adam *)optim->adam + i, updates, count,
                              (double *)optim->norms + i));
    return ct_model_refresh(m, CT_POWER_STEP);
}

/* Which gradient it was. */
static csctrl_status blame_gradient(const ct_optim *optim, ct_player player)
{
    const csctrl_model *m = optim->model;
    const char *name = "";

    for (size_t k = 0; k < m->param_count && name[0] == '\0'; k++) {
        double squares = 0.0;
        if (!m->params[k].played_by[player])
            continue;
        CT_TRY(m->ex->ops->sum_squares(m->ex, m->params[k].grad, &squares));
        if (!isfinite(squares))
            name = m->params[k].name;
    }
    return ct_fail(
        CSCTRL_E_NUMERIC,
        "the gradient of '%s' in the %s's move is not finite; nothing was updated by that "
        "move; lower the learning rate or resume from an earlier checkpoint",
        name, player == CT_ENCODER ? "encoder" : "decoder");
}

csctrl_status ct_optim_check(const ct_optim *optim, int i)
{
    ct_exec *ex = optim->model->ex;
    double norm = 0.0;

    CT_TRY(ex->ops->download(ex, &norm, (const double *)optim->norms + i, sizeof norm));
    return isfinite(norm) ? ct_model_expect_etas(optim->model)
                          : blame_gradient(optim, optim->players[i]);
}

csctrl_status ct_optim_average(ct_optim *optim)
{
    csctrl_model *m = optim->model;

    /* Shorter at first, so that the random start is forgotten: decay (1 + t) / (10 + t), at most
     * ema. */
    const double t = (double)m->step, early = (1.0 + t) / (10.0 + t);
    const double decay = early < optim->ema ? early : optim->ema;

    for (size_t i = 0; i < m->param_count && m->averaged; i++)
        CT_TRY(m->ex->ops->axpby(m->ex, 1.0 - decay, m->params[i].value, decay,
                                 &m->params[i].average));
    return CSCTRL_OK;
}

double ct_schedule(const csctrl_config *config, int64_t step, int64_t steps)
{
    const double pi = 3.14159265358979323846;
    const char *kind = csctrl_config_text(config, "optim.schedule");
    const double final = csctrl_config_real(config, "optim.final_scale");
    const int64_t warmup = csctrl_config_int(config, "optim.warmup");

    if (step < warmup)
        return (double)(step + 1) / (double)warmup;
    if (strcmp(kind, "constant") == 0 || steps <= warmup)
        return 1.0;
    const double part = (double)(step - warmup) / (double)(steps - warmup);
    const double fall = strcmp(kind, "linear") == 0 ? 1.0 - part : 0.5 * (1.0 + cos(pi * part));
    return final + (1.0 - final) * fall;
}

double ct_encoder_schedule(const csctrl_config *config, int64_t step, int64_t steps)
{
    const double span = csctrl_config_real(config, "optim.encoder_span");
    /* 0.28 * 100 is a little more than 28 */
    const int64_t moving = (int64_t)ceil(span * (double)steps - 1e-6);

    return step < moving ? ct_schedule(config, step, moving) : 0.0;
}
