/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/linux/vdso.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

struct linux_vdso g_linux_vdso;

/* The value of a symbol, by the section headers; 0: there is none. */
static uint64_t symbol_value(const char *image, const char *name)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(image + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_DYNSYM || sections[i].sh_link >= header->e_shnum)
            continue;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(image + sections[i].sh_offset);
        const char *names = image + sections[sections[i].sh_link].sh_offset;
        for (size_t k = 0; k < sections[i].sh_size / sizeof(*symbols); k++)
            if (symbols[k].st_shndx != SHN_UNDEF && strcmp(names + symbols[k].st_name, name) == 0)
                return symbols[k].st_value;
    }
    return 0;
}

void linux_vdso_find(void)
{
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (!image || memcmp(image, ELFMAG, SELFMAG) != 0)
        return;
    uint64_t clock = symbol_value(image, "__vdso_clock_gettime");
    uint64_t cpu = symbol_value(image, "__vdso_getcpu");
    if (clock != 0)
        g_linux_vdso.clock_gettime = (long (*)(clockid_t, struct timespec *))(image + clock);
    if (cpu != 0)
        g_linux_vdso.getcpu = (long (*)(unsigned *, unsigned *, void *))(image + cpu);
}
