/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that changes or asks about the address space, wrong arguments included. */
#include "say.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PAGE 4096ul
#define FAR ((void *)0x7fffffffe000)    /* the last pages that a program may have */
#define BEYOND ((void *)0x800000000000) /* no program's */
#define KERNEL ((void *)0xffff800000000000)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static sigjmp_buf g_back;
static int g_signal, g_code;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    g_signal = signal;
    g_code = info->si_code;
    siglongjmp(g_back, 1);
}

/* 0, or the signal that reading (writing) one byte there brings. */
static int touch(volatile char *at, int write)
{
    g_signal = 0;
    if (sigsetjmp(g_back, 1) == 0) {
        char byte = *at;
        if (write)
            *at = byte;
    }
    return g_signal == 0 ? 0 : g_signal * 100 + g_code;
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static char *area(size_t pages)
{
    char *p = mmap(NULL, pages * PAGE, RW, ANON, -1, 0);
    for (size_t i = 0; i < pages; i++)
        p[i * PAGE] = (char)('a' + i % 26);
    return p;
}

#define MAPS(call_) SAY_TRUE((call_) != MAP_FAILED)

static void mapping_flags(void)
{
    char *p = area(8);
    SAY((long)mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    SAY((long)mmap(NULL, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE, 99, 0));
    SAY((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0));
    SAY((long)mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS | 0x8000000, -1, 0));
    SAY((long)mmap(NULL, SIZE_MAX, RW, ANON, -1, 0));
    SAY((long)mmap(NULL, SIZE_MAX - 2 * PAGE, RW, ANON, -1, 0));
    SAY((long)mmap(NULL, (size_t)1 << 47, RW, ANON | MAP_NORESERVE, -1, 0));
    SAY((long)mmap(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    SAY((long)mmap(FAR, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
    SAY((long)mmap(BEYOND, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    SAY((long)mmap(KERNEL, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    SAY((long)mmap(KERNEL, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    SAY((long)mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    SAY((long)mmap(p + 1, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    SAY(munmap(p + 2 * PAGE, 2 * PAGE));
    SAY_TRUE(mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + 2 * PAGE);
    SAY_TRUE(mmap(p + 3 * PAGE, 1, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + 3 * PAGE);
    SAY(touch(p + 3 * PAGE + 4000, 0));
    SAY(touch(p + 3 * PAGE, 1));
    char *low = mmap(NULL, 4 * PAGE, RW, ANON | MAP_32BIT, -1, 0);
    SAY_TRUE(low != MAP_FAILED && (uintptr_t)low < 0x80000000u);
    SAY(munmap(low, 4 * PAGE));
    char *hint = mmap(p + 100 * 1024 * PAGE + 123, PAGE, RW, ANON, -1, 0);
    SAY_TRUE(hint != MAP_FAILED && (uintptr_t)hint % PAGE == 0);
    MAPS(mmap(NULL, 64 * PAGE, RW, ANON | MAP_POPULATE, -1, 0));
    MAPS(mmap(NULL, 64 * PAGE, RW, ANON | MAP_NORESERVE | MAP_NONBLOCK, -1, 0));
    MAPS(mmap(NULL, 4 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
    MAPS(mmap(NULL, 4 * PAGE, RW, ANON | MAP_STACK | MAP_DENYWRITE | MAP_EXECUTABLE, -1, 0));
    MAPS(mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    SAY((long)mmap(NULL, 2u << 20, RW, ANON | MAP_HUGETLB, -1, 0));
    SAY((long)mmap(NULL, 2u << 20, RW, ANON | MAP_HUGETLB | (5 << MAP_HUGE_SHIFT), -1, 0));
    MAPS(mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0));
    MAPS(mmap(NULL, PAGE, PROT_WRITE, ANON, -1, 0));
    MAPS(mmap(NULL, PAGE, PROT_EXEC, ANON, -1, 0));
    SAY(munmap(p, 8 * PAGE));
}

static void null_faults(void)
{
    SAY(touch(NULL, 0));
    SAY(touch((char *)8, 1));
    SAY(touch((char *)PAGE, 0));
    SAY(touch(KERNEL, 0) / 100);
}

static void unmapping(void)
{
    char *p = area(8);
    SAY(munmap(p, 0));
    SAY(munmap(p + 1, PAGE));
    SAY(munmap(p, SIZE_MAX));
    SAY(munmap(p, SIZE_MAX - PAGE + 1));
    SAY(munmap(BEYOND, PAGE));
    SAY(munmap(KERNEL, PAGE));
    SAY(munmap(FAR, 4 * PAGE));
    SAY(munmap(p + PAGE, 1));
    SAY(touch(p + PAGE, 0));
    SAY(touch(p + 2 * PAGE, 1));
    SAY(munmap(p, 8 * PAGE));
    SAY(touch(p, 0));
}

static void protecting(void)
{
    char *p = area(8);
    SAY(mprotect(p, PAGE, PROT_NONE));
    SAY(touch(p, 0));
    SAY(mprotect(p, PAGE, RW));
    SAY(touch(p, 1));
    SAY(mprotect(p + 1, PAGE, RW));
    SAY(mprotect(p, 0, RW));
    SAY(mprotect(p + 1, 0, RW));
    SAY(mprotect(p, PAGE, 0x100));
    SAY(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
    SAY(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
    SAY(mprotect(p, SIZE_MAX, RW));
    SAY(mprotect(p, SIZE_MAX - PAGE, RW));
    SAY(mprotect(BEYOND, PAGE, RW));
    SAY(mprotect(KERNEL, PAGE, RW));
    SAY(munmap(p + 4 * PAGE, PAGE));
    SAY(mprotect(p, 8 * PAGE, PROT_READ));
    SAY(touch(p + 3 * PAGE, 1)); /* what lies before the gap has changed */
    SAY(touch(p + 5 * PAGE, 1)); /* what lies behind has not */
    SAY(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
    SAY(syscall(SYS_pkey_mprotect, p, PAGE, RW, -1));
    SAY(touch(p, 1));
    SAY(syscall(SYS_pkey_mprotect, p, PAGE, RW, 77));
    SAY(munmap(p, 8 * PAGE));
}

static void moving(void)
{
    char *p = area(8), *q;
    SAY((long)mremap(p + 1, PAGE, PAGE, 0));
    SAY((long)mremap(p, PAGE, 0, 0));
    SAY((long)mremap(p, PAGE, PAGE, 0x80));
    SAY((long)mremap(p, PAGE, PAGE, MREMAP_FIXED, p + 4 * PAGE));
    SAY((long)mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE));
    SAY((long)mremap(p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE + 1));
    SAY((long)mremap(p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, KERNEL));
    SAY((long)mremap(p, 0, PAGE, MREMAP_MAYMOVE)); /* a private mapping has no twin */
    SAY((long)mremap(KERNEL, PAGE, PAGE, MREMAP_MAYMOVE));
    SAY((long)mremap(p, SIZE_MAX, PAGE, MREMAP_MAYMOVE));
    SAY((long)mremap(p, PAGE, SIZE_MAX, MREMAP_MAYMOVE));
    SAY((long)mremap(p, PAGE, (size_t)1 << 47, MREMAP_MAYMOVE));
    SAY((long)mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_DONTUNMAP));
    SAY((long)mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE));
    SAY((long)mremap(p + PAGE, PAGE, 4 * PAGE, 0)); /* the next page is taken */
    SAY_TRUE(mremap(p, 8 * PAGE, 6 * PAGE, 0) == p);
    SAY(touch(p + 6 * PAGE, 0));
    SAY((long)mremap(p + 6 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE));
    SAY((long)mremap(p + 5 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
    q = mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    SAY(q[0] * 1000 + q[PAGE]);
    SAY(touch(q + 3 * PAGE, 1));
    SAY(touch(p, 0));
    char *target = area(4);
    SAY_TRUE(mremap(q, 4 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, target) == target);
    SAY(target[0] * 1000 + target[2 * PAGE]);
    char *left = mremap(target, 2 * PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE);
    SAY(left[PAGE]);
    SAY(touch(target, 1));
    SAY(target[PAGE]);
    char *shared = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *twin = mremap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE);
    SAY_TRUE(twin != MAP_FAILED && twin != shared);
    shared[PAGE + 5] = 'T';
    SAY(twin[PAGE + 5]);
    SAY(munmap(shared, 2 * PAGE));
    SAY(twin[PAGE + 5]);
    SAY(munmap(twin, 2 * PAGE));
}

/* By a descriptor that is the process's own. */
static void advising_oneself(void)
{
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    char *p = area(4);
    memset(p, 'x', 4 * PAGE);
    struct iovec iov[2] = {{p, PAGE}, {p + 2 * PAGE, PAGE}};
    SAY(syscall(SYS_process_madvise, self, iov, 2, MADV_COLD, 0));
    SAY(syscall(SYS_process_madvise, self, iov, 0, MADV_COLD, 0));
    SAY(syscall(SYS_process_madvise, self, iov, 2, MADV_COLD, 1));
    SAY(syscall(SYS_process_madvise, self, iov, 2, 4711, 0));
    SAY(syscall(SYS_process_madvise, self, (void *)8, 2, MADV_COLD, 0));
    iov[1].iov_base = p + 2 * PAGE + 1;
    SAY(syscall(SYS_process_madvise, self, iov, 2, MADV_COLD, 0));
    SAY(p[0] + p[2 * PAGE]);
    munmap(p, 4 * PAGE);
    close(self);
}

static void advising(void)
{
    char *p = area(64);
    static const int all[] = {MADV_NORMAL,
                              MADV_RANDOM,
                              MADV_SEQUENTIAL,
                              MADV_WILLNEED,
                              MADV_FREE,
                              MADV_REMOVE,
                              MADV_DONTFORK,
                              MADV_DOFORK,
                              MADV_HUGEPAGE,
                              MADV_NOHUGEPAGE,
                              MADV_DONTDUMP,
                              MADV_DODUMP,
                              MADV_WIPEONFORK,
                              MADV_KEEPONFORK,
                              MADV_COLD,
                              MADV_PAGEOUT,
                              MADV_POPULATE_READ,
                              MADV_POPULATE_WRITE,
                              25,
                              99,
                              -1};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        printf("advice %d\n", all[i]);
        SAY(madvise(p + 8 * PAGE, PAGE, all[i]) < 0 ? -errno : 0);
    }
    SAY(madvise(p + 1, PAGE, MADV_NORMAL));
    SAY(madvise(p, 0, MADV_NORMAL));
    SAY(madvise(p, 0, 99));
    SAY(madvise(p, SIZE_MAX, MADV_NORMAL));
    SAY(madvise(p, SIZE_MAX - PAGE, MADV_NORMAL));
    SAY(madvise(KERNEL, PAGE, MADV_NORMAL));
    SAY(madvise(BEYOND, PAGE, MADV_DONTNEED));
    SAY(munmap(p + PAGE, PAGE));
    SAY(madvise(p, 3 * PAGE, MADV_DONTNEED));
    SAY(p[0] + p[2 * PAGE]);
    SAY(madvise(p, 3 * PAGE, MADV_POPULATE_WRITE));
    SAY(madvise(p + PAGE, PAGE, MADV_WILLNEED));
    /* What a child gets of it. */
    p[10 * PAGE] = p[11 * PAGE] = 'x';
    SAY(madvise(p + 10 * PAGE, PAGE, MADV_WIPEONFORK));
    SAY(madvise(p + 11 * PAGE, PAGE, MADV_DONTFORK));
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(p[10 * PAGE] == 0 && touch(p + 11 * PAGE, 0) / 100 == SIGSEGV);
    waitpid(child, &status, 0);
    SAY(status);
    /* A private mapping of a file begins again with what the file holds. */
    int fd = open("/proc/self/exe", O_RDONLY);
    char *file = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
    file[1] = '!';
    SAY(madvise(file, PAGE, MADV_DONTNEED));
    SAY(file[1]);
    SAY(munmap(file, 2 * PAGE));
    struct iovec part = {p, PAGE};
    SAY(syscall(SYS_process_madvise, -1, &part, 1, MADV_COLD, 0));
    advising_oneself();
    SAY(munmap(p, 64 * PAGE));
}

static void locking(void)
{
    char *p = area(8);
    SAY(mlock(p, PAGE));
    SAY(mlock(p + 100, 8000));
    SAY(munlock(p, PAGE));
    SAY(mlock(p, 0));
    SAY(syscall(SYS_mlock2, p, PAGE, 1));
    SAY(syscall(SYS_mlock2, p, PAGE, 2));
    SAY(munmap(p + 4 * PAGE, PAGE));
    SAY(mlock(p, 8 * PAGE));
    SAY(munlock(p, 8 * PAGE));
    SAY(mlock(p, SIZE_MAX));
    SAY(mlock(p + 4 * PAGE, PAGE));
    SAY(mlockall(0));
    SAY(mlockall(77));
    SAY(mlockall(MCL_ONFAULT));
    SAY(mlockall(MCL_CURRENT | MCL_ONFAULT));
    SAY(munlockall());
    SAY(munmap(p, 8 * PAGE));
}

static void residence(void)
{
    unsigned char vec[16];
    char *p = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);
    p[0] = p[3 * PAGE] = 1;
    SAY(mincore(p, 8 * PAGE, vec));
    SAY((vec[0] & 1) * 1000 + (vec[1] & 1) * 100 + (vec[3] & 1) * 10 + (vec[7] & 1));
    SAY(mincore(p + 1, PAGE, vec));
    SAY(mincore(p, 0, vec));
    SAY(mincore(p, 100, vec));
    SAY(mincore(p, PAGE, (void *)8));
    SAY(mincore(KERNEL, PAGE, vec));
    SAY(munmap(p + 4 * PAGE, PAGE));
    SAY(mincore(p, 8 * PAGE, vec));
    SAY(msync(p, PAGE, MS_SYNC));
    SAY(msync(p, PAGE, MS_ASYNC));
    SAY(msync(p, PAGE, MS_SYNC | MS_ASYNC));
    SAY(msync(p, PAGE, MS_INVALIDATE));
    SAY(msync(p, PAGE, 0));
    SAY(msync(p, PAGE, 64));
    SAY(msync(p + 1, PAGE, MS_SYNC));
    SAY(msync(p, 0, MS_SYNC));
    SAY(msync(p, 8 * PAGE, MS_SYNC));
    SAY(msync(p, SIZE_MAX, MS_SYNC));
    SAY(msync(KERNEL, PAGE, MS_SYNC));
    SAY(munmap(p, 8 * PAGE));
}

static void nonlinear(void)
{
    char *p = mmap(NULL, 12 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    munmap(p + 4 * PAGE, 8 * PAGE);
    for (int i = 0; i < 4; i++)
        p[i * (int)PAGE] = (char)('0' + i);
    SAY(remap_file_pages(p, PAGE, 0, 2, 0));
    SAY(p[0] * 1000 + p[PAGE]);
    SAY(remap_file_pages(p, PAGE, PROT_READ, 2, 0));
    SAY(remap_file_pages(p + 8 * PAGE, PAGE, 0, 2, 0) < 0);
    char *q = area(2);
    SAY(remap_file_pages(q, PAGE, 0, 1, 0));
    SAY(munmap(p, 4 * PAGE));
}

static void barriers(void)
{
    long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    SAY_TRUE(can > 0 && (can & MEMBARRIER_CMD_PRIVATE_EXPEDITED));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    SAY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 77, 0));
    SAY(syscall(SYS_membarrier, 1 << 20, 0, 0));
}

static void breaks(void)
{
    char *start = sbrk(0);
    SAY_TRUE((char *)syscall(SYS_brk, start + 10000) == start + 10000);
    start[9999] = 1;
    SAY(touch(start + 12288, 0) != 0 || (uintptr_t)start % PAGE != 0);
    SAY_TRUE((char *)syscall(SYS_brk, start + 5000) == start + 5000);
    SAY_TRUE((char *)syscall(SYS_brk, start + 10000) == start + 10000);
    SAY_TRUE(start[9999] == 0 || (uintptr_t)start % PAGE != 0);
    SAY_TRUE((char *)syscall(SYS_brk, 0) == start + 10000);
    SAY_TRUE((char *)syscall(SYS_brk, KERNEL) == start + 10000);
    SAY_TRUE((char *)syscall(SYS_brk, (size_t)1 << 46) == start + 10000);
    struct rlimit old, small = {.rlim_cur = 1 << 16, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_DATA, &old);
    small.rlim_max = old.rlim_max;
    SAY(setrlimit(RLIMIT_DATA, &small));
    SAY_TRUE((char *)syscall(SYS_brk, start + (16 << 20)) == start + 10000);
    SAY(setrlimit(RLIMIT_DATA, &old));
    SAY_TRUE((char *)syscall(SYS_brk, start + (16 << 20)) == start + (16 << 20));
    /* In the way of the break. */
    char *next = (char *)(((uintptr_t)start + (17 << 20)) & ~(PAGE - 1));
    SAY_TRUE(mmap(next, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == next);
    SAY_TRUE((char *)syscall(SYS_brk, next + PAGE) == start + (16 << 20));
    SAY(munmap(next, PAGE));
    SAY_TRUE((char *)syscall(SYS_brk, start) == start);
}

/* Recursion without end takes what the limit says, then faults. */
static size_t g_depth;

static __attribute__((noinline)) int deeper(volatile char *above)
{
    volatile char frame[4000];
    frame[0] = above[0];
    g_depth += sizeof frame;
    if (g_depth > 1 << 30)
        return 0;
    return deeper(frame) + frame[1];
}

static void stack(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    SAY((long)limit.rlim_cur);
    static char other[65536];
    stack_t alternate = {.ss_sp = other, .ss_size = sizeof other};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    volatile char first = 0;
    g_depth = 0;
    if (sigsetjmp(g_back, 1) == 0)
        deeper(&first);
    SAY(g_signal);
    SAY(g_depth > 7 << 20 && g_depth < 9 << 20);
    catch_faults();
    /* A mapping that grows by itself. */
    char *room = mmap(NULL, 512 * PAGE, PROT_NONE, ANON, -1, 0);
    munmap(room, 512 * PAGE);
    char *grows = mmap(room + 400 * PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    SAY_TRUE(grows == room + 400 * PAGE);
    SAY(touch(grows - 1, 1));
    SAY(touch(grows - PAGE - 1, 1));
    SAY(munmap(room, 512 * PAGE));
}

static void segments(void)
{
    int id = shmget(IPC_PRIVATE, 3 * PAGE, IPC_CREAT | 0600);
    char *p = shmat(id, NULL, 0), *q = shmat(id, NULL, SHM_RDONLY);
    SAY_TRUE(p != (char *)-1 && q != (char *)-1);
    p[PAGE] = 'S';
    SAY(q[PAGE]);
    SAY(touch(q, 1));
    char *place = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    SAY((long)shmat(id, place, 0));
    SAY((long)shmat(id, place + 1, 0));
    SAY_TRUE(shmat(id, place + 1, SHM_RND | SHM_REMAP) == place);
    SAY(place[PAGE]);
    SAY(shmdt(place + PAGE));
    SAY(shmdt(place));
    SAY(shmdt(p));
    SAY(shmdt(p));
    SAY(shmdt(q));
    SAY((long)shmat(9999999, NULL, 0));
    SAY(shmctl(id, IPC_RMID, NULL));
    SAY(munmap(place, 4 * PAGE));
}

static void policies(void)
{
    int mode = -1;
    char *p = area(4);
    SAY(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0));
    SAY(mode);
    SAY(syscall(SYS_mbind, p, PAGE, MPOL_DEFAULT, NULL, 0, 0));
    SAY(syscall(SYS_mbind, p + 1, PAGE, MPOL_DEFAULT, NULL, 0, 0));
    SAY(syscall(SYS_mbind, p, PAGE, 99, NULL, 0, 0));
    SAY(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
    SAY(munmap(p, 4 * PAGE));
}

/* Memory past the limit is refused. */
static void limits(void)
{
    struct rlimit old, small;
    getrlimit(RLIMIT_AS, &old);
    small = (struct rlimit){.rlim_cur = 1u << 30, .rlim_max = old.rlim_max};
    SAY(setrlimit(RLIMIT_AS, &small));
    SAY((long)mmap(NULL, (size_t)2 << 30, RW, ANON | MAP_NORESERVE, -1, 0));
    SAY(setrlimit(RLIMIT_AS, &old));
}

/* Code, data, heap, libraries and stack lie in Linux's order. */
static void order(void)
{
    static int data;
    int local;
    char *heap = sbrk(0), *map = mmap(NULL, PAGE, RW, ANON, -1, 0);
    SAY_TRUE((uintptr_t)&data < (uintptr_t)heap);
    SAY_TRUE((uintptr_t)heap < (uintptr_t)map);
    SAY_TRUE((uintptr_t)map < (uintptr_t)&local);
    SAY_TRUE((uintptr_t)&local < 0x800000000000u);
    char *next = mmap(NULL, PAGE, RW, ANON, -1, 0);
    SAY_TRUE(next != map);
}

static int say_where(void)
{
    int local;
    printf("%p %p %p %p\n", (void *)say_where, sbrk(0), mmap(NULL, PAGE, RW, ANON, -1, 0),
           (void *)&local);
    return 0;
}

/* Each start lies elsewhere, with code, heap, mappings and stack each in a place of their own. */
static void randomness(void)
{
    void *at[2][4] = {{NULL}};
    char command[300], self[256] = "";
    (void)!readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(command, sizeof command, "%s where", self);
    for (int run = 0; run < 2; run++) {
        FILE *out = popen(command, "r");
        int n = fscanf(out, "%p %p %p %p", &at[run][0], &at[run][1], &at[run][2], &at[run][3]);
        SAY(n);
        pclose(out);
    }
    for (int i = 0; i < 4; i++)
        SAY_TRUE(at[0][i] != at[1][i]);
    SAY_TRUE((char *)at[0][1] - (char *)at[0][0] != (char *)at[1][1] - (char *)at[1][0]);
    SAY_TRUE((char *)at[0][3] - (char *)at[0][2] != (char *)at[1][3] - (char *)at[1][2]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "where") == 0)
        return say_where();
    catch_faults();
    null_faults();
    mapping_flags();
    unmapping();
    protecting();
    moving();
    advising();
    locking();
    residence();
    nonlinear();
    barriers();
    breaks();
    stack();
    segments();
    policies();
    limits();
    order();
    randomness();
    return 0;
}
