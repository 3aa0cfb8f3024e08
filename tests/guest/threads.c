/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, their local storage, mutexes (robust ones too), conditions, exit of single threads. */
#include "say.h"

#include <linux/prctl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define THREADS 16
#define ROUNDS 2000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static _Thread_local int local = 7;

static void *count(void *arg)
{
    local += (int)(long)arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        if (i % 500 == 0)
            syscall(SYS_sched_yield);
    }
    return (void *)(long)local;
}

static void *ping(void *arg)
{
    int me = (int)(long)arg;
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != me)
            pthread_cond_wait(&cond, &mutex);
        turn = !me;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static pthread_mutex_t robust;

static void *die_with_it(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&robust);
    return NULL;
}

static void *wait_for_cancel(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static void *churn(void *arg)
{
    return arg;
}

/* Who reads where its end will be told can put that place back, and is joined. */
static void *move_tid_address(void *arg)
{
    int here = 0, *before = NULL, *after = NULL;
    (void)arg;
    SAY(prctl(PR_GET_TID_ADDRESS, &before, 0, 0, 0));
    SAY_TRUE(before && *before == syscall(SYS_gettid));
    SAY_TRUE(syscall(SYS_set_tid_address, &here) == syscall(SYS_gettid));
    SAY(prctl(PR_GET_TID_ADDRESS, &after, 0, 0, 0));
    SAY_TRUE(after == &here);
    SAY(prctl(PR_GET_TID_ADDRESS, 8, 0, 0, 0));
    syscall(SYS_set_tid_address, before);
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    void *result;
    long sum = 0;
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, count, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], &result);
        sum += (long)result;
    }
    SAY(counter);
    SAY(sum);
    SAY(local);
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, ping, (void *)i);
    for (int i = 0; i < 2; i++)
        SAY(pthread_join(t[i], NULL));
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attr);
    pthread_create(&t[0], NULL, die_with_it, NULL);
    pthread_join(t[0], NULL);
    SAY(pthread_mutex_lock(&robust) == EOWNERDEAD);
    SAY(pthread_mutex_consistent(&robust));
    pthread_create(&t[0], NULL, wait_for_cancel, NULL);
    SAY(pthread_cancel(t[0]));
    SAY(pthread_join(t[0], &result));
    SAY_TRUE(result == PTHREAD_CANCELED);
    for (int i = 0; i < 300; i++) {
        pthread_create(&t[0], NULL, churn, NULL);
        pthread_join(t[0], NULL);
    }
    pthread_create(&t[0], NULL, move_tid_address, NULL);
    SAY(pthread_join(t[0], NULL));
    SAY_TRUE(getpid() == syscall(SYS_gettid));
    printf("end\n");
    fflush(stdout);
    pthread_create(&t[0], NULL, churn, NULL);
    pthread_exit(NULL); /* the process goes on until its last thread has ended */
}
