/* dataset.h - what the loader needs of a data set beside the public functions. */
#ifndef CT_DATA_DATASET_H
#define CT_DATA_DATASET_H

#include "data/source.h"

/* Working memory for reads on one thread; released with ct_workspace_destroy. */
csctrl_status ct_dataset_workspace(const csctrl_dataset *dataset, ct_workspace *work);

/* As csctrl_dataset_read, into u8 planes [channels, size, size]. Threads: any number, each with a
 * workspace of its own. */
csctrl_status ct_dataset_read_planes(const csctrl_dataset *dataset, int64_t index,
                                     ct_workspace *work, uint8_t *planes, int64_t *label);

#endif
