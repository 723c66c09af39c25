/* cuda_rate.c - coding rates of subsets of rows and their gradients (SPEC 3), without a loop over
 * classes on the host: all terms, or as many as scratch memory holds, go through each kernel
 * together. */
#include <string.h>

#include "backend/cuda/cuda.h"

enum {
    MOST_PASSES = 8,
    MOST_TOGETHER = 65535,   /* of the third dimension of a launch */
    TERMS_BYTES = 256 << 20, /* of the matrices of the terms that are worked on together */
};

/* Working memory, of as many terms as are worked on together. */
typedef struct layout {
    int together;
    size_t G, X, inverse, pointers, info, end;
} layout;

/* What rate_load leaves: the terms, then their rows. */
static size_t rows_place(int terms)
{
    return (size_t)terms * sizeof(ct_k_term);
}

static layout lay_out(int d, int terms)
{
    const size_t matrix = (size_t)d * (size_t)d * sizeof(double);
    const size_t fit = TERMS_BYTES / (3 * matrix);
    layout l = {.together = terms < MOST_TOGETHER ? terms : MOST_TOGETHER};

    if (fit < (size_t)l.together)
        l.together = fit > 1 ? (int)fit : 1;
    const size_t together = (size_t)l.together;

    l.G = ct_cuda_place(&l.end, together * matrix);
    l.X = ct_cuda_place(&l.end, together * matrix);
    l.inverse = ct_cuda_place(&l.end, together * matrix);
    l.pointers = ct_cuda_place(&l.end, 2 * together * sizeof(double *));
    l.info = ct_cuda_place(&l.end, together * sizeof(int));
    return l;
}

static void rate_bytes(ct_exec *ex, int m, int d, int terms, int64_t rows, size_t *loaded,
                       size_t *scratch)
{
    (void)ex;
    (void)m;
    *loaded = rows_place(terms) + (size_t)rows * sizeof(int32_t);
    *scratch = lay_out(d, terms).end;
}

/* ---- the terms, as the device reads them */

static int64_t count_rows(const ct_rate_term *terms, int count)
{
    int64_t rows = 0;

    for (int j = 0; j < count; j++)
        rows += terms[j].count;
    return rows;
}

/* The first pass none of whose terms has a row of this one; a byte of `taken` a row, a bit a pass.
 */
static int choose_pass(const ct_rate_term *term, unsigned char *taken)
{
    unsigned busy = 0;
    int pass = 0;

    for (int32_t i = 0; i < term->count; i++)
        busy |= taken[term->rows[i]];
    while ((busy >> pass & 1) != 0)
        pass++;
    for (int32_t i = 0; i < term->count && pass < MOST_PASSES; i++)
        taken[term->rows[i]] |= (unsigned char)(1u << pass);
    return pass;
}

static csctrl_status describe(const ct_rate_term *terms, int count, int d, double eps2,
                              ct_k_term *to, int32_t *rows, unsigned char *taken)
{
    int32_t first = 0;

    for (int j = 0; j < count; j++) {
        const ct_rate_term *t = &terms[j];
        to[j] = (ct_k_term){.weight = t->weight,
                            .alpha = t->count > 0 ? d / (t->count * eps2) : 0,
                            .first = first,
                            .count = t->count,
                            .pass = choose_pass(t, taken)};
        if (to[j].pass == MOST_PASSES)
            return ct_cuda_library->fail(CSCTRL_E_UNSUPPORTED,
                                         "device \"cuda\": a feature is in more than %d coding "
                                         "rates",
                                         MOST_PASSES);
        if (t->count > 0)
            memcpy(rows + first, t->rows, (size_t)t->count * sizeof *rows);
        first += t->count;
    }
    return CSCTRL_OK;
}

static csctrl_status rate_load(ct_exec *ex, int m, int d, double eps2, const ct_rate_terms *terms)
{
    const size_t rows = (size_t)count_rows(terms->list, terms->count) * sizeof(int32_t);
    const size_t place_of_rows = rows_place(terms->count);
    unsigned char *const host = ct_cuda_library->calloc(1, place_of_rows + rows + (size_t)m);

    if (host == NULL)
        return CSCTRL_E_NOMEM;
    csctrl_status status =
        describe(terms->list, terms->count, d, eps2, (ct_k_term *)(void *)host,
                 (int32_t *)(void *)(host + place_of_rows), host + place_of_rows + rows);
    if (status == CSCTRL_OK)
        status = ct_cuda_upload(ct_cuda_of(ex)->device, terms->loaded, host, place_of_rows + rows);
    ct_cuda_library->free(host);
    return status;
}

/* ---- the rates */

/* Terms `first` to `first + count` of all. */
static csctrl_status rate_some(ct_exec *ex, const ct_tensor *F, const ct_rate_terms *all, int first,
                               int count, double *values, ct_tensor *dF, unsigned char *scratch)
{
    const int d = (int)F->shape[1], most = (int)F->shape[0];
    const layout at = lay_out(d, all->count);
    const ct_k_term *terms = (const ct_k_term *)all->loaded + first;
    const int32_t *rows =
        (const int32_t *)(const void *)((unsigned char *)all->loaded + rows_place(all->count));
    double *const G = (double *)(void *)(scratch + at.G);
    double *const X = (double *)(void *)(scratch + at.X);
    double *const inverse = (double *)(void *)(scratch + at.inverse);
    double **const pointers = (double **)(void *)(scratch + at.pointers);
    int *const info = (int *)(void *)(scratch + at.info);
    ct_cuda_device *device = ct_cuda_of(ex)->device;
    void *const stream = ct_cuda_queue(ex);

    CT_CUDA_TRY(ct_k_rate_gram(stream, F->data, d, terms, count, rows, G));
    CT_TRY(ct_cuda_cholesky(device, G, d, count, pointers, info));
    CT_CUDA_TRY(ct_k_rate_values(stream, G, d, count, info, values + first));
    if (dF == NULL)
        return CSCTRL_OK;
    CT_CUDA_TRY(ct_k_rate_identity(stream, X, d, count));
    CT_TRY(ct_cuda_solve_lower(device, G, X, d, count, pointers));
    CT_TRY(ct_cuda_gram(device, X, inverse, d, count)); /* L^-T L^-1 */
    for (int pass = 0; pass < MOST_PASSES && pass < all->count; pass++)
        CT_CUDA_TRY(ct_k_rate_gradient(stream, F->data, d, terms, count, pass, most, rows, inverse,
                                       dF->data));
    return CSCTRL_OK;
}

static csctrl_status rate_terms(ct_exec *ex, const ct_tensor *F, double eps2,
                                const ct_rate_terms *terms, double *values, ct_tensor *dF,
                                void *scratch)
{
    const int together = lay_out((int)F->shape[1], terms->count).together;

    (void)eps2; /* loaded */
    for (int first = 0; first < terms->count; first += together) {
        const int left = terms->count - first;
        CT_TRY(
            rate_some(ex, F, terms, first, left < together ? left : together, values, dF, scratch));
    }
    return CSCTRL_OK;
}

void ct_cuda_fill_rate(ct_ops *ops)
{
    ops->rate_bytes = rate_bytes;
    ops->rate_load = rate_load;
    ops->rate_terms = rate_terms;
}
