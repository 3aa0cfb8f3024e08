/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/loader/elf.h"
#include "base/slice.h"
#include "tap.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>

struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segments[4];
    char interpreter[16];
    uint8_t rest[0x2000];
};

static struct file sample(void)
{
    struct file f = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_DYN,
                   .e_machine = EM_X86_64,
                   .e_entry = 0x40,
                   .e_phoff = offsetof(struct file, segments),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 4},
        .interpreter = "/lib/ld.so",
    };
    f.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                 .p_flags = PF_R | PF_X,
                                 .p_filesz = 0x1000,
                                 .p_memsz = 0x1000,
                                 .p_align = 0x1000};
    f.segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                 .p_flags = PF_R | PF_W,
                                 .p_offset = 0x1000,
                                 .p_vaddr = 0x2000,
                                 .p_filesz = 0x100,
                                 .p_memsz = 0x3000,
                                 .p_align = 0x1000};
    f.segments[2] = (Elf64_Phdr){.p_type = PT_INTERP,
                                 .p_filesz = sizeof("/lib/ld.so"),
                                 .p_offset = offsetof(struct file, interpreter)};
    f.segments[3] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
    return f;
}

static int read_slice(void *ctx, uint64_t offset, void *bytes, size_t size)
{
    const struct slice *s = ctx;
    if (offset > s->size || size > s->size - offset)
        return -ENOEXEC;
    memcpy(bytes, s->bytes + offset, size);
    return 0;
}

static int parse(const struct file *f, size_t size, struct elf *ret)
{
    struct slice bytes = slice_of(f, size);
    return elf_parse(read_slice, &bytes, size, ret);
}

TEST(a_program_says_what_it_is)
{
    struct file f = sample();
    struct elf elf;
    CHECK_EQ(parse(&f, sizeof f, &elf), 0);
    CHECK(elf.relocatable);
    CHECK_EQ(elf.segment_count, 2);
    CHECK_EQ(elf.low, 0);
    CHECK_EQ(elf.high, 0x5000);
    CHECK_EQ(elf.headers_address, offsetof(struct file, segments));
    CHECK_EQ(elf.segments[1].prot, PROT_READ | PROT_WRITE);
    CHECK_TEXT(elf.interpreter, "/lib/ld.so");
    CHECK(!elf.executable_stack);
}

TEST(a_truncated_program_is_refused)
{
    struct file f = sample();
    struct elf elf;
    for (size_t size = 0; size < 0x1100; size += 7)
        CHECK_EQ(parse(&f, size, &elf), -ENOEXEC);
}

#define REFUSED(change)                                \
    do {                                               \
        struct file f = sample();                      \
        struct elf elf;                                \
        change;                                        \
        CHECK_EQ(parse(&f, sizeof f, &elf), -ENOEXEC); \
    } while (0)

TEST(what_cannot_be_mapped_is_refused)
{
    REFUSED(f.header.e_ident[EI_CLASS] = ELFCLASS32);
    REFUSED(f.header.e_machine = EM_AARCH64);
    REFUSED(f.header.e_type = ET_REL);
    REFUSED(f.header.e_phentsize = 32);
    REFUSED(f.header.e_phnum = 0);
    REFUSED(f.header.e_phoff = UINT64_MAX);
    REFUSED(f.segments[1].p_filesz = 0x4000);
    REFUSED(f.segments[1].p_memsz = UINT64_MAX);
    REFUSED(f.segments[1].p_vaddr = ELF_ADDRESS_MAX);
    REFUSED(f.segments[1].p_vaddr = 0x2001);
    REFUSED(f.segments[1].p_vaddr = 0);
    REFUSED(f.segments[1].p_offset = UINT64_MAX - 0xfff);
    REFUSED(f.segments[1].p_align = 0x3000);
    REFUSED(f.segments[1].p_align = 1ull << 40);
    REFUSED(f.segments[2].p_filesz = 400);
    REFUSED(f.segments[2].p_filesz = 1);
    REFUSED(f.segments[2].p_filesz = 5);
    REFUSED(f.segments[3] = f.segments[2]);
    REFUSED(f.header.e_type = ET_EXEC); /* would lie on page zero */
    REFUSED((f.segments[0].p_type = PT_NULL, f.segments[1].p_type = PT_NULL));
}

TAP_MAIN()
