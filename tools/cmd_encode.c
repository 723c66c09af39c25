/* cmd_encode.c - csctrl encode RUN IMAGE... -o codes.npy: z = f(x). */
#include <stdio.h>

#include "commands.h"

static int encode_all(csctrl_model *model, int batch, char *const *paths, int64_t count,
                      const csctrl_tensor *z)
{
    csctrl_model_info info;
    int code = CLI_OK;

    csctrl_model_get_info(model, &info);
    for (int64_t i = 0; i < count && code == CLI_OK; i += batch) {
        const int64_t n = count - i < batch ? count - i : batch;
        csctrl_tensor x, rows = cli_tensor_rows(z, i, n);
        code = cli_images_read(&x, &info, paths + i, n);
        if (code != CLI_OK)
            break;
        const csctrl_status status = csctrl_model_encode(model, &x, &rows);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        cli_tensor_free(&x);
    }
    return code;
}

static int run_encode(const cli_args *args)
{
    const char *out = cli_value(args, "out");
    const int64_t count = args->count - 1;
    csctrl_model *model = NULL;
    csctrl_model_info info;
    csctrl_tensor z = {.data = NULL};
    int batch = 0;

    if (out == NULL)
        return cli_fail(CLI_USAGE, "encode: expected -o FILE for the codes");
    int code = cli_model_open(&model, &batch, args->operands[0], NULL, count, args);
    if (code == CLI_OK)
        code = cli_check_out_file(out, cli_given(args, "force"));
    if (code == CLI_OK) {
        csctrl_model_get_info(model, &info);
        code = cli_tensor_alloc(&z, 2, (const int64_t[]){count, info.features});
    }
    if (code == CLI_OK)
        code = encode_all(model, batch, args->operands + 1, count, &z);
    if (code == CLI_OK) {
        const csctrl_status status = csctrl_npy_write(out, &z);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        else
            printf("%s  %lld code%s of %d feature%s\n", out, (long long)count, cli_s(count),
                   info.features, cli_s(info.features));
    }
    cli_tensor_free(&z);
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "FILE", "NumPy file to write"},
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_encode = {
    .name = "encode",
    .operands = "RUN IMAGE...",
    .required = "-o FILE",
    .least = 2,
    .most = -1,
    .summary = "Features of images as a NumPy file",
    .details = "Writes float32[images, features], rows of length 1, in the order given.",
    .examples = "  csctrl encode runs/cifar10-1 cat.jpg dog.png -o codes.npy\n",
    .options = options,
    .run = run_encode,
};
