/* SPDX-License-Identifier: Apache-2.0 */
/* load/engine.h: runs all clients on one epoll loop. First every client stores a document and
 * connects (which starts the servers), then the measured part, then the documents are removed. */
#ifndef COFFER_LOAD_ENGINE_H
#define COFFER_LOAD_ENGINE_H

#include "base/error.h"
#include "load/options.h"
#include "load/results.h"

/* 0: measured, whatever the servers answered. -errno: could not begin. SIGINT and SIGTERM end the
 * measured part early. `ret_results` is the caller's to results_done(). */
must_check int engine_run(const struct load_options *options, struct results *ret_results,
                          struct error *e);

#endif
