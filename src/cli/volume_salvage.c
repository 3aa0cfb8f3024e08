/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer volume salvage`: copies out of a damaged volume all that still verifies, and says what is
 * lost. Blocks that do not verify become holes; files whose names are lost go to lost+found. */
#include "cli/volume_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COPY_SIZE = 1 << 20, BLOCK = 4096, ENTRIES = 32, PATH_SIZE = 4096, DEPTH_MAX = 500 };

struct salvage {
    struct volume_job *job;
    char *bytes; /* COPY_SIZE */
    char path[PATH_SIZE];
    unsigned depth;
    uint64_t *seen; /* a bit for each inode number */
    uint64_t seen_max;
    uint64_t files, whole, lost;
};

static void say_lost(void *ctx, const char *what)
{
    struct salvage *s = ctx;
    s->lost++;
    printf("lost: %s\n", what);
}

static void lose(struct salvage *s, const char *what)
{
    s->lost++;
    fputs("lost: ", stdout);
    volume_name_print(stdout, s->path);
    printf(": %s\n", what);
}

static bool see(struct salvage *s, uint64_t ino)
{
    if (ino / 64 >= s->seen_max) {
        uint64_t max = MAX(ino / 64 + 1, 2 * s->seen_max + 16);
        uint64_t *grown = max < SIZE_MAX / 8 ? realloc(s->seen, max * sizeof *grown) : NULL;
        if (!grown)
            return true;
        memset(grown + s->seen_max, 0, (max - s->seen_max) * sizeof *grown);
        s->seen = grown;
        s->seen_max = max;
    }
    bool was = s->seen[ino / 64] >> (ino % 64) & 1;
    s->seen[ino / 64] |= (uint64_t)1 << (ino % 64);
    return was;
}

static int copy_range(struct salvage *s, uint64_t ino, int fd, uint64_t at, size_t size)
{
    ssize_t n = volume_read(s->job->volume, ino, at, s->bytes, size);
    if (n > 0 && pwrite(fd, s->bytes, (size_t)n, (off_t)at) != n)
        return -errno;
    return n < 0 ? (int)n : (size_t)n < size ? -EBADMSG : 0;
}

/* In large pieces; where one does not verify, block by block. */
static int contents(struct salvage *s, uint64_t ino, uint64_t size, int fd)
{
    uint64_t bad_from = 0, bad_to = 0;
    char text[96];
    for (uint64_t at = 0; at < size;) {
        size_t n = (size_t)MIN(size - at, (uint64_t)(at % COPY_SIZE == 0 ? COPY_SIZE : BLOCK));
        int r = copy_range(s, ino, fd, at, n);
        if (r == -EBADMSG && n > BLOCK) {
            n = (size_t)MIN(size - at, (uint64_t)BLOCK);
            r = copy_range(s, ino, fd, at, n);
        }
        if (r < 0 && r != -EBADMSG && r != -EIO)
            return r;
        if (r < 0 && bad_to == at && bad_to > bad_from) {
            bad_to = at + n;
        } else if (r < 0) {
            bad_from = at;
            bad_to = at + n;
        }
        at += n;
        if (bad_to > bad_from && (r == 0 || at >= size)) {
            (void)snprintf(text, sizeof text, "bytes %llu to %llu", (unsigned long long)bad_from,
                           (unsigned long long)bad_to - 1);
            lose(s, text);
            bad_from = bad_to = 0;
            s->whole--;
        }
    }
    return 0;
}

static int file_out(struct salvage *s, uint64_t ino, const struct volume_attr *a, int at_fd,
                    const char *name)
{
    int fd = openat(at_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    s->files++;
    s->whole++;
    uint64_t whole = s->whole;
    int r = contents(s, ino, a->size, fd);
    s->whole = s->whole < whole ? whole - 1 : s->whole; /* once, however many ranges */
    if (r == 0 && ftruncate(fd, (off_t)a->size) < 0)
        r = -errno;
    if (geteuid() == 0 && fchown(fd, a->uid, a->gid) < 0 && r == 0)
        r = -errno;
    if (fchmod(fd, a->mode & 07777) < 0 && r == 0)
        r = -errno;
    const struct timespec times[2] = {
        {.tv_sec = a->atime_ns / 1000000000, .tv_nsec = a->atime_ns % 1000000000},
        {.tv_sec = a->mtime_ns / 1000000000, .tv_nsec = a->mtime_ns % 1000000000}};
    (void)futimens(fd, times);
    (void)close(fd);
    return r;
}

static int inode_out(struct salvage *s, uint64_t ino, int at_fd, const char *name);

static int dir_out(struct salvage *s, uint64_t ino, const struct volume_attr *a, int at_fd,
                   const char *name)
{
    struct volume_entry entries[ENTRIES];
    uint64_t cookie = 0, count = 0;
    int n, r = 0;
    if (mkdirat(at_fd, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    s->depth++;
    while (r == 0 && (n = volume_readdir(s->job->volume, ino, cookie, entries, ENTRIES)) > 0) {
        for (int i = 0; r == 0 && i < n; i++, count++) {
            size_t cut = strlen(s->path);
            (void)snprintf(s->path + cut, sizeof s->path - cut, "/%s", entries[i].name);
            r = inode_out(s, entries[i].ino, fd, entries[i].name);
            s->path[cut] = '\0';
        }
        cookie = entries[n - 1].cookie;
    }
    s->depth--;
    if (r == 0 && count < a->size) {
        char text[64];
        (void)snprintf(text, sizeof text, "%llu of its %llu names",
                       (unsigned long long)(a->size - count), (unsigned long long)a->size);
        lose(s, text);
    }
    (void)fchmod(fd, a->mode & 07777);
    (void)close(fd);
    return r;
}

static int other_out(struct salvage *s, uint64_t ino, const struct volume_attr *a, int at_fd,
                     const char *name)
{
    char target[PATH_SIZE];
    if (!S_ISLNK(a->mode))
        return mknodat(at_fd, name, a->mode, a->rdev) < 0 ? -errno : 0;
    ssize_t n = volume_readlink(s->job->volume, ino, target, sizeof target - 1);
    if (n < 0) {
        lose(s, "the target of the link");
        return 0;
    }
    target[n] = '\0';
    return symlinkat(target, at_fd, name) < 0 ? -errno : 0;
}

/* Damage is said and passed over; what the host refuses ends it. */
static int inode_out(struct salvage *s, uint64_t ino, int at_fd, const char *name)
{
    struct volume_attr a;
    int r = volume_getattr(s->job->volume, ino, &a);
    if (r < 0) {
        lose(s, "its attributes, and with them its contents");
        return 0;
    }
    bool again = see(s, ino);
    if (S_ISDIR(a.mode) && (again || s->depth > DEPTH_MAX)) {
        lose(s, "a directory that is somewhere else already");
        return 0;
    }
    r = S_ISREG(a.mode)   ? file_out(s, ino, &a, at_fd, name)
        : S_ISDIR(a.mode) ? dir_out(s, ino, &a, at_fd, name)
                          : other_out(s, ino, &a, at_fd, name);
    return r < 0 ? error_set(&s->job->e, r, "cannot write '%s': %s", s->path, strerror(-r)) : 0;
}

/* What no name led to. */
static int nameless_out(struct salvage *s, int at_fd)
{
    uint64_t ino = 0;
    int r, fd = -1;
    while ((r = volume_inode_next(s->job->volume, ino, &ino)) == 0) {
        char name[32];
        struct volume_attr a;
        if (volume_getattr(s->job->volume, ino, &a) < 0 || a.nlink == 0 || see(s, ino))
            continue;
        s->seen[ino / 64] &= ~((uint64_t)1 << (ino % 64));
        if (fd < 0 && mkdirat(at_fd, "lost+found", 0700) < 0 && errno != EEXIST)
            return -errno;
        if (fd < 0)
            fd = openat(at_fd, "lost+found", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        (void)snprintf(name, sizeof name, "inode-%llu", (unsigned long long)ino);
        (void)snprintf(s->path, sizeof s->path, "lost+found/%s", name);
        lose(s, "its name and where it was; its contents are here");
        r = inode_out(s, ino, fd, name);
        if (r < 0)
            break;
    }
    if (fd >= 0)
        (void)close(fd);
    return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

static int salvage_recover(struct salvage *s)
{
    SCOPED(buf_done) struct buf text = {0};
    struct volume_job *job = s->job;
    struct recovery_key key;
    int r = volume_recovery_text(job->settings.recovery, job->settings.keys, &text, &job->e);
    if (r == 0)
        r = recovery_key_parse(buf_slice(&text), &key);
    if (r < 0)
        return r;
    r = recovery_volume_new(job->dir, &key, true, &job->recovery, &job->e);
    recovery_key_wipe(&key);
    if (r < 0)
        return r;
    struct volume_options options = recovery_volume_options(job->recovery);
    options.salvage = true;
    options.found = say_lost;
    options.found_ctx = s;
    options.snapshot = job->settings.snapshot;
    r = volume_open(&options, &job->volume, &job->e);
    return recovery_volume_judge(job->recovery, r, &job->e);
}

static int salvage_open(struct salvage *s)
{
    struct volume_job *job = s->job;
    if (job->settings.recovery)
        return salvage_recover(s);
    int r = local_volume_find(job->dir, job->state_dir, false, &job->local, &job->e);
    if (r < 0)
        return r;
    struct volume_options options = local_volume_options(&job->local);
    options.salvage = true;
    options.found = say_lost;
    options.found_ctx = s;
    options.snapshot = job->settings.snapshot;
    return volume_open(&options, &job->volume, &job->e);
}

static int salvage(struct salvage *s, const char *to)
{
    struct volume_attr root = {.mode = S_IFDIR | 0700, .size = 0};
    if (mkdir(to, 0700) < 0)
        return error_set(&s->job->e, -errno, "'%s' must be a new directory: %s", to,
                         strerror(errno));
    int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (volume_getattr(s->job->volume, VOLUME_ROOT_INO, &root) < 0)
        lose(s, "attributes of the root directory");
    (void)see(s, VOLUME_ROOT_INO);
    int r = dir_out(s, VOLUME_ROOT_INO, &root, fd, ".");
    if (r == 0)
        r = nameless_out(s, fd);
    (void)close(fd);
    return r;
}

int volume_verb_salvage(struct volume_job *job)
{
    struct salvage s = {.job = job, .bytes = malloc(COPY_SIZE)};
    int r = s.bytes ? salvage_open(&s) : -ENOMEM;
    if (r == 0)
        r = salvage(&s, job->args[0]);
    if (r == 0 && s.lost == 0)
        printf("%llu files, all whole; nothing is lost\n", (unsigned long long)s.files);
    else if (r == 0)
        printf("%llu files, of these %llu whole; %llu losses, each named above\n",
               (unsigned long long)s.files, (unsigned long long)s.whole,
               (unsigned long long)s.lost);
    free(s.bytes);
    free(s.seen);
    if (r < 0)
        return volume_fail(job, r, job->dir);
    return s.lost > 0 ? VOLUME_EXIT_DAMAGED : VOLUME_EXIT_OK;
}
