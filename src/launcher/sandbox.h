/* SPDX-License-Identifier: Apache-2.0 */
/* launcher/sandbox.h: shuts the calling process in for good: its volumes' directory read and write,
 * the system's libraries read and execute, the key broker's port, and nothing else of the machine;
 * no signal to a process outside, no tracing, no dump. A sandbox that cannot be entered stops the
 * start. */
#ifndef COFFER_LAUNCHER_SANDBOX_H
#define COFFER_LAUNCHER_SANDBOX_H

#include "base/error.h"
#include "base/macros.h"

#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_ABI_MIN 1

struct sandbox {
    int volume_fd;     /* directory: everything beneath it, read and write */
    uint16_t tcp_port; /* the only one it may connect to (from Landlock ABI 4 on) */
    uid_t uid;         /* 0: keep ours */
};

/* The kernel's Landlock ABI, or 0 if it has none. */
int sandbox_abi(void);

/* Irreversible, also where it fails: the process must then exit. Single-threaded callers only. */
must_check int sandbox_enter(const struct sandbox *sandbox, struct error *e);

#endif
