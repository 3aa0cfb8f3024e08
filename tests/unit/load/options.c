/* SPDX-License-Identifier: Apache-2.0 */
#include "load/options.h"

#include "tap.h"

#include <errno.h>

#define ARGUMENTS_MAX 32

static struct error e;

/* Parses a command line given as one text. */
static int parse(const char *line, struct load_options *o)
{
    static char copy[512];
    char *argv[ARGUMENTS_MAX];
    int argc = 0;
    char *rest = NULL;
    snprintf(copy, sizeof copy, "%s", line);
    e = (struct error){0};
    for (char *word = strtok_r(copy, " ", &rest); word && argc < ARGUMENTS_MAX;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return load_options_parse(argc, argv, o, &e);
}

static void refuses(const char *line, const char *says)
{
    struct load_options o;
    CHECK(parse(line, &o) < 0);
    if (!strstr(e.text, says))
        CHECK_TEXT(e.text, says);
}

TEST(a_full_command_line_is_understood)
{
    struct load_options o;
    setenv("COFFER_LOAD_PASSWORD", "secret", 1);
    REQUIRE(parse("--insecure-plain http://127.0.0.1:8080 --clients 200 --duration 1500ms "
                  "--rate 12.5 --profile write --size 64k --tenant acme,beta --user alice --keep",
                  &o) == 0);
    CHECK_EQ(o.client_count, 200);
    CHECK_EQ(o.duration_ns, 1500000000);
    CHECK_EQ(o.rate_per_ks, 12500);
    CHECK_EQ(o.profile, LOAD_WRITE);
    CHECK_EQ(o.document_size, 65536);
    CHECK_EQ(o.tenant_count, 2);
    CHECK_TEXT(o.tenants[1].server_name, "beta.localhost");
    CHECK_TEXT(o.tenants[0].authorization, "Basic YWxpY2U6c2VjcmV0");
    CHECK(o.keep && !o.endpoint.tls);
    load_options_done(&o);
}

TEST(one_request_per_client_and_second_is_the_default)
{
    struct load_options o;
    REQUIRE(parse("--insecure-plain http://[::1]:8080 --clients 30", &o) == 0);
    CHECK_EQ(o.rate_per_ks, 30000);
    CHECK_TEXT(o.tenants[0].name, "demo");
    load_options_done(&o);
    REQUIRE(parse("--insecure-plain http://[::1]:8080 --rate max", &o) == 0);
    CHECK_EQ(o.rate_per_ks, 0);
    load_options_done(&o);
}

TEST(mistakes_are_named)
{
    unsetenv("COFFER_LOAD_PASSWORD");
    refuses("--insecure-plain http://1.2.3.4:80 --clients 0", "clients");
    refuses("--insecure-plain http://1.2.3.4:80 --clients many", "clients");
    refuses("--insecure-plain http://1.2.3.4:80 --duration 0", "--duration '0'");
    refuses("--insecure-plain http://1.2.3.4:80 --duration 3h", "--duration '3h'");
    refuses("--insecure-plain http://1.2.3.4:80 --rate fast", "--rate 'fast'");
    refuses("--insecure-plain http://1.2.3.4:80 --size 2000m", "--size '2000m'");
    refuses("--insecure-plain http://1.2.3.4:80 --profile all", "--profile 'all'");
    refuses("--insecure-plain http://1.2.3.4:80 --errors-max 2", "--errors-max '2'");
    refuses("--insecure-plain http://1.2.3.4:80 --tenant Acme", "'Acme'");
    refuses("--insecure-plain http://1.2.3.4:80 --tenant ,", "no tenant");
    refuses("--insecure-plain http://1.2.3.4:80 --user bob", "without a password");
    refuses("--insecure-plain http://1.2.3.4:80 --bogus", "bogus");
    refuses("--insecure-plain http://1.2.3.4:80 stray", "stray");
    refuses("--insecure-plain https://1.2.3.4:80", "http://IP:PORT");
    refuses("--insecure-plain http://host:80", "'host'");
    refuses("--insecure-plain http://1.2.3.4", "1.2.3.4");
    refuses("--insecure-plain http://1.2.3.4:99999", "99999");
    refuses("--clients 3 --state /nowhere", "no running system in '/nowhere'");
}

TEST(a_tenants_file_names_tenants_and_their_credentials)
{
    char path[] = "/tmp/coffer-load-test-XXXXXX", line[128];
    struct load_options o;
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    FILE *out = fdopen(fd, "w");
    REQUIRE(out != NULL);
    fputs("# name user password\nacme alice secret\n\nbeta\n", out);
    fclose(out);
    snprintf(line, sizeof line, "--insecure-plain http://[::1]:80 --tenants-file %s", path);
    REQUIRE(parse(line, &o) == 0);
    CHECK_EQ(o.tenant_count, 2);
    CHECK_TEXT(o.tenants[0].authorization, "Basic YWxpY2U6c2VjcmV0");
    CHECK(o.tenants[1].authorization == NULL);
    load_options_done(&o);
    remove(path);
}

TEST(sizes_have_units)
{
    uint64_t size;
    CHECK_EQ(load_size_parse("4096", &size), 0);
    CHECK_EQ(size, 4096);
    CHECK_EQ(load_size_parse("1m", &size), 0);
    CHECK_EQ(size, 1 << 20);
    CHECK_EQ(load_size_parse("1024m", &size), 0);
    CHECK_EQ(load_size_parse("1025m", &size), -EINVAL);
    CHECK_EQ(load_size_parse("0", &size), -EINVAL);
    CHECK_EQ(load_size_parse("-1", &size), -EINVAL);
    CHECK_EQ(load_size_parse("4q", &size), -EINVAL);
    CHECK_EQ(load_size_parse("99999999999999999999", &size), -EINVAL);
}

TAP_MAIN()
