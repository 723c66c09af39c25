/* cifar.h - the binary versions of CIFAR-10 and CIFAR-100: records of label bytes and 32 x 32
 * planes of red, green and blue. */
#ifndef CT_DATA_CIFAR_H
#define CT_DATA_CIFAR_H

#include <stdbool.h>

#include "data/raw.h"

#define CT_CIFAR10_FOLDER "cifar-10-batches-bin"
#define CT_CIFAR100_FOLDER "cifar-100-binary"

typedef struct ct_cifar_role {
    bool fine; /* CIFAR-100: coarse and fine label, the fine one counts */
    csctrl_split part;
} ct_cifar_role;

/* What a file of that name (its last component) holds: data_batch_N.bin and test_batch.bin, or
 * train.bin and test.bin; false for others. */
bool ct_cifar_name(const char *name, ct_cifar_role *role);

/* Append the records of one file. E_FORMAT naming the offset of a bad label or a wrong size. */
csctrl_status ct_cifar_parse(const uint8_t *data, size_t size, const char *name, bool fine,
                             ct_raw *raw);

#endif
