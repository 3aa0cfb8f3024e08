/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's filter: what is taken as one ends, with the same answer each time, reads nothing but its
 * data (the sanitizer looks), and gives the answer that was found without arguments for all of them. */
#include "runtime/confine/bpf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void run(const struct sock_filter *code, int nr)
{
    uint32_t constant = 0;
    bool is_constant = bpf_constant(code, 0xc000003eu, nr, &constant);
    for (uint64_t fill = 0; fill < 3; fill++) {
        struct seccomp_data call = {.nr = nr, .arch = 0xc000003eu, .instruction_pointer = fill};
        for (unsigned i = 0; i < 6; i++)
            call.args[i] = 0 - fill * 0x0102030405060708ull * i;
        uint32_t action = bpf_run(code, &call);
        require(action == bpf_run(code, &call) && (!is_constant || action == constant));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = size / sizeof(struct sock_filter);
    if (count == 0)
        return 0;
    struct sock_filter *code = malloc(count * sizeof(*code)); /* ends where the sanitizer looks */
    if (!code)
        return 0;
    memcpy(code, data, count * sizeof(*code));
    if (bpf_check(code, count) == 0)
        for (int nr = -1; nr < 4; nr++)
            run(code, nr);
    free(code);
    return 0;
}
