/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping a program and building the stack it starts with (System V ABI, x86-64, section 3.4.1). */
#include "runtime/loader/load.h"
#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/memory/memory.h"
#include "runtime/process/exposure.h"
#include "runtime/process/limits.h"
#include "runtime/vfs/vfs.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PROGRAM_BASE 0x2aaaaaaaa000ull /* far from the runtime's own heap */
#define STACK_SIZE_MIN ((uint64_t)1 << 20)
#define STACK_SIZE_MAX ((uint64_t)256 << 20)
#define STACK_RESERVED ((uint64_t)64 << 20) /* a program may raise its limit later */
#define STACK_GUARD ((uint64_t)64 << 10)
#define STACK_ROOM ((uint64_t)32 << 20) /* that our own stack keeps */
#define AUXV_MAX 32

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

struct stack {
    uint64_t low, at; /* grows down; the memory is fresh and ours to write directly */
};

static uint64_t stack_size(void)
{
    uint64_t limit = limits_stack();
    return round_down(MIN(MAX(limit, STACK_SIZE_MIN), STACK_SIZE_MAX), ELF_PAGE);
}

/* Above everything else, as Linux has it: below the runtime's own stack, where the kernel keeps
 * room for a stack to grow into. A hint only. */
static uint64_t stack_place(uint64_t size)
{
    uint64_t random = 0, ours = getauxval(AT_RANDOM); /* lies on our stack */
    if (platform()->random(&random, sizeof random) < 0 || ours < STACK_ROOM + size)
        return 0;
    return round_down(ours - STACK_ROOM - size, ELF_PAGE) - (random & 0xfff) * ELF_PAGE;
}

static int stack_map(const struct program *p, struct stack *ret_stack)
{
    uint64_t texts = p->argv.size + p->envp.size + (p->argv.count + p->envp.count) * sizeof(char *);
    uint64_t size = MAX(stack_size(), round_up(texts, ELF_PAGE) + STACK_SIZE_MIN);
    int prot = PROT_READ | PROT_WRITE | (p->elf.executable_stack ? PROT_EXEC : 0);
    uint64_t room = MAX(size, STACK_RESERVED) + STACK_GUARD;
    int64_t at = memory_reserve(stack_place(room), room);
    if (at < 0)
        return (int)at;
    uint64_t low = (uint64_t)at + room - size;
    if (host_call(SYS_mprotect, low, size, prot) < 0)
        return -ENOMEM;
    *ret_stack = (struct stack){low, low + size};
    memory_stack_is((uint64_t)at + STACK_GUARD, low, low + size, prot);
    return 0;
}

static uint64_t push(struct stack *s, const void *bytes, size_t size)
{
    s->at -= size;
    memcpy((void *)s->at, bytes, size);
    return s->at;
}

static uint64_t push_text(struct stack *s, const char *text)
{
    return push(s, text, strlen(text) + 1);
}

struct auxv {
    Elf64_auxv_t items[AUXV_MAX];
    size_t count;
};

static void auxv_add(struct auxv *a, uint64_t type, uint64_t value)
{
    if (a->count < AUXV_MAX)
        a->items[a->count++] = (Elf64_auxv_t){.a_type = type, .a_un.a_val = value};
}

/* Passed on where the host has it. */
static void auxv_inherit(struct auxv *a, uint64_t type)
{
    uint64_t value = getauxval(type);
    if (value != 0)
        auxv_add(a, type, value);
}

