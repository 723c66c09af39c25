/* winograd.h - Winograd convolution: the transforms, and what is done on their way (SPEC 1).
 *
 * The code side of a dictionary is cut into tiles. Along each axis, where it is M pixels long,
 * a tile is computed from R taps with T = M + R - 1 products: y = AT [(G w) . (BT x)]; in two
 * dimensions with those down times those across, each product of tiles and channels being a matrix
 * product: F(M, R). The adjoint and the gradient use the same three matrices, transposed. What
 * enters a product is kept as operands (operand.h), what comes from it as floats. */
#ifndef CT_BACKEND_CPU_WINOGRAD_H
#define CT_BACKEND_CPU_WINOGRAD_H

#include "backend/cpu/panels.h"
#include "backend/cpu/shrink.h"
#include "backend/ops.h"

typedef enum ct_form {
    CT_F11,     /* atoms that do not overlap, a phase for every tap: nothing is transformed */
    CT_F22,     /* 4x4 atoms of stride 2, which are 2x2 atoms on the four phases of the image; */
    CT_F42,     /* the same, in fewer products and with larger matrices G w */
    CT_F43,     /* 3x3 atoms of stride 1 */
    CT_F42_F22, /* F42 down and F22 across, where tiles are few */
} ct_form;

/* The form along an axis: what follows is of one axis. */
static inline ct_form ct_down(ct_form form)
{
    return form == CT_F42_F22 ? CT_F42 : form;
}
static inline ct_form ct_across(ct_form form)
{
    return form == CT_F42_F22 ? CT_F22 : form;
}

static inline int ct_tile(ct_form form)
{
    return form == CT_F11 ? 1 : form == CT_F22 ? 2 : 4;
}
static inline int ct_taps(ct_form form)
{
    return form == CT_F11 ? 1 : form == CT_F43 ? 3 : 2;
}
static inline int ct_points(ct_form form)
{
    return ct_tile(form) + ct_taps(form) - 1;
}

/* The shapes of one dictionary. Rows of V and M are tiles, image by image; columns of V are phases
 * times channels, columns of M are atoms. */
typedef struct ct_tiling {
    ct_geom g;
    ct_form form;
    int stride, phases;   /* phases along an axis; stride squared */
    int down, across;     /* tiles of an image */
    int frame_h, frame_w; /* an image with its padding, up to the end of the last tile */
} ct_tiling;

/* Image side: v = x, or the adjoint of the products, or x minus that. Written to (added to) `out`;
 * transformed into the operands V. */
typedef struct ct_image_side {
    const ct_tiling *t;
    ct_stack V, products; /* operands; floats */
    const float *x;       /* NULL: none */
    float *out;           /* NULL: not wanted */
    bool adjoint;         /* products are input */
    bool forward;         /* V is output */
    bool add;             /* out is added to */
} ct_image_side;

/* Code side, into the operands: P = A (factor code), 0 where gate is 0. */
typedef struct ct_code_in {
    const ct_tiling *t;
    ct_stack P;
    const float *code, *gate; /* gate NULL: open everywhere */
    float factor;
} ct_code_in;

/* Code side, out of the products: m = AT M A. Then one of
 * - code = m;
 * - code = prox(y + eta m), y_next = code + beta (code - z_prev);
 * - code = factor dz - m, with 0 for dz where gate is 0. */
typedef enum ct_code_kind { CT_CODE_PLAIN, CT_CODE_STEP, CT_CODE_BACKWARD } ct_code_kind;
typedef struct ct_code_out {
    const ct_tiling *t;
    ct_stack M;
    ct_code_kind kind;
    float *code;
    ct_shrink shrink;
    const float *y, *z_prev; /* y NULL: 0 */
    float *y_next;           /* NULL: not wanted */
    const float *dz, *gate;
    float factor;
} ct_code_out;

/* U = G w GT for dictionaries [rows][taps][lanes]: `lanes` are columns of U, from the phase's first
 * when lanes are channels; rows are rows of U, likewise. U holds operands, a right factor. The
 * gradient goes the other way and comes from floats. One row of w is at hand at a time. */
typedef struct ct_weights_side {
    const ct_tiling *t;
    ct_stack U;
    int lanes;
    bool rows_are_channels;
} ct_weights_side;

/* One of the sides above, of image (or row of w) number `item`, for the vector of channels, atoms
 * or lanes that begins at `lane`. `frame` is memory for frame_h x frame_w x CT_LANES numbers, or
 * the row of w, [taps][lanes]. */
typedef void ct_side_kernel(const void *side, int item, int lane, float *frame);

typedef struct ct_winograd_kernels {
    int width;            /* of a vector */
    size_t operand_bytes; /* of a number of V, P and U */
    ct_side_kernel *image_side, *code_in, *code_out;
    ct_side_kernel *weights_in, *weights_out; /* G w GT, and its transpose into w */
} ct_winograd_kernels;

extern const ct_winograd_kernels ct_winograd_portable, ct_winograd_avx2, ct_winograd_avx512;
extern const ct_winograd_kernels ct_winograd_portable_bf16, ct_winograd_avx2_bf16,
    ct_winograd_avx512_bf16;

#endif
