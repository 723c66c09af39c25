/* winograd.c - the transforms, and what is done on their way. The compiler unrolls them and drops
 * the zeros of the tables. */
#include "backend/cpu/winograd.h"

#include "backend/cpu/operand.h"
#include "backend/cpu/shrink.h"
#include "backend/cpu/simd.h"
#include "backend/cpu/winograd_tables.h"

enum { MAX_POINTS = 6 };

/* function(..., form) with form a constant, so that the tables are. */
#define BY_FORM(form, function, ...)                                                               \
    ((form) == CT_F11   ? function(__VA_ARGS__, CT_F11)                                            \
     : (form) == CT_F22 ? function(__VA_ARGS__, CT_F22)                                            \
     : (form) == CT_F42 ? function(__VA_ARGS__, CT_F42)                                            \
     : (form) == CT_F43 ? function(__VA_ARGS__, CT_F43)                                            \
                        : function(__VA_ARGS__, CT_F42_F22))

/* out = m in */
CT_INLINE void apply(const matrix m, const vec *in, const int in_step, vec *out, const int out_step)
{
#pragma GCC unroll 6
    for (int i = 0; i < m.rows; i++) {
        vec sum = {0};
        bool begun = false;
#pragma GCC unroll 6
        for (int j = 0; j < m.cols; j++) {
            const float k = m.k[i * m.row_step + j * m.col_step];
            if (k == 0)
                continue;
            sum = begun ? sum + k * in[j * in_step] : k * in[j * in_step];
            begun = true;
        }
        out[i * out_step] = sum;
    }
}

/* out = down in acrossT, arrays of MAX_POINTS vectors a row. */
CT_INLINE void apply_2d(const matrix down, const matrix across, vec in[][MAX_POINTS],
                        vec out[][MAX_POINTS])
{
    vec half[MAX_POINTS][MAX_POINTS];

#pragma GCC unroll 6
    for (int j = 0; j < across.cols; j++)
        apply(down, &in[0][j], MAX_POINTS, &half[0][j], MAX_POINTS);
#pragma GCC unroll 6
    for (int i = 0; i < down.rows; i++)
        apply(across, half[i], 1, out[i], 1);
}

/* Table BT, AT or G of both axes. */
#define APPLY_2D(table, form, transpose, in, out)                                                  \
    apply_2d(table(ct_down(form), transpose), table(ct_across(form), transpose), in, out)

/* Phases along an axis: constants where the form says it all. */
CT_INLINE int stride_of(const ct_tiling *t, const ct_form form)
{
    return form == CT_F11 ? t->stride : form == CT_F43 ? 1 : 2;
}

/* Where column `column` of row `row` lies in the first matrix: of products, of operands, and of
 * operands that are a right factor. */
CT_INLINE int64_t cell(const ct_stack *s, int64_t row, int column)
{
    return (column / CT_LANES * s->pitch + row) * CT_LANES + column % CT_LANES;
}

CT_INLINE const float *product_at(const ct_stack *s, int64_t row, int column)
{
    return (const float *)s->data + cell(s, row, column);
}

CT_INLINE operand *operand_at(const ct_stack *s, int64_t row, int column)
{
    return (operand *)s->data + cell(s, row, column);
}

CT_INLINE operand *right_at(const ct_stack *s, int row, int column)
{
    const int unit_row = row / DEEP * DEEP, panel = column / CT_LANES * CT_LANES;

    return operand_at(s, unit_row, panel) + (column - panel) * DEEP + row - unit_row;
}

CT_INLINE void load_points(const float *from, int64_t stride, const ct_form form,
                           vec to[][MAX_POINTS])
{
    const int down = ct_points(ct_down(form)), across = ct_points(ct_across(form));

#pragma GCC unroll 6
    for (int i = 0; i < down; i++)
#pragma GCC unroll 6
        for (int j = 0; j < across; j++) {
            const float *at = from + (i * across + j) * stride;
            __builtin_prefetch(at + 4 * CT_LANES, 0, 2);
            to[i][j] = load(at);
        }
}

