/* SPDX-License-Identifier: Apache-2.0 */
/* The slow level of dispatch: ordinary C on the runtime's FS. */
#include "base/log.h"
#include "platform/host.h"
#include "platform/linux/linux.h"
#include "platform/linux/vdso.h"
#include "platform/ops.h"
#include "runtime/block.h"
#include "runtime/confine/seccomp.h"
#include "runtime/explain/explain.h"
#include "runtime/process/process.h"
#include "runtime/process/signal.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/entry.h"
#include "runtime/syscall/shape.h"
#include "runtime/syscall/sites.h"
#include "runtime/syscall/trace.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/platform/x86.h>
#include <sys/syscall.h>

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static uint64_t g_text_from, g_text_size;

/* The executable segment of this very program: one stretch, libc included. */
void dispatch_text_bounds(uint64_t *ret_from, uint64_t *ret_size)
{
    if (g_text_size == 0) {
        Elf64_Ehdr header;
        memcpy(&header, __ehdr_start, sizeof(header));
        for (unsigned i = 0; i < header.e_phnum; i++) {
            Elf64_Phdr segment;
            memcpy(&segment, __ehdr_start + header.e_phoff + i * sizeof(segment), sizeof(segment));
            if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
                continue;
            g_text_from = (uint64_t)__ehdr_start + segment.p_vaddr;
            g_text_size = segment.p_memsz;
        }
    }
    *ret_from = g_text_from;
    *ret_size = g_text_size;
}

/* Processors without XGETBV(1) or AVX, and those with state that is not known by hand. What libc has
 * asked the processor already is not asked again: each question traps in a virtual machine. */
static void choose_vectors(void)
{
    if (!CPU_FEATURE_PRESENT(XGETBV_ECX_1))
        return;
    if (CPU_FEATURE_ACTIVE(AVX512BW))
        g_dispatch_vectors = VECTORS_AVX512;
    else if (CPU_FEATURE_ACTIVE(AVX))
        g_dispatch_vectors = VECTORS_AVX;
}

void dispatch_start(void)
{
    choose_vectors();
    if (!platform()->enclave) {
        linux_vdso_find();
        g_dispatch_time_asks = !g_linux_vdso.clock_gettime;
    }
    if (g_dispatch_trace || platform()->call_unless != linux_call_unless)
        g_dispatch_slow = true;
}

int dispatch_arm(void)
{
    uint64_t from, size;
    dispatch_text_bounds(&from, &size);
    return (int)host_call(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, from, size,
                          0);
}

static int64_t call_unknown(long nr)
{
    static _Atomic uint32_t seen[CALL_NR_MAX / 32 + 1];
    size_t bit = (unsigned long)nr < CALL_NR_MAX ? (size_t)nr : CALL_NR_MAX;
    if (!(atomic_fetch_or(&seen[bit / 32], 1u << (bit % 32)) & (1u << (bit % 32))))
        LOG_NOTICE("unknown system call refused", LOG_INT("number", nr));
    return -ENOSYS;
}

static bool fd_wants_handler(const struct syscall_call *c, enum call_class class)
{
    if (class == CALL_FD)
        return fd_is_shielded((int)c->args[0]) || fd_is_hidden((int)c->args[0]);
    return class != CALL_ANY || fd_table_any(c->thread->process->fds);
}

/* Which arguments of a call are descriptors: bits, and MASK_KNOWN once its shapes have been read. */
#define MASK_KNOWN 0x80u

static unsigned fd_arguments(const struct syscall_call *c)
{
    static _Atomic uint8_t masks[CALL_NR_MAX];
    unsigned mask = atomic_load_explicit(&masks[c->nr], memory_order_relaxed);
    struct call_shape shape;
    if (mask != 0 || shape_of_call(c->nr, c->args, &shape) < 0)
        return mask;
    mask = MASK_KNOWN;
    for (unsigned i = 0; i < SHAPE_ARGS; i++)
        mask |= shape.args[i].kind == SHAPE_FD ? 1u << i : 0;
    atomic_store_explicit(&masks[c->nr], (uint8_t)mask, memory_order_relaxed);
    return mask;
}

