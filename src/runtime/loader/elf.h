/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/loader/elf.h: what an ELF program says about itself. Maps nothing, trusts nothing: every
 * number in the result has been checked to be usable without overflow. */
#ifndef COFFER_RUNTIME_LOADER_ELF_H
#define COFFER_RUNTIME_LOADER_ELF_H

#include "base/macros.h"

#include <stdint.h>

#define ELF_SEGMENTS_MAX 64
#define ELF_INTERPRETER_SIZE 256
#define ELF_PAGE 4096ull
#define ELF_ADDRESS_MAX 0x7ffffffff000ull

struct elf_segment {
    uint64_t address;   /* as linked; not page-aligned */
    uint64_t offset;    /* in the file; congruent to `address` modulo the page size */
    uint64_t file_size; /* <= memory_size; lies within the file */
    uint64_t memory_size;
    int prot; /* PROT_* */
};

struct elf {
    bool relocatable; /* ET_DYN: may lie anywhere */
    uint64_t entry;
    uint64_t headers_address; /* of the program headers in memory; 0: not loaded */
    uint64_t header_count;
    uint64_t low, high; /* page-aligned bounds of all segments */
    uint64_t alignment; /* of the whole: a power of two, at least a page */
    bool executable_stack;
    unsigned segment_count; /* in ascending order of address, not overlapping */
    struct elf_segment segments[ELF_SEGMENTS_MAX];
    char interpreter[ELF_INTERPRETER_SIZE]; /* "": none */
};

/* Reads `size` bytes at `offset` completely; -ENOEXEC at the file's end, or -errno. */
typedef int elf_read_fn(void *ctx, uint64_t offset, void *bytes, size_t size);

/* 0, -ENOEXEC for what is not an x86-64 program (or is malformed), -errno from `read`. */
must_check int elf_parse(elf_read_fn *read, void *ctx, uint64_t file_size, struct elf *ret_elf);

#endif
