/* dnnl_shim.h - the few calls of oneDNN that csctrl needs, the same for oneDNN 2.x and 3.x. */
#ifndef CT_BACKEND_CPU_DNNL_SHIM_H
#define CT_BACKEND_CPU_DNNL_SHIM_H

#include "backend/backend.h"

/* Engine and stream. */
typedef struct ct_dnnl ct_dnnl;

/* The instruction set can be limited once a process, before oneDNN's first use: a later, different
 * wish is ignored. */
csctrl_status ct_dnnl_create(ct_dnnl **out, ct_isa isa);
void ct_dnnl_destroy(ct_dnnl **dnnl);

/* "2.6.3"; returns out. */
const char *ct_dnnl_version(char out[64]);

/* One direct convolution on NHWC activations: code from img and weights, img from code and weights,
 * or the gradient of the weights from img and code. The weights are in a layout of oneDNN's choice.
 */
typedef struct ct_dnnl_conv ct_dnnl_conv;
typedef enum ct_dnnl_kind { CT_DNNL_CODE, CT_DNNL_IMAGE, CT_DNNL_WEIGHTS } ct_dnnl_kind;

/* *out is NULL with CSCTRL_OK when oneDNN has no fast implementation for the geometry. */
csctrl_status ct_dnnl_conv_create(ct_dnnl *dnnl, ct_dnnl_kind kind, const ct_geom *geom,
                                  ct_dnnl_conv **out);
void ct_dnnl_conv_destroy(ct_dnnl_conv **conv);

/* Sizes of the weights in oneDNN's layout and of the memory that a run works in. */
size_t ct_dnnl_conv_weights_bytes(const ct_dnnl_conv *conv);
size_t ct_dnnl_conv_scratch_bytes(const ct_dnnl_conv *conv);

/* Between plain [atoms, c, k, k] and oneDNN's layout. */
csctrl_status ct_dnnl_conv_pack(ct_dnnl_conv *conv, float *plain, void *weights);
csctrl_status ct_dnnl_conv_unpack(ct_dnnl_conv *conv, void *weights, float *plain);

/* The kind says which of img, code and weights is written. */
csctrl_status ct_dnnl_conv_run(ct_dnnl_conv *conv, float *img, float *code, void *weights,
                               void *scratch);

#endif
