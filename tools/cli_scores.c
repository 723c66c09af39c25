/* cli_scores.c - which scores there are, with which settings, and what they are called. */
#include "cli_scores.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_json.h"

/* As torch-fidelity has them, but for the neighbours, which are those of Naeem et al. */
enum { SUBSETS = 100, SUBSET_SIZE = 1000, SEED = 2020, SPLITS = 10, NEIGHBOURS = 5 };

void cli_scores_add(cli_scores *scores, const char *key, double value, double deviation, int digits,
                    const char *label, ...)
{
    cli_score_item *s = &scores->items[scores->count];
    va_list arguments;

    if (scores->count == CLI_SCORES_MAX)
        return;
    scores->count++;
    *s = (cli_score_item){.key = key, .value = value, .deviation = deviation, .digits = digits};
    va_start(arguments, label);
    vsnprintf(s->label, sizeof s->label, label, arguments);
    va_end(arguments);
}

static bool recipe_known(const cli_features *f)
{
    csctrl_moments_info info;

    csctrl_moments_get_info(f->moments, &info);
    return info.recipe[0] != '\0';
}

/* An FID only where it is known how the features of either side were made. */
static csctrl_status add_frechet(cli_scores *scores, const cli_features *a, const cli_features *b,
                                 bool pinned, bool reconstructions)
{
    const bool known = recipe_known(a) && recipe_known(b);
    const char *name = !known            ? "Frechet distance of the statistics"
                       : !pinned         ? "Frechet distance, unpinned weights"
                       : reconstructions ? "rFID"
                                         : "FID";
    const char *key = !known            ? "frechet_distance_of_statistics"
                      : !pinned         ? "frechet_distance_unpinned"
                      : reconstructions ? "rfid"
                                        : "fid";
    double distance = 0;
    const csctrl_status status = csctrl_frechet_distance(a->moments, b->moments, &distance);

    if (status == CSCTRL_OK)
        cli_scores_add(scores, key, distance, NAN, 4, "%s", name);
    return status;
}

static csctrl_status add_kernel(cli_scores *scores, const cli_features *a, const cli_features *b,
                                bool pinned)
{
    const char *name = pinned ? "KID" : "kernel distance, unpinned weights";
    csctrl_kernel_distance k;

    if (a->count < 2 || b->count < 2)
        return CSCTRL_OK;
    const csctrl_status status =
        csctrl_kernel_distance_compute(&a->features, &b->features, SUBSETS, SUBSET_SIZE, SEED, &k);
    if (status != CSCTRL_OK)
        return status;
    cli_scores_add(scores, pinned ? "kid" : "kernel_distance_unpinned", k.mean, k.deviation, 6,
                   "%s, %d subsets of %lld", name, k.subsets, (long long)k.subset_size);
    cli_scores_add(scores, pinned ? "kid_all" : "kernel_distance_all_unpinned", k.all, NAN, 6,
                   "%s, all images", name);
    return status;
}

static csctrl_status add_inception_score(cli_scores *scores, const cli_features *a, bool pinned)
{
    const int splits = a->count < SPLITS ? 1 : SPLITS;
    double mean, deviation;
    const csctrl_status status =
        csctrl_inception_score(&a->logits, splits, SEED, &mean, &deviation);

    if (status == CSCTRL_OK)
        cli_scores_add(scores, pinned ? "inception_score" : "inception_score_unpinned", mean,
                       deviation, 4, "Inception score%s, %d split%s",
                       pinned ? "" : ", unpinned weights", splits, splits == 1 ? "" : "s");
    return status;
}

static csctrl_status add_manifold(cli_scores *scores, const cli_features *a, const cli_features *b)
{
    csctrl_manifold m;

    if (a->count <= NEIGHBOURS || b->count <= NEIGHBOURS)
        return CSCTRL_OK;
    const csctrl_status status =
        csctrl_manifold_compute(&a->features, &b->features, NEIGHBOURS, &m);
    if (status != CSCTRL_OK)
        return status;
    cli_scores_add(scores, "precision", m.precision, NAN, 4, "precision, %d neighbours",
                   NEIGHBOURS);
    cli_scores_add(scores, "recall", m.recall, NAN, 4, "recall");
    cli_scores_add(scores, "density", m.density, NAN, 4, "density");
    cli_scores_add(scores, "coverage", m.coverage, NAN, 4, "coverage");
    return status;
}

int cli_scores_compute(cli_scores *scores, const cli_features *a, const cli_features *b,
                       bool pinned, bool reconstructions)
{
    csctrl_status status = add_frechet(scores, a, b, pinned, reconstructions);

    if (status == CSCTRL_OK && a->features.data != NULL && b->features.data != NULL)
        status = add_kernel(scores, a, b, pinned);
    if (status == CSCTRL_OK && a->logits.data != NULL)
        status = add_inception_score(scores, a, pinned);
    if (status == CSCTRL_OK && a->features.data != NULL && b->features.data != NULL)
        status = add_manifold(scores, a, b);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

void cli_scores_warn_few(const char *what, int64_t images)
{
    if (images > 0 && images < CLI_FEW_IMAGES)
        fprintf(stderr,
                "csctrl: warning: %s: %lld image%s, fewer than the %d features: the covariance has "
                "no full rank and Frechet distances are biased; compare only equal numbers\n",
                what, (long long)images, cli_s(images), CLI_FEW_IMAGES);
}

void cli_scores_print(const cli_scores *scores)
{
    for (int i = 0; i < scores->count; i++) {
        const cli_score_item *s = &scores->items[i];
        printf("  %-56s %10.*f", s->label, s->digits, s->value);
        if (!isnan(s->deviation))
            printf(" +- %.*f", s->digits, s->deviation);
        printf("\n");
    }
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_scores_json(const cli_scores *scores)
{
    json_t *object = json_object();
    char key[64];

    for (int i = 0; i < scores->count; i++) {
        const cli_score_item *s = &scores->items[i];
        json_object_set_new(object, s->key, number(s->value));
        snprintf(key, sizeof key, "%s_deviation", s->key);
        if (!isnan(s->deviation))
            json_object_set_new(object, key, number(s->deviation));
    }
    return object;
}

json_t *cli_scores_recipe(const cli_scorer *scorer)
{
    return json_pack("{s:s, s:o, s:o, s:b, s:s, s:i, s:i, s:i, s:i, s:i}", "program",
                     csctrl_version(), "features", cli_json_text(scorer->recipe), "weights",
                     cli_json_text(scorer->info.source), "weights_pinned", scorer->info.pinned,
                     "resize",
                     scorer->resize == CSCTRL_RESIZE_CLEAN
                         ? "clean: Pillow bicubic in float to 299 x 299, (x - 128) / 128"
                         : "pytorch: bilinear to 299 x 299, 2 x / 255 - 1",
                     "kernel_subsets", SUBSETS, "kernel_subset_size", SUBSET_SIZE, "seed", SEED,
                     "inception_score_splits", SPLITS, "neighbours", NEIGHBOURS);
}

int cli_scores_write_json(json_t *object, const char *path)
{
    char *dumped = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    char *text = dumped != NULL ? cli_format("%s\n", dumped) : NULL;
    int code = CLI_OK;

    if (text == NULL)
        code = cli_fail_memory();
    else if (path != NULL)
        code = cli_write_atomic(path, text, strlen(text));
    else
        (void)fputs(text, stdout); /* main.c looks at what became of it */
    free(text);
    free(dumped);
    json_decref(object);
    return code;
}
