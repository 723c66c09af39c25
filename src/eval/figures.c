/* figures.c - a data set through a model: features, and all figures on held-out images (SPEC 5).
 * Images are streamed in batches; only features stay. */
#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "csctrl/eval.h"
#include "csctrl/npy.h"
#include "csctrl/score.h"
#include "eval/measures.h"
#include "model/model.h"

/* `count` of the `total` images of a data set in order, batch by batch; broken ones are left out.
 * One is drawn from each of `count` equal stretches: the first `count` would be a few classes of a
 * set that is sorted by class, every k-th one could be a single class of a set that alternates. */
typedef struct stream {
    csctrl_dataset *dataset;
    int64_t next, count, total;
    ct_tensor images; /* f32[batch, c, size, size] */
} stream;

/* Features and labels of a data set. */
typedef struct features {
    ct_tensor z; /* f32[n, d] */
    int64_t *labels;
} features;

static csctrl_status stream_open(stream *s, const csctrl_model *model, csctrl_dataset *dataset,
                                 int64_t limit)
{
    csctrl_model_info want;
    csctrl_dataset_info have;

    csctrl_model_get_info(model, &want);
    csctrl_dataset_get_info(dataset, &have);
    if (have.channels != want.channels || have.size != want.size)
        return ct_fail(CSCTRL_E_SHAPE,
                       "data set %s: the model expects images of %d x %d x %d, found %d x %d x %d;"
                       " set data.size and data.channels to the model's",
                       have.path, want.channels, want.size, want.size, have.channels, have.size,
                       have.size);
    s->dataset = dataset;
    s->next = 0;
    s->total = have.count;
    s->count = limit > 0 && limit < have.count ? limit : have.count;

    int64_t batch = csctrl_config_int(csctrl_model_config(model), "eval.batch");
    if (batch > s->count)
        batch = s->count;
    s->images = CT_SHAPE(CSCTRL_F32, batch, want.channels, want.size, want.size);
    s->images.data = ct_alloc(ct_tensor_bytes(&s->images));
    return s->images.data != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static void stream_close(stream *s)
{
    ct_free(s->images.data);
}

/* Row i of t, with one dimension less. */
static ct_tensor row_of(const ct_tensor *t, int64_t i)
{
    ct_tensor row = csctrl_tensor_view(t->dtype, t->ndim - 1, t->shape + 1, NULL);

    row.data = (char *)t->data + (size_t)i * ct_tensor_bytes(&row);
    return row;
}

/* Index of the i-th image drawn; the same for every model. */
static int64_t drawn(const stream *s, int64_t i)
{
    const ct_rng rng = ct_rng_make(0, CT_RNG_SAMPLE, 1);
    const int64_t first = i * s->total / s->count, last = (i + 1) * s->total / s->count;

    return first + (int64_t)ct_rng_below(&rng, (uint64_t)i, (uint64_t)(last - first));
}

/* Is it the file that is at fault? */
static bool is_broken(csctrl_status st)
{
    return st == CSCTRL_E_FORMAT || st == CSCTRL_E_UNSUPPORTED || st == CSCTRL_E_IO ||
           st == CSCTRL_E_NOT_FOUND;
}

/* The next images and their labels; a batch of none ends the stream. */
static csctrl_status stream_next(stream *s, ct_tensor *batch, int64_t *labels)
{
    int64_t n = 0;

    while (n < s->images.shape[0] && s->next < s->count) {
        ct_tensor image = row_of(&s->images, n);
        const csctrl_status st =
            csctrl_dataset_read(s->dataset, drawn(s, s->next++), &image, labels + n);

        if (st == CSCTRL_OK)
            n++;
        else if (!is_broken(st))
            return st;
        else
            ct_log(CSCTRL_LOG_WARNING, "left out: %s", csctrl_last_error());
    }
    *batch = ct_tensor_head(&s->images, n);
    return CSCTRL_OK;
}

static csctrl_status features_create(features *f, const csctrl_model *model, int64_t capacity)
{
    csctrl_model_info info;

    csctrl_model_get_info(model, &info);
    f->z = CT_SHAPE(CSCTRL_F32, capacity, info.features);
    f->z.data = ct_alloc(ct_tensor_bytes(&f->z));
    f->labels = ct_calloc((size_t)capacity, sizeof *f->labels);
    return f->z.data != NULL && f->labels != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static void features_destroy(features *f)
{
    csctrl_npy_free(&f->z);
    csctrl_labels_free(&f->labels);
}

/* Rows first .. first+n-1 of the features. */
static ct_tensor rows_of(const ct_tensor *z, int64_t first, int64_t n)
{
    ct_tensor rows = ct_tensor_head(z, n);

    rows.data = row_of(z, first).data;
    return rows;
}

static csctrl_status expect_images(const csctrl_dataset *dataset, int64_t used)
{
    csctrl_dataset_info info;

    if (used > 0)
        return CSCTRL_OK;
    csctrl_dataset_get_info(dataset, &info);
    return ct_fail(CSCTRL_E_FORMAT,
                   "data set %s: none of its %lld images could be read; see data"
                   " verify",
                   info.path, (long long)info.count);
}

static csctrl_status encode_all(csctrl_model *model, stream *s, features *f)
{
    int64_t used = 0;

    for (;;) {
        ct_tensor batch;
        CT_TRY(stream_next(s, &batch, f->labels + used));
        if (batch.shape[0] == 0)
            break;
        ct_tensor z = rows_of(&f->z, used, batch.shape[0]);
        CT_TRY(csctrl_model_encode(model, &batch, &z));
        used += batch.shape[0];
    }
    f->z.shape[0] = used;
    return expect_images(s->dataset, used);
}

static csctrl_status encode_dataset(csctrl_model *model, csctrl_dataset *dataset, int64_t limit,
                                    features *f)
{
    stream s = {0};
    csctrl_status st;

    CT_GOTO(st, stream_open(&s, model, dataset, limit));
    CT_GOTO(st, features_create(f, model, s.count));
    CT_GOTO(st, encode_all(model, &s, f));
done:
    stream_close(&s);
    if (st != CSCTRL_OK)
        features_destroy(f);
    return st;
}

csctrl_status csctrl_model_encode_dataset(csctrl_model *model, csctrl_dataset *dataset,
                                          int64_t limit, csctrl_tensor *z, int64_t **labels)
{
    features f = {0};
    const csctrl_status st = encode_dataset(model, dataset, limit, &f);

    *z = f.z;
    *labels = f.labels;
    return st;
}

void csctrl_labels_free(int64_t **labels)
{
    if (labels == NULL)
        return;
    ct_free(*labels);
    *labels = NULL;
}

/* What one pass over the held-out images needs: sums go to `figures`, features stay. */
typedef struct held_out {
    stream stream;
    features x;      /* f(x) */
    ct_tensor zhat;  /* f32[n, d]: f(g(f(x))) */
    ct_tensor xhat;  /* f32[batch, c, size, size] */
    double *quality; /* [batch] */
} held_out;

static csctrl_status held_out_create(held_out *h, const csctrl_model *model,
                                     csctrl_dataset *dataset)
{
    const int64_t limit = csctrl_config_int(csctrl_model_config(model), "eval.count");

    CT_TRY(stream_open(&h->stream, model, dataset, limit));
    CT_TRY(features_create(&h->x, model, h->stream.count));
    h->zhat = h->x.z;
    h->zhat.data = ct_alloc(ct_tensor_bytes(&h->zhat));
    h->xhat = h->stream.images;
    h->xhat.data = ct_alloc(ct_tensor_bytes(&h->xhat));
    h->quality = ct_calloc((size_t)h->xhat.shape[0], sizeof(double));
    return h->zhat.data != NULL && h->xhat.data != NULL && h->quality != NULL ? CSCTRL_OK
                                                                              : CSCTRL_E_NOMEM;
}

static void held_out_destroy(held_out *h)
{
    stream_close(&h->stream);
    features_destroy(&h->x);
    ct_free(h->zhat.data);
    ct_free(h->xhat.data);
    ct_free(h->quality);
}

static double sum_of(const double *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

/* The figures of one batch are added up; means come at the end. */
static csctrl_status add_batch(csctrl_model *model, held_out *h, const ct_tensor *batch,
                               csctrl_figures *figures)
{
    const int64_t n = batch->shape[0], used = figures->images;
    ct_tensor z = rows_of(&h->x.z, used, n), zhat = rows_of(&h->zhat, used, n);
    ct_tensor xhat = ct_tensor_head(&h->xhat, n);
    double zeros[CSCTRL_MAX_LAYERS];

    CT_TRY(csctrl_model_encode(model, batch, &z));
    CT_TRY(csctrl_model_sparsity(model, zeros));
    CT_TRY(csctrl_model_decode(model, &z, &xhat));
    CT_TRY(csctrl_model_encode(model, &xhat, &zhat));
    CT_TRY(csctrl_psnr(batch, &xhat, h->quality));
    figures->psnr += sum_of(h->quality, n);
    if (xhat.shape[2] >= CT_SSIM_WINDOW)
        CT_TRY(csctrl_ssim(batch, &xhat, h->quality));
    figures->ssim += xhat.shape[2] >= CT_SSIM_WINDOW ? sum_of(h->quality, n) : NAN;
    if (xhat.shape[2] >= CSCTRL_MS_SSIM_LEAST)
        CT_TRY(csctrl_ms_ssim(batch, &xhat, h->quality));
    figures->ms_ssim += xhat.shape[2] >= CSCTRL_MS_SSIM_LEAST ? sum_of(h->quality, n) : NAN;
    for (int64_t i = 0; i < csctrl_tensor_count(&z); i++)
        figures->cosine += (double)((float *)z.data)[i] * (double)((float *)zhat.data)[i];
    for (int l = 0; l < figures->layers; l++)
        figures->sparsity[l] += zeros[l] * (double)n;
    figures->images += n;
    return CSCTRL_OK;
}

static csctrl_status stream_figures(csctrl_model *model, held_out *h, csctrl_figures *figures)
{
    for (;;) {
        ct_tensor batch;
        CT_TRY(stream_next(&h->stream, &batch, h->x.labels + figures->images));
        if (batch.shape[0] == 0)
            break;
        CT_TRY(add_batch(model, h, &batch, figures));
    }
    CT_TRY(expect_images(h->stream.dataset, figures->images));

    const double n = (double)figures->images;
    h->x.z.shape[0] = h->zhat.shape[0] = figures->images;
    figures->psnr /= n;
    figures->ssim /= n;
    figures->ms_ssim /= n;
    figures->cosine /= n;
    for (int l = 0; l < figures->layers; l++)
        figures->sparsity[l] /= n;
    return CSCTRL_OK;
}

/* Share of held-out images with the right class. */
static double share_right(const held_out *h, const int64_t *predicted)
{
    const int64_t n = h->x.z.shape[0];
    int64_t right = 0;

    for (int64_t i = 0; i < n; i++)
        right += predicted[i] == h->x.labels[i];
    return (double)right / (double)n;
}

static csctrl_status nearest_subspaces(const csctrl_config *config, const features *train,
                                       const ct_tensor *z, int classes, int64_t *predicted)
{
    const int components = (int)csctrl_config_int(config, "eval.components");
    csctrl_subspaces *subspaces = NULL;
    csctrl_status st;

    CT_GOTO(st, csctrl_subspaces_fit(&subspaces, &train->z, train->labels, classes, components));
    st = csctrl_subspaces_classify(subspaces, z, predicted);
done:
    csctrl_subspaces_destroy(&subspaces);
    return st;
}

/* The classifiers, all on the same training features. */
static csctrl_status accuracy_figures(csctrl_model *model, csctrl_dataset *train, const held_out *h,
                                      int classes, csctrl_figures *figures)
{
    const csctrl_config *config = csctrl_model_config(model);
    const double l2 = csctrl_config_real(config, "eval.probe_l2");
    const ct_tensor *z = &h->x.z;
    features f = {0};
    csctrl_status st;
    int64_t *predicted = ct_calloc((size_t)z->shape[0], sizeof *predicted);

    CT_GOTO(st, predicted != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    CT_GOTO(st, encode_dataset(model, train, csctrl_config_int(config, "eval.fit_count"), &f));
    CT_GOTO(st, nearest_subspaces(config, &f, z, classes, predicted));
    figures->accuracy = share_right(h, predicted);

    const int64_t wanted = csctrl_config_int(config, "eval.neighbours"), n = f.z.shape[0];
    CT_GOTO(st, csctrl_knn_classify(&f.z, f.labels, classes, (int)(wanted < n ? wanted : n), z,
                                    predicted));
    figures->knn = share_right(h, predicted);
    CT_GOTO(st, csctrl_linear_probe_classify(&f.z, f.labels, classes, l2, z, predicted));
    figures->probe = share_right(h, predicted);
done:
    features_destroy(&f);
    ct_free(predicted);
    return st;
}

static csctrl_status expect_classes(const csctrl_dataset *train, const csctrl_dataset *test,
                                    int *classes)
{
    csctrl_dataset_info a, b;

    csctrl_dataset_get_info(train, &a);
    csctrl_dataset_get_info(test, &b);
    *classes = a.classes;
    if (a.classes != b.classes)
        return ct_fail(CSCTRL_E_MISMATCH,
                       "evaluation: the training data have %d classes, the held-out data %d; use"
                       " two splits of one data set",
                       a.classes, b.classes);
    return CSCTRL_OK;
}

/* All features of a class would be its subspace, or some class would have no images: the nearest
 * subspace would mean nothing. */
static csctrl_status expect_subspaces(const csctrl_model *model, int classes)
{
    const csctrl_config *config = csctrl_model_config(model);
    const long long components = csctrl_config_int(config, "eval.components");
    const long long fit_count = csctrl_config_int(config, "eval.fit_count");
    csctrl_model_info info;

    csctrl_model_get_info(model, &info);
    if (components >= info.features)
        return ct_fail(CSCTRL_E_CONFIG,
                       "eval.components: expected fewer than the model's %lld features, found %lld",
                       (long long)info.features, components);
    if (fit_count < classes)
        return ct_fail(CSCTRL_E_CONFIG,
                       "eval.fit_count: expected at least one image for each of %d classes, found "
                       "%lld",
                       classes, fit_count);
    return CSCTRL_OK;
}

csctrl_status csctrl_evaluate(csctrl_model *model, csctrl_dataset *train, csctrl_dataset *test,
                              csctrl_figures *figures)
{
    const double eps2 = csctrl_config_real(csctrl_model_config(model), "objective.eps2");
    csctrl_model_info info;
    held_out h = {0};
    csctrl_status st;
    int classes;

    csctrl_model_get_info(model, &info);
    *figures = (csctrl_figures){.layers = info.layers < CSCTRL_MAX_LAYERS ? info.layers
                                                                          : CSCTRL_MAX_LAYERS};
    CT_GOTO(st, expect_classes(train, test, &classes));
    CT_GOTO(st, expect_subspaces(model, classes));
    CT_GOTO(st, held_out_create(&h, model, test));
    CT_GOTO(st, stream_figures(model, &h, figures));
    CT_GOTO(st, ct_eval_rates(model->ex, &h.x.z, &h.zhat, h.x.labels, classes, eps2, figures));
    CT_GOTO(st, accuracy_figures(model, train, &h, classes, figures));
done:
    held_out_destroy(&h);
    return st;
}