static void auxv_fill(struct auxv *a, const struct program *p, uint64_t base, uint64_t interpreter)
{
    if (!platform()->enclave)
        auxv_inherit(a, AT_SYSINFO_EHDR);
    auxv_inherit(a, AT_MINSIGSTKSZ);
    auxv_inherit(a, AT_HWCAP);
    auxv_inherit(a, AT_HWCAP2);
    auxv_add(a, AT_PAGESZ, ELF_PAGE);
    auxv_add(a, AT_CLKTCK, 100);
    if (p->elf.headers_address != 0)
        auxv_add(a, AT_PHDR, p->elf.headers_address + base);
    auxv_add(a, AT_PHENT, sizeof(Elf64_Phdr));
    auxv_add(a, AT_PHNUM, p->elf.header_count);
    auxv_add(a, AT_BASE, interpreter);
    auxv_add(a, AT_FLAGS, 0);
    auxv_add(a, AT_ENTRY, p->elf.entry + base);
    auxv_add(a, AT_UID, (uint64_t)host_call(SYS_getuid));
    auxv_add(a, AT_EUID, (uint64_t)host_call(SYS_geteuid));
    auxv_add(a, AT_GID, (uint64_t)host_call(SYS_getgid));
    auxv_add(a, AT_EGID, (uint64_t)host_call(SYS_getegid));
    auxv_add(a, AT_SECURE, 0);
    auxv_inherit(a, AT_RSEQ_FEATURE_SIZE);
    auxv_inherit(a, AT_RSEQ_ALIGN);
}

/* Strings at the top, then, downwards: auxv, environment, arguments, their count. */
static int stack_fill(struct stack *s, const struct program *p, struct auxv *a)
{
    uint8_t seed[16];
    if (platform()->random(seed, sizeof(seed)) < 0)
        return -EIO;
    s->at -= 8;
    auxv_add(a, AT_EXECFN, push_text(s, p->path));
    for (size_t i = p->envp.count; i-- > 0;)
        push_text(s, p->envp.items[i]);
    uint64_t environment = s->at;
    for (size_t i = p->argv.count; i-- > 0;)
        push_text(s, p->argv.items[i]);
    uint64_t arguments = s->at;
    exposure_strings(&(struct exposed_strings){.arguments = arguments,
                                               .arguments_end = arguments + p->argv.size,
                                               .environment = environment,
                                               .environment_end = environment + p->envp.size});
    auxv_add(a, AT_PLATFORM, push_text(s, "x86_64"));
    auxv_add(a, AT_RANDOM, push(s, seed, sizeof(seed)));
    auxv_add(a, AT_NULL, 0);
    uint64_t words = 1 + p->argv.count + 1 + p->envp.count + 1;
    s->at = round_down(s->at, 16) - round_up(words * 8 + a->count * sizeof(a->items[0]), 16);
    uint64_t *word = (uint64_t *)s->at;
    *word++ = p->argv.count;
    for (size_t i = 0; i < p->argv.count; arguments += strlen(p->argv.items[i++]) + 1)
        *word++ = arguments;
    *word++ = 0;
    for (size_t i = 0; i < p->envp.count; environment += strlen(p->envp.items[i++]) + 1)
        *word++ = environment;
    *word++ = 0;
    memcpy(word, a->items, a->count * sizeof(a->items[0]));
    return 0;
}

/* The name ps(1) shows. */
static void name_process(const struct program *p)
{
    const char *path = p->unnamed ? p->executable : p->path, *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    (void)host_call(SYS_prctl, 15 /* PR_SET_NAME */, name);
}

int program_load(struct program *p, struct regs *ret_regs)
{
    uint64_t base, interpreter_base = 0, entry;
    struct stack stack = {0};
    struct auxv auxv = {.count = 0};
    uint64_t random = 0;
    if (platform()->random(&random, sizeof(random)) < 0)
        return -EIO;
    int r = image_map(&p->image, &p->elf, PROGRAM_BASE + (random & 0xfffffff000ull), &base);
    if (r < 0)
        return r;
    entry = p->elf.entry + base;
    if (p->elf.interpreter[0]) {
        r = image_map(&p->interpreter_image, &p->interpreter, 0, &interpreter_base);
        if (r < 0)
            return r;
        entry = p->interpreter.entry + interpreter_base;
        interpreter_base += p->interpreter.low;
    }
    memory_brk_start(p->elf.high + base + ((random >> 40) & 0xfff) * ELF_PAGE);
    r = stack_map(p, &stack);
    if (r < 0)
        return r;
    auxv_fill(&auxv, p, base, interpreter_base);
    r = stack_fill(&stack, p, &auxv);
    if (r < 0)
        return r;
    name_process(p);
    vfs_program_is(p->executable);
    *ret_regs = (struct regs){.rip = entry, .rsp = stack.at, .rflags = 0x202};
    return 0;
}
