/* state.h - the tensors of state.safetensors by name: "encoder.m.NAME", "encoder.v.NAME",
 * "decoder....", "power.N". */
#ifndef CT_TRAIN_STATE_H
#define CT_TRAIN_STATE_H

#include "train/save.h"

/* Metadata "format" of the file. */
#define CT_STATE_FORMAT "csctrl-state-1"

typedef csctrl_status (*ct_state_fn)(void *user, const char *name, ct_tensor *tensor);

/* Calls `visit` for every tensor in a fixed order; stops at the first failure. */
csctrl_status ct_state_visit(const ct_train_state *state, ct_state_fn visit, void *user);

#endif
