/* CRC-32C (Castagnoli), least significant bit first, by nibbles. */
#include "lib.h"

u32 crc32c(u32 crc, const void *data, size_t n) {
    static const u32 by[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                               0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                               0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    for (const u8 *p = data; n--; p++) {
        crc = by[(crc ^ *p) & 15] ^ crc >> 4;
        crc = by[(crc ^ *p >> 4) & 15] ^ crc >> 4;
    }
    return crc;
}
