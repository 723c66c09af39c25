/* board.h - what a run tells TensorBoard: RUN/events.out.tfevents.*, beside metrics.jsonl. */
#ifndef CT_TRAIN_BOARD_H
#define CT_TRAIN_BOARD_H

#include "train/monitor.h"
#include "train/rundir.h"

/* Zero-initialise. The file is made with the first event, so that a start that fails leaves none.
 * Of what fails, E_IO alone is returned; after anything else a warning is logged and the rest of
 * the run goes without. */
typedef struct ct_board {
    bool on;
    int64_t first_step; /* of this start: what earlier files say of it and later ones is void */
    char *path;         /* owned */
    struct ct_board_layer *layer; /* owned: memory for what is said of one layer */
} ct_board;

/* Bytes that a board takes with so many held-out images. */
size_t ct_board_memory(const csctrl_model *model, int64_t available);

/* For this start; on if the config has it so and csctrl was built with it. */
void ct_board_begin(ct_board *board, const csctrl_model *model, int64_t available);

/* A run that goes on: what its earlier event files say of later steps is void from now on, also
 * when this start ends before its first event, or writes none. */
csctrl_status ct_board_resume(ct_board *board, const char *run_dir);

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
