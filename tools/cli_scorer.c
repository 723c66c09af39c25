/* cli_scorer.c - fills batches of images, runs the network, and keeps what comes out. */
#define _POSIX_C_SOURCE 200809L
#include "cli_scorer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli_progress.h"

static const double redraw_seconds = 0.5;

static int choose_resize(cli_scorer *s, const cli_args *args)
{
    const char *text = cli_value(args, "resize");

    s->resize = CSCTRL_RESIZE_CLEAN;
    if (text != NULL && strcmp(text, "pytorch") == 0)
        s->resize = CSCTRL_RESIZE_PYTORCH;
    else if (text != NULL && strcmp(text, "clean") != 0)
        return cli_fail(CLI_USAGE, "%s: --resize: expected clean or pytorch, found '%s'",
                        args->command->name, text);
    return CLI_OK;
}

static int find_threads(const csctrl_config *config, const cli_args *args, int *threads)
{
    csctrl_config *own = NULL;
    const int code = config != NULL ? CLI_OK : cli_config_load(&own, NULL, args);

    if (code == CLI_OK)
        *threads = (int)csctrl_config_int(config != NULL ? config : own, "threads");
    csctrl_config_destroy(&own);
    return code;
}

static int make_room(cli_scorer *s)
{
    const int64_t batch = s->info.batch, side = CSCTRL_INCEPTION_SIDE;
    int code = cli_tensor_alloc(&s->input, 4, (const int64_t[]){batch, 3, side, side});

    if (code == CLI_OK)
        code =
            cli_tensor_alloc(&s->features, 2, (const int64_t[]){batch, CSCTRL_INCEPTION_FEATURES});
    if (code == CLI_OK)
        code = cli_tensor_alloc(&s->logits, 2, (const int64_t[]){batch, CSCTRL_INCEPTION_CLASSES});
    return code;
}

int cli_scorer_asked(const cli_args *args, bool *asked)
{
    *asked = cli_value(args, "inception") != NULL;
    if (!*asked && cli_value(args, "resize") != NULL)
        return cli_fail(CLI_USAGE,
                        "%s: --resize is for the images that --inception FILE is given; add that "
                        "or leave --resize out",
                        args->command->name);
    return CLI_OK;
}

int cli_scorer_open(cli_scorer *scorer, const csctrl_config *config, const cli_args *args)
{
    cli_scorer *s = scorer;
    int threads = 0;

    *s = (cli_scorer){.network = NULL};
    int code = choose_resize(s, args);
    if (code == CLI_OK && cli_value(args, "inception") == NULL)
        code = cli_fail(CLI_USAGE,
                        "%s: expected --inception FILE, the weights; see docs/evaluation.md",
                        args->command->name);
    if (code == CLI_OK)
        code = find_threads(config, args, &threads);
    if (code != CLI_OK)
        return code;
    const csctrl_status status =
        csctrl_inception_create(&s->network, cli_value(args, "inception"), threads);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_inception_get_info(s->network, &s->info);
    snprintf(s->recipe, sizeof s->recipe, "Inception 2015, weights %s, resize %s", s->info.source,
             s->resize == CSCTRL_RESIZE_CLEAN ? "clean" : "pytorch");
    return make_room(s);
}

void cli_scorer_close(cli_scorer *scorer)
{
    csctrl_inception_destroy(&scorer->network);
    cli_tensor_free(&scorer->input);
    cli_tensor_free(&scorer->features);
    cli_tensor_free(&scorer->logits);
}

int cli_features_create(cli_features *features, int64_t capacity, bool keep)
{
    *features = (cli_features){.moments = NULL};
    const csctrl_status status =
        csctrl_moments_create(&features->moments, CSCTRL_INCEPTION_FEATURES);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    if (!keep)
        return CLI_OK;
    int code = cli_tensor_alloc(&features->features, 2,
                                (const int64_t[]){capacity, CSCTRL_INCEPTION_FEATURES});
    if (code == CLI_OK)
        code = cli_tensor_alloc(&features->logits, 2,
                                (const int64_t[]){capacity, CSCTRL_INCEPTION_CLASSES});
    features->features.shape[0] = features->logits.shape[0] = 0;
    return code;
}

