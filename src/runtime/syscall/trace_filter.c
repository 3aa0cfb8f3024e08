/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/syscall/trace.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

enum family { FAMILY_FILE, FAMILY_DESC, FAMILY_NET, FAMILY_PROCESS, FAMILY_MEMORY, FAMILY_SIGNAL };

static const char family_names[][8] = {"file", "desc", "net", "process", "memory", "signal"};

static bool is_among(long nr, const short *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == nr)
            return true;
    return false;
}

#define AMONG(nr, ...) \
    is_among(nr, (const short[]){__VA_ARGS__}, sizeof((const short[]){__VA_ARGS__}) / sizeof(short))

static bool is_of(long nr, enum family family)
{
    struct call_shape shape;
    if (!call_name(nr) || shape_parse(call_shapes(nr), &shape) < 0)
        return false;
    switch (family) {
    case FAMILY_FILE:
        for (int i = 0; i < shape.count; i++)
            if (shape.args[i].kind == SHAPE_PATH)
                return true;
        return false;
    case FAMILY_DESC:
        return shape.result == SHAPE_RESULT_FD ||
               (shape.count > 0 && shape.args[0].kind == SHAPE_FD);
    case FAMILY_NET:
        return (nr >= SYS_socket && nr <= SYS_getsockopt) ||
               AMONG(nr, SYS_accept4, SYS_recvmmsg, SYS_sendmmsg, SYS_sendfile);
    case FAMILY_PROCESS:
        return AMONG(nr, SYS_clone, SYS_fork, SYS_vfork, SYS_execve, SYS_exit, SYS_wait4,
                     SYS_waitid, SYS_exit_group, SYS_clone3, SYS_execveat, SYS_kill, SYS_tkill,
                     SYS_tgkill);
    case FAMILY_MEMORY:
        return AMONG(nr, SYS_mmap, SYS_mprotect, SYS_munmap, SYS_brk, SYS_mremap, SYS_msync,
                     SYS_mincore, SYS_madvise, SYS_shmat, SYS_shmdt, SYS_mlock, SYS_munlock,
                     SYS_mlockall, SYS_munlockall, SYS_mlock2);
    case FAMILY_SIGNAL:
        return AMONG(nr, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
                     SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo, SYS_rt_sigsuspend, SYS_sigaltstack,
                     SYS_kill, SYS_tkill, SYS_tgkill, SYS_signalfd4, SYS_pause,
                     SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal);
    }
    return false;
}

static bool word_is(const char *name, const char *word, size_t len)
{
    return strlen(name) == len && memcmp(name, word, len) == 0;
}

static int word_add(const char *word, size_t len, uint64_t calls[CALL_NR_MAX / 64])
{
    bool found = false;
    for (long nr = 0; nr < CALL_NR_MAX; nr++) {
        bool wanted = call_name(nr) && word_is(call_name(nr), word, len);
        for (size_t i = 0; !wanted && i < ARRAY_COUNT(family_names); i++)
            wanted = word_is(family_names[i], word, len) && is_of(nr, (enum family)i);
        if (wanted)
            calls[nr / 64] |= UINT64_C(1) << (nr % 64);
        found |= wanted;
    }
    return found ? 0 : -EINVAL;
}

int trace_filter(const char *text, uint64_t calls[CALL_NR_MAX / 64])
{
    for (;;) {
        size_t len = strcspn(text, ",");
        int r = word_add(text, len, calls);
        if (r < 0 || text[len] == '\0')
            return r;
        text += len + 1;
    }
}
