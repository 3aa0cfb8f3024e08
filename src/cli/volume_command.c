/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer volume`: the table of its verbs, and those that concern the volume as a whole. */
#include "cli/volume_command.h"
#include "base/hex.h"
#include "base/options.h"
#include "cli/command.h"
#include "cli/volume_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, WORDS_MAX = 4096, LIMIT_MIN = 1 << 20 };

static const struct option_row g_options[] = {
    {"state", OPTION_TEXT, offsetof(struct volume_settings, state), NULL, "DIR",
     "Where the keys of local volumes are kept (default: $COFFER_STATE, or "
     "~/.local/state/coffer/volumes)",
     0, 0},
    {"snapshot", OPTION_TEXT, offsetof(struct volume_settings, snapshot), NULL, "NAME",
     "Look at this snapshot, not at the newest state (ls, stat, cat, get, cp, check, mount)", 0, 0},
    {"base", OPTION_TEXT, offsetof(struct volume_settings, base), NULL, "NAME",
     "Only what has changed since this snapshot (export)", 0, 0},
    {"key", OPTION_TEXT, offsetof(struct volume_settings, key), NULL, "FILE",
     "A key of 32 bytes instead of the volume's (export, import)", 0, 0},
    {"size", OPTION_TEXT, offsetof(struct volume_settings, size), NULL, "SIZE",
     "At most this much on the host, as 500M or 20G; 0: no limit (create, limit)", 0, 0},
    {"files", OPTION_TEXT, offsetof(struct volume_settings, files), NULL, "N",
     "At most so many files and directories; 0: no limit (create, limit)", 0, 0},
    {"compress", OPTION_FLAG, offsetof(struct volume_settings, compress), NULL, NULL,
     "Compress contents before they are encrypted (create); their sizes then tell of them", 0, 0},
    {"rewrite", OPTION_FLAG, offsetof(struct volume_settings, rewrite), NULL, NULL,
     "Write everything anew under the new key (rekey)", 0, 0},
    {"recursive", OPTION_FLAG, offsetof(struct volume_settings, recursive), NULL, NULL,
     "-r, -R: with all that is below (ls, rm, put, get, cp)", 0, 0},
    {"parents", OPTION_FLAG, offsetof(struct volume_settings, all_parents), NULL, NULL,
     "-p: make missing directories on the way, too (mkdir)", 0, 0},
    {"force", OPTION_FLAG, offsetof(struct volume_settings, force), NULL, NULL,
     "-f: what is not there is no failure (rm)", 0, 0},
    {"human", OPTION_FLAG, offsetof(struct volume_settings, human), NULL, NULL,
     "-h: sizes in K, M, G (df)", 0, 0},
    {"recovery", OPTION_TEXT, offsetof(struct volume_settings, recovery), NULL, "FILE",
     "Open with this recovery key, without any authority, for reading (info, df, ls, stat, cat, "
     "get, "
     "check, salvage)",
     0, 0},
    {"keys", OPTION_TEXT, offsetof(struct volume_settings, keys), NULL, "DIR",
     "Whose recovery key it is", 0, 0},
    {"accept-older", OPTION_FLAG, offsetof(struct volume_settings, accept_older), NULL, NULL,
     "With --recovery: also a volume that is older than the recovery key", 0, 0},
    {"help", OPTION_FLAG, offsetof(struct volume_settings, help), NULL, NULL, "This text", 0, 0},
};

/* --- failing --- */

static int exit_of(int r)
{
    switch (r) {
    case -EBADMSG:
        return VOLUME_EXIT_DAMAGED;
    case -EKEYREJECTED:
        return VOLUME_EXIT_OLD;
    case -EBUSY:
        return VOLUME_EXIT_HELD;
    default:
        return VOLUME_EXIT_FAILED;
    }
}

static const char *hint_of(int r)
{
    switch (r) {
    case -EBADMSG:
        return " (found damage: `coffer volume check` names all of it)";
    case -ENOSPC:
        return " (volume or host disk is full)";
    default:
        return "";
    }
}

int volume_fail(struct volume_job *job, int r, const char *what)
{
    bool explained = job->e.code != 0;
    fputs("coffer volume: ", stderr);
    volume_name_print(stderr, what);
    fprintf(stderr, ": %s%s\n", error_text(&job->e, r), explained ? "" : hint_of(r));
    job->e = (struct error){0};
    return exit_of(r);
}

void volume_fail_on(struct volume_job *job, int r, const char *what)
{
    int status = volume_fail(job, r, what);
    job->status = MAX(job->status, status);
}

static int job_recover(struct volume_job *job)
{
    SCOPED(buf_done) struct buf text = {0};
    int r = volume_recovery_text(job->settings.recovery, job->settings.keys, &text, &job->e);
    return r < 0 ? r
                 : volume_recovery_open(job->dir, buf_slice(&text), job->settings.accept_older,
                                        &job->recovery, &job->volume, &job->e);
}

int volume_job_open(struct volume_job *job)
{
    if (job->settings.recovery)
        return job_recover(job);
    int r = local_volume_find(job->dir, job->state_dir, false, &job->local, &job->e);
    if (r < 0)
        return r;
    struct volume_options options = local_volume_options(&job->local);
    options.snapshot = job->settings.snapshot;
    return volume_open(&options, &job->volume, &job->e);
}

/* --- limits --- */

static int size_parse(struct volume_job *job, const char *text, uint64_t *ret_size)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    unsigned shift = unit && *end ? 10 * (unsigned)(unit - units + 1) : 0;
    if (end == text || text[0] == '-' || errno != 0 || (*end && (!unit || end[1])) ||
        (shift && n >> (63 - shift)))
        return error_set(&job->e, -EINVAL, "'%s' is no size; write 500M, 20G or bytes", text);
    *ret_size = (uint64_t)n << shift;
    return 0;
}

static int limits_apply(struct volume_job *job)
{
    struct volume_limits limits;
    volume_get_limits(job->volume, &limits);
    int r = job->settings.size ? size_parse(job, job->settings.size, &limits.size_max) : 0;
    if (r == 0 && job->settings.files)
        r = size_parse(job, job->settings.files, &limits.inode_max);
    if (r == 0 && limits.size_max > 0 && limits.size_max < LIMIT_MIN)
        r = error_set(&job->e, -EINVAL, "a volume needs 1M at least");
    return r < 0 ? r : volume_set_limits(job->volume, &limits);
}

static int verb_limit(struct volume_job *job)
{
    if (!job->settings.size && !job->settings.files) {
        fputs("usage: coffer volume limit [--size SIZE] [--files N] DIR\n", stderr);
        return VOLUME_EXIT_USAGE;
    }
    int r = limits_apply(job);
    return r < 0 ? volume_fail(job, r, job->dir) : VOLUME_EXIT_OK;
}

/* --- verbs --- */

static int verb_create(struct volume_job *job)
{
    int r = local_volume_find(job->dir, job->state_dir, true, &job->local, &job->e);
    if (r == 0 && !job->local.is_empty)
        r = error_set(&job->e, -EEXIST, "there is a volume already");
    if (r == 0) {
        struct volume_options options = local_volume_options(&job->local);
        options.compress = job->settings.compress;
        r = volume_create(&options, getuid(), getgid(), &job->e);
    }
    if (r == 0 && (job->settings.size || job->settings.files)) {
        struct volume_options options = local_volume_options(&job->local);
        r = volume_open(&options, &job->volume, &job->e);
        if (r == 0)
            r = limits_apply(job);
    }
    if (r < 0)
        return volume_fail(job, r, job->dir);
    char id[2 * VOLUME_ID_SIZE + 1];
    hex_encode(slice_of(job->local.id, sizeof job->local.id), id);
    printf("created volume %s\nits key is in %s: without it nobody can read the volume\n", id,
           job->state_dir);
    return VOLUME_EXIT_OK;
}

static int verb_info(struct volume_job *job)
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
    if (stats.snapshot_count > 0)
        printf("snapshots       %u, which alone need %llu bytes\n", stats.snapshot_count,
               (unsigned long long)stats.pinned_size);
    struct volume_limits limits;
    volume_get_limits(job->volume, &limits);
    if (limits.size_max > 0)
        printf("limit           %llu bytes on the host\n", (unsigned long long)limits.size_max);
    if (limits.inode_max > 0)
        printf("limit           %llu files\n", (unsigned long long)limits.inode_max);
    printf("erasing         %s\n", stats.erase_epoch ? "possible: an erase key is kept apart"
                                                     : "not possible: no erase key");
    if (stats.compresses)
        puts("compression     zstd");
    if (stats.unsynced_cut_size > 0)
        printf("cut at opening  %llu bytes that had not been synced\n",
               (unsigned long long)stats.unsynced_cut_size);
    return VOLUME_EXIT_OK;
}

static void damage_print(void *ctx, const char *what)
{
    fputs("damage: ", ctx);
    volume_name_print(ctx, what);
    (void)fputc('\n', ctx);
}

int volume_check_print(struct volume *v, FILE *out)
{
    return volume_check(v, damage_print, out);
}

static int verb_check(struct volume_job *job)
{
    int n = volume_check_print(job->volume, stdout);
    if (n < 0)
        return volume_fail(job, n, job->dir);
    if (n == 0)
        puts("everything was read and verified: no damage");
    else
        printf("%d finding%s; what is not named is intact. `coffer volume salvage` copies out all "
               "that "
               "verifies\n",
               n, n == 1 ? "" : "s");
    return n == 0 ? VOLUME_EXIT_OK : VOLUME_EXIT_DAMAGED;
}

/* Another program, for libfuse is no part of this one; its flags are its own. */
static int mount_become(char **argv)
{
    char path[PATH_SIZE];
    struct error e = {0};
    int r = command_sibling("coffer-mount", path, sizeof path, &e);
    if (r == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        execv(path, argv);
        r = error_set(&e, -errno, "cannot run '%s' (%s)", path, strerror(errno));
    }
    fprintf(stderr, "coffer volume mount: %s\n", error_text(&e, r));
    return VOLUME_EXIT_FAILED;
}

/* The volume's directory that /proc knows for a mount point, or "" if that is none of ours. */
static void mount_source(const char *point, char *dir, size_t size)
{
    char real[PATH_SIZE];
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    dir[0] = '\0';
    if (!realpath(point, real))
        real[0] = '\0';
    for (struct mntent *m; mounts && (m = getmntent(mounts));)
        if (strcmp(m->mnt_dir, real) == 0)
            (void)snprintf(dir, size, "%s",
                           strncmp(m->mnt_fsname, "coffer:", 7) == 0 ? m->mnt_fsname + 7 : "");
    if (mounts)
        (void)endmntent(mounts);
}

/* The process behind the mount still commits: until it lets go of the volume. */
static void mount_wait(const char *dir)
{
    char path[PATH_SIZE];
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int n = snprintf(path, sizeof path, "%s/lock", dir);
    int fd = n > 0 && (size_t)n < sizeof path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    (void)fcntl(fd, F_OFD_SETLKW, &all);
    (void)close(fd);
}

static int verb_unmount(struct volume_job *job)
{
    char dir[PATH_SIZE];
    int status;
    mount_source(job->dir, dir, sizeof dir);
    if (!dir[0])
        return volume_fail(job, error_set(&job->e, -EINVAL, "no volume is mounted here"), job->dir);
    /* Requests of programs that have just ended may still be on their way. */
    int r = -1;
    for (int i = 0; i < 200 && (r == -1 || r == -EBUSY); i++) {
        if (i > 0)
            (void)usleep(10000);
        r = umount2(job->dir, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
    }
    if (r < 0) {
        if (r != -EPERM)
            return volume_fail(job, error_set(&job->e, r, "%s", strerror(-r)), job->dir);
        pid_t pid = fork();
        if (pid == 0) {
            execlp("fusermount3", "fusermount3", "-u", "--", job->dir, (char *)NULL);
            _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
            return volume_fail(job, error_set(&job->e, -EIO, "fusermount3 -u failed"), job->dir);
    }
    mount_wait(dir);
    return VOLUME_EXIT_OK;
}

enum { HAS_DIR = 1, OPENS = 2, READS = 4 /* only: a recovery key will do */ };

static const struct verb {
    const char *name;
    const char *arguments;
    const char *help;
    int (*run)(struct volume_job *job);
    unsigned flags;
    int count_min, count_max; /* of the words after DIR */
} g_verbs[] = {
    {"create", "DIR", "Make an empty volume in an empty or new directory", verb_create, HAS_DIR, 0,
     0},
    {"limit", "DIR", "Set what it may take: --size, --files", verb_limit, HAS_DIR | OPENS, 0, 0},
    {"info", "DIR", "Id, size, epoch, newest commit", verb_info, HAS_DIR | OPENS | READS, 0, 0},
    {"df", "DIR", "Space: whole, used, free", volume_verb_df, HAS_DIR | OPENS | READS, 0, 0},
    {"ls", "DIR [PATH]", "List a directory (-R: and those below)", volume_verb_ls,
     HAS_DIR | OPENS | READS, 0, 1},
    {"stat", "DIR PATH", "All attributes of a file", volume_verb_stat, HAS_DIR | OPENS | READS, 1,
     1},
    {"cat", "DIR PATH...", "Write files' contents to standard output", volume_verb_cat,
     HAS_DIR | OPENS | READS, 1, WORDS_MAX},
    {"put", "DIR FILE [PATH]", "Copy a file of the host (- : standard input) into the volume",
     volume_verb_put, HAS_DIR | OPENS, 1, 2},
    {"get", "DIR PATH [FILE]", "Copy a file out of the volume (- : to standard output)",
     volume_verb_get, HAS_DIR | OPENS | READS, 1, 2},
    {"cp", "FROM TO", "Copy; FROM or TO or both are DIR:PATH, a place in a volume (-r: trees)",
     volume_verb_cp, 0, 2, 2},
    {"mv", "DIR FROM TO", "Rename, or move into a directory", volume_verb_mv, HAS_DIR | OPENS, 2,
     2},
    {"mkdir", "DIR PATH...", "Make directories (-p: and those above)", volume_verb_mkdir,
     HAS_DIR | OPENS, 1, WORDS_MAX},
    {"rm", "DIR PATH...", "Remove files (-r: and directories with all below)", volume_verb_rm,
     HAS_DIR | OPENS, 1, WORDS_MAX},
    {"snapshot", "DIR VERB [NAME]", "list, create NAME, delete NAME, restore NAME",
     volume_verb_snapshot, HAS_DIR | OPENS, 0, 2},
    {"export", "DIR NAME", "Write snapshot NAME to standard output (--base: what changed since)",
     volume_verb_export, HAS_DIR | OPENS, 1, 1},
    {"import", "DIR", "Take over such a stream from standard input", volume_verb_import, HAS_DIR, 0,
     0},
    {"rekey", "DIR", "Another key (--rewrite: and everything written anew)", volume_verb_rekey,
     HAS_DIR | OPENS, 0, 0},
    {"erase", "DIR PATH...", "Remove files so that nobody can ever read them again (-r: trees)",
     volume_verb_erase, HAS_DIR | OPENS, 1, WORDS_MAX},
    {"mount", "DIR MOUNTPOINT", "Show it as a file system (mount --help)", NULL, 0, 0, 0},
    {"unmount", "MOUNTPOINT", "End a mount", verb_unmount, HAS_DIR, 0, 0},
    {"check", "DIR", "Read and verify everything", verb_check, HAS_DIR | OPENS | READS, 0, 0},
    {"salvage", "DIR NEWDIR", "Copy all that still verifies out of a damaged volume",
     volume_verb_salvage, HAS_DIR | READS, 1, 1},
};

static int usage(FILE *to, int status)
{
    struct buf help = {0};
    fputs("usage: coffer volume VERB [FLAGS] WORDS\n\n", to);
    for (size_t i = 0; i < ARRAY_COUNT(g_verbs); i++)
        fprintf(to, "  %-9s %-16s %s\n", g_verbs[i].name, g_verbs[i].arguments, g_verbs[i].help);
    if (options_help(g_options, ARRAY_COUNT(g_options), &help) == 0)
        fprintf(to, "\n%s", buf_text(&help));
    buf_done(&help);
    fputs(
        "\nexit status: 0 done, 1 failed, 2 called wrongly, 3 damage found, 4 an older or another "
        "state or key, 5 open elsewhere\n",
        to);
    return status;
}

static int verb_run(const struct verb *verb, struct volume_job *job)
{
    int r = verb->flags & OPENS ? volume_job_open(job) : 0;
    int status = r < 0 ? volume_fail(job, r, job->dir) : verb->run(job);
    r = volume_close(job->volume);
    if (r < 0 && status == VOLUME_EXIT_OK)
        status = volume_fail(job, r, "closing the volume");
    if (fflush(stdout) != 0 && status == VOLUME_EXIT_OK)
        status = volume_fail(job, -errno, "standard output");
    local_volume_done(&job->local);
    recovery_volume_free(job->recovery);
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

/* The short flags people's fingers know, alone or together: -rf. Other words move up; returns how
 * many there are. */
static int short_flags(int argc, char **argv, struct volume_settings *settings)
{
    const struct {
        char letter;
        bool *flag;
    } rows[] = {{'r', &settings->recursive},   {'R', &settings->recursive},
                {'p', &settings->all_parents}, {'f', &settings->force},
                {'h', &settings->human},       {'l', &settings->long_list}};
    bool found[ARRAY_COUNT(rows)] = {0};
    int count = 1;
    for (int i = 1; i < argc; i++) {
        size_t known = 0, len = strlen(argv[i]);
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[count++] = argv[i++];
            break;
        }
        for (size_t at = 1; argv[i][0] == '-' && at < len; at++)
            for (size_t k = 0; k < ARRAY_COUNT(rows); k++)
                known += rows[k].letter == argv[i][at];
        if (len < 2 || known != len - 1) {
            argv[count++] = argv[i];
            continue;
        }
        for (size_t k = 0; k < ARRAY_COUNT(rows); k++)
            found[k] = found[k] || strchr(argv[i], rows[k].letter);
    }
    for (size_t k = 0; k < ARRAY_COUNT(rows); k++)
        *rows[k].flag = *rows[k].flag || found[k];
    return count;
}

static int job_run(struct volume_job *job, int count, char **args)
{
    char state_dir[PATH_SIZE];
    const struct verb *verb = verb_find(args[0]);
    if (!verb)
        return VOLUME_EXIT_USAGE;
    int words = count - 1 - (verb->flags & HAS_DIR ? 1 : 0);
    if (words < verb->count_min || words > verb->count_max) {
        fprintf(stderr, "usage: coffer volume %s %s\n", verb->name, verb->arguments);
        return VOLUME_EXIT_USAGE;
    }
    if (job->settings.recovery && !(verb->flags & READS)) {
        fprintf(stderr, "coffer volume %s: with a recovery key a volume is only read\n",
                verb->name);
        return VOLUME_EXIT_USAGE;
    }
    int r = local_state_dir(job->settings.state ? job->settings.state : getenv("COFFER_STATE"),
                            getenv("HOME"), state_dir, sizeof state_dir);
    if (r < 0 && !job->settings.recovery) {
        fputs("coffer volume: no --state and no HOME: where are the keys?\n", stderr);
        return VOLUME_EXIT_USAGE;
    }
    local_volume_use_host();
    job->dir = verb->flags & HAS_DIR ? args[1] : NULL;
    job->args = args + 1 + (verb->flags & HAS_DIR ? 1 : 0);
    job->count = words;
    job->state_dir = state_dir;
    return verb_run(verb, job);
}

int volume_command(int argc, char **argv)
{
    struct volume_job job = {0};
    int count;
    if (argc > 1 && strcmp(argv[1], "mount") == 0)
        return mount_become(argv + 1);
    argc = short_flags(argc, argv, &job.settings);
    int r = options_parse(g_options, ARRAY_COUNT(g_options), argc - 1, argv + 1, &job.settings,
                          &count, &job.e);
    if (r < 0) {
        fprintf(stderr, "coffer volume: %s\n", error_text(&job.e, r));
        return VOLUME_EXIT_USAGE;
    }
    if (job.settings.help || (count == 1 && strcmp(argv[1], "help") == 0))
        return usage(stdout, VOLUME_EXIT_OK);
    if (count == 0)
        return usage(stderr, VOLUME_EXIT_USAGE);
    return job_run(&job, count, argv + 1);
}
