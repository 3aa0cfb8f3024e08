/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-dms-out: what a document server asks of the world outside, one job per process. It alone parses
 * what comes from there and links libcurl; it has no documents, and no descriptor but the job, the answer
 * and its own connection. Run by coffer-dms (outside.h). */
#include "base/secret.h"
#include "dms/out/confine.h"
#include "dms/out/job.h"

#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB_SIZE_MAX ((size_t)2 << 20)

static const struct {
    const char *name;
    job_fn *run;
} jobs[] = {
    {"fetch", job_fetch},
    {"openid", job_openid},
};

/* json_t holds secrets: what jansson frees is wiped first. */
static void wiping_free(void *bytes)
{
    if (bytes)
        secret_wipe(bytes, malloc_usable_size(bytes));
    free(bytes);
}

static int write_all(const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(STDOUT_FILENO, text, left);
        if (n < 0 && errno != EINTR)
            return -errno;
        text += MAX(n, 0);
        left -= (size_t)MAX(n, 0);
    }
    return 0;
}

static int job_read(json_t **ret_job, struct error *e)
{
    static char text[JOB_SIZE_MAX];
    size_t size = 0;
    for (ssize_t n; size < sizeof text; size += (size_t)n) {
        n = read(STDIN_FILENO, text + size, sizeof text - size);
        if (n < 0)
            return error_set(e, -errno, "cannot read the job");
        if (n == 0)
            break;
    }
    *ret_job = size < sizeof text ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    secret_wipe(text, size);
    return json_is_object(*ret_job) ? 0 : error_set(e, -EINVAL, "the job is no JSON object");
}

static int job_run(const char *kind, json_t **ret_answer, struct error *e)
{
    SCOPED(json_donep) json_t *job = NULL;
    int r = job_read(&job, e);
    if (r < 0)
        return r;
    bool ok = true;
    r = out_confine(job_text(job, "ca_file", NULL, &ok));
    if (r < 0 && r != -ENOSYS)
        return error_set(e, r, "this process cannot be confined");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(e, -EIO, "libcurl cannot start");
    for (size_t i = 0; i < ARRAY_COUNT(jobs); i++)
        if (strcmp(jobs[i].name, kind) == 0)
            return jobs[i].run(job, ret_answer, e);
    return error_set(e, -EINVAL, "there is no job of this kind");
}

int main(int argc, char **argv)
{
    SCOPED(json_donep) json_t *answer = NULL;
    struct error e = {0};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: coffer-dms-out KIND <job; run by coffer-dms\n");
        return 2;
    }
    json_set_alloc_funcs(malloc, wiping_free);
    int r = job_run(argv[1], &answer, &e);
    if (r < 0)
        answer = json_pack("{s:i,s:s+}", "error", -r, "reason", error_text(&e, r), "");
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    r = text && write_all(text) == 0 ? 0 : 1;
    free(text);
    return r;
}
