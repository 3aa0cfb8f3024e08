/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits. The host enforces them, so its limits are the guest's, but where the runtime needs
 * more than the guest may have: the hard limit of descriptors stays above the hidden ones, writes to
 * volumes are the volume server's, which no limit on the size of files may stop, and the memory that
 * the guest may have is counted without the runtime's (memory/account.h). */
#include "runtime/process/limits.h"
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/memory/memory.h"
#include "runtime/syscall/call.h"
#include "runtime/thread.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>

static bool may_raise_hard(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    return host_call(SYS_capget, &header, data) == 0 &&
           (data[0].effective & (1u << CAP_SYS_RESOURCE));
}

static int host_get(int resource, struct rlimit *ret)
{
    return (int)host_call(SYS_prlimit64, 0, resource, NULL, ret);
}

static int host_set(int resource, const struct rlimit *limit)
{
    return (int)host_call(SYS_prlimit64, 0, resource, limit, NULL);
}

static struct limit_view *view_of(int resource)
{
    static const int8_t kinds[RLIMIT_NLIMITS] = {[RLIMIT_NOFILE] = LIMIT_DESCRIPTORS + 1,
                                                 [RLIMIT_FSIZE] = LIMIT_FILE_SIZE + 1,
                                                 [RLIMIT_AS] = LIMIT_ADDRESS_SPACE + 1,
                                                 [RLIMIT_DATA] = LIMIT_DATA + 1,
                                                 [RLIMIT_STACK] = LIMIT_STACK + 1};
    bool viewed = (unsigned)resource < RLIMIT_NLIMITS && kinds[resource] > 0;
    return viewed ? &process_self()->limits[kinds[resource] - 1] : NULL;
}

/* Is it about memory, so that the runtime enforces it? */
static bool is_memory(int resource)
{
    return resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_STACK;
}

/* What the guest has set, unless somebody else has changed the host's since. */
static void show(const struct limit_view *view, struct rlimit *io)
{
    if (view->set && io->rlim_cur == view->host.rlim_cur && io->rlim_max == view->host.rlim_max)
        *io = view->guest;
}

static _Atomic bool g_reserved; /* no hidden number is free, so the guest's go on behind them */

/* Not with the room locked. */
static void reserve_for(rlim_t soft)
{
    if (soft > (rlim_t)fd_hidden_base() && !atomic_load(&g_reserved))
        atomic_store(&g_reserved, fd_reserve_hidden() == 0);
}

/* What the host is told: enough is left of its hard limit for the runtime's own descriptors and files. */
static struct rlimit for_host(int resource, const struct rlimit *new, const struct rlimit *now)
{
    struct rlimit host = *new;
    if (new->rlim_max <= now->rlim_max)
        host.rlim_max = now->rlim_max;
    if (is_memory(resource)) /* RLIMIT_STACK also decides how the host lays memory out */
        host.rlim_cur = resource == RLIMIT_STACK ? now->rlim_cur : host.rlim_max;
    if (resource == RLIMIT_NOFILE && !atomic_load(&g_reserved))
        host.rlim_cur = MIN(new->rlim_cur, (rlim_t)fd_hidden_base());
    return host;
}

static int set_viewed(int resource, const struct rlimit *new, struct rlimit *now)
{
    struct limit_view *view = view_of(resource);
    struct rlimit old = *now;
    show(view, &old);
    if (new->rlim_cur > new->rlim_max)
        return -EINVAL;
    if (new->rlim_max > old.rlim_max && !may_raise_hard())
        return -EPERM;
    const struct rlimit host = for_host(resource, new, now);
    int r = resource == RLIMIT_FSIZE ? vfs_file_size_prepare() : 0;
    if (r == 0)
        r = host_set(resource, &host);
    if (r == 0)
        *view = (struct limit_view){.guest = *new, .host = host, .set = true};
    if (r == 0 && resource == RLIMIT_STACK)
        memory_stack_may_be(new->rlim_cur);
    return r;
}

