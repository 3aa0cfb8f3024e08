/* SPDX-License-Identifier: Apache-2.0 */
/* System call instructions of every shape, hot enough to be rewritten, in several threads and under
 * signals; the same results must come out before, during and after. */
#include "say.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#define ROUNDS 3000

static volatile int ticks;
static void tick(int signal)
{
    (void)signal;
    ticks++;
}

/* mov $nr, %eax; syscall */
__attribute__((noinline)) static long by_mov(void)
{
    long r;
    __asm__ volatile("movl $110, %%eax\n\tsyscall" : "=a"(r) : : "rcx", "r11", "memory");
    return r;
}

/* The number comes from elsewhere, so the instruction stands alone. */
__attribute__((noinline)) static long by_register(long nr)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr) : "rcx", "r11", "memory");
    return r;
}

/* xor %eax, %eax; syscall: read(). */
__attribute__((noinline)) static long by_xor(long fd, void *to, long size)
{
    long r;
    __asm__ volatile("xorl %%eax, %%eax\n\tsyscall"
                     : "=a"(r)
                     : "D"(fd), "S"(to), "d"(size)
                     : "rcx", "r11", "memory");
    return r;
}

/* Somebody jumps to the instruction behind the mov. */
__attribute__((noinline)) static long jumped_into(long nr)
{
    long r;
    __asm__ volatile("testq %1, %1\n\tmovq %1, %%rax\n\tjnz 1f\n\tmovl $39, %%eax\n1:\tsyscall"
                     : "=a"(r)
                     : "r"(nr)
                     : "rcx", "r11", "memory");
    return r;
}

/* All registers but those the instruction owns must survive, and the red zone. */
__attribute__((noinline)) static int keeps_registers(void)
{
    uint64_t bad;
    __asm__ volatile("movq $0x1234, -8(%%rsp)\n\tmovq $0x55, %%rbx\n\tmovq $0x66, %%r12\n\t"
                     "movq $0x77, %%r10\n\tmovq $0x88, %%r9\n\tmovq $0x99, %%rdi\n\t"
                     "pcmpeqd %%xmm7, %%xmm7\n\tmovl $110, %%eax\n\tsyscall\n\t"
                     "xorq $0x1234, -8(%%rsp)\n\tmovq -8(%%rsp), %%rax\n\t"
                     "xorq $0x55, %%rbx\n\torq %%rbx, %%rax\n\txorq $0x66, %%r12\n\t"
                     "orq %%r12, %%rax\n\txorq $0x77, %%r10\n\torq %%r10, %%rax\n\t"
                     "xorq $0x88, %%r9\n\torq %%r9, %%rax\n\txorq $0x99, %%rdi\n\t"
                     "orq %%rdi, %%rax\n\tmovq %%xmm7, %%rbx\n\tnotq %%rbx\n\torq %%rbx, %%rax"
                     : "=a"(bad)
                     :
                     : "rbx", "r12", "r10", "r9", "rdi", "rcx", "r11", "xmm7", "memory");
    return bad != 0;
}

/* The flags, by a call that is passed, one that is answered at once and one that a handler sees. */
__attribute__((noinline)) static int keeps_flags(long nr)
{
    static const uint64_t patterns[] = {0x2, 0x803, 0x8d7, 0xc3, 0x416, 0x882};
    int wrong = 0;
    for (unsigned i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        uint64_t after, rax = (uint64_t)nr;
        __asm__ volatile("leaq -128(%%rsp), %%rsp\n\tpushq %2\n\tpopfq\n\tsyscall\n\t"
                         "pushfq\n\tpopq %0\n\tcld\n\tleaq 128(%%rsp), %%rsp"
                         : "=r"(after), "+a"(rax)
                         : "r"(patterns[i])
                         : "rcx", "r11", "cc", "memory");
        wrong += (after & 0xcd5) != (patterns[i] & 0xcd5);
    }
    return wrong;
}

/* Every vector register as wide as this processor has it, the masks, the rounding mode and the x87
 * stack, across a call whose handler is ordinary C. */
