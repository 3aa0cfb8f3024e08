/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer documents export`: all of a document server's documents from its volume and a recovery key,
 * with no server and no key broker. The volume is only read: the document server's own program writes the
 * archive under the runtime, on the volume as it was left, and what it changes there is forgotten. */
#include "cli/command.h"
#include "cli/volume_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DOCUMENTS_USAGE \
    "export --volume DIR --recovery FILE --keys DIR --out FILE [--accept-older] [--unchecked]"

struct documents_options {
    const char *volume, *recovery, *keys, *out;
    bool accept_older, unchecked;
};

#define ROW(name, member, value, help)                                                         \
    {                                                                                          \
        name, OPTION_TEXT, offsetof(struct documents_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("volume", volume, "DIR", "The document server's volume, or a copy of it; only read"),
    ROW("recovery", recovery, "FILE", "The recovery key, from `coffer policy recovery-key`"),
    ROW("keys", keys, "DIR", "The owner's keys, to which it is sealed"),
    ROW("out", out, "FILE", "The archive (tar), a new file"),
    {"accept-older", OPTION_FLAG, offsetof(struct documents_options, accept_older), NULL, NULL,
     "Also where the volume is older than the recovery key", 0, 0},
    {"unchecked", OPTION_FLAG, offsetof(struct documents_options, unchecked), NULL, NULL,
     "Do not read and verify the whole volume first", 0, 0},
};

/* --- before: what is not as it was written --- */

static void time_print(int64_t seconds, char text[32])
{
    struct tm tm;
    time_t at = (time_t)seconds;
    if (!gmtime_r(&at, &tm) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(text, 32, "an unknown time");
}

static void freshness_print(const struct documents_options *o, const struct recovery_key *key)
{
    char made[32];
    time_print(key->made_s, made);
    if (o->accept_older)
        fprintf(stderr,
                "how new this volume is cannot be verified: it was accepted even if older than "
                "the recovery key (%s, commit %llu)\n",
                made, (unsigned long long)key->head.sequence);
    else
        fprintf(stderr,
                "the volume is at least as new as the recovery key (%s, commit %llu); whether "
                "anything later is missing only the key broker could tell\n",
                made, (unsigned long long)key->head.sequence);
}

/* How many findings, each said; -errno if it does not open. */
static int check(const struct documents_options *o, struct slice text, struct error *e)
{
    struct recovery_volume *recovery = NULL;
    struct volume *volume = NULL;
    int r = volume_recovery_open(o->volume, text, o->accept_older, &recovery, &volume, e);
    if (r < 0)
        return r;
    r = o->unchecked ? 0 : volume_check_print(volume, stderr);
    if (r < 0)
        (void)error_set(e, r, "the volume cannot be checked");
    volume_abandon(volume);
    recovery_volume_free(recovery);
    return r;
}

/* --- the archive --- */

/* In memory that no name leads to; the runtime reads it and closes it. */
static int key_hand_over(struct slice text, struct error *e)
{
    int fd = memfd_create("recovery-key", 0);
    if (fd < 0 || write(fd, text.bytes, text.size) != (ssize_t)text.size) {
        int r = fd < 0 ? -errno : -EIO;
        if (fd >= 0)
            (void)close(fd);
        return error_set(e, r, "the recovery key cannot be handed to the runtime");
    }
    return fd;
}

static void child_become(const struct documents_options *o, const char *runtime, const char *dms,
                         int key_fd, int out_fd)
{
    char volume[PATH_MAX + 8], key[16];
    const char *argv[16];
    int n = 0;
    snprintf(volume, sizeof volume, "%s:/data", o->volume);
    snprintf(key, sizeof key, "%d", key_fd);
    argv[n++] = runtime;
    argv[n++] = "--volume";
    argv[n++] = volume;
    argv[n++] = "--volume-recovery";
    argv[n++] = key;
    if (o->accept_older)
        argv[n++] = "--volume-accept-older";
    argv[n++] = "--";
    argv[n++] = dms;
    argv[n++] = "--data=/data";
    argv[n++] = "--export";
    argv[n] = NULL;
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(out_fd, STDOUT_FILENO) >= 0)
        execv(runtime, (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* The document server's exit status: 0, or 3 if it has listed damage. */
static int archive_write(const struct documents_options *o, struct slice text, int out_fd,
                         struct error *e)
{
    char runtime[PATH_MAX], dms[PATH_MAX];
    int status = 0;
    int r = command_sibling("coffer-runtime", runtime, sizeof runtime, e);
    if (r == 0)
        r = command_sibling("coffer-dms", dms, sizeof dms, e);
    int key_fd = r == 0 ? key_hand_over(text, e) : r;
    if (key_fd < 0)
        return key_fd;
    pid_t pid = fork();
    if (pid == 0)
        child_become(o, runtime, dms, key_fd, out_fd);
    (void)close(key_fd);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return error_set(e, -errno, "the document server cannot be started");
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3))
        return WEXITSTATUS(status);
    return error_set(e, -EIO,
                     "the archive was not finished, for the reason given; if the documents cannot "
                     "be opened at all, `coffer volume salvage --recovery` copies out all files "
                     "that still verify, and `coffer-dms --data DIR --export` reads those");
}

static int export_out(const struct documents_options *o, struct slice text, struct error *e)
{
    int fd = open(o->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(e, -errno, "'%s' must be a new file (%s)", o->out, strerror(errno));
    int r = archive_write(o, text, fd, e);
    if (r >= 0 && fsync(fd) < 0 && errno != EINVAL)
        r = error_set(e, -errno, "'%s' cannot be written", o->out);
    if (close(fd) < 0 && r >= 0)
        r = error_set(e, -errno, "'%s' cannot be written", o->out);
    if (r < 0)
        (void)unlink(o->out);
    return r;
}

static int export_run(const struct documents_options *o, struct error *e)
{
    SCOPED(buf_done) struct buf text = {0};
    struct recovery_key key = {0};
    if (!o->volume || !o->recovery || !o->keys || !o->out)
        return error_set(e, -EINVAL, "usage: coffer documents " DOCUMENTS_USAGE);
    local_volume_use_host();
    int r = volume_recovery_text(o->recovery, o->keys, &text, e);
    if (r == 0)
        r = recovery_key_parse(buf_slice(&text), &key);
    int found = r == 0 ? check(o, buf_slice(&text), e) : r;
    if (found >= 0)
        freshness_print(o, &key);
    recovery_key_wipe(&key);
    if (found < 0)
        return found;
    int damaged = export_out(o, buf_slice(&text), e);
    if (damaged < 0)
        return damaged;
    if (found == 0 && damaged == 0)
        printf("%s: everything there is, and all of it verified\n", o->out);
    else
        printf("%s: everything that still verifies; damage is named above and in damage.json\n",
               o->out);
    return found == 0 && damaged == 0 ? VOLUME_EXIT_OK : VOLUME_EXIT_DAMAGED;
}

int documents_command(int argc, char **argv)
{
    struct documents_options o = {0};
    struct error e = {0};
    int count = 0;
    int code = command_options("documents", DOCUMENTS_USAGE, g_rows, ARRAY_COUNT(g_rows), argc,
                               argv, &o, &count);
    if (code >= 0)
        return code;
    int r = count == 1 && strcmp(argv[0], "export") == 0
                ? export_run(&o, &e)
                : error_set(&e, -EINVAL, "usage: coffer documents " DOCUMENTS_USAGE);
    if (r >= 0)
        return r;
    code = command_fail("documents", &e, r);
    return r == -EKEYREJECTED ? VOLUME_EXIT_OLD
           : r == -EBADMSG    ? VOLUME_EXIT_DAMAGED
           : r == -EBUSY      ? VOLUME_EXIT_HELD
                              : code;
}
