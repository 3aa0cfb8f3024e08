/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/volume_command.h"
#include "base/hex.h"
#include "base/options.h"
#include "volume/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_USAGE = 2, PATH_SIZE = 4096, COPY_SIZE = 256 << 10 };

struct settings {
    const char *state;
    bool help;
};

static const struct option_row g_options[] = {
    {"state", OPTION_TEXT, offsetof(struct settings, state), NULL, "DIR",
     "Where the keys of local volumes are kept (default: ~/.local/state/coffer/volumes)", 0, 0},
    {"help", OPTION_FLAG, offsetof(struct settings, help), NULL, NULL, "This text", 0, 0},
};

/* What a verb works on. */
struct job {
    const char *dir;
    const char *path; /* inside the volume; NULL: none was given */
    const char *state_dir;
    struct local_volume local;
    struct volume *volume;
    struct error e;
};

static int fail(const struct job *job, int r, const char *what)
{
    fprintf(stderr, "coffer volume: %s: %s\n", what, error_text(&job->e, r));
    return EXIT_FAILED;
}

static int job_open(struct job *job)
{
    int r = local_volume_find(job->dir, job->state_dir, false, &job->local, &job->e);
    if (r < 0)
        return r;
    struct volume_options options = local_volume_options(&job->local);
    return volume_open(&options, &job->volume, &job->e);
}

/* --- verbs --- */

static int verb_create(struct job *job)
{
    int r = local_volume_find(job->dir, job->state_dir, true, &job->local, &job->e);
    if (r == 0 && !job->local.is_empty)
        r = error_set(&job->e, -EEXIST, "there is a volume already");
    if (r == 0) {
        struct volume_options options = local_volume_options(&job->local);
        r = volume_create(&options, getuid(), getgid(), &job->e);
    }
    if (r < 0)
        return fail(job, r, job->dir);
    char id[2 * VOLUME_ID_SIZE + 1];
    hex_encode(slice_of(job->local.id, sizeof job->local.id), id);
    printf("created volume %s\nits key is in %s: without it nobody can read the volume\n", id,
           job->state_dir);
    return EXIT_OK;
}

static int verb_info(struct job *job)
{
    struct volume_stats stats;
    char id[2 * VOLUME_ID_SIZE + 1], tag[2 * VOLUME_TAG_SIZE + 1];
    volume_statfs(job->volume, &stats);
    hex_encode(slice_of(job->local.id, sizeof job->local.id), id);
    hex_encode(slice_of(stats.head.tag, sizeof stats.head.tag), tag);
    printf("id              %s\nfiles           %llu\non the host     %llu bytes\n"
           "free            %llu bytes\nepoch           %llu\ncommit          %llu\n"
           "tag             %s\n",
           id, (unsigned long long)stats.inode_count, (unsigned long long)stats.host_size,
           (unsigned long long)stats.size_free, (unsigned long long)stats.head.epoch,
           (unsigned long long)stats.head.sequence, tag);
    if (stats.unsynced_cut_size > 0)
        printf("cut at opening  %llu bytes that had not been synced\n",
               (unsigned long long)stats.unsynced_cut_size);
    return EXIT_OK;
}

/* The inode at `path`, symbolic links not followed. */
static int path_resolve(struct volume *v, const char *path, uint64_t *ret_ino)
{
    uint64_t ino = VOLUME_ROOT_INO;
    while (*path) {
        size_t len = strcspn(path, "/");
        int r = len == 0 ? 0 : volume_lookup(v, ino, slice_of(path, len), &ino);
        if (r < 0)
            return r;
        path += len + (path[len] == '/');
    }
    *ret_ino = ino;
    return 0;
}

