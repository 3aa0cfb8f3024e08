/* SPDX-License-Identifier: Apache-2.0 */
/* attest/sgx/measure.h: what the processor would measure of an enclave, without the processor:
 * MRENCLAVE over the order in which pages are added. No I/O.
 *
 * Format: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3D, chapters 38 and
 * 40 (ECREATE, EADD, EEXTEND): SHA-256 over blocks of 64 bytes. */
#ifndef COFFER_ATTEST_SGX_MEASURE_H
#define COFFER_ATTEST_SGX_MEASURE_H

#include "base/error.h"
#include "crypto/crypto.h"

#define SGX_PAGE_SIZE 4096u
#define SGX_ENCLAVE_SIZE_MAX ((uint64_t)1 << 47)
#define SGX_SSA_FRAME_PAGES_MAX 64u

/* Flags of a page's SECINFO. */
#define SGX_PAGE_R 0x001u
#define SGX_PAGE_W 0x002u
#define SGX_PAGE_X 0x004u
#define SGX_PAGE_TCS 0x100u
#define SGX_PAGE_REG 0x200u
#define SGX_PAGE_FLAGS 0x307u /* all that may be set here */

/* Pages are added in order. Starts with _begin(), which takes nothing; _done() always. */
struct sgx_measure {
    struct sha256_stream *stream;
    uint64_t size; /* of the enclave */
    uint64_t pages;
};

/* `size` is a power of two from 4096 on. 0, -EINVAL with the reason in `e`, -EIO. */
must_check int sgx_measure_begin(struct sgx_measure *measure, uint64_t size,
                                 uint32_t ssa_frame_pages, struct error *e);
/* A page at `offset` with those SECINFO flags. `page` is its 4096 bytes, all of which are then
 * extended, or NULL for a page whose contents are not measured. */
must_check int sgx_measure_page(struct sgx_measure *measure, uint64_t offset, uint64_t flags,
                                const uint8_t *page, struct error *e);
/* One EADD, and one EEXTEND of 256 bytes, for layouts that measure parts of pages. */
must_check int sgx_measure_add(struct sgx_measure *measure, uint64_t offset, uint64_t flags,
                               struct error *e);
must_check int sgx_measure_extend(struct sgx_measure *measure, uint64_t offset,
                                  const uint8_t bytes[256], struct error *e);
must_check int sgx_measure_finish(struct sgx_measure *measure, uint8_t ret_digest[SHA256_SIZE]);
void sgx_measure_done(struct sgx_measure *measure);

#endif
