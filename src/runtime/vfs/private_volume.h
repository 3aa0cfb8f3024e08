/* SPDX-License-Identifier: Apache-2.0 */
/* vfs/private_volume.h: directories of class `private`: a volume in memory under a key that nobody
 * keeps, made when first touched, gone with the process family. */
#ifndef COFFER_RUNTIME_VFS_PRIVATE_VOLUME_H
#define COFFER_RUNTIME_VFS_PRIVATE_VOLUME_H

#include "volume/volume.h"

/* For owner->open_volume; `index` counts from RUNTIME_VOLUMES_MAX. */
must_check int private_volume_open(uint32_t index, struct volume **ret_volume);
void private_volumes_free(void);

#endif
