/* cmd_sample.c - csctrl sample RUN -n N -o grid.png: draws from each class's subspace. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "commands.h"

enum { SAMPLES_MAX = 10000, GRID_SIDE = 64, CLASS_COLUMNS_MAX = 20 };

typedef struct request {
    int64_t count, seed;
    int label;   /* -1: all classes in turn */
    int classes; /* of the data */
} request;

/* --class K|NAME; names go first, so that folders called "0", "1", "10" mean themselves. */
static int find_class(const cli_args *args, const csctrl_dataset *data, request *r)
{
    const char *text = cli_value(args, "class");
    char *end = NULL;

    r->label = -1;
    if (text == NULL)
        return CLI_OK;
    for (int i = 0; i < r->classes; i++) {
        if (strcmp(csctrl_dataset_class_name(data, i), text) == 0) {
            r->label = i;
            return CLI_OK;
        }
    }
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < 0 || number >= r->classes)
        return cli_fail(CLI_USAGE,
                        "sample: --class: expected a class name or a number from 0 to %d, found "
                        "'%s'; see csctrl data info",
                        r->classes - 1, text);
    r->label = (int)number;
    return CLI_OK;
}

/* Fit the subspaces on training features. */
static int fit(csctrl_subspaces **subspaces, csctrl_model *model, csctrl_dataset *data, int classes)
{
    const csctrl_config *config = csctrl_model_config(model);
    const int64_t wanted = csctrl_config_int(config, "eval.components");
    csctrl_tensor z = {.data = NULL};
    int64_t *labels = NULL;
    csctrl_status status = csctrl_model_encode_dataset(
        model, data, csctrl_config_int(config, "eval.fit_count"), &z, &labels);

    if (status == CSCTRL_OK)
        status = csctrl_subspaces_fit(subspaces, &z, labels, classes,
                                      (int)(wanted < z.shape[1] ? wanted : z.shape[1]));
    csctrl_npy_free(&z);
    csctrl_labels_free(&labels);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

/* Classes in turn: one class a column; otherwise about square. */
static int grid_columns(const request *r)
{
    if (r->label < 0 && r->classes > 1 && r->classes <= CLASS_COLUMNS_MAX && r->count >= r->classes)
        return r->classes;
    return (int)ceil(sqrt((double)r->count));
}

static int draw(csctrl_model *model, const csctrl_subspaces *subspaces, const request *r,
                const char *out)
{
    csctrl_model_info info;
    csctrl_tensor z = {.data = NULL}, x = {.data = NULL};

    csctrl_model_get_info(model, &info);
    int code = cli_tensor_alloc(&z, 2, (const int64_t[]){r->count, info.features});
    if (code == CLI_OK)
        code = cli_tensor_alloc(&x, 4,
                                (const int64_t[]){r->count, info.channels, info.size, info.size});
    if (code == CLI_OK) {
        csctrl_status status = csctrl_subspaces_sample(subspaces, r->label, (uint64_t)r->seed, &z);
        if (status == CSCTRL_OK)
            status = csctrl_model_decode(model, &z, &x);
        if (status == CSCTRL_OK)
            status = csctrl_image_write_grid(out, &x, grid_columns(r),
                                             info.size < GRID_SIDE ? GRID_SIDE / info.size : 1);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        else
            printf("%s  %lld sample%s\n", out, (long long)r->count, cli_s(r->count));
    }
    cli_tensor_free(&z);
    cli_tensor_free(&x);
    return code;
}

static int sample(csctrl_model *model, request *r, const char *out, const cli_args *args)
{
    csctrl_dataset *data = NULL;
    csctrl_subspaces *subspaces = NULL;
    csctrl_dataset_info facts;
    const csctrl_status status =
        csctrl_dataset_open(&data, csctrl_model_config(model), CSCTRL_SPLIT_TRAIN);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_dataset_get_info(data, &facts);
    r->classes = facts.classes;
    int code = find_class(args, data, r);
    if (code == CLI_OK)
        code = fit(&subspaces, model, data, r->classes);
    if (code == CLI_OK)
        code = draw(model, subspaces, r, out);
    csctrl_subspaces_destroy(&subspaces);
    csctrl_dataset_close(&data);
    return code;
}

static int run_sample(const cli_args *args)
{
    const char *out = cli_value(args, "out");
    request r = {.count = 0};
    csctrl_model *model = NULL;
    int batch = 0;

    if (out == NULL)
        return cli_fail(CLI_USAGE, "sample: expected -o FILE for the picture");
    const size_t length = strlen(out);
    if (length < 4 || strcasecmp(out + length - 4, ".png") != 0)
        return cli_fail(CLI_USAGE, "sample: --out: expected a name that ends in .png, found '%s'",
                        out);
    if (!cli_given(args, "count"))
        return cli_fail(CLI_USAGE, "sample: expected -n N, the number of samples");
    int code = cli_integer(args, "count", 1, SAMPLES_MAX, &r.count);
    if (code == CLI_OK)
        code = cli_integer(args, "seed", 0, INT64_MAX, &r.seed);
    if (code == CLI_OK)
        code = cli_model_open(&model, &batch, args->operands[0], cli_value(args, "data"), 0, args);
    if (code == CLI_OK)
        code = cli_check_out_file(out, cli_given(args, "force"));
    if (code == CLI_OK)
        code = cli_expect_held_out(args->operands[0], csctrl_model_config(model));
    if (code == CLI_OK)
        code = sample(model, &r, out, args);
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    {"count", 'n', "N", "number of samples"},
    {"out", 'o', "FILE", "PNG to write"},
    {"class", 'c', "CLASS", "only this class, by number or name (default all in turn)"},
    {"seed", 's', "S", "same seed, same samples (default 0)"},
    {"data", 'd', "PATH", "training images elsewhere (folder or archive)"},
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_sample = {
    .name = "sample",
    .operands = "RUN",
    .required = "-n N -o FILE",
    .least = 1,
    .most = 1,
    .summary = "New images, drawn from each class's subspace",
    .details = "A Gaussian in the principal subspace of each class, fitted on the features of the\n"
               "training images (which must be there), decoded into one picture.",
    .examples = "  csctrl sample runs/fashion-mnist-1 -n 100 -o grid.png\n"
                "  csctrl sample runs/fashion-mnist-1 -n 16 --class 3 --seed 7 -o three.png\n",
    .options = options,
    .run = run_sample,
};
