/* feed.h - images of batches on their way into the backend's memory: while one batch is trained on,
 * the bytes of the next can be brought. */
#ifndef CT_TRAIN_FEED_H
#define CT_TRAIN_FEED_H

#include "data/loader.h"
#include "model/model.h"

typedef struct ct_feed {
    ct_exec *ex;
    ct_tensor bytes[2]; /* u8 [n, c, h, w], in turns */
    void *crops[2];     /* ct_crop[n] */
    ct_tensor *nchw;    /* for images that are float; borrowed */
    int buffers;        /* 1 or 2 */
    int next;           /* that of the batch to be taken */
    bool ahead;         /* which is on its way */
} ct_feed;

/* In the model's plan. */
void ct_feed_declare(ct_feed *feed, csctrl_model *model);

/* Bring the batch that is to be taken next, u8, beside the work that is queued. It stays as it is
 * until ct_feed_take. The work of the last batch but one is done. */
csctrl_status ct_feed_ahead(ct_feed *feed, const ct_batch *batch);

/* x [n, h, w, c] <- the batch, that of ct_feed_ahead if there was one since: cropped where it is
 * u8, as it is where it is f32. */
csctrl_status ct_feed_take(ct_feed *feed, const ct_batch *batch, ct_tensor *x);

#endif
