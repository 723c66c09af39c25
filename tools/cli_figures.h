/* cli_figures.h - the figures of a model as a table or JSON. */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#include "cli_scorer.h"

typedef enum cli_figures_form {
    CLI_FIGURES_TABLE,
    CLI_FIGURES_JSON,
    CLI_FIGURES_JSON_LINE /* one line with "event": "figures" */
} cli_figures_form;

/* One row of the table: where the figure is in csctrl_figures, a double, and how it is called. */
typedef struct cli_figure {
    const char *key, *label, *unit;
    size_t offset;
    int digits;
} cli_figure;

/* All of them in their order; NULL past the last. */
const cli_figure *cli_figure_at(size_t index);
double cli_figure_value(const csctrl_figures *figures, const cli_figure *figure);

/* Evaluate on the data of the model's config. `run` is what the user called it. With a scorer (may
 * be NULL) reconstructions and samples are scored as well. All is saved as JSON in `save` (may be
 * NULL). */
int cli_figures_print(csctrl_model *model, const char *run, cli_figures_form form,
                      cli_scorer *scorer, const char *save);

#endif
