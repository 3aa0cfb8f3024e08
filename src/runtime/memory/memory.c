/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/memory/memory.h"
#include "platform/host.h"
#include "runtime/fd.h"
#include "runtime/guest.h"
#include "runtime/lock.h"
#include "runtime/memory/account.h"
#include "runtime/memory/ranges.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/sites.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define PAGE 4096ull
#define ADDRESS_MIN 0x10000ull /* page zero and its neighbours stay unmapped: null must fault */
#define ADDRESS_MAX 0x7ffffffff000ull
#define ATTACHED_MAX 256

/* protects: g_guest, g_brk, g_attached; a mapping call and its entry are one step under it */
static lock_word g_lock;
static struct ranges g_guest;
static struct {
    uint64_t start, now;
} g_brk;
LARGE_TABLE static struct range g_attached[ATTACHED_MAX]; /* shared memory segments */
static struct range g_stack;                              /* of the program's first thread */
static struct {
    uint64_t from; /* up to g_stack.from nothing else lies there */
    uint64_t size; /* with the stack itself */
    int prot;
} g_stack_room;
static bool g_locks_future; /* mlockall(MCL_FUTURE) is in force */

void memory_fork_prepare(void)
{
    lock_acquire(&g_lock);
}

void memory_fork_done(void)
{
    lock_release(&g_lock);
}

static bool range_valid(uint64_t address, uint64_t size)
{
    return address % PAGE == 0 && size > 0 && size <= ADDRESS_MAX && address <= ADDRESS_MAX - size;
}

static void unclaim(uint64_t from, uint64_t to)
{
    struct range gap;
    for (uint64_t at = from; ranges_first_outside(&g_guest, at, to, &gap); at = gap.to)
        (void)host_call(SYS_munmap, gap.from, gap.to - gap.from);
}

/* Makes sure that what is not the guest's in [from, to) is free, by claiming it. On failure nothing
 * stays claimed. */
static int claim_free(uint64_t from, uint64_t to)
{
    struct range gap;
    for (uint64_t at = from; ranges_first_outside(&g_guest, at, to, &gap); at = gap.to) {
        long r =
            host_mmap(gap.from, gap.to - gap.from, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (r == (long)gap.from)
            continue;
        if (r > 0)
            (void)host_call(SYS_munmap, r, gap.to - gap.from);
        unclaim(from, gap.from);
        return -ENOMEM;
    }
    return 0;
}

static void before_replacing(uint64_t from, uint64_t size)
{
    sites_text_remove(from, size);
    if (vfs_any_mapping())
        vfs_unmapping(from, size);
    if (from < g_stack.from && from + size > g_stack_room.from)
        g_stack_room.from = g_stack.from;
}

/* For a mapping at `address` if that is fixed: does it fit the guest's limits? */
static bool fits_limits(uint64_t address, uint64_t size, int prot, int flags)
{
    uint64_t replaced = 0;
    if ((flags & MAP_FIXED) && !range_valid(address, size))
        return true; /* and is refused for that */
    if (flags & MAP_FIXED)
        replaced = ranges_size(&g_guest, address, address + size);
    if (!account_allows(&g_guest, g_stack_room.size, size - replaced))
        return false;
    if (!account_is_data(prot, flags))
        return true;
    return flags & MAP_FIXED ? account_allows_data(address, address + size)
                             : account_allows_new_data(size);
}

static bool is_text(int prot, int flags)
{
    return !(flags & MAP_ANONYMOUS) && (prot & PROT_READ) && (prot & PROT_EXEC) &&
           !(prot & PROT_WRITE) && (flags & MAP_PRIVATE);
}

static int64_t map_locked(uint64_t address, uint64_t size, int prot, int flags, int fd,
                          struct file *file, uint64_t offset)
{
    uint64_t whole = round_up(size, PAGE);
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (!range_valid(address, whole))
            return address % PAGE ? -EINVAL : -ENOMEM;
        if (address < ADDRESS_MIN)
            return -EPERM;
    }
    if (flags & MAP_FIXED) {
        int r = claim_free(address, address + whole);
        if (r < 0)
            return r;
        before_replacing(address, whole);
    }
    int64_t at;
    if (file)
        at = file->ops->mmap ? file->ops->mmap(file, (void *)address, size, prot, flags, offset)
                             : -ENODEV;
    else
        at = host_mmap(address, size, prot, flags, fd, offset);
    if (at < 0 && (flags & MAP_FIXED))
        unclaim(address, address + whole);
    if (at < 0)
        return at;
    if (!range_valid((uint64_t)at, whole))
        return -EPROTO;
    if (ranges_add(&g_guest, (uint64_t)at, (uint64_t)at + whole) < 0) {
        (void)host_call(SYS_munmap, at, whole);
        return -ENOMEM;
    }
    account_mapped((uint64_t)at, (uint64_t)at + whole, prot, flags);
    if (is_text(prot, flags))
        sites_text_add((uint64_t)at, whole);
    return at;
}

