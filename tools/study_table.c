/* study_table.c - the results of a study as table.md and table.json. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_json.h"
#include "study.h"

int study_table_init(study_table *table, const study_column *columns, int count)
{
    *table = (study_table){.columns = columns, .column_count = count, .rows = json_array()};
    return table->rows != NULL ? CLI_OK : cli_fail_memory();
}

void study_table_free(study_table *table)
{
    json_decref(table->rows);
    json_decref(table->summary);
    table->rows = table->summary = NULL;
}

json_t *study_row(json_t *rows)
{
    json_t *row = json_object();

    return json_array_append_new(rows, row) == 0 ? row : NULL;
}

void study_text(json_t *row, const char *key, const char *text)
{
    json_object_set_new(row, key, cli_json_text(text));
}

void study_integer(json_t *row, const char *key, int64_t value)
{
    json_object_set_new(row, key, json_integer(value));
}

void study_real(json_t *row, const char *key, double value)
{
    json_object_set_new(row, key, isfinite(value) ? json_real(value) : json_null());
}

/* ---------------------------------------------------------------- settings */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* What differs from the defaults and says something about the result on any machine. */
static json_t *settings_of(const csctrl_config *config)
{
    static const char *const local[] = {
        "threads",          "isa", "device", "tune", "data.prefetch", "data.loader_threads",
        "train.tensorboard"};
    json_t *settings = json_object();
    const csctrl_option *o;

    for (size_t i = 0; (o = csctrl_option_at(i)) != NULL; i++) {
        const char *text = csctrl_config_text(config, o->key);
        bool told = strncmp(o->key, "parallel.", 9) != 0 &&
                    (strcmp(text, o->default_text) != 0 || strcmp(o->key, "train.batches") == 0 ||
                     strcmp(o->key, "train.batch") == 0);
        for (size_t k = 0; k < sizeof local / sizeof local[0]; k++)
            told = told && strcmp(o->key, local[k]) != 0;
        if (told && strstr(o->key, "path") != NULL)
            text = last_part(text);
        if (told)
            json_object_set_new(settings, o->key, cli_json_text(text));
    }
    return settings;
}

/* ---------------------------------------------------------------- writing */

static void print_cell(FILE *file, const json_t *value, int digits)
{
    if (json_is_integer(value))
        fprintf(file, " %lld |", (long long)json_integer_value(value));
    else if (json_is_real(value))
        fprintf(file, " %.*f |", digits, cli_plain_zero(json_real_value(value), digits));
    else
        fprintf(file, " %s |", json_is_string(value) ? json_string_value(value) : "-");
}

static void print_rows(FILE *file, const study_table *table, const json_t *rows)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        fputs("|", file);
        for (int c = 0; c < table->column_count; c++)
            print_cell(file, json_object_get(row, table->columns[c].key), table->columns[c].digits);
        fputs("\n", file);
    }
}

static void print_markdown(FILE *file, const study *s, const study_table *table, json_t *settings)
{
    const char *key;
    json_t *value;

    fprintf(file, "# Study %s\n\n%s\n\n|", s->kind->name, s->kind->question);
    for (int c = 0; c < table->column_count; c++)
        fprintf(file, " %s |", table->columns[c].title);
    fputs("\n|", file);
    for (int c = 0; c < table->column_count; c++)
        fputs(" --- |", file);
    fputs("\n", file);
    print_rows(file, table, table->rows);
    print_rows(file, table, table->summary);
    fprintf(file,
            "\n%s\n\n![%s](picture.png)\n\n*%s*\n\nSettings of every run, where the table "
            "says nothing else:",
            table->figures, s->kind->name, table->caption);
    json_object_foreach(settings, key, value)
    {
        fprintf(file, " `%s: %s`", key, json_string_value(value));
    }
    fprintf(file, ". All others are the defaults of csctrl %s.\n", csctrl_version());
}

