/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/confine/confined.h: what a thread of the guest has taken from itself, for good: seccomp(2)
 * filters and
 * landlock(7) rules. Threads and children begin with their creator's, a program with what executed
 * it had. Built for the program's own view: the guest's calls are judged before anything else is done for
 * them; see docs/decisions/020. */
#ifndef COFFER_RUNTIME_CONFINE_CONFINED_H
#define COFFER_RUNTIME_CONFINE_CONFINED_H

#include "base/macros.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct landlock_layer;
struct reader;
struct seccomp_filter;
struct thread;

struct confined {
    struct seccomp_filter
        *_Atomic filter;           /* the newest, which holds the earlier ones; NULL: none */
    _Atomic uint8_t mode;          /* SECCOMP_MODE_* */
    struct landlock_layer *domain; /* the innermost; the thread's own to change */
    _Atomic bool no_new_privs_due; /* another thread said so: see seccomp_judge() */
};

/* `from` may be any thread that lives. Under the threads lock if `to` is another thread than it will be
 * (SECCOMP_FILTER_FLAG_TSYNC changes the others'), or before anybody else knows of `to`. */
void confined_inherit(struct confined *to, const struct confined *from);
/* A thread has ended and is in no list any more. */
void confined_leave(struct confined *c);

/* Over a host exec. 0 or -errno; what is read is checked like the guest's own. */
must_check int confined_save(const struct confined *c, struct buf *to);
must_check int confined_restore(struct confined *ret, struct reader *from);

#endif