int64_t memory_map(uint64_t address, uint64_t size, int prot, int flags, int fd, struct file *file,
                   uint64_t offset)
{
    if (size == 0 || size > ADDRESS_MAX)
        return size == 0 ? -EINVAL : -ENOMEM;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (!fits_limits(address, round_up(size, PAGE), prot, flags))
        return -ENOMEM;
    return map_locked(address, size, prot, flags, fd, file, offset);
}

int64_t memory_reserve(uint64_t address, uint64_t size)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    return map_locked(address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      NULL, 0);
}

static int unmap_locked(uint64_t from, uint64_t to)
{
    struct range piece;
    before_replacing(from, to - from);
    while (ranges_first_inside(&g_guest, from, to, &piece)) {
        long r = host_call(SYS_munmap, piece.from, piece.to - piece.from);
        if (r < 0)
            return (int)r;
        sites_text_gone(piece.from, piece.to - piece.from);
        account_unmapped(piece.from, piece.to);
        r = ranges_remove(&g_guest, piece.from, piece.to);
        if (r < 0)
            return (int)r;
        from = piece.to;
    }
    return 0;
}

int memory_unmap(uint64_t address, uint64_t size)
{
    uint64_t whole = round_up(size, PAGE);
    if (size > ADDRESS_MAX || !range_valid(address, whole))
        return -EINVAL;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    return unmap_locked(address, address + whole);
}

bool memory_is_guest(uint64_t address, uint64_t size)
{
    if (size > ADDRESS_MAX || address > ADDRESS_MAX - size)
        return false;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    return ranges_contain(&g_guest, round_down(address, PAGE), round_up(address + size, PAGE));
}

void memory_release_guest(void)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    sites_forget_all();
    struct range piece;
    while (ranges_first_inside(&g_guest, 0, ADDRESS_MAX, &piece))
        if (unmap_locked(piece.from, piece.to) < 0)
            break;
    g_brk.start = g_brk.now = 0;
    memory_stack_is(0, 0, 0, PROT_NONE);
}

void memory_each(memory_range_fn *each, void *ctx)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    for (size_t i = 0; i < g_guest.count; i++)
        each(ctx, g_guest.items[i].from, g_guest.items[i].to);
}

void memory_names(struct memory_names *ret_names)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    *ret_names = (struct memory_names){round_down(g_brk.start, PAGE), round_up(g_brk.now, PAGE),
                                       g_stack.from, g_stack.to};
}

void memory_stack_is(uint64_t reserved, uint64_t from, uint64_t to, int prot)
{
    g_stack = (struct range){from, to};
    g_stack_room.from = reserved;
    g_stack_room.size = to - reserved;
    g_stack_room.prot = prot;
}

void memory_stack_may_be(uint64_t size)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    uint64_t most = g_stack.to - g_stack_room.from, low = g_stack.to - MIN(size, most);
    low = round_up(low, PAGE);
    if (low >= g_stack.from || !ranges_contain(&g_guest, low, g_stack.from))
        return;
    if (host_call(SYS_mprotect, low, g_stack.from - low, g_stack_room.prot) == 0)
        g_stack.from = low;
}

