/* SPDX-License-Identifier: Apache-2.0 */
/* landlock(7), version 4 of the interface. Each ruleset is one of the host's too, in which the runtime
 * adds what it must read itself in a confined process; what of that the guest may not is refused by
 * landlock.c. */
#include "runtime/confine/landlock_calls.h"
#include "platform/host.h"
#include "runtime/confine/landlock.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/lock.h"
#include "runtime/process/process.h"
#include "runtime/syscall/call.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define VERSION 4
#define NET_ALL 3ull /* LANDLOCK_ACCESS_NET_BIND_TCP, CONNECT_TCP */
#define RULE_NET_PORT 2
#define ATTR_SIZE_MIN 8u
#define ATTR_SIZE_MAX 4096u
#define PATH_RULE_SIZE 12 /* packed */
#define OF_FILES                                                                                 \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | \
     LANDLOCK_ACCESS_FS_TRUNCATE)
#define RULES_MAX 65536u

struct attributes {
    uint64_t fs, net;
};

struct ruleset {
    struct file file;
    uint64_t handled;
    lock_word lock; /* protects what follows */
    unsigned count, room;
    struct landlock_rule *rules;
};

static void ruleset_release(struct file *f)
{
    struct ruleset *set = (struct ruleset *)f;
    free(set->rules);
    free(set);
}

static const struct file_ops ruleset_ops = {.name = "landlock ruleset", .release = ruleset_release};

