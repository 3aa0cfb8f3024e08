/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/appraise.h"
#include "attest/date.h"

#include "tap.h"

#include <errno.h>

static void digest_fill(uint8_t digest[EVIDENCE_DIGEST_SIZE], int byte)
{
    memset(digest, byte, EVIDENCE_DIGEST_SIZE);
}

static struct evidence evidence_sample(void)
{
    struct evidence ev = {.tee = TEE_SIM, .svn = 5};
    digest_fill(ev.runtime, 1);
    digest_fill(ev.program, 2);
    digest_fill(ev.signer, 3);
    digest_fill(ev.config, 4);
    digest_fill(ev.device, 6);
    return ev;
}

static void digests_set(struct who_digests *set, int byte, unsigned line)
{
    digest_fill(set->digest[0], byte);
    set->count = 1;
    set->line = line;
}

static struct who who_sample(void)
{
    struct who who = {.tees = 1u << TEE_SIM,
                      .tees_line = 3,
                      .svn_min = 5,
                      .svn_min_line = 9,
                      .allow_debug_line = 4};
    digests_set(&who.runtime, 1, 11);
    digests_set(&who.program, 2, 12);
    digests_set(&who.signer, 3, 13);
    digests_set(&who.config, 4, 14);
    digests_set(&who.device, 6, 15);
    return who;
}

static void check_refused(const struct who *who, const struct evidence *ev,
                          enum refusal_reason reason, const char *clause, unsigned line)
{
    struct refusal refusal = {0};
    CHECK_EQ(appraise(who, ev, &refusal), -EACCES);
    CHECK_TEXT(refusal_code(refusal.reason), refusal_code(reason));
    CHECK_TEXT(refusal.clause, clause);
    CHECK_EQ(refusal.line, line);
    CHECK_EQ(appraise(who, ev, NULL), -EACCES);
}

TEST(what_the_clause_names_is_accepted)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    CHECK_EQ(appraise(&who, &ev, NULL), 0);
    who.runtime.count = who.signer.count = who.config.count = 0;
    CHECK_EQ(appraise(&who, &ev, NULL), 0);
}

TEST(a_zeroed_clause_allows_nobody)
{
    struct who who = {0};
    struct evidence ev = evidence_sample();
    check_refused(&who, &ev, REFUSAL_TEE, "tee", 0);
}

TEST(a_tee_that_is_not_named_is_refused_with_both_names)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    struct refusal refusal = {0};
    who.tees = 1u << TEE_TDX | 1u << TEE_SNP;
    check_refused(&who, &ev, REFUSAL_TEE, "tee", 3);
    CHECK_EQ(appraise(&who, &ev, &refusal), -EACCES);
    CHECK_TEXT(refusal.expected, "tdx, snp");
    CHECK_TEXT(refusal.seen, "sim");
}

TEST(a_simulated_device_that_is_not_named_is_refused_even_if_none_is)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    ev.device[0] ^= 1;
    check_refused(&who, &ev, REFUSAL_DEVICE, "sim_devices", 15);
    who.device.count = 0;
    check_refused(&who, &ev, REFUSAL_DEVICE, "sim_devices", 15);
}

TEST(debug_is_refused_unless_allowed)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    ev.debug = true;
    check_refused(&who, &ev, REFUSAL_DEBUG, "allow_debug", 4);
    who.allow_debug = true;
    CHECK_EQ(appraise(&who, &ev, NULL), 0);
}

TEST(each_measurement_must_match)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    ev.runtime[31] ^= 1;
    check_refused(&who, &ev, REFUSAL_RUNTIME, "runtime.measurements", 11);
    ev = evidence_sample();
    ev.program[0] ^= 1;
    check_refused(&who, &ev, REFUSAL_PROGRAM, "program.measurements", 12);
    ev = evidence_sample();
    ev.signer[0] ^= 1;
    check_refused(&who, &ev, REFUSAL_SIGNER, "program.signers", 13);
    ev = evidence_sample();
    ev.config[0] ^= 1;
    check_refused(&who, &ev, REFUSAL_CONFIG, "program.config", 14);
}

