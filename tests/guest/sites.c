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

static long parent;

static void *hammer(void *arg)
{
    long wrong = 0;
    char byte;
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        wrong += by_mov() != parent;
        wrong += by_register(SYS_getppid) != parent;
        wrong += by_xor(-1, &byte, 1) != -EBADF;
        wrong += jumped_into(SYS_getppid) != parent;
        wrong += jumped_into(0 + (i & 1 ? SYS_getppid : 0)) < 0 && !(i & 1);
        wrong += keeps_registers();
        wrong += read(-1, &byte, 1) != -1 || errno != EBADF;
        wrong += getppid() != parent;
    }
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

int main(void)
{
    pthread_t t[4];
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 300}, {0, 300}}, off = {0};
    void *wrong;
    parent = getppid();
    sigaction(SIGALRM, &action, NULL);
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
