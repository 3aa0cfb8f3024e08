/* SPDX-License-Identifier: Apache-2.0 */
/* flock(2) and the locking commands of fcntl(2). The owner decides; who must wait watches the count
 * of unlocks and asks again. */
#include "platform/host.h"
#include "runtime/block.h"
#include "runtime/guest.h"
#include "runtime/vfs/calls.h"
#include "runtime/vfs/file_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Files on which this process has asked for POSIX locks: at any close of one they must be forgotten.
 * With more files than fit, every close asks. protects: all below */
#define LOCKED_MAX 64
static lock_word g_lock;
static struct {
    uint32_t volume;
    uint64_t ino; /* 0: free */
} g_locked[LOCKED_MAX];
static bool g_overflow;
static _Atomic bool g_any;

static void note_locked(const struct volume_file *vf)
{
    unsigned free_slot = LOCKED_MAX;
    lock_acquire(&g_lock);
    atomic_store(&g_any, true);
    for (unsigned i = 0; i < LOCKED_MAX; i++) {
        if (g_locked[i].ino == vf->ino && g_locked[i].volume == vf->volume) {
            free_slot = i;
            break;
        }
        if (g_locked[i].ino == 0 && free_slot == LOCKED_MAX)
            free_slot = i;
    }
    if (free_slot < LOCKED_MAX) {
        g_locked[free_slot].ino = vf->ino;
        g_locked[free_slot].volume = vf->volume;
    } else {
        g_overflow = true;
    }
    lock_release(&g_lock);
}

static bool take_locked(const struct volume_file *vf)
{
    bool found = false;
    lock_acquire(&g_lock);
    for (unsigned i = 0; i < LOCKED_MAX && !found; i++) {
        found = g_locked[i].ino == vf->ino && g_locked[i].volume == vf->volume;
        if (found)
            g_locked[i].ino = 0;
    }
    found |= g_overflow;
    lock_release(&g_lock);
    return found;
}

void locks_closing(struct volume_file *vf)
{
    struct request rq = {.op = REQUEST_LOCK_FORGET, .handle = vf->handle};
    if (atomic_load(&g_any) && take_locked(vf))
        (void)fs_request(&rq);
}

/* The child of a fork has none of its parent's POSIX locks. */
void locks_after_fork(void)
{
    memset(g_locked, 0, sizeof g_locked);
    g_overflow = false;
    atomic_store(&g_any, false);
    atomic_store(&g_lock, 0);
}

/* Asks until granted. A signal that comes while waiting ends the call. */
static int64_t lock_until(struct request *rq, bool waits)
{
    for (;;) {
        rq->lock.waiting = waits;
        int64_t r = fs_request(rq);
        if (r != -EAGAIN || !waits)
            return r;
        r = rt_block(SYS_futex, fs_unlock_count(), FUTEX_WAIT, (uint32_t)rq->more, NULL, 0, 0);
        if (rt_was_interrupted(r))
            return r == -EINTR ? -RT_ERESTARTSYS : r;
    }
}

int64_t volume_file_flock(struct file *f, int operation)
{
    struct volume_file *vf = volume_file_of(f);
    struct request rq = {.op = REQUEST_LOCK, .handle = vf->handle};
    vf->locked = true;
    rq.lock = (struct lock_want){.kind = LOCK_KIND_FLOCK, .end = LOCK_END_MAX};
    switch (operation & ~LOCK_NB) {
    case LOCK_SH:
        rq.lock.type = F_RDLCK;
        break;
    case LOCK_EX:
        rq.lock.type = F_WRLCK;
        break;
    case LOCK_UN:
        rq.lock.type = F_UNLCK;
        break;
    default:
        return -EINVAL;
    }
    return lock_until(&rq, !(operation & LOCK_NB));
}

static int64_t base_of(struct volume_file *vf, int whence, int64_t *ret_base)
{
    if (whence == SEEK_SET) {
        *ret_base = 0;
    } else if (whence == SEEK_CUR) {
        *ret_base = atomic_load(&vf->position->offset);
    } else if (whence == SEEK_END) {
        struct request rq = {.op = REQUEST_GETATTR, .volume = vf->volume, .ino = vf->ino};
        int64_t r = fs_request(&rq);
        if (r < 0)
            return r;
        *ret_base = (int64_t)rq.attr.size;
    } else {
        return -EINVAL;
    }
    return 0;
}

