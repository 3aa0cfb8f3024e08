/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/outside.h"

#include "base/secret.h"
#include "dms/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROGRAM "coffer-dms-out"
#define ANSWER_SIZE_MAX ((size_t)24 << 20) /* of the largest answer in base64 */
#define MEMORY_MAX ((size_t)1 << 30)       /* of addresses */
enum { CPU_S = 15 };

struct outside {
    struct loop *loop;
    char *path;
    struct outside_job *jobs;
    unsigned count;
};

struct outside_job {
    struct outside *outside;
    struct outside_job *next, **place;
    struct tool *tool;
    outside_fn *fn;
    void *arg;
};

/* In the folder of the program that runs. */
static char *path_beside(void)
{
    char own[4096], *path = NULL;
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    char *slash = NULL;
    if (size > 0 && (size_t)size < sizeof own - 1) {
        own[size] = 0;
        slash = strrchr(own, '/');
    }
    if (slash)
        *slash = 0;
    return asprintf(&path, "%s/" PROGRAM, slash ? own : "/usr/bin") < 0 ? NULL : path;
}

int outside_new(struct loop *loop, const char *path, struct outside **ret_outside)
{
    struct outside *outside = calloc(1, sizeof *outside);
    if (!outside)
        return -ENOMEM;
    outside->loop = loop;
    outside->path = *path ? strdup(path) : path_beside();
    if (!outside->path) {
        free(outside);
        return -ENOMEM;
    }
    *ret_outside = outside;
    return 0;
}

static void job_free(struct outside_job *job)
{
    *job->place = job->next;
    if (job->next)
        job->next->place = job->place;
    job->outside->count--;
    free(job);
}

void outside_stop(struct outside_job *job)
{
    if (!job)
        return;
    tool_stop(job->tool);
    job_free(job);
}

void outside_free(struct outside *outside)
{
    if (!outside)
        return;
    while (outside->jobs)
        outside_stop(outside->jobs);
    free(outside->path);
    free(outside);
}

static void answer_judge(const struct outside_job *job, enum tool_end end, struct slice output)
{
    json_error_t where;
    if (end != TOOL_DONE) {
        job->fn(job->arg, end == TOOL_LATE ? -ETIMEDOUT : -EIO, NULL,
                end == TOOL_LATE    ? "no answer in time"
                : end == TOOL_LARGE ? "the answer is too large"
                                    : PROGRAM " failed");
        return;
    }
    json_t *answer =
        json_loadb((const char *)output.bytes, output.size, JSON_REJECT_DUPLICATES, &where);
    const json_t *error = json_object_get(answer, "error");
    const char *reason = json_string_value(json_object_get(answer, "reason"));
    json_int_t code = json_integer_value(error);
    if (!json_is_object(answer))
        job->fn(job->arg, -EBADMSG, NULL, PROGRAM " gave no answer");
    else if (error)
        job->fn(job->arg, code > 0 && code < 4096 ? (int)-code : -EIO, NULL,
                reason ? reason : PROGRAM " failed");
    else
        job->fn(job->arg, 0, answer, NULL);
    json_decref(answer);
}

static void on_end(void *arg, enum tool_end end, struct slice output)
{
    struct outside_job *job = arg;
    job->tool = NULL;
    answer_judge(job, end, output);
    job_free(job);
}

/* Secrets go by a file without a name that ends with the process. */
static int job_file(const json_t *job)
{
    char *text = json_dumps(job, JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    size_t size = strlen(text);
    int fd = memfd_create("job", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : write(fd, text, size) == (ssize_t)size ? fd : -EIO;
    if (r < 0 && fd >= 0)
        (void)close(fd);
    secret_wipe(text, size);
    free(text);
    return r;
}

int outside_start(struct outside *outside, const char *kind, const json_t *job, unsigned time_s,
                  outside_fn *fn, void *arg, struct outside_job **ret_job)
{
    if (outside->count >= OUTSIDE_JOBS_MAX)
        return -EBUSY;
    struct outside_job *one = calloc(1, sizeof *one);
    if (!one)
        return -ENOMEM;
    int fd = job_file(job);
    const char *const argv[] = {PROGRAM, kind, NULL};
    const struct tool_order order = {
        .path = outside->path,
        .argv = argv,
        .input_fd = fd,
        .confinement_fd = -1,
        .size_max = ANSWER_SIZE_MAX,
        .memory_max = MEMORY_MAX,
        .cpu_s = CPU_S,
        .time_ns = (uint64_t)time_s * 1000000000,
    };
    *one = (struct outside_job){.outside = outside, .fn = fn, .arg = arg};
    int r = fd < 0 ? fd : tool_start(outside->loop, &order, on_end, one, &one->tool);
    if (fd >= 0)
        (void)close(fd);
    if (r < 0) {
        free(one);
        return r;
    }
    one->next = outside->jobs;
    one->place = &outside->jobs;
    if (one->next)
        one->next->place = &one->next;
    outside->jobs = one;
    outside->count++;
    *ret_job = one;
    return 0;
}
