/* cli_generation.c - held-out images, their reconstructions, and samples, through the network one
 * after the other. */
#include "cli_generation.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLE_SEED = 0 };

typedef struct work {
    csctrl_model *model;
    csctrl_dataset *test;
    cli_scorer *scorer;
    int64_t total, count;     /* held-out images there are, and used */
    csctrl_tensor x, xhat, z; /* a batch */
} work;

static int work_create(work *w, cli_scorer *scorer, csctrl_model *model, csctrl_dataset *test)
{
    const int64_t batch = scorer->info.batch;
    csctrl_model_info m;
    csctrl_dataset_info d;

    csctrl_model_get_info(model, &m);
    csctrl_dataset_get_info(test, &d);
    const int64_t limit = csctrl_config_int(csctrl_model_config(model), "eval.count");
    *w = (work){.model = model, .test = test, .scorer = scorer, .total = d.count};
    w->count = limit < d.count ? limit : d.count;
    int code = cli_tensor_alloc(&w->x, 4, (const int64_t[]){batch, m.channels, m.size, m.size});
    if (code == CLI_OK)
        code = cli_tensor_alloc(&w->xhat, 4, w->x.shape);
    if (code == CLI_OK)
        code = cli_tensor_alloc(&w->z, 2, (const int64_t[]){batch, m.features});
    return code;
}

static void work_free(work *w)
{
    cli_tensor_free(&w->x);
    cli_tensor_free(&w->xhat);
    cli_tensor_free(&w->z);
}

/* Each image of a batch to the network. */
static int add_images(work *w, const csctrl_tensor *images, int64_t n, cli_features *f)
{
    int code = CLI_OK;

    for (int64_t i = 0; i < n && code == CLI_OK; i++) {
        csctrl_tensor image = cli_tensor_rows(images, i, 1);
        image = csctrl_tensor_view(image.dtype, 3, image.shape + 1, image.data);
        code = cli_scorer_add(w->scorer, &image, f);
    }
    return code;
}

/* The next held-out images, spread over the whole set: `n` of them, 0 at the end; broken ones are
 * passed over, the figures have warned of them. */
static int read_batch(work *w, int64_t *next, int64_t *n)
{
    for (*n = 0; *n < w->x.shape[0] && *next < w->count;) {
        csctrl_tensor image = cli_tensor_rows(&w->x, *n, 1);
        image = csctrl_tensor_view(image.dtype, 3, image.shape + 1, image.data);
        const int64_t index = (*next)++ * w->total / w->count;
        const csctrl_status status = csctrl_dataset_read(w->test, index, &image, NULL);
        if (status != CSCTRL_OK && !cli_is_broken(status))
            return cli_fail_status(status);
        *n += status == CSCTRL_OK;
    }
    return CLI_OK;
}

/* Held-out images themselves, or through the autoencoder. */
static int run_held_out(work *w, bool reconstruct, cli_features *f)
{
    int64_t next = 0, n;
    int code;

    cli_scorer_begin(w->scorer, reconstruct ? "reconstructions" : "held-out images", w->count);
    while ((code = read_batch(w, &next, &n)) == CLI_OK && n > 0) {
        csctrl_tensor x = cli_tensor_rows(&w->x, 0, n), z = cli_tensor_rows(&w->z, 0, n);
        csctrl_tensor xhat = cli_tensor_rows(&w->xhat, 0, n);
        csctrl_status status = CSCTRL_OK;
        if (reconstruct)
            status = csctrl_model_encode(w->model, &x, &z);
        if (reconstruct && status == CSCTRL_OK)
            status = csctrl_model_decode(w->model, &z, &xhat);
        code = status == CSCTRL_OK ? add_images(w, reconstruct ? &xhat : &x, n, f)
                                   : cli_fail_status(status);
        if (code != CLI_OK)
            return code;
    }
    return code == CLI_OK ? cli_scorer_end(w->scorer, f) : code;
}

/* Features drawn from the subspaces of the training features: all at once, since classes take
 * turns. */
