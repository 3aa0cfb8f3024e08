/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/front.h: the network process of the key broker: sockets, TLS, HTTP and JSON, and nothing worth
 * stealing. Holds no key, no state and no policy; every decision and every signature is the keeper's
 * (kbs/keeper.h), which it asks over a line. Whoever takes it over can do what clients do that are
 * connected through it, and no more (docs/decisions/019). */
#ifndef COFFER_KBS_FRONT_H
#define COFFER_KBS_FRONT_H

#include "base/error.h"
#include "base/macros.h"

#include <stdbool.h>
#include <sys/types.h>

/* Forks the process, which serves on `listen_fd` when the keeper says so, and ends when the line does.
 * Before any key is in memory, and with one thread only. Closes `listen_fd` here, also on failure.
 * *ret_fd, the keeper's end of the line, is the caller's. 0 or -errno. */
must_check int front_start(int listen_fd, pid_t *ret_pid, int *ret_fd, struct error *e);

/* Closes the keeper's end of the line, `fd` (-1: it is closed), and waits until the process has ended,
 * which it does of itself; one that does not, because it hangs or is somebody's by now, is killed after
 * a second. `pid` 0: there is none. */
void front_end(pid_t pid, int fd);

#endif
