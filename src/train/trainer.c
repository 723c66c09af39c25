/* trainer.c - one run: data, game, optimizer, in the order of SPEC 4. What it writes: run.c. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "data/source.h"
#include "model/checkpoint.h"
#include "train/launch.h"
#include "train/rundir.h"
#include "train/save.h"

static bool is_first(const csctrl_trainer *t)
{
    return t->ranks.rank == 0;
}

/* One rank's failure before the first step is everyone's. The others have its message. */
static csctrl_status agree(const csctrl_trainer *t, csctrl_status mine)
{
    bool failed = mine != CSCTRL_OK;

    if (t->ranks.size == 1)
        return mine;
    CT_TRY(ct_comm_any(&t->ranks, &failed));
    return failed && mine == CSCTRL_OK
               ? ct_fail(CSCTRL_E_STATE, "another rank failed, which says why")
               : mine;
}

static csctrl_status open_data(csctrl_trainer *t)
{
    csctrl_dataset_info train, test;

    CT_TRY(csctrl_dataset_open(&t->train, t->config, CSCTRL_SPLIT_TRAIN));
    CT_TRY(csctrl_dataset_open(&t->test, t->config, CSCTRL_SPLIT_TEST));
    csctrl_dataset_get_info(t->train, &train);
    csctrl_dataset_get_info(t->test, &test);
    t->classes = train.classes;
    t->train_images = train.count;
    t->test_images = test.count;
    t->fingerprint = train.fingerprint;
    return CSCTRL_OK;
}

void ct_loader_options_read(ct_loader_options *options, const csctrl_config *config,
                            const ct_comm *ranks, int64_t start)
{
    *options = (ct_loader_options){
        .seed = (uint64_t)csctrl_config_int(config, "seed"),
        .batch = (int)csctrl_config_int(config, "train.batch") / ranks->size,
        .share = ranks->rank,
        .shares = ranks->size,
        .threads = (int)csctrl_config_int(config, "data.loader_threads"),
        .prefetch = (int)csctrl_config_int(config, "data.prefetch"),
        .flip = csctrl_config_bool(config, "data.flip"),
        .crop_pad = (int)csctrl_config_int(config, "data.crop_pad"),
        .start = start,
    };
}

/* The data hold a batch, and the ranks can share it. */
static csctrl_status expect_batch(const csctrl_trainer *t)
{
    const int batch = (int)csctrl_config_int(t->config, "train.batch");
    ct_loader_options options;

    if (batch % t->ranks.size != 0)
        return ct_fail(CSCTRL_E_CONFIG,
                       "train.batch: expected a multiple of the %d ranks, which share it equally, "
                       "found %d",
                       t->ranks.size, batch);
    ct_loader_options_read(&options, t->config, &t->ranks, 0);
    return ct_loader_expect(t->train, &options);
}

csctrl_status ct_trainer_model(csctrl_trainer *t, const csctrl_config *config, int classes)
{
    const int batch = (int)csctrl_config_int(config, "train.batch");

    CT_TRY(ct_model_begin(&t->model, config, batch / t->ranks.size, true,
                          csctrl_config_real(config, "optim.ema") > 0.0, &t->ranks));
    CT_TRY(ct_comm_attach(&t->ranks, t->model->ex->queue));
    t->model->ex->repeat_ranks = t->ranks.device != NULL ? &t->ranks : NULL;
    CT_TRY(ct_game_create(&t->game, t->model, &t->ranks, classes));
    t->model->classes = classes;
    t->ups = (int)csctrl_config_int(config, "game.encoder_steps");
    t->downs = (int)csctrl_config_int(config, "game.decoder_steps");
    t->moves = ct_calloc((size_t)(t->ups + t->downs), sizeof *t->moves);
    return t->moves != NULL ? ct_optim_create(&t->optim, t->model) : CSCTRL_E_NOMEM;
}

