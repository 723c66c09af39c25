/* study_metrics.c - the course of a run out of its metrics.jsonl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_json.h"
#include "study.h"

typedef struct course {
    study_metrics *metrics;
    int64_t batch, lines;
    double seconds; /* of the steps that have a line */
    int64_t capacity;
} course;

static int grow(study_metrics *m, course *c)
{
    if (m->count < c->capacity)
        return CLI_OK;
    c->capacity = c->capacity > 0 ? 2 * c->capacity : 64;
    int64_t *steps = realloc(m->steps, (size_t)c->capacity * sizeof *steps);
    if (steps != NULL)
        m->steps = steps;
    double *psnr = realloc(m->psnr, (size_t)c->capacity * sizeof *psnr);
    if (psnr != NULL)
        m->psnr = psnr;
    return steps != NULL && psnr != NULL ? CLI_OK : cli_fail_memory();
}

static int take_line(void *user, const json_t *object)
{
    course *c = user;
    study_metrics *m = c->metrics;
    const json_t *psnr = json_object_get(object, "psnr");
    const double rate = json_number_value(json_object_get(object, "images_per_second"));
    const int code = psnr != NULL ? grow(m, c) : CLI_OK;

    if (rate > 0) {
        c->lines++;
        c->seconds += (double)c->batch / rate;
    }
    if (psnr != NULL && code == CLI_OK) {
        m->steps[m->count] = json_integer_value(json_object_get(object, "step"));
        m->psnr[m->count++] = json_number_value(psnr);
    }
    return code;
}

/* A line's rate is that of its own step, so time spent on evaluations, on saving and between an
 * interruption and its resumption does not count. */
int study_metrics_read(study_metrics *metrics, const study *s, const study_run *run)
{
    const int64_t batch = csctrl_config_int(run->config, "train.batch");
    const int64_t batches = csctrl_config_int(run->config, "train.batches");
    char *dir = study_run_path(s, run);
    char *path = dir != NULL ? cli_format("%s/metrics.jsonl", dir) : NULL;
    course c = {.metrics = metrics, .batch = batch};

    *metrics = (study_metrics){.count = 0};
    int code = path != NULL ? cli_json_lines(path, take_line, &c) : cli_fail_memory();
    if (code == CLI_OK && c.lines == 0)
        code = cli_fail(CLI_USAGE,
                        "%s: expected lines with images_per_second, found none; remove "
                        "the run to train it again",
                        path);
    if (code == CLI_OK) {
        metrics->rate = (double)(c.lines * batch) / c.seconds;
        metrics->seconds = (double)(batches * batch) / metrics->rate;
    } else {
        study_metrics_free(metrics);
    }
    free(path);
    free(dir);
    return code;
}

void study_metrics_free(study_metrics *metrics)
{
    free(metrics->steps);
    free(metrics->psnr);
    *metrics = (study_metrics){.count = 0};
}
