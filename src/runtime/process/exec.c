/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process/exec.h"
#include "platform/host.h"
#include "runtime/confine/landlock_calls.h"
#include "runtime/fd_table.h"
#include "runtime/guest.h"
#include "runtime/memory/memory.h"
#include "runtime/process/ending.h"
#include "runtime/process/exposure.h"
#include "runtime/process/fork.h"
#include "runtime/process/limits.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"
#include "runtime/vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define ARGUMENT_MAX ((size_t)128 << 10) /* one text with its NUL; and what a small stack takes */

static struct program *_Atomic g_pending; /* of who has claimed ENDING_EXEC */
static uint64_t g_pending_mask;           /* of the thread that calls execve(): the new program's */
static struct confined g_pending_confined;
static bool g_pending_no_new_privs;

static int read_long_string(unsigned long address, struct strings *ret)
{
    char *text = malloc(ARGUMENT_MAX);
    if (!text)
        return -ENOMEM;
    ssize_t n = guest_text(text, address, ARGUMENT_MAX);
    int r = n == -ENAMETOOLONG ? -E2BIG : n < 0 ? (int)n : strings_add(ret, text, SIZE_MAX);
    free(text);
    return r;
}

static int read_strings(unsigned long from, struct strings *ret)
{
    char text[1024]; /* enough for most: a longer one's buffer is a mapping of its own */
    int r = 0;
    for (unsigned long at = from; r == 0 && from != 0; at += sizeof(unsigned long)) {
        unsigned long address;
        r = guest_get(&address, at);
        if (r < 0 || address == 0)
            break;
        ssize_t n = guest_text(text, address, sizeof(text));
        r = n == -ENAMETOOLONG ? read_long_string(address, ret)
            : n < 0            ? (int)n
                               : strings_add(ret, text, SIZE_MAX);
    }
    return r;
}

/* Whether the new stack takes them (fs/exec.c: bprm_stack_limits()). */
static int check_sizes(const char *path, const struct strings *argv, const struct strings *envp)
{
    uint64_t limit = MIN((uint64_t)PROGRAM_STRINGS_MAX, (uint64_t)limits_stack() / 4);
    uint64_t room = MAX(limit, (uint64_t)ARGUMENT_MAX);
    uint64_t pointers = (MAX(argv->count, (size_t)1) + envp->count) * sizeof(char *);
    uint64_t texts = argv->size + envp->size + strlen(path) + 1;
    return pointers >= room || texts > room - pointers ? -E2BIG : 0;
}

/* Everything that can fail, before anything changes. */
static int prepare(const struct image_place *place, bool unreachable, unsigned long argv_at,
                   unsigned long envp_at, struct program **ret_program)
{
    struct strings argv = {0}, envp = {0};
    struct program *program;
    int r = program_find(place, &program);
    if (r < 0)
        return r;
    program->unreachable = unreachable;
    r = read_strings(argv_at, &argv);
    if (r == 0)
        r = read_strings(envp_at, &envp);
    if (r == 0)
        r = check_sizes(place->path, &argv, &envp);
    if (r == 0)
        r = program_complete(program, &argv, &envp);
    strings_done(&argv);
    strings_done(&envp);
    if (r < 0)
        program_free(program);
    else
        *ret_program = program;
    return r;
}

/* Under the threads lock. */
static void kick_others_locked(struct thread *self, struct thread *leader)
{
    for (struct thread *t = g_threads; t; t = t->next)
        if (t != self && t != leader)
            signal_kick(t);
}

static void kick_others(struct thread *self, struct thread *leader)
{
    lock_acquire(&g_threads_lock);
    kick_others_locked(self, leader);
    lock_release(&g_threads_lock);
}

