/* cpu_direct.h - convolution by our own loops: for few image channels, where GEMM libraries and
 * oneDNN are slow, and for whatever oneDNN does not do well. */
#ifndef CT_BACKEND_CPU_DIRECT_H
#define CT_BACKEND_CPU_DIRECT_H

#include "backend/cpu/cpu.h"

typedef struct ct_direct ct_direct;

/* Row tables and sizes for one geometry; NULL when out of memory. */
ct_direct *ct_direct_create(const ct_exec *ex, const ct_geom *geom);
void ct_direct_destroy(ct_direct **direct);

size_t ct_direct_packed_bytes(const ct_direct *direct);
size_t ct_direct_scratch_bytes(const ct_direct *direct);

/* W: [atoms, c, k, k]. */
void ct_direct_pack(const ct_direct *d, const float *W, float *packed);
void ct_direct_analysis(const ct_direct *d, const float *packed, const float *img, float *code,
                        float *scratch);
void ct_direct_synthesis(const ct_direct *d, const float *packed, const float *code, float *img,
                         float *scratch);
void ct_direct_dict_grad(const ct_exec *ex, const ct_direct *d, double scale, const float *img,
                         const float *code, float *dW, float *scratch);

/* csc_step and csc_step_backward of ops.h, where ct_direct_fuses: whole vectors of atoms. */
bool ct_direct_fuses(const ct_direct *d);
void ct_direct_step(const ct_exec *ex, const ct_direct *d, const float *packed,
                    const ct_csc_step *step, float *scratch);
void ct_direct_step_backward(const ct_exec *ex, const ct_direct *d, const float *packed,
                             const ct_csc_step_grad *grad, float *scratch);

#endif