void memory_brk_start(uint64_t address)
{
    g_brk.start = g_brk.now = round_up(address, PAGE);
}

int64_t sys_mmap(struct syscall_call *c)
{
    uint64_t size = c->args[1];
    int flags = (int)c->args[3], fd = (int)c->args[4];
    if (c->args[5] % PAGE)
        return -EINVAL;
    struct file *file = flags & MAP_ANONYMOUS ? NULL : fd_get(fd);
    int64_t at = memory_map(c->args[0], size, (int)c->args[2], flags,
                            flags & MAP_ANONYMOUS ? -1 : fd, file, c->args[5]);
    file_put(file);
    return at;
}

int64_t sys_munmap(struct syscall_call *c)
{
    return memory_unmap(c->args[0], c->args[1]);
}

/* As Linux: what lies before the first gap changes, and the gap is reported. */
int64_t sys_mprotect(struct syscall_call *c)
{
    uint64_t address = c->args[0], size = round_up(c->args[1], PAGE);
    const uint64_t grows = PROT_GROWSDOWN | PROT_GROWSUP;
    if (address % PAGE || (c->args[2] & grows) == grows)
        return -EINVAL;
    if (c->args[1] == 0)
        return 0;
    if (c->args[1] > ADDRESS_MAX || !range_valid(address, size))
        return -ENOMEM;
    struct range gap = {address + size, 0};
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    bool whole = !ranges_first_outside(&g_guest, address, address + size, &gap);
    if (gap.from == address)
        return -ENOMEM;
    size = whole ? size : gap.from - address;
    if ((c->args[2] & PROT_WRITE) && vfs_is_read_only_mapping(address, size))
        return -EACCES;
    if ((c->args[2] & PROT_WRITE) && !account_allows_data(address, address + size))
        return -ENOMEM;
    if ((c->args[2] & PROT_WRITE) || !(c->args[2] & PROT_EXEC))
        sites_text_remove(address, size);
    long r = host_call(SYS_mprotect, address, size, c->args[2]);
    if (r == 0) {
        account_protected(address, address + size, (int)c->args[2]);
        vfs_protected(address, size, (int)c->args[2]);
    }
    return r < 0 || whole ? r : -ENOMEM;
}

/* As on a processor without protection keys: these are the runtime's. */
int64_t sys_pkey_mprotect(struct syscall_call *c)
{
    return (int)c->args[3] == -1 ? sys_mprotect(c) : -EINVAL;
}

int64_t sys_pkey_alloc(struct syscall_call *c)
{
    return c->args[0] != 0 || (c->args[1] & ~3ull) ? -EINVAL : -ENOSPC;
}

int64_t sys_pkey_free(struct syscall_call *c)
{
    (void)c;
    return -EINVAL;
}

/* The guest's own mappings. What is thrown away of a private one of a shielded file comes back from that,
 * not from the host. */
static int64_t advise(uint64_t from, uint64_t to, int advice)
{
    bool discards = advice == MADV_DONTNEED || advice == 24 /* .._LOCKED */;
    if (discards && vfs_any_mapping())
        sites_text_remove(from, to - from);
    while (from < to) {
        uint64_t start, end;
        int64_t r = discards ? vfs_discard(from, to - from, &start, &end) : 0;
        if (r == 0)
            start = end = to;
        if (r >= 0 && from < start)
            r = host_call(SYS_madvise, from, start - from, advice);
        if (r < 0)
            return r;
        from = end;
    }
    return 0;
}

int64_t sys_madvise(struct syscall_call *c)
{
    return memory_advise(c->args[0], c->args[1], (int)c->args[2]);
}

