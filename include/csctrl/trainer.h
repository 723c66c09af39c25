/** @file trainer.h
 * The sequential maximin game: trains a model and keeps its run directory.
 *
 * RUN/config.yaml              effective config
 * RUN/manifest.json            versions, CPU features, threads, seed, data fingerprint
 * RUN/metrics.jsonl            one object a logged step
 * RUN/events.out.tfevents.*    the same for TensorBoard
 * RUN/pictures/step-N.png      held-out inputs beside their regenerations
 * RUN/checkpoints/step-N/      model.safetensors, state.safetensors, manifest.json; `latest` and
 * `best` name one each
 *
 * With the option parallel.comm several processes, the ranks, train one model: each calls create or
 * resume, step or run, and destroy, in the same order, and each call waits for the others. The
 * first rank alone logs, evaluates, saves and calls `progress`. A rank whose step or run failed
 * must call destroy, which then ends all of their processes, this one too, unless the failure was
 * every rank's.
 */
#ifndef CSCTRL_TRAINER_H
#define CSCTRL_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csctrl/config.h"
#include "csctrl/model.h"
#include "csctrl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csctrl_trainer csctrl_trainer;

/** What is known after a step. Rates in nats. */
typedef struct csctrl_progress {
    int64_t step;             /**< batches done */
    int64_t steps;            /**< batches in all */
    double epoch;             /**< passes over the training images, with fraction */
    double max_value;         /**< objective at the encoder's (last) move */
    double min_value;         /**< objective at the decoder's (last) move */
    double images_per_second; /**< since the last report */
    double seconds_left;      /**< estimate */
    bool evaluated;           /**< psnr and cosine are of this step */
    double psnr;              /**< dB, held-out images */
    double cosine;            /**< of Z and f(g(Z)), held-out images */
} csctrl_progress;

/** Called after every step on the training thread. Return false to stop: the step is complete and
 * will be saved. */
typedef bool (*csctrl_progress_fn)(void *user, const csctrl_progress *progress);

/** Start a new run.
 *
 * @param out      Owned: release with csctrl_trainer_destroy().
 * @param config   Borrowed, copied.
 * @param run_dir  Borrowed. Must not exist or be an empty directory; locked until
 * csctrl_trainer_destroy(), so that no other trainer writes to it. NULL: keep nothing on disk.
 * @return CSCTRL_OK; CSCTRL_E_EXISTS; CSCTRL_E_STATE when another process is training in run_dir;
 * CSCTRL_E_IO; CSCTRL_E_CONFIG; data errors of
 * csctrl_dataset_open(); CSCTRL_E_NOMEM; CSCTRL_E_UNSUPPORTED when the ranks cannot be joined;
 * CSCTRL_E_STATE when another rank failed, or trains something else.
 * Threading: any thread while no call changes the config.
 */
CSCTRL_API csctrl_status csctrl_trainer_create(csctrl_trainer **out, const csctrl_config *config,
                                               const char *run_dir);

/** Continue a run from its latest complete checkpoint, also in mid-epoch; parameters then equal
 * those of an uninterrupted run bit for bit with the same thread count and instruction set, and
 * unless `tune` is on (either is logged as a warning). With another number of ranks they differ by
 * rounding. parallel.comm is taken from `overrides`, else "none", whatever the run began with.
 *
 * @param overrides  Borrowed. "a.b=c" strings over the saved config (e.g. "train.batches=2000");
 * may be NULL.
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_STATE when another process is training in
 * run_dir; CSCTRL_E_FORMAT; CSCTRL_E_MISMATCH (data or architecture differ); others as create.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_trainer_resume(csctrl_trainer **out, const char *run_dir,
                                               const char *const *overrides, size_t count);

/** Release and null; saves nothing. @param trainer May be NULL or point to NULL. Threading: no
 * other call on it at the same time. */
CSCTRL_API void csctrl_trainer_destroy(csctrl_trainer **trainer);

/** Play one batch: the encoder's moves, then the decoder's (SPEC 4).
 *
 * @param progress  Written; may be NULL.
 * @return CSCTRL_OK; CSCTRL_E_NUMERIC when a gradient or value is not finite: named, nothing was
 *         updated by that move; CSCTRL_E_STATE after a step that failed (resume from a checkpoint
 *         instead); data errors; CSCTRL_E_IO when another rank cannot be reached.
 * Threading: one call a trainer at a time.
 * Allocates: nothing after the first step, but for what decoding a JPEG or PNG takes and gives
 * back.
 */
CSCTRL_API csctrl_status csctrl_trainer_step(csctrl_trainer *trainer, csctrl_progress *progress);

/** Train to the end: steps, metrics, pictures, evaluations, checkpoints, as the config says.
 *
 * @param progress  May be NULL.
 * @return CSCTRL_OK when all batches are done; CSCTRL_E_INTERRUPTED when `progress` returned false
 * or csctrl_trainer_request_stop() was called (the state is saved); errors of step; CSCTRL_E_IO
 * when saving failed (earlier checkpoints stay).
 * Threading: as csctrl_trainer_step(); `progress` is called on the calling thread.
 */
CSCTRL_API csctrl_status csctrl_trainer_run(csctrl_trainer *trainer, csctrl_progress_fn progress,
                                            void *user);

/** Ask a running csctrl_trainer_run() to finish its step, save and return. Threading: any thread,
 * also in a signal handler. */
CSCTRL_API void csctrl_trainer_request_stop(csctrl_trainer *trainer);

/** Write a checkpoint of the present state now. @return CSCTRL_OK; CSCTRL_E_IO; CSCTRL_E_STATE
 * without a run directory. Does nothing on ranks other than the first. Threading: as
 * csctrl_trainer_step(). */
CSCTRL_API csctrl_status csctrl_trainer_save(csctrl_trainer *trainer);

/** This process among those that train the model together (parallel.comm).
 *
 * @param trainer  Borrowed.
 * @param ranks    Written: how many there are; may be NULL.
 * @return Its number, from 0.
 * Threading: any thread.
 */
CSCTRL_API int csctrl_trainer_rank(const csctrl_trainer *trainer, int *ranks);

/** The model being trained, whose batch is this rank's part. Borrowed: lives as long as the
 * trainer; use it between steps only. Threading: any thread. */
CSCTRL_API csctrl_model *csctrl_trainer_model(csctrl_trainer *trainer);

/** Bytes a training run with this config takes, without starting it.
 *
 * @param config  Borrowed.
 * @param plan    Written. `data` is 0 when the data set cannot be opened.
 * @return CSCTRL_OK; CSCTRL_E_CONFIG; CSCTRL_E_NOMEM.
 * Threading: any thread while no call changes the config.
 */
CSCTRL_API csctrl_status csctrl_trainer_plan(const csctrl_config *config, csctrl_memory_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
