/* SPDX-License-Identifier: Apache-2.0 */
#include "server/address.h"

#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(numeric_addresses_are_understood_and_others_named)
{
    static const char *const bad[] = {
        "",       "8443",        "127.0.0.1",       "127.0.0.1:",  "host:1",
        "[::1:1", "127.0.0.1:x", "127.0.0.1:65536", "1.2.3.4.5:1", "127.0.0.1:-1"};
    struct sockaddr_storage address;
    socklen_t size = 0;
    struct error e = {0};
    CHECK_EQ(address_parse("127.0.0.1:8443", &address, &size, &e), 0);
    CHECK_EQ(ntohs(((struct sockaddr_in *)&address)->sin_port), 8443);
    CHECK_EQ(address_parse("[::1]:1", &address, &size, &e), 0);
    CHECK_EQ(address.ss_family, AF_INET6);
    CHECK_EQ(address_parse("localhost:0", &address, &size, &e), 0);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct error why = {0};
        CHECK_EQ(address_parse(bad[i], &address, &size, &why), -EINVAL);
        CHECK(strlen(why.text) > 0);
    }
}

TEST(a_port_in_use_is_named_with_the_flag_that_changes_it)
{
    uint16_t port = 0;
    char text[ADDRESS_TEXT_SIZE];
    struct error e = {0};
    int fd = address_listen("127.0.0.1:0", "--listen", &port, &e);
    REQUIRE(fd >= 0 && port != 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    CHECK_EQ(address_listen(text, "--listen", NULL, &e), -EADDRINUSE);
    CHECK(strstr(e.text, text) && strstr(e.text, "--listen"));
    close(fd);
}

TEST(a_unix_socket_under_a_long_path_is_ours_alone)
{
    char path[300] = "";
    char dir[] = "/tmp/coffer-address-XXXXXX";
    struct stat st;
    struct error e = {0};
    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/%0120d", dir, 0);
    REQUIRE(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/%0120d/socket", dir, 0);
    CHECK(address_connect_unix(path, SOCK_STREAM, &e) < 0);
    int fd = address_listen_unix(path, SOCK_STREAM, &e);
    CHECK(fd >= 0);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    int again = address_listen_unix(path, SOCK_STREAM, &e);
    CHECK(again >= 0);
    int client = address_connect_unix(path, SOCK_STREAM, &e);
    CHECK(client >= 0);
    close(client);
    close(again);
    close(fd);
    unlink(path);
    snprintf(path, sizeof path, "%s/%0120d", dir, 0);
    rmdir(path);
    rmdir(dir);
}

TAP_MAIN()
