/* cpu_direct.c - each image is copied into a frame of zeros (the padding), where patches are read
 * and written in place. Lengths are padded to whole vectors: `atoms` to CT_LANES, a row of taps
 * to 4. Analysis and synthesis multiply operands (operand.h), where these lie in pairs; the
 * gradient sums along pixels, which do not, and multiplies floats.
 *
 *   analysis    code[pixels, atoms] = patches[pixels, taps] B[taps, atoms]
 *   dict_grad   dB[taps, atoms] += patches^T[taps, pixels] code[pixels, atoms]
 *   synthesis   patches[pixels, taps] = code[pixels, atoms] S[atoms, taps], added into the frame */
#include "backend/cpu/cpu_direct.h"

#include <omp.h>
#include <string.h>

#include "base/mem.h"

/* Partial sums of dict_grad: a fixed number, so that threads do not change the result. */
enum { MAX_PARTIALS = 16, PARTIAL_BYTES = 4 << 20 };

struct ct_direct {
    ct_geom g;
    const ct_patch_kernels *kernels; /* of analysis and synthesis */
    int threads, partials;
    int atoms, taps, tap_row, patch; /* padded atoms; k k c; padded k c; padded k tap_row */
    int64_t pitch;                   /* numbers in a row of the frame */
    size_t frame, tile, operands;    /* numbers in a frame, in a tile, in either as operands */
    int64_t *pixels;                 /* where the patch of each code pixel begins in the frame */
    int64_t *offsets;                /* where each tap lies in a patch of the frame */
    int64_t *codes;                  /* where each code pixel of a row begins */
};

static int round_up(int n, int unit)
{
    return (n + unit - 1) / unit * unit;
}

static void fill_tables(ct_direct *d)
{
    const ct_geom *g = &d->g;
    const int row = g->kernel * g->c;

    for (int oy = 0; oy < g->oh; oy++)
        for (int ox = 0; ox < g->ow; ox++)
            d->pixels[(int64_t)oy * g->ow + ox] =
                oy * g->stride * d->pitch + (int64_t)ox * g->stride * g->c;
    for (int t = 0; t < d->taps; t++)
        d->offsets[t] = t / row * d->pitch + t % row;
    for (int ox = 0; ox < g->ow; ox++)
        d->codes[ox] = (int64_t)ox * g->atoms;
}

/* Whether patches, and codes, consist of whole pairs. */
static bool is_paired(const ct_direct *d)
{
    const ct_geom *g = &d->g;

    return g->atoms % CT_LANES == 0 && g->stride * g->c % 2 == 0 && g->kernel * g->c % 2 == 0 &&
           d->pitch % 2 == 0;
}

ct_direct *ct_direct_create(const ct_exec *ex, const ct_geom *geom)
{
    const ct_geom *g = geom;
    const size_t pixels = (size_t)g->oh * (size_t)g->ow;
    const size_t codes = (size_t)g->ow * (size_t)g->atoms; /* numbers in a row */
    const int taps = g->kernel * g->kernel * g->c;
    ct_direct *d =
        ct_calloc(1, sizeof *d + (pixels + (size_t)taps + (size_t)g->ow) * sizeof(int64_t));

    if (d == NULL)
        return NULL;
    d->g = *g;
    d->threads = ex->threads;
    d->atoms = round_up(g->atoms, CT_LANES);
    d->taps = taps;
    d->tap_row = round_up(g->kernel * g->c, 4);
    d->patch = round_up(g->kernel * d->tap_row, CT_LANES);
    d->pitch = (int64_t)(g->w + 2 * g->pad) * g->c;
    /* One vector of slack: a padded row of taps may reach beyond the frame. */
    d->frame = (size_t)(g->h + 2 * g->pad) * (size_t)d->pitch + CT_LANES;
    d->frame = (d->frame + CT_LANES - 1) / CT_LANES * CT_LANES;
    d->tile = (size_t)g->ow * (size_t)d->patch;
    if (g->atoms != d->atoms && d->tile < pixels * (size_t)d->atoms)
        d->tile = pixels * (size_t)d->atoms;
    d->kernels = is_paired(d) ? ((const ct_cpu *)ex->state)->patches
                              : ((const ct_cpu *)ex->state)->float_patches;
    if (d->kernels->deep > 1)
        d->operands = d->frame > codes ? d->frame : codes;
    d->partials = (int)(PARTIAL_BYTES / ((size_t)taps * (size_t)d->atoms * sizeof(float)));
    d->partials = d->partials > MAX_PARTIALS ? MAX_PARTIALS : d->partials;
    d->partials = d->partials > g->n ? g->n : d->partials;
    d->partials = d->partials < 1 ? 1 : d->partials;
    d->pixels = (int64_t *)(void *)(d + 1);
    d->offsets = d->pixels + pixels;
    d->codes = d->offsets + taps;
    fill_tables(d);
    return d;
}

