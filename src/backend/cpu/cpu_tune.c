/* cpu_tune.c - measures the ways of a geometry by a FISTA step of random images and its gradient.
 */
#include "backend/cpu/cpu_tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/csc_step.h"
#include "backend/ref/ref.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

enum { CHECKED_IMAGES = 2, KEY = 128, FILE_LIMIT = 1 << 20 };

static const double SECONDS = 0.03; /* that a way is measured, at least once */
static const double CLOSE = 2e-4, CLOSE_BF16 = 0.05;

static const char *const names[] = {
    [CT_WAY_F11] = "winograd-f11", [CT_WAY_F42] = "winograd-f42",
    [CT_WAY_F22] = "winograd-f22", [CT_WAY_F42_F22] = "winograd-f42-f22",
    [CT_WAY_F43] = "winograd-f43", [CT_WAY_BLAS] = "blas",
    [CT_WAY_ONEDNN] = "onednn",    [CT_WAY_DIRECT] = "direct",
};

struct ct_tune {
    char *path;      /* NULL: choices are not kept */
    ct_strbuf lines; /* "KEY: WAY\n" of each choice so far; a comment first */
};

/* ---- the file */

static void key_of(const ct_exec *ex, const ct_geom *g, char key[KEY])
{
    snprintf(key, KEY, "%s %s threads=%d n=%d %dx%dx%d atoms=%d k%d s%d p%d", ct_isa_name(ex->isa),
             ex->bf16 ? "bf16" : "f32", ex->threads, g->n, g->h, g->w, g->c, g->atoms, g->kernel,
             g->stride, g->pad);
}

static bool way_from_name(const char *name, size_t length, ct_way *way)
{
    for (int i = 0; i < CT_WAYS; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *way = (ct_way)i;
            return true;
        }
    return false;
}

/* Every line is empty, a comment, or ends in ": WAY". */
static csctrl_status check_lines(const char *path, const char *text)
{
    int number = 1;
    ct_way way = CT_WAY_DIRECT;

    for (const char *line = text; *line != '\0'; number++) {
        const size_t length = strcspn(line, "\n");
        const char *end = line + length, *colon = memchr(line, ':', length);
        if (length > 0 && line[0] != '#' &&
            (colon == NULL || end - colon < 2 || colon[1] != ' ' ||
             !way_from_name(colon + 2, (size_t)(end - colon - 2), &way)))
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s:%d: expected \"GEOMETRY: WAY\", found \"%.*s\"; remove the line to "
                           "measure anew",
                           path, number, (int)(length < KEY ? length : KEY), line);
        line = *end == '\0' ? end : end + 1;
    }
    return CSCTRL_OK;
}

static csctrl_status read_lines(ct_tune *tune)
{
    unsigned char *text = NULL;
    size_t size = 0;
    csctrl_status status = CSCTRL_OK;

    CT_GOTO(status, ct_fs_read(tune->path, FILE_LIMIT, &text, &size));
    CT_GOTO(status, check_lines(tune->path, (const char *)text));
    ct_strbuf_add(&tune->lines, "%s", (const char *)text);
    if (size > 0 && text[size - 1] != '\n')
        ct_strbuf_add(&tune->lines, "\n");
done:
    ct_free(text);
    return status;
}

csctrl_status ct_tune_create(ct_tune **out, const char *setting)
{
    csctrl_status status = CSCTRL_E_NOMEM;
    ct_tune *tune = NULL;

    *out = NULL;
    if (setting == NULL || strcmp(setting, "off") == 0)
        return CSCTRL_OK;
    tune = ct_calloc(1, sizeof *tune);
    if (tune == NULL)
        goto done;
    if (strcmp(setting, "on") != 0) {
        tune->path = ct_strdup(setting);
        if (tune->path == NULL)
            goto done;
        if (ct_fs_exists(setting))
            CT_GOTO(status, read_lines(tune));
    }
    if (tune->lines.length == 0)
        ct_strbuf_add(&tune->lines, "# csctrl: the fastest way of each geometry (option tune)\n");
    status = tune->lines.failed ? CSCTRL_E_NOMEM : CSCTRL_OK;
    if (status != CSCTRL_OK)
        goto done;
    *out = tune;
    tune = NULL;
done:
    ct_tune_destroy(&tune);
    return status;
}

void ct_tune_destroy(ct_tune **tune)
{
    if (*tune == NULL)
        return;
    ct_free((*tune)->path);
    ct_strbuf_free(&(*tune)->lines);
    ct_free(*tune);
    *tune = NULL;
}

