/* cmd_decode.c - csctrl decode RUN codes.npy -o DIR: x = g(z). */
#include <math.h>
#include <stdio.h>

#include "commands.h"

static double element(const csctrl_tensor *tensor, int64_t index)
{
    return tensor->dtype == CSCTRL_F64 ? ((const double *)tensor->data)[index]
                                       : (double)((const float *)tensor->data)[index];
}

static void shape_text(const csctrl_tensor *tensor, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "[");

    for (int i = 0; i < tensor->ndim && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? ", " : "",
                              (long long)tensor->shape[i]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

/* Codes as f32[n, d], from float32 or float64 of shape [n, d] or [d]. */
static int convert(csctrl_tensor *z, const csctrl_tensor *raw, int features, const char *path)
{
    const int64_t d = raw->ndim > 0 ? raw->shape[raw->ndim - 1] : 0;
    const int64_t n = raw->ndim == 2 ? raw->shape[0] : 1;

    if (raw->dtype != CSCTRL_F32 && raw->dtype != CSCTRL_F64)
        return cli_fail(CLI_USAGE, "%s: expected float32 or float64 codes, found %s", path,
                        csctrl_dtype_name(raw->dtype));
    if (raw->ndim < 1 || raw->ndim > 2 || d != features || n < 1) {
        char found[96];
        shape_text(raw, found, sizeof found);
        return cli_fail(CLI_USAGE, "%s: expected an array of shape [n, %d], found %s", path,
                        features, found);
    }
    if (cli_tensor_alloc(z, 2, (const int64_t[]){n, d}) != CLI_OK)
        return CLI_MACHINE;
    for (int64_t i = 0; i < n * d; i++) {
        const float value = (float)element(raw, i);
        if (!isfinite(value))
            return cli_fail(CLI_USAGE, "%s: the code in row %lld, column %lld is not finite", path,
                            (long long)(i / d), (long long)(i % d));
        ((float *)z->data)[i] = value;
    }
    return CLI_OK;
}

static int write_images(const csctrl_tensor *x, int64_t first, const char *dir)
{
    int code = CLI_OK;

    for (int64_t i = 0; i < x->shape[0] && code == CLI_OK; i++) {
        const csctrl_tensor row = cli_tensor_rows(x, i, 1);
        const csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, x->shape + 1, row.data);
        char path[4096];
        const int n = snprintf(path, sizeof path, "%s/%06lld.png", dir, (long long)(first + i));
        if (n < 0 || (size_t)n >= sizeof path)
            return cli_fail(CLI_USAGE, "path too long: %s", dir);
        const csctrl_status status = csctrl_image_write(path, &image);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    return code;
}

static int decode_all(csctrl_model *model, int batch, const csctrl_tensor *z, const char *dir)
{
    const int64_t count = z->shape[0];
    csctrl_model_info info;
    csctrl_tensor x;

    csctrl_model_get_info(model, &info);
    int code =
        cli_tensor_alloc(&x, 4, (const int64_t[]){batch, info.channels, info.size, info.size});
    for (int64_t i = 0; i < count && code == CLI_OK; i += batch) {
        const int64_t n = count - i < batch ? count - i : batch;
        const csctrl_tensor rows = cli_tensor_rows(z, i, n);
        csctrl_tensor images = cli_tensor_rows(&x, 0, n);
        const csctrl_status status = csctrl_model_decode(model, &rows, &images);
        code = status == CSCTRL_OK ? write_images(&images, i, dir) : cli_fail_status(status);
    }
    cli_tensor_free(&x);
    return code;
}

static int decode_file(csctrl_model *model, int batch, const char *dir, const cli_args *args)
{
    const char *path = args->operands[1];
    const size_t existing = cli_existing_part(dir);
    csctrl_tensor raw = {.data = NULL}, z = {.data = NULL};
    csctrl_model_info info;
    const csctrl_status status = csctrl_npy_read(path, &raw);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_model_get_info(model, &info);
    int code = convert(&z, &raw, info.features, path);
    csctrl_npy_free(&raw);
    if (code == CLI_OK)
        code = cli_check_out_dir(dir, cli_given(args, "force"));
    if (code == CLI_OK)
        code = decode_all(model, batch, &z, dir);
    if (code != CLI_OK)
        cli_remove_made(dir, existing);
    else
        printf("%s  %lld image%s of %d x %d\n", dir, (long long)z.shape[0], cli_s(z.shape[0]),
               info.size, info.size);
    cli_tensor_free(&z);
    return code;
}

static int run_decode(const cli_args *args)
{
    const char *dir = cli_value(args, "out");
    csctrl_model *model = NULL;
    int batch = 0;

    if (dir == NULL)
        return cli_fail(CLI_USAGE, "decode: expected -o DIR for the images");
    int code = cli_model_open(&model, &batch, args->operands[0], NULL, 0, args);
    if (code == CLI_OK)
        code = decode_file(model, batch, dir, args);
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "DIR", "where the images go, new or empty"},
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_decode = {
    .name = "decode",
    .operands = "RUN FILE",
    .required = "-o DIR",
    .least = 2,
    .most = 2,
    .summary = "Images from a NumPy file of features",
    .details = "FILE holds float32 or float64 [n, features]; writes 000000.png, 000001.png ...",
    .examples = "  csctrl decode runs/cifar10-1 codes.npy -o pictures\n",
    .options = options,
    .run = run_decode,
};
