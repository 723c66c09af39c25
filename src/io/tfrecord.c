/* tfrecord.c - u64 length, u32 masked CRC of it, data, u32 masked CRC of the data; little endian.
 */
#include "io/tfrecord.h"

uint32_t ct_crc32c(const void *data, size_t size)
{
    /* Of the 16 values of four bits; polynomial 0x82f63b78, reflected. */
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *bytes = data;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static void put(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* So that a record whose data hold records does not look like one. */
static uint32_t masked(const void *data, size_t size)
{
    const uint32_t crc = ct_crc32c(data, size);

    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

void ct_tfrecord_seal(uint8_t *record, size_t size)
{
    put(record, size, 8);
    put(record + 8, masked(record, 8), 4);
    put(record + CT_TFRECORD_HEAD + size, masked(record + CT_TFRECORD_HEAD, size), 4);
}
