/* SPDX-License-Identifier: Apache-2.0 */
/* Holds the instruction decoder and the forms of system call sites against a disassembly.
 * usage: objdump -d --insn-width=15 FILE | survey FILE. Prints how often the two disagree, and how
 * many sites there are by form. */
#include "runtime/syscall/insn.h"
#include "runtime/syscall/site_form.h"

#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define WINDOW 160 /* as in sites.c */

static const uint8_t *g_file;
static size_t g_file_size;

static struct tally {
    unsigned long instructions, wrong_size, wrong_kind, wrong_before, sites;
    unsigned long mov, padding, before_long, before[5], refused;
} g;

/* The executable segment around `address`. */
static const uint8_t *segment_of(uint64_t address, uint64_t *ret_base, size_t *ret_size)
{
    Elf64_Ehdr header;
    memcpy(&header, g_file, sizeof header);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, g_file + header.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) || address < p.p_vaddr ||
            address >= p.p_vaddr + p.p_filesz || p.p_offset + p.p_filesz > g_file_size)
            continue;
        *ret_base = p.p_vaddr;
        *ret_size = p.p_filesz;
        return g_file + p.p_offset;
    }
    return NULL;
}

static void count_site(const uint8_t *text, size_t size, size_t at, uint64_t base, unsigned last)
{
    struct site_form forms[SITE_FORMS_MAX];
    size_t from = at > WINDOW ? at - WINDOW : 0, to = MIN(size, at + WINDOW);
    size_t count = site_forms_of(text + from, to - from, at - from, base + from, forms);
    struct insn before = insn_before(text + from, to - from, at - from);
    g.sites++;
    g.wrong_before += before.size != 0 && before.size != last;
    if (count == 0)
        g.refused++;
    else if (forms[0].kind == SITE_MOV || forms[0].kind == SITE_MOV_LONG)
        g.mov++;
    else if (forms[0].kind != SITE_BEFORE)
        g.padding++;
    else if (forms[0].size >= 5)
        g.before_long++;
    else
        g.before[forms[0].size]++;
    if (count == 0)
        printf("# refused: 0x%" PRIx64 "\n", base + at);
}

/* May control leave the instruction? */
static bool leaves(const char *text)
{
    static const char *const prefixes[] = {"repz ",  "repnz ", "bnd ", "notrack ", "data16 ",
                                           "rex.W ", "cs ",    "ds ",  "es "};
    static const char *const names[] = {"j",      "call", "ret",  "loop", "syscall",
                                        "sys",    "int",  "hlt",  "ud2",  "iret",
                                        "xbegin", "lret", "ljmp", "lcall"};
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            return leaves(text + strlen(prefixes[i]));
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strncmp(text, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* "  address:<tab>bytes<tab>text" */
static void look_at(const char *line)
{
    static unsigned last;
    uint64_t base = 0;
    char *at;
    unsigned said = 0;
    size_t size = 0;
    uint64_t address = strtoull(line, &at, 16);
    if (at == line || at[0] != ':' || at[1] != '\t')
        return;
    at += 2;
    for (; isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]) && at[2] == ' ';
         at += 3)
        said++;
    const char *words = strchr(at, '\t');
    const uint8_t *text = segment_of(address, &base, &size);
    if (!words || !text || strstr(words, "(bad)") || words[1] == '.')
        return;
    struct insn insn = insn_decode(text + (address - base), size - (address - base));
    bool wrong = insn.size != said;
    g.instructions++;
    if (wrong && g.wrong_size++ < 5)
        printf("# %d, not: %s", insn.size, line);
    if (!wrong && leaves(words + 1) && insn.kind != INSN_FIXED && g.wrong_kind++ < 5)
        printf("# not taken for a branch: %s", line);
    if (strncmp(words + 1, "syscall", 7) == 0)
        count_site(text, size, address - base, base, last);
    last = said;
}

int main(int argc, char **argv)
{
    struct stat st;
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        return 2;
    g_file_size = (size_t)st.st_size;
    g_file = mmap(NULL, g_file_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (g_file == MAP_FAILED)
        return 2;
    char line[512];
    while (fgets(line, sizeof line, stdin))
        look_at(line);
    printf("instructions %lu wrong_size %lu wrong_kind %lu wrong_before %lu sites %lu mov %lu "
           "padding %lu before %lu before4 %lu before3 %lu before2 %lu refused %lu\n",
           g.instructions, g.wrong_size, g.wrong_kind, g.wrong_before, g.sites, g.mov, g.padding,
           g.before_long, g.before[4], g.before[3], g.before[2], g.refused);
    return 0;
}