static struct state {
    _Alignas(64) uint8_t low[16][64];
    uint8_t high[16][64];
    uint64_t mask[8];
    uint32_t mxcsr;
    long double x87;
} before, after;

#define EACH_LOW(op)                                                                               \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define LOAD_Y(n) "vmovups " #n "*64(%0), %%ymm" #n "\n\t"
#define SAVE_Y(n) "vmovups %%ymm" #n ", " #n "*64(%1)\n\t"
#define LOAD_X(n) "movups " #n "*64(%0), %%xmm" #n "\n\t"
#define SAVE_X(n) "movups %%xmm" #n ", " #n "*64(%1)\n\t"
#define LOAD_Z(n) "vmovups " #n "*64(%0), %%zmm" #n "\n\t"
#define SAVE_Z(n) "vmovups %%zmm" #n ", " #n "*64(%1)\n\t"
#define EACH_HIGH(op)                                                                          \
    op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) \
        op(29) op(30) op(31)
#define EACH_MASK(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOAD_K(n) "kmovq 2048+" #n "*8(%0), %%k" #n "\n\t"
#define SAVE_K(n) "kmovq %%k" #n ", 2048+" #n "*8(%1)\n\t"
#define FLD "fld1\n\t"
#define FST "fstpt 2128(%1)\n\t"
#define CALL                                                    \
    "ldmxcsr 2112(%0)\n\tmovl $89, %%eax\n\tmovq %2, %%rdi\n\t" \
    "movq %3, %%rsi\n\tmovl $4096, %%edx\n\tsyscall\n\t"        \
    "stmxcsr 2112(%1)\n\t"
#define ACROSS(load, save)                                                                        \
    __asm__ volatile(load CALL save "movl $0x1f80, 2112(%0)\n\tldmxcsr 2112(%0)"                  \
                     :                                                                            \
                     : "r"(&before), "r"(&after), "r"("/proc/self/exe"), "r"(link)                \
                     : "rax", "rcx", "r11", "rdi", "rsi", "rdx", "r10", "memory", "xmm0", "xmm1", \
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",   \
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

#define WITH_X87 15 /* once it is in use the runtime saves everything by another instruction */

__attribute__((noinline)) static int keeps_vectors(int width)
{
    static char link[4096];
    uint8_t *bytes = (uint8_t *)&before;
    for (size_t i = 0; i < 2112; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 64);
    memset(&after, 0, sizeof after);
    before.mxcsr = 0x1f80 | 0x6000; /* towards zero */
    if (width == 64)
        ACROSS(EACH_LOW(LOAD_Z) EACH_HIGH(LOAD_Z) EACH_MASK(LOAD_K),
               EACH_LOW(SAVE_Z) EACH_HIGH(SAVE_Z) EACH_MASK(SAVE_K) "vzeroupper\n\t");
    else if (width == 32)
        ACROSS(EACH_LOW(LOAD_Y), EACH_LOW(SAVE_Y) "vzeroupper\n\t");
    else if (width == 16)
        ACROSS(EACH_LOW(LOAD_X), EACH_LOW(SAVE_X));
    else
        ACROSS(FLD EACH_LOW(LOAD_X), EACH_LOW(SAVE_X) FST);
    int wrong = (width == WITH_X87 && after.x87 != 1) || after.mxcsr != (0x1f80 | 0x6000);
    for (int i = 0; i < 16; i++) {
        wrong += memcmp(before.low[i], after.low[i], (size_t)width) != 0;
        wrong += width == 64 && memcmp(before.high[i], after.high[i], 64) != 0;
        wrong += width == 64 && i < 8 && before.mask[i] != after.mask[i];
    }
    return wrong;
}

static void vectors(void)
{
    SAY(keeps_vectors(16));
    SAY(__builtin_cpu_supports("avx") ? keeps_vectors(32) : 0);
    SAY(__builtin_cpu_supports("avx512bw") ? keeps_vectors(64) : 0);
    SAY(keeps_vectors(WITH_X87));
    SAY(keeps_flags(SYS_getppid));
    SAY(keeps_flags(SYS_getpid));
    SAY(keeps_flags(SYS_gettid));
    SAY(keeps_flags(SYS_umask));
}

/* What stands before the call moves, whatever its length; nothing here has padding nearby. */
__asm__(".text\n.fill 48, 1, 0x90\n"
        "c_two:   movl %edi, %eax\n\tsyscall\n\ttestq %rax, %rax\n\tret\n"
        "c_three: movq %rdi, %rax\n\tsyscall\n\tret\n"
        "c_four:  leaq 1(%rdi), %rax\n\tsyscall\n\tret\n"
        "c_five:  leaq -129(%rdi), %rax\n\tsyscall\n\tret\n"
        "c_rip:   movl c_number(%rip), %eax\n\tsyscall\n\tret\n"
        "c_push:  movl %edi, %eax\n\tpushq %r12\n\tsyscall\n\tpopq %r12\n\tret\n"
        /* counts in (%rsi): once for each call, whatever interrupts it */
        "c_once:  movl %edi, %eax\n\tincq (%rsi)\n\tsyscall\n\tret\n"
        /* enters behind what moves */
        "c_into:  movl %edi, %eax\n\tjmp 1f\n\txorl %eax, %eax\n1:\tsyscall\n\tret\n"
        /* the instruction that moves may fault */
        "c_fault: movl (%rsi), %eax\n\tsyscall\n\ttestq %rax, %rax\n\tret\n"
        "c_number: .long 110\n.fill 48, 1, 0x90\n");
extern long c_two(long), c_three(long), c_four(long), c_five(long), c_rip(void), c_push(long);
extern long c_once(long, uint64_t *), c_into(long), c_fault(long, const int *);

static const int fault_number = SYS_getppid;
static __thread volatile int faults;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal;
    if ((char *)uc->uc_mcontext.gregs[REG_RIP] != (char *)c_fault || info->si_addr != (void *)8)
        abort();
    uc->uc_mcontext.gregs[REG_RSI] = (greg_t)&fault_number;
    faults++;
}