static csctrl_status start_loader(csctrl_trainer *t)
{
    ct_loader_options options;
    size_t bytes = 0;

    ct_board_begin(&t->board, t->model, is_first(t) ? t->monitor.count : 0);
    ct_loader_options_read(&options, t->config, &t->ranks, t->model->step);
    CT_TRY(ct_loader_create(&t->loader, t->train, &options));
    t->ring = ct_loader_ring(t->loader, &bytes);
    if (t->model->ex->ops->pin(t->model->ex, t->ring, bytes) != CSCTRL_OK)
        t->ring = NULL; /* it goes without */
    return CSCTRL_OK;
}

static csctrl_status make_copy(csctrl_trainer *t)
{
    size_t most = 1;

    if (t->ranks.size == 1)
        return CSCTRL_OK;
    for (size_t i = 0; i < t->model->param_count; i++) {
        const size_t bytes = ct_tensor_bytes(t->model->params[i].value);
        most = bytes > most ? bytes : most;
    }
    t->copy = ct_alloc(most);
    return t->copy != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static csctrl_status build(csctrl_trainer *t, const csctrl_config *config)
{
    CT_TRY(csctrl_config_copy(&t->config, config));
    CT_TRY(open_data(t));
    CT_TRY(expect_batch(t));
    CT_TRY(ct_trainer_model(t, config, t->classes));
    CT_TRY(ct_model_finish_plan_only(t->model));
    CT_TRY(ct_trainer_expect_memory(t));
    CT_TRY(ct_model_finish(t->model));
    ct_game_bind(&t->game);
    CT_TRY(make_copy(t));
    if (is_first(t))
        CT_TRY(ct_monitor_create(&t->monitor, t->model, t->test));
    t->steps = csctrl_config_int(config, "train.batches");
    t->started = t->reported = ct_now();
    return CSCTRL_OK;
}

/* Of options that make another run; others, such as threads, each rank may have of its own. */
static bool makes_the_run(const char *key)
{
    static const char *const own[] = {
        "threads",       "isa",       "tune",           "data.loader_threads",
        "data.prefetch", "data.path", "data.test_path", "device",
        "parallel.rank"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(key, own[i]) == 0)
            return false;
    return true;
}

/* All ranks are about to train the same model on the same data from the same step. */
static csctrl_status expect_same_run(const csctrl_trainer *t)
{
    uint64_t hash = CT_FNV_START;

    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key, *text = csctrl_config_text(t->config, key);
        if (makes_the_run(key))
            hash = ct_fnv(hash, text, strlen(text) + 1);
    }
    CT_TRY(ct_comm_expect_same(&t->ranks, hash, "the config"));
    CT_TRY(ct_comm_expect_same(&t->ranks, t->fingerprint, "the training data"));
    CT_TRY(ct_comm_expect_same(&t->ranks, (uint64_t)t->model->step,
                               "the step of the latest checkpoint"));
    if (t->model->ex->deferred) /* whatever the host's processor is */
        return CSCTRL_OK;
    return ct_comm_expect_same(
        &t->ranks, (uint64_t)t->model->ex->isa,
        "the instruction set (option isa: choose one that all machines have)");
}

/* What goes with it on disk. */
static csctrl_status start_on_disk(csctrl_trainer *t, const char *run_dir)
{
    if (run_dir == NULL)
        return CSCTRL_OK;
    t->run_dir = ct_strdup(run_dir);
    if (t->run_dir == NULL)
        return CSCTRL_E_NOMEM;
    const ct_run_facts facts = {.config = t->config,
                                .ex = t->model->ex,
                                .data_fingerprint = t->fingerprint,
                                .train_images = t->train_images,
                                .test_images = t->test_images};
    CT_TRY(ct_rundir_create(run_dir, &facts, &t->lock));
    const csctrl_status status = csctrl_trainer_save(t); /* killed at any time, it can be resumed */
    return status == CSCTRL_OK ? CSCTRL_OK : ct_rundir_undo(run_dir, status);
}

static csctrl_status join_ranks(csctrl_trainer *t, const csctrl_config *config)
{
    const ct_comm_options options = {
        .kind = csctrl_config_text(config, "parallel.comm"),
        .address = csctrl_config_text(config, "parallel.address"),
        .rank = (int)csctrl_config_int(config, "parallel.rank"),
        .ranks = (int)csctrl_config_int(config, "parallel.ranks"),
    };

    return ct_comm_open(&t->ranks, &options);
}

