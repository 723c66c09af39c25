/* cli_images.c - tensors of the program: allocation, rows, images from files. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int cli_tensor_alloc(csctrl_tensor *tensor, int ndim, const int64_t *shape)
{
    *tensor = csctrl_tensor_view(CSCTRL_F32, ndim, shape, NULL);
    const int64_t count = csctrl_tensor_count(tensor);
    tensor->data = calloc(count > 0 ? (size_t)count : 1, sizeof(float));
    return tensor->data != NULL ? CLI_OK : cli_fail_memory();
}

void cli_tensor_free(csctrl_tensor *tensor)
{
    free(tensor->data);
    tensor->data = NULL;
}

csctrl_tensor cli_tensor_rows(const csctrl_tensor *tensor, int64_t first, int64_t count)
{
    csctrl_tensor rows = *tensor;
    int64_t row = 1;

    for (int i = 1; i < tensor->ndim; i++)
        row *= tensor->shape[i];
    rows.shape[0] = count;
    rows.data = (char *)tensor->data + (size_t)(first * row) * csctrl_dtype_size(tensor->dtype);
    return rows;
}

bool cli_is_broken(csctrl_status status)
{
    return status == CSCTRL_E_FORMAT || status == CSCTRL_E_UNSUPPORTED || status == CSCTRL_E_IO ||
           status == CSCTRL_E_NOT_FOUND;
}

static int read_image(const char *path, csctrl_tensor *image)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return cli_fail(CLI_USAGE, "%s is a directory: expected image files, such as %s%s*.png",
                        path, path, path[strlen(path) - 1] == '/' ? "" : "/");
    const csctrl_status status = csctrl_image_read(path, image);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}

int cli_images_read(csctrl_tensor *x, const csctrl_model_info *info, char *const *paths,
                    int64_t count)
{
    const int64_t shape[] = {count, info->channels, info->size, info->size};
    int code = cli_tensor_alloc(x, 4, shape);

    for (int64_t i = 0; i < count && code == CLI_OK; i++) {
        csctrl_tensor image = cli_tensor_rows(x, i, 1);
        image = csctrl_tensor_view(CSCTRL_F32, 3, shape + 1, image.data);
        code = read_image(paths[i], &image);
    }
    if (code != CLI_OK)
        cli_tensor_free(x);
    return code;
}
