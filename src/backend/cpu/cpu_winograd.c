/* cpu_winograd.c - what is computed from what, in chunks of images.
 *
 *   analysis    code = out(in(img) U)             V [tiles, phases c],  U [phases c, atoms]
 *   synthesis   img = in*(in'(code) U^T)          P [tiles, atoms],     U^T [atoms, phases c]
 *   dict_grad   dW = G*(P^T V)                    P^T V [atoms, phases c]
 *
 * each product being one of matrices for every point. in, in* are the image side of winograd.h, in'
 * and out the code side, G the weights. */
#include "backend/cpu/winograd_layout.h"

#include <omp.h>

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int parts_of(int whole, int part)
{
    return (whole + part - 1) / part;
}

/* ---- stages: each spreads its blocks of images over the threads */

typedef struct stage {
    const ct_exec *ex;
    const ct_winograd *w;
    ct_winograd_parts m;
    int images; /* of the chunk */
    ct_side_kernel *kernel;
    const void *args;
} stage;

static const ct_winograd_kernels *kernels(const stage *s)
{
    return ((const ct_cpu *)s->ex->state)->winograd;
}

static float *own_frame(const stage *s)
{
    return (float *)(void *)(s->m.frames + (size_t)omp_get_thread_num() * s->w->frame);
}

/* Images of a block, by which every stage shares out its work: a thread finds what the stage before
 * left for it in its own caches. There is one for each thread, or fewer where these would have so
 * few rows that reading U takes longer than computing with it. */
static int block_images(const stage *s)
{
    enum { FEWEST_ROWS = 48, STEP_ROWS = 8 }; /* for a block; in those of the products */
    const int tiles = s->w->tiles, rows = s->images * tiles;
    const int most = rows > FEWEST_ROWS ? rows / FEWEST_ROWS : 1;
    const int images = parts_of(s->images, smaller(most, s->ex->threads));
    const int step = tiles < STEP_ROWS ? STEP_ROWS / tiles : 1;

    return parts_of(images, step) * step;
}

typedef struct side_task {
    const stage *s;
    int vectors; /* of channels or atoms */
} side_task;

/* Block after block, and image after image for each vector of lanes, so that the rows of a panel
 * are written in order. The last block may be shorter. */
static void side_items(const void *args, int64_t begin, int64_t end)
{
    const side_task *t = args;
    const stage *s = t->s;
    const int block = block_images(s);
    float *frame = own_frame(s);

    for (int64_t i = begin; i < end; i++) {
        const int64_t column = i / block; /* a vector of a block */
        const int image = (int)(column / t->vectors) * block + (int)(i % block);
        if (image < s->images)
            s->kernel(s->args, image, (int)(column % t->vectors) * kernels(s)->width, frame);
    }
}

/* Pieces of a transform for each thread, of which a slower one takes fewer. */
enum { TURNS = 8 };

static void run_side(stage *s, ct_side_kernel *kernel, int lanes, const void *side)
{
    const int block = block_images(s);
    const side_task t = {.s = s, .vectors = lanes / kernels(s)->width};
    const int64_t count = (int64_t)parts_of(s->images, block) * block * t.vectors;
    /* Neighbours to one thread, which fetches the next image while it computes one. */
    const int64_t piece = count / ((int64_t)s->ex->threads * TURNS);

    s->kernel = kernel;
    s->args = side;
    ct_cpu_for(s->ex, count, piece > 1 ? piece : 1, side_items, &t);
}

/* V <- (from) the image. */
static void image_side(stage *s, ct_image_side side)
{
    side.t = &s->w->tiling;
    side.V = s->m.V;
    side.products = s->m.I;
    run_side(s, kernels(s)->image_side, s->w->tiling.g.c, &side);
}

static void code_in(stage *s, ct_stack P, ct_code_in side)
{
    side.t = &s->w->tiling;
    side.P = P;
    run_side(s, kernels(s)->code_in, s->w->tiling.g.atoms, &side);
}

