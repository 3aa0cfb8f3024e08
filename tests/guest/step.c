/* SPDX-License-Identifier: Apache-2.0 */
/* Calls during which tests/guest/step_driver.c sends a signal, once at every instruction between two
 * markers. Each time the handler must have run once, seen the program where the program is, and the
 * call must have had the result it has on Linux. */
#include "say.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

/* The calls, in one stretch of text. %rax number, %rdi, %rsi, %rdx arguments. */
__asm__(".text\n.balign 64\nstep_begin:\n"
        "step_moved:  movl %edi, %eax\n\tmovq %rsi, %rdi\n\tmovq %rdx, %rsi\n\tmovq %rcx, %rdx\n\t"
        "movq %r8, %r10\n\tsyscall\n\tret\n"
        "step_end:\n");
extern long step_moved(long nr, long a, long b, long c, long d);
extern const char step_begin[], step_end[];

static char *made; /* the same in memory that is never rewritten */
static int ends[2];
static volatile long hits, strange;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *uc = context;
    uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
    bool inside = rip >= (uint64_t)step_begin && rip < (uint64_t)step_end;
    bool in_made = rip >= (uint64_t)made && rip < (uint64_t)made + 64;
    extern const char __executable_start[], etext[];
    bool in_program = rip >= (uint64_t)__executable_start && rip < (uint64_t)etext;
    hits++;
    strange += signal != SIGUSR1 || info->si_code != SI_TKILL || !(inside || in_made || in_program);
    if (ends[1] > 0)
        strange += write(ends[1], "x", 1) != 1;
}

/* The driver answers in %rax: go on, or 1: this call is done with. */
static int marker(void)
{
    int answer = 0;
    __asm__ volatile("int3" : "+a"(answer) : : "memory");
    return answer;
}

typedef long call_fn(long nr, long a, long b, long c, long d);

/* %rbx, %r12 to %r15 and a vector register are as they were, and so is the result. */
static long call_checked(call_fn *call, const long a[5], long *ret_damage)
{
    long result, damage;
    register long r8 __asm__("r8") = a[4];
    register call_fn *r9 __asm__("r9") = call;
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tmovq $0x12, %%r12\n\tmovq $0x13, %%r13\n\t"
                     "movq $0x14, %%r14\n\tmovq $0x15, %%r15\n\tpcmpeqd %%xmm9, %%xmm9\n\t"
                     "call *%%r9\n\tleaq 128(%%rsp), %%rsp\n\t"
                     "subq $0x12, %%r12\n\tsubq $0x13, %%r13\n\tsubq $0x14, %%r14\n\t"
                     "subq $0x15, %%r15\n\tmovq %%xmm9, %%rbx\n\tnotq %%rbx\n\torq %%r12, %%rbx\n\t"
                     "orq %%r13, %%rbx\n\torq %%r14, %%rbx\n\torq %%r15, %%rbx"
                     : "=a"(result), "=b"(damage), "+r"(r8), "+r"(r9)
                     : "D"(a[0]), "S"(a[1]), "d"(a[2]), "c"(a[3])
                     : "r10", "r11", "r12", "r13", "r14", "r15", "xmm9", "memory", "cc");
    *ret_damage += damage != 0;
    return result;
}

static void empty_pipe(void)
{
    char byte;
    while (ends[0] > 0 && read(ends[0], &byte, 1) == 1)
        ;
}

static void blocking(bool on)
{
    fcntl(ends[0], F_SETFL, on ? 0 : O_NONBLOCK);
}

/* `other` may be the result too, if the signal ended the call; how often it was. */
static void step(const char *name, call_fn *call, const long a[5], long want, long other)
{
    long wrong = 0, damage = 0, rounds = 0, others = 0;
    hits = strange = 0;
    for (int i = 0; i < 64 && other == 0; i++) /* hot */
        wrong += call_checked(call, a, &damage) != want;
    while (marker() == 0) {
        long result = call_checked(call, a, &damage);
        rounds++;
        others += other != 0 && result == other;
        wrong += result != want && (other == 0 || result != other);
        if (other != 0) {
            blocking(false);
            empty_pipe();
            blocking(true);
        }
    }
    printf("%s: wrong %ld, damaged %ld, strange %ld, ended %ld, handler once each: %s, many: %s\n",
           name, wrong, damage, strange, others, hits == rounds - (other == 0) ? "yes" : "no",
           rounds > 4 ? "yes" : "no");
    fflush(stdout);
}

static void handle(int flags)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
    sigaction(SIGUSR1, &action, NULL);
}

int main(void)
{
    static char byte;
    static uint64_t mask;
    made = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(made, step_begin, (size_t)((uint64_t)step_end - (uint64_t)step_begin));
    handle(0);
    step("passed", step_moved, (long[5]){SYS_getppid}, getppid(), 0);
    step("answered", step_moved, (long[5]){SYS_getpid}, getpid(), 0);
    step("descriptor", step_moved, (long[5]){SYS_fcntl, 1, F_GETFD}, 0, 0);
    step("handled", step_moved, (long[5]){SYS_rt_sigprocmask, 0, 0, (long)&mask, 8}, 0, 0);
    step("time", step_moved, (long[5]){SYS_clock_gettime, CLOCK_MONOTONIC, 8}, -EFAULT, 0);
    step("trapped", (call_fn *)made, (long[5]){SYS_getppid}, getppid(), 0);
    if (pipe(ends) < 0)
        return 1;
    step("ended", step_moved, (long[5]){SYS_read, ends[0], (long)&byte, 1}, 1, -EINTR);
    step("ended, trapped", (call_fn *)made, (long[5]){SYS_read, ends[0], (long)&byte, 1}, 1,
         -EINTR);
    handle(SA_RESTART);
    step("restarted", step_moved, (long[5]){SYS_read, ends[0], (long)&byte, 1}, 1, -EINTR);
    return 0;
}
