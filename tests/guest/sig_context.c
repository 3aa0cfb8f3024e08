/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler sees and may change: registers, vectors, masks, stacks; faults that are mended,
 * faults that kill, and the status they leave. */
#include "say.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static volatile int code, depth, inside_flags, count;
static void *volatile fault_address;
static sigjmp_buf back;
static char stack_bytes[1 << 16];

static void jump(int signal, siginfo_t *info, void *context)
{
    (void)context;
    code = info->si_code;
    fault_address = info->si_addr;
    count++;
    siglongjmp(back, signal);
}

static void install(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(signal, &action, NULL);
}

#define CAUGHT(statement_)                                                            \
    do {                                                                              \
        code = 0;                                                                     \
        int caught_ = sigsetjmp(back, 1);                                             \
        if (caught_ == 0) {                                                           \
            statement_;                                                               \
        }                                                                             \
        printf("%d: %s: signal %d, code %d\n", __LINE__, #statement_, caught_, code); \
    } while (0)

static void faults(void)
{
    char name[] = "bus-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    volatile char *null = (char *)8, *far = (char *)0x800000000000ull;
    volatile char *guard = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    volatile int zero = 0, min = -2147483647 - 1, minus = -1;
    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP && s != SIGCHLD)
            install(s, jump, 0);
    CAUGHT(*null = 1);
    SAY_TRUE(fault_address == null);
    CAUGHT(*far = 1);
    CAUGHT(*guard = 1);
    SAY_TRUE(fault_address == guard);
    CAUGHT(*ro = 1);
    CAUGHT(mapped[0] = 1);
    SAY_TRUE(fault_address == mapped);
    SAY(ftruncate(fd, 100));
    CAUGHT(mapped[0] = 1);
    CAUGHT(mapped[4096] = 1);
    SAY(ftruncate(fd, 0));
    CAUGHT(mapped[0] = 2);
    CAUGHT(zero = 1 / zero);
    CAUGHT(zero = min / minus);
    CAUGHT(__builtin_trap());
    CAUGHT(__asm__ volatile("int3"));
    CAUGHT(__asm__ volatile("hlt"));
    CAUGHT(__asm__ volatile("int $0x2d"));
    CAUGHT(((void (*)(void))(unsigned long)ro)());
    CAUGHT(((void (*)(void))16)());
    CAUGHT(raise(SIGABRT));
    CAUGHT(kill(getpid(), SIGSEGV));
    SAY(count);
    SAY(write(fd, (void *)(unsigned long)guard, 10)); /* a fault in a call is an error, no signal */
    SAY(pread(fd, (void *)(unsigned long)ro, 0, 0));
    close(fd);
}

/* A fault that the handler mends by changing registers, as run-time compilers do. */
static void mend(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal, (void)info;
    uc->uc_mcontext.gregs[REG_RIP] += 3;
    uc->uc_mcontext.gregs[REG_RAX] = 0x1122334455667788;
    uc->uc_mcontext.gregs[REG_R12] ^= 0xff;
    uc->uc_mcontext.gregs[REG_EFL] ^= 1; /* carry */
    uc->uc_mcontext.fpregs->_xmm[5].element[0] += 1;
    uc->uc_mcontext.fpregs->_xmm[15].element[3] = 0xabcd;
    uc->uc_mcontext.fpregs->_st[0].significand[3] = 0xc000; /* 1.0 becomes 1.5 */
}

static void registers(void)
{
    long rax = 0, r12 = 1, carry = 0;
    unsigned x5[4] = {41, 0, 0, 0}, x15[4] = {0};
    double st = 1.0;
    install(SIGSEGV, mend, 0);
    __asm__ volatile("movdqu (%[x5]), %%xmm5\n movdqu (%[x15]), %%xmm15\n fldl %[st]\n"
                     "movq %[r12], %%r12\n xorl %%edi, %%edi\n clc\n"
                     ".byte 0x40, 0x8a, 0x07\n"
                     "setc %b[carry]\n movq %%rax, %[rax]\n movq %%r12, %[r12]\n"
                     "movdqu %%xmm5, (%[x5])\n movdqu %%xmm15, (%[x15])\n fstpl %[st]\n"
                     : [rax] "+m"(rax), [r12] "+m"(r12), [carry] "+r"(carry), [st] "+m"(st)
                     : [x5] "r"(x5), [x15] "r"(x15)
                     : "rax", "r12", "rdi", "xmm5", "xmm15", "memory", "cc");
    SAY_TRUE(rax == 0x1122334455667788);
    SAY(r12);
    SAY(carry);
    SAY(x5[0]);
    SAY(x15[3]);
    SAY((int)(st * 10));
}

/* In a call: the handler's changes of the context apply to its return. */
static void result_changer(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal, (void)info;
    uc->uc_mcontext.gregs[REG_RAX] = 1234;
    uc->uc_mcontext.gregs[REG_RBX] = 99;
    sigaddset(&uc->uc_sigmask, SIGUSR2);
    count++;
}

static void in_calls(void)
{
    sigset_t mask;
    long rax = SYS_tkill, rbx = 0, tid = syscall(SYS_gettid);
    install(SIGUSR1, result_changer, 0);
    count = 0;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+b"(rbx)
                     : "D"(tid), "S"(SIGUSR1)
                     : "rcx", "r11", "memory");
    SAY(count);
    SAY(rax);
    SAY(rbx);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    SAY(sigismember(&mask, SIGUSR2));
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* Vectors and flags at a handler's start, and their return after it. */
static volatile unsigned mxcsr_inside, df_inside;
static void look(int signal, siginfo_t *info, void *context)
{
    unsigned mxcsr;
    unsigned long flags;
    (void)signal, (void)info, (void)context;
    __asm__ volatile("stmxcsr %0; pushfq; popq %1" : "=m"(mxcsr), "=r"(flags));
    mxcsr_inside = mxcsr;
    df_inside = flags >> 10 & 1;
    __asm__ volatile("pxor %%xmm3, %%xmm3; vzeroupper" : : : "xmm3");
}

