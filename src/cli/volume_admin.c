/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer volume` export, import, rekey, erase: the volume as a whole, its keys, and its end. */
#include "cli/volume_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- streams --- */

static int stdout_write(void *ctx, const void *bytes, size_t size)
{
    const char *at = bytes;
    (void)ctx;
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* What was read to find the key is given again. */
struct source {
    uint8_t header[VOLUME_STREAM_HEADER_SIZE];
    size_t held, given;
};

static ssize_t stdin_read(void *ctx, void *bytes, size_t size)
{
    struct source *s = ctx;
    if (s->given < s->held) {
        size_t n = MIN(size, s->held - s->given);
        memcpy(bytes, s->header + s->given, n);
        s->given += n;
        return (ssize_t)n;
    }
    for (;;) {
        ssize_t n = read(STDIN_FILENO, bytes, size);
        if (n >= 0 || errno != EINTR)
            return n < 0 ? -errno : n;
    }
}

/* The key file of --key, as in the state directory: its first 32 bytes. */
static int key_file_read(struct volume_job *job, struct key256 *ret_key)
{
    int fd = open(job->settings.key, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret_key->bytes, sizeof ret_key->bytes);
    int r = fd < 0 || n < 0 ? -errno : n < (ssize_t)sizeof ret_key->bytes ? -EINVAL : 0;
    if (fd >= 0)
        (void)close(fd);
    return r < 0 ? error_set(&job->e, r, "'%s' holds no key of 32 bytes", job->settings.key) : 0;
}

static int explain_snapshot(struct volume_job *job, int r, const char *name, const char *base)
{
    if (r != -ENOENT)
        return r;
    return base ? error_set(&job->e, r, "the volume has no snapshot '%s', or no '%s'", name, base)
                : error_set(&job->e, r, "the volume has no snapshot '%s'", name);
}

int volume_verb_export(struct volume_job *job)
{
    SCOPED(key256_wipe) struct key256 key = job->local.key;
    const char *base = job->settings.base;
    if (isatty(STDOUT_FILENO))
        return volume_fail(job,
                           error_set(&job->e, -EINVAL,
                                     "the stream goes to standard output, which is a terminal; add "
                                     "> FILE"),
                           "export");
    int r = job->settings.key ? key_file_read(job, &key) : 0;
    if (r == 0)
        r = explain_snapshot(
            job, volume_export(job->volume, job->args[0], base, &key, stdout_write, NULL),
            job->args[0], base);
    return r < 0 ? volume_fail(job, r, job->dir) : VOLUME_EXIT_OK;
}

static int source_key(struct volume_job *job, struct source *s, struct key256 *ret_key)
{
    uint8_t id[VOLUME_ID_SIZE];
    while (s->held < sizeof s->header) {
        ssize_t n = read(STDIN_FILENO, s->header + s->held, sizeof s->header - s->held);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        s->held += (size_t)n;
    }
    if (s->held < sizeof s->header || volume_stream_id(s->header, id) < 0)
        return error_set(&job->e, -EBADMSG, "standard input holds no stream of a volume");
    if (job->settings.key)
        return key_file_read(job, ret_key);
    int r = local_volume_key(id, job->state_dir, ret_key);
    return r < 0 ? error_set(&job->e, r,
                             "there is no key for the stream in '%s'; give the file that holds the "
                             "source's with --key",
                             job->state_dir)
                 : 0;
}

/* Into the volume in DIR, or into a new one there. */
static int import_open(struct volume_job *job)
{
    int r = local_volume_find(job->dir, job->state_dir, true, &job->local, &job->e);
    if (r < 0)
        return r;
    struct volume_options options = local_volume_options(&job->local);
    if (job->local.is_empty)
        r = volume_create(&options, getuid(), getgid(), &job->e);
    return r < 0 ? r : volume_open(&options, &job->volume, &job->e);
}

int volume_verb_import(struct volume_job *job)
{
    SCOPED(key256_wipe) struct key256 key;
    struct source source = {0};
    int r = source_key(job, &source, &key);
    if (r == 0)
        r = import_open(job);
    if (r == 0)
        r = volume_import(job->volume, &key, stdin_read, &source, &job->e);
    return r < 0 ? volume_fail(job, r, job->dir) : VOLUME_EXIT_OK;
}

/* --- keys --- */

int volume_verb_rekey(struct volume_job *job)
{
    bool anew = job->settings.rewrite || volume_is_rewriting(job->volume);
    int r = local_volume_rekey(&job->local, job->state_dir, job->volume, anew, &job->e);
    if (r < 0)
        return volume_fail(job, r, job->dir);
    puts(anew ? "the volume has another key, and everything in it was written anew"
              : "the volume has another key; who has the old one and a copy of the old disk can "
                "still read\nwhat was there then, and, with the new disk, what is written from now "
                "on: --rewrite ends that");
    return VOLUME_EXIT_OK;
}

/* --- erasing --- */

static int erase_explain(struct volume_job *job, int r)
{
    if (r == -EOPNOTSUPP)
        return error_set(&job->e, r,
                         "nothing can be erased for good: whoever keeps this volume's newest state "
                         "keeps no erase key");
    if (r == -EBUSY)
        return error_set(&job->e, r, "a snapshot still has the contents; delete it first");
    return r;
}

int volume_verb_erase(struct volume_job *job)
{
    struct volume_files list = {0};
    int r = 0;
    for (int i = 0; r == 0 && i < job->count; i++) {
        uint64_t ino;
        r = volume_path_find(job->volume, job->args[i], false, &ino);
        if (r == 0)
            r = volume_files_find(job->volume, ino, job->settings.recursive, &list);
        if (r == -EISDIR)
            (void)error_set(&job->e, r, "is a directory (erase -r takes all below)");
        if (r == -ELOOP)
            (void)error_set(&job->e, r,
                            "too many directories in each other; erase the inner ones first");
        if (r < 0)
            volume_fail_on(job, r, job->args[i]);
    }
    if (r == 0) {
        r = erase_explain(job, volume_erase(job->volume, list.inos, list.count, 0, UINT64_MAX));
        if (r < 0)
            volume_fail_on(job, r, job->dir);
    }
    free(list.inos);
    if (r < 0)
        return job->status;
    printf("erased the contents of %zu file%s\n", list.count, list.count == 1 ? "" : "s");
    job->settings.force = true;
    return volume_verb_rm(job);
}
