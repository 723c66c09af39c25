/* monitor.c - held-out images beside their regenerations. */
#include "train/monitor.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "csctrl/eval.h"
#include "csctrl/image.h"

enum { COLUMNS = 10, PICTURE_SIDE = 64 };

static const double ALL_BUT_SAME = 0.99; /* mean cosine of two images' features */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_shapes(ct_monitor *monitor, const csctrl_config *config, const ct_arch *arch,
                       int64_t available)
{
    const int64_t n = smaller(csctrl_config_int(config, "train.eval_images"), available);

    monitor->count = n;
    monitor->pictures = smaller(csctrl_config_int(config, "train.pictures"), n);
    monitor->x = monitor->xhat = CT_SHAPE(CSCTRL_F32, n, arch->channels, arch->size, arch->size);
    monitor->z = monitor->zhat = CT_SHAPE(CSCTRL_F32, n, arch->features);
    monitor->pairs =
        CT_SHAPE(CSCTRL_F32, 2 * ((monitor->pictures + COLUMNS - 1) / COLUMNS) * COLUMNS,
                 arch->channels, arch->size, arch->size);
}

size_t ct_monitor_memory(const csctrl_config *config, const ct_arch *arch, int64_t available)
{
    ct_monitor m = {0};

    set_shapes(&m, config, arch, available);
    return 2 * ct_tensor_bytes(&m.x) + 2 * ct_tensor_bytes(&m.z) + ct_tensor_bytes(&m.pairs) +
           (size_t)m.count * sizeof(double);
}

/* Evenly spaced over the data set, so that every class of a sorted one is seen. */
static int64_t read_images(ct_monitor *monitor, csctrl_dataset *test, int64_t available)
{
    int64_t good = 0;

    for (int64_t i = 0; i < monitor->count; i++) {
        const ct_tensor all = monitor->x;
        ct_tensor one = CT_SHAPE(CSCTRL_F32, all.shape[1], all.shape[2], all.shape[3]);
        one.data = (float *)all.data + good * csctrl_tensor_count(&one);
        if (csctrl_dataset_read(test, i * available / monitor->count, &one, NULL) == CSCTRL_OK)
            good++;
        else
            ct_log(CSCTRL_LOG_WARNING, "left out: %s", csctrl_last_error());
    }
    return good;
}

csctrl_status ct_monitor_create(ct_monitor *monitor, const csctrl_model *model,
                                csctrl_dataset *test)
{
    csctrl_dataset_info info;
    ct_tensor *const tensors[] = {&monitor->x, &monitor->xhat, &monitor->z, &monitor->zhat,
                                  &monitor->pairs};

    *monitor = (ct_monitor){0};
    csctrl_dataset_get_info(test, &info);
    set_shapes(monitor, model->config, &model->arch, info.count);
    if (monitor->count == 0)
        return CSCTRL_OK;
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        tensors[i]->data = ct_calloc(1, ct_tensor_bytes(tensors[i]));
        if (tensors[i]->data == NULL)
            return CSCTRL_E_NOMEM;
    }
    monitor->psnr = ct_calloc((size_t)monitor->count, sizeof *monitor->psnr);
    if (monitor->psnr == NULL)
        return CSCTRL_E_NOMEM;
    monitor->count = read_images(monitor, test, info.count);
    monitor->pictures = smaller(monitor->pictures, monitor->count);
    monitor->x.shape[0] = monitor->xhat.shape[0] = monitor->z.shape[0] = monitor->zhat.shape[0] =
        monitor->count;
    return CSCTRL_OK;
}

void ct_monitor_destroy(ct_monitor *monitor)
{
    ct_free(monitor->x.data);
    ct_free(monitor->xhat.data);
    ct_free(monitor->z.data);
    ct_free(monitor->zhat.data);
    ct_free(monitor->pairs.data);
    ct_free(monitor->psnr);
    *monitor = (ct_monitor){0};
}

