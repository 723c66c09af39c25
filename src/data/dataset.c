/* dataset.c - one split of a source: which images it has, and reading them. */
#include "data/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

struct csctrl_dataset {
    ct_source source;
    ct_geometry geometry;
    uint32_t *items; /* [count] of the source */
    int64_t count, skipped;
    bool divided; /* by data.holdout */
};

/* One image with its place within its class. */
typedef struct ranked {
    uint32_t item;
    int32_t label;
    int64_t rank, of; /* rank-th of its class, which has `of` */
} ranked;

/* By (rank + 1/2) / of, then by label. */
static int by_share(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    const int64_t left = (2 * x->rank + 1) * y->of, right = (2 * y->rank + 1) * x->of;

    return left != right ? (left > right) - (left < right)
                         : (x->label > y->label) - (x->label < y->label);
}

/* Order the images so that every class is spread evenly: any beginning of the list is balanced. */
static csctrl_status spread_classes(csctrl_dataset *set)
{
    const ct_source *source = &set->source;
    ranked *list = ct_alloc((size_t)set->count * sizeof *list);
    int64_t *held = ct_calloc((size_t)source->classes, sizeof *held);
    csctrl_status status = CSCTRL_E_NOMEM;

    if (list == NULL || held == NULL)
        goto done;
    for (int64_t i = 0; i < set->count; i++) {
        const int32_t label = source->labels[set->items[i]];
        list[i] = (ranked){.item = set->items[i], .label = label, .rank = held[label]++};
    }
    for (int64_t i = 0; i < set->count; i++)
        list[i].of = held[list[i].label];
    qsort(list, (size_t)set->count, sizeof *list, by_share);
    for (int64_t i = 0; i < set->count; i++)
        set->items[i] = list[i].item;
    status = CSCTRL_OK;
done:
    ct_free(held);
    ct_free(list);
    return status;
}

/* Which items of the source are taken. */
typedef struct selection {
    csctrl_split part;
    bool divided; /* the split is what data.holdout leaves or holds out of the part */
    csctrl_split split;
    uint64_t seed;
    double holdout;
} selection;

static csctrl_status select_items(csctrl_dataset *set, const selection *s)
{
    const ct_source *source = &set->source;
    const int64_t first = s->part == CSCTRL_SPLIT_TEST ? source->count[0] : 0;
    const int64_t count = source->count[s->part];
    const ct_rng rng = ct_rng_make(s->seed, CT_RNG_HOLDOUT, 0);

    if (first + count > UINT32_MAX)
        return ct_fail(CSCTRL_E_UNSUPPORTED, "%s: more than %" PRIu32 " images", source->path,
                       UINT32_MAX);
    set->items = ct_alloc((size_t)count * sizeof *set->items);
    if (set->items == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        const bool held = s->divided && ct_rng_uniform(&rng, (uint64_t)i) < s->holdout;
        if (!s->divided || held == (s->split == CSCTRL_SPLIT_TEST))
            set->items[set->count++] = (uint32_t)(first + i);
    }
    set->skipped = source->skipped[s->part];
    if (set->count > 0)
        return CSCTRL_OK;
    if (s->divided && s->split == CSCTRL_SPLIT_TEST)
        return ct_fail(CSCTRL_E_CONFIG,
                       "%s: no test images: the set has no test split of its own and data.holdout "
                       "holds out none of %" PRId64 "; set data.test_path or a larger data.holdout",
                       source->path, count);
    return ct_fail(CSCTRL_E_FORMAT, "%s: no usable %s images (%" PRId64 " broken files left out)",
                   source->path, s->split == CSCTRL_SPLIT_TEST ? "test" : "training", set->skipped);
}

static int find_class(const ct_source *source, const char *name)
{
    for (int k = 0; k < source->classes; k++)
        if (strcmp(source->class_names[k], name) == 0)
            return k;
    return -1;
}

/* Give the test source the classes of the training source. */
static csctrl_status adopt_classes(ct_source *test, ct_source *train)
{
    int32_t *label = ct_alloc((size_t)test->classes * sizeof *label);
    const int64_t count = test->count[0] + test->count[1];

    if (label == NULL)
        return CSCTRL_E_NOMEM;
    for (int k = 0; k < test->classes; k++) {
        label[k] = find_class(train, test->class_names[k]);
        if (label[k] < 0) {
            const csctrl_status status =
                ct_fail(CSCTRL_E_MISMATCH, "%s: class %s is not one of the %d classes of %s",
                        test->path, test->class_names[k], train->classes, train->path);
            ct_free(label);
            return status;
        }
    }
    for (int64_t i = 0; i < count; i++)
        test->labels[i] = label[test->labels[i]];
    ct_free(label);
    char **const names = test->class_names;
    const int classes = test->classes;
    test->class_names = train->class_names;
    test->classes = train->classes;
    train->class_names = names;
    train->classes = classes;
    return CSCTRL_OK;
}

/* Open data.test_path, with the classes of data.path. */
static csctrl_status open_test_path(ct_source *source, const csctrl_config *config,
                                    const char *test_path)
{
    const ct_source_request request = {.config = config, .path = test_path, .want = {false, true}};
    const ct_source_request classes = {
        .config = config, .path = csctrl_config_text(config, "data.path"), .quiet = true};
    ct_source train;

    CT_TRY(ct_source_open(&train, &classes));
    csctrl_status status = ct_source_open(source, &request);
    if (status == CSCTRL_OK)
        status = adopt_classes(source, &train);
    ct_source_close(&train);
    return status;
}

