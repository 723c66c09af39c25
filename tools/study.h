/* study.h - csctrl study: several runs that differ in one thing, their figures in a table and a
 * picture. A study is a row of data (study_kind): what it asks, its runs, what it measures. */
#ifndef STUDY_H
#define STUDY_H

#include <jansson.h>

#include "cli.h"
#include "cli_progress.h"

enum { STUDY_RUNS_MAX = 8, STUDY_COLUMNS = 12, STUDY_LABEL_MAX = 32 };

/* One run of a study: an ordinary run directory, DIR/runs/LABEL. */
typedef struct study_run {
    char label[STUDY_LABEL_MAX];
    char *what;             /* what differs, for the table; owned */
    csctrl_config *config;  /* all settings; owned */
    bool timed;             /* train.batches is found only when its turn comes */
    double seconds, rate;   /* of training, without evaluations; images/s */
    csctrl_model_info info; /* of the trained model; its strings are not valid */
    csctrl_figures figures;
} study_run;

struct study_kind;

typedef struct study {
    const struct study_kind *kind;
    const cli_args *args;
    char *dir;              /* where everything lies; owned */
    csctrl_config *config;  /* the runs' common settings; owned */
    json_t *unseen;         /* paths, as given; owned */
    char *model;            /* a run or checkpoint to take instead of training; owned, or NULL */
    cli_progress *progress; /* how training is shown */
    study_run runs[STUDY_RUNS_MAX];
    int count;
    csctrl_dataset *test; /* of `config`, once study_open_test was called */
} study;

typedef struct study_column {
    const char *key, *title; /* in JSON; in Markdown, with its unit */
    int digits;              /* after the point */
} study_column;

/* What a study found. A row is a JSON object: column's key to text or number. */
typedef struct study_table {
    const study_column *columns;
    int column_count;
    json_t *rows;        /* owned */
    json_t *summary;     /* more rows of the same columns, such as means; owned, or NULL */
    const char *figures; /* a paragraph: on which images, how measured */
    const char *caption; /* of the picture */
} study_table;

typedef struct study_kind {
    const char *name;
    const char *question; /* one paragraph, Markdown */
    int64_t batches;      /* of a run, unless --set train.batches says otherwise */
    const char *varies;   /* the key that its runs differ in and --set may not name; or NULL */
    bool takes_model;     /* one model is all it needs, and may be given */
    /* Fill runs with study_add and study_set. */
    int (*plan)(study *s);
    /* Just before a timed run begins: set its train.batches. NULL when no run is timed. */
    int (*time)(study *s, study_run *run);
    /* All runs are trained: compute, then study_finish. */
    int (*measure)(study *s);
} study_kind;

extern const study_kind study_unseen, study_noise, study_batch_size, study_stability,
    study_baseline, study_tied, study_steps;

/* --- runs (study_train.c) --- */
int study_add(study *s, const char *label, const char *what, study_run **run);
int study_set(study_run *run, const char *key, const char *format, ...) CLI_PRINTF(3, 4);
/* DIR/runs/LABEL, or the given model; owned. */
char *study_run_path(const study *s, const study_run *run);
/* Train run `index` to its end: from the start, from its last checkpoint, or not at all. */
int study_train(study *s, int index);
/* "run 2/4 LABEL  ...", where progress is text. */
void study_say(const study *s, const study_run *run, const char *format, ...) CLI_PRINTF(3, 4);
/* A signal came: how to go on, and the exit code. */
int study_interrupted(const study *s);

/* --- settings (study_setup.c) --- */
/* The folder and its config: new, or that of the same study begun before. Writes nothing. */
int study_open(study *s);
/* Keep both: once the plan stands, so that nothing refused is gone on with. */
int study_save(const study *s);
/* First key in which two configs differ, `but` aside (may be NULL); NULL: in none. */
const char *study_difference(const csctrl_config *a, const csctrl_config *b, const char *but);

/* --- figures (study_figures.c) --- */
int study_open_test(study *s);
int study_load(study *s, const study_run *run, const char *override, csctrl_model **model);
/* Every run's figures on the held-out images, parameters and time. */
int study_evaluate(study *s);
/* Of `count` images, evenly spaced over the data set, those from number *next on that x
 * f32[n, c, size, size] has room for. Broken ones are left out, each with a warning; x->shape[0]
 * says how many there are. */
int study_read(csctrl_dataset *data, int64_t count, int64_t *next, csctrl_tensor *x);
/* All of them, x allocated; there is at least one. */
int study_images(csctrl_dataset *data, int64_t count, csctrl_tensor *x);
/* g(f(x)); both allocated by the caller. */
int study_regenerate(csctrl_model *model, const csctrl_tensor *x, csctrl_tensor *xhat);
/* Rows of STUDY_COLUMNS images to DIR/picture.png. */
int study_picture(const study *s, const csctrl_tensor *rows);
/* Held-out images, then a row of regenerations for each run; all runs hold out the same ones. */
int study_gallery(study *s);

/* --- the course of a run (study_metrics.c) --- */
typedef struct study_metrics {
    double seconds, rate; /* of training; images/s */
    int64_t count;        /* evaluations */
    int64_t *steps;       /* owned */
    double *psnr;         /* dB; owned */
} study_metrics;
int study_metrics_read(study_metrics *metrics, const study *s, const study_run *run);
void study_metrics_free(study_metrics *metrics);

/* --- tables (study_table.c) --- */
int study_table_init(study_table *table, const study_column *columns, int count);
json_t *study_row(json_t *rows); /* a new last row; borrowed, NULL without memory */
void study_text(json_t *row, const char *key, const char *text);
void study_integer(json_t *row, const char *key, int64_t value);
void study_real(json_t *row, const char *key, double value);
/* DIR/table.json and DIR/table.md; says where they are. Frees the table. */
int study_finish(study *s, study_table *table);
void study_table_free(study_table *table);
/* The table of a study whose rows are its runs. */
int study_finish_runs(study *s, const char *caption);

/* --- a line plot (study_plot.c) --- */
typedef struct study_line {
    const int64_t *x;
    const double *y;
    int64_t count;
} study_line;
/* Curves into a PNG; x from 0 to `most`, y from `low` to `high` with a grey line every `grid`. */
int study_plot(const char *path, const study_line *lines, int count, int64_t most, double low,
               double high, double grid);

/* --- the choice of lambda (study_discrepancy.c) --- */
/* Discrepancy principle: the first of `count` residuals, in order of lambda, that reaches the
 * noise's level; the last one where none does. */
int study_choose(const double *residuals, int count, double sigma);

#endif
