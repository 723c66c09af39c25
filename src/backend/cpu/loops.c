/* loops.c - compiled once for every instruction set. Written for the compiler's vectoriser: `omp
 * simd` says that iterations are independent, also where an output is one of the inputs. */
#include "backend/cpu/loops.h"

#include <math.h>

#include "backend/cpu/simd.h"

static void csc_update(const void *args, int64_t begin, int64_t end)
{
    const ct_csc_args p = *(const ct_csc_args *)args;

    if (p.y == NULL && p.y_next == NULL) {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            p.z_next[i] = ct_shrink_value(&p.shrink, p.shrink.eta * p.grad[i]);
    } else if (p.y_next == NULL) {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            p.z_next[i] = ct_shrink_value(&p.shrink, p.y[i] + p.shrink.eta * p.grad[i]);
    } else if (p.y == NULL) {
#pragma omp simd
        for (int64_t i = begin; i < end; i++) {
            const float z = ct_shrink_value(&p.shrink, p.shrink.eta * p.grad[i]);
            p.y_next[i] = z + p.shrink.beta * (z - p.z_prev[i]);
            p.z_next[i] = z;
        }
    } else {
#pragma omp simd
        for (int64_t i = begin; i < end; i++) {
            const float z = ct_shrink_value(&p.shrink, p.y[i] + p.shrink.eta * p.grad[i]);
            p.y_next[i] = z + p.shrink.beta * (z - p.z_prev[i]);
            p.z_next[i] = z;
        }
    }
}

static void gate(const void *args, int64_t begin, int64_t end)
{
    const ct_gate_args p = *(const ct_gate_args *)args;

#pragma omp simd
    for (int64_t i = begin; i < end; i++) {
        const float passed = p.factor * p.from[i];
        p.to[i] = p.gate[i] == 0 ? 0 : passed;
    }
}

/* Rational minimax approximation of degree 13/6 (as in Eigen and XLA), a few ulp; |x| beyond the
 * clamp rounds to 1. */
static inline float fast_tanh(float v)
{
    const float limit = 7.90531110763549805F;
    const float low = v < -limit ? -limit : v;
    const float x = low > limit ? limit : low, s = x * x;
    float p = -2.76076847742355e-16F, q = 1.19825839466702e-06F;

    p = p * s + 2.00018790482477e-13F;
    p = p * s - 8.60467152213735e-11F;
    p = p * s + 5.12229709037114e-08F;
    p = p * s + 1.48572235717979e-05F;
    p = p * s + 6.37261928875436e-04F;
    p = p * s + 4.89352455891786e-03F;
    q = q * s + 1.18534705686654e-04F;
    q = q * s + 2.26843463243900e-03F;
    q = q * s + 4.89352518554385e-03F;
    return x * p / q;
}

static void act(const void *args, int64_t begin, int64_t end)
{
    const ct_act_args p = *(const ct_act_args *)args;

    if (p.kind == CT_TANH) {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            p.to[i] = fast_tanh(p.x[i]);
    } else {
#pragma omp simd
        for (int64_t i = begin; i < end; i++) {
            const float below = p.slope * p.x[i];
            p.to[i] = p.x[i] <= 0 ? below : p.x[i];
        }
    }
}

static void act_backward(const void *args, int64_t begin, int64_t end)
{
    const ct_act_args p = *(const ct_act_args *)args;

    if (p.kind == CT_TANH) {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            p.to[i] = p.dy[i] * (1 - p.x[i] * p.x[i]);
    } else {
#pragma omp simd
        for (int64_t i = begin; i < end; i++) {
            const float below = p.slope * p.dy[i], above = p.dy[i];
            p.to[i] = p.x[i] <= 0 ? below : above;
        }
    }
}

static void axpby(const void *args, int64_t begin, int64_t end)
{
    const ct_axpby_args p = *(const ct_axpby_args *)args;

    if (p.b == 0) {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            p.y[i] = p.a * p.x[i];
    } else {
#pragma omp simd
        for (int64_t i = begin; i < end; i++)
            p.y[i] = p.a * p.x[i] + p.b * p.y[i];
    }
}

static void fill(const void *args, int64_t begin, int64_t end)
{
    const ct_fill_args p = *(const ct_fill_args *)args;

#pragma omp simd
    for (int64_t i = begin; i < end; i++)
        p.x[i] = p.value;
}

static void adam(const void *args, int64_t begin, int64_t end)
{
    const ct_adam_args p = *(const ct_adam_args *)args;

#pragma omp simd
    for (int64_t i = begin; i < end; i++) {
        const float g = p.grad_scale * p.g[i];
        const float m = p.beta1 * p.m[i] + p.rest1 * g;
        const float v = p.beta2 * p.v[i] + p.rest2 * g * g;
        p.m[i] = m;
        p.v[i] = v;
        p.p[i] += p.step * m / (sqrtf(v * p.inv_bias2) + p.eps);
    }
}