void ct_direct_destroy(ct_direct **direct)
{
    ct_free(*direct);
    *direct = NULL;
}

size_t ct_direct_packed_bytes(const ct_direct *d)
{
    return ((size_t)d->taps * (size_t)d->atoms + (size_t)d->g.atoms * (size_t)d->patch) *
           sizeof(float);
}

/* Numbers that every thread has: a frame, a tile, operands. */
static size_t own_size(const ct_direct *d)
{
    return d->frame + d->tile + d->operands;
}

/* What every thread has, then the partial sums. */
size_t ct_direct_scratch_bytes(const ct_direct *d)
{
    return ((size_t)d->threads * own_size(d) +
            (size_t)d->partials * (size_t)d->taps * (size_t)d->atoms) *
           sizeof(float);
}

/* In the packed operands: where S begins. */
static int64_t synthesis_at(const ct_direct *d)
{
    return (int64_t)d->taps * d->atoms;
}

void ct_direct_pack(const ct_direct *d, const float *W, float *packed)
{
    const ct_geom *g = &d->g;
    const int deep = d->kernels->deep;
    float *B = packed, *S = packed + synthesis_at(d);

    memset(packed, 0, ct_direct_packed_bytes(d));
    for (int a = 0; a < g->atoms; a++)
        for (int c = 0; c < g->c; c++)
            for (int ky = 0; ky < g->kernel; ky++)
                for (int kx = 0; kx < g->kernel; kx++) {
                    const int in_row = kx * g->c + c;
                    const int tap = ky * g->kernel * g->c + in_row;
                    const float weight = *W++;
                    B[((int64_t)(tap / deep) * d->atoms + a) * deep + tap % deep] = weight;
                    S[((int64_t)(a / deep) * d->patch + ky * d->tap_row + in_row) * deep +
                      a % deep] = weight;
                }
    if (deep > 1)
        d->kernels->to_operands(packed, synthesis_at(d) + (int64_t)g->atoms * d->patch, packed);
}

/* The calling thread's frame, followed by its tile. */
static float *own_frame(const ct_direct *d, float *scratch)
{
    return scratch + (size_t)omp_get_thread_num() * own_size(d);
}

static void frame_image(const ct_direct *d, const float *image, float *frame)
{
    const ct_geom *g = &d->g;
    const size_t row = (size_t)g->w * (size_t)g->c, edge = (size_t)g->pad * (size_t)g->c;
    float *to = frame + (size_t)g->pad * (size_t)d->pitch;

    memset(frame, 0, (size_t)g->pad * (size_t)d->pitch * sizeof *frame);
    for (int y = 0; y < g->h; y++, to += d->pitch, image += row) {
        memset(to, 0, edge * sizeof *to);
        memcpy(to + edge, image, row * sizeof *to);
        memset(to + edge + row, 0, edge * sizeof *to);
    }
    memset(to, 0, (d->frame - (size_t)(to - frame)) * sizeof *to);
}

static void unframe_image(const ct_direct *d, const float *frame, float *image)
{
    const ct_geom *g = &d->g;
    const size_t row = (size_t)g->w * (size_t)g->c;
    const float *from = frame + (size_t)g->pad * (size_t)(d->pitch + g->c);

    for (int y = 0; y < g->h; y++, from += d->pitch, image += row)
        memcpy(image, from, row * sizeof *image);
}

