/* winograd_layout.h - which form of Winograd convolution a geometry takes, and where the matrices
 * of a chunk of images lie. */
#ifndef CT_BACKEND_CPU_WINOGRAD_LAYOUT_H
#define CT_BACKEND_CPU_WINOGRAD_LAYOUT_H

#include "backend/cpu/cpu_winograd.h"

struct ct_winograd {
    ct_tiling tiling;
    int matrices, tiles, columns; /* points down times across; of an image; phases times channels */
    int chunk;                    /* images */
    int gradient_rows;            /* atoms whose gradient is computed at a time */
    int threads;
    size_t frame;         /* bytes for each thread */
    size_t operand_bytes; /* of a number */
};

/* The parts of packed and scratch. Where operands are floats, the products of the image side lie in
 * V. Y takes the place of M. */
typedef struct ct_winograd_parts {
    ct_stack U, Ut;   /* packed operands */
    ct_stack V, P, Y; /* operands: rows x columns, rows x atoms */
    ct_stack I, M;    /* products: rows x columns, rows x atoms */
    ct_stack dU;      /* products: gradient_rows x columns */
    unsigned char *frames;
    size_t packed_bytes, scratch_bytes;
} ct_winograd_parts;

/* With NULL memory, for the sizes. */
ct_winograd_parts ct_winograd_lay_out(const ct_winograd *w, void *packed, void *scratch);

#endif
