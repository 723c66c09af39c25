/* feed.c - two buffers in turns: one is read while the other is filled. */
#include "train/feed.h"

void ct_feed_declare(ct_feed *feed, csctrl_model *model)
{
    const ct_tensor *nchw = &model->x_nchw;

    *feed = (ct_feed){.ex = model->ex, .nchw = &model->x_nchw};
    for (int i = 0; i < 2; i++) {
        feed->bytes[i] = csctrl_tensor_view(CSCTRL_U8, 4, nchw->shape, NULL);
        ct_plan_tensor(model->plan, CT_IO, &feed->bytes[i], CT_FOREVER);
        ct_plan_bytes(model->plan, CT_IO, &feed->views[i], (size_t)model->batch * sizeof(ct_view),
                      CT_FOREVER);
    }
}

typedef csctrl_status bring(ct_exec *ex, void *device, const void *host, size_t bytes);

static csctrl_status fill(ct_feed *feed, bring *upload, const ct_batch *batch)
{
    ct_tensor *const to = &feed->bytes[feed->next];
    const size_t views = (size_t)to->shape[0] * sizeof(ct_view);

    CT_TRY(ct_tensor_expect(&batch->images, "batch", CSCTRL_U8, 4, to->shape));
    CT_TRY(upload(feed->ex, to->data, batch->images.data, ct_tensor_bytes(to)));
    return batch->views != NULL ? upload(feed->ex, feed->views[feed->next], batch->views, views)
                                : CSCTRL_OK;
}

csctrl_status ct_feed_ahead(ct_feed *feed, const ct_batch *batch)
{
    CT_TRY(fill(feed, feed->ex->ops->upload_ahead, batch));
    feed->ahead = true;
    return CSCTRL_OK;
}

static csctrl_status take_bytes(ct_feed *feed, const ct_batch *batch, ct_tensor *x)
{
    const ct_ops *ops = feed->ex->ops;
    const int now = feed->next;

    CT_TRY(feed->ahead ? ops->uploaded(feed->ex) : fill(feed, ops->upload, batch));
    feed->ahead = false;
    feed->next = 1 - now;
    return ops->from_bytes(feed->ex, &feed->bytes[now],
                           batch->views != NULL ? feed->views[now] : NULL, x);
}

csctrl_status ct_feed_take(ct_feed *feed, const ct_batch *batch, ct_tensor *x)
{
    const ct_tensor *images = &batch->images;

    if (images->dtype == CSCTRL_U8)
        return take_bytes(feed, batch, x);
    CT_TRY(ct_tensor_expect(images, "batch", CSCTRL_F32, 4, feed->nchw->shape));
    CT_TRY(ct_put(feed->ex, images->data, csctrl_tensor_count(images), feed->nchw));
    return feed->ex->ops->to_nhwc(feed->ex, feed->nchw, x);
}
