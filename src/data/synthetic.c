/* synthetic.c - images that need no files: a random point of the class's subspace of plane waves,
 * under a shape of the class at a random place, size and contrast. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "data/source.h"

enum {
    WAVES = 3,      /* dimensions of a class's subspace of textures */
    NUMBERS = 8,    /* random blocks an image */
    TEST_SHARE = 4, /* one test image for so many training images, but at least TEST_MIN */
    TEST_MIN = 16,
    SHAPES = 6
};

typedef struct wave {
    double fx, fy, phase; /* radians over the image's side */
    double tint[3];
} wave;

typedef struct synthetic_class {
    wave waves[WAVES];
    double tint[3]; /* of the shape */
} synthetic_class;

typedef struct synthetic_set {
    uint64_t seed;
    synthetic_class classes[];
} synthetic_set;

typedef struct shape {
    int kind;
    double x, y, radius, contrast; /* in units of the image's side; contrast in -1..1 */
} shape;

static double unit(uint32_t word)
{
    return (word >> 8) * 0x1p-24;
}

static void make_class(synthetic_class *c, uint64_t seed, int label)
{
    const ct_rng rng = ct_rng_make(seed, CT_RNG_SYNTHETIC, 1);
    const double pi = 3.14159265358979323846;
    uint32_t w[4];

    for (int j = 0; j < WAVES; j++) {
        ct_rng_block(&rng, (uint64_t)(label * NUMBERS + 2 * j), w);
        const double cycles = 0.5 + 3.5 * unit(w[0]), angle = pi * unit(w[1]);
        c->waves[j].fx = 2.0 * pi * cycles * cos(angle);
        c->waves[j].fy = 2.0 * pi * cycles * sin(angle);
        c->waves[j].phase = 2.0 * pi * unit(w[2]);
        ct_rng_block(&rng, (uint64_t)(label * NUMBERS + 2 * j + 1), w);
        for (int k = 0; k < 3; k++)
            c->waves[j].tint[k] = 0.25 + 0.75 * unit(w[k]);
    }
    ct_rng_block(&rng, (uint64_t)(label * NUMBERS + 2 * WAVES), w);
    for (int k = 0; k < 3; k++)
        c->tint[k] = 0.4 + 0.6 * unit(w[k]);
}

static double bar(double x, double y, double half_width, double half_height)
{
    return fmax(fabs(x) - half_width, fabs(y) - half_height);
}

/* Signed distance (or a bound of it near the edge) to the shape's border, negative inside. */
static double distance(const shape *s, double x, double y)
{
    const double r = s->radius, radial = hypot(x, y);

    switch (s->kind) {
    case 0: /* disc */
        return radial - r;
    case 1: /* bar */
        return bar(x, y, r, 0.35 * r);
    case 2: /* cross */
        return fmin(bar(x, y, r, 0.3 * r), bar(x, y, 0.3 * r, r));
    case 3: /* ring */
        return fabs(radial - 0.75 * r) - 0.25 * r;
    case 4: /* square */
        return bar(x, y, 0.85 * r, 0.85 * r);
    default: /* triangle */
        return fmax(0.866 * fabs(x) + 0.5 * y, -y) - 0.5 * r;
    }
}

static void paint(const synthetic_class *c, const double amplitude[WAVES], const shape *s,
                  const ct_geometry *g, uint8_t *planes)
{
    const double side = g->size;

    for (int py = 0; py < g->size; py++)
        for (int px = 0; px < g->size; px++) {
            const double x = (px + 0.5) / side, y = (py + 0.5) / side;
            const double edge = distance(s, x - s->x, y - s->y) * side;
            const double cover = fmin(fmax(0.5 - edge, 0.0), 1.0);
            double value[3] = {0.0, 0.0, 0.0};
            for (int j = 0; j < WAVES; j++) {
                const wave *w = &c->waves[j];
                const double height = amplitude[j] * cos(w->fx * x + w->fy * y + w->phase);
                for (int k = 0; k < 3; k++)
                    value[k] += height * (g->channels == 3 ? w->tint[k] : 1.0);
            }
            for (int k = 0; k < g->channels; k++) {
                const double paint = s->contrast * (g->channels == 3 ? c->tint[k] : 1.0);
                const double v = value[k] + cover * (paint - value[k]);
                planes[(k * g->size + py) * g->size + px] =
                    (uint8_t)lrint(fmin(fmax(127.5 + 127.5 * v, 0.0), 255.0));
            }
        }
}

/* The test images' numbers follow those of the training images, so the parts are disjoint. */
static csctrl_status read_item(const ct_source *source, int64_t item, const ct_geometry *geometry,
                               ct_workspace *work, uint8_t *planes)
{
    const synthetic_set *set = source->data;
    const ct_rng rng = ct_rng_make(set->seed, CT_RNG_SYNTHETIC, 0);
    const uint64_t first = (uint64_t)item * NUMBERS;
    double amplitude[WAVES];
    uint32_t w[4];

    (void)work;
    for (int j = 0; j < WAVES; j++)
        amplitude[j] = 0.25 * ct_rng_normal(&rng, first + (uint64_t)j);
    ct_rng_block(&rng, first + WAVES, w);
    const double contrast = 0.5 + 0.5 * unit(w[3]);
    const shape s = {
        .kind = source->labels[item] % SHAPES,
        .x = 0.3 + 0.4 * unit(w[0]),
        .y = 0.3 + 0.4 * unit(w[1]),
        .radius = 0.12 + 0.18 * unit(w[2]),
        .contrast = (w[3] & 1) != 0 ? contrast : -contrast,
    };
    paint(&set->classes[source->labels[item]], amplitude, &s, geometry, planes);
    return CSCTRL_OK;
}

static void name_item(const ct_source *source, int64_t item, char out[CT_NAME_MAX])
{
    (void)source;
    snprintf(out, CT_NAME_MAX, "synthetic image %" PRId64, item);
}

static void close_synthetic(ct_source *source)
{
    ct_free(source->data);
}

csctrl_status ct_synthetic_open(ct_source *source, const ct_source_request *request)
{
    static const ct_source_ops ops = {
        .read = read_item, .name = name_item, .close = close_synthetic};
    const int classes = (int)csctrl_config_int(request->config, "data.synthetic_classes");
    const int64_t train = csctrl_config_int(request->config, "data.synthetic_count");
    const int64_t test = train / TEST_SHARE > TEST_MIN ? train / TEST_SHARE : TEST_MIN;
    const size_t bytes = sizeof(synthetic_set) + (size_t)classes * sizeof(synthetic_class);
    synthetic_set *set = ct_alloc(bytes);

    if (set == NULL)
        return CSCTRL_E_NOMEM;
    set->seed = (uint64_t)csctrl_config_int(request->config, "seed");
    for (int k = 0; k < classes; k++)
        make_class(&set->classes[k], set->seed, k);
    source->data = set;
    source->ops = &ops;
    source->kind = "synthetic";
    source->has_test = true;
    source->count[CSCTRL_SPLIT_TRAIN] = train;
    source->count[CSCTRL_SPLIT_TEST] = test;
    source->labels = ct_alloc((size_t)(train + test) * sizeof *source->labels);
    if (source->labels == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < train + test; i++)
        source->labels[i] = (int32_t)(i % classes);
    source->memory = bytes + (size_t)(train + test) * sizeof *source->labels;
    const uint64_t facts[3] = {set->seed, (uint64_t)train, (uint64_t)classes};
    source->fingerprint = ct_fnv(CT_FNV_START, facts, sizeof facts);
    return ct_source_number_classes(source, classes);
}
