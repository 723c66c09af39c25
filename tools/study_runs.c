/* study_runs.c - the studies whose runs differ in one setting: steps, tied, batch-size. */
#include <math.h>
#include <stdio.h>

#include "study.h"

/* Everything measured on the runs alone. */
static int measure_runs(study *s)
{
    char caption[256];
    size_t n = (size_t)snprintf(caption, sizeof caption,
                                "First row: held-out images. Below, the regenerations by");
    int code = study_open_test(s);

    for (int i = 0; i < s->count && n < sizeof caption; i++)
        n += (size_t)snprintf(caption + n, sizeof caption - n, "%s %s", i > 0 ? "," : "",
                              s->runs[i].label);
    if (n < sizeof caption)
        snprintf(caption + n, sizeof caption - n, ".");
    if (code == CLI_OK)
        code = study_evaluate(s);
    if (code == CLI_OK)
        code = study_gallery(s);
    return code == CLI_OK ? study_finish_runs(s, caption) : code;
}

static int plan_steps(study *s)
{
    static const int steps[] = {1, 2, 4, 8};
    int code = CLI_OK;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && code == CLI_OK; i++) {
        char label[STUDY_LABEL_MAX], what[32];
        study_run *run;
        snprintf(label, sizeof label, "steps-%d", steps[i]);
        snprintf(what, sizeof what, "T = %d", steps[i]);
        code = study_add(s, label, what, &run);
        if (code == CLI_OK)
            code = study_set(run, "model.steps", "%d", steps[i]);
    }
    return code;
}

static int plan_tied(study *s)
{
    study_run *run;
    int code = study_add(s, "tied", "the decoder has the encoder's dictionaries", &run);

    if (code == CLI_OK)
        code = study_set(run, "model.tied", "true");
    if (code == CLI_OK)
        code = study_add(s, "untied", "the decoder has dictionaries of its own", &run);
    return code == CLI_OK ? study_set(run, "model.tied", "false") : code;
}

/* As many batches of the new size as show the same number of images; at least one. */
static int64_t scaled(int64_t batches, double share)
{
    const int64_t n = llround((double)batches / share);
    return n > 0 ? n : 1;
}

/* `share`: the batch as a share of the config's. What counts batches keeps its number of images. */
static int set_batch(study_run *run, const csctrl_config *base, int batch, double share)
{
    static const char *const counted[] = {"train.batches",       "train.eval_every",
                                          "train.picture_every", "train.checkpoint_every",
                                          "train.log_every",     "optim.warmup"};
    static const char *const rates[] = {"optim.encoder_lr", "optim.decoder_lr"};
    int code = study_set(run, "train.batch", "%d", batch);

    for (size_t i = 0; i < sizeof counted / sizeof counted[0] && code == CLI_OK; i++) {
        const int64_t n = csctrl_config_int(base, counted[i]);
        if (n > 0) /* 0 is off */
            code = study_set(run, counted[i], "%lld", (long long)scaled(n, share));
    }
    for (size_t i = 0; i < sizeof rates / sizeof rates[0] && code == CLI_OK; i++)
        code = study_set(run, rates[i], "%.9g", csctrl_config_real(base, rates[i]) * sqrt(share));
    const double ema = csctrl_config_real(base, "optim.ema");
    if (code == CLI_OK && ema > 0)
        code = study_set(run, "optim.ema", "%.9g", fmin(pow(ema, share), 0.999999));
    return code;
}

static const int sizes[] = {16, 64, 256, 1024};

/* Told before the first run is trained, not after the third. */
static int expect_images(const study *s, int64_t least)
{
    csctrl_dataset *data = NULL;
    csctrl_dataset_info info;
    const csctrl_status status = csctrl_dataset_open(&data, s->config, CSCTRL_SPLIT_TRAIN);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_dataset_get_info(data, &info);
    csctrl_dataset_close(&data);
    if (info.count >= least)
        return CLI_OK;
    return cli_fail(CLI_USAGE,
                    "study batch-size: expected at least %lld training images, a batch of the last "
                    "run, found %lld; take a larger data set",
                    (long long)least, (long long)info.count);
}

static int plan_batch_size(study *s)
{
    const double usual = (double)csctrl_config_int(s->config, "train.batch");
    int code = expect_images(s, sizes[sizeof sizes / sizeof sizes[0] - 1]);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && code == CLI_OK; i++) {
        char label[STUDY_LABEL_MAX], what[64];
        study_run *run;
        const double share = sizes[i] / usual;
        snprintf(label, sizeof label, "batch-%d", sizes[i]);
        snprintf(what, sizeof what, "learning rates times %.3g", sqrt(share));
        code = study_add(s, label, what, &run);
        if (code == CLI_OK)
            code = set_batch(run, s->config, sizes[i], share);
    }
    return code;
}

const study_kind study_steps = {
    .name = "steps",
    .question = "What do more unrolled FISTA steps in every layer of the encoder bring, and what "
                "do they cost? Runs that differ in `model.steps` alone.",
    .batches = 1000,
    .varies = "model.steps",
    .plan = plan_steps,
    .measure = measure_runs,
};

const study_kind study_tied = {
    .name = "tied",
    .question = "Does the decoder need dictionaries of its own? Runs that differ in `model.tied` "
                "alone; a shared dictionary is counted once.",
    .batches = 1000,
    .varies = "model.tied",
    .plan = plan_tied,
    .measure = measure_runs,
};

const study_kind study_batch_size = {
    .name = "batch-size",
    .question = "Does the game need large batches? Runs over an equal number of images. Learning "
                "rates are the config's times the square root of the batch over the config's "
                "batch; warm-up and the average of weights count images, not batches.",
    .batches = 1000,
    .plan = plan_batch_size,
    .measure = measure_runs,
};
