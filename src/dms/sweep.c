/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/sweep.h"

#include "base/log.h"
#include "dms/dms.h"
#include "dms/worker.h"

#include <errno.h>
#include <stdlib.h>

enum { AT_ONCE = 256 };

struct sweep {
    struct worker_job job;
    struct dms *dms;
    struct call_list present; /* answered when these names are through */
    struct call_list next;    /* their files are not among them */
    struct buf names;         /* the worker's while it runs */
    bool more;                /* than fitted into the names */
    char after
        [DOOMED_NAME_SIZE]; /* where they go on, so that what cannot be deleted is passed over */
    size_t not_erased;
    size_t not_deleted; /* of them */
    bool running;
};

static void erase_run(struct worker_job *job)
{
    struct sweep *sweep = container_of(job, struct sweep, job);
    size_t size = sweep->names.size;
    sweep->not_erased = doomed_erase(sweep->dms->store, &sweep->names);
    sweep->not_deleted = (size - sweep->names.size) / DOOMED_NAME_SIZE;
}

static void erase_done(struct worker_job *job)
{
    struct sweep *sweep = container_of(job, struct sweep, job);
    struct dms *dms = sweep->dms;
    sweep->running = false;
    if (sweep->not_erased > 0) {
        metric_add(&dms->metrics[DMS_CONTENTS_NOT_ERASED], (int64_t)sweep->not_erased);
        LOG_WARNING("the volume could not erase contents",
                    LOG_INT("count", (int64_t)sweep->not_erased),
                    LOG_INT("not_even_deleted", (int64_t)sweep->not_deleted));
    }
    if (doomed_forget(dms->store, &sweep->names) < 0) {
        LOG_WARNING("what was deleted could not be written down; the next start looks again");
        sweep->more = false;
    }
    buf_done(&sweep->names);
    if (!sweep->more)
        calls_answer(&sweep->present);
    dms_commit_later(dms); /* behind which the next are begun */
}

void sweep_start(struct dms *dms)
{
    struct sweep *sweep = dms->sweep;
    bool needed = store_has_doomed(dms->store) || sweep->more || sweep->next.first;
    if (sweep->running || !needed)
        return;
    call_list_move(&sweep->next, &sweep->present);
    if (!sweep->more)
        sweep->after[0] = '\0';
    int r = doomed_list(dms->store, sweep->after, &sweep->names, AT_ONCE);
    sweep->more = r == 0 && sweep->names.size == AT_ONCE * DOOMED_NAME_SIZE;
    doomed_last(&sweep->names, sweep->after);
    if (r == 0 && sweep->names.size > 0) {
        sweep->job = (struct worker_job){.work = erase_run, .done = erase_done};
        r = worker_submit(dms->sync_worker, &sweep->job);
        sweep->running = r == 0;
    }
    if (r < 0)
        LOG_WARNING("files could not be deleted; the next start tries again");
    if (sweep->running)
        return;
    sweep->more = false;
    buf_done(&sweep->names);
    calls_answer(&sweep->present);
}

void sweep_wait(struct dms *dms)
{
    call_list_move(&dms->waiting, &dms->sweep->next);
}

int sweep_new(struct dms *dms, struct sweep **ret_sweep)
{
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        return -ENOMEM;
    sweep->dms = dms;
    call_list_init(&sweep->present);
    call_list_init(&sweep->next);
    store_sweep_later(dms->store);
    *ret_sweep = sweep;
    return 0;
}

void sweep_free(struct sweep *sweep)
{
    if (!sweep)
        return;
    if (store_commit(sweep->dms->store) < 0)
        LOG_WARNING("what was deleted could not be written down; the next start looks again");
    buf_done(&sweep->names);
    free(sweep);
}
