/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptions of enclaves: whatever is measured measures the same again. A SIGSTRUCT that parses is
 * written back as the same bytes. */
#include "attest/sgx/layout.h"
#include "attest/sgx/sigstruct.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sgx_elf_options options = {
        .ssa_frame_pages = 1, .threads = 1, .ssa_frames = 2, .stack_size = SGX_PAGE_SIZE};
    struct slice in = slice_of(data, size);
    uint8_t first[SHA256_SIZE], second[SHA256_SIZE], written[SIGSTRUCT_SIZE];
    uint64_t pages = 0, total = 0;
    struct sigstruct s;
    struct error e = {0};
    if (sgx_layout_measure(in, NULL, NULL, first, &pages, &e) == 0) {
        assert(sgx_layout_measure(in, NULL, NULL, second, &pages, &e) == 0);
        assert(memcmp(first, second, sizeof first) == 0);
    }
    if (sgx_stream_is(in) && sgx_stream_measure(in, first, &pages, &e) == 0) {
        assert(sgx_stream_measure(in, second, &pages, &e) == 0);
        assert(memcmp(first, second, sizeof first) == 0);
    }
    if (sgx_elf_measure(in, &options, first, &pages, &total, &e) == 0)
        assert(pages * SGX_PAGE_SIZE <= total);
    if (sigstruct_parse(in, &s) == 0) {
        sigstruct_write(&s, written);
        assert(memcmp(written, data, sizeof written) == 0);
    }
    return 0;
}