static csctrl_status begin_run(csctrl_trainer *t, const csctrl_config *config, const char *run_dir)
{
    CT_TRY(join_ranks(t, config));
    if (!is_first(t))
        run_dir = NULL;
    /* before the data and the memory are taken */
    CT_TRY(agree(t, run_dir != NULL ? ct_rundir_expect_new(run_dir) : CSCTRL_OK));
    CT_TRY(agree(t, build(t, config)));
    CT_TRY(expect_same_run(t));
    CT_TRY(agree(t, start_loader(t)));
    return agree(t, start_on_disk(t, run_dir));
}

static csctrl_status create_trainer(csctrl_trainer **out)
{
    *out = ct_calloc(1, sizeof **out);
    if (*out == NULL)
        return CSCTRL_E_NOMEM;
    (*out)->best_psnr = -1.0;
    (*out)->lock = -1;
    CT_TRY(ct_comm_open(&(*out)->ranks, &(ct_comm_options){.kind = "none"}));
    atomic_init(&(*out)->stop, false);
    return CSCTRL_OK;
}

csctrl_status csctrl_trainer_create(csctrl_trainer **out, const csctrl_config *config,
                                    const char *run_dir)
{
    CT_TRY(create_trainer(out));
    const csctrl_status status = begin_run(*out, config, run_dir);
    if (status != CSCTRL_OK)
        csctrl_trainer_destroy(out);
    return status;
}

static csctrl_status continue_from(csctrl_trainer *t, const csctrl_config *config,
                                   const char *checkpoint)
{
    CT_TRY(build(t, config));
    ct_train_state state = ct_trainer_state(t);
    CT_TRY(ct_restore(checkpoint, &state));
    t->best_psnr = state.best_psnr;
    t->first_step = t->model->step;
    return start_loader(t);
}

/* When every rank has read the checkpoint. */
static csctrl_status continue_on_disk(csctrl_trainer *t, const char *run_dir)
{
    if (!is_first(t))
        return CSCTRL_OK;
    if ((t->run_dir = ct_strdup(run_dir)) == NULL)
        return CSCTRL_E_NOMEM;
    CT_TRY(ct_rundir_rewind(run_dir, t->model->step));
    CT_TRY(ct_rundir_write_config(run_dir, t->config));
    /* A run killed after its last save still has what that save was to replace. */
    CT_TRY(ct_save_rotate(run_dir, (int)csctrl_config_int(t->config, "train.keep_last")));
    return ct_board_resume(&t->board, run_dir);
}

/* How this launch was made, which says nothing of the one before: of the overrides alone. */
static csctrl_status read_launch(const char *const *overrides, size_t count, csctrl_config **launch)
{
    CT_TRY(csctrl_config_create(launch));
    for (size_t i = 0; i < count; i++)
        CT_TRY(csctrl_config_assign(*launch, overrides[i]));
    return CSCTRL_OK;
}

static csctrl_status continue_run(csctrl_trainer *t, const char *run_dir,
                                  const char *const *overrides, size_t count,
                                  const csctrl_config *launch)
{
    static const char *const latest[] = {"latest", NULL};
    csctrl_config *config = NULL;
    char *checkpoint = NULL;
    csctrl_status status = CSCTRL_OK;

    CT_GOTO(status, ct_checkpoint_locate(run_dir, latest, &checkpoint));
    CT_GOTO(status, ct_checkpoint_verify(checkpoint, true));
    CT_GOTO(status, ct_checkpoint_config(checkpoint, overrides, count, &config));
    CT_GOTO(status, ct_launch_take(config, launch));
    status = continue_from(t, config, checkpoint);
done:
    csctrl_config_destroy(&config);
    ct_free(checkpoint);
    return status;
}