/* Of the calling process; `new` may be NULL. */
static int own(int resource, const struct rlimit *new, struct rlimit *ret_old)
{
    const struct limit_view *view = view_of(resource);
    struct rlimit now;
    if (resource == RLIMIT_NOFILE && new)
        reserve_for(new->rlim_cur);
    if (resource == RLIMIT_NOFILE)
        fd_room_lock(); /* nobody has lifted the limit for a moment */
    int r = host_get(resource, &now);
    *ret_old = now;
    if (r == 0 && view)
        show(view, ret_old);
    if (r == 0 && new)
        r = view ? set_viewed(resource, new, &now) : host_set(resource, new);
    if (resource == RLIMIT_NOFILE)
        fd_room_unlock();
    return r;
}

rlim_t limits_stack(void)
{
    struct rlimit now = {(rlim_t)8 << 20, 0};
    if (host_get(RLIMIT_STACK, &now) == 0)
        show(view_of(RLIMIT_STACK), &now);
    return now.rlim_cur;
}

/* What was inherited holds for the guest alone. */
static void start_memory(int resource)
{
    struct limit_view *view = view_of(resource);
    struct rlimit now;
    if (view->set || host_get(resource, &now) < 0 || now.rlim_cur == RLIM_INFINITY)
        return;
    const struct rlimit host = for_host(resource, &now, &now);
    if (host_set(resource, &host) == 0)
        *view = (struct limit_view){.guest = now, .host = host, .set = true};
}

void limits_start(void)
{
    struct limit_view *descriptors = view_of(RLIMIT_NOFILE), *size = view_of(RLIMIT_FSIZE);
    struct rlimit now;
    start_memory(RLIMIT_AS);
    start_memory(RLIMIT_DATA);
    rlim_t base = (rlim_t)fd_hidden_base();
    bool known = host_get(RLIMIT_NOFILE, &now) == 0;
    if (known && now.rlim_cur > base + FD_HIDDEN_COUNT)
        reserve_for(now.rlim_cur);
    if (known && !descriptors->set && now.rlim_cur > base && !atomic_load(&g_reserved)) {
        const struct rlimit host = {base, now.rlim_max};
        if (host_set(RLIMIT_NOFILE, &host) == 0)
            *descriptors = (struct limit_view){.guest = now, .host = host, .set = true};
    }
    if (!size->set && host_get(RLIMIT_FSIZE, &now) == 0 && now.rlim_cur != RLIM_INFINITY)
        *size = (struct limit_view){.guest = now, .host = now, .set = true};
}

void limits_file_size_lift(void)
{
    struct rlimit now;
    if (process_self()->limits[LIMIT_FILE_SIZE].set && host_get(RLIMIT_FSIZE, &now) == 0) {
        now.rlim_cur = now.rlim_max;
        (void)host_set(RLIMIT_FSIZE, &now);
    }
}

void limits_file_size_restore(void)
{
    if (process_self()->limits[LIMIT_FILE_SIZE].set)
        (void)host_set(RLIMIT_FSIZE, &process_self()->limits[LIMIT_FILE_SIZE].host);
}

static int64_t limits(int pid, int resource, unsigned long new_at, unsigned long old_at)
{
    struct rlimit new, old;
    if (new_at && guest_get(&new, new_at) < 0)
        return -EFAULT;
    int64_t r = pid == 0 || pid == process_self()->pid
                    ? own(resource, new_at ? &new : NULL, &old)
                    : host_call(SYS_prlimit64, pid, resource, new_at ? &new : NULL, &old);
    return r < 0 || !old_at ? r : guest_put(old_at, &old);
}

int64_t sys_prlimit64(struct syscall_call *c)
{
    return limits((int)c->args[0], (int)c->args[1], c->args[2], c->args[3]);
}

int64_t sys_getrlimit(struct syscall_call *c)
{
    struct rlimit old;
    int64_t r = own((int)c->args[0], NULL, &old);
    return r < 0 ? r : guest_put(c->args[1], &old);
}

int64_t sys_setrlimit(struct syscall_call *c)
{
    struct rlimit new, old;
    if (guest_get(&new, c->args[1]) < 0)
        return -EFAULT;
    return own((int)c->args[0], &new, &old);
}
