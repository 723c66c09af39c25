/* cpu_rate.c - coding rates (SPEC 3): products in float, the matrix between them in double.
 *
 * As in ref_rate.c the smaller of I + alpha Z^T Z and I + alpha Z Z^T is G. One sweep gives both
 * logdet G and G^-1, so that dR/dZ = alpha Z G^-1 or alpha G^-1 Z is one product.
 *
 * Two terms and their union, as a class of the objective has them, are a group: the union's Gram
 * matrix of rows has those of its parts as blocks, and the one of columns is the sum of theirs.
 * Either way a group needs the products of its rows once. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/sweep.h"

/* A group in the scratch memory: rows Z and their gradient, Z^T where it is needed, Gram matrices
 * and those that multiply Z, at most two of each. */
typedef struct group {
    const ct_exec *ex;
    const ct_rate_loops *loops;
    const ct_rate_term *terms;
    int size, d, s;
    double eps2, *values, *G;
    float *Z, *dZ, *T, *gram[2], *M[2];
    const int32_t *rows;
    float *dF; /* NULL: not wanted */
} group;

/* Numbers of a matrix. */
static size_t matrix(int rows, int cols)
{
    return (size_t)(ct_rate_rows(rows) * ct_rate_pitch(cols));
}

static void rate_bytes(ct_exec *ex, int m, int d, int terms, int64_t rows, size_t *loaded,
                       size_t *scratch)
{
    const int s = m < d ? m : d;

    (void)ex;
    (void)terms;
    (void)rows;
    *loaded = 0; /* rate_load is ref's */
    *scratch = ct_sweep_count(s) * sizeof(double) +
               (2 * matrix(m, d) + matrix(d, s) + 4 * matrix(s, s)) * sizeof(float);
}

/* Rows of a product, which are added to rows of dF where `rows` tells which. */
typedef struct product_args {
    const group *g;
    ct_rate_product product;
    const int32_t *rows;
} product_args;

static void product_loop(const void *args, int64_t begin, int64_t end)
{
    const product_args *p = args;
    const group *g = p->g;

    g->loops->product(&p->product, (int)begin, (int)end);
    for (int64_t i = begin; i < end && p->rows != NULL; i++)
        g->loops->add(p->product.c + i * p->product.c_pitch, g->d,
                      g->dF + (int64_t)p->rows[i] * g->d);
}

/* `count` rows of a product, in pieces that are worth a thread. */
static void multiply(const group *g, int count, ct_rate_product product, const int32_t *rows)
{
    enum { FEWEST = 24, WORTH = 1 << 19 }; /* whole tiles of every kernel; multiplications */
    const product_args args = {.g = g, .product = product, .rows = rows};
    const int64_t row = (int64_t)product.cols * product.depth;

    ct_cpu_for(g->ex, count, (WORTH / row / FEWEST + 1) * FEWEST, product_loop, &args);
}

/* values[j] of term j, whose Gram matrix is given; its part of dR/dF is added to `count` M. */
static void invert(const group *g, int j, const float *gram, float *const *M, int count)
{
    const ct_rate_term *term = &g->terms[j];
    const int s = term->count < g->d ? term->count : g->d;
    const int64_t pitch = ct_rate_pitch(g->s);
    const double alpha = g->d / (term->count * g->eps2);

    g->values[j] = 0.5 * g->loops->invert(gram, s, pitch, alpha, g->G);
    for (int i = 0; i < count && g->dF != NULL; i++)
        g->loops->subtract(g->G, s, term->weight * alpha, M[i], pitch);
}

static void rates_by_row(const group *g)
{
    const int64_t pitch = ct_rate_pitch(g->s), length = ct_rate_pitch(g->d);

    g->loops->transpose(g->Z, g->s, g->d, length, g->T, pitch);
    multiply(g, g->s,
             (ct_rate_product){.a = g->Z,
                               .row = length,
                               .step = 1,
                               .b = g->T,
                               .b_pitch = pitch,
                               .c = g->gram[0],
                               .c_pitch = pitch,
                               .cols = g->s,
                               .depth = g->d,
                               .lower = true},
             NULL);
    for (int j = 0; j < g->size; j++) {
        const int64_t at = j == 1 ? g->terms[0].count * (pitch + 1) : 0;
        float *const M = g->M[0] + at;
        invert(g, j, g->gram[0] + at, &M, 1);
    }
    if (g->dF == NULL)
        return;
    g->loops->mirror(g->M[0], g->s, pitch);
    multiply(g, g->s,
             (ct_rate_product){.a = g->M[0],
                               .row = pitch,
                               .step = 1,
                               .b = g->Z,
                               .b_pitch = length,
                               .c = g->dZ,
                               .c_pitch = length,
                               .cols = g->d,
                               .depth = g->s},
             g->rows);
}