static long parent;

static long moved_forms(int i, uint64_t *once)
{
    long wrong = 0;
    wrong += c_two(SYS_getppid) != parent;
    wrong += c_three(SYS_getppid) != parent;
    wrong += c_four(SYS_getppid - 1) != parent;
    wrong += c_five(SYS_getppid + 129) != parent;
    wrong += c_rip() != parent;
    wrong += c_push(SYS_getppid) != parent;
    wrong += c_once(SYS_getppid, once) != parent;
    wrong += c_into(SYS_getppid) != parent;
    wrong += c_fault(0, i % 16 ? &fault_number : (const int *)8) != parent;
    return wrong;
}

static void *hammer(void *arg)
{
    long wrong = 0;
    uint64_t once = 0;
    char byte;
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        wrong += by_mov() != parent;
        wrong += by_register(SYS_getppid) != parent;
        wrong += by_xor(-1, &byte, 1) != -EBADF;
        wrong += jumped_into(SYS_getppid) != parent;
        wrong += jumped_into(0 + (i & 1 ? SYS_getppid : 0)) < 0 && !(i & 1);
        wrong += keeps_registers();
        wrong += moved_forms(i, &once);
        wrong += keeps_flags(SYS_getppid) + keeps_flags(SYS_getpid);
        wrong += read(-1, &byte, 1) != -1 || errno != EBADF;
        wrong += getppid() != parent;
    }
    wrong += once != ROUNDS;
    wrong += faults != (ROUNDS + 15) / 16;
    return (void *)wrong;
}