CT_INLINE void store_points(operand *to, int64_t stride, const ct_form form, vec from[][MAX_POINTS],
                            const bool right)
{
    const int down = ct_points(ct_down(form)), across = ct_points(ct_across(form));

#pragma GCC unroll 6
    for (int i = 0; i < down; i++)
#pragma GCC unroll 6
        for (int j = 0; j < across; j++) {
            operand *at = to + (i * across + j) * stride;
            __builtin_prefetch(at + 4 * CT_LANES, 1, 2);
            if (right)
                store_apart(at, from[i][j]);
            else
                store_operand(at, from[i][j]);
        }
}

/* The next image's numbers, while this one's are computed: pixels lie too far apart for the
 * processor to foresee. NULL: none. */
CT_INLINE void prefetch(const float *from, int64_t ahead)
{
    if (from != NULL)
        __builtin_prefetch(from + ahead, 0, 2);
}

/* ---- image side: one image, a vector of channels; the frame is [frame_h][frame_w][WIDTH] */

static void clear(float *frame, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i++)
        store(frame + i * WIDTH, (vec){0});
}

static void clear_padding(const ct_tiling *t, float *frame)
{
    const int pad = t->g.pad, right = pad + t->g.w, below = pad + t->g.h;

    clear(frame, (int64_t)pad * t->frame_w);
    for (int y = pad; y < below; y++) {
        clear(frame + (int64_t)y * t->frame_w * WIDTH, pad);
        clear(frame + ((int64_t)y * t->frame_w + right) * WIDTH, t->frame_w - right);
    }
    clear(frame + (int64_t)below * t->frame_w * WIDTH, (int64_t)(t->frame_h - below) * t->frame_w);
}

/* Every tile of every phase, forward (V = BT v B) or adjoint (v += B products BT). */
CT_INLINE void image_tiles(const ct_image_side *s, int image, int channel, float *frame,
                           const bool adjoint, const ct_form form)
{
    const ct_tiling *t = s->t;
    const int points_down = ct_points(ct_down(form)), points_across = ct_points(ct_across(form));
    const int stride = stride_of(t, form);
    const int64_t right = (int64_t)stride * WIDTH, below = right * t->frame_w;
    int64_t row = (int64_t)image * t->down * t->across;

    for (int y = 0; y < t->down; y++)
        for (int x = 0; x < t->across; x++, row++)
            for (int phase = 0; phase < stride * stride; phase++) {
                const int top = ct_tile(ct_down(form)) * stride * y + phase / stride;
                const int left = ct_tile(ct_across(form)) * stride * x + phase % stride;
                float *from = frame + ((int64_t)top * t->frame_w + left) * WIDTH;
                const int column = phase * t->g.c + channel;
                vec pixels[MAX_POINTS][MAX_POINTS] = {0}, products[MAX_POINTS][MAX_POINTS] = {0};
                if (adjoint) {
                    load_points(product_at(&s->products, row, column), s->products.stride, form,
                                products);
                    APPLY_2D(BT, form, true, products, pixels);
                }
#pragma GCC unroll 6
                for (int i = 0; i < points_down; i++)
#pragma GCC unroll 6
                    for (int j = 0; j < points_across; j++) {
                        float *pixel = from + i * below + j * right;
                        if (adjoint)
                            store(pixel, load(pixel) + pixels[i][j]);
                        else
                            pixels[i][j] = load(pixel);
                    }
                if (!adjoint) {
                    APPLY_2D(BT, form, false, pixels, products);
                    store_points(operand_at(&s->V, row, column), s->V.stride, form, products,
                                 false);
                }
            }
}

/* v in the frame: x, or the adjoint, or x minus the adjoint. */
static void image_pixels(const ct_image_side *s, int image, int channel, float *frame)
{
    const ct_tiling *t = s->t;
    const int64_t image_size = (int64_t)t->g.h * t->g.w * t->g.c;

    for (int y = 0; y < t->g.h; y++) {
        const int64_t at = (((int64_t)image * t->g.h + y) * t->g.w) * t->g.c + channel;
        float *v = frame + ((int64_t)(y + t->g.pad) * t->frame_w + t->g.pad) * WIDTH;
        for (int x = 0; x < t->g.w; x++, v += WIDTH) {
            const int64_t pixel = at + (int64_t)x * t->g.c;
            vec value = s->adjoint ? load(v) : (vec){0};
            prefetch(s->x, pixel + image_size);
            prefetch(s->out, pixel + image_size);
            if (s->x != NULL)
                value = load(s->x + pixel) - value;
            store(v, value);
            if (s->out == NULL)
                continue;
            if (s->add)
                value += load(s->out + pixel);
            store(s->out + pixel, value);
        }
    }
}

