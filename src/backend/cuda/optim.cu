/* optim.cu - the move of a player: the norm of its gradient, Adam, atoms back on the sphere; all
 * tensors in one launch each. */
#include "backend/cuda/kernels.h"
#include "backend/cuda/launch.cuh"

/* A tensor is blockIdx.y; its elements are shared by the blocks of x. */
static __global__ void gradient_squares(ct_k_tensors tensors, double *part)
{
    const ct_k_tensor t = tensors.list[blockIdx.y];
    double sum = 0;

    for (CT_EACH(i, t.count))
        sum += (double)t.g[i] * (double)t.g[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        part[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

int ct_k_gradient_squares(void *stream, const ct_k_tensors *tensors, double *part)
{
    const dim3 grid(CT_K_NORM_PARTS, (unsigned)tensors->count);

    CT_LAUNCH(gradient_squares, grid, CT_BLOCK, stream, *tensors, part);
    return CT_LAUNCHED();
}

static __global__ void gradient_norm(const double *part, int parts, double *norm)
{
    double sum = 0;

    for (int i = (int)threadIdx.x; i < parts; i += (int)blockDim.x)
        sum += part[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        *norm = sqrt(sum);
}

int ct_k_gradient_norm(void *stream, const double *part, int parts, double *norm)
{
    CT_LAUNCH(gradient_norm, 1, CT_BLOCK, stream, part, parts, norm);
    return CT_LAUNCHED();
}

static __global__ void adam_step(ct_k_tensors tensors, const ct_k_adam *adam, const double *norm)
{
    const ct_k_tensor t = tensors.list[blockIdx.y];
    const ct_k_adam s = *adam;

    if (!isfinite(*norm))
        return;
    const float grad_scale = s.clip > 0 && *norm > s.clip ? (float)(s.clip / *norm) : 1.0f;
    const float beta1 = (float)s.beta1, rest1 = (float)(1 - s.beta1);
    const float beta2 = (float)s.beta2, rest2 = (float)(1 - s.beta2);
    const float step = (float)(s.lr / s.bias1), inv_bias2 = (float)(1 / s.bias2);
    const float eps = (float)s.eps;
    for (CT_EACH(i, t.count)) {
        const float grad = grad_scale * t.g[i];
        const float m = beta1 * t.m[i] + rest1 * grad;
        const float v = beta2 * t.v[i] + rest2 * grad * grad;
        t.m[i] = m;
        t.v[i] = v;
        t.p[i] += step * m / (sqrtf(v * inv_bias2) + eps);
    }
}

/* An atom a block, in turn. */
static __global__ void unit_atoms(ct_k_tensors tensors, const double *norm)
{
    const ct_k_tensor t = tensors.list[blockIdx.y];
    const int64_t size = t.atoms > 0 ? t.count / t.atoms : 0;

    if (!isfinite(*norm))
        return;
    for (int64_t atom = blockIdx.x; atom < t.atoms; atom += gridDim.x)
        put_on_sphere(size, t.p + atom * size);
}

int ct_k_adam_step(void *stream, const ct_k_tensors *tensors, const ct_k_adam *adam,
                   const double *norm)
{
    enum { BLOCKS = 128 };
    const dim3 grid(BLOCKS, (unsigned)tensors->count);

    CT_LAUNCH(adam_step, grid, CT_BLOCK, stream, *tensors, adam, norm);
    CT_LAUNCH(unit_atoms, grid, CT_BLOCK, stream, *tensors, norm);
    return CT_LAUNCHED();
}