/* Code made at run time is never rewritten, and may change. */
static void made_at_run_time(void)
{
    static const unsigned char code[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
    unsigned char *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long wrong = 0;
    memcpy(page, code, sizeof code);
    for (int i = 0; i < 200; i++)
        wrong += ((long (*)(void))page)() != parent;
    page[1] = 102;
    for (int i = 0; i < 200; i++)
        wrong += ((long (*)(void))page)() != (long)getuid();
    SAY(wrong);
    SAY(memcmp(page + 5, code + 5, 3));
}

static int64_t ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What is told without the kernel is what the kernel tells. */
static void raw_time(void)
{
    static const clockid_t clocks[] = {
        CLOCK_REALTIME,         CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
        CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,  CLOCK_TAI,           CLOCK_PROCESS_CPUTIME_ID};
    long wrong = 0;
    for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++)
        for (int k = 0; k < 50; k++) {
            struct timespec a, b, c;
            clock_gettime(clocks[i], &a);
            wrong += syscall(SYS_clock_gettime, clocks[i], &b) != 0;
            clock_gettime(clocks[i], &c);
            wrong += ns(a) > ns(b) || ns(b) > ns(c);
        }
    SAY(wrong);
    struct timeval v = {0}, w;
    struct timezone zone = {1, 1};
    unsigned cpu = 99999, node = 99999;
    time_t seconds = 0;
    gettimeofday(&w, NULL);
    SAY(syscall(SYS_gettimeofday, &v, NULL));
    SAY_TRUE(v.tv_sec - w.tv_sec >= 0 && v.tv_sec - w.tv_sec < 60 && v.tv_usec < 1000000);
    SAY(syscall(SYS_gettimeofday, NULL, &zone));
    SAY(zone.tz_minuteswest);
    SAY_TRUE(syscall(SYS_time, &seconds) == seconds && seconds >= w.tv_sec - 1);
    SAY_TRUE(syscall(SYS_time, NULL) >= seconds);
    SAY(syscall(SYS_getcpu, &cpu, &node, NULL));
    SAY_TRUE(cpu < 4096 && node < 1024);
    SAY(syscall(SYS_getcpu, NULL, NULL, NULL));
    errno = 0;
    SAY(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8));
    SAY(errno);
    SAY(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, NULL));
    SAY(errno);
    errno = 0;
    SAY(syscall(SYS_clock_gettime, 99, &v));
    SAY(errno);
    SAY(syscall(SYS_time, 8));
    SAY(errno);
    SAY(syscall(SYS_gettimeofday, 8, NULL));
    SAY(syscall(SYS_getcpu, 8, NULL, NULL));
}

static long (*trapping)(void);

static void *trap_for_ever(void *arg)
{
    for (;;)
        trapping();
    return arg;
}

static void *exec_true(void *arg)
{
    execl("/bin/true", "true", (char *)NULL);
    return arg;
}

/* An exec ends the other threads, whatever they are doing: here one trap after the other. */
static void exec_while_trapping(void)
{
    static const unsigned char code[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3};
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int wrong = 0;
    memcpy(page, code, sizeof code);
    trapping = (long (*)(void))page;
    for (int i = 0; i < 40; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            pthread_t t;
            pthread_create(&t, NULL, trap_for_ever, NULL);
            pthread_create(&t, NULL, exec_true, NULL);
            trap_for_ever(NULL);
        }
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    SAY(wrong);
}

static void *end_at_once(void *arg)
{
    return arg;
}

static void *start_others(void *arg)
{
    pthread_t t;
    for (;;)
        if (pthread_create(&t, NULL, end_at_once, NULL) == 0)
            pthread_detach(t);
    return arg;
}

/* The same of threads that end anyway. */
static void exec_while_ending(void)
{
    int wrong = 0;
    for (int i = 0; i < 40; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            pthread_t t;
            pthread_create(&t, NULL, start_others, NULL);
            pthread_create(&t, NULL, exec_true, NULL);
            start_others(NULL);
        }
        waitpid(child, &status, 0);
        wrong += status != 0;
    }
    SAY(wrong);
}

int main(void)
{
    vectors();
    raw_time();
    exec_while_trapping();
    exec_while_ending();
    pthread_t t[4];
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct itimerval every = {{0, 300}, {0, 300}}, off = {0};
    void *wrong;
    parent = getppid();
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGSEGV, &fault, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, hammer, NULL);
    long all = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &wrong);
        all += (long)wrong;
    }
    setitimer(ITIMER_REAL, &off, NULL);
    SAY(all);
    SAY_TRUE(ticks > 0);
    made_at_run_time();
    return 0;
}
