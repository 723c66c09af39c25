/* winograd_layout.c - forms by geometry, chunks of images, memory. */
#include "backend/cpu/winograd_layout.h"

#include "base/mem.h"

/* V, P and the products of a chunk together, if U is no larger: each chunk reads U and sums dU.
 * Room for 26 images of the 64-128 layer at 8x8 codes. */
enum { CHUNK_BYTES = 21 << 18 };

/* Of a gradient that is the sum of one chunk only. */
enum { GRADIENT_ROWS = 64 };

/* With fewer rows reading U takes longer than computing with it. F(2, 2) has the smallest U; of one
 * row BLAS makes the product of a matrix and a vector. */
static const int least_rows[] = {
    [CT_F11] = 2, [CT_F22] = 1, [CT_F42] = 32, [CT_F43] = 32, [CT_F42_F22] = 8};

static int tiles_along(ct_form form, int pixels)
{
    return (pixels + ct_tile(form) - 1) / ct_tile(form);
}

bool ct_winograd_fits(const ct_geom *g, ct_form form)
{
    if (g->c % CT_LANES != 0 || g->atoms % CT_LANES != 0)
        return false;
    switch (form) {
    case CT_F11:
        return g->pad == 0 && g->kernel * g->oh == g->h && g->kernel * g->ow == g->w &&
               (g->kernel == g->stride || (g->oh == 1 && g->ow == 1));
    case CT_F22:
    case CT_F42:
    case CT_F42_F22:
        return g->pad == 1 && g->kernel == 4 && g->stride == 2;
    case CT_F43:
        return g->pad == 1 && g->kernel == 3 && g->stride == 1;
    }
    return false;
}

static int64_t tiles_of(const ct_geom *g, ct_form form)
{
    return (int64_t)tiles_along(ct_down(form), g->oh) * tiles_along(ct_across(form), g->ow);
}

/* Of an image, for one channel and one atom. */
static int64_t products_of(const ct_geom *g, ct_form form)
{
    return tiles_of(g, form) * ct_points(ct_down(form)) * ct_points(ct_across(form));
}

bool ct_winograd_pays(const ct_geom *g, ct_form form)
{
    const int tile = ct_tile(ct_down(form)) * ct_tile(ct_across(form));
    const bool rival = form == CT_F42 || form == CT_F42_F22; /* of F(2, 2), whose U is smaller */

    return tiles_of(g, form) * tile < 2 * g->oh * g->ow &&
           g->n * tiles_of(g, form) >= least_rows[form] &&
           (!rival || products_of(g, form) < products_of(g, CT_F22));
}

/* Columns of the products that need a place of their own: M, and I unless it lies in V. */
static int most_products(const ct_winograd *w)
{
    const int atoms = w->tiling.g.atoms;

    return w->operand_bytes < sizeof(float) && w->columns > atoms ? w->columns : atoms;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The largest of as many equal parts of n as parts of `most_images` are needed. */
static int equal_parts(int n, size_t most_images)
{
    const int chunks = (int)(((size_t)n + most_images - 1) / most_images);

    return (n + chunks - 1) / chunks;
}

/* An image and its padding, or the row of a dictionary, twice. */
static size_t frame_bytes(const ct_tiling *t)
{
    const int row = t->g.c > t->g.atoms ? t->g.c : t->g.atoms;
    const size_t image = (size_t)(t->frame_h * t->frame_w) * CT_LANES;

    return most(image, (size_t)(2 * row * t->g.kernel * t->g.kernel)) * sizeof(float);
}

ct_winograd *ct_winograd_create(const ct_exec *ex, const ct_geom *g, ct_form form)
{
    ct_winograd *w = ct_calloc(1, sizeof *w);

    if (w == NULL)
        return NULL;
    const int stride = form == CT_F11 ? g->kernel : g->stride;
    const int down = tiles_along(ct_down(form), g->oh);
    const int across = tiles_along(ct_across(form), g->ow);
    w->tiling = (ct_tiling){
        .g = *g,
        .form = form,
        .stride = stride,
        .phases = stride * stride,
        .down = down,
        .across = across,
        .frame_h = ct_tile(ct_down(form)) * stride * down + g->kernel - stride,
        .frame_w = ct_tile(ct_across(form)) * stride * across + g->kernel - stride,
    };
    w->matrices = ct_points(ct_down(form)) * ct_points(ct_across(form));
    w->tiles = down * across;
    w->columns = w->tiling.phases * g->c;
    w->threads = ex->threads;
    w->operand_bytes = ((const ct_cpu *)ex->state)->winograd->operand_bytes;
    const size_t row = (size_t)(w->columns + g->atoms) * w->operand_bytes +
                       (size_t)most_products(w) * sizeof(float);
    const size_t U = ct_stack_bytes(w->matrices, w->columns, g->atoms, w->operand_bytes);
    const size_t images = most(CHUNK_BYTES, U) / ((size_t)(w->matrices * w->tiles) * row);
    w->chunk = equal_parts(g->n, images < 1 ? 1 : images);
    w->gradient_rows = w->chunk < g->n || g->atoms < GRADIENT_ROWS ? g->atoms : GRADIENT_ROWS;
    w->frame = frame_bytes(&w->tiling);
    return w;
}

void ct_winograd_destroy(ct_winograd **w)
{
    ct_free(*w);
    *w = NULL;
}

ct_winograd_parts ct_winograd_lay_out(const ct_winograd *w, void *packed, void *scratch)
{
    const int64_t rows = (int64_t)w->chunk * w->tiles, atoms = w->tiling.g.atoms,
                  columns = w->columns;
    const size_t size = w->operand_bytes, real = sizeof(float);
    const size_t weights = ct_stack_bytes(w->matrices, atoms, columns, size);
    const size_t image = ct_stack_bytes(w->matrices, rows, columns, size);
    const size_t code = ct_stack_bytes(w->matrices, rows, atoms, size);
    const size_t products = ct_stack_bytes(w->matrices, rows, most_products(w), real);
    const size_t gradient = ct_stack_bytes(w->matrices, w->gradient_rows, columns, real);
    unsigned char *p = packed, *s = scratch;
    ct_winograd_parts m = {.packed_bytes = 2 * weights};

    if (packed != NULL) {
        m.U = ct_stack_at(p, columns, atoms, size);
        m.Ut = ct_stack_at(p + weights, atoms, columns, size);
    }
    m.scratch_bytes = image + code + products + gradient + (size_t)w->threads * w->frame;
    if (scratch != NULL) {
        m.V = ct_stack_at(s, rows, columns, size);
        m.P = ct_stack_at(s += image, rows, atoms, size);
        m.Y = ct_stack_at(s += code, rows, atoms, size);
        m.M = ct_stack_at(s, rows, atoms, real);
        m.I = size == real ? m.V : ct_stack_at(s, rows, columns, real);
        m.dU = ct_stack_at(s += products, w->gradient_rows, columns, real);
        m.frames = s + gradient;
    }
    return m;
}

size_t ct_winograd_packed_bytes(const ct_winograd *w)
{
    return ct_winograd_lay_out(w, NULL, NULL).packed_bytes;
}

size_t ct_winograd_scratch_bytes(const ct_winograd *w)
{
    return ct_winograd_lay_out(w, NULL, NULL).scratch_bytes;
}

double ct_winograd_products(const ct_winograd *w)
{
    return (double)w->matrices * w->tiles * w->tiling.g.n * w->columns * w->tiling.g.atoms;
}
