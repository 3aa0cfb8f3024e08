/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-mount: what `coffer volume mount` becomes. A program of its own, so that libfuse is no part
 * of `coffer`. */
#include "base/log.h"
#include "base/options.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_BAD_USAGE = 2 };

struct settings {
    const char *state;
    const char *options;
    const char *snapshot;
    bool foreground, read_only, allow_other, no_writeback, help;
    uint64_t threads, cache_mib, commit_s;
};

static const struct option_row g_rows[] = {
    {"state", OPTION_TEXT, offsetof(struct settings, state), NULL, "DIR",
     "Where the keys of local volumes are kept", 0, 0},
    {"snapshot", OPTION_TEXT, offsetof(struct settings, snapshot), NULL, "NAME",
     "Show this snapshot, read-only", 0, 0},
    {"foreground", OPTION_FLAG, offsetof(struct settings, foreground), NULL, NULL,
     "Stay in the foreground, and end with the mount", 0, 0},
    {"read-only", OPTION_FLAG, offsetof(struct settings, read_only), NULL, NULL, "Refuse changes",
     0, 0},
    {"allow-other", OPTION_FLAG, offsetof(struct settings, allow_other), NULL, NULL,
     "Let other users in, as permissions allow", 0, 0},
    {"no-writeback", OPTION_FLAG, offsetof(struct settings, no_writeback), NULL, NULL,
     "Each write goes to the volume at once: slower, and a full volume is said by write()", 0, 0},
    {"commit", OPTION_UINT, offsetof(struct settings, commit_s), "5", "SECONDS",
     "What was written reaches the disk this late without fsync(); 0: with fsync() only", 0, 3600},
    {"threads", OPTION_UINT, offsetof(struct settings, threads), "8", "N", "Requests at a time", 1,
     64},
    {"cache", OPTION_UINT, offsetof(struct settings, cache_mib), "4", "MIB",
     "Plaintext kept here, beside the kernel's pages", 0, 1 << 20},
    {"options", OPTION_TEXT, offsetof(struct settings, options), NULL, "LIST",
     "More options for FUSE, as mount -o takes them", 0, 0},
    {"help", OPTION_FLAG, offsetof(struct settings, help), NULL, NULL, "This text", 0, 0},
};

static int fail(const struct error *e, int r, const char *what)
{
    fprintf(stderr, "coffer volume: %s: %s\n", what, error_text(e, r));
    return r == -EBADMSG ? 3 : r == -EKEYREJECTED ? 4 : r == -EBUSY ? 5 : EXIT_FAILED;
}

/* A mount whose process was killed is still in the way. */
static int point_prepare(const char *point, char real[PATH_MAX], struct error *e)
{
    struct stat st;
    if (stat(point, &st) < 0 && errno == ENOTCONN && umount2(point, MNT_DETACH) < 0)
        return error_set(e, -errno,
                         "a mount whose process has died is in the way (fusermount3 -u removes "
                         "it)");
    if (!realpath(point, real))
        return error_set(e, -errno, "%s", strerror(errno));
    if (stat(real, &st) < 0)
        return error_set(e, -errno, "%s", strerror(errno));
    return S_ISDIR(st.st_mode) ? 0 : error_set(e, -ENOTDIR, "is not a directory");
}

static int args_make(const struct settings *s, const char *dir, struct fuse_args *args)
{
    char text[2 * PATH_MAX];
    int n =
        snprintf(text, sizeof text, "-ofsname=coffer:%s,subtype=coffer,default_permissions%s%s%s%s",
                 dir, s->read_only ? ",ro" : "", s->allow_other ? ",allow_other" : "",
                 s->options ? "," : "", s->options ? s->options : "");
    if (n < 0 || (size_t)n >= sizeof text || strchr(dir, ','))
        return -EINVAL; /* a comma would begin another option */
    return fuse_opt_add_arg(args, "coffer-mount") < 0 || fuse_opt_add_arg(args, text) < 0 ? -ENOMEM
                                                                                          : 0;
}

/* In the background: this process ends when the kernel has greeted the other, or with its status. */
static int background(struct mount *m)
{
    int pipe_fds[2], status = EXIT_FAILED;
    char byte;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0) {
        (void)close(pipe_fds[1]);
        ssize_t n = read(pipe_fds[0], &byte, 1);
        if (n == 1)
            _exit(0);
        int found;
        if (waitpid(pid, &found, 0) == pid && WIFEXITED(found))
            status = WEXITSTATUS(found);
        _exit(status);
    }
    (void)close(pipe_fds[0]);
    (void)setsid();
    m->ready_fd = pipe_fds[1];
    return 0;
}

static void stderr_sink(enum log_level level, struct slice line)
{
    (void)level;
    fprintf(stderr, "%.*s\n", (int)line.size, (const char *)line.bytes);
}

static int mount_run(const struct settings *s, const char *dir, const char *point)
{
    struct mount m = {.ready_fd = -1,
                      .read_only = s->read_only,
                      .writeback = !s->no_writeback && !s->read_only,
                      .commit_s = s->commit_s};
    struct fuse_args args = {0};
    struct local_volume local = {0};
    struct error e = {0};
    char state[PATH_MAX], real[PATH_MAX], source[PATH_MAX];
    int r = local_state_dir(s->state ? s->state : getenv("COFFER_STATE"), getenv("HOME"), state,
                            sizeof state);
    if (r < 0)
        return fail(&e, error_set(&e, r, "no --state and no HOME: where are the keys?"), dir);
    r = point_prepare(point, real, &e);
    if (r < 0)
        return fail(&e, r, point);
    if (!realpath(dir, source))
        return fail(&e, error_set(&e, -errno, "%s", strerror(errno)), dir);
    r = args_make(s, source, &args);
    if (r == 0 && !s->foreground)
        r = background(&m);
    if (r < 0)
        return fail(&e, r, dir);
    r = local_volume_find(dir, state, false, &local, &e);
    if (r == 0) {
        struct volume_options options = local_volume_options(&local);
        options.snapshot = s->snapshot;
        options.cache_size = MAX((size_t)s->cache_mib << 20, (size_t)4096);
        r = volume_open(&options, &m.volume, &e);
    }
    if (r < 0) {
        local_volume_done(&local);
        return fail(&e, r, dir);
    }
    log_set_sink(stderr_sink, "coffer-mount", LOG_LEVEL_NOTICE);
    m.point = real;
    int status = mount_serve(&m, &args, (unsigned)s->threads);
    fuse_opt_free_args(&args);
    local_volume_done(&local);
    return status;
}

static int usage(FILE *to, int status)
{
    struct buf help = {0};
    fputs("usage: coffer volume mount [FLAGS] DIR MOUNTPOINT\n\n", to);
    if (options_help(g_rows, ARRAY_COUNT(g_rows), &help) == 0)
        fputs(buf_text(&help), to);
    buf_done(&help);
    return status;
}

int main(int argc, char **argv)
{
    static char options_word[] = "--options";
    struct settings s = {0};
    struct error e = {0};
    int count;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-o") == 0)
            argv[i] = options_word;
    int r = options_parse(g_rows, ARRAY_COUNT(g_rows), argc - 1, argv + 1, &s, &count, &e);
    if (r < 0) {
        fprintf(stderr, "coffer volume mount: %s\n", error_text(&e, r));
        return EXIT_BAD_USAGE;
    }
    s.read_only = s.read_only || s.snapshot;
    if (s.help)
        return usage(stdout, 0);
    if (count != 2)
        return usage(stderr, EXIT_BAD_USAGE);
    local_volume_use_host();
    return mount_run(&s, argv[1], argv[2]);
}