static void print_json(FILE *file, const study *s, const study_table *table, json_t *settings)
{
    json_t *columns = json_array();

    for (int c = 0; c < table->column_count; c++)
        json_array_append_new(columns, json_pack("{s:s, s:s}", "key", table->columns[c].key,
                                                 "title", table->columns[c].title));
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:o, s:O, s:O?}", "study", s->kind->name,
                  "csctrl", csctrl_version(), "question", s->kind->question, "figures",
                  table->figures, "caption", table->caption, "settings", settings, "columns",
                  columns, "rows", table->rows, "summary", table->summary);
    if (root != NULL)
        json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputs("\n", file);
    json_decref(root);
}

static int write_file(const study *s, const study_table *table, const char *name,
                      void (*print)(FILE *, const study *, const study_table *, json_t *))
{
    char *path = cli_format("%s/%s", s->dir, name), *text = NULL;
    size_t size = 0;
    FILE *memory = path != NULL ? open_memstream(&text, &size) : NULL;
    bool whole = memory != NULL;

    if (memory != NULL) {
        json_t *settings = settings_of(s->config);
        print(memory, s, table, settings);
        json_decref(settings);
        whole = ferror(memory) == 0;
        whole = fclose(memory) == 0 && whole;
    }
    const int code = whole ? cli_write_atomic(path, text, size) : cli_fail_memory();
    free(text);
    free(path);
    return code;
}

static void say_done(const study *s)
{
    if (s->progress->mode == CLI_PROGRESS_JSON) {
        json_t *object = json_pack("{s:s, s:s, s:o}", "event", "finished", "study", s->kind->name,
                                   "directory", cli_json_text(s->dir));
        if (object != NULL)
            json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(object);
    } else if (s->progress->mode != CLI_PROGRESS_QUIET) {
        printf("table    %s/table.md  (and table.json)\npicture  %s/picture.png\n", s->dir, s->dir);
    }
    fflush(stdout);
}

int study_finish(study *s, study_table *table)
{
    int code = write_file(s, table, "table.json", print_json);

    if (code == CLI_OK)
        code = write_file(s, table, "table.md", print_markdown);
    if (code == CLI_OK)
        say_done(s);
    study_table_free(table);
    return code;
}

/* ---------------------------------------------------------------- a row a run */

static const study_column run_columns[] = {
    {"run", "run", 0},
    {"what", "what differs", 0},
    {"parameters", "parameters", 0},
    {"batch", "batch, images", 0},
    {"batches", "batches", 0},
    {"psnr", "PSNR, dB", 2},
    {"ssim", "SSIM", 3},
    {"cosine", "cosine", 3},
    {"accuracy", "accuracy", 3},
    {"seconds", "training, s (this machine)", 1},
    {"images_per_second", "images/s (this machine)", 0},
};

enum { RUN_COLUMN_COUNT = sizeof run_columns / sizeof run_columns[0] };

static void fill_row(json_t *row, const study_run *run)
{
    study_text(row, "run", run->label);
    study_text(row, "what", run->what);
    study_integer(row, "parameters", run->info.parameters);
    study_integer(row, "batch", csctrl_config_int(run->config, "train.batch"));
    study_integer(row, "batches", csctrl_config_int(run->config, "train.batches"));
    study_real(row, "psnr", run->figures.psnr);
    study_real(row, "ssim", run->figures.ssim);
    study_real(row, "cosine", run->figures.cosine);
    study_real(row, "accuracy", run->figures.accuracy);
    study_real(row, "seconds", run->seconds);
    study_real(row, "images_per_second", run->rate);
}

int study_finish_runs(study *s, const char *caption)
{
    char figures[512];
    study_table table;
    int code = study_table_init(&table, run_columns, RUN_COLUMN_COUNT);

    if (code != CLI_OK)
        return code;
    for (int i = 0; i < s->count; i++)
        fill_row(study_row(table.rows), &s->runs[i]);
    snprintf(figures, sizeof figures,
             "Figures are of the last checkpoint, in eval mode, on %lld held-out images, none of "
             "which was trained on; cosine is that of Z and f(g(Z)), accuracy that of the nearest "
             "subspace, fitted on features of training images. Seconds are those of the training "
             "steps alone.",
             (long long)s->runs[0].figures.images);
    table.figures = figures;
    table.caption = caption;
    return study_finish(s, &table);
}
