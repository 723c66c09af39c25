/* tfrecord.h - TensorFlow's record format: length, its checksum, data, theirs. */
#ifndef CT_IO_TFRECORD_H
#define CT_IO_TFRECORD_H

#include <stddef.h>
#include <stdint.h>

/* Bytes before and after the data of a record. */
enum { CT_TFRECORD_HEAD = 12, CT_TFRECORD_TAIL = 4 };

/* CRC-32C (Castagnoli) of data. */
uint32_t ct_crc32c(const void *data, size_t size);

/* Fill in head and tail around data[size], which lies CT_TFRECORD_HEAD bytes after `record`. */
void ct_tfrecord_seal(uint8_t *record, size_t size);

#endif
