/* inception.c - the Inception network of 2015: weights from a safetensors file, batch norms folded
 * into the convolutions, a batch forward. Activations are NHWC. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/cpu/dnnl_forward.h"
#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/inception_net.h"
#include "eval/products.h"
#include "io/safetensors.h"

enum { BATCH = 8, SIDE = CSCTRL_INCEPTION_SIDE, STEPS_MAX = 160, NAME_MAX_BYTES = 80 };
enum { FEATURES = CSCTRL_INCEPTION_FEATURES, CLASSES = CSCTRL_INCEPTION_CLASSES, KERNEL_MAX = 7 };

static const double epsilon = 1e-3; /* of the batch norms */

/* pt_inception-2015-12-05-6726825d.pth, which pytorch-fid and torch-fidelity publish. */
static const char pinned_sha256[] =
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";

typedef struct extent {
    int h, w, c;
} extent;

/* A step with its extents. */
typedef struct layer {
    const ct_inception_step *step;
    ct_forward_conv *conv;
    extent in, out;
    int offset, total; /* channels of OUT before it, and in all */
} layer;

struct csctrl_inception {
    ct_forward_engine *engine;
    layer layers[STEPS_MAX];
    float *place[CT_PLACES];
    float *apart; /* what a convolution gives before it goes among the channels of OUT */
    void *scratch;
    double *classes; /* [CLASSES, FEATURES] */
    double *row;     /* [FEATURES] */
    double *logits;  /* [CLASSES] */
    bool pinned;
    char *source;
};

static size_t count_of(const extent *e)
{
    return (size_t)BATCH * (size_t)e->h * (size_t)e->w * (size_t)e->c;
}

/* ---- weights */

static csctrl_status find(const ct_safetensors *file, const char *layer_name, const char *part,
                          int ndim, const int64_t *shape, const float **data)
{
    char name[NAME_MAX_BYTES + 32];
    ct_tensor t;

    snprintf(name, sizeof name, "%s.%s", layer_name, part);
    CT_TRY(ct_safetensors_find(file, name, &t));
    CT_TRY(ct_tensor_expect(&t, name, CSCTRL_F32, ndim, shape));
    *data = t.data;
    return CSCTRL_OK;
}

/* weights [out, in, kh, kw] and bias [out] with the batch norm in them. */
static csctrl_status fold(const ct_safetensors *file, const ct_inception_step *s, int in,
                          float *weights, float *bias)
{
    const int64_t shape[] = {s->out, in, s->kernel[0], s->kernel[1]};
    const int64_t kernel = (int64_t)in * s->kernel[0] * s->kernel[1];
    const float *w, *scale, *shift, *mean, *variance;

    CT_TRY(find(file, s->name, "conv.weight", 4, shape, &w));
    CT_TRY(find(file, s->name, "bn.weight", 1, shape, &scale));
    CT_TRY(find(file, s->name, "bn.bias", 1, shape, &shift));
    CT_TRY(find(file, s->name, "bn.running_mean", 1, shape, &mean));
    CT_TRY(find(file, s->name, "bn.running_var", 1, shape, &variance));
    for (int64_t o = 0; o < s->out; o++) {
        const double by = (double)scale[o] / sqrt((double)variance[o] + epsilon);
        for (int64_t i = 0; i < kernel; i++)
            weights[o * kernel + i] = (float)((double)w[o * kernel + i] * by);
        bias[o] = (float)((double)shift[o] - (double)mean[o] * by);
        if (!isfinite(bias[o]) || !isfinite(by))
            return ct_fail(CSCTRL_E_FORMAT, "%s.bn: channel %lld is not finite", s->name,
                           (long long)o);
    }
    return CSCTRL_OK;
}

