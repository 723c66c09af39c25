/* cmd_study.c - csctrl study NAME: the runs of a study one after another, then its table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_training.h"
#include "commands.h"
#include "study.h"

static const study_kind *const studies[] = {
    &study_unseen,   &study_noise, &study_batch_size, &study_stability,
    &study_baseline, &study_tied,  &study_steps,
};

enum { STUDY_COUNT = sizeof studies / sizeof studies[0] };

static const study_kind *find_study(const char *name)
{
    for (size_t i = 0; i < STUDY_COUNT; i++)
        if (strcmp(studies[i]->name, name) == 0)
            return studies[i];
    return NULL;
}

static int fail_unknown_study(const cli_args *args)
{
    const char *name = args->operands[0], *names[STUDY_COUNT];
    const int known = (int)strcspn(args->command->operands, " ");

    for (size_t i = 0; i < STUDY_COUNT; i++)
        names[i] = studies[i]->name;
    const char *near = cli_nearest(name, names, STUDY_COUNT);
    if (near != NULL)
        return cli_fail(CLI_USAGE, "study: unknown study '%s'; did you mean '%s'? Known: %.*s",
                        name, near, known, args->command->operands);
    return cli_fail(CLI_USAGE, "study: unknown study '%s'; expected one of %.*s", name, known,
                    args->command->operands);
}

static int play(study *s)
{
    int code = s->kind->plan(s);

    if (code == CLI_OK)
        code = study_save(s);
    for (int i = 0; i < s->count && code == CLI_OK && s->model == NULL; i++) {
        code = study_train(s, i);
        if (code == CLI_OK && cli_signals_caught())
            code = study_interrupted(s);
    }
    return code == CLI_OK ? s->kind->measure(s) : code;
}

static void close_study(study *s)
{
    for (int i = 0; i < s->count; i++) {
        free(s->runs[i].what);
        csctrl_config_destroy(&s->runs[i].config);
    }
    csctrl_dataset_close(&s->test);
    csctrl_config_destroy(&s->config);
    json_decref(s->unseen);
    free(s->model);
    free(s->dir);
}

static int run_study(const cli_args *args)
{
    cli_progress progress;
    cli_signals kept;
    study s = {.kind = find_study(args->operands[0]), .args = args, .progress = &progress};

    if (s.kind == NULL)
        return fail_unknown_study(args);
    if (cli_given(args, "unseen") && s.kind != &study_unseen)
        return cli_fail(CLI_USAGE, "study %s: --unseen belongs to the study unseen; leave it out",
                        s.kind->name);
    int code = cli_progress_init(&progress, args);
    if (code == CLI_OK)
        code = study_open(&s);
    if (code == CLI_OK) {
        cli_signals_watch(&kept);
        csctrl_log_set(cli_progress_message, &progress);
        code = play(&s);
        csctrl_log_set(NULL, NULL);
        cli_signals_unwatch(&kept);
    }
    close_study(&s);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "DIR", "directory of the study (default studies/NAME)"},
    {"unseen", 0, "PATH", "unseen: data of another kind (repeatable; default synthetic)"},
    CLI_OPTION_SET,
    {"quiet", 'q', NULL, "print warnings and errors only"},
    {"log-format", 0, "text|json", "form of the progress (default text)"},
    {NULL, 0, NULL, NULL},
};

const cli_command cli_study = {
    .name = "study",
    .operands = "unseen|noise|batch-size|stability|baseline|tied|steps [CONFIG|RUN]",
    .least = 1,
    .most = 2,
    .summary = "Train several runs that differ in one thing, and compare them",
    .details =
        "  unseen      images of another kind than the training images\n"
        "  noise       noisy images, encoded with more lambda; lambda chosen from the residual\n"
        "  batch-size  batches of 16, 64, 256 and 1024 images, equal number of images\n"
        "  stability   seeds 0, 1, 2: the whole course of a long run\n"
        "  baseline    csc against generic networks, with equal parameters and in equal time\n"
        "  tied        decoder with the encoder's dictionaries or its own\n"
        "  steps       T = 1, 2, 4, 8\n"
        "CONFIG is as in train, by default fashion-mnist; a study has its own train.batches "
        "unless\n"
        "--set gives it. unseen and noise take a RUN or checkpoint instead. Writes table.md,\n"
        "table.json and picture.png into DIR; the runs are run directories in DIR/runs. A study\n"
        "that was stopped (as train is) goes on when it is called again without CONFIG and\n"
        "--set: what is trained is not trained again.",
    .examples = "  csctrl study steps\n"
                "  csctrl study tied cifar10 --set train.batches=500 --out tied-cifar\n"
                "  csctrl study noise runs/fashion-mnist-1\n"
                "  csctrl study unseen --unseen digits/ --unseen cifar-10-batches-bin/\n",
    .options = options,
    .run = run_study,
};