int64_t memory_advise(uint64_t address, uint64_t length, int advice)
{
    uint64_t size = round_up(length, PAGE);
    /* Whether the host knows the advice; nothing lies at 0, and nothing of it is advised. */
    bool old = advice >= MADV_NORMAL && advice <= MADV_DONTNEED;
    if (address % PAGE || (!old && host_call(SYS_madvise, 0, 0, advice) < 0))
        return -EINVAL;
    if (size == 0 || address + size < address)
        return length == 0 ? 0 : -EINVAL;
    if (!range_valid(address, size))
        return -ENOMEM;
    struct range gap;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (advice == MADV_REMOVE && vfs_is_mapping(address, size))
        return vfs_remove_mapped(address, size);
    if (!ranges_first_outside(&g_guest, address, address + size, &gap))
        return advise(address, address + size, advice);
    /* As Linux: advice reaches what is mapped, and the gap is reported. */
    struct range piece;
    for (uint64_t at = address; ranges_first_inside(&g_guest, at, address + size, &piece);
         at = piece.to) {
        int64_t r = advise(piece.from, piece.to, advice);
        if (r < 0)
            return r;
    }
    return -ENOMEM;
}

int64_t sys_msync(struct syscall_call *c)
{
    uint64_t size = round_up(c->args[1], PAGE);
    const uint64_t both = MS_SYNC | MS_ASYNC;
    if (c->args[0] % PAGE || (c->args[2] & ~(both | MS_INVALIDATE)) || (c->args[2] & both) == both)
        return -EINVAL;
    if (size == 0)
        return 0;
    if (!memory_is_guest(c->args[0], size))
        return -ENOMEM;
    int64_t r = vfs_any_mapping() ? vfs_msync(c->args[0], c->args[1], (int)c->args[2]) : 0;
    return r < 0 ? r : sys_pass(c);
}

int64_t sys_mremap(struct syscall_call *c)
{
    uint64_t old = c->args[0], old_size = round_up(c->args[1], PAGE);
    uint64_t size = round_up(c->args[2], PAGE), target = c->args[4];
    unsigned long flags = c->args[3];
    if (c->args[1] > ADDRESS_MAX || c->args[2] > ADDRESS_MAX || size == 0 || old % PAGE)
        return -EINVAL;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (!range_valid(old, MAX(old_size, PAGE)) ||
        !ranges_contain(&g_guest, old, old + MAX(old_size, PAGE)))
        return -EFAULT;
    uint64_t more = flags & MREMAP_DONTUNMAP ? size : size > old_size ? size - old_size : 0;
    if (!account_allows(&g_guest, g_stack_room.size, more) ||
        (account_has_data(old) && !account_allows_new_data(more)))
        return -ENOMEM;
    if (flags & MREMAP_FIXED) {
        if (!range_valid(target, size) || target < ADDRESS_MIN)
            return -EINVAL;
        int r = claim_free(target, target + size);
        if (r < 0)
            return r;
        before_replacing(target, size);
    }
    sites_text_remove(old, MAX(old_size, PAGE));
    int64_t at = host_mremap(old, c->args[1], c->args[2], (int)flags, target);
    if (at < 0)
        return at;
    account_moved(old, old_size, (uint64_t)at, size, flags & MREMAP_DONTUNMAP);
    if (old_size > 0 && !(flags & MREMAP_DONTUNMAP))
        if (ranges_remove(&g_guest, old, old + old_size) < 0)
            return -ENOMEM;
    if (ranges_add(&g_guest, (uint64_t)at, (uint64_t)at + size) < 0)
        return -ENOMEM;
    int r = vfs_any_mapping() ? vfs_remapped(old, c->args[1], (uint64_t)at, c->args[2]) : 0;
    return r < 0 ? r : at;
}

int64_t sys_brk(struct syscall_call *c)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    uint64_t wanted = c->args[0];
    uint64_t now = round_up(g_brk.now, PAGE), then = round_up(wanted, PAGE);
    if (wanted < g_brk.start || wanted > ADDRESS_MAX)
        return (int64_t)g_brk.now;
    const int data = PROT_READ | PROT_WRITE;
    if (then > now) {
        if (!fits_limits(now, then - now, data, MAP_PRIVATE | MAP_ANONYMOUS) ||
            map_locked(now, then - now, data, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                       NULL, 0) != (int64_t)now)
            return (int64_t)g_brk.now;
    } else if (then < now && unmap_locked(then, now) < 0) {
        return (int64_t)g_brk.now;
    }
    g_brk.now = wanted;
    return (int64_t)wanted;
}

