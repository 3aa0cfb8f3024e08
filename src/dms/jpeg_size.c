/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/jpeg_size.h"

#include <errno.h>

/* Markers (ITU-T T.81, table B.1): frame headers are C0 to CF, but C4, C8 and CC. */
static bool is_frame(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

int jpeg_size(struct slice jpeg, int *ret_width, int *ret_height)
{
    size_t at = 2;
    if (jpeg.size < 4 || jpeg.bytes[0] != 0xff || jpeg.bytes[1] != 0xd8)
        return -EBADMSG;
    while (at + 9 <= jpeg.size && jpeg.bytes[at] == 0xff) {
        const uint8_t *segment = jpeg.bytes + at;
        size_t size = (size_t)segment[2] << 8 | segment[3]; /* with itself, without the marker */
        if (is_frame(segment[1])) {
            *ret_height = segment[5] << 8 | segment[6];
            *ret_width = segment[7] << 8 | segment[8];
            return *ret_width > 0 && *ret_height > 0 ? 0 : -EBADMSG;
        }
        if (size < 2)
            return -EBADMSG;
        at += 2 + size;
    }
    return -EBADMSG;
}