static void vectors(void)
{
    unsigned mxcsr = 0x7f80, got = 0, x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {0};
    long tid = syscall(SYS_gettid);
    install(SIGUSR1, look, 0);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("vmovdqu (%[x]), %%ymm3\n std\n movl $200, %%eax\n syscall\n cld\n"
                     "vmovdqu %%ymm3, (%[y])\n"
                     :
                     : "D"(tid), "S"(SIGUSR1), [x] "r"(x), [y] "r"(y)
                     : "rax", "rcx", "r11", "xmm3", "memory", "cc");
    __asm__ volatile("stmxcsr %0" : "=m"(got));
    SAY(got);
    SAY(mxcsr_inside);
    SAY(df_inside);
    SAY(memcmp(x, y, sizeof x));
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static volatile int inner_size_errno;
static void on_stack(int signal, siginfo_t *info, void *context)
{
    stack_t now, other = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes};
    ucontext_t *uc = context;
    (void)signal, (void)info;
    sigaltstack(NULL, &now);
    inside_flags = now.ss_flags;
    inner_size_errno = sigaltstack(&other, NULL) < 0 ? errno : 0;
    count = (char *)&now >= stack_bytes && (char *)&now < stack_bytes + sizeof stack_bytes;
    code = uc->uc_stack.ss_flags;
}

static void stacks(void)
{
    stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes}, old;
    SAY(sigaltstack(&stack, NULL));
    install(SIGUSR1, on_stack, SA_ONSTACK);
    raise(SIGUSR1);
    SAY(count);
    SAY(inside_flags);
    SAY(inner_size_errno == EPERM);
    SAY(code);
    install(SIGUSR1, on_stack, 0);
    raise(SIGUSR1);
    SAY(count);
    SAY(inside_flags);
    stack.ss_flags = (int)SS_AUTODISARM;
    SAY(sigaltstack(&stack, NULL));
    install(SIGUSR1, on_stack, SA_ONSTACK);
    raise(SIGUSR1);
    SAY(count);
    SAY(inside_flags);
    SAY(inner_size_errno);
    SAY(code == (int)SS_AUTODISARM);
    SAY(sigaltstack(NULL, &old));
    SAY_TRUE(old.ss_flags == (int)SS_AUTODISARM);
    stack.ss_size = 100;
    stack.ss_flags = 0;
    SAY(sigaltstack(&stack, NULL));
    stack.ss_flags = 77;
    SAY(sigaltstack(&stack, NULL));
    SAY(sigaltstack((stack_t *)8, NULL));
    stack.ss_flags = SS_DISABLE;
    SAY(sigaltstack(&stack, NULL));
    SAY(sigaltstack(NULL, (stack_t *)8));
}

/* Overflow of the ordinary stack, caught on the other one. */
static int recurse(volatile int n)
{
    volatile char room[4096];
    if (n < 0)
        return n;
    room[0] = (char)n;
    return recurse(n + 1) + room[0];
}

static void overflow(void)
{
    stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes};
    sigaltstack(&stack, NULL);
    install(SIGSEGV, jump, SA_ONSTACK);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(back, 1) == 0)
            recurse(0);
        SAY(code == SEGV_MAPERR || code == SEGV_ACCERR);
    }
}

static void die_of(int signal)
{
    volatile int zero = 0;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    switch (signal) {
    case -1:
        *(volatile int *)16 = 1;
        break;
    case -2:
        zero = 1 / zero;
        break;
    case -3:
        __builtin_trap();
        break;
    case -4:
        __asm__ volatile("int3");
        break;
    case -5: { /* the handler's stack is bad */
        struct sigaction action = {.sa_handler = (void *)look, .sa_flags = SA_ONSTACK};
        stack_t bad = {.ss_sp = (void *)4096, .ss_size = 1 << 16};
        sigaltstack(&bad, NULL);
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
        break;
    }
    case -6: { /* a fault whose signal is blocked */
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        install(SIGSEGV, jump, 0);
        *(volatile int *)16 = 1;
        break;
    }
    case -7: /* ignored faults kill all the same */
        signal = SIGSEGV;
        *(volatile int *)16 = 1;
        break;
    case -8: { /* a context that no user code may have */
        __asm__ volatile("movq $8, %%rsp; movl $15, %%eax; syscall" : : : "memory");
        break;
    }
    default:
        raise(signal);
    }
    _exit(77);
}

static void deaths(void)
{
    for (int s = -8; s < 65; s++) {
        int status = 0;
        if (s == 0 || s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU || s == 32 ||
            s == 33)
            continue;
        pid_t child = fork();
        if (child == 0) {
            for (int k = 1; k < 32; k++)
                signal(k, s == -7 && k == SIGSEGV ? SIG_IGN : SIG_DFL);
            die_of(s);
        }
        waitpid(child, &status, 0);
        printf("death by %d: status %#x\n", s, (unsigned)status);
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    faults();
    registers();
    in_calls();
    vectors();
    stacks();
    overflow();
    deaths();
    return 0;
}
