/* cpu_conv.h - the ways to compute a convolutional dictionary. All give the same up to rounding. */
#ifndef CT_BACKEND_CPU_CONV_H
#define CT_BACKEND_CPU_CONV_H

#include "backend/cpu/cpu.h"

/* In the order in which they are preferred without a measurement. */
typedef enum ct_way {
    CT_WAY_F11, /* Winograd convolutions, see winograd.h */
    CT_WAY_F42,
    CT_WAY_F42_F22,
    CT_WAY_F22,
    CT_WAY_F43,
    CT_WAY_BLAS,   /* matrix products of the tensors as they lie */
    CT_WAY_ONEDNN, /* our own loops where it has no fast implementation */
    CT_WAY_DIRECT, /* our own loops */
    CT_WAYS
} ct_way;

/* Whether a geometry can go this way; DIRECT always. */
bool ct_conv_fits(const ct_geom *geom, ct_way way);

/* conv_create of ops.h by a way that fits. */
csctrl_status ct_conv_create_as(ct_exec *ex, const ct_geom *geom, ct_way way, ct_conv *conv);

#endif
