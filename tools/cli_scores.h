/* cli_scores.h - scores of one set of images against another: computed, printed, as JSON. */
#ifndef CLI_SCORES_H
#define CLI_SCORES_H

#include <jansson.h>

#include "cli_scorer.h"

enum { CLI_SCORES_MAX = 16, CLI_FEW_IMAGES = 2048 };

typedef struct cli_score_item {
    const char *key; /* in JSON */
    char label[96];
    double value, deviation; /* deviation NAN: none */
    int digits;
} cli_score_item;

typedef struct cli_scores {
    cli_score_item items[CLI_SCORES_MAX];
    int count;
} cli_scores;

void cli_scores_add(cli_scores *scores, const char *key, double value, double deviation, int digits,
                    const char *label, ...) CLI_PRINTF(6, 7);

/* Of features: a is judged, b the reference. Only the Frechet distance where either has no features
 * kept. Called FID, KID and Inception score only when `pinned`, FID also only where the recipes of
 * both are known; rFID when a are `reconstructions` of b. */
int cli_scores_compute(cli_scores *scores, const cli_features *a, const cli_features *b,
                       bool pinned, bool reconstructions);

/* Warn of a covariance that is of no full rank. */
void cli_scores_warn_few(const char *what, int64_t images);

void cli_scores_print(const cli_scores *scores);
json_t *cli_scores_json(const cli_scores *scores);

/* Everything that the scores depend on besides the images. */
json_t *cli_scores_recipe(const cli_scorer *scorer);

/* To a file or, without one, to the standard output. Takes `object`. */
int cli_scores_write_json(json_t *object, const char *path);

#endif