static int draw(const work *w, csctrl_dataset *train, int64_t count, csctrl_tensor *samples,
                int *components)
{
    const csctrl_config *config = csctrl_model_config(w->model);
    csctrl_subspaces *subspaces = NULL;
    csctrl_tensor z = {.data = NULL};
    int64_t *labels = NULL;
    csctrl_dataset_info d;

    csctrl_dataset_get_info(train, &d);
    *components = (int)csctrl_config_int(config, "eval.components");
    int code = cli_tensor_alloc(samples, 2, (const int64_t[]){count, w->z.shape[1]});
    if (code != CLI_OK)
        return code;
    csctrl_status status = csctrl_model_encode_dataset(
        w->model, train, csctrl_config_int(config, "eval.fit_count"), &z, &labels);
    if (status == CSCTRL_OK)
        status = csctrl_subspaces_fit(&subspaces, &z, labels, d.classes, *components);
    if (status == CSCTRL_OK)
        status = csctrl_subspaces_sample(subspaces, -1, SAMPLE_SEED, samples);
    csctrl_subspaces_destroy(&subspaces);
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

static int run_samples(work *w, csctrl_dataset *train, int64_t count, int *components,
                       cli_features *f)
{
    csctrl_tensor samples = {.data = NULL};
    int code = draw(w, train, count, &samples, components);

    cli_scorer_begin(w->scorer, "samples", count);
    for (int64_t i = 0; i < count && code == CLI_OK; i += w->x.shape[0]) {
        const int64_t n = count - i < w->x.shape[0] ? count - i : w->x.shape[0];
        csctrl_tensor z = cli_tensor_rows(&samples, i, n), xhat = cli_tensor_rows(&w->xhat, 0, n);
        const csctrl_status status = csctrl_model_decode(w->model, &z, &xhat);
        code = status == CSCTRL_OK ? add_images(w, &xhat, n, f) : cli_fail_status(status);
    }
    cli_tensor_free(&samples);
    return code == CLI_OK ? cli_scorer_end(w->scorer, f) : code;
}

int cli_generation_compute(cli_generation *g, cli_scorer *scorer, csctrl_model *model,
                           csctrl_dataset *train, csctrl_dataset *test)
{
    const bool pinned = scorer->info.pinned != 0;
    cli_features real = {.moments = NULL}, made = {.moments = NULL};
    work w;

    *g = (cli_generation){.scorer = scorer};
    int code = work_create(&w, scorer, model, test);
    if (code == CLI_OK)
        code = cli_features_create(&real, w.count, true);
    if (code == CLI_OK)
        code = cli_features_create(&made, w.count, true);
    if (code == CLI_OK)
        code = run_held_out(&w, false, &real);
    if (code == CLI_OK)
        code = run_held_out(&w, true, &made);
    if (code == CLI_OK)
        code = cli_scores_compute(&g->reconstructed, &made, &real, pinned, true);
    cli_features_free(&made);
    g->held_out = g->samples = real.count;
    g->broken = w.count - real.count;
    if (code == CLI_OK)
        code = cli_features_create(&made, g->samples, true);
    if (code == CLI_OK)
        code = run_samples(&w, train, g->samples, &g->components, &made);
    if (code == CLI_OK)
        code = cli_scores_compute(&g->sampled, &made, &real, pinned, false);
    cli_features_free(&real);
    cli_features_free(&made);
    work_free(&w);
    return code;
}

void cli_generation_print(const cli_generation *g)
{
    printf("reconstructions of %lld held-out image%s, against %s\n", (long long)g->held_out,
           cli_s(g->held_out), g->held_out == 1 ? "this image" : "these images");
    if (g->broken > 0)
        printf("  %lld broken one%s left out\n", (long long)g->broken, cli_s(g->broken));
    cli_scores_print(&g->reconstructed);
    printf("%lld sample%s (%d component%s a class, seed %d), against the %lld held-out image%s\n",
           (long long)g->samples, cli_s(g->samples), g->components, cli_s(g->components),
           SAMPLE_SEED, (long long)g->held_out, cli_s(g->held_out));
    cli_scores_print(&g->sampled);
    printf("  features: %s%s\n", g->scorer->recipe,
           g->scorer->info.pinned ? "" : " (not the weights of FID)");
}

void cli_generation_json(const cli_generation *g, json_t *object)
{
    json_object_set_new(object, "reconstructions",
                        json_pack("{s:s, s:I, s:I, s:o}", "reference",
                                  "the held-out images themselves", "images",
                                  (json_int_t)g->held_out, "broken", (json_int_t)g->broken,
                                  "scores", cli_scores_json(&g->reconstructed)));
    json_object_set_new(object, "samples",
                        json_pack("{s:s, s:I, s:I, s:i, s:i, s:o}", "reference", "held-out images",
                                  "reference_images", (json_int_t)g->held_out, "images",
                                  (json_int_t)g->samples, "components", g->components, "seed",
                                  SAMPLE_SEED, "scores", cli_scores_json(&g->sampled)));
    json_object_set_new(object, "inception", cli_scores_recipe(g->scorer));
}
