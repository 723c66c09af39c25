/* study_figures.c - what the trained runs of a study do with images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_training.h"
#include "study.h"

enum { PICTURE_SIDE = 64 }; /* smaller images are enlarged to about this */

int study_open_test(study *s)
{
    const csctrl_status status = csctrl_dataset_open(&s->test, s->config, CSCTRL_SPLIT_TEST);

    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

/* What of the run's settings matters to a trained model: "key=value", owned, and how many. */
static char **settings_of(const csctrl_config *config, size_t *count)
{
    static const char *const keys[] = {"threads", "isa", "device", "model.", "eval."};
    char **items = calloc(csctrl_option_count() + 1, sizeof *items);
    const csctrl_option *o;

    *count = 0;
    for (size_t i = 0; items != NULL && (o = csctrl_option_at(i)) != NULL; i++) {
        bool wanted = false;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            wanted = wanted || strncmp(o->key, keys[k], strlen(keys[k])) == 0;
        if (wanted)
            items[*count] = cli_format("%s=%s", o->key, csctrl_config_text(config, o->key));
        if (wanted && items[*count] != NULL)
            ++*count;
    }
    return items;
}

int study_load(study *s, const study_run *run, const char *override, csctrl_model **model)
{
    const int batch = (int)csctrl_config_int(run->config, "eval.batch");
    char *path = study_run_path(s, run);
    size_t count = 0;
    char **items = settings_of(run->config, &count);
    int code = path != NULL && items != NULL ? CLI_OK : cli_fail_memory();

    if (code == CLI_OK && cli_signals_caught())
        code = study_interrupted(s);
    if (code == CLI_OK && override != NULL) { /* the last one counts */
        items[count] = cli_format("%s", override);
        code = items[count] != NULL ? CLI_OK : cli_fail_memory();
        count += code == CLI_OK;
    }
    if (code == CLI_OK) {
        const csctrl_status status =
            csctrl_model_load(model, path, (const char *const *)items, count, batch);
        code = status == CSCTRL_OK ? CLI_OK : cli_fail_status_at(status, run->label);
    }
    for (size_t i = 0; items != NULL && i < count; i++)
        free(items[i]);
    free(items);
    free(path);
    return code;
}

static int evaluate_run(study *s, study_run *run)
{
    csctrl_model *model = NULL;
    study_metrics metrics;
    int code = study_metrics_read(&metrics, s, run);

    if (code != CLI_OK)
        return code;
    run->seconds = metrics.seconds;
    run->rate = metrics.rate;
    study_metrics_free(&metrics);
    code = study_load(s, run, NULL, &model);
    if (code != CLI_OK)
        return code;
    csctrl_model_get_info(model, &run->info);
    /* Its own data: the seed decides which images of an undivided set are held out. */
    csctrl_dataset *train = NULL, *test = NULL;
    csctrl_status status = csctrl_dataset_open(&train, run->config, CSCTRL_SPLIT_TRAIN);
    if (status == CSCTRL_OK)
        status = csctrl_dataset_open(&test, run->config, CSCTRL_SPLIT_TEST);
    if (status == CSCTRL_OK)
        status = csctrl_evaluate(model, train, test, &run->figures);
    csctrl_dataset_close(&train);
    csctrl_dataset_close(&test);
    csctrl_model_destroy(&model);
    if (status != CSCTRL_OK)
        return cli_fail_status_at(status, run->label);
    study_say(s, run, "psnr %.2f dB  accuracy %.3f  on %lld held-out images", run->figures.psnr,
              run->figures.accuracy, (long long)run->figures.images);
    return CLI_OK;
}

int study_evaluate(study *s)
{
    int code = CLI_OK;

    for (int i = 0; i < s->count && code == CLI_OK; i++)
        code = evaluate_run(s, &s->runs[i]);
    return code;
}

int study_read(csctrl_dataset *data, int64_t count, int64_t *next, csctrl_tensor *x)
{
    const int64_t room = x->shape[0];
    csctrl_dataset_info info;
    int64_t good = 0;

    csctrl_dataset_get_info(data, &info);
    if (count > info.count)
        count = info.count;
    for (; *next < count && good < room; ++*next) {
        const csctrl_tensor row = cli_tensor_rows(x, good, 1);
        csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, x->shape + 1, row.data);
        const csctrl_status status =
            csctrl_dataset_read(data, *next * info.count / count, &image, NULL);
        if (status == CSCTRL_OK)
            good++;
        else if (!cli_is_broken(status))
            return cli_fail_status(status);
        else
            cli_warn_left_out();
    }
    x->shape[0] = good;
    return CLI_OK;
}

int study_images(csctrl_dataset *data, int64_t count, csctrl_tensor *x)
{
    csctrl_dataset_info info;
    int64_t next = 0;

    csctrl_dataset_get_info(data, &info);
    if (count > info.count)
        count = info.count;
    int code =
        cli_tensor_alloc(x, 4, (const int64_t[]){count, info.channels, info.size, info.size});
    if (code == CLI_OK)
        code = study_read(data, count, &next, x);
    if (code == CLI_OK && x->shape[0] == 0)
        code =
            cli_fail(CLI_USAGE, "study: none of %lld images could be read; see csctrl data verify",
                     (long long)count);
    if (code != CLI_OK)
        cli_tensor_free(x);
    return code;
}

int study_regenerate(csctrl_model *model, const csctrl_tensor *x, csctrl_tensor *xhat)
{
    csctrl_model_info info;
    csctrl_tensor z;

    csctrl_model_get_info(model, &info);
    const int code = cli_tensor_alloc(&z, 2, (const int64_t[]){x->shape[0], info.features});
    if (code != CLI_OK)
        return code;
    csctrl_status status = csctrl_model_encode(model, x, &z);
    if (status == CSCTRL_OK)
        status = csctrl_model_decode(model, &z, xhat);
    cli_tensor_free(&z);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

int study_picture(const study *s, const csctrl_tensor *rows)
{
    const int side = (int)rows->shape[3];
    char *path = cli_format("%s/picture.png", s->dir);

    if (path == NULL)
        return cli_fail_memory();
    const csctrl_status status = csctrl_image_write_grid(
        path, rows, STUDY_COLUMNS, side < PICTURE_SIDE ? PICTURE_SIDE / side : 1);
    free(path);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

int study_gallery(study *s)
{
    csctrl_tensor x = {.data = NULL}, rows = {.data = NULL};
    int code = study_images(s->test, STUDY_COLUMNS, &x);

    if (code != CLI_OK)
        return code;
    const int64_t n = x.shape[0]; /* fewer in a tiny set: the rest of a row stays grey */
    const int64_t shape[] = {(int64_t)(s->count + 1) * STUDY_COLUMNS, x.shape[1], x.shape[2],
                             x.shape[3]};
    code = cli_tensor_alloc(&rows, 4, shape);
    if (code == CLI_OK)
        memcpy(rows.data, x.data, (size_t)csctrl_tensor_count(&x) * sizeof(float));
    for (int i = 0; i < s->count && code == CLI_OK; i++) {
        csctrl_model *model = NULL;
        csctrl_tensor xhat = cli_tensor_rows(&rows, (int64_t)(i + 1) * STUDY_COLUMNS, n);
        code = study_load(s, &s->runs[i], NULL, &model);
        if (code == CLI_OK)
            code = study_regenerate(model, &x, &xhat);
        csctrl_model_destroy(&model);
    }
    if (code == CLI_OK)
        code = study_picture(s, &rows);
    cli_tensor_free(&x);
    cli_tensor_free(&rows);
    return code;
}
