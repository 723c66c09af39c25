/* board.h - what a run tells TensorBoard: RUN/events.out.tfevents.*, beside metrics.jsonl. */
#ifndef CT_TRAIN_BOARD_H
#define CT_TRAIN_BOARD_H

#include "train/monitor.h"
#include "train/rundir.h"

/* Zero-initialise. The file is made with the first event, so that a start that fails leaves none.
 */
typedef struct ct_board {
    bool on;
    int64_t first_step; /* of this start: what earlier files say of it and later ones is void */
    char *path;         /* owned */
} ct_board;

/* For this start; on if the config has it so and csctrl was built with it. */
void ct_board_begin(ct_board *board, const csctrl_config *config, int64_t first_step);

/* Every number of a line of metrics.jsonl, by step. */
csctrl_status ct_board_metrics(ct_board *board, const char *run_dir, const ct_metrics *metrics);

/* A picture that is there as PNG. */
csctrl_status ct_board_picture(ct_board *board, const char *run_dir, int64_t step,
                               const char *picture);

/* Histograms of each layer: its dictionary, its codes of some held-out images; and the share of
 * codes that are zero. */
csctrl_status ct_board_layers(ct_board *board, const char *run_dir, csctrl_model *model,
                              const ct_monitor *monitor);

void ct_board_close(ct_board *board);

#endif
