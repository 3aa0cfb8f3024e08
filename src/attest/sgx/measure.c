/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/sgx/measure.h"

#include "base/writer.h"

#include <errno.h>

#define BLOCK_SIZE 64
#define CHUNK_SIZE 256
#define SECINFO_MEASURED_SIZE 48

static int block_add(struct sgx_measure *m, struct writer *wr, uint8_t block[BLOCK_SIZE])
{
    writer_zeros(wr, BLOCK_SIZE - writer_size(wr));
    return sha256_stream_add(m->stream, slice_of(block, BLOCK_SIZE));
}

int sgx_measure_begin(struct sgx_measure *m, uint64_t size, uint32_t ssa_frame_pages,
                      struct error *e)
{
    uint8_t block[BLOCK_SIZE];
    struct writer wr = writer_over(block, sizeof block);
    *m = (struct sgx_measure){.size = size};
    if (size < SGX_PAGE_SIZE || size > SGX_ENCLAVE_SIZE_MAX || (size & (size - 1)) != 0)
        return error_set(e, -EINVAL, "the enclave's size must be a power of two from 4096 on");
    if (ssa_frame_pages == 0 || ssa_frame_pages > SGX_SSA_FRAME_PAGES_MAX)
        return error_set(e, -EINVAL, "the size of an SSA frame must be 1 to %u pages",
                         SGX_SSA_FRAME_PAGES_MAX);
    int r = sha256_stream_new(&m->stream);
    writer_bytes(&wr, "ECREATE", 8);
    writer_u32(&wr, ssa_frame_pages);
    writer_u64(&wr, size);
    return r < 0 ? r : block_add(m, &wr, block);
}

static int offset_check(const struct sgx_measure *m, uint64_t offset, uint64_t align,
                        struct error *e)
{
    if (offset % align != 0 || offset >= m->size)
        return error_set(e, -EINVAL,
                         "offset 0x%llx is not inside an enclave of 0x%llx bytes, or not a "
                         "multiple of %llu",
                         (unsigned long long)offset, (unsigned long long)m->size,
                         (unsigned long long)align);
    return 0;
}

static int flags_check(uint64_t flags, struct error *e)
{
    uint64_t type = flags & ~(uint64_t)(SGX_PAGE_R | SGX_PAGE_W | SGX_PAGE_X);
    if (type == SGX_PAGE_TCS && flags != SGX_PAGE_TCS)
        return error_set(e, -EINVAL, "a thread control page has no permissions: flags 0x100");
    if (type != SGX_PAGE_TCS && type != SGX_PAGE_REG)
        return error_set(e, -EINVAL,
                         "flags 0x%llx are of no page that can be added: 0x100 is a thread "
                         "control page, 0x200 a regular one, with 1 read, 2 write, 4 execute",
                         (unsigned long long)flags);
    if ((flags & SGX_PAGE_W) && !(flags & SGX_PAGE_R))
        return error_set(e, -EINVAL, "a page that can be written must be readable");
    return 0;
}

int sgx_measure_add(struct sgx_measure *m, uint64_t offset, uint64_t flags, struct error *e)
{
    uint8_t block[BLOCK_SIZE];
    struct writer wr = writer_over(block, sizeof block);
    int r = offset_check(m, offset, SGX_PAGE_SIZE, e);
    if (r == 0)
        r = flags_check(flags, e);
    if (r < 0)
        return r;
    writer_bytes(&wr, "EADD\0\0\0", 8);
    writer_u64(&wr, offset);
    writer_u64(&wr, flags);
    m->pages++;
    return block_add(m, &wr, block);
}

int sgx_measure_extend(struct sgx_measure *m, uint64_t offset, const uint8_t bytes[CHUNK_SIZE],
                       struct error *e)
{
    uint8_t block[BLOCK_SIZE];
    struct writer wr = writer_over(block, sizeof block);
    int r = offset_check(m, offset, CHUNK_SIZE, e);
    if (r < 0)
        return r;
    writer_bytes(&wr, "EEXTEND", 8);
    writer_u64(&wr, offset);
    r = block_add(m, &wr, block);
    return r < 0 ? r : sha256_stream_add(m->stream, slice_of(bytes, CHUNK_SIZE));
}

int sgx_measure_page(struct sgx_measure *m, uint64_t offset, uint64_t flags, const uint8_t *page,
                     struct error *e)
{
    int r = sgx_measure_add(m, offset, flags, e);
    for (unsigned at = 0; r == 0 && page && at < SGX_PAGE_SIZE; at += CHUNK_SIZE)
        r = sgx_measure_extend(m, offset + at, page + at, e);
    return r;
}

int sgx_measure_finish(struct sgx_measure *m, uint8_t ret_digest[SHA256_SIZE])
{
    return sha256_stream_finish(m->stream, ret_digest);
}

void sgx_measure_done(struct sgx_measure *m)
{
    sha256_stream_free(m->stream);
    m->stream = NULL;
}
