/* infer.c - public encode and decode: any number of images, in pieces of the planned batch, in eval
 * mode; both for one image file. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "csctrl/image.h"
#include "model/decoder.h"
#include "model/encoder.h"

csctrl_status ct_put(ct_exec *ex, const float *rows, int64_t count, ct_tensor *to)
{
    if (to->dtype == CSCTRL_F32)
        return ex->ops->upload(ex, to->data, rows, (size_t)count * sizeof(float));
    double *values = to->data; /* f64 is the host backend's only */
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)rows[i];
    return CSCTRL_OK;
}

csctrl_status ct_get(csctrl_model *m, const ct_tensor *from, int64_t count, float *rows)
{
    if (from->dtype == CSCTRL_F32)
        return m->ex->ops->download(m->ex, rows, from->data, (size_t)count * sizeof(float));
    const double *values = from->data;
    for (int64_t i = 0; i < count; i++)
        rows[i] = (float)values[i];
    return CSCTRL_OK;
}

csctrl_status ct_expect_finite(const char *what, const float *rows, int64_t count,
                               int64_t first_row, int64_t width)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(rows[i]))
            return ct_fail(
                CSCTRL_E_NUMERIC,
                "%s: a value of image %lld is not finite; check its input and the model's weights",
                what, (long long)(first_row + i / width));
    return CSCTRL_OK;
}

/* Images and features that belong to the model and to each other. */
static csctrl_status expect_pair(const csctrl_model *m, const csctrl_tensor *x,
                                 const csctrl_tensor *z)
{
    const int64_t images[] = {-1, m->arch.channels, m->arch.size, m->arch.size};
    const int64_t features[] = {-1, m->arch.features};

    CT_TRY(ct_tensor_expect(x, "images x", CSCTRL_F32, 4, images));
    CT_TRY(ct_tensor_expect(z, "features z", CSCTRL_F32, 2, features));
    if (x->shape[0] != z->shape[0] || x->shape[0] < 1)
        return ct_fail(
            CSCTRL_E_SHAPE,
            "expected as many images as features, at least 1; found %lld images and %lld features",
            (long long)x->shape[0], (long long)z->shape[0]);
    return CSCTRL_OK;
}

int64_t ct_piece(const csctrl_model *m, int64_t total, int64_t at)
{
    return total - at < m->batch ? total - at : m->batch;
}

csctrl_status csctrl_model_encode(csctrl_model *model, const csctrl_tensor *x, csctrl_tensor *z)
{
    const ct_ops *ops = model->ex->ops;
    const int64_t width = csctrl_tensor_count(&model->x_nchw) / model->batch,
                  d = model->arch.features;

    CT_TRY(expect_pair(model, x, z));
    memset(model->zeros, 0, sizeof model->zeros);
    memset(model->codes, 0, sizeof model->codes);
    for (int64_t at = 0; at < x->shape[0]; at += model->batch) {
        const int64_t n = ct_piece(model, x->shape[0], at);
        float *out = (float *)z->data + at * d;
        CT_TRY(ct_put(model->ex, (const float *)x->data + at * width, n * width, &model->x_nchw));
        CT_TRY(ops->to_nhwc(model->ex, &model->x_nchw, &model->x_nhwc));
        const ct_encoder_watch watch = {.zeros = model->zeros, .count = (int)n};
        CT_TRY(ct_encoder_forward(model, model->infer_encoder, CT_MODE_EVAL, &model->x_nhwc,
                                  &model->z, &watch));
        CT_TRY(ct_get(model, &model->z, n * d, out));
        CT_TRY(ct_expect_finite("encode", out, n * d, at, d));
        for (int l = 0; l < model->arch.depth; l++) {
            const ct_geom *g = &model->layers[l].conv.geom;
            model->codes[l] += (double)n * g->oh * g->ow * g->atoms;
        }
    }
    return CSCTRL_OK;
}

csctrl_status csctrl_model_decode(csctrl_model *model, const csctrl_tensor *z, csctrl_tensor *x)
{
    const ct_ops *ops = model->ex->ops;
    const int64_t width = csctrl_tensor_count(&model->x_nchw) / model->batch,
                  d = model->arch.features;

    CT_TRY(expect_pair(model, x, z));
    for (int64_t at = 0; at < x->shape[0]; at += model->batch) {
        const int64_t n = ct_piece(model, x->shape[0], at);
        float *out = (float *)x->data + at * width;
        CT_TRY(ct_put(model->ex, (const float *)z->data + at * d, n * d, &model->z));
        CT_TRY(ct_decoder_forward(model, model->infer_decoder, CT_MODE_EVAL, &model->z,
                                  &model->x_nhwc));
        CT_TRY(ops->to_nchw(model->ex, &model->x_nhwc, &model->x_nchw));
        CT_TRY(ct_get(model, &model->x_nchw, n * width, out));
        CT_TRY(ct_expect_finite("decode", out, n * width, at, width));
    }
    return CSCTRL_OK;
}

csctrl_status csctrl_model_reconstruct_file(csctrl_model *model, const char *path,
                                            const char *out_path)
{
    const ct_arch *a = &model->arch;
    ct_tensor x = CT_SHAPE(CSCTRL_F32, 1, a->channels, a->size, a->size);
    ct_tensor image = CT_SHAPE(CSCTRL_F32, a->channels, a->size, a->size); /* x without its n */
    ct_tensor z = CT_SHAPE(CSCTRL_F32, 1, a->features);
    csctrl_status st = CSCTRL_E_NOMEM;

    x.data = image.data = ct_alloc(ct_tensor_bytes(&x));
    z.data = ct_alloc(ct_tensor_bytes(&z));
    if (x.data == NULL || z.data == NULL)
        goto done;
    CT_GOTO(st, csctrl_image_read(path, &image));
    CT_GOTO(st, csctrl_model_encode(model, &x, &z));
    CT_GOTO(st, csctrl_model_decode(model, &z, &x));
    st = csctrl_image_write(out_path, &image);
done:
    ct_free(x.data);
    ct_free(z.data);
    return st;
}

csctrl_status csctrl_model_sparsity(const csctrl_model *model, double *zeros)
{
    if (model->codes[0] == 0.0)
        return ct_fail(CSCTRL_E_STATE,
                       "sparsity: nothing was encoded yet; call csctrl_model_encode first");
    for (int l = 0; l < model->arch.depth; l++)
        zeros[l] = model->zeros[l] / model->codes[l];
    return CSCTRL_OK;
}
