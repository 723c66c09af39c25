/* run.c - a whole run: steps, and when to log, evaluate, draw and save. */
#include <math.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "train/rundir.h"
#include "train/trainer.h"

static bool every(const csctrl_trainer *t, const char *key)
{
    const int64_t interval = csctrl_config_int(t->config, key);

    return interval > 0 && (t->model->step % interval == 0 || t->model->step == t->steps);
}

static csctrl_status log_step(csctrl_trainer *t, const csctrl_progress *p)
{
    const ct_metrics metrics = {
        .step = p->step,
        .epoch = p->epoch,
        .max_value = p->max_value,
        .min_value = p->min_value,
        .encoder_lr = t->encoder_lr,
        .decoder_lr = t->decoder_lr,
        .images_per_second = p->images_per_second,
        .seconds = ct_now() - t->started,
        .psnr = p->psnr,
        .cosine = p->cosine,
    };

    CT_TRY(ct_rundir_log(t->run_dir, &metrics));
    return ct_board_metrics(&t->board, t->run_dir, &metrics);
}

/* At steps 1, 2, 4, 8 ... and every train.picture_every. */
static csctrl_status draw(csctrl_trainer *t)
{
    const int64_t step = t->model->step;

    if (csctrl_config_int(t->config, "train.picture_every") == 0 || t->monitor.count == 0 ||
        !((step & (step - 1)) == 0 || every(t, "train.picture_every")))
        return CSCTRL_OK;
    char *path = ct_rundir_picture(t->run_dir, step);
    if (path == NULL)
        return CSCTRL_E_NOMEM;
    csctrl_status status = ct_monitor_picture(&t->monitor, t->model, path);
    if (status == CSCTRL_OK)
        status = ct_board_picture(&t->board, t->run_dir, step, path);
    ct_free(path);
    return status;
}

static csctrl_status save(csctrl_trainer *t, bool best)
{
    const ct_train_state state = ct_trainer_state(t);

    CT_TRY(ct_save(t->run_dir, &state, best));
    return ct_save_rotate(t->run_dir, (int)csctrl_config_int(t->config, "train.keep_last"));
}

static csctrl_status evaluate(csctrl_trainer *t, csctrl_progress *p, bool *best)
{
    if (t->monitor.count == 0 || !every(t, "train.eval_every"))
        return CSCTRL_OK;
    CT_TRY(ct_monitor_evaluate(&t->monitor, t->model, &p->psnr, &p->cosine));
    p->evaluated = true;
    *best = p->psnr > t->best_psnr && !ct_monitor_collapsed(&t->monitor);
    if (*best)
        t->best_psnr = p->psnr;
    return CSCTRL_OK;
}

/* Everything that goes with a finished step. */
static csctrl_status after_step(csctrl_trainer *t, csctrl_progress *p, bool stopping)
{
    bool best = false;

    CT_TRY(evaluate(t, p, &best));
    if (t->run_dir == NULL)
        return CSCTRL_OK;
    best = best && csctrl_config_bool(t->config, "train.keep_best");
    if (p->evaluated || every(t, "train.log_every"))
        CT_TRY(log_step(t, p));
    if (p->evaluated)
        CT_TRY(ct_board_layers(&t->board, t->run_dir, t->model, &t->monitor));
    CT_TRY(draw(t));
    if (best || stopping || every(t, "train.checkpoint_every") || t->model->step == t->steps)
        CT_TRY(save(t, best));
    return CSCTRL_OK;
}

/* That the ranks still have the same parameters, before the first one saves its own. Running
 * statistics may differ. */
static csctrl_status expect_same(csctrl_trainer *t, bool stopping)
{
    const csctrl_model *m = t->model;
    uLong crc = crc32(0, NULL, 0);

    if (t->ranks.size == 1 || !(stopping || every(t, "train.checkpoint_every") ||
                                every(t, "train.eval_every") || m->step == t->steps))
        return CSCTRL_OK;
    for (size_t i = 0; i < m->param_count; i++) {
        const ct_param *p = &m->params[i];
        const size_t bytes = ct_tensor_bytes(p->value);
        if (p->grad == NULL)
            continue;
        CT_TRY(m->ex->ops->download(m->ex, t->copy, p->value->data, bytes));
        crc = crc32_z(crc, t->copy, bytes);
    }
    return ct_comm_expect_same(&t->ranks, crc, "the parameters");
}

/* All ranks stop when one is asked to. The first one alone has something to show and to save. */
static csctrl_status finish_step(csctrl_trainer *t, csctrl_progress *p, bool *stopping,
                                 csctrl_progress_fn progress, void *user)
{
    *stopping = atomic_load(&t->stop);
    CT_TRY(ct_comm_any(&t->ranks, stopping));
    CT_TRY(expect_same(t, *stopping));
    CT_TRY(after_step(t, p, *stopping));
    t->reported = ct_now(); /* evaluation and saving do not count as training speed */
    bool refused = t->ranks.rank == 0 && progress != NULL && !progress(user, p) && !*stopping;
    CT_TRY(ct_comm_any(&t->ranks, &refused));
    if (refused && t->run_dir != NULL)
        CT_TRY(save(t, false));
    *stopping = *stopping || refused;
    return CSCTRL_OK;
}

csctrl_status csctrl_trainer_run(csctrl_trainer *trainer, csctrl_progress_fn progress, void *user)
{
    csctrl_progress p;

    while (trainer->model->step < trainer->steps) {
        bool stopping = false;
        CT_TRY(csctrl_trainer_step(trainer, &p));
        const csctrl_status status = finish_step(trainer, &p, &stopping, progress, user);
        if (status != CSCTRL_OK) {
            trainer->lost = true;
            return ct_fail_context(status, "after step %lld", (long long)trainer->model->step);
        }
        if (stopping && trainer->model->step < trainer->steps) {
            atomic_store(&trainer->stop, false); /* the request is served: a next run goes on */
            return ct_fail(CSCTRL_E_INTERRUPTED, "stopped by request after step %lld of %lld%s",
                           (long long)trainer->model->step, (long long)trainer->steps,
                           trainer->run_dir != NULL ? "; the state is saved" : "");
        }
    }
    return CSCTRL_OK;
}

csctrl_status csctrl_trainer_save(csctrl_trainer *trainer)
{
    if (trainer->run_dir == NULL)
        return trainer->ranks.rank > 0
                   ? CSCTRL_OK
                   : ct_fail(CSCTRL_E_STATE,
                             "save: the trainer was created without a run directory");
    CT_TRY(ct_trainer_expect_sound(trainer));
    return save(trainer, false);
}
