/* SPDX-License-Identifier: Apache-2.0 */
/* A static ELF file as an enclave: its segments page by page in the order of the program headers,
 * then what each thread needs, then the heap. */
#include "attest/sgx/layout.h"

#include "base/reader.h"
#include "base/writer.h"

#include <elf.h>
#include <errno.h>

enum { SEGMENTS_MAX = 64, THREADS_MAX = 1024, TCS_SSA_OFFSET = 16 };

struct segment {
    uint64_t offset, address, file_size, memory_size;
    uint32_t flags;
};

static int header_read(struct slice elf, Elf64_Ehdr *ret, struct error *e)
{
    struct reader rd = reader_over(elf);
    reader_copy(&rd, ret, sizeof *ret);
    if (!reader_ok(&rd) || memcmp(ret->e_ident, ELFMAG, SELFMAG) != 0 ||
        ret->e_ident[EI_CLASS] != ELFCLASS64 || ret->e_ident[EI_DATA] != ELFDATA2LSB ||
        ret->e_machine != EM_X86_64 || ret->e_phentsize != sizeof(Elf64_Phdr))
        return error_set(e, -EINVAL, "this is no ELF file for x86-64");
    if (ret->e_phnum == 0 || ret->e_phnum > SEGMENTS_MAX || ret->e_phoff > elf.size)
        return error_set(e, -EINVAL, "the program headers of this ELF file make no sense");
    return 0;
}

static int segment_read(struct reader *rd, struct slice elf, struct segment *ret, struct error *e)
{
    Elf64_Phdr ph;
    reader_copy(rd, &ph, sizeof ph);
    *ret = (struct segment){0};
    if (!reader_ok(rd))
        return error_set(e, -EINVAL, "the program headers end too early");
    if (ph.p_type == PT_INTERP)
        return error_set(e, -EINVAL,
                         "this ELF file needs a loader: only static ones can be "
                         "measured");
    if (ph.p_type != PT_LOAD || ph.p_memsz == 0)
        return 0;
    if (ph.p_offset > elf.size || ph.p_filesz > elf.size - ph.p_offset ||
        ph.p_filesz > ph.p_memsz || ph.p_vaddr > SGX_ENCLAVE_SIZE_MAX / 2 ||
        ph.p_memsz > SGX_LAYOUT_SIZE_MAX ||
        ph.p_offset % SGX_PAGE_SIZE != ph.p_vaddr % SGX_PAGE_SIZE)
        return error_set(e, -EINVAL, "a segment of this ELF file makes no sense");
    *ret = (struct segment){ph.p_offset, ph.p_vaddr, ph.p_filesz, ph.p_memsz,
                            SGX_PAGE_REG | (ph.p_flags & PF_R ? SGX_PAGE_R : 0) |
                                (ph.p_flags & PF_W ? SGX_PAGE_W | SGX_PAGE_R : 0) |
                                (ph.p_flags & PF_X ? SGX_PAGE_X : 0)};
    return 0;
}

static uint64_t page_down(uint64_t n)
{
    return n & ~(uint64_t)(SGX_PAGE_SIZE - 1);
}

static uint64_t page_up(uint64_t n)
{
    return page_down(n + SGX_PAGE_SIZE - 1);
}

/* The part of the file that lies in the page at `address`; zeros around it. */
static void page_of(struct slice elf, const struct segment *s, uint64_t address,
                    uint8_t page[SGX_PAGE_SIZE])
{
    uint64_t from = address > s->address ? address : s->address;
    uint64_t until = s->address + s->file_size;
    memset(page, 0, SGX_PAGE_SIZE);
    if (until > address + SGX_PAGE_SIZE)
        until = address + SGX_PAGE_SIZE;
    if (from < until)
        memcpy(page + (from - address), elf.bytes + s->offset + (from - s->address),
               (size_t)(until - from));
}

static int segment_measure(struct sgx_measure *m, struct slice elf, const struct segment *s,
                           struct error *e)
{
    uint8_t page[SGX_PAGE_SIZE];
    int r = 0;
    for (uint64_t at = page_down(s->address); r == 0 && at < s->address + s->memory_size;
         at += SGX_PAGE_SIZE) {
        page_of(elf, s, at, page);
        r = sgx_measure_page(m, at, s->flags, page, e);
    }
    return r;
}

