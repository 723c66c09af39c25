/* memory.c - what a run will take, before it starts. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "train/trainer.h"

/* What OpenBLAS touches of its packing buffers, a thread. */
enum { BLAS_BYTES = 1 << 20 };

/* What the data set decides; guesses when it cannot be opened. */
typedef struct data_facts {
    int classes;
    int64_t test_images;
} data_facts;

/* Resident bytes of this process now. 0 where /proc is missing. */
static size_t resident_now(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes of a line of /proc/meminfo, e.g. "MemAvailable"; false where there is none. */
static bool machine_has(const char *name, uint64_t *bytes)
{
    char line[128], key[64];
    uint64_t kib = 0;
    bool found = false;
    FILE *file = fopen("/proc/meminfo", "r");

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, "%63[^:]: %" SCNu64, key, &kib) == 2 && strcmp(key, name) == 0;
    fclose(file);
    *bytes = found ? kib << 10 : 0;
    return found;
}

/* The images are held already, as files or in memory. */
static uint64_t bytes_to_take(const csctrl_trainer *t)
{
    ct_loader_options options;
    uint64_t bytes = 0;

    for (int k = 0; k < CT_CLASSES && !t->model->ex->deferred; k++) /* a device has its own */
        bytes += ct_plan_size(t->model->plan, (ct_class)k);
    ct_loader_options_read(&options, t->config, &t->ranks, 0);
    bytes += ct_loader_memory(t->train, &options);
    bytes *= (uint64_t)t->ranks.local_size; /* which take theirs at the same time */
    return bytes + ct_monitor_memory(t->config, &t->model->arch, t->test_images) +
           ct_board_memory(t->model, t->test_images) +
           ct_plan_size(t->model->plan, CT_STATE); /* the copy that a save holds */
}

csctrl_status ct_trainer_expect_memory(const csctrl_trainer *t)
{
    static const double gib = 1 << 30;
    const uint64_t bytes = bytes_to_take(t);
    uint64_t memory = 0, swap = 0;

    if (!machine_has("MemAvailable", &memory) || bytes <= memory)
        return CSCTRL_OK;
    (void)machine_has("SwapFree", &swap); /* 0 where there is no swap */
    if (bytes > memory + swap)
        return ct_fail(CSCTRL_E_NOMEM,
                       "training takes %.1f GiB of memory, %.1f GiB are free; lower "
                       "train.batch or model.steps",
                       (double)bytes / gib, (double)(memory + swap) / gib);
    ct_log(CSCTRL_LOG_WARNING,
           "training takes %.1f GiB of memory, %.1f GiB are free without swapping, which is slow; "
           "lower train.batch",
           (double)bytes / gib, (double)memory / gib);
    return CSCTRL_OK;
}

/* Data set and prefetch ring; nothing when the data cannot be opened here. */
static void plan_data(const csctrl_trainer *t, const csctrl_config *config,
                      csctrl_memory_plan *plan, data_facts *facts)
{
    csctrl_dataset *train = NULL, *test = NULL;
    csctrl_dataset_info info;
    ct_loader_options options;

    if (csctrl_dataset_open(&train, config, CSCTRL_SPLIT_TRAIN) != CSCTRL_OK)
        return;
    ct_loader_options_read(&options, config, &t->ranks, 0);
    csctrl_dataset_get_info(train, &info);
    facts->classes = info.classes;
    plan->data += info.memory;
    plan->io += ct_loader_memory(train, &options);
    if (csctrl_dataset_open(&test, config, CSCTRL_SPLIT_TEST) == CSCTRL_OK) {
        csctrl_dataset_get_info(test, &info);
        plan->data += info.memory;
        facts->test_images = info.count;
    }
    csctrl_dataset_close(&test);
    csctrl_dataset_close(&train);
}

static csctrl_status plan_model(csctrl_trainer *t, const csctrl_config *config,
                                const data_facts *facts, csctrl_memory_plan *plan)
{
    CT_TRY(ct_trainer_model(t, config, facts->classes));
    CT_TRY(ct_model_finish_plan_only(t->model));
    plan->param = ct_plan_size(t->model->plan, CT_PARAM);
    plan->state = ct_plan_size(t->model->plan, CT_STATE);
    plan->saved = ct_plan_size(t->model->plan, CT_SAVED);
    plan->scratch = ct_plan_size(t->model->plan, CT_SCRATCH);
    plan->io += ct_plan_size(t->model->plan, CT_IO) +
                ct_monitor_memory(config, &t->model->arch, facts->test_images) +
                ct_board_memory(t->model, facts->test_images);
    return CSCTRL_OK;
}

csctrl_status csctrl_trainer_plan(const csctrl_config *config, csctrl_memory_plan *plan)
{
    csctrl_trainer t = {0};
    data_facts facts = {.classes = 10, .test_images = INT32_MAX};
    size_t threads = 1;
    bool elsewhere = false; /* what is planned lies on a device of its own */

    *plan = (csctrl_memory_plan){0};
    (void)ct_comm_open(&t.ranks, &(ct_comm_options){.kind = "none"});
    plan_data(&t, config, plan, &facts);
    const csctrl_status status = plan_model(&t, config, &facts, plan);
    if (status == CSCTRL_OK) {
        threads = (size_t)t.model->ex->threads;
        elsewhere = t.model->ex->deferred;
    }
    ct_trainer_destroy_model(&t);
    CT_TRY(status);
    plan->total = plan->param + plan->state + plan->saved + plan->scratch + plan->io + plan->data;
    /* Now that planning has brought in the libraries' code. A save holds a copy of the state. */
    plan->resident = (elsewhere ? plan->data : plan->total) + resident_now() + plan->state +
                     threads * BLAS_BYTES;
    return CSCTRL_OK;
}