static void code_out(stage *s, ct_code_out side)
{
    side.t = &s->w->tiling;
    side.M = s->m.M;
    run_side(s, kernels(s)->code_out, s->w->tiling.g.atoms, &side);
}

/* Rows of an item: in A^T B all, because what is brought into order is so for all of them. */
static int item_rows(const stage *s, const ct_product *p)
{
    return p->transposed ? p->rows : block_images(s) * s->w->tiles;
}

/* Groups of panels of all matrices. */
static int product_columns(const stage *s, const ct_product *p)
{
    return s->w->matrices * parts_of(p->cols / CT_LANES, CT_PRODUCT_PANELS);
}

static void product_items(const void *args, int64_t begin, int64_t end)
{
    const stage *s = args;
    const ct_product *p = s->args;
    ct_product_kernel *kernel = ((const ct_cpu *)s->ex->state)->product;
    const int rows = item_rows(s, p), panels = p->cols / CT_LANES;
    const int columns = product_columns(s, p), groups = columns / s->w->matrices;

    for (int64_t i = begin; i < end; i++) {
        const int row = (int)(i / columns) * rows, column = (int)(i % columns);
        const int panel = column % groups * CT_PRODUCT_PANELS;
        const ct_product_part part = {.matrix = column / groups,
                                      .row = row,
                                      .rows = smaller(rows, p->rows - row),
                                      .panel = panel,
                                      .panels = smaller(CT_PRODUCT_PANELS, panels - panel)};
        kernel(p, &part);
    }
}

static void product(stage *s, ct_product p)
{
    s->args = &p;
    ct_cpu_for(s->ex, (int64_t)parts_of(p.rows, item_rows(s, &p)) * product_columns(s, &p), 1,
               product_items, s);
}

/* M = V U, I = P Ut */
static void to_code(stage *s)
{
    product(s, (ct_product){.a = s->m.V,
                            .b = s->m.U,
                            .c = s->m.M,
                            .rows = s->images * s->w->tiles,
                            .cols = s->w->tiling.g.atoms,
                            .depth = s->w->columns});
}

static void to_image(stage *s)
{
    product(s, (ct_product){.a = s->m.P,
                            .b = s->m.Ut,
                            .c = s->m.I,
                            .rows = s->images * s->w->tiles,
                            .cols = s->w->columns,
                            .depth = s->w->tiling.g.atoms});
}

/* ---- weights */

static stage begin_stages(const ct_exec *ex, const ct_winograd *w, const ct_conv *conv)
{
    return (stage){.ex = ex, .w = w, .m = ct_winograd_lay_out(w, conv->packed, conv->scratch)};
}

/* Row after row of a dictionary, while it is in the first cache. */
typedef struct weights_task {
    const stage *s;
    ct_weights_side side;
    ct_transpose_args order; /* of a row: into that of the kernels, or out of it */
    ct_axpby_args add;       /* of all rows; gradient only */
} weights_task;

static void pack_rows(const void *args, int64_t begin, int64_t end)
{
    const weights_task *t = args;

    for (int64_t row = begin; row < end; row++) {
        float *w = own_frame(t->s);
        ct_transpose_args order = t->order;
        order.from += row * order.step;
        order.to = w;
        ct_cpu_loops(t->s->ex)->transpose(&order, 0, 1);
        for (int lane = 0; lane < t->side.lanes; lane += kernels(t->s)->width)
            kernels(t->s)->weights_in(&t->side, (int)row, lane, w);
    }
}

static void gradient_rows(const void *args, int64_t begin, int64_t end)
{
    const weights_task *t = args;
    const ct_loops *loops = ct_cpu_loops(t->s->ex);
    const int64_t size = t->order.rows * t->order.cols;

    for (int64_t row = begin; row < end; row++) {
        float *w = own_frame(t->s);
        ct_transpose_args order = t->order;
        ct_axpby_args add = t->add;
        for (int lane = 0; lane < t->side.lanes; lane += kernels(t->s)->width)
            kernels(t->s)->weights_out(&t->side, (int)row, lane, w);
        order.from = w;
        add.x = order.to = w + size;
        add.y += row * size;
        loops->transpose(&order, 0, 1);
        loops->axpby(&add, 0, size);
    }
}

