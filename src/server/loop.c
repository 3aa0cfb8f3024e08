/* SPDX-License-Identifier: Apache-2.0 */
#include "server/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_MAX = 64, HEAP_COUNT_MAX = 1 << 20 };

struct post {
    loop_fn *fn;
    void *arg;
};

struct loop {
    int epoll_fd;
    int wake_fd; /* an eventfd: posts and signals */
    bool stopped;
    bool in_turn;
    uint64_t now_ns;
    struct epoll_event batch[BATCH_MAX];
    int batch_count;
    struct loop_timer **heap; /* heap[0] unused, heap[1] is due first */
    size_t heap_count;
    size_t heap_capacity;
    struct loop_task *tasks;
    struct loop_task **tasks_end;
    loop_fn *on_signal;
    void *on_signal_arg;
    pthread_mutex_t posts_lock; /* protects: posts, posts_count, posts_capacity */
    struct post *posts;
    size_t posts_count;
    size_t posts_capacity;
};

static int signal_wake_fd = -1;
static volatile sig_atomic_t signal_seen;

uint64_t clock_now_ns(void)
{
    struct timespec ts;
    int r = clock_gettime(CLOCK_MONOTONIC, &ts);
    assert(r == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->in_turn ? loop->now_ns : clock_now_ns();
}

int loop_new(struct loop **ret_loop)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return -ENOMEM;
    loop->tasks_end = &loop->tasks;
    pthread_mutex_init(&loop->posts_lock, NULL);
    loop->wake_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd >= 0)
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* The wake-up descriptor is the one without a watch: data.ptr is NULL. */
    struct epoll_event event = {.events = EPOLLIN};
    if (loop->wake_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0) {
        int r = -errno;
        loop_free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->wake_fd >= 0 && signal_wake_fd == loop->wake_fd)
        signal_wake_fd = -1;
    if (loop->epoll_fd >= 0)
        (void)close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    pthread_mutex_destroy(&loop->posts_lock);
    free(loop->posts);
    free(loop->heap);
    free(loop);
}

void loop_freep(struct loop **loop)
{
    loop_free(*loop);
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

/* Descriptors */

int loop_watch_start(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events,
                     loop_watch_fn *fn, void *arg)
{
    assert(!watch->started);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    *watch = (struct loop_watch){.fd = fd, .events = events, .fn = fn, .arg = arg, .started = true};
    return 0;
}

int loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
    assert(watch->started);
    if (watch->events == events)
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
        return -errno;
    watch->events = events;
    return 0;
}

void loop_watch_stop(struct loop *loop, struct loop_watch *watch)
{
    if (!watch->started)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->started = false;
    for (int i = 0; i < loop->batch_count; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].events = 0;
}

/* Timers: a binary heap ordered by deadline */

static void heap_place(struct loop *loop, struct loop_timer *timer, size_t at)
{
    loop->heap[at] = timer;
    timer->place = (uint32_t)at;
}

static void heap_up(struct loop *loop, struct loop_timer *timer, size_t at)
{
    while (at > 1 && timer->deadline_ns < loop->heap[at / 2]->deadline_ns) {
        heap_place(loop, loop->heap[at / 2], at);
        at /= 2;
    }
    heap_place(loop, timer, at);
}

static void heap_down(struct loop *loop, struct loop_timer *timer, size_t at)
{
    for (size_t child; (child = 2 * at) <= loop->heap_count; at = child) {
        if (child < loop->heap_count &&
            loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
            child++;
        if (timer->deadline_ns <= loop->heap[child]->deadline_ns)
            break;
        heap_place(loop, loop->heap[child], at);
    }
    heap_place(loop, timer, at);
}

static int heap_grow(struct loop *loop)
{
    size_t capacity = loop->heap_capacity ? 2 * loop->heap_capacity : 16;
    if (capacity > HEAP_COUNT_MAX)
        return -ENOMEM;
    struct loop_timer **heap = realloc(loop->heap, capacity * sizeof(struct loop_timer *));
    if (!heap)
        return -ENOMEM;
    loop->heap = heap;
    loop->heap_capacity = capacity;
    return 0;
}

int loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns, loop_fn *fn,
                   void *arg)
{
    loop_timer_stop(loop, timer);
    if (loop->heap_count + 1 >= loop->heap_capacity) {
        int r = heap_grow(loop);
        if (r < 0)
            return r;
    }
    *timer = (struct loop_timer){.deadline_ns = deadline_ns, .fn = fn, .arg = arg};
    heap_up(loop, timer, ++loop->heap_count);
    return 0;
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    size_t at = timer->place;
    if (at == 0)
        return;
    timer->place = 0;
    struct loop_timer *last = loop->heap[loop->heap_count--];
    if (last == timer)
        return;
    if (at > 1 && last->deadline_ns < loop->heap[at / 2]->deadline_ns)
        heap_up(loop, last, at);
    else
        heap_down(loop, last, at);
}