static void bn_apply(const void *args, int64_t begin, int64_t end)
{
    const ct_bn_args *p = args;

    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + r * p->channels;
        float *to = p->to + r * p->channels;
#pragma omp simd
        for (int j = 0; j < p->group; j++)
            to[j] = (x[j] - p->mean[j]) * p->a[j] + p->shift[j];
    }
}

static void bn_apply_backward(const void *args, int64_t begin, int64_t end)
{
    const ct_bn_args *p = args;

    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + r * p->channels, *dy = p->dy + r * p->channels;
        float *to = p->to + r * p->channels;
#pragma omp simd
        for (int j = 0; j < p->group; j++)
            to[j] = p->a[j] * dy[j] + p->b[j] * (x[j] - p->mean[j]) + p->shift[j];
    }
}

static void bn_sums(const void *args, int64_t begin, int64_t end, double *sums)
{
    const ct_bn_args *p = args;
    const int group = p->group;
    double sum[CT_GROUP] = {0}, squares[CT_GROUP] = {0};

    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + r * p->channels;
#pragma omp simd
        for (int j = 0; j < group; j++) {
            const double v = (double)x[j];
            sum[j] += v;
            squares[j] += v * v;
        }
    }
    for (int j = 0; j < group; j++) {
        sums[2 * j] = sum[j];
        sums[2 * j + 1] = squares[j];
    }
}

static void bn_backward_sums(const void *args, int64_t begin, int64_t end, double *sums)
{
    const ct_bn_args *p = args;
    const int group = p->group;
    double sum[CT_GROUP] = {0}, moment[CT_GROUP] = {0};

    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + r * p->channels, *dy = p->dy + r * p->channels;
#pragma omp simd
        for (int j = 0; j < group; j++) {
            const double d = (double)dy[j];
            sum[j] += d;
            moment[j] += d * ((double)x[j] - (double)p->mean[j]);
        }
    }
    for (int j = 0; j < group; j++) {
        sums[2 * j] = sum[j];
        sums[2 * j + 1] = moment[j];
    }
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void sphere(const void *args, int64_t begin, int64_t end)
{
    const ct_sphere_args *p = args;

    for (int64_t r = begin; r < end; r++) {
        const float *x = p->x + r * p->d;
        const double squares = dot(x, x, p->d);
        const double length = squares <= 1e-24 ? 1e-12 : sqrt(squares);
        const float norm = (float)length;
#pragma omp simd
        for (int64_t i = 0; i < p->d; i++)
            p->to[r * p->d + i] = x[i] / norm;
        if (p->norm != NULL)
            p->norm[r] = norm;
    }
}

static void sphere_backward(const void *args, int64_t begin, int64_t end)
{
    const ct_sphere_args *p = args;

    for (int64_t r = begin; r < end; r++) {
        const float *z = p->x + r * p->d, *dz = p->dz + r * p->d;
        const float radial = (float)dot(dz, z, p->d), inv = 1 / p->norm[r];
#pragma omp simd
        for (int64_t i = 0; i < p->d; i++)
            p->to[r * p->d + i] = (dz[i] - radial * z[i]) * inv;
    }
}

/* Matrices begin..end-1, in tiles that stay in the cache. */
static void transpose(const void *args, int64_t begin, int64_t end)
{
    enum { TILE = 32 };
    const ct_transpose_args *p = args;
    const int64_t rows = p->rows, cols = p->cols;

    for (int64_t i = begin; i < end; i++) {
        const float *from = p->from + i * p->step;
        float *to = p->to + i * rows * cols;
        for (int64_t r0 = 0; r0 < rows; r0 += TILE)
            for (int64_t c = 0; c < cols; c++) {
                const int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;
#pragma omp simd
                for (int64_t r = r0; r < r1; r++)
                    to[c * rows + r] = from[r * p->pitch + c];
            }
    }
}

static void sum_squares(const void *args, int64_t begin, int64_t end, double *sums)
{
    const float *x = args;

    sums[0] = dot(x + begin, x + begin, end - begin);
}

static void count_zeros(const void *args, int64_t begin, int64_t end, double *sums)
{
    const float *x = args;
    int64_t count = 0;

#pragma omp simd reduction(+ : count)
    for (int64_t i = begin; i < end; i++)
        count += x[i] == 0;
    sums[0] = (double)count;
}

const ct_loops CT_ISA_NAME(ct_loops_) = {
    .csc_update = csc_update,
    .gate = gate,
    .act = act,
    .act_backward = act_backward,
    .axpby = axpby,
    .fill = fill,
    .adam = adam,
    .bn_apply = bn_apply,
    .bn_apply_backward = bn_apply_backward,
    .sphere = sphere,
    .sphere_backward = sphere_backward,
    .transpose = transpose,
    .bn_sums = bn_sums,
    .bn_backward_sums = bn_backward_sums,
    .sum_squares = sum_squares,
    .count_zeros = count_zeros,
};