/* Rows of `from` numbers to rows of `to` numbers; what is longer is cut, what is shorter zero. */
static void copy_rows(int64_t rows, int from_length, const float *from, int to_length, float *to)
{
    const int length = from_length < to_length ? from_length : to_length;

    for (int64_t r = 0; r < rows; r++, from += from_length, to += to_length) {
        memcpy(to, from, (size_t)length * sizeof *to);
        memset(to + length, 0, (size_t)(to_length - length) * sizeof *to);
    }
}

/* Floats as operands, in the place that follows the thread's tile. */
static const void *as_operands(const ct_direct *d, const float *from, size_t count, float *frame)
{
    float *to = frame + d->frame + d->tile;

    if (d->kernels->deep == 1)
        return from;
    d->kernels->to_operands(from, (int64_t)count, to);
    return to;
}

static const void *frame_operands(const ct_direct *d, float *frame)
{
    return as_operands(d, frame, d->frame, frame);
}

/* `rows` rows of code pixels, [ow, padded atoms] each, of the framed image; added to `codes`. */
static void analyse_rows(const ct_direct *d, const void *B, const void *operands, int first,
                         int rows, bool accumulate, float *codes)
{
    const ct_geom *g = &d->g;

    d->kernels->gemm(&(ct_patch_args){
        .rows = rows * g->ow,
        .cols = d->atoms,
        .segments = g->kernel,
        .length = g->kernel * g->c,
        .a = operands,
        .a_rows = d->pixels + (int64_t)first * g->ow,
        .a_segment = d->pitch,
        .a_step = 1,
        .b = B,
        .c = codes,
        .accumulate = accumulate,
    });
}

void ct_direct_analysis(const ct_direct *d, const float *packed, const float *img, float *code,
                        float *scratch)
{
    const ct_geom *g = &d->g;
    const int pixels = g->oh * g->ow;

#pragma omp parallel for num_threads(d->threads) schedule(dynamic)
    for (int n = 0; n < g->n; n++) {
        float *frame = own_frame(d, scratch), *codes = code + (int64_t)n * pixels * g->atoms;
        float *to = g->atoms == d->atoms ? codes : frame + d->frame;
        frame_image(d, img + (int64_t)n * g->h * g->w * g->c, frame);
        analyse_rows(d, packed, frame_operands(d, frame), 0, g->oh, false, to);
        if (to != codes)
            copy_rows(pixels, d->atoms, to, g->atoms, codes);
    }
}

/* Row oy of code pixels, into the frame. */
static void synthesise_row(const ct_direct *d, const void *S, const float *code, int oy,
                           float *frame)
{
    const ct_geom *g = &d->g;
    float *tile = frame + d->frame;

    d->kernels->gemm(&(ct_patch_args){
        .rows = g->ow,
        .cols = d->patch,
        .segments = 1,
        .length = g->atoms,
        .a = as_operands(d, code, (size_t)g->ow * (size_t)g->atoms, frame),
        .a_rows = d->codes,
        .a_step = 1,
        .b = S,
        .c = tile,
    });
    d->kernels->scatter(&(ct_scatter_args){
        .count = g->ow,
        .segments = g->kernel,
        .length = d->tap_row,
        .phases = (g->kernel + g->stride - 1) / g->stride,
        .from_stride = d->patch,
        .stride = (int64_t)g->stride * g->c,
        .pitch = d->pitch,
        .from = tile,
        .to = frame + (int64_t)oy * g->stride * d->pitch,
    });
}

/* One image; the frame's tile is used. */
static void synthesise_image(const ct_direct *d, const float *packed, const float *code,
                             float *frame, float *image)
{
    const ct_geom *g = &d->g;
    const size_t before = (size_t)synthesis_at(d) * sizeof(float) / (size_t)d->kernels->deep;
    const void *S = (const unsigned char *)packed + before;

    memset(frame, 0, d->frame * sizeof *frame);
    for (int oy = 0; oy < g->oh; oy++)
        synthesise_row(d, S, code + (int64_t)oy * g->ow * g->atoms, oy, frame);
    unframe_image(d, frame, image);
}

