/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { STACK_SIZE = 256 << 10, LINGER_S = 1 };

struct worker {
    struct loop *loop;
    pthread_mutex_t lock; /* protects everything below */
    pthread_cond_t wake;
    pthread_t thread;
    bool started; /* there is a thread to join */
    bool running; /* it will look at the queue again */
    bool stopping;
    struct worker_job *first, **end;
    size_t count; /* submitted, not done */
};

int worker_new(struct loop *loop, struct worker **ret_worker)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return -ENOMEM;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&worker->lock, NULL);
    worker->loop = loop;
    worker->end = &worker->first;
    *ret_worker = worker;
    return 0;
}

static struct worker_job *job_take(struct worker *worker)
{
    struct worker_job *job = worker->first;
    if (!job)
        return NULL;
    worker->first = job->next;
    if (!worker->first)
        worker->end = &worker->first;
    return job;
}

static void job_done(void *arg)
{
    struct worker_job *job = arg;
    struct worker *worker = job->worker;
    pthread_mutex_lock(&worker->lock);
    worker->count--;
    pthread_mutex_unlock(&worker->lock);
    job->done(job);
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping) {
        struct worker_job *job = job_take(worker);
        if (job) {
            pthread_mutex_unlock(&worker->lock);
            job->work(job);
            int r = loop_post(worker->loop, job_done, job);
            assert(r == 0); /* WORKER_JOBS_MAX is well below the loop's own limit */
            pthread_mutex_lock(&worker->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LINGER_S;
        if (pthread_cond_timedwait(&worker->wake, &worker->lock, &until) == ETIMEDOUT &&
            !worker->first)
            break;
    }
    worker->running = false;
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* With the lock held. Signals stay with the loop's thread. */
static int thread_start(struct worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL); /* it has ended, or is about to return */
    worker->started = false;
    sigset_t all, before;
    pthread_attr_t attr;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    int error = pthread_create(&worker->thread, &attr, run, worker);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->started = worker->running = error == 0;
    return -error;
}

int worker_submit(struct worker *worker, struct worker_job *job)
{
    int r = 0;
    pthread_mutex_lock(&worker->lock);
    if (worker->count >= WORKER_JOBS_MAX)
        r = -EBUSY;
    else if (!worker->running)
        r = thread_start(worker);
    if (r == 0) {
        job->worker = worker;
        job->next = NULL;
        *worker->end = job;
        worker->end = &job->next;
        worker->count++;
        pthread_cond_signal(&worker->wake);
    }
    pthread_mutex_unlock(&worker->lock);
    return r;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_cond_signal(&worker->wake);
    pthread_mutex_unlock(&worker->lock);
    if (worker->started)
        pthread_join(worker->thread, NULL);
    for (struct worker_job *job; (job = job_take(worker)) != NULL;)
        job->done(job);
    pthread_cond_destroy(&worker->wake);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