void ct_winograd_pack(ct_exec *ex, const ct_winograd *w, const ct_conv *conv, const ct_tensor *W)
{
    const ct_geom *g = &w->tiling.g;
    const int64_t taps = (int64_t)g->kernel * g->kernel, atom = g->c * taps;
    const stage s = begin_stages(ex, w, conv);
    /* [atoms, c, taps] -> [atoms, taps, c] and [c, taps, atoms] */
    const weights_task atoms = {
        .s = &s,
        .side = {.t = &w->tiling, .U = s.m.Ut, .lanes = g->c},
        .order = {.rows = g->c, .cols = taps, .pitch = taps, .step = atom, .from = W->data}};
    const weights_task channels = {
        .s = &s,
        .side = {.t = &w->tiling, .U = s.m.U, .lanes = g->atoms, .rows_are_channels = true},
        .order = {.rows = g->atoms, .cols = taps, .pitch = atom, .step = taps, .from = W->data}};

    ct_cpu_for(ex, g->atoms, 1, pack_rows, &atoms);
    ct_cpu_for(ex, g->c, 2, pack_rows, &channels);
}

/* dW += scale G* dU for the atoms from `first` on. */
static void add_gradient(const stage *s, int first, int atoms, double scale, const ct_tensor *dW)
{
    const ct_geom *g = &s->w->tiling.g;
    const int64_t taps = (int64_t)g->kernel * g->kernel;
    const weights_task task = {
        .s = s,
        .side = {.t = &s->w->tiling, .U = s->m.dU, .lanes = g->c},
        .order = {.rows = taps, .cols = g->c, .pitch = g->c},
        .add = {.y = (float *)dW->data + first * g->c * taps, .a = (float)scale, .b = 1}};

    ct_cpu_for(s->ex, atoms, 1, gradient_rows, &task);
}

/* dW += scale G* (X^T V), X one of P, Y. Of one chunk only, that is done for some atoms after the
 * other; of several, the products are summed from the `begin` to the `end`. */
static void to_weights(stage *s, ct_stack X, bool begin, bool end, double scale,
                       const ct_tensor *dW)
{
    const int atoms = s->w->tiling.g.atoms, step = s->w->gradient_rows;
    const bool whole = step < atoms; /* summed by dW itself */

    for (int first = 0; first < atoms; first += step) {
        const int rows = smaller(step, atoms - first);
        product(s, (ct_product){.a = ct_stack_from(X, first, s->w->operand_bytes),
                                .b = s->m.V,
                                .c = s->m.dU,
                                .rows = rows,
                                .cols = s->w->columns,
                                .depth = s->images * s->w->tiles,
                                .transposed = true,
                                .accumulate = !begin && !whole});
        if (end || whole)
            add_gradient(s, first, rows, scale, dW);
    }
}

/* ---- operations */

/* Visits chunk after chunk: s->images and `first` of the current one. */
static bool next_chunk(stage *s, int *first)
{
    const int n = s->w->tiling.g.n, rest = n - (*first += s->images);

    s->images = rest < s->w->chunk ? rest : s->w->chunk;
    return s->images > 0;
}

static bool is_last(const stage *s, int first)
{
    return first + s->images == s->w->tiling.g.n;
}

void ct_winograd_analysis(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                          const ct_tensor *img, ct_tensor *code)
{
    stage s = begin_stages(ex, w, conv);

    for (int first = 0; next_chunk(&s, &first);) {
        image_side(&s, (ct_image_side){.x = ct_cpu_at(img, first), .forward = true});
        to_code(&s);
        code_out(&s, (ct_code_out){.kind = CT_CODE_PLAIN, .code = ct_cpu_at(code, first)});
    }
}

