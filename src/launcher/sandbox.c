/* SPDX-License-Identifier: Apache-2.0 */
#include "launcher/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers; from the kernel's include/uapi/linux/landlock.h. */
struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct net_port_attr {
    uint64_t access, port;
};
#define FS_REFER (1ULL << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ULL << 1)
#define RULE_NET_PORT 2
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_EXECUTE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE)
#define FS_READ_EXECUTE (FS_READ | LANDLOCK_ACCESS_FS_EXECUTE)

static uint64_t fs_all(int abi)
{
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* all of ABI 1 */
    all |= abi >= 2 ? FS_REFER : 0;
    all |= abi >= 3 ? FS_TRUNCATE : 0;
    all |= abi >= 5 ? FS_IOCTL_DEV : 0;
    return all;
}

/* What an unmodified program and its libraries cannot do without. Contents of these are the
 * system's, not ours; a policy may demand their digests. */
static const struct {
    const char *path;
    uint64_t access;
} g_system_paths[] = {
    {"/lib", FS_READ_EXECUTE},
    {"/lib64", FS_READ_EXECUTE},
    {"/usr/lib", FS_READ_EXECUTE},
    {"/usr/share/zoneinfo", FS_READ},
    {"/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/etc/localtime", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE},
    {"/dev/zero", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/dev/random", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE},
    {"/proc/self", FS_READ}, /* of this very process, not of its siblings */
    /* A child that executes a program is this very program again. */
    {"/proc/self/exe", FS_EXECUTE},
    /* The document server's tools (src/dms/derive.c), and what they read; each narrows this further. */
    {"/usr/bin/pdftotext", FS_EXECUTE},
    {"/usr/bin/pdftoppm", FS_EXECUTE},
    {"/usr/bin/vipsthumbnail", FS_EXECUTE},
    {"/etc/fonts", FS_READ},
    {"/usr/share/fontconfig", FS_READ},
    {"/usr/share/fonts", FS_READ},
    {"/usr/share/poppler", FS_READ},
    {"/usr/share/ghostscript", FS_READ}, /* fonts of other packages */
    {"/var/cache/fontconfig", FS_READ},
};

int sandbox_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

static int rule_add(int ruleset, int fd, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
               ? -errno
               : 0;
}

static int rules_add(int ruleset, const struct sandbox *sandbox, uint64_t handled, int abi)
{
    int r = rule_add(ruleset, sandbox->volume_fd,
                     handled & ~(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                 LANDLOCK_ACCESS_FS_MAKE_BLOCK | FS_IOCTL_DEV));
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(g_system_paths); i++) {
        int fd = open(g_system_paths[i].path, O_PATH | O_CLOEXEC);
        if (fd < 0)
            continue; /* not on this system: then it is denied */
        r = rule_add(ruleset, fd, g_system_paths[i].access);
        close(fd);
    }
    if (r < 0 || abi < 4 || sandbox->tcp_port == 0)
        return r;
    struct net_port_attr port = {.access = NET_CONNECT_TCP, .port = sandbox->tcp_port};
    return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &port, 0) < 0 ? -errno : 0;
}

static int landlock_enter(const struct sandbox *sandbox, struct error *e)
{
    int abi = sandbox_abi();
    if (abi < SANDBOX_ABI_MIN)
        return error_set(e, -ENOSYS,
                         "this kernel has no Landlock: document servers cannot be "
                         "kept apart (boot it with lsm=landlock,...)");
    struct ruleset_attr attr = {
        .fs = fs_all(abi),
        .net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0,
        .scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0,
    };
    size_t size = abi >= 6   ? sizeof attr
                  : abi >= 4 ? offsetof(struct ruleset_attr, scoped)
                             : offsetof(struct ruleset_attr, net);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return error_set(e, -errno, "cannot make a Landlock domain (%s)", strerror(errno));
    int r = rules_add(ruleset, sandbox, attr.fs, abi);
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        r = -errno;
    close(ruleset);
    return r < 0 ? error_set(e, r, "cannot enter a Landlock domain (%s)", strerror(-r)) : 0;
}

static int uid_take(uid_t uid, struct error *e)
{
    if (uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return error_set(e, -errno, "cannot become uid %u (%s)", uid, strerror(errno));
    return 0;
}

int sandbox_enter(const struct sandbox *sandbox, struct error *e)
{
    int r = uid_take(sandbox->uid, e);
    if (r < 0)
        return r;
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(e, -errno, "cannot make the process untraceable (%s)", strerror(errno));
    return landlock_enter(sandbox, e);
}
