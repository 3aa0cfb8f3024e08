/* SPDX-License-Identifier: Apache-2.0 */
/* volume/authority_file.h: a freshness authority in a local file, for volumes without a key broker.
 *
 * It remembers the newest head of one volume outside the volume's directory, so that an older copy
 * of the directory is noticed. It cannot help against somebody who puts back an older copy of both:
 * that takes a key broker. */
#ifndef COFFER_VOLUME_AUTHORITY_FILE_H
#define COFFER_VOLUME_AUTHORITY_FILE_H

#include "volume/volume.h"

struct authority_file;

/* `path`: the file; it is made at the first opening. Erase keys are kept in a second one beside it.
 * Both are authenticated under a key from `secret`, which is used here and not kept. Errors are those
 * of the host and -EBADMSG (somebody wrote to the file, or the secret is another). */
must_check int authority_file_new(const char *path, const struct key256 *secret,
                                  struct authority_file **ret_authority, struct error *e);
void authority_file_free(struct authority_file *authority);

/* For struct volume_options; lives as long as `authority`. */
const struct volume_authority *authority_file_ops(struct authority_file *authority);

#endif