static void timers_run(struct loop *loop)
{
    while (loop->heap_count > 0 && loop->heap[1]->deadline_ns <= loop->now_ns) {
        struct loop_timer *timer = loop->heap[1];
        loop_timer_stop(loop, timer);
        timer->fn(timer->arg);
    }
}

/* Tasks */

void loop_defer(struct loop *loop, struct loop_task *task, loop_fn *fn, void *arg)
{
    if (task->queued)
        return;
    *task = (struct loop_task){.fn = fn, .arg = arg, .queued = true};
    *loop->tasks_end = task;
    loop->tasks_end = &task->next;
}

void loop_defer_stop(struct loop *loop, struct loop_task *task)
{
    if (!task->queued)
        return;
    struct loop_task **link = &loop->tasks;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    if (!task->next)
        loop->tasks_end = link;
    task->queued = false;
}

static void tasks_run(struct loop *loop)
{
    while (loop->tasks) {
        struct loop_task *task = loop->tasks;
        loop_defer_stop(loop, task);
        task->fn(task->arg);
    }
}

/* Posts and signals */

static void wake(int fd)
{
    static const uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n; /* EAGAIN: the counter is high, so the loop will wake anyway */
}

int loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
    int r = 0;
    pthread_mutex_lock(&loop->posts_lock);
    if (loop->posts_count == loop->posts_capacity) {
        size_t capacity = loop->posts_capacity ? 2 * loop->posts_capacity : 16;
        struct post *posts =
            capacity > LOOP_POSTS_MAX ? NULL : realloc(loop->posts, capacity * sizeof(struct post));
        if (posts) {
            loop->posts = posts;
            loop->posts_capacity = capacity;
        } else {
            r = -EAGAIN;
        }
    }
    if (r == 0)
        loop->posts[loop->posts_count++] = (struct post){fn, arg};
    pthread_mutex_unlock(&loop->posts_lock);
    if (r == 0)
        wake(loop->wake_fd);
    return r;
}

static void posts_run(struct loop *loop)
{
    pthread_mutex_lock(&loop->posts_lock);
    struct post *posts = loop->posts;
    size_t count = loop->posts_count;
    loop->posts = NULL;
    loop->posts_count = loop->posts_capacity = 0;
    pthread_mutex_unlock(&loop->posts_lock);
    for (size_t i = 0; i < count; i++)
        posts[i].fn(posts[i].arg);
    free(posts);
}

static void signal_caught(int number)
{
    (void)number;
    int saved = errno;
    signal_seen = 1;
    if (signal_wake_fd >= 0)
        wake(signal_wake_fd);
    errno = saved;
}

int loop_on_stop_signal(struct loop *loop, loop_fn *fn, void *arg)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction caught = {.sa_handler = signal_caught, .sa_flags = SA_RESTART};
    loop->on_signal = fn;
    loop->on_signal_arg = arg;
    signal_wake_fd = loop->wake_fd;
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigaction(SIGXFSZ, &ignore, NULL) < 0 ||
        sigaction(SIGTERM, &caught, NULL) < 0 || sigaction(SIGINT, &caught, NULL) < 0)
        return -errno;
    return 0;
}

static void woken(struct loop *loop)
{
    uint64_t count;
    ssize_t n = read(loop->wake_fd, &count, sizeof count);
    (void)n;
    if (signal_seen && loop->on_signal) {
        signal_seen = 0;
        loop->on_signal(loop->on_signal_arg);
    }
    posts_run(loop);
}

/* Turns */

static int wait_ms(const struct loop *loop, bool wait)
{
    if (!wait || loop->tasks)
        return 0;
    if (loop->heap_count == 0)
        return -1;
    uint64_t now_ns = clock_now_ns(), due_ns = loop->heap[1]->deadline_ns;
    if (due_ns <= now_ns)
        return 0;
    uint64_t ms = (due_ns - now_ns + 999999) / 1000000;
    return (int)MIN(ms, (uint64_t)3600 * 1000);
}

int loop_turn(struct loop *loop, bool wait)
{
    int count = epoll_wait(loop->epoll_fd, loop->batch, BATCH_MAX, wait_ms(loop, wait));
    if (count < 0 && errno != EINTR)
        return -errno;
    loop->now_ns = clock_now_ns();
    loop->in_turn = true;
    loop->batch_count = MAX(count, 0);
    for (int i = 0; i < loop->batch_count; i++) {
        struct loop_watch *watch = loop->batch[i].data.ptr;
        if (loop->batch[i].events == 0)
            continue;
        if (watch)
            watch->fn(watch->arg, loop->batch[i].events);
        else
            woken(loop);
    }
    loop->batch_count = 0;
    timers_run(loop);
    tasks_run(loop);
    loop->in_turn = false;
    return 0;
}

int loop_run(struct loop *loop)
{
    int r = 0;
    loop->stopped = false;
    while (r == 0 && !loop->stopped)
        r = loop_turn(loop, true);
    return r;
}
