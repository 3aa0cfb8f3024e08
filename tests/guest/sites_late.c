/* SPDX-License-Identifier: Apache-2.0 */
/* Code that comes, goes and changes after its calls have been rewritten: libraries loaded again where
 * others were, text that is written, moved, mapped over or shared, code made at run time that other
 * threads run meanwhile; and the calls that are none: vsyscall and vDSO. */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

#define PAGE 4096ul
#define HOT 300 /* more than it takes for a call to be rewritten */

typedef long call_fn(void);

/* mov $nr, %eax; syscall; ret */
static void code_put(uint8_t *at, uint32_t nr)
{
    static const uint8_t rest[] = {0x0f, 0x05, 0xc3};
    at[0] = 0xb8;
    memcpy(at + 1, &nr, 4);
    memcpy(at + 5, rest, sizeof rest);
}

/* How often it did not answer as wanted. */
static long hammered(call_fn *call, long wanted)
{
    long wrong = 0;
    for (int i = 0; i < HOT; i++)
        wrong += call() != wanted;
    return wrong;
}

/* --- libraries ---------------------------------------------------------------------------------- */

static void libraries(const char *folder)
{
    long wrong = 0, at_once = 0;
    void *last = NULL;
    for (int i = 0; i < 30; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/libguest-sites-module-%d.so", folder, 1 + i % 2);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        call_fn *call = library ? (call_fn *)(uintptr_t)dlsym(library, "module_call") : NULL;
        if (!call) {
            printf("%s\n", dlerror());
            return;
        }
        wrong += hammered(call, i % 2 ? (long)getuid() : (long)getppid());
        at_once += (void *)(uintptr_t)call == last;
        last = (void *)(uintptr_t)call;
        dlclose(library);
    }
    SAY(wrong);
    SAY_TRUE(at_once > 0); /* the second of them stood where the first was */
}

/* --- text of a file ------------------------------------------------------------------------------ */

static int code_file(const char *name, uint32_t nr)
{
    uint8_t page[PAGE];
    memset(page, 0x90, sizeof page);
    code_put(page + 64, nr);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0700);
    if (write(fd, page, sizeof page) != (ssize_t)sizeof page)
        perror("write");
    return fd;
}

static call_fn *call_at(uint8_t *page)
{
    return (call_fn *)(uintptr_t)(page + 64);
}

static void private_text(void)
{
    int fd = code_file("text", SYS_getppid), other = code_file("other", SYS_getuid);
    uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    SAY(hammered(call_at(p), getppid()));
    SAY(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
    code_put(p + 64, SYS_getuid);
    SAY(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    SAY(hammered(call_at(p), getuid()));
    SAY(madvise(p, PAGE, MADV_DONTNEED)); /* the file's again */
    SAY(hammered(call_at(p), getppid()));
    uint8_t *q = mmap(p, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, other, 0);
    SAY_TRUE(q == p);
    SAY(hammered(call_at(p), getuid()));
    q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
               mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SAY_TRUE(q != p && q != MAP_FAILED);
    SAY(hammered(call_at(q), getuid()));
    p = mmap(p, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
    SAY(hammered(call_at(p), getppid()));
    munmap(q, PAGE);
    munmap(p, PAGE);
    close(fd);
    close(other);
}

static void shared_text(void)
{
    int fd = code_file("shared", SYS_getppid);
    uint8_t *run = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    uint8_t *change = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SAY(hammered(call_at(run), getppid()));
    code_put(change + 64, SYS_getuid);
    SAY(hammered(call_at(run), getuid()));
    uint8_t byte;
    SAY(pread(fd, &byte, 1, 64)); /* nobody has written into the file */
    SAY(byte);
    munmap(run, PAGE);
    munmap(change, PAGE);
    close(fd);
}

/* --- code made at run time ------------------------------------------------------------------------ */

static uint8_t *g_made;
static volatile int g_stop;

static void *run_made(void *arg)
{
    long wrong = 0, parent = getppid(), user = getuid();
    (void)arg;
    while (!g_stop) {
        long r = call_at(g_made)();
        wrong += r != parent && r != user;
    }
    return (void *)wrong;
}

/* The number changes under threads that run it, as an inline cache's address does. */
static void changing_code(void)
{
    pthread_t threads[3];
    g_made =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    code_put(g_made + 64, SYS_getppid);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, run_made, NULL);
    uint32_t word[2];
    for (int i = 0; i < 2; i++) {
        uint8_t code[16];
        code_put(code, i ? SYS_getuid : SYS_getppid);
        memcpy(&word[i], code + 1, 4);
    }
    for (int i = 0; i < 20000; i++) /* within one line of the cache, so it is one store */
        __atomic_store((uint32_t *)(void *)(g_made + 65), &word[i % 2], __ATOMIC_SEQ_CST);
    g_stop = 1;
    long all = 0;
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        all += (long)wrong;
    }
    SAY(all);
    munmap(g_made, PAGE);
}

/* --- what is no system call ------------------------------------------------------------------------ */

static sigjmp_buf g_back;

static void on_fault(int signal)
{
    siglongjmp(g_back, signal);
}

static void old_page(void)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    int fault = sigsetjmp(g_back, 1);
    if (fault == 0) {
        time_t (*old_time)(time_t *) = (void *)0xffffffffff600400ul;
        time_t before = time(NULL), told = old_time(NULL);
        SAY_TRUE(told >= before - 1 && told <= time(NULL) + 1);
    } else {
        SAY(fault);
    }
    signal(SIGSEGV, SIG_DFL);
}