/* A segment that something else is mapped over is no longer there to be detached. */
static void forget_attached(uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < ATTACHED_MAX; i++)
        if (from <= g_attached[i].from && g_attached[i].to <= to)
            g_attached[i] = (struct range){0};
}

/* The kernel maps the same file elsewhere in it. All of our shielded files lie in one: refused. */
int64_t sys_remap_file_pages(struct syscall_call *c)
{
    uint64_t address = round_down(c->args[0], PAGE), size = round_down(c->args[1], PAGE);
    if (size == 0 || !range_valid(address, size) || !memory_is_guest(address, size) ||
        vfs_is_mapping(address, size))
        return -EINVAL;
    return sys_pass(c);
}

/* The runtime's own locked memory, its keys, stays locked. */
int64_t sys_munlock(struct syscall_call *c)
{
    uint64_t from = round_down(c->args[0], PAGE), size = c->args[1];
    if (size == 0)
        return 0;
    if (from + size < from)
        return -EINVAL;
    return memory_is_guest(c->args[0], size) ? sys_pass(c) : -ENOMEM;
}

int64_t sys_munlockall(struct syscall_call *c)
{
    (void)c;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    if (g_locks_future) /* the only way to end that: it locks what is there, ours for good */
        (void)host_call(SYS_mlockall, MCL_CURRENT | MCL_ONFAULT);
    g_locks_future = false;
    for (size_t i = 0; i < g_guest.count; i++)
        (void)host_call(SYS_munlock, g_guest.items[i].from,
                        g_guest.items[i].to - g_guest.items[i].from);
    return 0;
}

int64_t sys_mlockall(struct syscall_call *c)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    int64_t r = sys_pass(c);
    if (r == 0)
        g_locks_future = c->args[0] & MCL_FUTURE;
    return r;
}

int64_t sys_shmat(struct syscall_call *c)
{
    struct shmid_ds about;
    long r = host_call(SYS_shmctl, c->args[0], IPC_STAT, &about);
    if (r < 0)
        return r;
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    struct range *slot = NULL;
    for (size_t i = 0; i < ATTACHED_MAX && !slot; i++)
        if (g_attached[i].to == 0)
            slot = &g_attached[i];
    if (!slot)
        return -ENOMEM;
    uint64_t over = 0, size = round_up(about.shm_segsz, PAGE);
    if ((int)c->args[2] & SHM_REMAP) {
        over = c->args[2] & SHM_RND ? round_down(c->args[1], PAGE) : c->args[1];
        if (over < ADDRESS_MIN || !range_valid(over, size))
            return -EINVAL;
        r = claim_free(over, over + size);
        if (r < 0)
            return r;
        before_replacing(over, size);
        forget_attached(over, over + size);
    }
    if (!account_allows(&g_guest, g_stack_room.size, over != 0 ? 0 : size))
        return -ENOMEM;
    int64_t at = host_call(SYS_shmat, c->args[0], c->args[1], c->args[2]);
    if (at < 0 && over != 0)
        unclaim(over, over + size);
    if (at < 0)
        return at;
    uint64_t from = (uint64_t)at, to = from + round_up(about.shm_segsz, PAGE);
    if (ranges_add(&g_guest, from, to) < 0) {
        (void)host_call(SYS_shmdt, at);
        return -ENOMEM;
    }
    account_mapped(from, to, PROT_READ, MAP_SHARED);
    *slot = (struct range){from, to};
    return at;
}

int64_t sys_shmdt(struct syscall_call *c)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    for (size_t i = 0; i < ATTACHED_MAX; i++) {
        struct range *slot = &g_attached[i];
        if (slot->to == 0 || slot->from != c->args[0])
            continue;
        long r = host_call(SYS_shmdt, slot->from);
        if (r == 0)
            account_unmapped(slot->from, slot->to);
        if (r == 0 && ranges_remove(&g_guest, slot->from, slot->to) < 0)
            return -ENOMEM;
        if (r == 0)
            *slot = (struct range){0};
        return r;
    }
    return -EINVAL;
}
