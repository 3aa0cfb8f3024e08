/* SPDX-License-Identifier: Apache-2.0 */
#include "server/loop.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct loop *loop;
static char trace[64];

static void *name_of(const char *text) /* callbacks take no const */
{
    return (void *)(uintptr_t)text;
}

static void note(void *arg)
{
    strncat(trace, arg, sizeof trace - strlen(trace) - 1);
}

static void start(void)
{
    trace[0] = 0;
    REQUIRE(loop_new(&loop) == 0);
}

static void turn(void)
{
    REQUIRE(loop_turn(loop, false) == 0);
}

TEST(timers_fire_in_order_of_deadline_and_stopped_ones_do_not)
{
    static char names[100][2];
    struct loop_timer timers[26] = {0};
    start();
    uint64_t now_ns = clock_now_ns();
    for (int i = 0; i < 26; i++) {
        int k = i * 7 % 26;
        names[k][0] = (char)('a' + k);
        REQUIRE(loop_timer_set(loop, &timers[k], now_ns - 1000 + (uint64_t)k, note, names[k]) == 0);
    }
    loop_timer_stop(loop, &timers[0]);
    loop_timer_stop(loop, &timers[13]);
    loop_timer_stop(loop, &timers[25]);
    REQUIRE(loop_timer_set(loop, &timers[1], now_ns - 500, note, names[1]) == 0);
    turn();
    CHECK_TEXT(trace, "cdefghijklmopqrstuvwxyb");
    turn();
    CHECK_EQ(strlen(trace), 23);
    loop_free(loop);
}

static struct loop_task tasks[3];

static void defer_another(void *arg)
{
    note(arg);
    loop_defer(loop, &tasks[2], note, name_of("c"));
}

TEST(deferred_tasks_run_in_order_in_the_same_turn)
{
    start();
    loop_defer(loop, &tasks[0], defer_another, name_of("a"));
    loop_defer(loop, &tasks[1], note, name_of("b"));
    loop_defer(loop, &tasks[0], note, name_of("never"));
    turn();
    CHECK_TEXT(trace, "abc");
    loop_defer(loop, &tasks[0], note, name_of("d"));
    loop_defer_stop(loop, &tasks[0]);
    turn();
    CHECK_TEXT(trace, "abc");
    loop_free(loop);
}

static struct loop_watch watches[2];

static void stop_the_other(void *arg, uint32_t events)
{
    (void)events;
    note(name_of("w"));
    loop_watch_stop(loop, &watches[arg == &watches[0]]);
}

TEST(an_event_already_fetched_for_a_stopped_watch_is_dropped)
{
    int a[2], b[2];
    start();
    REQUIRE(pipe(a) == 0 && pipe(b) == 0);
    REQUIRE(loop_watch_start(loop, &watches[0], a[0], EPOLLIN, stop_the_other, &watches[0]) == 0);
    REQUIRE(loop_watch_start(loop, &watches[1], b[0], EPOLLIN, stop_the_other, &watches[1]) == 0);
    REQUIRE(write(a[1], "x", 1) == 1 && write(b[1], "x", 1) == 1);
    turn();
    CHECK_TEXT(trace, "w");
    loop_watch_stop(loop, &watches[0]);
    loop_watch_stop(loop, &watches[1]);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]);
    loop_free(loop);
}

static int posts;
static void count(void *arg)
{
    (void)arg;
    posts++;
}

static void *poster_count(void *arg)
{
    for (int i = 0; i < 5000; i++)
        while (loop_post(loop, count, arg) == -EAGAIN)
            ;
    return NULL;
}

TEST(posts_from_other_threads_arrive_and_the_queue_is_bounded)
{
    pthread_t threads[2];
    start();
    posts = 0;
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, poster_count, NULL) == 0);
    while (posts < 10000)
        REQUIRE(loop_turn(loop, true) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(posts, 10000);
    int r = 0, queued = 0;
    while (r == 0 && queued < 5000)
        queued += (r = loop_post(loop, count, NULL)) == 0;
    CHECK_EQ(r, -EAGAIN);
    CHECK_EQ(queued, LOOP_POSTS_MAX);
    loop_free(loop);
}

TEST(a_stop_signal_reaches_the_loop_once)
{
    start();
    REQUIRE(loop_on_stop_signal(loop, note, name_of("s")) == 0);
    raise(SIGTERM);
    raise(SIGINT);
    turn();
    turn();
    CHECK_TEXT(trace, "s");
    loop_free(loop);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
}

TAP_MAIN()
