/* SPDX-License-Identifier: Apache-2.0 */
/* image_start() runs before there is a libc, at an address nothing has been relocated for: no calls, no
 * tables, no thread pointer. From image_enter() on everything is as in main(). */
#include "platform/linux/image.h"

#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define MAGIC 0x31474d4946464f43ull /* "COFFIMG1" */
#define PAGE 4096ull
#define SPECIAL_MAX 4 /* mappings of the kernel's own: vvar, vdso */
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct stretch {
    uint64_t address, size;
};

/* The first page of the memfd; behind it the data, then the heap. */
struct header {
    uint64_t magic;
    struct stretch program;     /* all segments */
    struct stretch data, empty; /* the writable one: what is in the memfd, and pages of zeros */
    struct stretch relro;
    struct stretch heap;
    struct stretch special[SPECIAL_MAX];
    uint64_t vdso, main_thread, tid_at, rseq_at;
};
_Static_assert(sizeof(struct header) <= PAGE, "one page");

extern const char __ehdr_start[] HIDDEN;
/* libc's own: where it looks for what the kernel says, and for messages. */
extern ElfW(auxv_t) * _dl_auxv HIDDEN;
extern char **__libc_argv HIDDEN;

int main(int argc, char **argv, char **envp);
void image_start(long *stack);

