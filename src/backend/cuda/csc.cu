/* csc.cu - the element-wise part of a FISTA step (SPEC 1), and dictionaries. */
#include "backend/cuda/kernels.h"
#include "backend/cuda/launch.cuh"

/* Comparisons are turned so that a NaN passes through. */
static __device__ float prox_value(float v, float threshold, float scale, bool nonneg)
{
    if (v <= threshold && (nonneg || v >= -threshold))
        return 0;
    return (v < -threshold ? v + threshold : v - threshold) * scale;
}

template <typename T>
static __global__ void shrink(int64_t n, ct_k_prox p, float beta, const T *grad, const float *y,
                              const float *z_prev, float *z, float *y_next)
{
    const double step = *p.eta;
    const float eta = (float)step, threshold = (float)(p.lambda * step);
    const float scale = (float)(1 / (1 + p.mu * step));

    for (CT_EACH(i, n)) {
        const float from = y == NULL ? 0 : y[i];
        const float value = prox_value(from + eta * load(grad[i]), threshold, scale, p.nonneg);
        if (y_next != NULL)
            y_next[i] = value + beta * (value - z_prev[i]);
        z[i] = value;
    }
}

int ct_k_shrink(void *stream, int64_t n, const ct_k_prox *prox, float beta, const void *grad,
                bool half, const float *y, const float *z_prev, float *z, float *y_next)
{
    if (half)
        CT_LAUNCH(shrink<bf16>, ct_blocks(n), CT_BLOCK, stream, n, *prox, beta, (const bf16 *)grad,
                  y, z_prev, z, y_next);
    else
        CT_LAUNCH(shrink<float>, ct_blocks(n), CT_BLOCK, stream, n, *prox, beta,
                  (const float *)grad, y, z_prev, z, y_next);
    return CT_LAUNCHED();
}

/* By the first thread of all. */
static __device__ void tell_step(const double *step, float *eta)
{
    if (blockIdx.x == 0 && threadIdx.x == 0 && step != NULL && eta != NULL)
        *eta = (float)*step;
}

static __global__ void shrink_backward(int64_t n, ct_k_prox p, const float *z, const float *dz,
                                       float *g, bf16 *narrow, float *eta)
{
    const float factor = (float)(*p.eta / (1 + p.mu * *p.eta));

    tell_step(p.eta, eta);
    for (CT_EACH(i, n)) {
        const float v = z[i] == 0 ? 0 : factor * dz[i];
        g[i] = v;
        if (narrow != NULL)
            store(narrow + i, v);
    }
}

int ct_k_shrink_backward(void *stream, int64_t n, const ct_k_prox *prox, const float *z,
                         const float *dz, float *g, void *narrow, float *eta)
{
    CT_LAUNCH(shrink_backward, ct_blocks(n), CT_BLOCK, stream, n, *prox, z, dz, g, (bf16 *)narrow,
              eta);
    return CT_LAUNCHED();
}

static __global__ void narrow(int64_t n, const float *x, bf16 *to, const double *step, float *eta)
{
    tell_step(step, eta);
    for (CT_EACH(i, n))
        store(to + i, x[i]);
}

int ct_k_narrow(void *stream, int64_t n, const float *x, void *to, const double *step, float *eta)
{
    CT_LAUNCH(narrow, ct_blocks(n), CT_BLOCK, stream, n, x, (bf16 *)to, step, eta);
    return CT_LAUNCHED();
}

template <typename T>
static __global__ void step_backward(int64_t n, const double *eta, const float *gs, const T *back,
                                     float *dy)
{
    const float factor = (float)(1 / *eta);

    for (CT_EACH(i, n))
        dy[i] = factor * gs[i] - load(back[i]);
}

int ct_k_step_backward(void *stream, int64_t n, const double *eta, const float *gs,
                       const void *back, bool half, float *dy)
{
    if (half)
        CT_LAUNCH(step_backward<bf16>, ct_blocks(n), CT_BLOCK, stream, n, eta, gs,
                  (const bf16 *)back, dy);
    else
        CT_LAUNCH(step_backward<float>, ct_blocks(n), CT_BLOCK, stream, n, eta, gs,
                  (const float *)back, dy);
    return CT_LAUNCHED();
}

static __global__ void unit(int64_t n, const float *v, const double *squares, float *u,
                            double scale, double *eta)
{
    const double norm = sqrt(*squares);

    for (CT_EACH(i, n)) {
        if (u != NULL)
            u[i] = (float)(norm == 0 ? 1 / sqrt((double)n) : (double)v[i] / norm);
        if (eta != NULL && i == 0)
            *eta = scale / norm;
    }
}

int ct_k_unit(void *stream, int64_t n, const float *v, const double *squares, float *u,
              double scale, double *eta)
{
    CT_LAUNCH(unit, u != NULL ? ct_blocks(n) : 1, CT_BLOCK, stream, n, v, squares, u, scale, eta);
    return CT_LAUNCHED();
}

/* ---- dictionaries */

/* Where [atom, channel, tap] number i lies in [atom, tap, channel]. */
static __device__ int64_t packed_index(int64_t i, int c, int taps)
{
    const int64_t atom = i / ((int64_t)c * taps);
    const int channel = (int)(i / taps % c), tap = (int)(i % taps);

    return (atom * taps + tap) * c + channel;
}

template <typename T> static __global__ void pack(int64_t n, int c, int taps, const float *W, T *P)
{
    for (CT_EACH(i, n))
        store(P + packed_index(i, c, taps), W[i]);
}

int ct_k_pack(void *stream, int atoms, int c, int taps, const float *W, void *P, bool half)
{
    const int64_t n = (int64_t)atoms * c * taps;

    if (half)
        CT_LAUNCH(pack<bf16>, ct_blocks(n), CT_BLOCK, stream, n, c, taps, W, (bf16 *)P);
    else
        CT_LAUNCH(pack<float>, ct_blocks(n), CT_BLOCK, stream, n, c, taps, W, (float *)P);
    return CT_LAUNCHED();
}

template <typename T>
static __global__ void unpack(int64_t n, int c, int taps, float scale, const T *dP, float *dW)
{
    for (CT_EACH(i, n))
        dW[i] += scale * load(dP[packed_index(i, c, taps)]);
}

int ct_k_unpack(void *stream, int atoms, int c, int taps, float scale, const void *dP, bool half,
                float *dW)
{
    const int64_t n = (int64_t)atoms * c * taps;

    if (half)
        CT_LAUNCH(unpack<bf16>, ct_blocks(n), CT_BLOCK, stream, n, c, taps, scale, (const bf16 *)dP,
                  dW);
    else
        CT_LAUNCH(unpack<float>, ct_blocks(n), CT_BLOCK, stream, n, c, taps, scale,
                  (const float *)dP, dW);
    return CT_LAUNCHED();
}

/* An atom a block. */
static __global__ void unit_atoms(int64_t size, float *W)
{
    put_on_sphere(size, W + blockIdx.x * size);
}

int ct_k_unit_atoms(void *stream, int atoms, int64_t size, float *W)
{
    CT_LAUNCH(unit_atoms, (unsigned)atoms, CT_BLOCK, stream, size, W);
    return CT_LAUNCHED();
}
