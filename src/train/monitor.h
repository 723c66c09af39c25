/* monitor.h - how a run is watched: a fixed set of held-out images, their regenerations, PSNR and
 * cosine, in eval mode and with the averaged weights where there are some. */
#ifndef CT_TRAIN_MONITOR_H
#define CT_TRAIN_MONITOR_H

#include "csctrl/data.h"
#include "model/model.h"

typedef struct ct_monitor {
    ct_tensor x, xhat; /* f32[n, c, h, w] */
    ct_tensor z, zhat; /* f32[n, d] */
    ct_tensor pairs;   /* f32[2 pictures, c, h, w]: rows of inputs and of regenerations in turn */
    double *psnr;      /* [n] */
    int64_t count, pictures;
} ct_monitor;

/* Bytes that a monitor of this config takes with so many held-out images. */
size_t ct_monitor_memory(const csctrl_config *config, const ct_arch *arch, int64_t available);

/* Reads `train.eval_images` of the held-out images, evenly spaced; broken ones are passed over.
 * count is 0 without any. */
csctrl_status ct_monitor_create(ct_monitor *monitor, const csctrl_model *model,
                                csctrl_dataset *test);
void ct_monitor_destroy(ct_monitor *monitor);

csctrl_status ct_monitor_evaluate(ct_monitor *monitor, csctrl_model *model, double *psnr,
                                  double *cosine);

/* After ct_monitor_evaluate(): the features of all images are all but the same, as those of a model
 * whose every regeneration is one flat picture. Its cosine is 1 and its PSNR not bad. */
bool ct_monitor_collapsed(const ct_monitor *monitor);

/* Picture of the first `train.pictures` images, each row of ten above its regenerations. */
csctrl_status ct_monitor_picture(ct_monitor *monitor, csctrl_model *model, const char *path);

#endif
