/* loader.c - decoding threads fill a ring of batches, always in the same way.
 *
 * Threads take small chunks of images in the order of the run, at most `prefetch` batches ahead of
 * the one that is in use. What an image and its crop become depends on their place alone. */
#define _GNU_SOURCE
#include "data/loader.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/order.h"

enum { CHUNK = 8, MESSAGE_MAX = 512 };

typedef struct slot {
    uint8_t *images; /* [batch, c, size, size] */
    ct_crop *crops;  /* [batch] */
    int64_t *labels; /* [batch] */
    int missing;     /* images not yet decoded */
} slot;

typedef struct worker {
    ct_loader *loader;
    pthread_t thread;
    ct_workspace work;
} worker;

struct ct_loader {
    csctrl_dataset *dataset;
    ct_loader_options options;
    ct_geometry geometry;
    int64_t count, per_epoch;
    size_t pixels; /* of an image */

    slot *slots; /* batch b is in slot b % slot_count */
    int64_t slot_count;
    uint8_t *image_memory;
    size_t image_bytes;
    ct_crop *crop_memory;
    int64_t *label_memory;
    uint32_t *orders; /* [order_count, count]; epoch e is in row e % order_count */
    int64_t order_count;
    atomic_bool *bad; /* [count] images known to be broken */
    atomic_int_fast64_t broken;

    pthread_mutex_t lock;
    pthread_cond_t work, ready; /* for the threads; for ct_loader_next */
    bool stop;
    int64_t released;    /* batches below are no longer in use */
    int64_t claim_batch; /* next chunk to decode */
    int claim_image;
    int64_t order_epoch; /* latest epoch whose order is made */
    bool in_use;         /* batch `released` was given out */
    csctrl_status status;
    char message[MESSAGE_MAX];

    worker *workers;
    int started;
};

/* Some images of one batch. */
typedef struct chunk {
    int64_t batch;
    int first, count;
} chunk;

static bool can_claim(const ct_loader *l)
{
    return l->claim_batch < l->released + l->slot_count;
}

/* Images that all shares of a batch have together. */
static int64_t whole_batch(const ct_loader_options *o)
{
    return (int64_t)o->batch * (o->shares > 1 ? o->shares : 1);
}

/* Next chunk of the run; false when the thread has to end. Called with the lock held. */
static bool claim(ct_loader *l, chunk *c)
{
    while (!l->stop && l->status == CSCTRL_OK && !can_claim(l))
        pthread_cond_wait(&l->work, &l->lock);
    if (l->stop || l->status != CSCTRL_OK)
        return false;
    const int left = l->options.batch - l->claim_image;
    *c = (chunk){.batch = l->claim_batch, .first = l->claim_image};
    c->count = left < CHUNK ? left : CHUNK;
    if (c->first == 0) {
        const int64_t epoch = c->batch / l->per_epoch;
        l->slots[c->batch % l->slot_count].missing = l->options.batch;
        if (epoch != l->order_epoch)
            ct_order_fill(l->options.seed, (uint32_t)epoch,
                          l->orders + epoch % l->order_count * l->count, l->count);
        l->order_epoch = epoch;
    }
    l->claim_image += c->count;
    if (l->claim_image == l->options.batch) {
        l->claim_image = 0;
        l->claim_batch++;
    }
    return true;
}

/* The image at `position` of the epoch or, where that is broken, the next usable one. */
static csctrl_status read_usable(worker *w, const uint32_t *order, int64_t position,
                                 uint8_t *planes, uint32_t *image, int64_t *label)
{
    ct_loader *l = w->loader;

    for (int64_t i = 0; i < l->count; i++) {
        *image = order[(position + i) % l->count];
        if (atomic_load(&l->bad[*image]))
            continue;
        const csctrl_status status =
            ct_dataset_read_planes(l->dataset, *image, &w->work, planes, label);
        if (status == CSCTRL_OK || status == CSCTRL_E_NOMEM)
            return status;
        if (!atomic_exchange(&l->bad[*image], true)) {
            atomic_fetch_add(&l->broken, 1);
            ct_log(CSCTRL_LOG_WARNING, "left out and replaced by another image: %s",
                   csctrl_last_error());
        }
    }
    csctrl_dataset_info info;
    csctrl_dataset_get_info(l->dataset, &info);
    return ct_fail(CSCTRL_E_FORMAT, "%s: all of the %" PRId64 " training images are broken",
                   info.path, l->count);
}

