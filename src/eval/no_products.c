/* no_products.c - in the place of products.c where the library is built without BLAS: plain loops.
 */
#include <string.h>

#include "eval/products.h"

void ct_product_nt(const double *a, int64_t n, const double *b, int64_t m, int64_t d, double *out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) {
            double sum = 0;
            for (int64_t k = 0; k < d; k++)
                sum += a[i * d + k] * b[j * d + k];
            out[i * m + j] = sum;
        }
}

void ct_product_tn(const double *a, const double *b, int64_t n, int64_t m, int64_t d, double *out)
{
    memset(out, 0, (size_t)(m * d) * sizeof *out);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++)
            for (int64_t k = 0; k < d; k++)
                out[j * d + k] += a[i * m + j] * b[i * d + k];
}

void ct_gram_add(const double *block, int64_t n, int64_t d, double *gram)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = 0; j <= i; j++)
                gram[i * d + j] += block[r * d + i] * block[r * d + j];
}
