/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/lease.h"

#include "tap.h"

#include <errno.h>

static const uint8_t g_opening[LEASE_OPENING_SIZE] = {7};

static struct lease_owner owner_of(int session, int instance)
{
    struct lease_owner owner = {.waits = true};
    memset(owner.session, session, sizeof owner.session);
    memset(owner.instance, instance, sizeof owner.instance);
    return owner;
}

static struct lease_times at(uint64_t now_ms)
{
    return (struct lease_times){.now_ms = now_ms, .term_ms = 15000, .margin_ms = 2000};
}

static struct lease_head head_of(uint64_t epoch, uint64_t sequence)
{
    struct lease_head head = {.epoch = epoch, .sequence = sequence};
    head.tag[0] = (uint8_t)sequence;
    return head;
}

static int open_at(struct lease *lease, const struct lease_owner *owner, uint64_t now_ms,
                   uint64_t *ret_wait_ms)
{
    struct lease_times t = at(now_ms);
    return lease_open(lease, owner, g_opening, &t, ret_wait_ms);
}

static int report_at(struct lease *lease, const struct lease_owner *owner, uint64_t epoch,
                     uint64_t sequence, uint64_t now_ms)
{
    struct lease_head head = head_of(epoch, sequence);
    struct lease_times t = at(now_ms);
    return lease_report(lease, owner->session, &head, &t);
}

TEST(a_first_opening_takes_epoch_one_at_once)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0);
    uint64_t wait = 0;
    CHECK_EQ(open_at(&lease, &a, 1000, &wait), 0);
    CHECK_EQ(lease.head.epoch, 1);
    CHECK_EQ(lease.held, true);
    CHECK(memcmp(lease.opening, g_opening, sizeof g_opening) == 0);
}

TEST(a_second_owner_waits_for_term_and_margin)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 1000, &wait) == 0);
    CHECK_EQ(open_at(&lease, &b, 1000, &wait), -EBUSY);
    CHECK_EQ(wait, 17000);
    REQUIRE(report_at(&lease, &a, 1, 1, 9000) == 0);
    CHECK_EQ(open_at(&lease, &b, 17000, &wait), -EBUSY);
    CHECK_EQ(wait, 9000);
    CHECK_EQ(open_at(&lease, &b, 25999, &wait), -EBUSY);
    CHECK_EQ(wait, 1);
    CHECK_EQ(open_at(&lease, &b, 26000, &wait), 0);
    CHECK_EQ(lease.head.epoch, 2);
}

TEST(whoever_was_replaced_is_fenced_for_ever)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 0, &wait) == 0);
    REQUIRE(open_at(&lease, &b, 17000, &wait) == 0);
    CHECK_EQ(report_at(&lease, &a, 1, 9, 17001), -ESTALE);
    CHECK_EQ(report_at(&lease, &a, 2, 9, 17001), -ESTALE);
    CHECK_EQ(report_at(&lease, &b, 1, 9, 17001), -ESTALE);
    CHECK_EQ(report_at(&lease, &b, 2, 9, 17001), 0);
    CHECK_EQ(lease.head.sequence, 9);
}

TEST(a_clean_close_lets_the_next_in_at_once)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    struct lease_head head = head_of(1, 4);
    struct lease_times t = at(1000);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 1000, &wait) == 0);
    CHECK_EQ(lease_close(&lease, b.session, &head, &t), -ESTALE);
    CHECK_EQ(lease_close(&lease, a.session, &head, &t), 0);
    CHECK_EQ(lease_close(&lease, a.session, &head, &t), 0);
    CHECK_EQ(open_at(&lease, &b, 1001, &wait), 0);
    CHECK_EQ(lease.head.epoch, 2);
    CHECK_EQ(lease.head.sequence, 4);
}

TEST(the_same_launcher_and_the_same_owner_need_not_wait)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 5), b = owner_of(2, 5), c = owner_of(3, 6);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 1000, &wait) == 0);
    CHECK_EQ(open_at(&lease, &a, 1001, &wait), 0);
    CHECK_EQ(open_at(&lease, &b, 1002, &wait), 0);
    CHECK_EQ(open_at(&lease, &c, 1003, &wait), -EBUSY);
    CHECK_EQ(lease.head.epoch, 3);
}

TEST(no_instance_is_not_the_same_instance)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 1000, &wait) == 0);
    CHECK_EQ(open_at(&lease, &b, 1000, &wait), -EBUSY);
}

TEST(in_other_modes_nobody_waits_but_the_epoch_fences)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    b.waits = false;
    REQUIRE(open_at(&lease, &a, 1000, &wait) == 0);
    CHECK_EQ(open_at(&lease, &b, 1000, &wait), 0);
    CHECK_EQ(report_at(&lease, &a, 1, 1, 1001), -ESTALE);
}

TEST(an_older_head_or_another_one_of_the_same_sequence_is_refused)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0);
    struct lease_head head = head_of(1, 5);
    struct lease_times t = at(3);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 0, &wait) == 0);
    REQUIRE(report_at(&lease, &a, 1, 5, 1) == 0);
    CHECK_EQ(report_at(&lease, &a, 1, 4, 2), -EKEYREJECTED);
    CHECK_EQ(report_at(&lease, &a, 1, 5, 2), 0);
    head.tag[31] = 1;
    CHECK_EQ(lease_report(&lease, a.session, &head, &t), -EKEYREJECTED);
    CHECK_EQ(lease.head.sequence, 5);
    CHECK_EQ(lease.head.tag[31], 0);
}

TEST(an_owner_that_slept_beyond_its_term_goes_on_if_nobody_came)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 0, &wait) == 0);
    CHECK_EQ(report_at(&lease, &a, 1, 1, 1000000), 0);
    CHECK_EQ(open_at(&lease, &b, 1000001, &wait), -EBUSY);
}

TEST(a_deadline_from_before_a_restart_of_the_machine_is_at_most_a_term)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 900000000, &wait) == 0);
    CHECK_EQ(open_at(&lease, &b, 10, &wait), -EBUSY);
    CHECK_EQ(wait, 17000);
}

TEST(revoking_fences_the_owner)
{
    struct lease lease = {0};
    struct lease_owner a = owner_of(1, 0), b = owner_of(2, 0);
    uint64_t wait = 0;
    REQUIRE(open_at(&lease, &a, 0, &wait) == 0);
    lease_revoke(&lease);
    CHECK_EQ(report_at(&lease, &a, 1, 1, 1), -ESTALE);
    CHECK_EQ(open_at(&lease, &b, 1, &wait), 0);
    CHECK_EQ(lease.head.epoch, 3);
}

TAP_MAIN()
