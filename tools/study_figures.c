/* study_figures.c - what the trained runs of a study do with images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_training.h"
#include "study.h"

enum { PICTURE_SIDE = 64 }; /* smaller images are enlarged to about this */

int study_open_test(study *s)
{
    const csctrl_status status = csctrl_dataset_open(&s->test, s->config, CSCTRL_SPLIT_TEST);

    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

int study_load(study *s, const study_run *run, const char *override, csctrl_model **model)
{
    const int batch = (int)csctrl_config_int(s->config, "eval.batch");
    char *path = study_run_path(s, run);

    if (cli_signals_caught()) {
        free(path);
        return study_interrupted(s);
    }
    if (path == NULL)
        return cli_fail_memory();
    const csctrl_status status =
        csctrl_model_load(model, path, &override, override != NULL ? 1 : 0, batch);
    free(path);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status_at(status, run->label);
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
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status_at(status, run->label);
}

int study_evaluate(study *s)
{
    const bool note = isatty(STDERR_FILENO);
    int code = CLI_OK;

    for (int i = 0; i < s->count && code == CLI_OK; i++) {
        if (note)
            fprintf(stderr, "\r\033[Kcomputing the figures of run %d/%d %s ...", i + 1, s->count,
                    s->runs[i].label);
        code = evaluate_run(s, &s->runs[i]);
    }
    if (note)
        fprintf(stderr, "\r\033[K");
    return code;
}

int study_images(csctrl_dataset *data, int64_t count, csctrl_tensor *x)
{
    csctrl_dataset_info info;

    csctrl_dataset_get_info(data, &info);
    if (count > info.count)
        count = info.count;
    const int64_t shape[] = {count, info.channels, info.size, info.size};
    const int code = cli_tensor_alloc(x, 4, shape);
    for (int64_t i = 0; i < count && code == CLI_OK; i++) {
        const csctrl_tensor row = cli_tensor_rows(x, i, 1);
        csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, shape + 1, row.data);
        const csctrl_status status =
            csctrl_dataset_read(data, i * info.count / count, &image, NULL);
        if (status != CSCTRL_OK) {
            cli_tensor_free(x);
            return cli_fail_status(status);
        }
    }
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
