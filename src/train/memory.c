/* memory.c - what a run will take, before it starts. */
#include <stdio.h>

#include "train/trainer.h"

/* Resident bytes of this process now: the program, its libraries and their tables. 0 where /proc is
 * missing. */
static size_t resident_now(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(file);
    return (size_t)resident * 4096;
}

/* Data set and prefetch ring; nothing when the data cannot be opened here. */
static void plan_data(const csctrl_config *config, csctrl_memory_plan *plan, int *classes)
{
    csctrl_dataset *train = NULL, *test = NULL;
    csctrl_dataset_info info;
    ct_loader_options options;

    if (csctrl_dataset_open(&train, config, CSCTRL_SPLIT_TRAIN) != CSCTRL_OK)
        return;
    ct_loader_options_read(&options, config, 0);
    csctrl_dataset_get_info(train, &info);
    *classes = info.classes;
    plan->data += info.memory;
    plan->io += ct_loader_memory(train, &options);
    if (csctrl_dataset_open(&test, config, CSCTRL_SPLIT_TEST) == CSCTRL_OK) {
        csctrl_dataset_get_info(test, &info);
        plan->data += info.memory;
    }
    csctrl_dataset_close(&test);
    csctrl_dataset_close(&train);
}

static csctrl_status plan_model(csctrl_trainer *t, const csctrl_config *config, int classes,
                                csctrl_memory_plan *plan)
{
    CT_TRY(ct_trainer_model(t, config, classes));
    CT_TRY(ct_model_finish_plan_only(t->model));
    plan->param = ct_plan_size(t->model->plan, CT_PARAM);
    plan->state = ct_plan_size(t->model->plan, CT_STATE);
    plan->saved = ct_plan_size(t->model->plan, CT_SAVED);
    plan->scratch = ct_plan_size(t->model->plan, CT_SCRATCH);
    plan->io += ct_plan_size(t->model->plan, CT_IO) + ct_monitor_memory(config, &t->model->arch);
    return CSCTRL_OK;
}

csctrl_status csctrl_trainer_plan(const csctrl_config *config, csctrl_memory_plan *plan)
{
    csctrl_trainer t = {0};
    int classes = 10;

    *plan = (csctrl_memory_plan){0};
    const size_t runtime = resident_now();
    plan_data(config, plan, &classes);
    const csctrl_status status = plan_model(&t, config, classes, plan);
    ct_game_destroy(&t.game);
    csctrl_model_destroy(&t.model);
    CT_TRY(status);
    plan->total = plan->param + plan->state + plan->saved + plan->scratch + plan->io + plan->data;
    plan->resident = plan->total + runtime;
    return CSCTRL_OK;
}
