/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate that somebody gives is asked for again in time, and not more often. */
#include "tap.h"

#include "runtime/net/renewal.h"

#include <platform/ops.h>
#include <sys/syscall.h>
#include <time.h>

#include "guest.h"
#include "pki.h"

static int64_t g_realtime_s;
static unsigned g_asked;
static int g_answer; /* what the key broker says: 0 or -errno */
static struct pki g_next;

static long test_call(long nr, const long args[6])
{
    if (nr != SYS_clock_gettime)
        return -ENOSYS;
    struct timespec *time = (struct timespec *)args[1]; /* NOLINT(performance-no-int-to-ptr) */
    time->tv_sec = g_realtime_s;
    time->tv_nsec = 0;
    return 0;
}

static const struct platform_ops test_clock = {.name = "test", .call = test_call};

static struct slice copied(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.size);
    REQUIRE(copy);
    memcpy(copy, bytes.bytes, bytes.size);
    return slice_of(copy, bytes.size);
}

static int renew(struct slice *ret_chain, struct slice *ret_key, struct error *e)
{
    g_asked++;
    if (g_answer < 0)
        return error_set(e, g_answer, "away");
    *ret_chain = copied(g_next.certificate_pem);
    *ret_key = copied(g_next.key_pem);
    return 0;
}

TEST(two_thirds_of_a_life_are_counted_by_the_calendar)
{
    struct pki pki = pki_new("DNS:localhost"); /* an hour old, a day to go */
    int64_t now = time(NULL), at = tls_certificate_renewal(pki.certificate_pem);
    int64_t wanted = now - 3600 + (int64_t)(86400 + 3600) / 3 * 2;
    CHECK(at >= wanted - 5 && at <= wanted + 5);
    CHECK_EQ(tls_certificate_renewal(slice_of_text("no PEM")), INT64_MAX);
    ASN1_TIME_set_string_X509(X509_getm_notBefore(pki.certificate), "20000228235959Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(pki.certificate), "20000301000002Z");
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, pki.certificate);
    struct slice leap = pki_take(bio);
    CHECK_EQ(tls_certificate_renewal(leap),
             951782399 + 86403 / 3 * 2); /* a leap day lies between */
    free((void *)(uintptr_t)leap.bytes);
    pki_done(&pki);
}

TEST(it_is_asked_for_in_time_and_again_while_nobody_answers)
{
    struct pki first = pki_new("DNS:localhost");
    g_next = pki_new("DNS:localhost");
    struct runtime_tls tls = {
        .certificate_chain = first.certificate_pem, .private_key = first.key_pem, .renew = renew};
    struct renewal renewal = {0};
    struct tls_context *context = NULL;
    struct error e = {0};
    platform_set(&test_clock);
    g_realtime_s = tls_certificate_renewal(first.certificate_pem) - 1;
    CHECK_EQ(renewal_check(&renewal, &tls, &context, &e), 0);
    g_realtime_s++;
    CHECK_EQ(renewal_check(&renewal, &tls, &context, &e), 0); /* once a second */
    CHECK_EQ(g_asked, 0);
    g_answer = -EAGAIN;
    renewal.checked_ns = 0; /* a second later */
    CHECK_EQ(renewal_check(&renewal, &tls, &context, &e), -EAGAIN);
    renewal.checked_ns = 0;
    CHECK_EQ(renewal_check(&renewal, &tls, &context, &e), 0); /* not at every connection */
    CHECK_EQ(g_asked, 1);
    g_answer = 0;
    renewal.checked_ns = renewal.ask_at_ns = 0; /* ten minutes later */
    CHECK_EQ(renewal_check(&renewal, &tls, &context, &e), 1);
    CHECK_EQ(g_asked, 2);
    tls_context_free(context);
    g_realtime_s = tls_certificate_renewal(g_next.certificate_pem) - 1;
    renewal.checked_ns = renewal.ask_at_ns = 0;
    CHECK_EQ(renewal_check(&renewal, &tls, &context, &e), 0); /* the new one is young */
    CHECK_EQ(g_asked, 2);
    pki_done(&first);
    pki_done(&g_next);
}

TAP_MAIN()
