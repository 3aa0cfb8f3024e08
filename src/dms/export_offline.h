/* SPDX-License-Identifier: Apache-2.0 */
/* dms/export_offline.h: everything in a store to a descriptor, with no server: `coffer-dms --export`. */
#ifndef COFFER_DMS_EXPORT_OFFLINE_H
#define COFFER_DMS_EXPORT_OFFLINE_H

#include "base/error.h"

/* 0, with how much is damaged (and named in the archive; see export.h, `rescue`), or -errno described in
 * `e`; then what was written is no whole archive. */
must_check int export_offline(const char *data, int fd, uint64_t *ret_damage_count,
                              struct error *e);

#endif
