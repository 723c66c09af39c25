/** @file csctrl.h
 * csctrl: white-box image autoencoders by closed-loop transcription via convolutional sparse
 * coding.
 *
 * This header includes all others. The order of use is: a csctrl_config (what to do), a
 * csctrl_dataset (images), a csctrl_trainer (learn; writes a run directory), a csctrl_model (use
 * what was learnt).
 *
 * Conventions that hold for every function:
 * - A fallible call returns csctrl_status. On failure the calling thread's csctrl_last_error() says
 * in one line what was expected, what was found and what to do. The library never exits, never
 * prints, never reads the environment.
 * - `X_create(&x, ...)` and `X_open(&x, ...)` set `*x = NULL` on failure; `X_destroy(&x)` accepts
 * NULL, frees and nulls.
 * - Borrowed arguments stay the caller's and are not kept after the call, unless said otherwise.
 * Owned results are released by the named function. Written buffers are the caller's.
 * - Images are f32[n, c, h, w] in [-1, 1]; rates are in nats, times in seconds, sizes in bytes.
 */
#ifndef CSCTRL_CSCTRL_H
#define CSCTRL_CSCTRL_H

#include "csctrl/config.h"
#include "csctrl/data.h"
#include "csctrl/eval.h"
#include "csctrl/image.h"
#include "csctrl/log.h"
#include "csctrl/model.h"
#include "csctrl/npy.h"
#include "csctrl/score.h"
#include "csctrl/status.h"
#include "csctrl/system.h"
#include "csctrl/tensor.h"
#include "csctrl/trainer.h"

#endif
