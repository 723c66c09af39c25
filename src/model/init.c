/* init.c - initial parameters, a pure function of the seed. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"

/* Normal numbers of standard deviation `sd`, drawn on the host so that every device starts from the
 * same values. */
static csctrl_status draw(csctrl_model *m, ct_tensor *t, uint32_t number, double sd)
{
    const ct_rng rng =
        ct_rng_make((uint64_t)csctrl_config_int(m->config, "seed"), CT_RNG_INIT, number);
    const int64_t count = csctrl_tensor_count(t);
    void *host = ct_alloc(ct_tensor_bytes(t));

    if (host == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        const double value = sd * ct_rng_normal(&rng, (uint64_t)i);
        if (t->dtype == CSCTRL_F64)
            ((double *)host)[i] = value;
        else
            ((float *)host)[i] = (float)value;
    }
    const csctrl_status status = m->ex->ops->upload(m->ex, t->data, host, ct_tensor_bytes(t));
    ct_free(host);
    return status;
}

/* Dictionaries of the csc arch: Gaussian atoms of unit length. Networks of the generic arch: N(0,
 * 0.02) (SPEC 2). */
static csctrl_status init_dictionary(csctrl_model *m, ct_tensor *W, uint32_t number)
{
    const bool csc = m->arch.kind == CT_ARCH_CSC;

    CT_TRY(draw(m, W, number, csc ? 1.0 : 0.02));
    return csc ? m->ex->ops->unit_atoms(m->ex, W) : CSCTRL_OK;
}

csctrl_status ct_model_init(csctrl_model *model)
{
    const ct_ops *ops = model->ex->ops;

    for (size_t i = 0; i < model->param_count; i++) {
        ct_param *p = &model->params[i];
        const char *last = strrchr(p->name, '.') + 1;
        if (strcmp(last, "dictionary") == 0)
            CT_TRY(init_dictionary(model, p->value, (uint32_t)i));
        else
            CT_TRY(ops->fill(model->ex,
                             strcmp(last, "scale") == 0 || strcmp(last, "var") == 0 ? 1.0 : 0.0,
                             p->value));
        if (model->averaged)
            CT_TRY(ops->axpby(model->ex, 1.0, p->value, 0.0, &p->average));
    }
    for (int l = 0; l < model->arch.depth && model->arch.kind == CT_ARCH_CSC; l++)
        CT_TRY(ops->fill(model->ex, 1.0, &model->layers[l].power.v));
    CT_TRY(ct_model_refresh(model, CT_POWER_START));
    return ct_model_expect_etas(model);
}
