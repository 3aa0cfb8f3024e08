/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/process/exec.h: execve. In place: the other threads end, the guest's memory goes, the new
 * program starts on the leader. In a child of vfork(), which shares its parent's memory: a host
 * exec of this very program, with what it must know in a sealed memfd. */
#ifndef COFFER_RUNTIME_PROCESS_EXEC_H
#define COFFER_RUNTIME_PROCESS_EXEC_H

#include "platform/linux/image.h"
#include "runtime/loader/load.h"
#include "runtime/thread.h"

/* NAME FLAG STATE-FD [IMAGE-FD [RUNTIME_IMAGE_FLAG]]: the last to make the image first. */
#define RUNTIME_CONTINUE_FLAG IMAGE_FLAG
#define RUNTIME_IMAGE_FLAG "make"

/* On the leader: waits until it is alone, clears the old program away, returns the new one. */
struct program *exec_take(struct thread *t);

/* In the host-exec'ed runtime: reads the memfd. */
struct runtime_config;
struct error;
must_check int exec_continue(int fd, struct runtime_config *ret_config, struct error *e);

/* Puts config and arguments into a sealed memfd and replaces this process. Returns -errno. */
must_check int exec_host(const struct program *program);

#endif
