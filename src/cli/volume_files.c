/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer volume`: listing, looking at, removing and renaming what is in a volume. */
#include "cli/volume_cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES = 64, COPY_SIZE = 1 << 20, PATH_SIZE = 4096, DEPTH_MAX = 1000 };

static const char TYPES[] = "?pc?d?b?-?l?s???";

static void time_text(int64_t ns, char *text, size_t size)
{
    struct tm tm;
    time_t seconds = (time_t)(ns / 1000000000);
    text[0] = '\0';
    if (gmtime_r(&seconds, &tm))
        (void)strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm);
}

static void link_print(struct volume *v, uint64_t ino)
{
    char target[PATH_SIZE];
    ssize_t n = volume_readlink(v, ino, target, sizeof target - 1);
    if (n < 0)
        return;
    target[n] = '\0';
    fputs(" -> ", stdout);
    volume_name_print(stdout, target);
}

static int entry_print(struct volume *v, const char *name, uint64_t ino)
{
    struct volume_attr a;
    char when[32];
    int r = volume_getattr(v, ino, &a);
    if (r < 0)
        return r;
    time_text(a.mtime_ns, when, sizeof when);
    printf("%c%04o %3u %5u %5u %12llu %s ", TYPES[(a.mode & S_IFMT) >> 12], a.mode & 07777, a.nlink,
           a.uid, a.gid, (unsigned long long)a.size, when);
    volume_name_print(stdout, name);
    if (S_ISLNK(a.mode))
        link_print(v, ino);
    putchar('\n');
    return 0;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct volume_entry *)a)->name, ((const struct volume_entry *)b)->name);
}

/* All entries of a directory, by name; the caller frees them. */
static int dir_read(struct volume *v, uint64_t dir, struct volume_entry **ret, size_t *ret_count)
{
    struct volume_entry *entries = NULL;
    size_t count = 0, capacity = 0;
    uint64_t cookie = 0;
    int n;
    do {
        if (capacity - count < ENTRIES) {
            capacity = capacity * 2 + ENTRIES;
            struct volume_entry *grown = realloc(entries, capacity * sizeof *grown);
            if (!grown) {
                free(entries);
                return -ENOMEM;
            }
            entries = grown;
        }
        n = volume_readdir(v, dir, cookie, entries + count, ENTRIES);
        count += n > 0 ? (size_t)n : 0;
        cookie = count > 0 ? entries[count - 1].cookie : 0;
    } while (n > 0);
    if (n < 0) {
        free(entries);
        return n;
    }
    if (count > 0)
        qsort(entries, count, sizeof *entries, name_order);
    *ret = entries;
    *ret_count = count;
    return 0;
}

static int list(struct volume_job *job, const char *path, uint64_t dir, unsigned depth)
{
    struct volume_entry *entries = NULL;
    size_t count = 0;
    int r = depth > DEPTH_MAX ? -ELOOP : dir_read(job->volume, dir, &entries, &count);
    if (r == 0 && job->settings.recursive) {
        printf("%s", depth > 0 ? "\n" : "");
        volume_name_print(stdout, path);
        puts(":");
    }
    for (size_t i = 0; r == 0 && i < count; i++)
        r = entry_print(job->volume, entries[i].name, entries[i].ino);
    for (size_t i = 0; r == 0 && job->settings.recursive && i < count; i++) {
        char below[PATH_SIZE];
        if (entries[i].type != S_IFDIR >> 12)
            continue;
        int n = snprintf(below, sizeof below, "%s%s%s", path,
                         path[strlen(path) - 1] == '/' ? "" : "/", entries[i].name);
        r = n < 0 || (size_t)n >= sizeof below ? -ENAMETOOLONG
                                               : list(job, below, entries[i].ino, depth + 1);
    }
    free(entries);
    return r;
}

int volume_verb_ls(struct volume_job *job)
{
    struct volume_attr a;
    const char *path = job->count > 0 && *job->args[0] ? job->args[0] : "/";
    uint64_t ino;
    int r = volume_path_find(job->volume, path, false, &ino);
    if (r == 0)
        r = volume_getattr(job->volume, ino, &a);
    if (r == 0)
        r = S_ISDIR(a.mode) ? list(job, path, ino, 0) : entry_print(job->volume, path, ino);
    return r < 0 ? volume_fail(job, r, path) : VOLUME_EXIT_OK;
}

static const char *type_word(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "regular file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symbolic link";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFCHR:
        return "character device";
    default:
        return "block device";
    }
}

static void stat_time(const char *what, int64_t ns)
{
    char when[32];
    time_text(ns, when, sizeof when);
    printf("%-11s %s.%09lld UTC\n", what, when, (long long)(ns % 1000000000));
}

static int attributes_print(struct volume *v, uint64_t ino)
{
    char names[64 << 10];
    ssize_t n = volume_listxattr(v, ino, names, sizeof names);
    for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t size = volume_getxattr(v, ino, slice_of_text(names + at), NULL, 0);
        printf("attribute   ");
        volume_name_print(stdout, names + at);
        printf(" (%zd bytes)\n", size);
    }
    return n < 0 ? (int)n : 0;
}

int volume_verb_stat(struct volume_job *job)
{
    struct volume_attr a;
    const char *path = job->args[0];
    uint64_t ino;
    int r = volume_path_find(job->volume, path, false, &ino);
    if (r == 0)
        r = volume_getattr(job->volume, ino, &a);
    if (r < 0)
        return volume_fail(job, r, path);
    printf("name        ");
    volume_name_print(stdout, path);
    if (S_ISLNK(a.mode))
        link_print(job->volume, ino);
    printf(
        "\ntype        %s\nsize        %llu\non disk     %llu\ninode       %llu\nlinks       %u\n"
        "mode        %04o\nowner       %u:%u\n",
        type_word(a.mode), (unsigned long long)a.size, (unsigned long long)a.allocated_size,
        (unsigned long long)a.ino, a.nlink, a.mode & 07777, a.uid, a.gid);
    stat_time("read", a.atime_ns);
    stat_time("written", a.mtime_ns);
    stat_time("changed", a.ctime_ns);
    stat_time("made", a.btime_ns);
    r = attributes_print(job->volume, ino);
    return r < 0 ? volume_fail(job, r, path) : VOLUME_EXIT_OK;
}

static int cat(struct volume_job *job, const char *path, char *bytes)
{
    uint64_t ino, at = 0;
    ssize_t n = volume_path_find(job->volume, path, true, &ino);
    while (n >= 0 && (n = volume_read(job->volume, ino, at, bytes, COPY_SIZE)) > 0) {
        at += (uint64_t)n;
        if (fwrite(bytes, 1, (size_t)n, stdout) != (size_t)n)
            return -errno;
    }
    return (int)n;
}

int volume_verb_cat(struct volume_job *job)
{
    char *bytes = malloc(COPY_SIZE);
    if (!bytes)
        return volume_fail(job, -ENOMEM, "cat");
    for (int i = 0; i < job->count; i++) {
        int r = cat(job, job->args[i], bytes);
        if (r < 0)
            volume_fail_on(job, r, job->args[i]);
    }
    free(bytes);
    if (fflush(stdout) != 0)
        volume_fail_on(job, -errno, "standard output");
    return job->status;
}

/* --- removing --- */

static int tree_remove(struct volume *v, uint64_t dir, struct slice name, uint64_t ino,
                       unsigned depth)
{
    struct volume_entry entries[ENTRIES];
    struct volume_attr a;
    int r = volume_getattr(v, ino, &a), n;
    if (r < 0)
        return r;
    if (!S_ISDIR(a.mode))
        return volume_unlink(v, dir, name);
    if (depth > DEPTH_MAX)
        return -ELOOP;
    while ((n = volume_readdir(v, ino, 0, entries, ENTRIES)) > 0)
        for (int i = 0; i < n; i++) {
            r = tree_remove(v, ino, slice_of(entries[i].name, entries[i].name_len), entries[i].ino,
                            depth + 1);
            if (r < 0)
                return r;
        }
    return n < 0 ? n : volume_rmdir(v, dir, name);
}

static int path_remove(struct volume_job *job, const char *path)
{
    struct volume_attr a;
    struct slice name;
    uint64_t dir, ino;
    int r = volume_path_parent(job->volume, path, &dir, &name);
    if (r == 0)
        r = volume_lookup(job->volume, dir, name, &ino);
    if (r == 0)
        r = volume_getattr(job->volume, ino, &a);
    if (r == -ENOENT && job->settings.force)
        return 0;
    if (r < 0)
        return r;
    if (job->settings.recursive)
        return tree_remove(job->volume, dir, name, ino, 0);
    return S_ISDIR(a.mode) ? -EISDIR : volume_unlink(job->volume, dir, name);
}

int volume_verb_rm(struct volume_job *job)
{
    for (int i = 0; i < job->count; i++) {
        int r = path_remove(job, job->args[i]);
        if (r == -EISDIR)
            (void)error_set(&job->e, r, "is a directory (rm -r removes it with all below)");
        if (r < 0)
            volume_fail_on(job, r, job->args[i]);
    }
    return job->status;
}

/* --- making and renaming --- */

static int dir_make(struct volume_job *job, const char *path)
{
    const struct volume_attr attr = {.mode = S_IFDIR | 0755, .uid = getuid(), .gid = getgid()};
    struct slice name;
    uint64_t dir, ino;
    int r = volume_path_parent(job->volume, path, &dir, &name);
    if (r < 0)
        return r;
    r = volume_make(job->volume, dir, name, &attr, (struct slice){0}, &ino);
    if (r != -EEXIST || !job->settings.all_parents)
        return r;
    struct volume_attr a;
    r = volume_path_find(job->volume, path, true, &ino);
    if (r == 0)
        r = volume_getattr(job->volume, ino, &a);
    return r < 0 ? r : S_ISDIR(a.mode) ? 0 : -EEXIST;
}

static int dirs_make(struct volume_job *job, const char *path)
{
    char part[PATH_SIZE];
    if (strlen(path) >= sizeof part)
        return -ENAMETOOLONG;
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *at = part + strspn(part, "/"); *at; at++) {
        if (*at != '/' || at[1] == '/' || at[1] == '\0')
            continue;
        *at = '\0';
        int r = dir_make(job, part);
        if (r < 0)
            return r;
        *at = '/';
    }
    return dir_make(job, part);
}

int volume_verb_mkdir(struct volume_job *job)
{
    for (int i = 0; i < job->count; i++) {
        int r =
            job->settings.all_parents ? dirs_make(job, job->args[i]) : dir_make(job, job->args[i]);
        if (r < 0)
            volume_fail_on(job, r, job->args[i]);
    }
    return job->status;
}

/* Into the directory `to` under the old name, if it is one. */
int volume_verb_mv(struct volume_job *job)
{
    struct volume *v = job->volume;
    struct volume_attr a;
    struct slice from, to;
    uint64_t from_dir, to_dir, ino;
    int r = volume_path_parent(v, job->args[0], &from_dir, &from);
    if (r < 0)
        return volume_fail(job, r, job->args[0]);
    r = volume_path_find(v, job->args[1], true, &ino);
    if (r == 0)
        r = volume_getattr(v, ino, &a);
    if (r == 0 && S_ISDIR(a.mode)) {
        to_dir = ino;
        to = from;
    } else if (r == 0 || r == -ENOENT) {
        r = volume_path_parent(v, job->args[1], &to_dir, &to);
    }
    if (r < 0)
        return volume_fail(job, r, job->args[1]);
    r = volume_rename(v, from_dir, from, to_dir, to, 0);
    return r < 0 ? volume_fail(job, r, job->args[0]) : VOLUME_EXIT_OK;
}

/* --- space --- */

static void size_print(const struct volume_job *job, uint64_t size)
{
    static const char units[] = "BKMGTP";
    double value = (double)size;
    unsigned unit = 0;
    while (job->settings.human && value >= 1024 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    if (job->settings.human)
        printf(" %13.*f%c", unit > 0 && value < 10 ? 1 : 0, value, units[unit]);
    else
        printf(" %14llu", (unsigned long long)size);
}

int volume_verb_df(struct volume_job *job)
{
    struct volume_stats s;
    volume_statfs(job->volume, &s);
    uint64_t used = s.size_total - s.size_free;
    printf("%14s %14s %14s %5s %14s  %s\n", "size", "used", "free", "use%", "on the host",
           "volume");
    size_print(job, s.size_total);
    size_print(job, used);
    size_print(job, s.size_free);
    printf(" %4llu%%", (unsigned long long)(s.size_total ? used * 100 / s.size_total : 0));
    size_print(job, s.host_size);
    printf("  %s\n", job->dir);
    return VOLUME_EXIT_OK;
}
