/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of threads: alive at once, then one after the other. An argument: how many. */
#include "say.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>

static pthread_barrier_t g_all;
static _Atomic long g_sum;
static __thread long g_own;

static void *meet(void *arg)
{
    g_own = (long)arg;
    (void)syscall(SYS_getppid);
    pthread_barrier_wait(&g_all);
    atomic_fetch_add(&g_sum, g_own);
    return arg;
}

static void *pass(void *arg)
{
    atomic_fetch_add(&g_sum, (long)syscall(SYS_gettid) == getpid());
    return arg;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN + 16384);
    pthread_barrier_init(&g_all, NULL, (unsigned)count + 1);
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], &small, meet, (void *)i) != 0) {
            printf("no thread %ld of %ld\n", i, count);
            return 1;
        }
    pthread_barrier_wait(&g_all);
    long joined = 0;
    for (long i = 0; i < count; i++) {
        void *result;
        joined += pthread_join(threads[i], &result) == 0 && (long)result == i;
    }
    SAY_TRUE(joined == count && atomic_load(&g_sum) == count * (count - 1) / 2);
    atomic_store(&g_sum, 0);
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        joined -=
            pthread_create(&thread, &small, pass, NULL) == 0 && pthread_join(thread, NULL) == 0;
    }
    SAY(joined);
    SAY(atomic_load(&g_sum));
    free(threads);
    return 0;
}