static inline __attribute__((always_inline)) long call(long nr, long a, long b, long c, long d,
                                                       long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

static const ElfW(Phdr) * segments(unsigned *ret_count)
{
    const ElfW(Ehdr) *header = (const void *)__ehdr_start;
    *ret_count = header->e_phnum;
    return (const void *)(__ehdr_start + header->e_phoff);
}

/* --- making ---------------------------------------------------------------------------------- */

static struct stretch between(uint64_t from, uint64_t to)
{
    return (struct stretch){from & ~(PAGE - 1),
                            ((to + PAGE - 1) & ~(PAGE - 1)) - (from & ~(PAGE - 1))};
}

static void find_segments(struct header *h)
{
    const uint64_t base = (uint64_t)__ehdr_start;
    unsigned count;
    const ElfW(Phdr) *segment = segments(&count);
    for (; count > 0; segment++, count--) {
        const uint64_t from = base + segment->p_vaddr, to = from + segment->p_memsz;
        if (segment->p_type == PT_GNU_RELRO) /* rounded down at its end, as libc does it */
            h->relro = between(from, to & ~(PAGE - 1));
        if (segment->p_type != PT_LOAD)
            continue;
        h->program = between(base, to);
        if (segment->p_flags & PF_W)
            h->data = between(from, to);
    }
}

/* The heap and the kernel's own mappings, which libc knows the addresses of. */
static int find_mappings(struct header *h)
{
    static char text[16384];
    unsigned special = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    for (ssize_t n = 1; fd >= 0 && n > 0 && size < sizeof text - 1;
         size += (size_t)MAX(n, (ssize_t)0))
        n = read(fd, text + size, sizeof text - 1 - size);
    if (fd >= 0)
        (void)close(fd);
    text[size] = '\0';
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        const char *name = strchr(at, '[');
        const uint64_t from = strtoull(at, &at, 16), to = strtoull(at + 1, NULL, 16);
        if (!name)
            continue;
        if (strcmp(name, "[heap]") == 0)
            h->heap = between(from, to);
        if (strcmp(name, "[vdso]") == 0)
            h->vdso = from;
        if (strcmp(name, "[vdso]") == 0 || strncmp(name, "[vvar", 5) == 0) {
            if (special == SPECIAL_MAX)
                return -ENOTSUP;
            h->special[special++] = between(from, to);
        }
    }
    for (unsigned i = 1; i < special; i++) /* moved as one */
        if (h->special[i].address != h->special[i - 1].address + h->special[i - 1].size)
            return -ENOTSUP;
    return h->heap.size > 0 && h->vdso != 0 && h->relro.address == h->data.address &&
                   sbrk(0) == (char *)h->heap.address + h->heap.size
               ? 0
               : -ENOTSUP;
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Pages of zeros stay holes. */
static int put(int fd, const struct stretch *from, uint64_t offset)
{
    for (uint64_t at = 0; at < from->size; at += PAGE) {
        const uint8_t *page = (const uint8_t *)from->address + at;
        if (!is_zero(page) && pwrite(fd, page, PAGE, (off_t)(offset + at)) != (ssize_t)PAGE)
            return -EIO;
    }
    return 0;
}

static void split_empty(struct header *h)
{
    uint64_t size = h->data.size;
    while (size > h->relro.size + PAGE && is_zero((const uint8_t *)h->data.address + size - PAGE))
        size -= PAGE;
    h->empty = (struct stretch){h->data.address + size, h->data.size - size};
    h->data.size = size;
}

int image_make(int fd)
{
    static struct header h;
    static char name[] = "coffer-runtime";
    program_invocation_name = program_invocation_short_name = name;
    struct rlimit limit; /* a limit on files would end the process */
    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY)
        return -EFBIG;
    find_segments(&h);
    int r = find_mappings(&h);
    if (r < 0)
        return r;
    if (syscall(SYS_arch_prctl, ARCH_GET_FS, &h.main_thread) < 0 ||
        prctl(PR_GET_TID_ADDRESS, &h.tid_at) < 0)
        return -errno;
    h.rseq_at = __rseq_size > 0 ? h.main_thread + (uint64_t)__rseq_offset : 0;
    split_empty(&h);
    const uint64_t heap_at = PAGE + h.data.size;
    if (ftruncate(fd, (off_t)(heap_at + h.heap.size)) < 0)
        return -errno;
    r = put(fd, &h.data, PAGE);
    if (r == 0)
        r = put(fd, &h.heap, heap_at);
    h.magic = MAGIC;
    if (r == 0 && pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
        r = -EIO;
    return r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : r;
}

bool image_is_ready(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

/* --- beginning from one ---------------------------------------------------------------------- */

/* What the old place of the program passes to the new one. */
struct arrival {
    long *stack;
    struct stretch old;
    uint64_t vdso;
    struct prctl_mm_map mm;
    int exe;
};

static struct prctl_mm_map g_mm; /* all 0: not from an image */

bool image_mm(struct prctl_mm_map *ret)
{
    *ret = g_mm;
    return g_mm.start_brk != 0;
}

/* What the kernel said of addresses that are no more. */
static void correct(ElfW(auxv_t) * at, const struct arrival *from)
{
    for (; at->a_type != AT_NULL; at++) {
        if (at->a_type == AT_SYSINFO_EHDR)
            at->a_un.a_val = from->vdso;
        if (at->a_type == AT_PHDR || at->a_type == AT_ENTRY)
            at->a_un.a_val += (uint64_t)__ehdr_start - from->old.address;
    }
}

/* At the image's addresses, with libc's state and thread. */
static __attribute__((noreturn, noinline, used)) void image_enter(const struct arrival *from)
{
    const int argc = (int)from->stack[0];
    char **argv = (char **)(from->stack + 1), **envp = argv + argc + 1, **end = envp;
    while (*end)
        end++;
    _dl_auxv = (ElfW(auxv_t) *)(void *)(end + 1);
    correct(_dl_auxv, from);
    g_mm = from->mm;
    __libc_argv = argv;
    environ = envp;
    (void)call(SYS_munmap, (long)from->old.address, (long)from->old.size, 0, 0, 0, 0);
    (void)call(SYS_close, from->exe, 0, 0, 0, 0, 0);
    exit(main(argc, argv, envp));
}

static bool flag_is(const char *text)
{
    const char flag[] = IMAGE_FLAG; /* on the stack: a string's address would be the old one */
    for (unsigned i = 0; i < sizeof flag; i++)
        if (text[i] != flag[i])
            return false;
    return true;
}

static int number(const char *text)
{
    int n = 0;
    for (; *text >= '0' && *text <= '9' && n < 1 << 20; text++)
        n = n * 10 + (*text - '0');
    return *text ? -1 : n;
}

/* What stands at the image's addresses, to be taken away if not all of it can. */
struct mapped {
    struct stretch at[8];
    unsigned count;
};

/* Only where nothing is yet. */
static bool map(struct mapped *mapped, uint64_t address, uint64_t size, int prot, int fd,
                uint64_t offset)
{
    const int flags =
        MAP_PRIVATE | MAP_FIXED_NOREPLACE | (fd < 0 ? MAP_ANONYMOUS | MAP_NORESERVE : 0);
    if (size == 0)
        return true;
    if (mapped->count == sizeof mapped->at / sizeof mapped->at[0])
        return false;
    const long at = call(SYS_mmap, (long)address, (long)size, prot, flags, fd, (long)offset);
    if (at >= 0 || at < -4095)
        mapped->at[mapped->count++] = (struct stretch){(uint64_t)at, size};
    return at == (long)address;
}

static void unmap(const struct mapped *mapped)
{
    for (unsigned i = 0; i < mapped->count; i++)
        (void)call(SYS_munmap, (long)mapped->at[i].address, (long)mapped->at[i].size, 0, 0, 0, 0);
}

static bool map_program(struct mapped *mapped, const struct header *h, int exe, int fd)
{
    const int data = PROT_READ | PROT_WRITE;
    const uint64_t rest = h->relro.address + h->relro.size;
    unsigned count;
    const ElfW(Phdr) *segment = segments(&count);
    for (; count > 0; segment++, count--) {
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
            continue;
        const uint64_t from = segment->p_vaddr & ~(PAGE - 1);
        const int prot = PROT_READ | (segment->p_flags & PF_X ? PROT_EXEC : 0);
        if (!map(mapped, h->program.address + from, segment->p_vaddr + segment->p_filesz - from,
                 prot, exe, segment->p_offset & ~(PAGE - 1)))
            return false;
    }
    return map(mapped, h->relro.address, h->relro.size, PROT_READ, fd, PAGE) &&
           map(mapped, rest, h->data.address + h->data.size - rest, data, fd,
               PAGE + h->relro.size) &&
           map(mapped, h->empty.address, h->empty.size, data, -1, 0) &&
           map(mapped, h->heap.address, h->heap.size, data, fd, PAGE + h->data.size);
}

/* The heap is where sbrk() goes on. */
static bool set_break(const struct prctl_mm_map *map)
{
    return call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)map, sizeof *map, 0, 0) == 0;
}

