/* cpu_flat.h - dictionaries whose operations are matrix products of the tensors as they lie: a code
 * of one pixel that sees the whole image, and 1x1 atoms. */
#ifndef CT_BACKEND_CPU_FLAT_H
#define CT_BACKEND_CPU_FLAT_H

#include "backend/cpu/cpu.h"

typedef struct ct_flat ct_flat;

bool ct_flat_fits(const ct_geom *geom);

/* For a geometry that fits; NULL when out of memory. */
ct_flat *ct_flat_create(const ct_geom *geom);
void ct_flat_destroy(ct_flat **flat);

size_t ct_flat_packed_bytes(const ct_flat *flat);
size_t ct_flat_scratch_bytes(const ct_flat *flat);

/* The operations of ops.h; memory is that of the ct_conv. */
void ct_flat_pack(ct_flat *flat, const ct_conv *conv, const float *W);
void ct_flat_analysis(const ct_flat *flat, const ct_conv *conv, const float *img, float *code);
void ct_flat_synthesis(const ct_flat *flat, const ct_conv *conv, const float *code, float *img);
void ct_flat_dict_grad(const ct_flat *flat, const ct_conv *conv, double scale, const float *img,
                       const float *code, float *dW);

/* Whether a pass that drops its residuals goes by the Gram matrix. */
bool ct_flat_has_gram(const ct_flat *flat);

/* A step of such a pass: v = y + eta (A* x - (A* A) y), where A* x was left in r by the first. */
csctrl_status ct_flat_step(ct_exec *ex, ct_flat *flat, const ct_conv *conv,
                           const ct_csc_step *step);

#endif