static int64_t host_version(void)
{
    int64_t host = host_call(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return MIN(host, VERSION);
}

static int read_attributes(struct attributes *ret, unsigned long at, unsigned long size)
{
    uint8_t bytes[ATTR_SIZE_MAX] = {0};
    if (at == 0)
        return -EFAULT;
    if (size < ATTR_SIZE_MIN || size > sizeof bytes)
        return size < ATTR_SIZE_MIN ? -EINVAL : -E2BIG;
    if (guest_read(bytes, at, size) < 0)
        return -EFAULT;
    for (size_t i = sizeof *ret; i < size; i++)
        if (bytes[i] != 0)
            return -E2BIG;
    memcpy(ret, bytes, sizeof *ret);
    if ((ret->fs & ~LANDLOCK_FS_ALL) || (ret->net & ~NET_ALL))
        return -EINVAL;
    return ret->fs == 0 && ret->net == 0 ? -ENOMSG : 0;
}

static long host_add(int ruleset, int parent, uint64_t allowed)
{
    const struct landlock_path_beneath_attr rule = {.allowed_access = allowed, .parent_fd = parent};
    return host_call(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* Without one of these a confined runtime serves less, and says so call by call. */
static void lend(int ruleset, const char *path, uint64_t allowed)
{
    fd_room_enter();
    int fd = allowed ? host_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        (void)host_add(ruleset, fd, allowed);
        host_close(fd);
    }
    fd_room_leave();
}

static void lend_own(int ruleset, uint64_t handled)
{
    lend(ruleset, "/proc/self/exe",
         handled & (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE));
    lend(ruleset, "/proc", handled & (LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_READ_FILE));
    lend(ruleset, "/dev/null",
         handled & (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE));
}

int64_t sys_landlock_create_ruleset(struct syscall_call *c)
{
    struct attributes attributes;
    unsigned flags = (unsigned)c->args[2];
    if (flags != 0)
        return flags == LANDLOCK_CREATE_RULESET_VERSION && c->args[0] == 0 && c->args[1] == 0
                   ? host_version()
                   : -EINVAL;
    int64_t version = host_version();
    int r = version < 0 ? (int)version : read_attributes(&attributes, c->args[0], c->args[1]);
    if (r < 0)
        return r;
    struct ruleset *set = calloc(1, sizeof *set);
    if (!set)
        return -ENOMEM;
    file_init(&set->file, &ruleset_ops, O_RDWR);
    set->handled = attributes.fs;
    int64_t fd = host_call(SYS_landlock_create_ruleset, &attributes,
                           version >= 4 ? sizeof attributes : sizeof attributes.fs, 0);
    if (fd >= 0 && fd_is_hidden((int)fd)) {
        host_close((int)fd);
        fd = -EMFILE;
    }
    if (fd < 0) {
        free(set);
        return fd;
    }
    lend_own((int)fd, attributes.fs);
    r = fd_attach((int)fd, &set->file);
    return r < 0 ? r : fd;
}

static int ruleset_get(int fd, struct ruleset **ret)
{
    struct file *f = fd_get(fd);
    if (f && f->ops == &ruleset_ops) {
        *ret = (struct ruleset *)f;
        return 0;
    }
    long flags = f                  ? atomic_load(&f->flags)
                 : fd_is_hidden(fd) ? -EBADF
                                    : host_call(SYS_fcntl, fd, F_GETFL);
    if (f)
        file_put(f);
    return flags < 0 || (flags & O_PATH) ? -EBADF : -EBADFD;
}

static int rule_keep(struct ruleset *set, struct landlock_spot at, uint64_t allowed)
{
    lock_acquire(&set->lock);
    int r = set->count >= RULES_MAX ? -E2BIG : 0;
    if (r == 0 && set->count == set->room) {
        unsigned room = set->room ? set->room * 2 : 8;
        struct landlock_rule *more = realloc(set->rules, room * sizeof *more);
        if (more) {
            set->rules = more;
            set->room = room;
        } else {
            r = -ENOMEM;
        }
    }
    if (r == 0)
        set->rules[set->count++] = (struct landlock_rule){at, allowed};
    lock_release(&set->lock);
    return r;
}

static int64_t add_path(int fd, struct ruleset *set, unsigned long at)
{
    struct landlock_path_beneath_attr rule = {0};
    struct landlock_spot spot;
    bool is_directory;
    if (guest_read(&rule, at, PATH_RULE_SIZE) < 0)
        return -EFAULT;
    if (rule.allowed_access == 0)
        return -ENOMSG;
    if (rule.allowed_access & ~set->handled)
        return -EINVAL;
    if (fd_is_hidden(rule.parent_fd))
        return -EBADF;
    struct file *f = fd_get(rule.parent_fd);
    int64_t r;
    if (f) {
        r = landlock_spot_of(f, &spot, &is_directory);
        if (r == 0 && !is_directory && (rule.allowed_access & ~OF_FILES))
            r = -EINVAL;
        file_put(f);
    } else {
        r = host_add(fd, rule.parent_fd, rule.allowed_access);
        if (r == 0)
            r = landlock_spot_of_host(rule.parent_fd, &spot, &is_directory);
    }
    return r < 0 ? r : rule_keep(set, spot, rule.allowed_access);
}

static int64_t add_port(int fd, unsigned long at)
{
    uint64_t rule[2];
    return guest_get(&rule, at) < 0 ? -EFAULT
                                    : host_call(SYS_landlock_add_rule, fd, RULE_NET_PORT, rule, 0);
}

int64_t sys_landlock_add_rule(struct syscall_call *c)
{
    struct ruleset *set;
    int fd = (int)c->args[0];
    int64_t r = host_version();
    if (r < 0 || c->args[3] != 0)
        return r < 0 ? r : -EINVAL;
    r = ruleset_get(fd, &set);
    if (r < 0)
        return r;
    if ((int)c->args[1] == LANDLOCK_RULE_PATH_BENEATH)
        r = add_path(fd, set, c->args[2]);
    else
        r = (int)c->args[1] == RULE_NET_PORT ? add_port(fd, c->args[2]) : -EINVAL;
    file_put(&set->file);
    return r;
}

static struct landlock_layer *layer_of(struct ruleset *set, struct landlock_layer *outer)
{
    lock_acquire(&set->lock);
    struct landlock_layer *l = calloc(1, sizeof *l + set->count * sizeof l->rules[0]);
    if (l) {
        *l = (struct landlock_layer){.depth = outer ? outer->depth + 1 : 1,
                                     .outer = outer,
                                     .handled = set->handled,
                                     .host_fd = -1,
                                     .count = set->count};
        atomic_init(&l->holders, 1);
        if (set->count > 0)
            memcpy(l->rules, set->rules, set->count * sizeof l->rules[0]);
    }
    lock_release(&set->lock);
    return l;
}

/* A program goes on, on the leader, which the host knows nothing of this thread's rules of. */
static int keep_for_leader(struct thread *t, int fd, struct landlock_layer *l)
{
    if (thread_is_leader(t) || t->process->vfork_child)
        return 0;
    fd_room_enter();
    int copy = (int)host_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
    copy = copy < 0 ? copy : fd_hide(copy);
    fd_room_leave();
    l->host_fd = copy;
    return MIN(copy, 0);
}

static int64_t restrict_by(struct thread *t, int fd, struct ruleset *set)
{
    struct landlock_layer *l = layer_of(set, t->confined.domain);
    if (!l)
        return -ENOMEM;
    /* Whoever owns volumes needs their files at the host: from here on that is another process. */
    int64_t r = vfs_file_size_prepare();
    if (r == 0)
        r = keep_for_leader(t, fd, l);
    if (r == 0)
        r = host_call(SYS_landlock_restrict_self, fd, 0);
    if (r < 0) {
        l->outer = NULL; /* whose holder stays */
        landlock_put(l);
        return r;
    }
    t->confined.domain = l; /* which has the hold on what was there */
    vfs_leave();
    return 0;
}

int64_t sys_landlock_restrict_self(struct syscall_call *c)
{
    struct ruleset *set;
    int64_t r = host_version();
    if (r < 0)
        return r;
    r = host_call(SYS_landlock_restrict_self, -1, 0); /* whether it may at all, comes first */
    if (r != -EBADF || c->args[1] != 0)
        return r != -EBADF ? r : -EINVAL;
    r = ruleset_get((int)c->args[0], &set);
    if (r < 0)
        return r;
    r = restrict_by(c->thread, (int)c->args[0], set);
    file_put(&set->file);
    return r;
}

int landlock_enter_host(const struct landlock_layer *domain, const struct landlock_layer *known)
{
    const struct landlock_layer *layers[LANDLOCK_LAYERS_MAX];
    unsigned count = 0;
    for (; domain && domain != known && count < LANDLOCK_LAYERS_MAX; domain = domain->outer)
        layers[count++] = domain;
    while (count-- > 0) {
        int fd = layers[count]->host_fd;
        long r = fd < 0 ? -EBADF : host_call(SYS_landlock_restrict_self, fd, 0);
        if (r < 0)
            return (int)r;
    }
    return 0;
}