/* The inclusive range that a struct flock means (fcntl(2): a negative length reaches back). */
static int64_t range_of(struct volume_file *vf, const struct flock *want, struct lock_want *lock)
{
    int64_t base, start, last;
    int64_t r = base_of(vf, want->l_whence, &base);
    if (r < 0)
        return r;
    if (__builtin_add_overflow(base, want->l_start, &start))
        return -EOVERFLOW;
    if (want->l_len > 0) {
        if (__builtin_add_overflow(start, want->l_len - 1, &last))
            return -EOVERFLOW;
    } else if (want->l_len < 0) {
        last = start - 1;
        if (__builtin_add_overflow(start, want->l_len, &start))
            return -EINVAL;
    } else {
        last = INT64_MAX;
    }
    if (start < 0 || last < start)
        return -EINVAL;
    lock->start = (uint64_t)start;
    lock->end = (uint64_t)last;
    return 0;
}

static int type_of(short type, uint32_t *ret_type)
{
    if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
        return -EINVAL;
    *ret_type = (uint32_t)type;
    return 0;
}

static int64_t lock_get(struct volume_file *vf, unsigned long arg, struct request *rq,
                        struct flock *want)
{
    (void)vf;
    if (rq->lock.type == F_UNLCK)
        return -EINVAL;
    int64_t r = fs_request(rq);
    if (r < 0)
        return r;
    want->l_type = (short)rq->lock.type;
    if (rq->lock.type != F_UNLCK) {
        want->l_whence = SEEK_SET;
        want->l_start = (int64_t)rq->lock.start;
        want->l_len =
            rq->lock.end >= LOCK_END_MAX ? 0 : (int64_t)(rq->lock.end - rq->lock.start + 1);
        want->l_pid = rq->lock.pid;
    }
    return guest_put(arg, want);
}

/* Leases are never granted, as where somebody else always has the file open; hints change nothing. */
static int64_t other_fcntl(const struct volume_file *vf, int cmd, unsigned long arg)
{
    struct volume_attr attr;
    uint64_t hint = 0;
    int64_t r;
    switch (cmd) {
    case F_GETLEASE:
        return F_UNLCK;
    case F_SETLEASE:
        r = fs_may(POWER_LEASE) ? 0 : ref_getattr(vf->volume, vf->ino, &attr);
        if (r < 0 || (!fs_may(POWER_LEASE) && attr.uid != fs_creds()->uid))
            return r < 0 ? r : -EACCES;
        if (!S_ISREG(vf->type) || (arg != F_RDLCK && arg != F_WRLCK && arg != F_UNLCK))
            return -EINVAL;
        return -EAGAIN;
    case F_NOTIFY:
        if (!S_ISDIR(vf->type))
            return -ENOTDIR;
        return (arg & ~(unsigned long)DN_MULTISHOT) == 0 ? 0 : -EINVAL;
    case F_GET_RW_HINT:
        return guest_put(arg, &hint);
    case F_SET_RW_HINT:
        r = guest_get(&hint, arg);
        return r < 0 ? r : hint > RWH_WRITE_LIFE_EXTREME ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

int64_t volume_file_fcntl(struct file *f, int cmd, unsigned long arg)
{
    struct volume_file *vf = volume_file_of(f);
    bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
    bool gets = cmd == F_GETLK || cmd == F_OFD_GETLK;
    bool waits = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
    if (!ofd && !gets && !waits && cmd != F_SETLK)
        return other_fcntl(vf, cmd, arg);
    struct flock want;
    int64_t r = guest_get(&want, arg);
    if (r < 0)
        return r;
    if (ofd && want.l_pid != 0)
        return -EINVAL;
    struct request rq = {.op = gets ? REQUEST_LOCK_TEST : REQUEST_LOCK, .handle = vf->handle};
    rq.lock.kind = ofd ? LOCK_KIND_OFD : LOCK_KIND_POSIX;
    rq.lock.pid = ofd ? -1 : (int32_t)host_call(SYS_getpid);
    r = type_of(want.l_type, &rq.lock.type);
    if (r == 0)
        r = range_of(vf, &want, &rq.lock);
    if (r < 0)
        return r;
    if (gets)
        return lock_get(vf, arg, &rq, &want);
    if ((rq.lock.type == F_RDLCK && !file_is_readable(f)) ||
        (rq.lock.type == F_WRLCK && !file_is_writable(f)))
        return -EBADF;
    vf->locked = true;
    if (!ofd)
        note_locked(vf);
    return lock_until(&rq, waits);
}
