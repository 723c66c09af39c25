/* optim.c - one player's update. */
#include "train/optim.h"

#include <math.h>
#include <string.h>

void ct_optim_create(ct_optim *optim, csctrl_model *model)
{
    const csctrl_config *config = model->config;

    *optim = (ct_optim){
        .model = model,
        .beta1 = csctrl_config_real(config, "optim.beta1"),
        .beta2 = csctrl_config_real(config, "optim.beta2"),
        .eps = csctrl_config_real(config, "optim.eps"),
        .clip = csctrl_config_real(config, "optim.clip"),
        .ema = csctrl_config_real(config, "optim.ema"),
    };
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

/* Norm of the player's whole gradient. */
static csctrl_status gradient_norm(const ct_optim *optim, ct_player player, double *norm)
{
    const csctrl_model *m = optim->model;
    double total = 0.0;

    for (size_t i = 0; i < m->param_count; i++) {
        double squares = 0.0;
        if (!m->params[i].played_by[player])
            continue;
        CT_TRY(m->ex->ops->sum_squares(m->ex, m->params[i].grad, &squares));
        if (!isfinite(squares))
            return ct_fail(
                CSCTRL_E_NUMERIC,
                "the gradient of '%s' in the %s's move is not finite; nothing was updated by that "
                "move; lower the learning rate or resume from an earlier checkpoint",
                m->params[i].name, player == CT_ENCODER ? "encoder" : "decoder");
        total += squares;
    }
    *norm = sqrt(total);
    return CSCTRL_OK;
}

static bool is_dictionary(const ct_param *p)
{
    return p->value->ndim == 4;
}

csctrl_status ct_optim_step(ct_optim *optim, ct_player player, double lr)
{
    csctrl_model *m = optim->model;
    double norm = 0.0;

    CT_TRY(gradient_norm(optim, player, &norm));
    const double t = (double)++optim->moves[player];
    const ct_adam adam = {
        .lr = player == CT_ENCODER ? lr : -lr,
        .beta1 = optim->beta1,
        .beta2 = optim->beta2,
        .eps = optim->eps,
        .bias1 = 1.0 - pow(optim->beta1, t),
        .bias2 = 1.0 - pow(optim->beta2, t),
        .grad_scale = optim->clip > 0.0 && norm > optim->clip ? optim->clip / norm : 1.0,
    };
    for (size_t i = 0; i < m->param_count; i++) {
        ct_param *p = &m->params[i];
        ct_moments *moments = &optim->moments[player][i];
        if (!p->played_by[player])
            continue;
        CT_TRY(m->ex->ops->adam(m->ex, &adam, p->value, p->grad, &moments->m, &moments->v));
        if (is_dictionary(p) && m->arch.kind == CT_ARCH_CSC)
            CT_TRY(m->ex->ops->unit_atoms(m->ex, p->value));
    }
    return ct_model_refresh(m, CT_POWER_STEP);
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