static void image_side(const void *side, int image, int channel, float *frame)
{
    const ct_image_side *s = side;
    const ct_tiling *t = s->t;

    if (s->adjoint) {
        clear(frame, (int64_t)t->frame_h * t->frame_w);
        BY_FORM(t->form, image_tiles, s, image, channel, frame, true);
    }
    image_pixels(s, image, channel, frame);
    if (!s->forward)
        return;
    clear_padding(t, frame);
    BY_FORM(t->form, image_tiles, s, image, channel, frame, false);
}

/* ---- code side: one image, a vector of atoms */

CT_INLINE int smaller(int a, int b)
{
    return a < b ? a : b;
}

CT_INLINE vec scaled(const ct_code_in *s, int64_t at)
{
    float v[WIDTH];

    if (s->gate == NULL)
        return s->factor * load(s->code + at);
#pragma omp simd
    for (int l = 0; l < WIDTH; l++) {
        const float passed = s->factor * s->code[at + l];
        v[l] = s->gate[at + l] == 0 ? 0 : passed;
    }
    return load(v);
}

CT_INLINE void code_in_tiles(const ct_code_in *s, int image, int atom, const ct_form form)
{
    const ct_tiling *t = s->t;
    const ct_geom *g = &t->g;
    const int tile_h = ct_tile(ct_down(form)), tile_w = ct_tile(ct_across(form));
    const int64_t code_size = (int64_t)g->oh * g->ow * g->atoms;
    int64_t row = (int64_t)image * t->down * t->across;

    for (int y = 0; y < g->oh; y += tile_h)
        for (int x = 0; x < g->ow; x += tile_w, row++) {
            const int h = smaller(tile_h, g->oh - y), w = smaller(tile_w, g->ow - x);
            const int64_t corner = (((int64_t)image * g->oh + y) * g->ow + x) * g->atoms + atom;
            vec codes[MAX_POINTS][MAX_POINTS] = {0}, products[MAX_POINTS][MAX_POINTS];
#pragma GCC unroll 4
            for (int i = 0; i < tile_h; i++)
#pragma GCC unroll 4
                for (int j = 0; j < tile_w; j++) {
                    const int64_t at = corner + ((int64_t)i * g->ow + j) * g->atoms;
                    if (i >= h || j >= w)
                        continue;
                    prefetch(s->code, at + code_size);
                    prefetch(s->gate, at + code_size);
                    codes[i][j] = scaled(s, at);
                }
            APPLY_2D(AT, form, true, codes, products);
            store_points(operand_at(&s->P, row, atom), s->P.stride, form, products, false);
        }
}

static void code_in(const void *side, int image, int atom, CT_UNUSED float *frame)
{
    const ct_code_in *s = side;

    BY_FORM(s->t->form, code_in_tiles, s, image, atom);
}

/* What becomes of the pixels m of a tile; `at` is where the first of a vector lies. */
CT_INLINE void code_pixel(const ct_code_out *s, const ct_code_kind kind, vec product, int64_t at)
{
    float m[WIDTH];

    if (kind == CT_CODE_PLAIN) {
        store(s->code + at, product);
        return;
    }
    store(m, product);
#pragma omp simd
    for (int l = 0; l < WIDTH; l++) {
        const int64_t i = at + l;
        if (kind == CT_CODE_STEP) {
            const float from = s->y != NULL ? s->y[i] : 0;
            const float z = ct_shrink_value(&s->shrink, from + s->shrink.eta * m[l]);
            if (s->y_next != NULL)
                s->y_next[i] = z + s->shrink.beta * (z - s->z_prev[i]);
            s->code[i] = z;
        } else {
            const float passed = s->factor * s->dz[i];
            s->code[i] = (s->gate[i] == 0 ? 0 : passed) - m[l];
        }
    }
}

