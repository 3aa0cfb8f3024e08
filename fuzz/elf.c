/* SPDX-License-Identifier: Apache-2.0 */
/* What parses can be mapped: bounds hold, segments are in order, apart, and inside the file. */
#include "runtime/loader/elf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static int read_input(void *ctx, uint64_t offset, void *bytes, size_t size)
{
    const struct input *in = ctx;
    if (offset > in->size || size > in->size - offset)
        return -ENOEXEC;
    memcpy(bytes, in->data + offset, size);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct elf elf;
    int r = elf_parse(read_input, &in, size, &elf);
    if (r != 0) {
        assert(r == -ENOEXEC);
        return 0;
    }
    assert(elf.segment_count > 0 && elf.segment_count <= ELF_SEGMENTS_MAX);
    assert(elf.low % ELF_PAGE == 0 && elf.high % ELF_PAGE == 0 && elf.low < elf.high);
    assert(elf.high <= ELF_ADDRESS_MAX && (elf.alignment & (elf.alignment - 1)) == 0);
    assert(memchr(elf.interpreter, '\0', sizeof(elf.interpreter)));
    uint64_t end = 0;
    for (unsigned i = 0; i < elf.segment_count; i++) {
        const struct elf_segment *s = &elf.segments[i];
        assert(s->address >= end && s->file_size <= s->memory_size);
        assert(s->address % ELF_PAGE == s->offset % ELF_PAGE);
        assert(s->offset <= size && s->file_size <= size - s->offset);
        end = s->address + s->memory_size;
        assert(end <= elf.high);
    }
    return 0;
}