static int64_t exec_in_place(struct thread *t, struct program *program)
{
    if (ending_claim(ENDING_EXEC) != ENDING_NONE) { /* another thread was first */
        program_free(program);
        process_kicked(t);
    }
    g_pending_mask = t->signal_mask;
    confined_inherit(&g_pending_confined, &t->confined);
    g_pending_no_new_privs = host_call(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    atomic_store(&g_pending, program);
    signal_block_all();
    kick_others(t, thread_leader());
    if (thread_is_leader(t))
        thread_leave_guest(THREAD_LEAVE_EXEC);
    signal_kick(thread_leader());
    thread_exit(t, 0);
}

static void close_if_marked(int fd)
{
    long flags = fd_is_hidden(fd) ? 0 : host_call(SYS_fcntl, fd, F_GETFD);
    if (flags < 0 || !(flags & FD_CLOEXEC))
        return;
    file_put(fd_detach(fd));
    host_close(fd);
}

/* The next numbers of an open listing of /proc/self/fd, or 0 at its end. The kernel lists by number,
 * so what is closed meanwhile does not move the rest. */
static size_t listed(int directory, int *numbers, size_t max)
{
    char buffer[4096];
    long n = host_call(SYS_getdents64, directory, buffer, sizeof(buffer));
    size_t count = 0;
    for (long at = 0; n <= (long)sizeof(buffer) && at + 19 < n && count < max;) {
        unsigned short size;
        __builtin_memcpy(&size, buffer + at + 16, sizeof(size));
        char *name = buffer + at + 19;
        numbers[count++] = *name >= '0' && *name <= '9' ? (int)strtol(name, NULL, 10) : -1;
        if (size == 0)
            break;
        at += size;
    }
    return count;
}

/* Descriptors marked close-on-exec, but for the runtime's own. */
static void close_marked(void)
{
    fd_room_enter();
    int directory = host_openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    fd_room_leave();
    int numbers[256]; /* an entry takes 24 bytes: never more than fit the buffer of listed() */
    if (directory < 0)
        return;
    for (size_t n; (n = listed(directory, numbers, ARRAY_COUNT(numbers))) > 0;)
        for (size_t i = 0; i < n; i++)
            if (numbers[i] >= 0 && numbers[i] != directory)
                close_if_marked(numbers[i]);
    host_close(directory);
}

/* What a program without capabilities of its own keeps of the old one's: for who is not root, the ambient
 * ones. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    bool root = host_call(SYS_getuid) == 0 || host_call(SYS_geteuid) == 0;
    if ((root && !(host_call(SYS_prctl, PR_GET_SECUREBITS) & SECBIT_NOROOT)) ||
        host_call(SYS_capget, &header, data) < 0 || (data[0].permitted | data[1].permitted) == 0)
        return;
    for (int i = 0; i < 64; i++) {
        uint32_t bit = 1u << (i % 32);
        if ((data[i / 32].permitted & bit) &&
            host_call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) != 1)
            data[i / 32].permitted &= ~bit;
        data[i / 32].effective = data[i / 32].permitted;
    }
    (void)host_call(SYS_capset, &header, data);
}

/* Files go by the effective identity again, which is all that is left of a saved one. */
static void settle_identity(void)
{
    long uid = host_call(SYS_geteuid), gid = host_call(SYS_getegid);
    (void)host_call(SYS_setfsgid, gid);
    (void)host_call(SYS_setfsuid, uid);
    (void)host_call(SYS_setresgid, -1, -1, gid);
    (void)host_call(SYS_setresuid, -1, -1, uid);
}

struct program *exec_take(struct thread *t)
{
    struct process *process = t->process;
    signal_block_all();
    atomic_store(&process->thread_count_awaited, true);
    for (;;) {
        lock_acquire(&g_threads_lock);
        kick_others_locked(t,
                           NULL); /* again each time: one may have been on its way into the list */
        bool alone = g_threads == t && !t->next;
        int count = atomic_load(&process->thread_count);
        lock_release(&g_threads_lock);
        if (alone)
            break;
        futex_wait(&process->thread_count, count);
    }
    struct program *program = atomic_exchange(&g_pending, NULL);
    ending_over();
    if (atomic_load(&g_signal_dying) != 0)
        process_exit(0);
    atomic_store(&process->thread_count, 1);
    atomic_store(&t->work, 0);
    t->signal_mask = g_pending_mask;
    if (g_pending_no_new_privs)
        (void)host_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (landlock_enter_host(g_pending_confined.domain, t->confined.domain) < 0)
        signal_die(SIGKILL);
    confined_leave(&t->confined);
    confined_inherit(&t->confined, &g_pending_confined);
    confined_leave(&g_pending_confined);
    t->clear_tid = 0;
    robust_list_walk(t);
    robust_list_forget();
    t->trap_site = 0;
    t->in_runtime = 1;
    rseq_forget(t);
    signal_reset_for_exec(t);
    close_marked();
    fork_waiter_release();
    settle_identity();
    (void)host_call(SYS_prctl, PR_SET_KEEPCAPS, 0);
    drop_capabilities();
    vfs_identity_changed();
    exposure_exec();
    timers_delete();
    memory_release_guest();
    return program;
}

static int64_t exec_program(struct syscall_call *c, const struct image_place *place,
                            bool unreachable, const unsigned long *strings)
{
    struct program *program;
    fd_room_enter();
    int r = prepare(place, unreachable, strings[0], strings[1], &program);
    fd_room_leave();
    if (r < 0)
        return r;
    if (!c->thread->process->vfork_child)
        return exec_in_place(c->thread, program);
    r = exec_host(program);
    program_free(program);
    return r;
}

int64_t sys_execve(struct syscall_call *c)
{
    char path[PATH_MAX];
    ssize_t n = guest_text(path, c->args[0], sizeof(path));
    if (n <= 0)
        return n < 0 ? n : -ENOENT;
    return exec_program(c, &(struct image_place){.path = path, .fd = -1}, false, &c->args[1]);
}

/* The name that a program has which was found from a descriptor is one under /dev/fd. */
int64_t sys_execveat(struct syscall_call *c)
{
    char path[PATH_MAX], full[PATH_MAX + 32];
    int fd = (int)c->args[0];
    ssize_t n = guest_text(path, c->args[1], sizeof(path));
    if (c->args[4] & ~(unsigned long)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    if (n < 0)
        return n;
    if (n == 0 && !(c->args[4] & AT_EMPTY_PATH))
        return -ENOENT;
    struct image_place place = {.fd = -1, .no_follow = c->args[4] & AT_SYMLINK_NOFOLLOW};
    if (n > 0 && (path[0] == '/' || fd == AT_FDCWD)) {
        place.path = path;
        return exec_program(c, &place, false, &c->args[2]);
    }
    if (n == 0 && fd == AT_FDCWD) /* the working directory */
        return -EACCES;
    long flags = fd_is_hidden(fd) ? -EBADF : host_call(SYS_fcntl, fd, F_GETFD);
    if (flags < 0)
        return -EBADF;
    (void)snprintf(full, sizeof(full), n > 0 ? "/dev/fd/%d/%s" : "/dev/fd/%d", fd, path);
    place.path = full;
    place.fd = fd;
    place.rest = n > 0 ? path : NULL;
    return exec_program(c, &place, flags & FD_CLOEXEC, &c->args[2]);
}
