/* products.c - matrix products by BLAS. */
#include "eval/products.h"

#include <cblas.h>

void ct_product_nt(const double *a, int64_t n, const double *b, int64_t m, int64_t d, double *out)
{
    if (n > 0 && m > 0)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)m, (int)d, 1.0, a, (int)d,
                    b, (int)d, 0.0, out, (int)m);
}

void ct_product_tn(const double *a, const double *b, int64_t n, int64_t m, int64_t d, double *out)
{
    if (m > 0 && d > 0)
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)d, (int)n, 1.0, a, (int)m,
                    b, (int)d, 0.0, out, (int)d);
}

void ct_gram_add(const double *block, int64_t n, int64_t d, double *gram)
{
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)d, (int)n, 1.0, block, (int)d, 1.0,
                gram, (int)d);
}