void ct_direct_synthesis(const ct_direct *d, const float *packed, const float *code, float *img,
                         float *scratch)
{
    const ct_geom *g = &d->g;
    const int64_t code_size = (int64_t)g->oh * g->ow * g->atoms;

#pragma omp parallel for num_threads(d->threads) schedule(dynamic)
    for (int n = 0; n < g->n; n++)
        synthesise_image(d, packed, code + n * code_size, own_frame(d, scratch),
                         img + (int64_t)n * g->h * g->w * g->c);
}

/* dB += patches^T code of one image, which stays in the frame */
static void add_image(const ct_exec *ex, const ct_direct *d, const float *image, const float *code,
                      float *frame, float *dB)
{
    const ct_geom *g = &d->g;
    float *tile = frame + d->frame;

    frame_image(d, image, frame);
    if (g->atoms != d->atoms) {
        copy_rows((int64_t)g->oh * g->ow, g->atoms, code, d->atoms, tile);
        code = tile;
    }
    ((const ct_cpu *)ex->state)
        ->float_patches->gemm(&(ct_patch_args){
            .rows = d->taps,
            .cols = d->atoms,
            .segments = g->oh,
            .length = g->ow,
            .a = frame,
            .a_rows = d->offsets,
            .a_segment = g->stride * d->pitch,
            .a_step = (int64_t)g->stride * g->c,
            .b = code,
            .c = dB,
            .accumulate = true,
        });
}

/* dW += scale * the sum of the partial dB */
static void add_partials(const ct_direct *d, double scale, const float *scratch, float *dW)
{
    const ct_geom *g = &d->g;
    const float *partial = scratch + (size_t)d->threads * own_size(d);
    const int64_t size = (int64_t)d->taps * d->atoms;

    for (int a = 0; a < g->atoms; a++)
        for (int c = 0; c < g->c; c++)
            for (int k = 0; k < g->kernel * g->kernel; k++, dW++) {
                double sum = 0;
                for (int b = 0; b < d->partials; b++)
                    sum += (double)partial[b * size + ((int64_t)k * g->c + c) * d->atoms + a];
                *dW += (float)(scale * sum);
            }
}

/* Partial sum number b has images [b n / partials, (b + 1) n / partials). */
static int first_image(const ct_direct *d, int b)
{
    return (int)((int64_t)d->g.n * b / d->partials);
}

static float *begin_partial(const ct_direct *d, int b, float *scratch)
{
    const size_t size = (size_t)d->taps * (size_t)d->atoms;
    float *partial = scratch + (size_t)d->threads * own_size(d) + (size_t)b * size;

    memset(partial, 0, size * sizeof *partial);
    return partial;
}

void ct_direct_dict_grad(const ct_exec *ex, const ct_direct *d, double scale, const float *img,
                         const float *code, float *dW, float *scratch)
{
    const ct_geom *g = &d->g;
    const int64_t image_size = (int64_t)g->h * g->w * g->c;
    const int64_t code_size = (int64_t)g->oh * g->ow * g->atoms;

#pragma omp parallel for num_threads(d->threads) schedule(dynamic)
    for (int b = 0; b < d->partials; b++) {
        float *partial = begin_partial(d, b, scratch);
        for (int n = first_image(d, b); n < first_image(d, b + 1); n++)
            add_image(ex, d, img + n * image_size, code + n * code_size, own_frame(d, scratch),
                      partial);
    }
    add_partials(d, scale, scratch, dW);
}

/* ---- a whole FISTA step, image by image */