void cli_features_free(cli_features *features)
{
    csctrl_moments_destroy(&features->moments);
    cli_tensor_free(&features->features);
    cli_tensor_free(&features->logits);
}

void cli_scorer_begin(cli_scorer *scorer, const char *what, int64_t total)
{
    scorer->what = what;
    scorer->total = total;
    scorer->done = scorer->filled = 0;
    scorer->began = scorer->shown = cli_now();
}

static void show(cli_scorer *s)
{
    const double t = cli_now(), seconds = t - s->began;
    char left[32];

    if (!isatty(STDERR_FILENO) || t - s->shown < redraw_seconds || s->done == 0)
        return;
    s->shown = t;
    const double rate = (double)s->done / seconds;
    cli_time_text((double)(s->total - s->done) / rate, left);
    fprintf(stderr, "\r%s: %lld of %lld images  %.1f images/s  %s left\033[K", s->what,
            (long long)s->done, (long long)s->total, rate, left);
    fflush(stderr);
}

/* Rows behind those that are there. */
static void append(csctrl_tensor *to, const csctrl_tensor *rows)
{
    const size_t row = (size_t)to->shape[1] * sizeof(float);

    if (to->data == NULL)
        return;
    memcpy((char *)to->data + (size_t)to->shape[0] * row, rows->data, (size_t)rows->shape[0] * row);
    to->shape[0] += rows->shape[0];
}

static int run_batch(cli_scorer *s, cli_features *f)
{
    csctrl_tensor input = cli_tensor_rows(&s->input, 0, s->filled);
    csctrl_tensor features = cli_tensor_rows(&s->features, 0, s->filled);
    csctrl_tensor logits = cli_tensor_rows(&s->logits, 0, s->filled);
    csctrl_status status = csctrl_inception_run(s->network, &input, &features,
                                                f->logits.data != NULL ? &logits : NULL);

    if (status == CSCTRL_OK)
        status = csctrl_moments_add(f->moments, &features);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    append(&f->features, &features);
    append(&f->logits, &logits);
    f->count += s->filled;
    s->done += s->filled;
    s->filled = 0;
    show(s);
    return CLI_OK;
}

int cli_scorer_add(cli_scorer *scorer, const csctrl_tensor *image, cli_features *features)
{
    csctrl_tensor slot = cli_tensor_rows(&scorer->input, scorer->filled, 1);

    slot = csctrl_tensor_view(slot.dtype, 3, slot.shape + 1, slot.data);
    const csctrl_status status = csctrl_inception_prepare(image, scorer->resize, &slot);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    scorer->filled++;
    return scorer->filled < scorer->info.batch ? CLI_OK : run_batch(scorer, features);
}

int cli_scorer_end(cli_scorer *scorer, cli_features *features)
{
    const int code = scorer->filled > 0 ? run_batch(scorer, features) : CLI_OK;

    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    csctrl_moments_set_recipe(features->moments, scorer->recipe);
    return code;
}

int cli_scorer_run(cli_scorer *scorer, const csctrl_image_set *set, const char *path,
                   cli_features *features)
{
    const int64_t count = csctrl_image_set_count(set);
    int code = CLI_OK;

    cli_scorer_begin(scorer, path, count);
    for (int64_t i = 0; i < count && code == CLI_OK; i++) {
        csctrl_tensor image;
        const csctrl_status status = csctrl_image_set_read(set, i, &image);
        if (status == CSCTRL_OK) {
            code = cli_scorer_add(scorer, &image, features);
        } else if (cli_is_broken(status)) {
            features->broken++;
            scorer->total--;
            cli_warn_left_out();
        } else {
            code = cli_fail_status(status);
        }
        csctrl_npy_free(&image);
    }
    if (code == CLI_OK)
        code = cli_scorer_end(scorer, features);
    if (code == CLI_OK && features->count == 0)
        code = cli_fail(CLI_USAGE, "%s: none of its %lld images could be read", path,
                        (long long)count);
    return code;
}
