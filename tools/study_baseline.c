/* study_baseline.c - the study baseline: sparse coding layers against a generic pair of networks,
 * with equal parameters and in equal time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_training.h"
#include "study.h"

enum { QUARTERS = 4, WIDTH_MOST = 1 << 16, WARM_UP = 2, PROBE_STEPS = 100, CTRL_WIDTH = 64 };

static const double probe_seconds = 5;
static const char ctrl_rate[] = "0.00015"; /* of both players in CTRL */

/* The config's layers with widths w, 2 w, 4 w, ..., where 4 w = `quarters`; kernels, strides and
 * the number of features stay. Owned. */
static char *layers_of(const char *layers, int64_t quarters)
{
    char *text = cli_format("%s", "");
    double width = (double)quarters / QUARTERS;

    while (text != NULL && layers[strspn(layers, " ")] != '\0') {
        char *rest = NULL;
        long long atoms = strtoll(layers, &rest, 10);
        const size_t length = strcspn(rest, " ");
        if (rest[length + strspn(rest + length, " ")] != '\0') /* not the last one */
            atoms = llround(width) > 0 ? llround(width) : 1;
        char *longer =
            cli_format("%s%s%lld%.*s", text, text[0] != '\0' ? " " : "", atoms, (int)length, rest);
        free(text);
        text = longer;
        width *= 2;
        layers = rest + length;
    }
    return text;
}

static int count_parameters(const csctrl_config *config, int64_t *parameters)
{
    csctrl_model *model = NULL;
    csctrl_model_info info;
    const csctrl_status status = csctrl_model_create(&model, config, 1);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_model_get_info(model, &info);
    *parameters = info.parameters;
    csctrl_model_destroy(&model);
    return CLI_OK;
}

static int set_width(const study *s, study_run *run, int64_t quarters, int64_t *parameters)
{
    char *layers = layers_of(csctrl_config_text(s->config, "model.layers"), quarters);
    int code = layers != NULL ? study_set(run, "model.layers", "%s", layers) : cli_fail_memory();

    free(layers);
    return code == CLI_OK ? count_parameters(run->config, parameters) : code;
}

/* The width with which a generic pair comes nearest to as many parameters as `wanted`. */
static int find_width(const study *s, study_run *run, int64_t wanted, int64_t *quarters)
{
    int64_t low = QUARTERS, high = QUARTERS, below = 0, above = 0;
    int code = set_width(s, run, high, &above);

    below = above;
    while (code == CLI_OK && above < wanted && high < WIDTH_MOST) {
        low = high;
        below = above;
        high *= 2;
        code = set_width(s, run, high, &above);
    }
    while (code == CLI_OK && high - low > 1) {
        const int64_t middle = (low + high) / 2;
        int64_t found = 0;
        code = set_width(s, run, middle, &found);
        if (found < wanted) {
            low = middle;
            below = found;
        } else {
            high = middle;
            above = found;
        }
    }
    *quarters = wanted - below < above - wanted ? low : high;
    return code;
}

/* `rates` NULL: those of the config. */
static int add_generic(study *s, const char *label, const char *what, const char *rates,
                       study_run **run)
{
    int code = study_add(s, label, what, run);

    if (code == CLI_OK)
        code = study_set(*run, "model.arch", "generic");
    if (code == CLI_OK && rates != NULL)
        code = study_set(*run, "optim.encoder_lr", "%s", rates);
    if (code == CLI_OK && rates != NULL)
        code = study_set(*run, "optim.decoder_lr", "%s", rates);
    return code;
}

static int add_at_width(study *s, const char *label, const char *what, const char *rates,
                        int64_t quarters, bool timed)
{
    study_run *run;
    int64_t parameters = 0;
    int code = add_generic(s, label, what, rates, &run);

    if (code == CLI_OK) {
        run->timed = timed;
        code = set_width(s, run, quarters, &parameters);
    }
    return code;
}

