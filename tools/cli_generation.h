/* cli_generation.h - what a model makes, scored through the Inception network: reconstructions and
 * samples, apart. */
#ifndef CLI_GENERATION_H
#define CLI_GENERATION_H

#include "cli_scores.h"

typedef struct cli_generation {
    const cli_scorer *scorer;
    int64_t held_out, samples; /* images of each */
    int64_t broken;            /* held-out images left out */
    int components;            /* of the subspaces that samples are drawn from */
    cli_scores reconstructed, sampled;
} cli_generation;

/* Both against the same held-out images (at most eval.count), as many samples as these. */
int cli_generation_compute(cli_generation *g, cli_scorer *scorer, csctrl_model *model,
                           csctrl_dataset *train, csctrl_dataset *test);

void cli_generation_print(const cli_generation *g);

/* Into the object of the figures. */
void cli_generation_json(const cli_generation *g, json_t *object);

#endif
