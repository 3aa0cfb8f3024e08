/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/syscall/call.h: one system call of the guest, and the table that names them all.
 *
 * syscall/table.def has one row per call of x86-64:
 *
 *     CALL(0, read, FD, sys_read, "fd,out:2,size>2", ALL, "shielded files and sockets")
 *          number, name, class, handler, argument shapes, engines, why
 *
 * A handler is `int64_t sys_NAME(struct syscall_call *c)`; it returns what the guest finds in rax.
 * It runs on the runtime's stack with the runtime's FS; the guest's vector registers are saved.
 * Pointers in `args` are the guest's: read and write them through runtime/guest.h only. A handler
 * that blocks does so through rt_block() and hands on its -RT_ERESTART* results when it has no
 * partial result to return instead. sys_pass() gives the call to the host as it is. */
#ifndef COFFER_RUNTIME_SYSCALL_CALL_H
#define COFFER_RUNTIME_SYSCALL_CALL_H

#include "base/macros.h"

#include <stdint.h>

#define CALL_NR_MAX 512

struct thread;

struct syscall_call {
    long nr;
    unsigned long args[6];
    struct thread *thread; /* the calling one, == thread_self() */
};

typedef int64_t syscall_fn(struct syscall_call *c);

/* When does the handler run? Otherwise the call goes to the host untouched, on the fast path. */
enum call_class {
    CALL_UNKNOWN, /* no row: ENOSYS, logged once */
    CALL_PASS,    /* never */
    CALL_FD,      /* if descriptor args[0] is shielded (or the runtime's own) */
    CALL_ANY,     /* if this process has any shielded descriptor at all */
    CALL_SHIELD,  /* always: the handler decides what is shielded */
    CALL_EMULATE, /* always: the runtime is the authority, the host may not be asked */
    CALL_DENY,    /* always: refused, with the handler's errno */
};

/* Where does the row hold? It does in sim, tdx and snp, where the kernel that the guest's host calls
 * reach is either trusted or pretended to be. sgx, and box in its place, have the kernel outside. */
enum call_engines {
    ENGINES_ALL,    /* everywhere; sgx and box copy the arguments by their shapes */
    ENGINES_INSIDE, /* everywhere; in sgx the host is not asked: it is about the guest's own memory
                        * and threads, which the monitor under the runtime has. box asks the kernel */
    ENGINES_PART,   /* everywhere; sgx and box refuse what needs memory that the host shares or
                        * copies (a shared file mapping, a child with copied memory, a Unix socket) */
    ENGINES_VM_ENOSYS, /* not in sgx and box: the guest's data would pass the kernel unencrypted, or
                        * memory would be shared; refused with this errno */
    ENGINES_VM_EINVAL,
};

struct call_row {
    syscall_fn *handler;
    uint8_t class;   /* enum call_class */
    uint8_t engines; /* enum call_engines */
};

extern const struct call_row call_table[CALL_NR_MAX];

/* For people: NULL where there is no row. */
const char *call_name(long nr);
const char *call_shapes(long nr);
const char *call_why(long nr);
const char *call_engines(long nr);
const char *call_class_name(enum call_class class);

/* What sgx and box answer without looking further: -errno, or 0 where they offer the call. */
int call_enclave_errno(long nr);

/* Common handlers: to the host, interruptible; -EPERM; -ENOSYS; -EINVAL. */
syscall_fn sys_pass, sys_deny_eperm, sys_deny_enosys, sys_deny_einval, sys_deny_eopnotsupp;
/* The network shield's part of bind and connect, once vfs/ has taken what is on volumes. */
syscall_fn sys_bind, sys_connect, sys_getsockname, sys_getpeername, sys_accept, sys_accept4,
    sys_sendto, sys_recvfrom, sys_sendmsg, sys_recvmsg, sys_sendmmsg, sys_recvmmsg;

#define CALL(nr_, name_, class_, fn_, shapes_, engines_, why_) syscall_fn fn_;
#include "runtime/syscall/table.def"
#undef CALL

#endif
