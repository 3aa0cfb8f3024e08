/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/confine.h: shuts the calling process in for good: it can serve the sockets it has and accept from
 * them, and nothing else: no file, no new socket, no other program or process, no tracing, no dump. It
 * does not outlive its parent. */
#ifndef COFFER_KBS_CONFINE_H
#define COFFER_KBS_CONFINE_H

#include "base/error.h"
#include "base/macros.h"

/* Irreversible, also where it fails: the process must then exit. With one thread only. 0 or -errno. */
must_check int confine_enter(struct error *e);

#endif