static csctrl_status decode(worker *w, const chunk *c)
{
    ct_loader *l = w->loader;
    const ct_augmentation augmentation = {
        .seed = l->options.seed, .flip = l->options.flip, .crop_pad = l->options.crop_pad};
    const int64_t epoch = c->batch / l->per_epoch;
    const int64_t start = c->batch % l->per_epoch * whole_batch(&l->options) +
                          (int64_t)l->options.share * l->options.batch;
    const uint32_t *order = l->orders + epoch % l->order_count * l->count;
    slot *s = &l->slots[c->batch % l->slot_count];

    for (int i = c->first; i < c->first + c->count; i++) {
        uint32_t image = 0;
        CT_TRY(read_usable(w, order, start + i, s->images + (size_t)i * l->pixels, &image,
                           &s->labels[i]));
        s->crops[i] = ct_augment(&augmentation, (uint32_t)epoch, image);
    }
    return CSCTRL_OK;
}

/* A batch with a failed chunk never becomes ready. Called with the lock held. */
static void finish(ct_loader *l, const chunk *c, csctrl_status status)
{
    slot *s = &l->slots[c->batch % l->slot_count];

    if (status == CSCTRL_OK) {
        s->missing -= c->count;
    } else if (l->status == CSCTRL_OK) {
        l->status = status;
        snprintf(l->message, sizeof l->message, "%s", csctrl_last_error());
        pthread_cond_broadcast(&l->work);
    }
    if (s->missing == 0 || status != CSCTRL_OK)
        pthread_cond_signal(&l->ready);
}

