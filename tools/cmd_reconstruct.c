/* cmd_reconstruct.c - csctrl reconstruct RUN IMAGE... -o DIR: g(f(x)) beside x. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"

enum { PAIR_SIDE = 128 }; /* small images are enlarged to about this in the side-by-side picture */

/* Output names without ".png" and "-pair.png", one an input, all distinct. */
static void free_stems(char **stems, int count)
{
    for (int i = 0; stems != NULL && i < count; i++)
        free(stems[i]);
    free(stems);
}

static bool is_pair_of(const char *a, const char *b)
{
    const size_t n = strlen(b);
    return strncmp(a, b, n) == 0 && strcmp(a + n, "-pair") == 0;
}

static bool collides(char *const *stems, int count, const char *stem)
{
    for (int i = 0; i < count; i++)
        if (strcmp(stems[i], stem) == 0 || is_pair_of(stems[i], stem) || is_pair_of(stem, stems[i]))
            return true;
    return false;
}

static char **make_stems(char *const *paths, int count)
{
    char **stems = calloc((size_t)count, sizeof *stems);

    for (int i = 0; stems != NULL && i < count; i++) {
        char *stem = cli_stem(paths[i]);
        char *name = stem != NULL ? cli_format("%s", stem) : NULL;
        for (int n = 2; name != NULL && collides(stems, i, name); n++) {
            free(name);
            name = cli_format("%s-%d", stem, n);
        }
        free(stem);
        stems[i] = name;
        if (name == NULL) {
            free_stems(stems, count);
            return NULL;
        }
    }
    return stems;
}

/* Whether `path` is one of the files `inputs`. */
static bool is_among(const struct stat *inputs, int count, const char *path)
{
    struct stat out;
    bool found = false;

    if (stat(path, &out) != 0)
        return false;
    for (int i = 0; i < count && !found; i++)
        found = inputs[i].st_ino == out.st_ino && inputs[i].st_dev == out.st_dev;
    return found;
}

/* No regeneration replaces one of the images; --force is no leave for that. */
static int spare_inputs(char *const *paths, char *const *stems, int count, const char *dir)
{
    struct stat *inputs = calloc((size_t)count, sizeof *inputs);
    int code = inputs != NULL ? CLI_OK : cli_fail_memory();

    for (int i = 0; i < count && code == CLI_OK; i++)
        (void)stat(paths[i], &inputs[i]); /* all 0 is no file; reading it says what is wrong */
    for (int i = 0; i < 2 * count && code == CLI_OK; i++) {
        char *path = cli_format("%s/%s%s.png", dir, stems[i / 2], i % 2 == 1 ? "-pair" : "");
        if (path == NULL)
            code = cli_fail_memory();
        else if (is_among(inputs, count, path))
            code = cli_fail(CLI_USAGE,
                            "reconstruct: %s is one of the images and would be replaced; choose "
                            "another -o DIR",
                            path);
        free(path);
    }
    free(inputs);
    return code;
}

static csctrl_tensor image_of(const csctrl_tensor *batch, int64_t index)
{
    const csctrl_tensor row = cli_tensor_rows(batch, index, 1);
    return csctrl_tensor_view(row.dtype, row.ndim - 1, row.shape + 1, row.data);
}

static csctrl_status write_pair(const char *path, const csctrl_tensor *x, const csctrl_tensor *xhat)
{
    const int64_t shape[] = {2, x->shape[0], x->shape[1], x->shape[2]};
    const size_t bytes = (size_t)csctrl_tensor_count(x) * sizeof(float);
    const int side = (int)x->shape[2];
    csctrl_tensor pair;

    if (cli_tensor_alloc(&pair, 4, shape) != CLI_OK)
        return CSCTRL_E_NOMEM;
    memcpy(pair.data, x->data, bytes);
    memcpy((char *)pair.data + bytes, xhat->data, bytes);
    const csctrl_status status =
        csctrl_image_write_grid(path, &pair, 2, side < PAIR_SIDE ? PAIR_SIDE / side : 1);
    cli_tensor_free(&pair);
    return status;
}