/* z, xhat and zhat of the first n images. */
static csctrl_status regenerate(ct_monitor *monitor, csctrl_model *model, int64_t n, bool again)
{
    const ct_tensor x = ct_tensor_head(&monitor->x, n);
    ct_tensor xhat = ct_tensor_head(&monitor->xhat, n), z = ct_tensor_head(&monitor->z, n);
    ct_tensor zhat = ct_tensor_head(&monitor->zhat, n);

    CT_TRY(csctrl_model_encode(model, &x, &z));
    CT_TRY(csctrl_model_decode(model, &z, &xhat));
    return again ? csctrl_model_encode(model, &xhat, &zhat) : CSCTRL_OK;
}

/* The averaged weights step in for the work and out again, whatever happens in between. */
static csctrl_status with_averages(ct_monitor *monitor, csctrl_model *model, int64_t n, bool again)
{
    if (!model->averaged)
        return regenerate(monitor, model, n, again);
    CT_TRY(ct_model_swap_averages(model));
    const csctrl_status status = regenerate(monitor, model, n, again);
    CT_TRY(ct_model_swap_averages(model));
    return status;
}

csctrl_status ct_monitor_evaluate(ct_monitor *monitor, csctrl_model *model, double *psnr,
                                  double *cosine)
{
    const int64_t d = monitor->z.shape[1];
    const float *z = monitor->z.data, *zhat = monitor->zhat.data;

    CT_TRY(with_averages(monitor, model, monitor->count, true));
    CT_TRY(csctrl_psnr(&monitor->x, &monitor->xhat, monitor->psnr));
    *psnr = *cosine = 0.0;
    for (int64_t i = 0; i < monitor->count; i++)
        *psnr += monitor->psnr[i] / (double)monitor->count;
    for (int64_t i = 0; i < monitor->count * d; i++)
        *cosine += (double)z[i] * (double)zhat[i] / (double)monitor->count;
    return CSCTRL_OK;
}

/* The squared norm of the mean of n unit vectors is the mean cosine of all n^2 pairs, of which n
 * are of a vector with itself. */
bool ct_monitor_collapsed(const ct_monitor *monitor)
{
    const int64_t n = monitor->count, d = monitor->z.shape[1];
    const float *z = monitor->z.data;
    double norm2 = 0.0;

    if (n < 2)
        return false;
    for (int64_t j = 0; j < d; j++) {
        double mean = 0.0;
        for (int64_t i = 0; i < n; i++)
            mean += (double)z[i * d + j] / (double)n;
        norm2 += mean * mean;
    }
    return ((double)n * norm2 - 1.0) / (double)(n - 1) > ALL_BUT_SAME;
}

csctrl_status ct_monitor_picture(ct_monitor *monitor, csctrl_model *model, const char *path)
{
    const int64_t image =
        csctrl_tensor_count(&monitor->x) / (monitor->count > 0 ? monitor->count : 1);
    const int side = (int)monitor->x.shape[2];
    float *pairs = monitor->pairs.data;
    const float *x = monitor->x.data, *xhat = monitor->xhat.data;

    CT_TRY(with_averages(monitor, model, monitor->pictures, false));
    for (int64_t i = 0; i < csctrl_tensor_count(&monitor->pairs); i++)
        pairs[i] = -1.0f; /* black where a last row is not full */
    for (int64_t i = 0; i < monitor->pictures; i++) {
        const int64_t row = i / COLUMNS, column = i % COLUMNS;
        memcpy(pairs + (2 * row * COLUMNS + column) * image, x + i * image,
               (size_t)image * sizeof(float));
        memcpy(pairs + ((2 * row + 1) * COLUMNS + column) * image, xhat + i * image,
               (size_t)image * sizeof(float));
    }
    return csctrl_image_write_grid(path, &monitor->pairs, COLUMNS,
                                   side < PICTURE_SIDE ? PICTURE_SIDE / side : 1);
}