static void *run(void *argument)
{
    worker *w = argument;
    ct_loader *l = w->loader;
    chunk c;

    pthread_mutex_lock(&l->lock);
    while (claim(l, &c)) {
        pthread_mutex_unlock(&l->lock);
        const csctrl_status status = decode(w, &c);
        pthread_mutex_lock(&l->lock);
        finish(l, &c, status);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Sizes of all that create allocates. */
typedef struct sizes {
    int64_t count, per_epoch, slots, orders;
    size_t pixels, images, crops, labels, order, bad, slot;
} sizes;

static sizes measure(const csctrl_dataset *dataset, const ct_loader_options *options)
{
    csctrl_dataset_info info;
    sizes s = {0};

    csctrl_dataset_get_info(dataset, &info);
    const size_t batch = (size_t)options->batch;
    s.count = info.count;
    s.per_epoch = info.count / whole_batch(options);
    s.slots = options->prefetch + 1; /* and the one in use */
    s.orders = s.per_epoch > 0 ? ct_order_epochs(s.slots, s.per_epoch) : 1;
    s.pixels = (size_t)info.channels * (size_t)info.size * (size_t)info.size;
    s.images = (size_t)s.slots * batch * s.pixels;
    s.crops = (size_t)s.slots * batch * sizeof(ct_crop);
    s.labels = (size_t)s.slots * batch * sizeof(int64_t);
    s.order = (size_t)s.orders * (size_t)s.count * sizeof(uint32_t);
    s.bad = (size_t)s.count * sizeof(atomic_bool);
    s.slot = (size_t)s.slots * sizeof(slot);
    return s;
}

size_t ct_loader_memory(const csctrl_dataset *dataset, const ct_loader_options *options)
{
    const sizes s = measure(dataset, options);

    return sizeof(ct_loader) + s.images + s.crops + s.labels + s.order + s.bad + s.slot +
           (size_t)options->threads * sizeof(worker);
}

static csctrl_status allocate(ct_loader *l, const sizes *s)
{
    l->image_memory = ct_alloc_arena(s->images);
    l->image_bytes = s->images;
    l->crop_memory = ct_alloc(s->crops);
    l->label_memory = ct_alloc(s->labels);
    l->orders = ct_alloc(s->order);
    l->bad = ct_alloc(s->bad);
    l->slots = ct_calloc(1, s->slot);
    l->workers = ct_calloc((size_t)l->options.threads, sizeof *l->workers);
    if (l->image_memory == NULL || l->crop_memory == NULL || l->label_memory == NULL ||
        l->orders == NULL || l->bad == NULL || l->slots == NULL || l->workers == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < s->count; i++)
        atomic_init(&l->bad[i], false);
    for (int64_t i = 0; i < s->slots; i++) {
        l->slots[i].images = l->image_memory + (size_t)(i * l->options.batch) * s->pixels;
        l->slots[i].crops = l->crop_memory + i * l->options.batch;
        l->slots[i].labels = l->label_memory + i * l->options.batch;
        l->slots[i].missing = 1;
    }
    for (int i = 0; i < l->options.threads; i++) {
        worker *w = &l->workers[i];
        w->loader = l;
        CT_TRY(ct_dataset_workspace(l->dataset, &w->work));
    }
    return CSCTRL_OK;
}

/* Signals are for the application's threads. */
static csctrl_status start_threads(ct_loader *l)
{
    sigset_t all, before;
    int error = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (error == 0 && l->started < l->options.threads) {
        worker *w = &l->workers[l->started];
        error = pthread_create(&w->thread, NULL, run, w);
        l->started += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ? CSCTRL_OK
                      : ct_fail(CSCTRL_E_NOMEM, "cannot start loader thread %d of %d: %s",
                                l->started + 1, l->options.threads, strerror(error));
}

csctrl_status ct_loader_expect(const csctrl_dataset *dataset, const ct_loader_options *options)
{
    const ct_loader_options *o = options;
    csctrl_dataset_info info;

    csctrl_dataset_get_info(dataset, &info);
    if (o->batch < 1 || o->threads < 1 || o->prefetch < 1 || o->crop_pad < 0 || o->start < 0)
        return ct_fail(CSCTRL_E_INVALID,
                       "loader: expected batch, threads and prefetch of at least 1 and no negative "
                       "value, found %d, %d and %d",
                       o->batch, o->threads, o->prefetch);
    if (info.count < whole_batch(o))
        return ct_fail(
            CSCTRL_E_CONFIG,
            "%s: expected at least one batch of %d images, found %" PRId64 "; lower train.batch",
            info.path[0] != '\0' ? info.path : "synthetic data", (int)whole_batch(o), info.count);
    return CSCTRL_OK;
}

csctrl_status ct_loader_create(ct_loader **out, csctrl_dataset *dataset,
                               const ct_loader_options *options)
{
    csctrl_dataset_info info;
    ct_loader *l = NULL;
    csctrl_status status;

    CT_GOTO(status, ct_loader_expect(dataset, options));
    csctrl_dataset_get_info(dataset, &info);
    l = ct_calloc(1, sizeof *l);
    CT_GOTO(status, l != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    const sizes s = measure(dataset, options);
    l->dataset = dataset;
    l->options = *options;
    l->geometry = (ct_geometry){.channels = info.channels, .size = info.size};
    l->count = s.count;
    l->per_epoch = s.per_epoch;
    l->pixels = s.pixels;
    l->slot_count = s.slots;
    l->order_count = s.orders;
    l->released = l->claim_batch = options->start;
    l->order_epoch = -1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    CT_GOTO(status, allocate(l, &s));
    CT_GOTO(status, start_threads(l));
done:
    if (status != CSCTRL_OK)
        ct_loader_destroy(&l);
    *out = l;
    return status;
}

void ct_loader_destroy(ct_loader **loader)
{
    ct_loader *l = loader != NULL ? *loader : NULL;

    if (l == NULL)
        return;
    *loader = NULL;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++)
        pthread_join(l->workers[i].thread, NULL);
    for (int i = 0; l->workers != NULL && i < l->options.threads; i++)
        ct_workspace_destroy(&l->workers[i].work);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    ct_free(l->workers);
    ct_free(l->slots);
    ct_free(l->bad);
    ct_free(l->orders);
    ct_free(l->label_memory);
    ct_free(l->crop_memory);
    ct_free(l->image_memory);
    ct_free(l);
}

int64_t ct_loader_batches_per_epoch(const ct_loader *loader)
{
    return loader->per_epoch;
}

int64_t ct_loader_broken(const ct_loader *loader)
{
    return (int64_t)atomic_load(&loader->broken);
}

/* As it is given out. */
static ct_batch batch_of(const ct_loader *l, const slot *s)
{
    const int64_t shape[] = {l->options.batch, l->geometry.channels, l->geometry.size,
                             l->geometry.size};
    const bool augments = l->options.flip || l->options.crop_pad > 0;

    return (ct_batch){.images = csctrl_tensor_view(CSCTRL_U8, 4, shape, s->images),
                      .crops = augments ? s->crops : NULL,
                      .labels = s->labels};
}

csctrl_status ct_loader_next(ct_loader *loader, ct_batch *batch)
{
    ct_loader *l = loader;

    pthread_mutex_lock(&l->lock);
    if (l->in_use) {
        l->slots[l->released % l->slot_count].missing = 1; /* until it is claimed anew */
        l->released++;
        l->in_use = false;
        pthread_cond_broadcast(&l->work);
    }
    slot *s = &l->slots[l->released % l->slot_count];
    while (l->status == CSCTRL_OK && s->missing > 0)
        pthread_cond_wait(&l->ready, &l->lock);
    l->in_use = s->missing == 0;
    const csctrl_status status = l->in_use ? CSCTRL_OK : l->status;
    pthread_mutex_unlock(&l->lock);
    if (status != CSCTRL_OK)
        return ct_fail(status, "%s", l->message);
    *batch = batch_of(l, s);
    return CSCTRL_OK;
}

bool ct_loader_ready(ct_loader *loader)
{
    ct_loader *l = loader;

    pthread_mutex_lock(&l->lock);
    const int64_t next = l->released + (l->in_use ? 1 : 0);
    const bool ready = l->slots[next % l->slot_count].missing == 0;
    pthread_mutex_unlock(&l->lock);
    return ready;
}

void *ct_loader_ring(const ct_loader *loader, size_t *bytes)
{
    *bytes = loader->image_bytes;
    return loader->image_memory;
}
