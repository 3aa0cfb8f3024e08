/* SPDX-License-Identifier: Apache-2.0 */
/* policy/policy_diff.h: what an update of a policy would newly allow, and what it would no longer
 * allow, in words for the people who must agree with it. Compares meanings, not texts. Pure. */
#ifndef COFFER_POLICY_POLICY_DIFF_H
#define COFFER_POLICY_POLICY_DIFF_H

#include "policy/policy.h"

struct policy_diff {
    struct buf allows;  /* one sentence a line */
    struct buf forbids; /* what is no longer allowed */
    struct buf changes; /* neither: what is merely otherwise */
    unsigned allowed, forbidden, changed;
};

/* Compares what the two texts say, services included. Starts as {0}; released by policy_diff_done().
 * 0; -EINVAL one of them cannot be accepted (`e` says which and where); -ENOMEM. */
must_check int policy_diff(struct slice old_yaml, struct slice new_yaml, struct policy_diff *ret,
                           struct error *e);
void policy_diff_done(struct policy_diff *diff);

#endif