/* The address of a function of the vDSO. */
static void *vdso_find(const char *name)
{
    const uint8_t *base = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
    if (!base)
        return NULL;
    const Elf64_Ehdr *head = (const void *)base;
    const Elf64_Phdr *part = (const void *)(base + head->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    for (int i = 0; i < head->e_phnum; i++)
        if (part[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(base + part[i].p_offset);
    const Elf64_Sym *symbols = NULL;
    const char *texts = NULL;
    size_t text_size = 0;
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = (const void *)(base + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_STRTAB)
            texts = (const char *)base + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_STRSZ)
            text_size = dynamic->d_un.d_val;
    }
    for (size_t i = 1; symbols && texts && i < 64 && symbols[i].st_name < text_size; i++)
        if (strcmp(texts + symbols[i].st_name, name) == 0)
            return (void *)(uintptr_t)(base + symbols[i].st_value);
    return NULL;
}

static void virtual_library(void)
{
    int (*clock)(clockid_t, struct timespec *) = vdso_find("__vdso_clock_gettime");
    long (*cpu)(unsigned *, unsigned *, void *) = vdso_find("__vdso_getcpu");
    SAY_TRUE(clock != NULL);
    if (!clock)
        return;
    long wrong = 0;
    for (int i = 0; i < HOT; i++) {
        struct timespec a, b, c;
        clock_gettime(CLOCK_MONOTONIC, &a);
        wrong += clock(CLOCK_MONOTONIC, &b) != 0;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &c);
        wrong += b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec);
        wrong += c.tv_sec < b.tv_sec || (c.tv_sec == b.tv_sec && c.tv_nsec < b.tv_nsec);
    }
    SAY(wrong);
    struct timespec t;
    SAY(clock(CLOCK_PROCESS_CPUTIME_ID, &t)); /* which it asks the kernel for */
    SAY_TRUE(clock(9999, &t) != 0);
    unsigned number = 99999, node;
    SAY_TRUE(!cpu || (cpu(&number, &node, NULL) == 0 && number < 99999));
}

int main(int argc, char **argv)
{
    char folder[400] = "";
    (void)argc, (void)argv;
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (n > 0 && strrchr(folder, '/'))
        *strrchr(folder, '/') = '\0';
    libraries(folder);
    private_text();
    shared_text();
    changing_code();
    old_page();
    virtual_library();
    return 0;
}
