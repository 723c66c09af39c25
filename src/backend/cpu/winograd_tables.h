/* winograd_tables.h - the three matrices of F(2, 2), F(4, 2) and F(4, 3) (Lavin and Gray,
 * arXiv:1509.09308), each tabulated once, row by row. */
#ifndef CT_BACKEND_CPU_WINOGRAD_TABLES_H
#define CT_BACKEND_CPU_WINOGRAD_TABLES_H

#include "backend/cpu/simd.h"
#include "backend/cpu/winograd.h"

/* Interpolation points 0, 1, infinity. */
/* clang-format off */
static const float BT22[3 * 3] = {
    1, -1, 0,
    0,  1, 0,
    0, -1, 1,
};
static const float G22[3 * 2] = {
    1, 0,
    1, 1,
    0, 1,
};
static const float AT22[2 * 3] = {
    1, 1, 0,
    0, 1, 1,
};

/* Interpolation points 0, 1, -1, 2, infinity. */
static const float BT42[5 * 5] = {
    2, -1, -2,  1, 0,
    0, -2, -1,  1, 0,
    0,  2, -3,  1, 0,
    0, -1,  0,  1, 0,
    0,  2, -1, -2, 1,
};
static const float G42[5 * 2] = {
     1 / 2.F,  0,
    -1 / 2.F, -1 / 2.F,
    -1 / 6.F,  1 / 6.F,
     1 / 6.F,  1 / 3.F,
     0,        1,
};
static const float AT42[4 * 5] = {
    1, 1,  1, 1, 0,
    0, 1, -1, 2, 0,
    0, 1,  1, 4, 0,
    0, 1, -1, 8, 1,
};

/* Interpolation points 0, 1, -1, 2, -2, infinity. */
static const float BT43[6 * 6] = {
    4,  0, -5,  0, 1, 0,
    0, -4, -4,  1, 1, 0,
    0,  4, -4, -1, 1, 0,
    0, -2, -1,  2, 1, 0,
    0,  2, -1, -2, 1, 0,
    0,  4,  0, -5, 0, 1,
};
static const float G43[6 * 3] = {
     1 / 4.F,   0,         0,
    -1 / 6.F,  -1 / 6.F,  -1 / 6.F,
    -1 / 6.F,   1 / 6.F,  -1 / 6.F,
     1 / 24.F,  1 / 12.F,  1 / 6.F,
     1 / 24.F, -1 / 12.F,  1 / 6.F,
     0,         0,         1,
};
static const float AT43[4 * 6] = {
    1, 1,  1, 1,  1, 0,
    0, 1, -1, 2, -2, 0,
    0, 1,  1, 4,  4, 0,
    0, 1, -1, 8, -8, 1,
};
/* clang-format on */

/* F(1, 1): nothing is transformed. */
static const float ONE[1] = {1};

/* One of the tables, or its transpose. */
typedef struct matrix {
    const float *k;
    int rows, cols, row_step, col_step;
} matrix;

CT_INLINE matrix table(const float *k, int rows, int cols, const bool transpose)
{
    return transpose ? (matrix){k, cols, rows, 1, cols} : (matrix){k, rows, cols, cols, 1};
}

/* The table of a form along an axis out of one for each. */
#define TABLE(name, form, rows, cols, transpose)                                                   \
    table((form) == CT_F11   ? ONE                                                                 \
          : (form) == CT_F22 ? name##22                                                            \
          : (form) == CT_F42 ? name##42                                                            \
                             : name##43,                                                           \
          rows, cols, transpose)

CT_INLINE matrix BT(const ct_form form, const bool transpose)
{
    return TABLE(BT, form, ct_points(form), ct_points(form), transpose);
}

CT_INLINE matrix G(const ct_form form, const bool transpose)
{
    return TABLE(G, form, ct_points(form), ct_taps(form), transpose);
}

CT_INLINE matrix AT(const ct_form form, const bool transpose)
{
    return TABLE(AT, form, ct_tile(form), ct_points(form), transpose);
}

#endif
