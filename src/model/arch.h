/* arch.h - from the text of model.layers to geometry: "64x4s2p1 128x4s2p1" is
 * ATOMSxKERNELsSTRIDEpPAD, first layer first. */
#ifndef CT_MODEL_ARCH_H
#define CT_MODEL_ARCH_H

#include "backend/backend.h"
#include "csctrl/config.h"
#include "csctrl/model.h"

typedef enum ct_arch_kind { CT_ARCH_CSC, CT_ARCH_GENERIC } ct_arch_kind;

/* What one layer is told by the config. */
typedef struct ct_layer_spec {
    ct_geom geom; /* n = 0 */
    int steps;
    double lambda, mu;
    bool nonneg;
} ct_layer_spec;

typedef struct ct_arch {
    ct_arch_kind kind;
    bool tied, momentum;
    double step_scale, bn_momentum, bn_eps;
    int channels, size;
    int depth;    /* layers */
    int features; /* d */
    ct_layer_spec layers[CSCTRL_MAX_LAYERS];
} ct_arch;

/* E_CONFIG: the text is malformed, a size does not come out whole, a list has the wrong length. */
csctrl_status ct_arch_read(ct_arch *arch, const csctrl_config *config);

/* Multiply-accumulates for one image. */
int64_t ct_arch_encode_macs(const ct_arch *arch, int layer);
int64_t ct_arch_decode_macs(const ct_arch *arch, int layer);

#endif