static int plan_baseline(study *s)
{
    study_run *run;
    int64_t wanted = 0, quarters = 0;
    int code = study_add(s, "csc", "as CONFIG says", &run);

    if (code == CLI_OK)
        code = study_set(run, "model.arch", "csc");
    if (code == CLI_OK)
        code = count_parameters(run->config, &wanted);
    if (code == CLI_OK)
        code = add_generic(s, "generic-parameters",
                           "generic, about as many parameters, as many batches", ctrl_rate, &run);
    if (code == CLI_OK)
        code = find_width(s, run, wanted, &quarters);
    if (code == CLI_OK) /* the search ended beside it, or at it */
        code = set_width(s, run, quarters, &wanted);
    if (code == CLI_OK)
        code = add_at_width(s, "generic-rates", "the same with csc's learning rates", NULL,
                            quarters, false);
    if (code == CLI_OK)
        code = add_at_width(s, "generic-time", "about as many parameters, as many seconds",
                            ctrl_rate, quarters, true);
    if (code == CLI_OK)
        code = add_at_width(s, "generic-wide", "CTRL's widths 64, 128, ..., as many seconds",
                            ctrl_rate, (int64_t)CTRL_WIDTH * QUARTERS, true);
    return code;
}

/* Images a second of a few steps that are thrown away. */
static int probe(const study *s, const study_run *run, double *rate)
{
    const double batch = (double)csctrl_config_int(run->config, "train.batch");
    csctrl_trainer *trainer = NULL;
    csctrl_status status = csctrl_trainer_create(&trainer, run->config, NULL);
    double seconds = 0;
    int steps = 0;

    for (int i = 0; status == CSCTRL_OK && i < PROBE_STEPS && seconds < probe_seconds; i++) {
        csctrl_progress progress;
        if (cli_signals_caught())
            break;
        status = csctrl_trainer_step(trainer, &progress);
        if (status == CSCTRL_OK && i >= WARM_UP && progress.images_per_second > 0) {
            seconds += batch / progress.images_per_second;
            steps++;
        }
    }
    csctrl_trainer_destroy(&trainer);
    if (status != CSCTRL_OK)
        return cli_fail_status_at(status, run->label);
    if (cli_signals_caught())
        return study_interrupted(s);
    *rate = (double)steps * batch / seconds;
    return CLI_OK;
}

/* As many batches as take the seconds that csc's training took. */
static int time_run(study *s, study_run *run)
{
    const double batch = (double)csctrl_config_int(run->config, "train.batch");
    study_metrics csc;
    double rate = 0;
    int code = study_metrics_read(&csc, s, &s->runs[0]);

    if (code != CLI_OK)
        return code;
    const double wanted = csc.seconds;
    study_metrics_free(&csc);
    code = probe(s, run, &rate);
    if (code != CLI_OK)
        return code;
    const double batches = fmin(fmax(round(wanted * rate / batch), 1), 1e9);
    return study_set(run, "train.batches", "%.0f", batches);
}

static int measure_baseline(study *s)
{
    int code = study_open_test(s);

    if (code == CLI_OK)
        code = study_evaluate(s);
    if (code == CLI_OK)
        code = study_gallery(s);
    return code == CLI_OK
               ? study_finish_runs(s, "First row: held-out images. Below, the regenerations, a row "
                                      "a run, in the order of the table.")
               : code;
}

const study_kind study_baseline = {
    .name = "baseline",
    .question =
        "What do sparse coding layers bring over ordinary ones? The generic architecture is CTRL's "
        "pair of networks, with the config's kernels, strides, features, objective and game, "
        "widths "
        "w, 2 w, 4 w, ... and CTRL's learning rate 1.5e-4 for both players. Equal seconds: as many "
        "batches as a measurement of the speed, just before, says.",
    .batches = 1000,
    .varies = "model.arch",
    .plan = plan_baseline,
    .time = time_run,
    .measure = measure_baseline,
};