/* Whether there is a line for the key, and its way. */
static bool find_line(const ct_tune *tune, const char *key, ct_way *way)
{
    const size_t length = strlen(key);

    for (const char *line = tune->lines.text; *line != '\0';) {
        const size_t size = strcspn(line, "\n");
        if (size > length + 2 && memcmp(line, key, length) == 0 && line[length] == ':')
            return way_from_name(line + length + 2, size - length - 2, way);
        line += size + (line[size] == '\n');
    }
    return false;
}

/* ---- one way at work */

/* A step r = x - A y, z = prox(y + eta A* r) of random images and codes, and its gradient. */
typedef struct trial {
    ct_conv conv;
    ct_tensor W, x, y, r, z;
    ct_tensor dW, dz, q, dy, dx; /* of its gradient */
} trial;

static csctrl_status make_zero(ct_tensor *t)
{
    t->data = ct_alloc_arena(ct_tensor_bytes(t));
    return t->data != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static csctrl_status make_random(ct_tensor *t, double scale, uint32_t sub)
{
    const ct_rng rng = ct_rng_make(0, CT_RNG_TUNE, sub);

    CT_TRY(make_zero(t));
    float *values = t->data;
    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        values[i] = (float)(scale * (2 * ct_rng_uniform(&rng, (uint64_t)i) - 1));
    return CSCTRL_OK;
}

static csctrl_status bind(ct_exec *ex, trial *t)
{
    const ct_geom *g = &t->conv.geom;

    t->conv.packed = ct_alloc_arena(t->conv.packed_bytes);
    t->conv.scratch = ct_alloc_arena(t->conv.scratch_bytes);
    if (t->conv.packed == NULL || t->conv.scratch == NULL)
        return CSCTRL_E_NOMEM;
    t->W = t->dW = CT_SHAPE(CSCTRL_F32, g->atoms, g->c, g->kernel, g->kernel);
    t->x = t->r = t->q = t->dx = CT_SHAPE(CSCTRL_F32, g->n, g->h, g->w, g->c);
    t->y = t->z = t->dz = t->dy = CT_SHAPE(CSCTRL_F32, g->n, g->oh, g->ow, g->atoms);
    CT_TRY(make_random(&t->W, 0.1, 0));
    CT_TRY(make_random(&t->x, 1, 1));
    CT_TRY(make_random(&t->y, 0.1, 2));
    CT_TRY(make_random(&t->dz, 1, 3));
    CT_TRY(make_zero(&t->r));
    CT_TRY(make_zero(&t->z));
    CT_TRY(make_zero(&t->dW));
    CT_TRY(make_zero(&t->q));
    CT_TRY(make_zero(&t->dy));
    CT_TRY(make_zero(&t->dx));
    return ex->ops->conv_pack(ex, &t->conv, &t->W);
}

static void release(ct_exec *ex, trial *t)
{
    void *const blocks[] = {t->conv.packed, t->conv.scratch, t->W.data,  t->x.data,
                            t->y.data,      t->r.data,       t->z.data,  t->dW.data,
                            t->dz.data,     t->q.data,       t->dy.data, t->dx.data};

    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        ct_free(blocks[i]);
    ex->ops->conv_destroy(ex, &t->conv);
}

static const double eta = 0.3;
static const ct_prox prox = {.eta = &eta, .lambda = 0.1, .nonneg = true};

static csctrl_status forward(ct_exec *ex, trial *t)
{
    const ct_csc_step step = {.prox = prox, .x = &t->x, .y = &t->y, .r = &t->r, .z = &t->z};

    return ex->ops->csc_step(ex, &t->conv, &step);
}

static csctrl_status backward(ct_exec *ex, trial *t)
{
    const ct_csc_step_grad grad = {.prox = prox,
                                   .r = &t->r,
                                   .y = &t->y,
                                   .z = &t->z,
                                   .dz = &t->dz,
                                   .q = &t->q,
                                   .dy = &t->dy,
                                   .dx = &t->dx,
                                   .dW = &t->dW};

    return ex->ops->csc_step_backward(ex, &t->conv, &grad);
}

/* ---- the choice */

static double difference(const ct_tensor *a, const ct_tensor *b)
{
    const float *x = a->data, *y = b->data;
    double squares = 0, all = 0;

    for (int64_t i = 0; i < csctrl_tensor_count(a); i++) {
        const double d = (double)x[i] - (double)y[i];
        squares += d * d;
        all += (double)y[i] * (double)y[i];
    }
    return sqrt(squares / (all > 0 ? all : 1));
}

static double larger(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

/* ||a - a_ref|| / ||a_ref|| of one step of a few images: the largest among what it computes. */
static csctrl_status compare(ct_exec *ex, ct_geom g, ct_way way, double *error)
{
    ct_ops ops = {0};
    ct_exec ref = {.ops = &ops, .dtype = CSCTRL_F32, .threads = 1, .name = "ref"};
    trial ours = {0}, theirs = {0};
    csctrl_status status;

    g.n = g.n < CHECKED_IMAGES ? g.n : CHECKED_IMAGES;
    ct_ref_f32_fill(&ops);
    CT_GOTO(status, ct_conv_create_as(ex, &g, way, &ours.conv));
    CT_GOTO(status, ops.conv_create(&ref, &g, &theirs.conv));
    CT_GOTO(status, bind(ex, &ours));
    CT_GOTO(status, bind(&ref, &theirs));
    CT_GOTO(status, forward(ex, &ours));
    CT_GOTO(status, forward(&ref, &theirs));
    *error = difference(&ours.z, &theirs.z);
    /* A code at the threshold may fall on either side: one gate for both gradients. */
    memcpy(theirs.z.data, ours.z.data, ct_tensor_bytes(&ours.z));
    CT_GOTO(status, backward(ex, &ours));
    CT_GOTO(status, backward(&ref, &theirs));
    *error = larger(*error, difference(&ours.dW, &theirs.dW));
    *error = larger(*error, difference(&ours.dy, &theirs.dy));
    *error = larger(*error, difference(&ours.dx, &theirs.dx));
done:
    release(ex, &ours);
    release(&ref, &theirs);
    return status;
}

/* Seconds of one step and its gradient, the lowest of some. */
static csctrl_status measure(ct_exec *ex, const ct_geom *g, ct_way way, double *seconds)
{
    trial t = {0};
    csctrl_status status;

    CT_GOTO(status, ct_conv_create_as(ex, g, way, &t.conv));
    CT_GOTO(status, bind(ex, &t));
    CT_GOTO(status, forward(ex, &t));
    *seconds = INFINITY;
    for (double spent = 0; spent < SECONDS;) {
        const double start = ct_now();
        CT_GOTO(status, forward(ex, &t));
        CT_GOTO(status, backward(ex, &t));
        const double taken = ct_now() - start;
        *seconds = taken < *seconds ? taken : *seconds;
        spent += taken;
    }
done:
    release(ex, &t);
    return status;
}

static csctrl_status fastest(ct_exec *ex, const ct_geom *g, const char *key, ct_way *way)
{
    double best = INFINITY;

    for (int i = 0; i < CT_WAYS; i++) {
        double error = 0, seconds = 0;
        if (!ct_conv_fits(g, (ct_way)i))
            continue;
        CT_TRY(compare(ex, *g, (ct_way)i, &error));
        if (!(error <= (ex->bf16 ? CLOSE_BF16 : CLOSE))) {
            ct_log(CSCTRL_LOG_WARNING,
                   "tune: %s: %s differs from the reference by %.2g and is not used", key, names[i],
                   error);
            continue;
        }
        CT_TRY(measure(ex, g, (ct_way)i, &seconds));
        ct_log(CSCTRL_LOG_DEBUG, "tune: %s: %s takes %.3f ms", key, names[i], 1e3 * seconds);
        if (seconds < best) {
            best = seconds;
            *way = (ct_way)i;
        }
    }
    if (isinf(best))
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "tune: %s: every way differs from the reference; use tune=off and report it",
                       key);
    return CSCTRL_OK;
}

csctrl_status ct_tune_choose(ct_exec *ex, const ct_geom *geom, ct_way *way)
{
    ct_tune *tune = ((ct_cpu *)ex->state)->tune;
    char key[KEY];

    key_of(ex, geom, key);
    if (find_line(tune, key, way)) {
        if (!ct_conv_fits(geom, *way))
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s: %s: %s does not fit; remove the line to measure anew", tune->path,
                           key, names[*way]);
        return CSCTRL_OK;
    }
    CT_TRY(fastest(ex, geom, key, way));
    ct_strbuf_add(&tune->lines, "%s: %s\n", key, names[*way]);
    if (tune->lines.failed)
        return CSCTRL_E_NOMEM;
    /* The choice is made all the same where its file cannot be written. */
    if (tune->path != NULL &&
        ct_fs_write_atomic(tune->path, tune->lines.text, tune->lines.length) != CSCTRL_OK)
        ct_log(CSCTRL_LOG_WARNING, "tune: choices are not kept: %s", csctrl_last_error());
    return CSCTRL_OK;
}