static int zeros_measure(struct sgx_measure *m, uint64_t *at, uint64_t size, bool measured,
                         struct error *e)
{
    static const uint8_t zeros[SGX_PAGE_SIZE];
    int r = 0;
    for (uint64_t end = *at + size; r == 0 && *at < end; *at += SGX_PAGE_SIZE)
        r = sgx_measure_page(m, *at, SGX_PAGE_REG | SGX_PAGE_R | SGX_PAGE_W,
                             measured ? zeros : NULL, e);
    return r;
}

/* Thread control structure (SDM volume 3D, table 38-8): where its SSA frames are, how many, and
 * where to enter. */
static int thread_measure(struct sgx_measure *m, uint64_t *at, uint64_t entry,
                          const struct sgx_elf_options *o, struct error *e)
{
    uint8_t tcs[SGX_PAGE_SIZE] = {0};
    struct writer wr = writer_over(tcs, sizeof tcs);
    uint64_t ssa = *at + SGX_PAGE_SIZE;
    writer_zeros(&wr, TCS_SSA_OFFSET);
    writer_u64(&wr, ssa);
    writer_u32(&wr, 0);
    writer_u32(&wr, o->ssa_frames);
    writer_u64(&wr, entry);
    writer_zeros(&wr, 8 + 8 + 8);
    writer_u32(&wr, 0xfff); /* limits of FS and GS */
    writer_u32(&wr, 0xfff);
    int r = sgx_measure_page(m, *at, SGX_PAGE_TCS, tcs, e);
    *at = ssa;
    if (r == 0)
        r = zeros_measure(m, at, (uint64_t)o->ssa_frames * o->ssa_frame_pages * SGX_PAGE_SIZE, true,
                          e);
    return r < 0 ? r : zeros_measure(m, at, o->stack_size, true, e);
}

static int options_check(const struct sgx_elf_options *o, struct error *e)
{
    if (o->threads == 0 || o->threads > THREADS_MAX || o->ssa_frames == 0 || o->ssa_frames > 16)
        return error_set(e, -EINVAL, "1 to %d threads, with 1 to 16 SSA frames each", THREADS_MAX);
    if (o->stack_size % SGX_PAGE_SIZE || o->heap_size % SGX_PAGE_SIZE ||
        o->stack_size > SGX_LAYOUT_SIZE_MAX || o->heap_size > (uint64_t)1 << 36)
        return error_set(e, -EINVAL, "stack and heap must be whole pages, and not that large");
    return 0;
}

int sgx_elf_measure(struct slice elf, const struct sgx_elf_options *o,
                    uint8_t ret_digest[SHA256_SIZE], uint64_t *ret_pages, uint64_t *ret_size,
                    struct error *e)
{
    struct segment segments[SEGMENTS_MAX];
    struct sgx_measure m = {0};
    Elf64_Ehdr header;
    uint64_t end = 0, size = SGX_PAGE_SIZE;
    int r = header_read(elf, &header, e);
    if (r == 0)
        r = options_check(o, e);
    if (r < 0)
        return r;
    struct reader rd = reader_over(slice_of(elf.bytes + header.e_phoff, elf.size - header.e_phoff));
    for (unsigned i = 0; r == 0 && i < header.e_phnum; i++) {
        r = segment_read(&rd, elf, &segments[i], e);
        if (r == 0 && segments[i].memory_size > 0) {
            if (page_down(segments[i].address) < end)
                return error_set(e, -EINVAL, "two segments of this ELF file share a page");
            end = page_up(segments[i].address + segments[i].memory_size);
        }
    }
    if (r < 0)
        return r;
    uint64_t thread = SGX_PAGE_SIZE + (uint64_t)o->ssa_frames * o->ssa_frame_pages * SGX_PAGE_SIZE +
                      o->stack_size;
    while (size < end + thread * o->threads + o->heap_size)
        size <<= 1;
    size = o->size ? o->size : size;
    r = sgx_measure_begin(&m, size, o->ssa_frame_pages, e);
    for (unsigned i = 0; r == 0 && i < header.e_phnum; i++)
        if (segments[i].memory_size > 0)
            r = segment_measure(&m, elf, &segments[i], e);
    for (unsigned i = 0; r == 0 && i < o->threads; i++)
        r = thread_measure(&m, &end, header.e_entry, o, e);
    if (r == 0)
        r = zeros_measure(&m, &end, o->heap_size, false, e);
    if (r == 0)
        r = sgx_measure_finish(&m, ret_digest);
    *ret_pages = m.pages;
    *ret_size = size;
    sgx_measure_done(&m);
    return r;
}
