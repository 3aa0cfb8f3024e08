/* SPDX-License-Identifier: Apache-2.0 */
/* attest/sgx/layout.h: descriptions of an enclave's pages, to be measured: a list of pages as text,
 * a stream of the instructions themselves (SGXS), or a static ELF file with the pages around it that
 * a loader adds. Hostile input: everything is bounded and checked. No I/O: what a list refers to
 * comes through a function of the caller's.
 *
 * A list has one statement a line; '#' begins a comment:
 *
 *     size 0x4000                          of the enclave, a power of two
 *     ssaframesize 1                       in pages; 1 if left out
 *     page 0x0 0x100 zero                  offset, SECINFO flags, contents
 *     page 0x1000 0x205 inc
 *     page 0x2000 0x203 const=cc
 *     page 0x3000 0x203 zero unmeasured
 *     page 0x4000 0x205 file=code.bin@4096
 *
 * Contents: `zero`; `const=XX`; `inc`, where byte i of the page at offset o is i + o / 4096; or
 * `file=NAME[@OFFSET]`, padded with zeros at the file's end. docs/sgx.md has more. */
#ifndef COFFER_ATTEST_SGX_LAYOUT_H
#define COFFER_ATTEST_SGX_LAYOUT_H

#include "attest/sgx/measure.h"

#define SGX_LAYOUT_SIZE_MAX ((size_t)64 << 20)
#define SGX_LAYOUT_PAGES_MAX 65536u

/* Reads a file that a list names. The caller of the function releases `ret_bytes`. */
typedef int sgx_file_fn(void *ctx, const char *name, struct buf *ret_bytes, struct error *e);

/* Measures a list. -EINVAL with "line N: ..." in `e`; `file` may be NULL: then no page may need it. */
must_check int sgx_layout_measure(struct slice text, sgx_file_fn *file, void *ctx,
                                  uint8_t ret_digest[SHA256_SIZE], uint64_t *ret_pages,
                                  struct error *e);

/* The pages of a list in one line, OFFSET:FLAGS:CONTENTS:MEASURED separated by spaces, the last 1 or
 * 0, of an enclave of `size` bytes. */
must_check int sgx_pages_measure(uint64_t size, uint32_t ssa_frame_pages, const char *pages,
                                 sgx_file_fn *file, void *ctx, uint8_t ret_digest[SHA256_SIZE],
                                 uint64_t *ret_pages, struct error *e);

/* A stream of 64-byte blocks "ECREATE", "EADD", "EEXTEND" (with 256 bytes behind it) and "UNMEASRD"
 * (the same, but not measured), as tools write it. */
bool sgx_stream_is(struct slice bytes);
must_check int sgx_stream_measure(struct slice bytes, uint8_t ret_digest[SHA256_SIZE],
                                  uint64_t *ret_pages, struct error *e);

/* What is put around an ELF file's segments, all after its last page, in this order: for each thread
 * a thread control page, its SSA frames, its stack; then the heap, which is not measured. */
struct sgx_elf_options {
    uint64_t size; /* of the enclave; 0: the smallest power of two */
    uint32_t ssa_frame_pages, threads, ssa_frames;
    uint64_t stack_size, heap_size;
};
must_check int sgx_elf_measure(struct slice elf, const struct sgx_elf_options *options,
                               uint8_t ret_digest[SHA256_SIZE], uint64_t *ret_pages,
                               uint64_t *ret_size, struct error *e);

#endif
