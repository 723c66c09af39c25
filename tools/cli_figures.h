/* cli_figures.h - the figures of a model as a table or JSON. */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#include "cli_scorer.h"

typedef enum cli_figures_form {
    CLI_FIGURES_TABLE,
    CLI_FIGURES_JSON,
    CLI_FIGURES_JSON_LINE /* one line with "event": "figures" */
} cli_figures_form;

/* Evaluate on the data of the model's config. `run` is what the user called it. With a scorer (may
 * be NULL) reconstructions and samples are scored as well. All is saved as JSON in `save` (may be
 * NULL). */
int cli_figures_print(csctrl_model *model, const char *run, cli_figures_form form,
                      cli_scorer *scorer, const char *save);

#endif