static csctrl_status load_conv(csctrl_inception *net, const ct_safetensors *file, layer *l)
{
    const ct_inception_step *s = l->step;
    const ct_forward_shape shape = {.n = BATCH,
                                    .in = l->in.c,
                                    .out = s->out,
                                    .size = {l->in.h, l->in.w},
                                    .kernel = {s->kernel[0], s->kernel[1]},
                                    .stride = s->stride,
                                    .pad = {s->pad[0], s->pad[1]}};
    const size_t kernel = (size_t)l->in.c * (size_t)s->kernel[0] * (size_t)s->kernel[1];
    float *weights = ct_alloc((size_t)s->out * kernel * sizeof *weights);
    float *bias = ct_alloc((size_t)s->out * sizeof *bias);
    csctrl_status st;

    CT_GOTO(st, weights != NULL && bias != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    CT_GOTO(st, fold(file, s, l->in.c, weights, bias));
    st = ct_forward_conv_create(net->engine, &shape, weights, bias, &l->conv);
done:
    ct_free(weights);
    ct_free(bias);
    return st;
}

static csctrl_status load_classes(csctrl_inception *net, const ct_safetensors *file)
{
    const float *w;

    CT_TRY(find(file, "fc", "weight", 2, (const int64_t[]){CLASSES, FEATURES}, &w));
    net->classes = ct_calloc(CLASSES, FEATURES * sizeof(double));
    net->row = ct_calloc(FEATURES, sizeof(double));
    net->logits = ct_calloc(CLASSES, sizeof(double));
    if (net->classes == NULL || net->row == NULL || net->logits == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; i < (size_t)CLASSES * FEATURES; i++)
        net->classes[i] = (double)w[i];
    return CSCTRL_OK;
}

static csctrl_status load_source(csctrl_inception *net, const ct_safetensors *file,
                                 const char *path)
{
    const char *format = ct_safetensors_metadata(file, "format");
    const char *source = ct_safetensors_metadata(file, "source");

    if (format == NULL || strcmp(format, "csctrl-inception-1") != 0 || source == NULL)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected Inception weights made by scripts/convert_inception.py, found "
                       "other tensors",
                       path);
    net->source = ct_strdup(source);
    if (net->source == NULL)
        return CSCTRL_E_NOMEM;
    ct_one_line(net->source);
    net->pinned = strcmp(source, pinned_sha256) == 0;
    return CSCTRL_OK;
}

/* ---- the plan: extents of every step, and memory */

static int block_channels(size_t first, int in)
{
    int channels = 0;

    for (size_t i = first; ct_inception_steps[i].kind != CT_NEXT; i++)
        if (ct_inception_steps[i].to == CT_OUT)
            channels += ct_inception_steps[i].kind == CT_CONV ? ct_inception_steps[i].out : in;
    return channels;
}

static extent after(const ct_inception_step *s, const extent *in)
{
    const int out = s->kind == CT_CONV ? s->out : in->c;

    return (extent){.h = (in->h + 2 * s->pad[0] - s->kernel[0]) / s->stride + 1,
                    .w = (in->w + 2 * s->pad[1] - s->kernel[1]) / s->stride + 1,
                    .c = out};
}

/* Extents of all steps; `most`: the largest count at every place, and apart. */
static void plan(csctrl_inception *net, size_t most[CT_PLACES], size_t *apart)
{
    extent at[CT_PLACES] = {[CT_IN] = {SIDE, SIDE, 3}};
    int total = block_channels(0, 3);

    most[CT_IN] = count_of(&at[CT_IN]);
    for (size_t i = 0; i < ct_inception_step_count; i++) {
        const ct_inception_step *s = &ct_inception_steps[i];
        layer *l = &net->layers[i];
        l->step = s;
        if (s->kind == CT_NEXT) {
            at[CT_IN] = at[CT_OUT];
            at[CT_OUT] = (extent){0};
            if (i + 1 < ct_inception_step_count)
                total = block_channels(i + 1, at[CT_IN].c);
            continue;
        }
        l->in = at[s->from];
        l->out = after(s, &l->in);
        l->total = s->to == CT_OUT ? total : l->out.c;
        l->offset = s->to == CT_OUT ? at[CT_OUT].c : 0;
        at[s->to] = (extent){l->out.h, l->out.w, l->offset + l->out.c};
        const extent whole = {l->out.h, l->out.w, l->total};
        if (count_of(&whole) > most[s->to])
            most[s->to] = count_of(&whole);
        if (l->total != l->out.c && count_of(&l->out) > *apart)
            *apart = count_of(&l->out);
    }
    if (most[CT_OUT] > most[CT_IN])
        most[CT_IN] = most[CT_OUT]; /* they take turns */
    most[CT_OUT] = most[CT_IN];
}