static csctrl_status resume_launched(csctrl_trainer *t, const char *run_dir,
                                     const char *const *overrides, size_t count,
                                     const csctrl_config *launch)
{
    CT_TRY(join_ranks(t, launch));
    CT_TRY(agree(t, is_first(t) ? ct_rundir_lock(run_dir, &t->lock) : CSCTRL_OK));
    CT_TRY(agree(t, continue_run(t, run_dir, overrides, count, launch)));
    CT_TRY(expect_same_run(t));
    return agree(t, continue_on_disk(t, run_dir));
}

static csctrl_status resume_run(csctrl_trainer *t, const char *run_dir,
                                const char *const *overrides, size_t count)
{
    csctrl_config *launch = NULL;
    csctrl_status status = read_launch(overrides, count, &launch);

    if (status == CSCTRL_OK)
        status = resume_launched(t, run_dir, overrides, count, launch);
    csctrl_config_destroy(&launch);
    return status;
}

csctrl_status csctrl_trainer_resume(csctrl_trainer **out, const char *run_dir,
                                    const char *const *overrides, size_t count)
{
    *out = NULL;
    CT_TRY(ct_rundir_expect(run_dir));
    CT_TRY(create_trainer(out));
    const csctrl_status status = resume_run(*out, run_dir, overrides, count);
    if (status != CSCTRL_OK)
        csctrl_trainer_destroy(out);
    return status;
}

static void end_record(csctrl_trainer *t)
{
    if (t->model != NULL && t->record != NULL)
        t->model->ex->ops->repeat_end(t->model->ex, &t->record);
}

void ct_trainer_destroy_model(csctrl_trainer *t)
{
    end_record(t);
    ct_comm_detach(&t->ranks);
    ct_optim_destroy(&t->optim);
    ct_game_destroy(&t->game);
    csctrl_model_destroy(&t->model);
    ct_free(t->moves);
    t->moves = NULL;
}

void csctrl_trainer_destroy(csctrl_trainer **trainer)
{
    if (trainer == NULL || *trainer == NULL)
        return;
    csctrl_trainer *t = *trainer;
    end_record(t); /* NCCL's end waits for graphs with messages in them */
    if (t->lost)   /* while the memory that messages go to is still there */
        ct_comm_close(&t->ranks, true);
    if (t->ring != NULL)
        t->model->ex->ops->unpin(t->model->ex, t->ring);
    ct_loader_destroy(&t->loader);
    ct_monitor_destroy(&t->monitor);
    ct_board_close(&t->board);
    ct_trainer_destroy_model(t);
    csctrl_dataset_close(&t->test);
    csctrl_dataset_close(&t->train);
    csctrl_config_destroy(&t->config);
    ct_rundir_unlock(&t->lock);
    ct_comm_close(&t->ranks, false);
    ct_free(t->copy);
    ct_free(t->run_dir);
    ct_free(t);
    *trainer = NULL;
}

/* ---- one batch */

/* That a move was sound, and its objective. */
static csctrl_status look_at(csctrl_trainer *t, int i)
{
    const ct_player player = t->optim.players[i];
    const csctrl_status status = ct_optim_check(&t->optim, i);

    if (status == CSCTRL_E_NUMERIC)
        (void)ct_game_check(&t->game, player); /* a better message, where there is a culprit */
    CT_TRY(status);
    return ct_game_value(&t->game, player, player == CT_ENCODER ? &t->max_value : &t->min_value);
}

/* The moves that were loaded: gradients, the player's parameters, its running statistics. */
static csctrl_status play(void *user)
{
    csctrl_trainer *t = user;

    for (int i = 0; i < t->ups + t->downs; i++) {
        CT_TRY(i < t->ups ? ct_game_max_move(&t->game, t->game.rate_only && i + 1 < t->ups)
                          : ct_game_min_move(&t->game));
        CT_TRY(ct_optim_step(&t->optim, i));
        if (!t->model->ex->deferred)
            CT_TRY(look_at(t, i));
        CT_TRY(ct_game_follow(&t->game, t->optim.players[i]));
    }
    return CSCTRL_OK;
}

