/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer volume snapshot`. */
#include "cli/volume_cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int list(struct volume_job *job)
{
    int count = volume_snapshot_list(job->volume, NULL, 0);
    struct volume_snapshot *all = calloc((size_t)count + 1, sizeof *all);
    if (!all)
        return volume_fail(job, -ENOMEM, "snapshot list");
    count = volume_snapshot_list(job->volume, all, (size_t)count);
    for (int i = 0; i < count; i++) {
        char when[32] = "";
        struct tm tm;
        time_t seconds = (time_t)(all[i].made_ns / 1000000000);
        if (gmtime_r(&seconds, &tm))
            (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
        printf("%s %10llu files %14llu bytes  %s\n", when, (unsigned long long)all[i].inode_count,
               (unsigned long long)all[i].size, all[i].name);
    }
    free(all);
    return VOLUME_EXIT_OK;
}

static int explain(struct volume_job *job, int r, const char *name)
{
    switch (r) {
    case -ENOENT:
        return error_set(&job->e, r, "the volume has no snapshot '%s'", name);
    case -EEXIST:
        return error_set(&job->e, r, "there is a snapshot '%s' already", name);
    case -EINVAL:
        return error_set(&job->e, r,
                         "'%s' is no name for a snapshot: 1 to %d printable characters without "
                         "spaces and '/'",
                         name, VOLUME_SNAPSHOT_NAME_MAX);
    case -EMFILE:
        return error_set(&job->e, r, "there are too many snapshots");
    default:
        return r;
    }
}

int volume_verb_snapshot(struct volume_job *job)
{
    static const struct {
        const char *word;
        int (*run)(struct volume *v, const char *name);
    } verbs[] = {{"create", volume_snapshot_make},
                 {"delete", volume_snapshot_remove},
                 {"restore", volume_snapshot_restore}};
    const char *word = job->count > 0 ? job->args[0] : "list";
    if (strcmp(word, "list") == 0 && job->count <= 1)
        return list(job);
    for (size_t i = 0; job->count == 2 && i < ARRAY_COUNT(verbs); i++) {
        if (strcmp(word, verbs[i].word) != 0)
            continue;
        int r = explain(job, verbs[i].run(job->volume, job->args[1]), job->args[1]);
        return r < 0 ? volume_fail(job, r, job->dir) : VOLUME_EXIT_OK;
    }
    fputs("usage: coffer volume snapshot DIR [list | create NAME | delete NAME | restore NAME]\n",
          stderr);
    return VOLUME_EXIT_USAGE;
}