static csctrl_status make_room(csctrl_inception *net, const size_t most[CT_PLACES], size_t apart)
{
    size_t scratch = 0;

    for (size_t i = 0; i < ct_inception_step_count; i++)
        if (net->layers[i].conv != NULL && ct_forward_conv_scratch(net->layers[i].conv) > scratch)
            scratch = ct_forward_conv_scratch(net->layers[i].conv);
    for (int p = 0; p < CT_PLACES; p++) {
        net->place[p] = ct_alloc(most[p] * sizeof(float));
        if (net->place[p] == NULL)
            return CSCTRL_E_NOMEM;
    }
    net->apart = ct_alloc(apart * sizeof(float));
    net->scratch = ct_alloc(scratch);
    return net->apart != NULL && net->scratch != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

/* oneDNN divides the work among the threads that there are as a convolution is made. */
static csctrl_status load_layers(csctrl_inception *net, const ct_safetensors *file,
                                 const char *path)
{
    const int before = ct_forward_threads(net->engine);
    csctrl_status st = CSCTRL_OK;

    for (size_t i = 0; i < ct_inception_step_count && st == CSCTRL_OK; i++)
        if (net->layers[i].step->kind == CT_CONV)
            st = load_conv(net, file, &net->layers[i]);
    ct_forward_threads_back(before);
    if (st == CSCTRL_OK)
        st = load_classes(net, file);
    return st == CSCTRL_OK || st == CSCTRL_E_NOMEM ? st : ct_fail_context(st, "%s", path);
}

csctrl_status csctrl_inception_create(csctrl_inception **out, const char *path, int threads)
{
    csctrl_inception *net = NULL;
    ct_safetensors *file = NULL;
    size_t most[CT_PLACES] = {0}, apart = 0;
    csctrl_status st;

    *out = NULL;
    if (threads < 0)
        return ct_fail(CSCTRL_E_INVALID, "Inception: expected threads >= 0, found %d", threads);
    CT_GOTO(st, ct_safetensors_open(&file, path));
    net = ct_calloc(1, sizeof *net);
    CT_GOTO(st, net != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    CT_GOTO(st, load_source(net, file, path));
    CT_GOTO(st, ct_forward_engine_create(&net->engine, threads));
    plan(net, most, &apart);
    CT_GOTO(st, load_layers(net, file, path));
    CT_GOTO(st, make_room(net, most, apart));
    *out = net;
    net = NULL;
done:
    ct_safetensors_close(&file);
    csctrl_inception_destroy(&net);
    return st;
}

void csctrl_inception_destroy(csctrl_inception **inception)
{
    if (inception == NULL || *inception == NULL)
        return;
    csctrl_inception *net = *inception;
    for (size_t i = 0; i < ct_inception_step_count; i++)
        ct_forward_conv_destroy(&net->layers[i].conv);
    ct_forward_engine_destroy(&net->engine);
    for (int p = 0; p < CT_PLACES; p++)
        ct_free(net->place[p]);
    ct_free(net->apart);
    ct_free(net->scratch);
    ct_free(net->classes);
    ct_free(net->row);
    ct_free(net->logits);
    ct_free(net->source);
    ct_free(net);
    *inception = NULL;
}

void csctrl_inception_get_info(const csctrl_inception *inception, csctrl_inception_info *info)
{
    *info = (csctrl_inception_info){
        .pinned = inception->pinned, .source = inception->source, .batch = BATCH};
}

/* ---- running */

/* One output pixel of a pool, all channels. */
static void pool_pixel(const layer *l, const float *image, int y, int x, float *to)
{
    const ct_inception_step *s = l->step;
    const int top = y * s->stride - s->pad[0], left = x * s->stride - s->pad[1];
    const bool mean = s->kind == CT_AVERAGE;
    int counted = 0;

    for (int c = 0; c < l->in.c; c++)
        to[c] = mean ? 0 : -FLT_MAX;
    for (int r = top < 0 ? 0 : top; r < top + 3 && r < l->in.h; r++)
        for (int q = left < 0 ? 0 : left; q < left + 3 && q < l->in.w; q++, counted++) {
            const float *from = image + ((size_t)r * (size_t)l->in.w + (size_t)q) * (size_t)l->in.c;
            if (mean)
                for (int c = 0; c < l->in.c; c++)
                    to[c] += from[c];
            else
                for (int c = 0; c < l->in.c; c++)
                    to[c] = from[c] > to[c] ? from[c] : to[c];
        }
    for (int c = 0; c < l->in.c && mean; c++)
        to[c] /= (float)counted;
}

static void pool(const layer *l, const float *from, float *to)
{
    const size_t image = (size_t)l->in.h * (size_t)l->in.w * (size_t)l->in.c;

    to += l->offset;
    for (int n = 0; n < BATCH; n++, from += image)
        for (int y = 0; y < l->out.h; y++)
            for (int x = 0; x < l->out.w; x++, to += l->total)
                pool_pixel(l, from, y, x, to);
}

static csctrl_status run_conv(csctrl_inception *net, const layer *l)
{
    float *from = net->place[l->step->from], *to = net->place[l->step->to];

    if (l->total == l->out.c)
        return ct_forward_conv_run(l->conv, from, to, net->scratch);
    CT_TRY(ct_forward_conv_run(l->conv, from, net->apart, net->scratch));
    const size_t pixels = (size_t)BATCH * (size_t)l->out.h * (size_t)l->out.w;
    for (size_t i = 0; i < pixels; i++)
        memcpy(to + i * (size_t)l->total + l->offset, net->apart + i * (size_t)l->out.c,
               (size_t)l->out.c * sizeof *to);
    return CSCTRL_OK;
}

static csctrl_status forward(csctrl_inception *net)
{
    for (size_t i = 0; i < ct_inception_step_count; i++) {
        const layer *l = &net->layers[i];

        if (l->step->kind == CT_CONV) {
            CT_TRY(run_conv(net, l));
        } else if (l->step->kind == CT_NEXT) {
            float *out = net->place[CT_OUT];
            net->place[CT_OUT] = net->place[CT_IN];
            net->place[CT_IN] = out;
        } else {
            pool(l, net->place[l->step->from], net->place[l->step->to]);
        }
    }
    return CSCTRL_OK;
}

/* n images to NHWC; the rest of the batch is empty. */
static void load_batch(float *to, const float *planes, int64_t n)
{
    const int64_t plane = SIDE * SIDE, image = 3 * plane;

    memset(to, 0, (size_t)(BATCH * image) * sizeof *to);
    for (int64_t i = 0; i < n; i++)
        for (int64_t p = 0; p < plane; p++)
            for (int64_t c = 0; c < 3; c++)
                to[i * image + p * 3 + c] = planes[i * image + c * plane + p];
}

/* Mean over all pixels of image i, in double; then the class logits. */
static void store(csctrl_inception *net, int64_t i, float *features, float *logits)
{
    const layer *last = &net->layers[ct_inception_step_count - 2];
    const int64_t pixels = (int64_t)last->out.h * last->out.w;
    const float *from = net->place[CT_IN] + i * pixels * FEATURES;

    memset(net->row, 0, FEATURES * sizeof *net->row);
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < FEATURES; c++)
            net->row[c] += (double)from[p * FEATURES + c];
    for (int64_t c = 0; c < FEATURES; c++) {
        net->row[c] /= (double)pixels;
        features[c] = (float)net->row[c];
    }
    if (logits == NULL)
        return;
    ct_product_nt(net->row, 1, net->classes, CLASSES, FEATURES, net->logits);
    for (int64_t c = 0; c < CLASSES; c++)
        logits[c] = (float)net->logits[c];
}

static csctrl_status run_all(csctrl_inception *net, const float *input, int64_t n, float *features,
                             float *logits)
{
    const int64_t image = (int64_t)3 * SIDE * SIDE;

    for (int64_t first = 0; first < n; first += BATCH) {
        const int64_t count = n - first < BATCH ? n - first : BATCH;
        load_batch(net->place[CT_IN], input + first * image, count);
        CT_TRY(forward(net));
        for (int64_t i = 0; i < count; i++)
            store(net, i, features + (first + i) * FEATURES,
                  logits != NULL ? logits + (first + i) * CLASSES : NULL);
    }
    return CSCTRL_OK;
}

csctrl_status csctrl_inception_run(csctrl_inception *inception, const csctrl_tensor *input,
                                   csctrl_tensor *features, csctrl_tensor *logits)
{
    CT_TRY(ct_tensor_expect(input, "Inception's input", CSCTRL_F32, 4,
                            (const int64_t[]){-1, 3, SIDE, SIDE}));
    const int64_t n = input->shape[0];
    CT_TRY(ct_tensor_expect(features, "Inception's features", CSCTRL_F32, 2,
                            (const int64_t[]){n, FEATURES}));
    if (logits != NULL)
        CT_TRY(ct_tensor_expect(logits, "Inception's logits", CSCTRL_F32, 2,
                                (const int64_t[]){n, CLASSES}));
    const int before = ct_forward_threads(inception->engine);
    const csctrl_status st =
        run_all(inception, input->data, n, features->data, logits != NULL ? logits->data : NULL);
    ct_forward_threads_back(before);
    return st;
}
