/* kit.h - what the gradient and property tests share: a backend with tensors of random numbers, and
 * central differences. cmocka.h and what it needs are included first. */
#ifndef TESTS_GRAD_KIT_H
#define TESTS_GRAD_KIT_H

#include <math.h>
#include <string.h>

#include "backend/backend.h"
#include "base/rng.h"

enum { KIT_BLOCKS = 64 };

typedef struct kit {
    ct_exec *ex;
    ct_rng rng;
    uint64_t drawn;
    void *block[KIT_BLOCKS];
    int blocks;
} kit;

#define KIT_OK(call) assert_int_equal((call), CSCTRL_OK)

/* Cases come from the seed: a failing one can be run again. */
static inline csctrl_status kit_try(kit *k, const char *device, csctrl_dtype dtype, ct_isa isa,
                                    uint64_t seed)
{
    const ct_exec_options options = {.device = device, .dtype = dtype, .threads = 2, .isa = isa};

    *k = (kit){.rng = ct_rng_make(seed, CT_RNG_TEST, 0)};
    return ct_exec_create(&k->ex, &options);
}

/* The oracle: reference backend in double. */
static inline void kit_open(kit *k, uint64_t seed)
{
    KIT_OK(kit_try(k, "ref", CSCTRL_F64, CT_ISA_AUTO, seed));
}

/* Releases the last tensor; all of them, so that the next case starts empty. */
static inline void kit_drop(kit *k)
{
    k->ex->ops->mem_free(k->ex, k->block[--k->blocks]);
}

static inline void kit_clear(kit *k)
{
    while (k->blocks > 0)
        kit_drop(k);
}

static inline void kit_close(kit *k)
{
    kit_clear(k);
    ct_exec_destroy(&k->ex);
}

static inline int kit_between(kit *k, int low, int high)
{
    return low + (int)ct_rng_below(&k->rng, k->drawn++, (uint64_t)(high - low + 1));
}

static inline void *kit_bytes(kit *k, size_t bytes)
{
    void *block = NULL;

    assert_true(k->blocks < KIT_BLOCKS);
    KIT_OK(k->ex->ops->mem_alloc(k->ex, bytes > 0 ? bytes : 1, &block));
    k->block[k->blocks++] = block;
    return block;
}

static inline double kit_get(const ct_tensor *t, int64_t i)
{
    return t->dtype == CSCTRL_F64 ? ((const double *)t->data)[i]
                                  : (double)((const float *)t->data)[i];
}

static inline void kit_set(const ct_tensor *t, int64_t i, double value)
{
    if (t->dtype == CSCTRL_F64)
        ((double *)t->data)[i] = value;
    else
        ((float *)t->data)[i] = (float)value;
}

/* Zeros. */
static inline ct_tensor kit_zeros(kit *k, int ndim, const int64_t *shape)
{
    ct_tensor t = ct_tensor_shape(k->ex->dtype, ndim, shape);

    t.data = kit_bytes(k, ct_tensor_bytes(&t));
    return t;
}

static inline ct_tensor kit_like(kit *k, const ct_tensor *other)
{
    return kit_zeros(k, other->ndim, other->shape);
}

static inline void kit_randomise(kit *k, const ct_tensor *t)
{
    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        kit_set(t, i, ct_rng_normal(&k->rng, k->drawn++));
}

/* Standard normal numbers. */
static inline ct_tensor kit_random(kit *k, int ndim, const int64_t *shape)
{
    const ct_tensor t = kit_zeros(k, ndim, shape);

    kit_randomise(k, &t);
    return t;
}

#define KIT_ZEROS(k, ...)                                                                          \
    kit_zeros((k), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                \
              (const int64_t[]){__VA_ARGS__})
#define KIT_RANDOM(k, ...)                                                                         \
    kit_random((k), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),               \
               (const int64_t[]){__VA_ARGS__})

static inline ct_tensor kit_copy(kit *k, const ct_tensor *other)
{
    const ct_tensor t = kit_like(k, other);

    memcpy(t.data, other->data, ct_tensor_bytes(other));
    return t;
}

/* A dictionary of a random geometry: kernel 1..5, stride 1..3, padding below the kernel. */
static inline ct_geom kit_geometry(kit *k)
{
    ct_geom g = {.n = kit_between(k, 1, 3),
                 .c = kit_between(k, 1, 5),
                 .oh = kit_between(k, 1, 5),
                 .ow = kit_between(k, 1, 5),
                 .atoms = kit_between(k, 1, 9),
                 .kernel = kit_between(k, 1, 5),
                 .stride = kit_between(k, 1, 3)};

    g.pad = kit_between(k, 0, (g.kernel - 1) / 2);
    g.h = (g.oh - 1) * g.stride + g.kernel - 2 * g.pad;
    g.w = (g.ow - 1) * g.stride + g.kernel - 2 * g.pad;
    return g;
}

typedef struct kit_dict {
    ct_conv conv;
    ct_tensor W, img, code; /* random */
} kit_dict;

static inline kit_dict kit_dictionary(kit *k, const ct_geom *g)
{
    kit_dict d = {.W = KIT_RANDOM(k, g->atoms, g->c, g->kernel, g->kernel),
                  .img = KIT_RANDOM(k, g->n, g->h, g->w, g->c),
                  .code = KIT_RANDOM(k, g->n, g->oh, g->ow, g->atoms)};

    KIT_OK(k->ex->ops->conv_create(k->ex, g, &d.conv));
    d.conv.packed = kit_bytes(k, d.conv.packed_bytes);
    d.conv.scratch = kit_bytes(k, d.conv.scratch_bytes);
    KIT_OK(k->ex->ops->conv_pack(k->ex, &d.conv, &d.W));
    return d;
}

static inline double kit_dot(const ct_tensor *a, const ct_tensor *b)
{
    double sum = 0;

    assert_int_equal(csctrl_tensor_count(a), csctrl_tensor_count(b));
    for (int64_t i = 0; i < csctrl_tensor_count(a); i++)
        sum += kit_get(a, i) * kit_get(b, i);
    return sum;
}

/* |a - b| / |b| */
static inline double kit_distance(const ct_tensor *a, const ct_tensor *b)
{
    double difference = 0;

    assert_int_equal(csctrl_tensor_count(a), csctrl_tensor_count(b));
    for (int64_t i = 0; i < csctrl_tensor_count(a); i++) {
        const double e = kit_get(a, i) - kit_get(b, i);
        difference += e * e;
    }
    return sqrt(difference / fmax(kit_dot(b, b), 1e-300));
}

/* A scalar function of whatever tensors `user` knows. */
typedef double (*kit_function)(kit *k, void *user);

/* Central differences of f with respect to every entry of x. */
static inline ct_tensor kit_differences(kit *k, kit_function f, void *user, const ct_tensor *x)
{
    const ct_tensor g = kit_like(k, x);
    const double h = 1e-5;

    for (int64_t i = 0; i < csctrl_tensor_count(x); i++) {
        const double at = kit_get(x, i);
        kit_set(x, i, at + h);
        const double above = f(k, user);
        kit_set(x, i, at - h);
        const double below = f(k, user);
        kit_set(x, i, at);
        kit_set(&g, i, (above - below) / (2 * h));
    }
    return g;
}

/* The gradient agrees with the differences of f to 1e-6, and is not trivially zero. */
#define KIT_AGREE(gradient, differences)                                                           \
    do {                                                                                           \
        assert_true(kit_dot((differences), (differences)) > 0);                                    \
        assert_true(kit_distance((gradient), (differences)) < 1e-6);                               \
    } while (0)

#endif
