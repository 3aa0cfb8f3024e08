/* SPDX-License-Identifier: Apache-2.0 */
/* load/content.h: document contents that need no memory: byte `offset` of document `seed` can be
 * made at any time, so uploads are generated and downloads verified as they pass. Not random in
 * any way that matters for security; does not compress. */
#ifndef COFFER_LOAD_CONTENT_H
#define COFFER_LOAD_CONTENT_H

#include "base/macros.h"

#include <stdbool.h>

void content_fill(uint64_t seed, uint64_t offset, void *bytes, size_t size);
must_check bool content_matches(uint64_t seed, uint64_t offset, const void *bytes, size_t size);

/* A step of a small generator for choices (which operation, which document). */
uint64_t content_random(uint64_t *state);

#endif
