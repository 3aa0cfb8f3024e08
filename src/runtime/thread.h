/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/thread.h: a guest thread and the guest process, as the runtime sees them.
 *
 * Each guest thread runs on one runtime thread. GS base points to its struct thread as long as the
 * thread lives; FS is the guest's while guest code and `pass` rows run, the runtime's otherwise. */
#ifndef COFFER_RUNTIME_THREAD_H
#define COFFER_RUNTIME_THREAD_H

#include "base/macros.h"
#include "runtime/confine/confined.h"
#include "runtime/creds.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>

/* The guest's registers during a system call, as syscall/entry.S pushes them. */
struct regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax; /* the call's number, then its result */
    uint64_t rdx, rsi, rdi;
    uint64_t rip; /* just behind the system call instruction */
    uint64_t rflags, rsp;
    uint64_t nr; /* the number, kept for restarts */
};

/* Why a thread must not go back to the guest just now; 0: it may. */
enum thread_work {
    THREAD_WORK_SIGNAL = 1, /* a signal waits for the end of this call */
    THREAD_WORK_KICK = 2,   /* another thread wants this one: to exit, or to run an exec */
};

#define THREAD_HELD_COUNT 4 /* SIGSYS, SIGSEGV, SIGBUS, SIGTRAP */

struct fd_table;
struct volume_file;
struct signal_actions;

/* A resource limit: what the guest set, and the host's because of that. Not set: the host's is the
 * guest's. */
struct limit_view {
    struct rlimit guest, host;
    bool set;
};

/* Those whose host's differs from the guest's; see process/limits.c. */
enum limit_kind {
    LIMIT_DESCRIPTORS,
    LIMIT_FILE_SIZE,
    LIMIT_ADDRESS_SPACE,
    LIMIT_DATA,
    LIMIT_STACK,
    LIMIT_KINDS
};

/* What fork() copies and CLONE_THREAD shares. A child of vfork() has one of its own although it
 * shares all memory with its parent. */
struct process {
    int pid;              /* entry.S knows it, */
    struct fd_table *fds; /* and this */
    struct signal_actions *actions;
    bool vfork_child;
    uint32_t vfs_client, vfs_serial; /* of a child of vfork(): see vfs/vfs.h */
    struct volume_file *vfs_cwd;     /* of a child of vfork(): its working directory on a volume */
    uint32_t vfs_verified;           /* of a child of vfork(): see static_file_verified() */
    _Atomic uint32_t vfs_umask;
    _Atomic int thread_count;          /* guest threads alive */
    _Atomic bool thread_count_awaited; /* somebody has waited for that to change */
    struct limit_view limits[LIMIT_KINDS];
    struct rlimit room_before; /* see fd_room_enter() */
    unsigned room;
    _Atomic uint64_t hidden_reserved; /* bit n: hidden number n is held by a placeholder; fd.c */
};

struct thread {
    /* Offsets known to entry.S; thread.c checks them. */
    struct thread *self;     /* 0 */
    uint64_t stack;          /* 8: where the registers are pushed at entry */
    uint64_t guest_rsp;      /* 16: scratch of the entry */
    uint64_t runtime_fs;     /* 24 */
    uint64_t guest_fs;       /* 32 */
    uint64_t exit_rsp;       /* 40: of thread_enter_guest() */
    _Atomic uint32_t work;   /* 48: enum thread_work */
    uint32_t in_runtime;     /* 52: 0 while guest code runs */
    uint64_t xsave_size;     /* 56: bytes XSAVEC needs, multiple of 64 */
    uint64_t trap_site;      /* 64: a hot system call instruction that trapped; 0: none */
    struct process *process; /* 72 */
    /* What the short way of entry.S keeps while it uses the registers of a call. */
    uint64_t call_return; /* 80: the address behind the call */
    uint64_t call_number; /* 88 */
    uint32_t
        call_flags; /* 96: as LAHF and SETO give them: SF ZF AF PF CF in bits 15..8, OF bit 0 */
    int tid;        /* 100 */
    uint64_t fast_calls; /* 104: answered by the short way */
    uint64_t slow_calls; /* seen by dispatch_slow() */

    uint64_t signal_mask;    /* the guest's own idea of it */
    int deferred_signal;     /* came while the runtime was at work; 0: none */
    siginfo_t deferred_info; /* of it */
    stack_t signal_stack;    /* the guest's sigaltstack */
    void *host_signal_stack; /* ours */
    uint64_t clear_tid;      /* guest address zeroed and woken at exit; 0: none */
    uint64_t robust_head;    /* guest address of its robust list; 0: none */
    uint64_t rseq_address;   /* the guest's registration; 0: none */
    uint32_t rseq_size, rseq_signature;
    bool has_position;   /* of a file on a volume, and is inside the gate of fs.c for it */
    _Atomic bool parked; /* it runs no more code, or none until ending_back() */
    bool delivering;     /* dispatch_work() lets a signal in: the guest's registers are complete */
    bool has_wait_mask;  /* the call that a signal ended waited under another mask: */
    uint64_t wait_mask;
    bool carrying;              /* a SIGSYS is on its way that stands for what waits here */
    _Atomic uint64_t waits_for; /* signals that a call of its lets in or takes just now */
    _Atomic uint64_t routed;    /* signals of everybody's that it was told to look for */
    bool routes;                /* it has to tell another thread of one */
    uint64_t held_signals;      /* signals blocked by the guest that the host does not block */
    siginfo_t held_info[THREAD_HELD_COUNT]; /* of them: see signal_held_info() */
    struct thread *next, *previous;         /* under the threads lock */
    struct creds creds;                     /* see fs_creds() */
    struct confined confined;
    bool foreign_call;    /* int 0x80, for the thread's filters to judge: */
    uint64_t foreign_ecx; /* its second argument, which the way to there takes */
};

/* The calling thread. Only on guest threads (or after thread_adopt()). */
static inline struct thread *thread_self(void)
{
    struct thread *t;
    __asm__("movq %%gs:0, %0" : "=r"(t));
    return t;
}

/* Where the guest's registers are while a handler runs. */
static inline struct regs *thread_regs(struct thread *t)
{
    return (struct regs *)(t->stack - sizeof(struct regs));
}

/* Makes the calling thread a guest thread of the process without any guest code: sets GS and the
 * fields above. For the first thread, and for unit tests of the code that needs thread_self(). */
must_check int thread_adopt(struct thread *t);

/* For a thread of the runtime's own that lives as long as it likes: it would have the GS, and so the
 * struct thread, of the guest's thread that made it, which may end first. Is no guest thread by that.
 * `t` must last as long as the thread. */
must_check int thread_serve(struct thread *t);

/* The guest process of the calling thread. */
static inline struct process *process_self(void)
{
    return thread_self()->process;
}

extern struct process g_process;

#endif
