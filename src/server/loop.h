/* SPDX-License-Identifier: Apache-2.0 */
/* server/loop.h: one event loop per thread: descriptors, timers, deferred calls, posts from other
 * threads and the stop signals. Never blocks except to wait; at rest it arms no timer at all.
 *
 * Everything but loop_post() and loop_free() belongs to the thread that runs the loop. Watches,
 * timers and tasks are embedded in their owner's structs and start as {0}; the owner stops them
 * before it frees them. A watch or timer may be stopped, and its memory freed, from any callback of
 * the same loop: an event already fetched for it is dropped. */
#ifndef COFFER_SERVER_LOOP_H
#define COFFER_SERVER_LOOP_H

#include "base/macros.h"

#include <stdbool.h>
#include <stdint.h>

#define LOOP_POSTS_MAX 1024

struct loop; /* opaque: from loop_new(), released by loop_free() */

typedef void loop_fn(void *arg);
typedef void loop_watch_fn(void *arg, uint32_t events);

struct loop_watch {
    int fd;
    uint32_t events; /* EPOLLIN, EPOLLOUT...; 0 while started means: errors and hang-ups only */
    loop_watch_fn *fn;
    void *arg;
    bool started;
};

struct loop_timer {
    uint64_t deadline_ns; /* on loop_now_ns()'s clock */
    loop_fn *fn;
    void *arg;
    uint32_t place; /* in the heap, from 1; 0: not armed */
};

struct loop_task {
    loop_fn *fn;
    void *arg;
    struct loop_task *next;
    bool queued;
};

/* 0, -ENOMEM, or -errno of epoll_create1() and eventfd(). Uses two descriptors. */
must_check int loop_new(struct loop **ret_loop);
void loop_free(struct loop *loop);
void loop_freep(struct loop **loop);

/* Runs until loop_stop(). 0, or -errno if waiting itself failed. */
must_check int loop_run(struct loop *loop);

/* One turn: waits at most until the next timer, or not at all if `wait` is false. For tests. */
must_check int loop_turn(struct loop *loop, bool wait);

/* loop_run() returns after the present turn. */
void loop_stop(struct loop *loop);

/* Monotonic time at the beginning of this turn (outside a turn: now). */
uint64_t loop_now_ns(const struct loop *loop);
/* Monotonic time now, read from the clock. */
uint64_t clock_now_ns(void);

/* Level-triggered. 0 or -errno of epoll_ctl(). The watch does not own the descriptor. */
must_check int loop_watch_start(struct loop *loop, struct loop_watch *watch, int fd,
                                uint32_t events, loop_watch_fn *fn, void *arg);
/* Costs nothing if `events` is what is watched already. */
must_check int loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
/* Before the descriptor is closed. Does nothing if not started. */
void loop_watch_stop(struct loop *loop, struct loop_watch *watch);

/* One shot. Arming an armed timer moves it. 0 or -ENOMEM. */
must_check int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns,
                              loop_fn *fn, void *arg);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* Calls fn(arg) once at the end of the present turn (outside a turn: of the next), in the order of
 * deferral; a task may defer again, also itself, and is then called in the same turn. Deferring a
 * queued task changes nothing. Stop a task before freeing it. */
void loop_defer(struct loop *loop, struct loop_task *task, loop_fn *fn, void *arg);
void loop_defer_stop(struct loop *loop, struct loop_task *task);

/* Calls fn(arg) on the loop's thread, soon. The only function for other threads. -EAGAIN: the queue
 * is full, nothing will be called. */
must_check int loop_post(struct loop *loop, loop_fn *fn, void *arg);

/* Calls fn(arg) at SIGTERM and SIGINT, once for any number of them in a turn; also ignores SIGPIPE
 * and SIGXFSZ, which write() reports as errors then. One loop per process. 0 or -errno. */
must_check int loop_on_stop_signal(struct loop *loop, loop_fn *fn, void *arg);

#endif
