/* SPDX-License-Identifier: Apache-2.0 */
/* dms/worker.h: one helper thread for what would block the loop (Argon2, the sync of a large file).
 * It is started at need and ends by itself when idle, so a server at rest has one thread. Jobs run
 * one after the other. */
#ifndef COFFER_DMS_WORKER_H
#define COFFER_DMS_WORKER_H

#include "server/loop.h"

#define WORKER_JOBS_MAX 256

struct worker;

/* Embedded in its owner's struct; `work` runs on the helper thread, then `done` on the loop's. From
 * submission to `done` it belongs to the worker. */
struct worker_job {
    void (*work)(struct worker_job *job);
    void (*done)(struct worker_job *job);
    struct worker *worker;
    struct worker_job *next;
};

must_check int worker_new(struct loop *loop, struct worker **ret_worker);
/* Waits for the job at hand and drops the others: their `done` is called here. */
void worker_free(struct worker *worker);

/* -EBUSY: too many are waiting; or -errno of starting the thread. Then nothing is called. */
must_check int worker_submit(struct worker *worker, struct worker_job *job);

#endif
