/* codes.c - into the middle of a model: the codes of one layer, from either side, and the image
 * that the decoder makes of them. */
#include "base/mem.h"
#include "model/decoder.h"
#include "model/encoder.h"

/* One piece of a batch on the host, pixel by pixel as a device has it. */
typedef struct piece {
    float *pixels; /* [n, oh, ow, atoms] */
    int64_t atoms, area;
} piece;

static csctrl_status expect_codes(const csctrl_model *m, int layer, const csctrl_tensor *rows,
                                  const csctrl_tensor *codes)
{
    if (layer < 0 || layer >= m->arch.depth)
        return ct_fail(CSCTRL_E_INVALID, "codes: expected a layer in 0..%d, found %d",
                       m->arch.depth - 1, layer);
    const ct_geom *g = &m->layers[layer].conv.geom;
    const int64_t shape[] = {-1, g->atoms, g->oh, g->ow};
    CT_TRY(ct_tensor_expect(codes, "codes", CSCTRL_F32, 4, shape));
    if (codes->shape[0] != rows->shape[0] || codes->shape[0] < 1)
        return ct_fail(CSCTRL_E_SHAPE,
                       "codes: expected those of as many images as are given, at least 1; found "
                       "%lld images and codes of %lld",
                       (long long)rows->shape[0], (long long)codes->shape[0]);
    return CSCTRL_OK;
}

static csctrl_status piece_create(piece *p, const csctrl_model *m, int layer, int64_t total)
{
    const ct_geom *g = &m->layers[layer].conv.geom;

    p->atoms = g->atoms;
    p->area = (int64_t)g->oh * g->ow;
    p->pixels =
        ct_calloc((size_t)(ct_piece(m, total, 0) * p->area), (size_t)p->atoms * sizeof(float));
    return p->pixels != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

/* From [n, area, atoms] to [n, atoms, area]; and back. */
static void to_planes(const piece *p, int64_t n, float *planes)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t a = 0; a < p->atoms; a++)
            for (int64_t j = 0; j < p->area; j++)
                planes[(i * p->atoms + a) * p->area + j] =
                    p->pixels[(i * p->area + j) * p->atoms + a];
}

static void from_planes(const piece *p, int64_t n, const float *planes)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t a = 0; a < p->atoms; a++)
            for (int64_t j = 0; j < p->area; j++)
                p->pixels[(i * p->area + j) * p->atoms + a] =
                    planes[(i * p->atoms + a) * p->area + j];
}

static csctrl_status take(csctrl_model *m, const piece *p, const ct_tensor *found, int64_t at,
                          int64_t n, csctrl_tensor *codes)
{
    const int64_t width = p->atoms * p->area;
    float *planes = (float *)codes->data + at * width;

    CT_TRY(ct_get(m, found, n * width, p->pixels));
    to_planes(p, n, planes);
    return ct_expect_finite("codes", planes, n * width, at, width);
}

csctrl_status csctrl_model_encode_layer(csctrl_model *model, const csctrl_tensor *x, int layer,
                                        csctrl_tensor *codes)
{
    const ct_arch *a = &model->arch;
    const int64_t images[] = {-1, a->channels, a->size, a->size};
    const int64_t width = (int64_t)a->channels * a->size * a->size;
    piece p = {0};
    csctrl_status st;

    CT_TRY(ct_tensor_expect(x, "images x", CSCTRL_F32, 4, images));
    CT_TRY(expect_codes(model, layer, x, codes));
    CT_GOTO(st, piece_create(&p, model, layer, codes->shape[0]));
    for (int64_t at = 0; at < x->shape[0]; at += model->batch) {
        const int64_t n = ct_piece(model, x->shape[0], at);
        const ct_tensor *found;
        CT_GOTO(st,
                ct_put(model->ex, (const float *)x->data + at * width, n * width, &model->x_nchw));
        CT_GOTO(st, model->ex->ops->to_nhwc(model->ex, &model->x_nchw, &model->x_nhwc));
        CT_GOTO(st, ct_encoder_codes(model, model->infer_encoder, &model->x_nhwc, layer, &found));
        CT_GOTO(st, take(model, &p, found, at, n, codes));
    }
done:
    ct_free(p.pixels);
    return st;
}

csctrl_status csctrl_model_decode_to_layer(csctrl_model *model, const csctrl_tensor *z, int layer,
                                           csctrl_tensor *codes)
{
    const int64_t d = model->arch.features;
    ct_decoder_pass *pass = model->infer_decoder;
    piece p = {0};
    csctrl_status st;

    CT_TRY(ct_tensor_expect(z, "features z", CSCTRL_F32, 2, (const int64_t[]){-1, d}));
    CT_TRY(expect_codes(model, layer, z, codes));
    CT_GOTO(st, piece_create(&p, model, layer, codes->shape[0]));
    for (int64_t at = 0; at < z->shape[0]; at += model->batch) {
        const int64_t n = ct_piece(model, z->shape[0], at);
        const ct_tensor *found;
        CT_GOTO(st, ct_put(model->ex, (const float *)z->data + at * d, n * d, &model->z));
        CT_GOTO(st, ct_decoder_code(model, pass, &model->z));
        CT_GOTO(st, ct_decoder_down(model, pass, CT_MODE_EVAL, model->arch.depth - 1, layer,
                                    &pass->code, &found));
        CT_GOTO(st, take(model, &p, found, at, n, codes));
    }
done:
    ct_free(p.pixels);
    return st;
}

/* Where the codes of a layer lie in the pass: of the last one, where z would. */
static ct_tensor *place_of(csctrl_model *m, int layer)
{
    ct_decoder_pass *pass = m->infer_decoder;

    if (layer + 1 < m->arch.depth)
        return &pass->layers[layer + 1].h;
    if (pass->code.shape[1] == 1)
        pass->code.data = m->z.data;
    return &pass->code;
}

csctrl_status csctrl_model_decode_from_layer(csctrl_model *model, int layer,
                                             const csctrl_tensor *codes, csctrl_tensor *x)
{
    const ct_arch *a = &model->arch;
    const int64_t images[] = {-1, a->channels, a->size, a->size};
    const int64_t width = (int64_t)a->channels * a->size * a->size;
    piece p = {0};
    csctrl_status st;

    CT_TRY(ct_tensor_expect(x, "images x", CSCTRL_F32, 4, images));
    CT_TRY(expect_codes(model, layer, x, codes));
    CT_GOTO(st, piece_create(&p, model, layer, codes->shape[0]));
    for (int64_t at = 0; at < x->shape[0]; at += model->batch) {
        const int64_t n = ct_piece(model, x->shape[0], at);
        float *out = (float *)x->data + at * width;
        ct_tensor *place = place_of(model, layer);
        const ct_tensor *found;
        from_planes(&p, n, (const float *)codes->data + at * p.atoms * p.area);
        CT_GOTO(st, ct_put(model->ex, p.pixels, n * p.atoms * p.area, place));
        CT_GOTO(st, ct_decoder_down(model, model->infer_decoder, CT_MODE_EVAL, layer, 0, place,
                                    &found));
        CT_GOTO(st, ct_decoder_image(model, found, &model->x_nhwc));
        CT_GOTO(st, model->ex->ops->to_nchw(model->ex, &model->x_nhwc, &model->x_nchw));
        CT_GOTO(st, ct_get(model, &model->x_nchw, n * width, out));
        CT_GOTO(st, ct_expect_finite("decode", out, n * width, at, width));
    }
done:
    ct_free(p.pixels);
    return st;
}