TEST(any_of_several_measurements_will_do_and_many_are_cut_in_the_text)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    struct refusal refusal = {0};
    for (unsigned i = 0; i < WHO_DIGESTS_MAX; i++)
        digest_fill(who.program.digest[i], 0x20 + (int)i);
    who.program.count = WHO_DIGESTS_MAX;
    digest_fill(ev.program, 0x20 + WHO_DIGESTS_MAX - 1);
    CHECK_EQ(appraise(&who, &ev, NULL), 0);
    digest_fill(ev.program, 0x7f);
    CHECK_EQ(appraise(&who, &ev, &refusal), -EACCES);
    CHECK(strstr(refusal.expected, " more") != NULL);
}

TEST(an_old_security_version_is_refused)
{
    struct who who = who_sample();
    struct evidence ev = evidence_sample();
    ev.svn = 4;
    check_refused(&who, &ev, REFUSAL_SVN, "program.svn_min", 9);
}

TEST(a_refusal_reads_as_a_sentence)
{
    struct refusal refusal = {0};
    struct error e = {0};
    refusal_set(&refusal, REFUSAL_SVN, "program.svn_min", 9, "at least 5", "4");
    CHECK_EQ(refusal_error(&refusal, &e), -EACCES);
    CHECK_TEXT(e.text, "SVN_TOO_LOW: the program's security version is too old; clause "
                       "program.svn_min in line 9; expected at least 5; seen 4; upgrade the "
                       "program, or lower `program.svn_min` in the policy");
}

TEST(a_pin_is_written_as_it_is_read)
{
    struct who who, again;
    struct evidence ev = evidence_sample();
    SCOPED(buf_done) struct buf text = {0}, second = {0};
    ev.debug = true;
    pin_from_evidence(&ev, &who);
    CHECK_EQ(appraise(&who, &ev, NULL), 0);
    CHECK_EQ(pin_write(&who, &text), 0);
    CHECK_EQ(pin_parse(buf_slice(&text), &again, NULL), 0);
    CHECK_EQ(appraise(&again, &ev, NULL), 0);
    CHECK_EQ(pin_write(&again, &second), 0);
    CHECK(slice_equals(buf_slice(&text), buf_slice(&second)));
    ev.config[0] ^= 1;
    CHECK_EQ(appraise(&again, &ev, NULL), -EACCES);
}

TEST(a_pin_that_names_too_little_or_nonsense_is_refused)
{
    static const char *const bad[] = {
        "",
        "tee=sim",
        "tee=none",
        "program=00",
        "debug",
        "tee=sim program=xyz",
        "tee=sim, debug",
        "program=0000000000000000000000000000000000000000000000000000000000000000"};
    struct who who;
    struct error e = {0};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_EQ(pin_parse(slice_of_text(bad[i]), &who, &e), -EINVAL);
}

TEST(dates_are_those_of_the_calendar)
{
    static const struct {
        const char *text;
        int64_t s;
    } dates[] = {{"1970-01-01", 0},
                 {"2000-02-29", 951782400},
                 {"2024-03-13", 1710288000},
                 {"2100-03-01", 4107542400},
                 {"1999-12-31", 946598400}};
    static const char *const wrong[] = {"",           "1969-12-31", "2023-02-29",  "2024-13-01",
                                        "2024-00-01", "2024-1-01",  "2024-01-01x", "2024/01/01",
                                        "2024-01-32", "+024-01-01"};
    char text[DATE_TEXT_SIZE];
    int64_t s;
    for (size_t i = 0; i < ARRAY_COUNT(dates); i++) {
        CHECK_EQ(date_parse(dates[i].text, &s), 0);
        CHECK_EQ(s, dates[i].s);
        date_write(s + 86399, text);
        CHECK_TEXT(text, dates[i].text);
    }
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        CHECK_EQ(date_parse(wrong[i], &s), -EINVAL);
}

TAP_MAIN()