static void step_image(const ct_exec *ex, const ct_direct *d, const float *packed,
                       const ct_csc_step *s, int n, float *frame)
{
    const ct_geom *g = &d->g;
    const ct_loops *loops = ct_cpu_loops(ex);
    const int64_t pixels = (int64_t)g->h * g->w * g->c, row = (int64_t)g->ow * g->atoms;
    const float *r = ct_cpu_at(s->x, n);
    const ct_csc_args update = {.grad = ct_cpu_at(s->z, n),
                                .y = ct_cpu_at(s->y, n),
                                .z_prev = ct_cpu_at(s->z_prev, n),
                                .z_next = ct_cpu_at(s->z, n),
                                .y_next = ct_cpu_at(s->y_next, n),
                                .shrink = ct_cpu_shrink(&s->prox, s->beta)};

    if (s->y != NULL) { /* r = x - A y */
        synthesise_image(d, packed, ct_cpu_at(s->y, n), frame, ct_cpu_at(s->r, n));
        loops->axpby(&(ct_axpby_args){.x = r, .y = ct_cpu_at(s->r, n), .a = 1, .b = -1}, 0, pixels);
        r = ct_cpu_at(s->r, n);
    }
    frame_image(d, r, frame);
    const void *operands = frame_operands(d, frame);
    for (int oy = 0; oy < g->oh; oy++) { /* z = A* r, then prox */
        analyse_rows(d, packed, operands, oy, 1, false, update.z_next + oy * row);
        loops->csc_update(&update, oy * row, (oy + 1) * row);
    }
}

bool ct_direct_fuses(const ct_direct *d)
{
    return d->g.atoms == d->atoms;
}

void ct_direct_step(const ct_exec *ex, const ct_direct *d, const float *packed,
                    const ct_csc_step *step, float *scratch)
{
#pragma omp parallel for num_threads(d->threads) schedule(dynamic)
    for (int n = 0; n < d->g.n; n++)
        step_image(ex, d, packed, step, n, own_frame(d, scratch));
}

/* gs takes the place of dz, -q that of q. */
static void step_backward_image(const ct_exec *ex, const ct_direct *d, const float *packed,
                                const ct_csc_step_grad *g, int n, float *frame, float *dB)
{
    const ct_loops *loops = ct_cpu_loops(ex);
    const int64_t pixels = (int64_t)d->g.h * d->g.w * d->g.c;
    const int64_t codes = (int64_t)d->g.oh * d->g.ow * d->g.atoms;
    const float eta = (float)*g->prox.eta;
    float *gs = ct_cpu_at(g->dz, n), *q = ct_cpu_at(g->q, n);
    const ct_gate_args gate = {.gate = ct_cpu_at(g->z, n),
                               .from = gs,
                               .to = gs,
                               .factor = (float)(*g->prox.eta / (1 + g->prox.mu * *g->prox.eta))};

    loops->gate(&gate, 0, codes);
    if (g->dW != NULL)
        add_image(ex, d, ct_cpu_at(g->r, n), gs, frame, dB);
    if (g->dx == NULL && g->y == NULL)
        return;
    synthesise_image(d, packed, gs, frame, q);
    if (g->dx != NULL)
        loops->axpby(
            &(ct_axpby_args){.x = q, .y = ct_cpu_at(g->dx, n), .a = 1, .b = g->add_dx ? 1.F : 0}, 0,
            pixels);
    if (g->y == NULL)
        return;
    loops->axpby(&(ct_axpby_args){.x = q, .y = q, .a = -1}, 0, pixels);
    if (g->dW != NULL)
        add_image(ex, d, q, ct_cpu_at(g->y, n), frame, dB);
    else
        frame_image(d, q, frame);
    loops->axpby(&(ct_axpby_args){.x = gs, .y = ct_cpu_at(g->dy, n), .a = 1 / eta}, 0, codes);
    analyse_rows(d, packed, frame_operands(d, frame), 0, d->g.oh, true, ct_cpu_at(g->dy, n));
}

void ct_direct_step_backward(const ct_exec *ex, const ct_direct *d, const float *packed,
                             const ct_csc_step_grad *grad, float *scratch)
{
#pragma omp parallel for num_threads(d->threads) schedule(dynamic)
    for (int b = 0; b < d->partials; b++) {
        float *partial = begin_partial(d, b, scratch);
        for (int n = first_image(d, b); n < first_image(d, b + 1); n++)
            step_backward_image(ex, d, packed, grad, n, own_frame(d, scratch), partial);
    }
    if (grad->dW != NULL)
        add_partials(d, 1, scratch, grad->dW->data);
}
