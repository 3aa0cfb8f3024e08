/* SPDX-License-Identifier: Apache-2.0 */
/* dms/outside.h: has coffer-dms-out do a job, a process for each: the document server itself opens no
 * connection. At most OUTSIDE_JOBS_MAX at once; each is bounded in time, memory and answer, and killed
 * when it exceeds one. The loop's thread only. */
#ifndef COFFER_DMS_OUTSIDE_H
#define COFFER_DMS_OUTSIDE_H

#include "server/loop.h"

#include <jansson.h>

#define OUTSIDE_JOBS_MAX 16

struct outside; /* the program, found once */
struct outside_job;

/* `path` of the program; "": coffer-dms-out beside this program. 0, -ENOMEM. Whether it is there is found
 * out by the first job. */
must_check int outside_new(struct loop *loop, const char *path, struct outside **ret_outside);
/* Ends what is at work; nothing is called for it. Accepts NULL. */
void outside_free(struct outside *outside);

/* Called once, on a later turn, unless stopped: 0 and the answer, or -errno and why, in words for a log.
 * Both live during the call. */
typedef void outside_fn(void *arg, int result, const json_t *answer, const char *why);

/* `kind`: see out/main.c; lives for ever. `job` stays the caller's. 0; -EBUSY: too many; -ENOENT: there is
 * no program; -errno. Then nothing is called. */
must_check int outside_start(struct outside *outside, const char *kind, const json_t *job,
                             unsigned time_s, outside_fn *fn, void *arg,
                             struct outside_job **ret_job);
/* fn is not called. Accepts NULL. */
void outside_stop(struct outside_job *job);

#endif
