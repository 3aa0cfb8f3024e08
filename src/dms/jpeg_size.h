/* SPDX-License-Identifier: Apache-2.0 */
/* dms/jpeg_size.h: how large a JPEG picture is, by its frame header (ITU-T T.81, B.2.2). The bytes are
 * anybody's; nothing else of them is looked at. */
#ifndef COFFER_DMS_JPEG_SIZE_H
#define COFFER_DMS_JPEG_SIZE_H

#include "base/macros.h"
#include "base/slice.h"

/* 0, or -EBADMSG: it is no JPEG, or is cut off before the frame header. */
must_check int jpeg_size(struct slice jpeg, int *ret_width, int *ret_height);

#endif