static csctrl_status open_split(csctrl_dataset *set, const csctrl_config *config,
                                csctrl_split split)
{
    const char *kind = csctrl_config_text(config, "data.kind");
    const char *test_path = csctrl_config_text(config, "data.test_path");
    const bool apart = test_path[0] != '\0' && strcmp(kind, "synthetic") != 0;
    const bool test = split == CSCTRL_SPLIT_TEST;
    const int64_t limit = csctrl_config_int(config, "data.limit");
    const ct_source_request request = {.config = config,
                                       .path = csctrl_config_text(config, "data.path"),
                                       .want = {!test, test},
                                       .quiet = test}; /* the train split has told */

    if (test && apart)
        CT_TRY(open_test_path(&set->source, config, test_path));
    else
        CT_TRY(ct_source_open(&set->source, &request));
    const selection choice = {
        .part = test && set->source.has_test ? CSCTRL_SPLIT_TEST : CSCTRL_SPLIT_TRAIN,
        .divided = !set->source.has_test && !apart,
        .split = split,
        .seed = (uint64_t)csctrl_config_int(config, "seed"),
        .holdout = csctrl_config_real(config, "data.holdout"),
    };
    set->divided = choice.divided;
    CT_TRY(select_items(set, &choice));
    const bool limited = limit > 0 && limit < set->count;
    if (limited || set->source.ops->sorted_by_class)
        CT_TRY(spread_classes(set));
    if (limited)
        set->count = limit;
    if (set->source.ops->retain != NULL)
        return set->source.ops->retain(&set->source, set->items, set->count);
    return CSCTRL_OK;
}

csctrl_status csctrl_dataset_open(csctrl_dataset **out, const csctrl_config *config,
                                  csctrl_split split)
{
    const int channels = (int)csctrl_config_int(config, "data.channels");
    csctrl_dataset *set;

    *out = NULL;
    if (split != CSCTRL_SPLIT_TRAIN && split != CSCTRL_SPLIT_TEST)
        return ct_fail(CSCTRL_E_INVALID, "expected split 0 or 1, found %d", (int)split);
    set = ct_calloc(1, sizeof *set);
    if (set == NULL)
        return CSCTRL_E_NOMEM;
    set->geometry =
        (ct_geometry){.channels = channels, .size = (int)csctrl_config_int(config, "data.size")};
    const csctrl_status status = open_split(set, config, split);
    if (status != CSCTRL_OK)
        csctrl_dataset_close(&set);
    *out = set;
    return status;
}

void csctrl_dataset_close(csctrl_dataset **dataset)
{
    if (dataset == NULL || *dataset == NULL)
        return;
    ct_source_close(&(*dataset)->source);
    ct_free((*dataset)->items);
    ct_free(*dataset);
    *dataset = NULL;
}

void csctrl_dataset_get_info(const csctrl_dataset *dataset, csctrl_dataset_info *info)
{
    const ct_source *source = &dataset->source;

    *info = (csctrl_dataset_info){
        .kind = source->kind,
        .path = source->path,
        .count = dataset->count,
        .skipped = dataset->skipped,
        .classes = source->classes,
        .channels = dataset->geometry.channels,
        .size = dataset->geometry.size,
        .fingerprint = source->fingerprint,
        .memory = source->memory + (size_t)dataset->count * sizeof *dataset->items,
        .divided = dataset->divided,
    };
}

const char *csctrl_dataset_class_name(const csctrl_dataset *dataset, int label)
{
    return label >= 0 && label < dataset->source.classes ? dataset->source.class_names[label] : "";
}

csctrl_status ct_dataset_workspace(const csctrl_dataset *dataset, ct_workspace *work)
{
    return ct_workspace_create(work, &dataset->source);
}

csctrl_status ct_dataset_read_planes(const csctrl_dataset *dataset, int64_t index,
                                     ct_workspace *work, uint8_t *planes, int64_t *label)
{
    const int64_t item = dataset->items[index];

    *label = dataset->source.labels[item];
    return dataset->source.ops->read(&dataset->source, item, &dataset->geometry, work, planes);
}

csctrl_status csctrl_dataset_read(csctrl_dataset *dataset, int64_t index, csctrl_tensor *image,
                                  int64_t *label)
{
    const int64_t side = dataset->geometry.size;
    const int64_t shape[3] = {dataset->geometry.channels, side, side};
    const int64_t count = shape[0] * side * side;
    int64_t found;
    ct_workspace work;
    csctrl_status status;

    if (index < 0 || index >= dataset->count)
        return ct_fail(CSCTRL_E_INVALID,
                       "expected an image index of 0..%" PRId64 ", found %" PRId64,
                       dataset->count - 1, index);
    CT_TRY(ct_tensor_expect(image, "image", CSCTRL_F32, 3, shape));
    CT_TRY(ct_dataset_workspace(dataset, &work));
    uint8_t *planes = ct_alloc((size_t)count);
    status = planes != NULL ? ct_dataset_read_planes(dataset, index, &work, planes, &found)
                            : CSCTRL_E_NOMEM;
    if (status == CSCTRL_OK) {
        ct_pixels_normalise(planes, count, image->data);
        if (label != NULL)
            *label = found;
    }
    ct_free(planes);
    ct_workspace_destroy(&work);
    return status;
}