static csctrl_status load_moves(csctrl_trainer *t)
{
    const csctrl_config *c = t->config;
    const int64_t step = t->model->step;

    t->encoder_lr =
        ct_encoder_schedule(c, step, t->steps) * csctrl_config_real(c, "optim.encoder_lr");
    t->decoder_lr = ct_schedule(c, step, t->steps) * csctrl_config_real(c, "optim.decoder_lr");
    for (int i = 0; i < t->ups + t->downs; i++)
        t->moves[i] = i < t->ups ? (ct_move){CT_ENCODER, t->encoder_lr}
                                 : (ct_move){CT_DECODER, t->decoder_lr};
    return ct_optim_load(&t->optim, t->moves, t->ups + t->downs);
}

/* While the device is at work. Where the next batch is not to be had, or not yet, its turn will
 * tell. */
static csctrl_status feed_ahead(csctrl_trainer *t)
{
    if (!t->model->ex->deferred || t->model->step + 1 >= t->steps || !ct_loader_ready(t->loader))
        return CSCTRL_OK;
    CT_TRY(ct_loader_next(t->loader, &t->batch));
    return ct_feed_ahead(&t->game.feed, &t->batch);
}

static csctrl_status play_batch(csctrl_trainer *t)
{
    ct_exec *ex = t->model->ex;

    CT_TRY(ct_game_load(&t->game, &t->batch));
    CT_TRY(load_moves(t));
    /* What goes by way of the host's memory is no work of the device to repeat. */
    CT_TRY(t->game.exchange.host != NULL ? play(t) : ex->ops->repeat(ex, &t->record, play, t));
    CT_TRY(feed_ahead(t));
    for (int i = 0; i < t->ups + t->downs && ex->deferred; i++)
        CT_TRY(look_at(t, i));
    return ct_optim_average(&t->optim);
}

static void report(csctrl_trainer *t, csctrl_progress *progress)
{
    const double now = ct_now(), since = now - t->started;
    const int64_t done = t->model->step - t->first_step;
    const int batch = t->model->batch * t->ranks.size;

    *progress = (csctrl_progress){
        .step = t->model->step,
        .steps = t->steps,
        .epoch = (double)t->model->step / (double)ct_loader_batches_per_epoch(t->loader),
        .max_value = t->max_value,
        .min_value = t->min_value,
        .images_per_second = now > t->reported ? batch / (now - t->reported) : 0.0,
        .seconds_left = done > 0 ? since / (double)done * (double)(t->steps - t->model->step) : 0.0,
        .psnr = NAN,
        .cosine = NAN,
    };
    t->reported = now;
}

csctrl_status ct_trainer_expect_sound(const csctrl_trainer *t)
{
    if (t->failed)
        return ct_fail(CSCTRL_E_STATE, "an earlier step failed half-way; resume from a checkpoint");
    return CSCTRL_OK;
}

csctrl_status csctrl_trainer_step(csctrl_trainer *trainer, csctrl_progress *progress)
{
    csctrl_progress ignored;

    CT_TRY(ct_trainer_expect_sound(trainer));
    csctrl_status status =
        trainer->game.feed.ahead ? CSCTRL_OK : ct_loader_next(trainer->loader, &trainer->batch);
    if (status != CSCTRL_OK) {
        trainer->lost = true;
        return status;
    }
    status = play_batch(trainer);
    if (status != CSCTRL_OK) {
        trainer->failed = true;
        trainer->lost = status != CSCTRL_E_NUMERIC; /* what is not finite is so on every rank */
        return ct_fail_context(status, "step %lld", (long long)trainer->model->step + 1);
    }
    trainer->model->step++;
    report(trainer, progress != NULL ? progress : &ignored);
    return CSCTRL_OK;
}

int csctrl_trainer_rank(const csctrl_trainer *trainer, int *ranks)
{
    if (ranks != NULL)
        *ranks = trainer->ranks.size;
    return trainer->ranks.rank;
}

csctrl_model *csctrl_trainer_model(csctrl_trainer *trainer)
{
    return trainer->model;
}

void csctrl_trainer_request_stop(csctrl_trainer *trainer)
{
    atomic_store(&trainer->stop, true);
}