static struct prctl_mm_map map_of(const struct header *h, const long *stack)
{
    return (struct prctl_mm_map){
        .start_code = h->program.address,
        .end_code = h->data.address,
        .start_data = h->data.address,
        .end_data = h->data.address + h->data.size,
        .start_brk = h->heap.address,
        .brk = h->heap.address + h->heap.size,
        .start_stack = (uint64_t)stack,
        .arg_start = (uint64_t)stack,
        .arg_end = (uint64_t)stack,
        .env_start = (uint64_t)stack,
        .env_end = (uint64_t)stack,
        .exe_fd = (uint32_t)-1,
    };
}

static struct stretch specials(const struct header *h)
{
    struct stretch all = {h->special[0].address, 0};
    for (unsigned i = 0; i < SPECIAL_MAX; i++)
        all.size += h->special[i].size;
    return all;
}

static uint64_t vdso_now(long *stack)
{
    long *at = stack + 1 + stack[0] + 1;
    while (*at++)
        ;
    for (; at[0] != AT_NULL; at += 2)
        if (at[0] == AT_SYSINFO_EHDR)
            return (uint64_t)at[1];
    return 0;
}

static bool move_specials(const struct header *h, uint64_t vdso)
{
    for (unsigned i = 0; i < SPECIAL_MAX && h->special[i].size > 0; i++) {
        const uint64_t to = h->special[i].address, from = to - h->vdso + vdso;
        if (call(SYS_mremap, (long)from, (long)h->special[i].size, (long)h->special[i].size,
                 MREMAP_MAYMOVE | MREMAP_FIXED, (long)to, 0) != (long)to)
            return false;
    }
    return true;
}

/* From here on there is no way back. */
static void become(const struct header *h, struct arrival *arrival, uint64_t vdso)
{
    if (vdso != h->vdso && !move_specials(h, vdso))
        (void)call(SYS_exit_group, 126, 0, 0, 0, 0, 0);
    (void)call(SYS_arch_prctl, ARCH_SET_FS, (long)h->main_thread, 0, 0, 0, 0);
    *(int *)h->tid_at = (int)call(SYS_set_tid_address, (long)h->tid_at, 0, 0, 0, 0, 0);
    if (h->rseq_at != 0)
        (void)call(SYS_rseq, (long)h->rseq_at, 32, 0, RSEQ_SIG, 0, 0);
    void (*enter)(const struct arrival *) = (void (*)(const struct arrival *))(
        h->program.address + ((uint64_t)image_enter - (uint64_t)__ehdr_start));
    enter(arrival);
}

void image_start(long *stack)
{
    struct header h;
    char **argv = (char **)(stack + 1);
    if (stack[0] != IMAGE_ARGC || !flag_is(argv[1]))
        return;
    const int fd = number(argv[3]);
    h.magic = 0;
    if (fd < 0 || call(SYS_pread64, fd, (long)&h, sizeof h, 0, 0, 0) != (long)sizeof h ||
        h.magic != MAGIC)
        return;
    const struct stretch all = specials(&h);
    const uint64_t vdso = vdso_now(stack);
    const char path[] = "/proc/self/exe";
    struct mapped mapped;
    struct arrival arrival = {
        .stack = stack,
        .old = {(uint64_t)__ehdr_start, h.program.size},
        .vdso = h.vdso,
        .mm = map_of(&h, stack),
        .exe = (int)call(SYS_open, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0, 0),
    };
    mapped.count = 0;
    if (vdso != 0 && arrival.exe >= 0 && map_program(&mapped, &h, arrival.exe, fd) &&
        (vdso == h.vdso || map(&mapped, all.address, all.size, PROT_NONE, -1, 0)) &&
        set_break(&arrival.mm))
        become(&h, &arrival, vdso);
    if (arrival.exe >= 0)
        (void)call(SYS_close, arrival.exe, 0, 0, 0, 0, 0);
    unmap(&mapped);
}
