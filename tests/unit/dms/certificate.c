/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/certificate.h"
#include "tap.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(what_the_runtime_says_of_a_client_is_understood)
{
    struct peer_certificate peer;
    CHECK_EQ(peer_certificate_parse(slice_of_text("coffer-client " KEY " CN=ada,O=Example"), &peer),
             0);
    CHECK_TEXT(peer.key, KEY);
    CHECK_TEXT(peer.subject, "CN=ada,O=Example");
    CHECK_EQ(peer_certificate_parse(slice_of_text("coffer-client " KEY " "), &peer), 0);
    CHECK_TEXT(peer.subject, "");
}

TEST(anything_else_is_nobody)
{
    static const char *const others[] = {"",
                                         "unconfined",
                                         "system_u:object_r:unlabeled_t:s0",
                                         "coffer-client ",
                                         "coffer-client " KEY,
                                         "coffer-client" KEY " CN=a",
                                         "coffer-client " KEY "0 CN=a",
                                         "coffer-client " KEY " CN=a\n",
                                         "coffer-client " KEY " \xc3\xa4",
                                         "coffer-clienT " KEY " CN=a"};
    struct peer_certificate peer = {.key = "as it was"};
    char text[600] = "coffer-client " KEY " ";
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        CHECK_EQ(peer_certificate_parse(slice_of_text(others[i]), &peer), -EBADMSG);
    for (size_t at = 14; at < 14 + strlen(KEY); at++) { /* capitals, other letters */
        text[at] = 'G';
        CHECK_EQ(peer_certificate_parse(slice_of_text(text), &peer), -EBADMSG);
        text[at] = KEY[at - 14];
    }
    size_t size = strlen(text);
    memset(text + size, 'x', CERTIFICATE_SUBJECT_SIZE - 1);
    CHECK_EQ(peer_certificate_parse(slice_of(text, size + CERTIFICATE_SUBJECT_SIZE), &peer),
             -EBADMSG);
    CHECK_TEXT(peer.key, "as it was");
    CHECK_EQ(peer_certificate_parse(slice_of(text, size + CERTIFICATE_SUBJECT_SIZE - 1), &peer), 0);
}

TEST(a_connection_without_the_runtime_has_none)
{
    struct peer_certificate peer;
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    CHECK_EQ(peer_certificate(fds[0], &peer), -ENOENT);
    CHECK_EQ(peer_certificate(-1, &peer), -ENOENT);
    close(fds[0]);
    close(fds[1]);
}

TAP_MAIN()
