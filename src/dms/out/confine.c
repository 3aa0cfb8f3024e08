/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock (Linux Documentation/userspace-api/landlock.rst). */
#include "dms/out/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers; from the kernel's include/uapi/linux/landlock.h. */
enum { FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14 };
#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* Libraries; the resolver's and TLS's settings; where both are made at run time. */
static const char *const system_paths[] = {
    "/lib", "/lib64", "/usr", "/etc", "/run/systemd/resolve", "/run/resolvconf", "/dev/urandom"};

static int rule_add(int ruleset, const char *path)
{
    struct stat stat;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : -errno; /* not on this system: then it is denied */
    int r = fstat(fd, &stat) < 0 ? -errno : 0;
    struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(stat.st_mode) ? FS_READ | LANDLOCK_ACCESS_FS_EXECUTE
                                                : LANDLOCK_ACCESS_FS_READ_FILE,
        .parent_fd = fd,
    };
    if (r == 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        r = -errno;
    (void)close(fd);
    return r;
}

int out_confine(const char *ca_file)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return -ENOSYS;
    const struct landlock_ruleset_attr attr = {
        .handled_access_fs = ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) | (abi >= 2 ? FS_REFER : 0U) |
                             (abi >= 3 ? FS_TRUNCATE : 0U),
    };
    int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (ruleset < 0)
        return -errno;
    int r = ca_file ? rule_add(ruleset, ca_file) : 0;
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(system_paths); i++)
        r = rule_add(ruleset, system_paths[i]);
    if (r == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                   syscall(SYS_landlock_restrict_self, ruleset, 0) < 0))
        r = -errno;
    (void)close(ruleset);
    return r;
}
