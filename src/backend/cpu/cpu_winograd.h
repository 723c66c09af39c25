/* cpu_winograd.h - the dictionary's operations by Winograd convolution, the element-wise work of
 * FISTA done inside the transforms. Results do not depend on the number of threads. */
#ifndef CT_BACKEND_CPU_WINOGRAD_OPS_H
#define CT_BACKEND_CPU_WINOGRAD_OPS_H

#include "backend/cpu/cpu.h"

typedef struct ct_winograd ct_winograd;

/* Whether a form is one for these atoms; channels and atoms are whole vectors. */
bool ct_winograd_fits(const ct_geom *geom, ct_form form);

/* Whether there are tiles enough to make matrices of, and code pixels enough in them. */
bool ct_winograd_pays(const ct_geom *geom, ct_form form);

/* Shapes and sizes for one geometry, by a form that fits; NULL when out of memory. */
ct_winograd *ct_winograd_create(const ct_exec *ex, const ct_geom *geom, ct_form form);
void ct_winograd_destroy(ct_winograd **winograd);

size_t ct_winograd_packed_bytes(const ct_winograd *w);
size_t ct_winograd_scratch_bytes(const ct_winograd *w);
double ct_winograd_products(const ct_winograd *w); /* multiplications of an analysis */

/* The operations of ops.h; memory is that of the ct_conv. */
void ct_winograd_pack(ct_exec *ex, const ct_winograd *w, const ct_conv *conv, const ct_tensor *W);
void ct_winograd_analysis(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                          const ct_tensor *img, ct_tensor *code);
void ct_winograd_synthesis(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                           const ct_tensor *code, ct_tensor *img);
void ct_winograd_dict_grad(ct_exec *ex, const ct_winograd *w, const ct_conv *conv, double scale,
                           const ct_tensor *img, const ct_tensor *code, ct_tensor *dW);
void ct_winograd_step(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                      const ct_csc_step *step);
void ct_winograd_step_backward(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                               const ct_csc_step_grad *grad);

#endif
