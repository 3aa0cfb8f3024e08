/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor table. An entry is set and cleared under the table's lock; whether one is there is
 * read without it. Invariant: as long as an entry stands, the host's descriptor of that number is
 * open (a placeholder or a socket), so the host cannot give the number away. */
#include "runtime/fd.h"
#include "platform/host.h"
#include "runtime/fd_table.h"
#include "runtime/lock.h"
#include "runtime/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define HIDDEN_BASE_MAX 1024 /* what select() can name ends here too */

_Atomic int g_fd_hidden_base;
static _Atomic bool g_reserving;       /* the guest may have numbers behind the hidden range */
static _Atomic int g_placeholder = -1; /* a hidden descriptor of /dev/null to duplicate */

static struct fd_table *table_self(void)
{
    return process_self()->fds;
}

/* The last that was given up, empty: a child of vfork() is often not the only one. */
static struct fd_table *_Atomic g_spare;

int fd_table_new(struct fd_table **ret_table)
{
    *ret_table = atomic_exchange(&g_spare, NULL);
    if (*ret_table)
        return 0;
    void *memory = mmap(NULL, sizeof(struct fd_table), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    *ret_table = memory;
    return 0;
}

int fd_table_copy(struct fd_table *table, struct fd_table **ret_table)
{
    struct fd_table *copy;
    int r = fd_table_new(&copy);
    if (r < 0)
        return r;
    lock_acquire(&table->lock);
    int limit = atomic_load(&table->limit);
    for (int fd = 0; fd < limit; fd++) {
        struct file *f = atomic_load(&table->files[fd]);
        if (!f)
            continue;
        atomic_fetch_add(&f->references, 1);
        atomic_init(&copy->files[fd], f);
    }
    atomic_init(&copy->count, atomic_load(&table->count));
    atomic_init(&copy->limit, limit);
    lock_release(&table->lock);
    *ret_table = copy;
    return 0;
}

void fd_table_free(struct fd_table *table)
{
    if (!table)
        return;
    int limit = atomic_load(&table->limit);
    for (int fd = 0; fd < limit; fd++)
        if (atomic_load_explicit(&table->files[fd], memory_order_relaxed))
            file_put(atomic_exchange(&table->files[fd], NULL));
    atomic_store(&table->count, 0);
    atomic_store(&table->limit, 0);
    atomic_store(&table->lock, 0);
    struct fd_table *none = NULL;
    if (!atomic_compare_exchange_strong(&g_spare, &none, table))
        (void)munmap(table, sizeof(*table));
}

struct file *fd_get(int fd)
{
    struct fd_table *table = table_self();
    if (fd < 0 || fd >= FD_MAX || !atomic_load_explicit(&table->files[fd], memory_order_relaxed))
        return NULL;
    SCOPED(lock_leave) lock_word *held = lock_enter(&table->lock);
    struct file *f = atomic_load(&table->files[fd]);
    if (f)
        atomic_fetch_add(&f->references, 1);
    return f;
}

void file_put(struct file *f)
{
    if (f && atomic_fetch_sub(&f->references, 1) == 1 && f->ops->release)
        f->ops->release(f);
}

bool fd_is_shielded(int fd)
{
    return fd_table_shields(table_self(), fd);
}

int fd_limit(void)
{
    return atomic_load(&table_self()->limit);
}

/* Another descriptor of the same file, or -1. */
static int table_find(const struct fd_table *table, const struct file *f)
{
    int limit = atomic_load(&table->limit);
    for (int fd = 0; fd < limit; fd++)
        if (atomic_load_explicit(&table->files[fd], memory_order_relaxed) == f)
            return fd;
    return -1;
}

/* What `f` may use when `fd` goes. If nobody but the caller has it, its release still finds `fd` open:
 * a connection says goodbye on it. Who closes puts the file first and calls the host after. */
static int host_fd_after(const struct fd_table *table, const struct file *f, int fd)
{
    int other = table_find(table, f);
    return other < 0 && atomic_load(&f->references) == 1 ? fd : other;
}

/* A child of vfork() closes its own copies: its parent still has them, and the file is one for both. */
static bool is_parents(const struct fd_table *table, const struct file *f)
{
    return table != g_process.fds && table_find(g_process.fds, f) >= 0;
}

static struct file *table_exchange(int fd, struct file *f)
{
    struct fd_table *table = table_self();
    SCOPED(lock_leave) lock_word *held = lock_enter(&table->lock);
    struct file *old = atomic_exchange(&table->files[fd], f);
    if (f && atomic_load(&f->host_fd) < 0)
        atomic_store(&f->host_fd, fd);
    if (old && old != f && atomic_load(&old->host_fd) == fd && !is_parents(table, old))
        atomic_store(&old->host_fd, host_fd_after(table, old, fd));
    atomic_fetch_add(&table->count, (f != NULL) - (old != NULL));
    if (f && fd >= atomic_load(&table->limit))
        atomic_store(&table->limit, fd + 1);
    return old;
}

struct file *fd_detach(int fd)
{
    return fd_is_shielded(fd) ? table_exchange(fd, NULL) : NULL;
}

int fd_replace(int fd, struct file *f)
{
    if (fd < 0 || fd >= FD_MAX) {
        file_put(f);
        return -EMFILE;
    }
    file_put(table_exchange(fd, f));
    return 0;
}

int fd_attach(int fd, struct file *f)
{
    return fd_replace(fd, f);
}

static int placeholder(void)
{
    int fd = atomic_load(&g_placeholder);
    if (fd >= 0)
        return fd;
    fd_room_enter();
    fd = (int)host_call(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
    fd = fd < 0 ? fd : fd_hide(fd);
    fd_room_leave();
    int expected = -1;
    if (fd >= 0 && !atomic_compare_exchange_strong(&g_placeholder, &expected, fd)) {
        host_close(fd);
        return expected;
    }
    return fd;
}

/* Of a file that is open for its path only, so that calls which the host answers fail as they should. */
static int path_placeholder(int fd_flags)
{
    int flags = O_PATH | (fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
    return (int)host_call(SYS_openat, AT_FDCWD, "/dev/null", flags);
}

bool fd_is_full(void)
{
    int source = placeholder();
    int fd = source < 0 ? source : (int)host_call(SYS_fcntl, source, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        host_close(fd);
    return fd < 0;
}

int fd_install(struct file *f, int fd_flags)
{
    int fd = atomic_load(&f->flags) & O_PATH ? path_placeholder(fd_flags) : -1;
    int source = fd < 0 ? placeholder() : -1;
    int command = fd_flags & FD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD;
    if (fd < 0)
        fd = source < 0 ? source : (int)host_call(SYS_fcntl, source, command, 0);
    if (fd >= 0 && (fd >= FD_MAX || fd_is_hidden(fd))) {
        host_close(fd);
        fd = -EMFILE;
    }
    if (fd < 0) {
        file_put(f);
        return fd;
    }
    int r = fd_replace(fd, f);
    return r < 0 ? r : fd;
}

/* The hidden range lies just above the soft limit that the guest starts with; where the hard limit
 * forbids that, just below. Every fork copies the kernel's table up to the highest number, so a limit
 * above HIDDEN_BASE_MAX does not move it further up: the guest's numbers then go on behind the range. */
int fd_hidden_base(void)
{
    int base = atomic_load(&g_fd_hidden_base);
    if (base > 0)
        return base;
    struct rlimit limit = {1024, 1024};
    (void)host_call(SYS_getrlimit, RLIMIT_NOFILE, &limit);
    rlim_t soft = MIN(limit.rlim_cur, (rlim_t)HIDDEN_BASE_MAX);
    if (soft + FD_HIDDEN_COUNT > limit.rlim_max)
        soft = limit.rlim_max > 2 * FD_HIDDEN_COUNT ? limit.rlim_max - FD_HIDDEN_COUNT
                                                    : FD_HIDDEN_COUNT;
    int expected = 0;
    return atomic_compare_exchange_strong(&g_fd_hidden_base, &expected, (int)soft) ? (int)soft
                                                                                   : expected;
}

/* There is no thread yet when a process is prepared to become a guest's. */
static struct process *process_or_first(void)
{
    return g_process.fds ? process_self() : &g_process;
}

/* A child of vfork() has a copy of its parent's table and, taken a moment earlier, of what is known of
 * it: another thread may have put something there between the two. */
static bool is_placeholder(int fd)
{
    struct stat st;
    return !process_or_first()->vfork_child || (host_call(SYS_fstat, fd, &st) == 0 &&
                                                S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* A hidden number that only a placeholder holds; -1: none. */
static int take_reserved(void)
{
    _Atomic uint64_t *reserved = &process_or_first()->hidden_reserved;
    uint64_t bits = atomic_load(reserved);
    while (bits != 0) {
        int i = __builtin_ctzll(bits), fd = fd_hidden_base() + i;
        if (!atomic_compare_exchange_strong(reserved, &bits, bits & ~(1ull << i)))
            continue;
        if (is_placeholder(fd))
            return fd;
        bits = atomic_load(reserved);
    }
    return -1;
}

/* protects: room and room_before of every process that shares this memory */
static lock_word g_room_lock;

void fd_room_after_fork(void)
{
    struct process *process = process_or_first();
    atomic_store(&g_room_lock, 0);
    if (process->room > 0) {
        process->room = 1;
        fd_room_leave();
    }
}

/* For process/limits.c, which changes the limit itself. */
void fd_room_lock(void)
{
    for (;;) {
        lock_acquire(&g_room_lock);
        if (process_or_first()->room == 0)
            return;
        lock_release(&g_room_lock);
        (void)host_call(SYS_sched_yield);
    }
}

void fd_room_unlock(void)
{
    lock_release(&g_room_lock);
}

void fd_room_enter(void)
{
    struct process *process = process_or_first();
    struct rlimit *before = &process->room_before, raised;
    raised.rlim_cur = (rlim_t)fd_hidden_base() + FD_HIDDEN_COUNT;
    lock_acquire(&g_room_lock);
    if (process->room++ == 0) {
        (void)host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, before);
        raised.rlim_max = before->rlim_max;
        if (before->rlim_cur < raised.rlim_cur)
            (void)host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &raised, NULL);
    }
    lock_release(&g_room_lock);
}

void fd_room_leave(void)
{
    struct process *process = process_or_first();
    lock_acquire(&g_room_lock);
    if (--process->room == 0 &&
        process->room_before.rlim_cur < (rlim_t)fd_hidden_base() + FD_HIDDEN_COUNT)
        (void)host_call(SYS_prlimit64, 0, RLIMIT_NOFILE, &process->room_before, NULL);
    lock_release(&g_room_lock);
}

int fd_reserve_hidden(void)
{
    if (atomic_load(&g_reserving))
        return 0;
    fd_room_enter();
    int source = placeholder(), base = fd_hidden_base();
    atomic_store(&g_reserving, source >= 0);
    for (int i = 0; source >= 0 && i < FD_HIDDEN_COUNT; i++) {
        int fd = (int)host_call(SYS_fcntl, source, F_DUPFD_CLOEXEC, base + i);
        if (fd >= base && fd < base + FD_HIDDEN_COUNT)
            atomic_fetch_or(&process_or_first()->hidden_reserved, 1ull << (fd - base));
        else if (fd >= 0)
            host_close(fd);
    }
    fd_room_leave();
    return source < 0 ? source : 0;
}

int fd_hide(int fd)
{
    fd_room_enter();
    int reserved = take_reserved();
    int hidden = reserved >= 0 ? (int)host_call(SYS_dup3, fd, reserved, O_CLOEXEC)
                               : (int)host_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fd_hidden_base());
    fd_room_leave();
    if (hidden >= 0)
        host_close(fd);
    return hidden;
}

void fd_hidden_close(int fd)
{
    if (!fd_is_hidden(fd) || !atomic_load(&g_reserving)) {
        host_close(fd);
        return;
    }
    fd_room_enter();
    int kept = (int)host_call(SYS_dup3, placeholder(), fd, O_CLOEXEC);
    fd_room_leave();
    if (kept == fd)
        atomic_fetch_or(&process_or_first()->hidden_reserved, 1ull << (fd - fd_hidden_base()));
    else
        host_close(fd);
}

void fd_after_fork(void)
{
    struct fd_table *table = table_self();
    int limit = atomic_load(&table->limit);
    for (int fd = 0; fd < limit; fd++) {
        struct file *f = atomic_load(&table->files[fd]);
        if (f && f->ops->after_fork)
            f->ops->after_fork(f);
    }
}
