/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a mount: threads that serve, the timer that syncs, and ending well. Told to end (by a
 * signal), the mount point goes away while requests are still served, so that nothing the kernel
 * holds is lost; who still has files open there gets a moment, then ENOTCONN. */
#include "base/log.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_S = 5, IDLE_THREADS = 4 };

void mount_syslog(unsigned level, const char *line, int size); /* syslog.c */

static void ending_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR1); /* from this process: the session is over */
}

static int helper_unmount(const char *point, bool lazily)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execlp("fusermount3", "fusermount3", lazily ? "-uzq" : "-uq", "--", point, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

static int point_unmount(const char *point, bool lazily)
{
    if (umount2(point, lazily ? MNT_DETACH | UMOUNT_NOFOLLOW : UMOUNT_NOFOLLOW) == 0)
        return 0;
    return errno == EPERM ? helper_unmount(point, lazily) : -errno;
}

/* Pages that were written and are still in the kernel come to us. */
static void pages_fetch(const char *point)
{
    int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)syncfs(fd);
    (void)close(fd);
}

static void session_end(struct mount *m)
{
    pages_fetch(m->point);
    if (point_unmount(m->point, false) == 0)
        return; /* the kernel says goodbye, and the loop ends */
    (void)point_unmount(m->point, true);
    for (int i = 0; i < GRACE_S * 100 && !atomic_load(&m->ended); i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (!atomic_load(&m->ended))
        fuse_session_exit(m->session);
}

/* The kernel reads ahead 128 KiB unless told otherwise; with more, requests are larger and several are
 * under way. Only root may; without it reading is slower, no more. */
static void readahead_raise(const char *point)
{
    char path[64];
    struct stat st;
    if (stat(point, &st) < 0)
        return;
    (void)snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev),
                   minor(st.st_dev));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "4096", 4);
    (void)close(fd);
}

/* Waits for a signal that ends the mount; meanwhile what has changed is synced now and then. */
static void *keeper(void *arg)
{
    struct mount *m = arg;
    uint64_t synced = 0;
    sigset_t set;
    ending_signals(&set);
    readahead_raise(m->point);
    for (;;) {
        const struct timespec pause = {.tv_sec = (time_t)(m->commit_s ? m->commit_s : 3600)};
        int signal_number = sigtimedwait(&set, NULL, &pause);
        if (atomic_load(&m->ended))
            return NULL;
        if (signal_number > 0 && signal_number != SIGUSR1) {
            session_end(m);
            return NULL;
        }
        uint64_t changes = atomic_load(&m->changes);
        if (changes == synced)
            volume_rest(m->volume);
        if (m->commit_s == 0 || changes == synced || m->read_only)
            continue;
        int r = volume_sync(m->volume, 0, false);
        if (r < 0)
            LOG_ERROR("the mounted volume cannot be synced", LOG_INT("error", r));
        synced = changes;
    }
}

static int loop(struct mount *m, unsigned threads)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return -ENOMEM;
    fuse_loop_cfg_set_clone_fd(config, 1);
    fuse_loop_cfg_set_max_threads(config, threads);
    fuse_loop_cfg_set_idle_threads(config, MIN(threads, (unsigned)IDLE_THREADS));
    int r = fuse_session_loop_mt(m->session, config);
    fuse_loop_cfg_destroy(config);
    return r > 0 ? 0 : r; /* positive: ended by a signal */
}

static void syslog_sink(enum log_level level, struct slice line)
{
    mount_syslog(level, (const char *)line.bytes, (int)line.size);
}

void mount_ready(struct mount *m)
{
    if (m->ready_fd < 0)
        return;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
        (void)dup2(fd, i);
    log_set_sink(syslog_sink, "coffer-mount", LOG_LEVEL_NOTICE);
    (void)!write(m->ready_fd, "", 1);
    (void)close(m->ready_fd);
    m->ready_fd = -1;
}

int mount_serve(struct mount *m, struct fuse_args *args, unsigned threads)
{
    pthread_t thread;
    sigset_t set;
    ending_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    int r = lookups_new(&m->lookups);
    m->session = r == 0 ? fuse_session_new(args, &mount_ops, sizeof mount_ops, m) : NULL;
    if (!m->session || fuse_session_mount(m->session, m->point) != 0) {
        fprintf(stderr, "coffer volume: cannot mount at '%s'\n", m->point);
        r = -EIO;
    }
    if (r == 0)
        r = wire_attach(m->session);
    bool kept = r == 0 && pthread_create(&thread, NULL, keeper, m) == 0;
    if (r == 0)
        r = kept ? loop(m, threads) : -EAGAIN;
    atomic_store(&m->ended, true);
    if (kept) {
        (void)pthread_kill(thread, SIGUSR1);
        (void)pthread_join(thread, NULL);
    }
    if (m->session) {
        fuse_session_unmount(m->session);
        fuse_session_destroy(m->session);
    }
    int closed = volume_close(m->volume);
    if (closed < 0)
        LOG_ERROR("the mounted volume cannot be closed", LOG_INT("error", closed));
    lookups_free(m->lookups);
    return r < 0 || closed < 0 ? 1 : 0;
}