/* Names come from the program that ran on the volume: what could steer a terminal is escaped. */
static void print_name(const char *name)
{
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x20 || c == 0x7f || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

static int entry_print(struct volume *v, const char *name, uint64_t ino)
{
    struct volume_attr a;
    char when[32] = "";
    struct tm tm;
    int r = volume_getattr(v, ino, &a);
    if (r < 0)
        return r;
    time_t seconds = (time_t)(a.mtime_ns / 1000000000);
    if (gmtime_r(&seconds, &tm))
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    static const char types[] = "?pc?d?b?-?l?s???";
    printf("%c%04o %3u %5u %5u %12llu %s ", types[(a.mode & S_IFMT) >> 12], a.mode & 07777, a.nlink,
           a.uid, a.gid, (unsigned long long)a.size, when);
    print_name(name);
    putchar('\n');
    return 0;
}

static int verb_ls(struct job *job)
{
    struct volume_attr a;
    struct volume_entry entries[16];
    const char *path = job->path ? job->path : "/";
    uint64_t ino, cookie = 0;
    int r = path_resolve(job->volume, path, &ino), n;
    if (r == 0)
        r = volume_getattr(job->volume, ino, &a);
    if (r == 0 && !S_ISDIR(a.mode))
        r = entry_print(job->volume, path, ino);
    else
        while (r == 0 && (n = volume_readdir(job->volume, ino, cookie, entries, 16)) != 0) {
            r = n < 0 ? n : 0;
            for (int i = 0; r == 0 && i < n; i++)
                r = entry_print(job->volume, entries[i].name, entries[i].ino);
            cookie = n > 0 ? entries[n - 1].cookie : 0;
        }
    return r < 0 ? fail(job, r, path) : EXIT_OK;
}

static int verb_cat(struct job *job)
{
    uint64_t ino, at = 0;
    ssize_t n = path_resolve(job->volume, job->path, &ino);
    char *bytes = malloc(COPY_SIZE);
    if (!bytes)
        n = -ENOMEM;
    while (n >= 0 && (n = volume_read(job->volume, ino, at, bytes, COPY_SIZE)) > 0) {
        at += (uint64_t)n;
        if (fwrite(bytes, 1, (size_t)n, stdout) != (size_t)n)
            n = -EIO;
    }
    free(bytes);
    return n < 0 ? fail(job, (int)n, job->path) : EXIT_OK;
}

static void damage_print(void *ctx, const char *what)
{
    (void)ctx;
    printf("damage: %s\n", what);
}

static int verb_check(struct job *job)
{
    int n = volume_check(job->volume, damage_print, NULL);
    if (n < 0)
        return fail(job, n, job->dir);
    if (n == 0)
        puts("everything was read and verified: no damage");
    else
        printf("%d findings; what is not named is intact\n", n);
    return n == 0 ? EXIT_OK : EXIT_FAILED;
}

static const struct verb {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(struct job *job);
    bool opens;
    int arguments_min, arguments_max;
} g_verbs[] = {
    {"create", "DIR", "Make an empty volume in an empty or new directory", verb_create, false, 1,
     1},
    {"info", "DIR", "Size, epoch, newest commit", verb_info, true, 1, 1},
    {"ls", "DIR [PATH]", "List a directory", verb_ls, true, 1, 2},
    {"cat", "DIR PATH", "Write a file's contents to standard output", verb_cat, true, 2, 2},
    {"check", "DIR", "Read and verify everything", verb_check, true, 1, 1},
};

static int usage(FILE *to, int status)
{
    struct buf help = {0};
    fputs("usage: coffer volume VERB DIR [PATH] [FLAGS]\n\n", to);
    for (size_t i = 0; i < ARRAY_COUNT(g_verbs); i++)
        fprintf(to, "  %-7s %-11s %s\n", g_verbs[i].name, g_verbs[i].arguments, g_verbs[i].help);
    if (options_help(g_options, ARRAY_COUNT(g_options), &help) == 0)
        fprintf(to, "\n%s", buf_text(&help));
    buf_done(&help);
    return status;
}

static int verb_run(const struct verb *verb, struct job *job)
{
    int r = verb->opens ? job_open(job) : 0;
    int status = r < 0 ? fail(job, r, job->dir) : verb->run(job);
    r = volume_close(job->volume);
    if (r < 0 && status == EXIT_OK)
        status = fail(job, r, "closing the volume");
    local_volume_done(&job->local);
    return status;
}

static const struct verb *verb_find(const char *word)
{
    const char *names[ARRAY_COUNT(g_verbs)];
    for (size_t i = 0; i < ARRAY_COUNT(g_verbs); i++) {
        if (strcmp(word, g_verbs[i].name) == 0)
            return &g_verbs[i];
        names[i] = g_verbs[i].name;
    }
    const char *closest = options_closest(word, names, ARRAY_COUNT(names));
    fprintf(stderr, "coffer volume: there is no verb '%s'%s%s%s\n", word,
            closest ? "; did you mean '" : "", closest ? closest : "", closest ? "'?" : "");
    return NULL;
}

int volume_command(int argc, char **argv)
{
    struct settings settings = {0};
    struct job job = {0};
    char state_dir[PATH_SIZE];
    int count, r = options_parse(g_options, ARRAY_COUNT(g_options), argc - 1, argv + 1, &settings,
                                 &count, &job.e);
    char **args = argv + 1;
    if (r < 0) {
        fprintf(stderr, "coffer volume: %s\n", error_text(&job.e, r));
        return EXIT_BAD_USAGE;
    }
    if (settings.help)
        return usage(stdout, EXIT_OK);
    if (count == 0)
        return usage(stderr, EXIT_BAD_USAGE);
    const struct verb *verb = verb_find(args[0]);
    if (!verb)
        return EXIT_BAD_USAGE;
    if (count - 1 < verb->arguments_min || count - 1 > verb->arguments_max) {
        fprintf(stderr, "usage: coffer volume %s %s\n", verb->name, verb->arguments);
        return EXIT_BAD_USAGE;
    }
    r = local_state_dir(settings.state ? settings.state : getenv("COFFER_STATE"), getenv("HOME"),
                        state_dir, sizeof state_dir);
    if (r < 0) {
        fputs("coffer volume: no --state and no HOME: where are the keys?\n", stderr);
        return EXIT_BAD_USAGE;
    }
    local_volume_use_host();
    job.dir = args[1];
    job.path = count > 2 ? args[2] : NULL;
    job.state_dir = state_dir;
    return verb_run(verb, &job);
}
