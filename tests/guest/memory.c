/* SPDX-License-Identifier: Apache-2.0 */
/* The address space: maps, breaks, protections, what may not be mapped over. */
#include "say.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define PAGE 4096

static void maps(void)
{
    char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SAY_TRUE(p != MAP_FAILED);
    memset(p, 'x', 16 * PAGE);
    SAY(munmap(p + 4 * PAGE, 4 * PAGE));
    SAY_TRUE(mmap(p + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
             p + 4 * PAGE);
    SAY(p[4 * PAGE]);
    SAY(p[3 * PAGE]);
    SAY(mprotect(p, PAGE, PROT_READ));
    SAY(mprotect(p + 5 * PAGE, PAGE, PROT_READ));
    SAY(madvise(p + 8 * PAGE, PAGE, MADV_DONTNEED));
    SAY(p[8 * PAGE]);
    SAY_TRUE(mmap(p + 8 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                  -1, 0) == MAP_FAILED);
    char *q = mremap(p + 8 * PAGE, 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    SAY_TRUE(q != MAP_FAILED);
    SAY(q[7 * PAGE]);
    SAY(munmap(q, 64 * PAGE));
    SAY(munmap(p, 16 * PAGE));
    SAY(munmap(p, 16 * PAGE));
    SAY(munmap(p + 1, PAGE));
    SAY((long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SAY((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));
    SAY((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
}

static void breaks(void)
{
    char *start = sbrk(0);
    SAY_TRUE(sbrk(100000) == start);
    memset(start, 1, 100000);
    SAY(start[99999]);
    SAY(brk(start));
    SAY_TRUE(sbrk(0) == start);
    SAY_TRUE(brk((void *)PAGE) == -1);
}

static void heap(void)
{
    size_t sum = 0;
    for (int i = 1; i < 400; i++) {
        char *p = malloc((size_t)i * 1000);
        memset(p, i, (size_t)i * 1000);
        sum += (unsigned char)p[i];
        free(p);
    }
    SAY(sum);
}

static void environment(void)
{
    struct timespec a, b;
    SAY(getauxval(AT_PAGESZ));
    SAY_TRUE(getauxval(AT_RANDOM) != 0);
    SAY_TRUE(getauxval(AT_SYSINFO_EHDR) != 0);
    SAY_TRUE(strstr((const char *)getauxval(AT_EXECFN), "memory") != NULL);
    SAY(clock_gettime(CLOCK_MONOTONIC, &a));
    SAY(clock_gettime(CLOCK_MONOTONIC, &b));
    SAY_TRUE(b.tv_sec > a.tv_sec || b.tv_nsec >= a.tv_nsec);
    SAY(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a));
    SAY(syscall(SYS_clock_gettime, 99, &a));
    SAY(syscall(9999));
    SAY(getentropy(&a, sizeof a));
    uint32_t word = 5;
    SAY(syscall(SYS_futex, &word, 0, 4, NULL, NULL, 0));
}

int main(void)
{
    maps();
    breaks();
    heap();
    environment();
    return 0;
}
