/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_SIZE_MAX ((off_t)64 << 20) /* a longer one of an earlier run is begun anew */

char *up_path(const struct up *up, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", up->state, name) < 0 ? NULL : path;
}

static void path_freep(char **path)
{
    free(*path);
}

/* mkdir -p, the last one 0700. */
static int directories_make(const char *path, struct error *e)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return error_set(e, -errno, "cannot make '%s' (%s)", part, strerror(errno));
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot make '%s' (%s)", path, strerror(errno));
    return 0;
}

static int state_check(const char *path, struct error *e)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return error_set(e, -errno, "cannot look at '%s'", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return error_set(e, -EPERM, "state directory '%s' is not a directory of yours", path);
    if ((st.st_mode & 077) != 0 && chmod(path, 0700) < 0)
        return error_set(e, -errno, "cannot close '%s' to others", path);
    return 0;
}

static int state_file(const struct up *up, const char *name, int flags, struct error *e)
{
    SCOPED(path_freep) char *path = up_path(up, name);
    int fd = path ? open(path, flags | O_CLOEXEC, 0600) : -1;
    return fd < 0 ? error_set(e, -errno, "cannot open '%s' in the state directory (%s)", name,
                              strerror(errno))
                  : fd;
}

int up_state_open(struct up *up, struct error *e)
{
    SCOPED(path_freep) char *run = up_path(up, "run");
    struct stat st;
    int r = directories_make(up->state, e);
    if (r == 0)
        r = state_check(up->state, e);
    if (r == 0)
        r = run ? directories_make(run, e) : -ENOMEM;
    if (r < 0)
        return r;
    up->lock_fd = state_file(up, "lock", O_RDWR | O_CREAT, e);
    if (up->lock_fd < 0)
        return up->lock_fd;
    if (flock(up->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return error_set(e, -EBUSY, "another `coffer up` uses '%s'; choose another with --state",
                         up->state);
    if (up->options.verbose) {
        up->log_fd = STDERR_FILENO;
        return 0;
    }
    up->log_fd = state_file(up, "log", O_WRONLY | O_CREAT | O_APPEND, e);
    if (up->log_fd >= 0 && fstat(up->log_fd, &st) == 0 && st.st_size > LOG_SIZE_MAX &&
        ftruncate(up->log_fd, 0) < 0)
        return error_set(e, -errno, "cannot shorten the log");
    return up->log_fd < 0 ? up->log_fd : 0;
}