/* Does a call that takes several descriptors name one of the runtime's own? */
static bool names_hidden(const struct syscall_call *c)
{
    unsigned mask = fd_arguments(c);
    for (unsigned i = 0; i < SHAPE_ARGS; i++)
        if ((mask & 1u << i) && fd_is_hidden((int)c->args[i]))
            return true;
    return false;
}

static int64_t dispatch_call(struct syscall_call *c)
{
    if (c->nr < 0 || c->nr >= CALL_NR_MAX)
        return call_unknown(c->nr);
    const struct call_row *row = &call_table[c->nr];
    if (row->class == CALL_UNKNOWN)
        return call_unknown(c->nr);
    int refused = platform()->enclave ? call_enclave_errno(c->nr) : 0;
    if (refused < 0)
        return refused;
    if (row->class == CALL_ANY && names_hidden(c))
        return -EBADF;
    if (row->class == CALL_PASS || !fd_wants_handler(c, row->class))
        return sys_pass(c);
    if (row->class == CALL_FD && fd_is_hidden((int)c->args[0]))
        return -EBADF;
    if (row->class == CALL_DENY)
        explain_call(call_name(c->nr), call_why(c->nr));
    return row->handler(c);
}

/* int 0x80 of a thread with filters: they see it as Linux shows it, and then there is no such call. */
static int64_t dispatch_foreign(struct syscall_call *c, const struct regs *r)
{
    const struct syscall_call foreign = {
        .nr = (int)r->nr,
        .args = {(uint32_t)r->rbx, (uint32_t)c->thread->foreign_ecx, (uint32_t)r->rdx,
                 (uint32_t)r->rsi, (uint32_t)r->rdi, (uint32_t)r->rbp},
        .thread = c->thread,
    };
    int64_t result;
    *c = foreign;
    c->thread->foreign_call = false;
    return seccomp_judge(c, r, AUDIT_ARCH_I386, &result) ? -ENOSYS : result;
}

static int64_t dispatch_filtered(struct syscall_call *c, const struct regs *r)
{
    struct thread *t = c->thread;
    int64_t result;
    if (t->foreign_call)
        return dispatch_foreign(c, r);
    if (!seccomp_judge(c, r, AUDIT_ARCH_X86_64, &result))
        return result;
    bool ends = (t->held_signals != 0 || signal_shared_any()) && signal_ends_wait(c);
    return ends ? -EINTR : dispatch_call(c);
}

void dispatch_slow(struct regs *r)
{
    struct thread *t = thread_self();
    if (atomic_load(&t->work) & THREAD_WORK_KICK)
        process_kicked(t);
    if (t->trap_site != 0) {
        sites_rewrite(t->trap_site);
        t->trap_site = 0;
    }
    struct syscall_call c = {
        .nr = (long)r->nr,
        .args = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9},
        .thread = t,
    };
    t->slow_calls++;
    if (g_dispatch_trace)
        trace_before(r, c.args);
    int64_t result = dispatch_filtered(&c, r);
    if (g_dispatch_trace)
        trace_call(r, c.args, result);
    r->rax = (uint64_t)result;
    if (atomic_load(&t->work) & THREAD_WORK_KICK)
        process_kicked(t);
}

int64_t sys_pass(struct syscall_call *c)
{
    return rt_block_args(c->nr, (const long *)c->args);
}

int64_t sys_deny_eperm(struct syscall_call *c)
{
    (void)c;
    return -EPERM;
}

int64_t sys_deny_enosys(struct syscall_call *c)
{
    (void)c;
    return -ENOSYS;
}

int64_t sys_deny_einval(struct syscall_call *c)
{
    (void)c;
    return -EINVAL;
}

int64_t sys_deny_eopnotsupp(struct syscall_call *c)
{
    (void)c;
    return -EOPNOTSUPP;
}
