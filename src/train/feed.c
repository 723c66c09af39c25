/* feed.c - two buffers in turns where work is deferred: one is read while the other is filled. */
#include "train/feed.h"

void ct_feed_declare(ct_feed *feed, csctrl_model *model)
{
    const ct_tensor *nchw = &model->x_nchw;

    *feed =
        (ct_feed){.ex = model->ex, .nchw = &model->x_nchw, .buffers = model->ex->deferred ? 2 : 1};
    for (int i = 0; i < feed->buffers; i++) {
        feed->bytes[i] = csctrl_tensor_view(CSCTRL_U8, 4, nchw->shape, NULL);
        ct_plan_tensor(model->plan, CT_IO, &feed->bytes[i], CT_FOREVER);
        ct_plan_bytes(model->plan, CT_IO, &feed->crops[i], (size_t)model->batch * sizeof(ct_crop),
                      CT_FOREVER);
    }
}

typedef csctrl_status bring(ct_exec *ex, void *device, const void *host, size_t bytes);

static csctrl_status fill(ct_feed *feed, bring *upload, const ct_batch *batch)
{
    ct_tensor *const to = &feed->bytes[feed->next];
    const size_t crops = (size_t)to->shape[0] * sizeof(ct_crop);

    CT_TRY(ct_tensor_expect(&batch->images, "batch", CSCTRL_U8, 4, to->shape));
    /* Crops first: they are not pinned, and would wait for what is on its way. */
    if (batch->crops != NULL)
        CT_TRY(upload(feed->ex, feed->crops[feed->next], batch->crops, crops));
    return upload(feed->ex, to->data, batch->images.data, ct_tensor_bytes(to));
}

csctrl_status ct_feed_ahead(ct_feed *feed, const ct_batch *batch)
{
    CT_TRY(fill(feed, feed->ex->ops->upload_ahead, batch));
    feed->ahead = true;
    return CSCTRL_OK;
}

static csctrl_status take_bytes(ct_feed *feed, bool ahead, const ct_batch *batch, ct_tensor *x)
{
    const ct_ops *ops = feed->ex->ops;
    const int now = feed->next;

    CT_TRY(ahead ? ops->upload_wait(feed->ex) : fill(feed, ops->upload, batch));
    feed->next = (now + 1) % feed->buffers;
    return ops->from_bytes(feed->ex, &feed->bytes[now],
                           batch->crops != NULL ? feed->crops[now] : NULL, x);
}

csctrl_status ct_feed_take(ct_feed *feed, const ct_batch *batch, ct_tensor *x)
{
    const ct_tensor *images = &batch->images;
    const bool ahead = feed->ahead;

    feed->ahead = false;
    if (images->dtype == CSCTRL_U8)
        return take_bytes(feed, ahead, batch, x);
    CT_TRY(ct_tensor_expect(images, "batch", CSCTRL_F32, 4, feed->nchw->shape));
    CT_TRY(ct_put(feed->ex, images->data, csctrl_tensor_count(images), feed->nchw));
    return feed->ex->ops->to_nhwc(feed->ex, feed->nchw, x);
}
