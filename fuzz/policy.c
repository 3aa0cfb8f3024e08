/* SPDX-License-Identifier: Apache-2.0 */
/* A policy that parses lets somebody in by a measurement or a signer, and refers only to secrets that
 * it has; one that does not says in which line. */
#include "policy/policy.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void value_check(const struct policy *policy, const char *text)
{
    char name[POLICY_NAME_SIZE_MAX + 1];
    struct slice before;
    int r;
    while ((r = policy_reference_next(text, &before, name, &text)) == 0)
        assert(policy_secret_find(policy, name));
    assert(r == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy *policy = NULL;
    struct error e = {0};
    int r = policy_parse(slice_of(data, size), &policy, &e);
    assert((r == 0) == (policy != NULL));
    if (r == -EINVAL)
        assert(strncmp(e.text, "line ", 5) == 0);
    if (r < 0)
        return 0;
    assert(policy->who.tees != 0);
    assert(policy->who.program.count + policy->who.signer.count > 0);
    assert(policy->argument_count > 0);
    for (unsigned i = 0; i < policy->argument_count; i++)
        value_check(policy, policy->arguments[i]);
    for (unsigned i = 0; i < policy->environment_count; i++)
        value_check(policy, policy->environment[i].value);
    for (unsigned i = 0; i < policy->secret_file_count; i++)
        assert(policy_secret_find(policy, policy->secret_files[i].secret));
    policy_free(policy);
    return 0;
}
