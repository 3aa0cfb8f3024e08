/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/loader/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HEADERS_MAX 256
#define ALIGNMENT_MAX (1ull << 30)

static bool header_acceptable(const Elf64_Ehdr *h)
{
    return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
           h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_machine == EM_X86_64 &&
           (h->e_type == ET_EXEC || h->e_type == ET_DYN) && h->e_phentsize == sizeof(Elf64_Phdr) &&
           h->e_phnum > 0 && h->e_phnum <= HEADERS_MAX;
}

static int prot_of(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
           (flags & PF_X ? PROT_EXEC : 0);
}

static int add_segment(struct elf *elf, const Elf64_Phdr *p, uint64_t file_size)
{
    uint64_t end, file_end;
    if (p->p_memsz == 0)
        return 0;
    if (elf->segment_count == ELF_SEGMENTS_MAX || p->p_filesz > p->p_memsz ||
        __builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) || end > ELF_ADDRESS_MAX ||
        __builtin_add_overflow(p->p_offset, p->p_filesz, &file_end) || file_end > file_size ||
        p->p_vaddr % ELF_PAGE != p->p_offset % ELF_PAGE)
        return -ENOEXEC;
    if (elf->segment_count > 0) {
        const struct elf_segment *last = &elf->segments[elf->segment_count - 1];
        if (p->p_vaddr < last->address + last->memory_size)
            return -ENOEXEC;
    } else {
        elf->low = round_down(p->p_vaddr, ELF_PAGE);
    }
    if (p->p_align > elf->alignment) {
        if (p->p_align > ALIGNMENT_MAX || (p->p_align & (p->p_align - 1)))
            return -ENOEXEC;
        elf->alignment = p->p_align;
    }
    elf->high = round_up(end, ELF_PAGE);
    elf->segments[elf->segment_count++] = (struct elf_segment){
        .address = p->p_vaddr,
        .offset = p->p_offset,
        .file_size = p->p_filesz,
        .memory_size = p->p_memsz,
        .prot = prot_of(p->p_flags),
    };
    return 0;
}

static int read_interpreter(elf_read_fn *read, void *ctx, const Elf64_Phdr *p, struct elf *elf)
{
    if (p->p_filesz < 2 || p->p_filesz > sizeof(elf->interpreter) || elf->interpreter[0])
        return -ENOEXEC;
    int r = read(ctx, p->p_offset, elf->interpreter, p->p_filesz);
    if (r < 0)
        return r;
    size_t len = strnlen(elf->interpreter, p->p_filesz);
    return len + 1 == p->p_filesz && len > 0 ? 0 : -ENOEXEC;
}

/* The address of the program headers: where the segment that contains them puts them. */
static void locate_headers(struct elf *elf, uint64_t offset, uint64_t size)
{
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct elf_segment *s = &elf->segments[i];
        if (offset >= s->offset && size <= s->file_size &&
            offset - s->offset <= s->file_size - size)
            elf->headers_address = s->address + (offset - s->offset);
    }
}

int elf_parse(elf_read_fn *read, void *ctx, uint64_t file_size, struct elf *ret_elf)
{
    Elf64_Ehdr h;
    Elf64_Phdr headers[HEADERS_MAX];
    struct elf elf = {.alignment = ELF_PAGE};
    if (file_size < sizeof(h))
        return -ENOEXEC;
    int r = read(ctx, 0, &h, sizeof(h));
    if (r < 0)
        return r;
    if (!header_acceptable(&h))
        return -ENOEXEC;
    size_t size = h.e_phnum * sizeof(Elf64_Phdr);
    if (h.e_phoff > file_size || size > file_size - h.e_phoff)
        return -ENOEXEC;
    r = read(ctx, h.e_phoff, headers, size);
    for (unsigned i = 0; r == 0 && i < h.e_phnum; i++) {
        if (headers[i].p_type == PT_LOAD)
            r = add_segment(&elf, &headers[i], file_size);
        else if (headers[i].p_type == PT_INTERP)
            r = read_interpreter(read, ctx, &headers[i], &elf);
        else if (headers[i].p_type == PT_GNU_STACK)
            elf.executable_stack = headers[i].p_flags & PF_X;
    }
    if (r < 0)
        return r;
    if (elf.segment_count == 0 || (h.e_type == ET_EXEC && elf.low < 0x10000))
        return -ENOEXEC;
    elf.relocatable = h.e_type == ET_DYN;
    elf.entry = h.e_entry;
    elf.header_count = h.e_phnum;
    locate_headers(&elf, h.e_phoff, size);
    *ret_elf = elf;
    return 0;
}