CT_INLINE void code_out_tiles(const ct_code_out *s, int image, int atom, const ct_code_kind kind,
                              const ct_form form)
{
    const ct_tiling *t = s->t;
    const ct_geom *g = &t->g;
    const int tile_h = ct_tile(ct_down(form)), tile_w = ct_tile(ct_across(form));
    const int64_t code_size = (int64_t)g->oh * g->ow * g->atoms;
    int64_t row = (int64_t)image * t->down * t->across;

    for (int y = 0; y < g->oh; y += tile_h)
        for (int x = 0; x < g->ow; x += tile_w, row++) {
            const int h = smaller(tile_h, g->oh - y), w = smaller(tile_w, g->ow - x);
            const int64_t corner = (((int64_t)image * g->oh + y) * g->ow + x) * g->atoms + atom;
            vec products[MAX_POINTS][MAX_POINTS] = {0}, codes[MAX_POINTS][MAX_POINTS];
            load_points(product_at(&s->M, row, atom), s->M.stride, form, products);
            APPLY_2D(AT, form, false, products, codes);
#pragma GCC unroll 4
            for (int i = 0; i < tile_h; i++)
#pragma GCC unroll 4
                for (int j = 0; j < tile_w; j++) {
                    const int64_t at = corner + ((int64_t)i * g->ow + j) * g->atoms;
                    if (i >= h || j >= w)
                        continue;
                    prefetch(kind == CT_CODE_STEP ? s->y : s->dz, at + code_size);
                    prefetch(kind == CT_CODE_STEP ? s->z_prev : s->gate, at + code_size);
                    code_pixel(s, kind, codes[i][j], at);
                }
        }
}

CT_INLINE void code_out_kind(const ct_code_out *s, int image, int atom, const ct_form form)
{
    if (s->kind == CT_CODE_PLAIN)
        code_out_tiles(s, image, atom, CT_CODE_PLAIN, form);
    else if (s->kind == CT_CODE_STEP)
        code_out_tiles(s, image, atom, CT_CODE_STEP, form);
    else
        code_out_tiles(s, image, atom, CT_CODE_BACKWARD, form);
}

static void code_out(const void *side, int image, int atom, CT_UNUSED float *frame)
{
    const ct_code_out *s = side;

    BY_FORM(s->t->form, code_out_kind, s, image, atom);
}

/* ---- dictionary: one row, a vector of lanes */

CT_INLINE void weights(const ct_weights_side *s, int row, int lane, float *row_w,
                       const bool gradient, const ct_form form)
{
    const int stride = stride_of(s->t, form), taps = ct_taps(ct_down(form)), kernel = taps * stride;

    for (int phase = 0; phase < stride * stride; phase++) {
        const int first = phase * s->t->g.c;
        const int u_row = s->rows_are_channels ? first + row : row;
        const int u_column = s->rows_are_channels ? lane : first + lane;
        vec w[MAX_POINTS][MAX_POINTS] = {0}, products[MAX_POINTS][MAX_POINTS] = {0};
        if (gradient) {
            load_points(product_at(&s->U, u_row, u_column), s->U.stride, form, products);
            APPLY_2D(G, form, true, products, w);
        }
#pragma GCC unroll 3
        for (int a = 0; a < taps; a++)
#pragma GCC unroll 3
            for (int b = 0; b < taps; b++) {
                const int tap =
                    (stride * a + phase / stride) * kernel + stride * b + phase % stride;
                float *at = row_w + (int64_t)tap * s->lanes + lane;
                if (gradient)
                    store(at, w[a][b]);
                else
                    w[a][b] = load(at);
            }
        if (!gradient) {
            APPLY_2D(G, form, false, w, products);
            store_points(right_at(&s->U, u_row, u_column), s->U.stride, form, products, true);
        }
    }
}

static void weights_in(const void *side, int row, int lane, float *frame)
{
    const ct_weights_side *s = side;

    BY_FORM(s->t->form, weights, s, row, lane, frame, false);
}

static void weights_out(const void *side, int row, int lane, float *frame)
{
    const ct_weights_side *s = side;

    BY_FORM(s->t->form, weights, s, row, lane, frame, true);
}

const ct_winograd_kernels CT_ISA_NAME(ct_winograd_) = {
    .width = WIDTH,
    .operand_bytes = sizeof(operand),
    .image_side = image_side,
    .code_in = code_in,
    .code_out = code_out,
    .weights_in = weights_in,
    .weights_out = weights_out,
};
