/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/confine/landlock_calls.h: the host's half of landlock(7) where a thread executes a program. */
#ifndef COFFER_RUNTIME_CONFINE_LANDLOCK_CALLS_H
#define COFFER_RUNTIME_CONFINE_LANDLOCK_CALLS_H

#include "base/macros.h"

struct landlock_layer;

/* The calling thread is confined at the host by what `domain` has beyond `known`. 0 or -errno: then the
 * thread must not go on. */
must_check int landlock_enter_host(const struct landlock_layer *domain,
                                   const struct landlock_layer *known);

#endif