static void rates_by_column(const group *g)
{
    const int64_t pitch = ct_rate_pitch(g->d);
    const int parts = g->size == 1 ? 1 : 2, first = g->terms[0].count;

    for (int j = 0; j < parts; j++) {
        const float *Z = g->Z + j * first * pitch;
        multiply(g, g->d,
                 (ct_rate_product){.a = Z,
                                   .row = 1,
                                   .step = pitch,
                                   .b = Z,
                                   .b_pitch = pitch,
                                   .c = g->gram[j],
                                   .c_pitch = pitch,
                                   .cols = g->d,
                                   .depth = g->terms[j].count,
                                   .lower = true},
                 NULL);
        invert(g, j, g->gram[j], &g->M[j], 1);
    }
    if (parts == 2) {
        g->loops->add(g->gram[1], g->d * pitch, g->gram[0]);
        invert(g, 2, g->gram[0], g->M, 2);
    }
    for (int j = 0; j < parts && g->dF != NULL; j++) {
        g->loops->mirror(g->M[j], g->d, pitch);
        multiply(g, g->terms[j].count,
                 (ct_rate_product){.a = g->Z + j * first * pitch,
                                   .row = pitch,
                                   .step = 1,
                                   .b = g->M[j],
                                   .b_pitch = pitch,
                                   .c = g->dZ + j * first * pitch,
                                   .c_pitch = pitch,
                                   .cols = g->d,
                                   .depth = g->d},
                 g->rows + j * first);
    }
}

/* 3 where a group begins, 1 where a term stands alone. */
static int group_size(const ct_rate_term *terms, int left, int d)
{
    if (left < 3 || terms[0].count == 0 || terms[1].count == 0 ||
        terms[0].count + terms[1].count != terms[2].count ||
        (terms[2].count >= d && (terms[0].count < d || terms[1].count < d)))
        return 1;
    const size_t first = (size_t)terms[0].count, second = (size_t)terms[1].count;
    const int32_t *rows = terms[2].rows;
    return memcmp(rows, terms[0].rows, first * sizeof *rows) == 0 &&
                   memcmp(rows + first, terms[1].rows, second * sizeof *rows) == 0
               ? 3
               : 1;
}

/* A group of terms; the last one has all rows. */
static void rate_group(group *g, const float *F, void *scratch)
{
    const ct_rate_term *all = &g->terms[g->size - 1];
    const int count = all->count, d = g->d, s = count < d ? count : d;
    const int64_t pitch = ct_rate_pitch(d);

    g->s = s;
    g->rows = all->rows;
    g->G = scratch;
    g->Z = (float *)(g->G + ct_sweep_count(s));
    g->dZ = g->Z + matrix(count, d);
    g->T = g->dZ + matrix(count, d);
    g->gram[0] = g->T + matrix(d, s);
    g->gram[1] = g->gram[0] + matrix(s, s);
    g->M[0] = g->gram[1] + matrix(s, s);
    g->M[1] = g->M[0] + matrix(s, s);
    for (int i = 0; i < count; i++)
        memcpy(g->Z + i * pitch, F + (int64_t)all->rows[i] * d, (size_t)d * sizeof *F);
    if (g->dF != NULL)
        memset(g->M[0], 0, (count < d ? 1 : 2) * matrix(s, s) * sizeof *g->M[0]);
    if (count < d)
        rates_by_row(g);
    else
        rates_by_column(g);
}

static csctrl_status check_finite(ct_exec *ex, const ct_tensor *F)
{
    const int64_t d = F->shape[F->ndim - 1];
    const float *features = F->data;
    double sum;

    CT_TRY(ex->ops->sum_squares(ex, F, &sum));
    if (isfinite(sum))
        return CSCTRL_OK;
    for (int64_t i = 0; i < csctrl_tensor_count(F); i++)
        if (!isfinite(features[i]))
            return ct_fail(CSCTRL_E_NUMERIC,
                           "coding rate: feature %lld of row %lld is %g, expected a finite number",
                           (long long)(i % d), (long long)(i / d), (double)features[i]);
    return CSCTRL_OK;
}

static csctrl_status rate_terms(ct_exec *ex, const ct_tensor *F, double eps2,
                                const ct_rate_terms *terms, double *values, ct_tensor *dF,
                                void *scratch)
{
    const ct_rate_term *const list = terms->list;
    group g = {.ex = ex,
               .loops = ((const ct_cpu *)ex->state)->rates,
               .d = (int)F->shape[F->ndim - 1],
               .eps2 = eps2,
               .dF = dF == NULL ? NULL : dF->data};

    CT_TRY(check_finite(ex, F));
    for (int j = 0; j < terms->count; j += g.size) {
        g.size = group_size(list + j, terms->count - j, g.d);
        g.terms = list + j;
        g.values = values + j;
        values[j] = 0;
        if (list[j].count > 0)
            rate_group(&g, F->data, scratch);
        for (int i = j; i < j + g.size; i++)
            if (!isfinite(values[i]))
                return ct_fail(
                    CSCTRL_E_NUMERIC,
                    "coding rate: term %d has no finite value: its features are too large", i);
    }
    return CSCTRL_OK;
}

void ct_cpu_fill_rate(ct_ops *ops)
{
    ops->rate_bytes = rate_bytes;
    ops->rate_terms = rate_terms;
}