void ct_winograd_synthesis(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                           const ct_tensor *code, ct_tensor *img)
{
    stage s = begin_stages(ex, w, conv);

    for (int first = 0; next_chunk(&s, &first);) {
        code_in(&s, s.m.P, (ct_code_in){.code = ct_cpu_at(code, first), .factor = 1});
        to_image(&s);
        image_side(&s, (ct_image_side){.adjoint = true, .out = ct_cpu_at(img, first)});
    }
}

void ct_winograd_dict_grad(ct_exec *ex, const ct_winograd *w, const ct_conv *conv, double scale,
                           const ct_tensor *img, const ct_tensor *code, ct_tensor *dW)
{
    stage s = begin_stages(ex, w, conv);

    for (int first = 0; next_chunk(&s, &first);) {
        image_side(&s, (ct_image_side){.x = ct_cpu_at(img, first), .forward = true});
        code_in(&s, s.m.P, (ct_code_in){.code = ct_cpu_at(code, first), .factor = 1});
        to_weights(&s, s.m.P, first == 0, is_last(&s, first), scale, dW);
    }
}

void ct_winograd_step(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                      const ct_csc_step *step)
{
    stage s = begin_stages(ex, w, conv);

    for (int first = 0; next_chunk(&s, &first);) {
        ct_image_side residual = {.x = ct_cpu_at(step->x, first), .forward = true};
        if (step->y != NULL) {
            code_in(&s, s.m.P, (ct_code_in){.code = ct_cpu_at(step->y, first), .factor = 1});
            to_image(&s);
            residual.adjoint = true;
            residual.out = ct_cpu_at(step->r, first);
        }
        image_side(&s, residual);
        to_code(&s);
        code_out(&s, (ct_code_out){.kind = CT_CODE_STEP,
                                   .code = ct_cpu_at(step->z, first),
                                   .shrink = ct_cpu_shrink(&step->prox, step->beta),
                                   .y = ct_cpu_at(step->y, first),
                                   .z_prev = ct_cpu_at(step->z_prev, first),
                                   .y_next = ct_cpu_at(step->y_next, first)});
    }
}

/* Both terms of the gradient of W end in V: first q, then r. */
void ct_winograd_step_backward(ct_exec *ex, const ct_winograd *w, const ct_conv *conv,
                               const ct_csc_step_grad *g)
{
    const float slope = (float)(1 / (1 + g->prox.mu * *g->prox.eta));
    stage s = begin_stages(ex, w, conv);

    for (int first = 0; next_chunk(&s, &first);) {
        code_in(&s, s.m.P,
                (ct_code_in){.code = ct_cpu_at(g->dz, first),
                             .gate = ct_cpu_at(g->z, first),
                             .factor = (float)*g->prox.eta * slope});
        if (g->dx != NULL || g->y != NULL) {
            to_image(&s);
            image_side(&s, (ct_image_side){.adjoint = true,
                                           .forward = g->y != NULL,
                                           .out = ct_cpu_at(g->dx, first),
                                           .add = g->add_dx});
        }
        if (g->y != NULL) {
            to_code(&s);
            code_out(&s, (ct_code_out){.kind = CT_CODE_BACKWARD,
                                       .code = ct_cpu_at(g->dy, first),
                                       .dz = ct_cpu_at(g->dz, first),
                                       .gate = ct_cpu_at(g->z, first),
                                       .factor = slope});
        }
        if (g->dW == NULL)
            continue;
        if (g->y != NULL) {
            code_in(&s, s.m.Y, (ct_code_in){.code = ct_cpu_at(g->y, first), .factor = -1});
            to_weights(&s, s.m.Y, first == 0, false, 1, g->dW);
        }
        image_side(&s, (ct_image_side){.x = ct_cpu_at(g->r, first), .forward = true});
        to_weights(&s, s.m.P, first == 0 && g->y == NULL, is_last(&s, first), 1, g->dW);
    }
}
