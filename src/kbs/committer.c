/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/committer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK_SIZE = 512 << 10 };

enum state { IDLE, ASKED, DONE, ENDING };

struct committer {
    struct loop *loop;
    struct loop_watch watch;
    struct store *store;
    committer_done_fn *done;
    void *arg;
    bool busy;    /* of the loop's thread: done() has still to be called */
    int event_fd; /* DONE, for the loop */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t changed;
    enum state state;
    int result;
};

static void *thread_run(void *arg)
{
    struct committer *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->state != ASKED && c->state != ENDING)
            pthread_cond_wait(&c->changed, &c->lock);
        if (c->state == ENDING)
            break;
        pthread_mutex_unlock(&c->lock);
        int r = store_commit(c->store);
        pthread_mutex_lock(&c->lock);
        c->result = r;
        c->state = DONE;
        pthread_cond_signal(&c->changed);
        (void)eventfd_write(c->event_fd, 1); /* below its limit by far: never refused */
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Whether or not `wait`s: tells what has been done. */
static void finish(struct committer *c, bool wait)
{
    pthread_mutex_lock(&c->lock);
    while (wait && c->state == ASKED)
        pthread_cond_wait(&c->changed, &c->lock);
    bool is_done = c->state == DONE;
    int result = c->result;
    if (is_done)
        c->state = IDLE;
    pthread_mutex_unlock(&c->lock);
    if (!is_done)
        return;
    c->busy = false;
    c->done(c->arg, result);
}

static void event(void *arg, uint32_t events)
{
    struct committer *c = arg;
    eventfd_t ignored;
    (void)events;
    (void)eventfd_read(c->event_fd, &ignored);
    finish(c, false); /* not if somebody has waited for it already */
}

static int thread_start(struct committer *c)
{
    pthread_attr_t attributes;
    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    r = pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (r == 0)
        r = pthread_create(&c->thread, &attributes, thread_run, c);
    c->started = r == 0;
    pthread_attr_destroy(&attributes);
    return -r;
}

int committer_new(struct loop *loop, struct store *store, committer_done_fn *done, void *arg,
                  struct committer **ret_committer)
{
    struct committer *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->loop = loop;
    c->store = store;
    c->done = done;
    c->arg = arg;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = c->event_fd < 0 ? -errno
                            : loop_watch_start(loop, &c->watch, c->event_fd, EPOLLIN, event, c);
    if (r == 0)
        r = thread_start(c);
    if (r < 0) {
        committer_free(c);
        return r;
    }
    *ret_committer = c;
    return 0;
}

void committer_free(struct committer *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    while (c->state == ASKED)
        pthread_cond_wait(&c->changed, &c->lock);
    c->state = ENDING;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (c->started)
        pthread_join(c->thread, NULL);
    loop_watch_stop(c->loop, &c->watch);
    if (c->event_fd >= 0)
        close(c->event_fd);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void committer_begin(struct committer *c)
{
    c->busy = true;
    pthread_mutex_lock(&c->lock);
    c->state = ASKED;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

bool committer_busy(const struct committer *c)
{
    return c && c->busy;
}

void committer_wait(struct committer *c)
{
    if (c && c->busy)
        finish(c, true);
}
