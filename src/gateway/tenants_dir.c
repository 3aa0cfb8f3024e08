/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/tenants_dir.h"

#include "gateway/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void dir_closep(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static DIR *dir_open(const char *path, struct error *e)
{
    if (mkdir(path, 0711) < 0 && errno != EEXIST) {
        error_set(e, -errno, "cannot make directory '%s' (%s)", path, strerror(errno));
        return NULL;
    }
    DIR *dir = opendir(path);
    if (!dir)
        error_set(e, -errno, "cannot open directory '%s' (%s)", path, strerror(errno));
    return dir;
}

int tenants_dir_scan(const char *path, int (*fn)(void *ctx, const char *name), void *ctx,
                     struct error *e)
{
    SCOPED(dir_closep) DIR *dir = dir_open(path, e);
    if (!dir)
        return -EIO;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_type != DT_DIR || !tenant_name_is_valid(slice_of_text(entry->d_name)))
            continue;
        int r = fn(ctx, entry->d_name);
        if (r < 0)
            return error_set(e, r, "cannot serve tenant '%s'", entry->d_name);
    }
    return 0;
}

/* One above the highest in use: a uid is never given again while a directory has it. */
static uid_t uid_next(DIR *dir, uint64_t uid_base)
{
    uid_t next = (uid_t)uid_base;
    struct stat st;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_type == DT_DIR &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid >= next)
            next = st.st_uid + 1;
    return next;
}

int tenants_dir_add(const char *path, const char *name, uint64_t uid_base, struct error *e)
{
    SCOPED(dir_closep) DIR *dir = dir_open(path, e);
    if (!dir)
        return -EIO;
    if (mkdirat(dirfd(dir), name, 0700) < 0)
        return errno == EEXIST ? 0
                               : error_set(e, -errno, "cannot make directory '%s/%s' (%s)", path,
                                           name, strerror(errno));
    if (uid_base == 0 || geteuid() != 0)
        return 0;
    uid_t uid = uid_next(dir, uid_base);
    if (fchownat(dirfd(dir), name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0) {
        int r = -errno;
        (void)unlinkat(dirfd(dir), name, AT_REMOVEDIR);
        return error_set(e, r, "cannot give directory '%s/%s' to uid %u", path, name, uid);
    }
    return 0;
}