/* Write both pictures of one image and report its PSNR; adds to `list` when that is not NULL. */
static int write_image(const char *dir, const char *stem, const char *input, const csctrl_tensor *x,
                       const csctrl_tensor *xhat, double psnr, json_t *list)
{
    char *path = cli_format("%s/%s.png", dir, stem);
    char *pair = cli_format("%s/%s-pair.png", dir, stem);
    int code = CLI_OK;

    if (path == NULL || pair == NULL) {
        code = cli_fail_memory();
    } else {
        csctrl_status status = csctrl_image_write(path, xhat);
        if (status == CSCTRL_OK)
            status = write_pair(pair, x, xhat);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        else if (list == NULL)
            printf("%s  psnr %.2f dB  (side by side: %s)\n", path, psnr, pair);
        else
            json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "image", input, "psnr",
                                                  isfinite(psnr) ? json_real(psnr) : json_null(),
                                                  "regeneration", path, "pair", pair));
    }
    free(path);
    free(pair);
    return code;
}

/* One batch of files through the model. */
static int reconstruct_batch(csctrl_model *model, char *const *paths, char *const *stems, int count,
                             const char *dir, json_t *list)
{
    csctrl_model_info info;
    csctrl_tensor x, xhat = {.data = NULL}, z = {.data = NULL};
    double *psnr = calloc((size_t)count, sizeof *psnr);

    csctrl_model_get_info(model, &info);
    int code = cli_images_read(&x, &info, paths, count);
    if (code == CLI_OK && psnr == NULL)
        code = cli_fail_memory();
    if (code == CLI_OK)
        code = cli_tensor_alloc(&z, 2, (const int64_t[]){count, info.features});
    if (code == CLI_OK)
        code = cli_tensor_alloc(&xhat, 4, x.shape);
    if (code == CLI_OK) {
        csctrl_status status = csctrl_model_encode(model, &x, &z);
        if (status == CSCTRL_OK)
            status = csctrl_model_decode(model, &z, &xhat);
        if (status == CSCTRL_OK)
            status = csctrl_psnr(&x, &xhat, psnr);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    for (int i = 0; i < count && code == CLI_OK; i++) {
        const csctrl_tensor a = image_of(&x, i), b = image_of(&xhat, i);
        code = write_image(dir, stems[i], paths[i], &a, &b, psnr[i], list);
    }
    cli_tensor_free(&x);
    cli_tensor_free(&xhat);
    cli_tensor_free(&z);
    free(psnr);
    return code;
}

static int reconstruct(csctrl_model *model, int batch, const char *dir, const cli_args *args)
{
    char *const *paths = args->operands + 1;
    const int count = args->count - 1;
    const size_t existing = cli_existing_part(dir);
    char **stems = make_stems(paths, count);
    json_t *list = cli_given(args, "json") ? json_array() : NULL;
    int code = stems != NULL ? spare_inputs(paths, stems, count, dir) : cli_fail_memory();

    if (code == CLI_OK)
        code = cli_check_out_dir(dir, cli_given(args, "force"));
    for (int i = 0; i < count && code == CLI_OK; i += batch) {
        const int n = count - i < batch ? count - i : batch;
        code = reconstruct_batch(model, paths + i, stems + i, n, dir, list);
    }
    if (code != CLI_OK)
        cli_remove_made(dir, existing);
    if (list != NULL && code == CLI_OK) {
        json_dumpf(list, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    }
    json_decref(list);
    free_stems(stems, count);
    return code;
}

static int run_reconstruct(const cli_args *args)
{
    const char *dir = cli_value(args, "out");
    csctrl_model *model = NULL;
    int batch = 0;

    if (dir == NULL)
        return cli_fail(CLI_USAGE, "reconstruct: expected -o DIR for the pictures");
    int code = cli_model_open(&model, &batch, args->operands[0], NULL, args->count - 1, args);
    if (code == CLI_OK)
        code = reconstruct(model, batch, dir, args);
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "DIR", "where the pictures go, new or empty"},
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    CLI_OPTION_JSON,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_reconstruct = {
    .name = "reconstruct",
    .operands = "RUN IMAGE...",
    .required = "-o DIR",
    .least = 2,
    .most = -1,
    .summary = "Regenerate images from their features",
    .details = "Writes NAME.png (the regeneration) and NAME-pair.png (input beside it) for every\n"
               "JPEG or PNG; images are cropped to a square and resized to the model's side.",
    .examples = "  csctrl reconstruct runs/cifar10-1 cat.jpg dog.png -o pictures\n"
                "  csctrl reconstruct run noisy.png -o denoised --set model.lambda=0.3\n",
    .options = options,
    .run = run_reconstruct,
};
