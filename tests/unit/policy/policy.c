/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "policy/yaml_tree.h"
#include "tap.h"

#include <errno.h>

#define DIGEST "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* Each line of a sample policy, so that a test can name the line that it breaks. */
#define HEAD                                  \
    "version: 1\n"                            \
    "tenant: demo\n"                          \
    "name: documents\n"                       \
    "program: {measurements: [" DIGEST "]}\n" \
    "command: {arguments: [server]}\n" /* line 5 */

static struct policy *parse(const char *text)
{
    struct policy *policy = NULL;
    struct error e = {0};
    int r = policy_parse(slice_of_text(text), &policy, &e);
    if (r < 0)
        printf("# %s\n", e.text);
    REQUIRE(r == 0);
    return policy;
}

static void check_refused(const char *text, const char *start, const char *word)
{
    struct policy *policy = NULL;
    struct error e = {0};
    CHECK_EQ(policy_parse(slice_of_text(text), &policy, &e), -EINVAL);
    CHECK(policy == NULL);
    if (strncmp(e.text, start, strlen(start)) != 0 || !strstr(e.text, word)) {
        printf("# \"%s\" lacks \"%s\" or \"%s\"\n", e.text, start, word);
        CHECK(!"the error names line and reason");
    }
    policy_free(policy);
}

TEST(the_smallest_policy_refuses_the_simulation_and_gives_nothing)
{
    SCOPED(policy_freep) struct policy *p = parse(HEAD);
    CHECK_TEXT(p->tenant, "demo");
    CHECK_TEXT(p->name, "documents");
    CHECK_EQ(p->who.tees, 1u << TEE_TDX | 1u << TEE_SNP | 1u << TEE_SGX);
    CHECK_EQ(p->who.program.count, 1);
    CHECK_EQ(p->who.program.digest[0][1], 0x11);
    CHECK_EQ(p->who.allow_debug, false);
    CHECK_EQ(p->argument_count, 1);
    CHECK_EQ(p->volume_count + p->file_count + p->network_count + p->secret_count, 0);
}

TEST(a_whole_policy_is_read)
{
    SCOPED(policy_freep)
    struct policy *p = parse(
        HEAD
        "tee: [sim, tdx]\n"
        "allow_debug: true\n"
        "runtime: {measurements: [" DIGEST ", " DIGEST "]}\n"
        "tls: {names: [demo.localhost], allow_1_2: true, client_ca: pem, alpn: [h2, http/1.1]}\n"
        "volumes: [{name: data, mount: /data, mode: strict}]\n"
        "files: [{path: /etc/hosts, class: host, read_only: true},\n"
        "        {path: /bin/x, class: authenticated, digest: " DIGEST "}]\n"
        "network: [{listen: 8443, class: handover}, {connect: '[::1]:53', class: plain},\n"
        "          {connect: '*:*', class: denied},\n"
        "          {connect: 'db.example:5432', class: tls, trust: pem, server_name: db}]\n"
        "secrets:\n"
        "  a: {kind: ascii, source: generate, size: 30, reveal: once}\n"
        "  b: {kind: binary, source: given}\n"
        "  c: {kind: ascii, source: import, import: {policy: other, secret: a}}\n"
        "  k: {kind: private_key, source: generate}\n"
        "  x: {kind: certificate, source: generate, key: k, names: [x.demo.localhost]}\n"
        "secret_files: [{path: /run/b, secret: b, mode: '0440'}, {path: /run/x, secret: x}]\n");
    CHECK_EQ(p->who.tees, 1u << TEE_SIM | 1u << TEE_TDX);
    CHECK_EQ(p->who.tees_line, 6);
    CHECK_EQ(p->who.allow_debug, true);
    CHECK_EQ(p->who.runtime.count, 2);
    CHECK_EQ(p->tls_allow_1_2, true);
    char alpn[POLICY_ALPN_SIZE_MAX];
    policy_alpn(p, alpn);
    CHECK_TEXT(alpn, "h2,http/1.1");
    CHECK_EQ(p->volumes[0].mode, POLICY_VOLUME_STRICT);
    CHECK_EQ(p->files[0].read_only, true);
    CHECK_EQ(p->files[1].digest[15], 0xff);
    CHECK_EQ(p->network[0].class, POLICY_NET_HANDOVER);
    CHECK_EQ(p->network[0].port, 8443);
    CHECK_TEXT(p->network[1].address, "::1");
    CHECK_EQ(p->network[1].port, 53);
    CHECK(p->network[2].address == NULL && p->network[2].port == 0);
    CHECK_TEXT(p->network[3].server_name, "db");
    CHECK_EQ(p->secret_count, 5);
    CHECK_EQ(p->secrets[0].size, 30);
    CHECK_EQ(p->secrets[0].reveal_once, true);
    CHECK_TEXT(p->secrets[2].import.policy, "other");
    CHECK_EQ(p->secret_files[0].mode, 0440);
    CHECK_EQ(p->secret_files[1].mode, 0400);
}

TEST(errors_name_their_line)
{
    check_refused(HEAD "what: 1\n", "line 6,", "'what'");
    check_refused(HEAD "tee: [sgx2]\n", "line 6,", "sgx2");
    check_refused(HEAD "tee: []\n", "line 6,", "empty");
    check_refused(HEAD "tee: sim\n", "line 6,", "a list");
    check_refused(HEAD "allow_debug: maybe\n", "line 6,", "true or false");
    check_refused(HEAD "runtime: {measurements: [abc]}\n", "line 6,", "sha256:");
    check_refused(HEAD "runtime: {measurements: []}\n", "line 6,", "empty");
    check_refused(HEAD "volumes:\n  - {name: a, mount: /a, mode: none}\n"
                       "  - {name: a, mount: /b, mode: none}\n",
                  "line 8,", "two volumes");
    check_refused(HEAD "volumes: [{name: a, mount: a, mode: none}]\n", "line 6,", "absolute");
    check_refused(HEAD "volumes: [{name: a, mount: /a/../b, mode: none}]\n", "line 6,", "absolute");
    check_refused(HEAD "volumes: [{name: a, mount: /a, mode: often}]\n", "line 6,", "often");
    check_refused(HEAD "volumes: [{name: ../a, mount: /a, mode: none}]\n", "line 6,", "a-z");
    check_refused(HEAD "files: [{path: /a, class: authenticated}]\n", "line 6,", "digest");
    check_refused(HEAD "network: [{class: tls}]\n", "line 6,", "listen");
    check_refused(HEAD "network: [{listen: 1, connect: 'a:1', class: tls}]\n", "line 6,", "either");
    check_refused(HEAD "network: [{connect: 'a:1', class: tls}]\n", "line 6,", "trust");
    check_refused(HEAD "network: [{connect: 'a:1', class: handover}]\n", "line 6,", "listening");
    check_refused(HEAD "network: [{connect: 'a:99999', class: plain}]\n", "line 6,", "65535");
    check_refused(HEAD "network: [{listen: -1, class: plain}]\n", "line 6,", "65535");
    check_refused(HEAD "secret_files: [{path: /a, secret: no}]\n", "line 6,", "'no'");
    check_refused(HEAD "secrets: {a: {kind: ascii}}\n", "line 6,", "source");
    check_refused(HEAD "secrets: {a: {kind: ascii, source: generate, size: 4}}\n", "line 6,", "12");
    check_refused(HEAD "secrets: {a: {kind: certificate, source: generate, names: [a]}}\n",
                  "line 6,", "key");
    check_refused(HEAD "secrets: {a: {kind: ascii, source: import}}\n", "line 6,", "import");
    check_refused(HEAD "secrets: {A: {kind: ascii, source: given}}\n", "line 6,", "name");
}

TEST(what_must_be_there_is_missed)
{
    check_refused("", "line 1,", "");
    check_refused("- a\n", "line 1,", "a map");
    check_refused("version: 2\n", "line 1,", "from 1 to 1");
    check_refused("version: 1\ntenant: demo\n", "line 1,", "name");
    check_refused("version: 1\ntenant: Demo\nname: a\n", "line 2,", "a-z");
    check_refused("version: 1\ntenant: demo\nname: a\nprogram: {}\n", "line 4,", "anything");
    check_refused("version: 1\ntenant: demo\nname: a\nprogram: {signers: [" DIGEST "]}\n",
                  "line 1,", "command");
    check_refused("version: 1\ntenant: demo\nname: a\nprogram: {signers: [" DIGEST "]}\n"
                  "command: {arguments: []}\n",
                  "line 5,", "empty");
}

TEST(network_rules_name_udp_and_unix_sockets)
{
    SCOPED(policy_freep)
    struct policy *p = parse(HEAD "explain: true\n"
                                  "network:\n"
                                  "  - {listen: 53, class: plain, protocol: udp}\n"
                                  "  - {connect: \"10.0.0.1:53\", class: plain, protocol: udp}\n"
                                  "  - {listen: \"unix:/run/a.sock\", class: plain}\n"
                                  "  - {connect: \"unix:@name\", class: denied}\n"
                                  "  - {connect: \"unix:/tmp/x/\", class: plain}\n"
                                  "  - {listen: 80, class: plain, protocol: tcp}\n");
    CHECK_EQ(p->explain, true);
    REQUIRE(p->network_count == 6);
    CHECK_EQ(p->network[0].protocol, POLICY_UDP);
    CHECK_EQ(p->network[0].port, 53);
    CHECK_EQ(p->network[1].protocol, POLICY_UDP);
    CHECK_TEXT(p->network[1].address, "10.0.0.1");
    CHECK_EQ(p->network[2].protocol, POLICY_UNIX);
    CHECK_EQ(p->network[2].listen, true);
    CHECK_TEXT(p->network[2].address, "/run/a.sock");
    CHECK_TEXT(p->network[3].address, "@name");
    CHECK_EQ(p->network[3].class, POLICY_NET_DENIED);
    CHECK_TEXT(p->network[4].address, "/tmp/x/");
    CHECK_EQ(p->network[5].protocol, POLICY_TCP);
    check_refused(HEAD "network: [{listen: \"unix:run\", class: plain}]\n", "line 6,",
                  "unix:/PATH");
    check_refused(HEAD "network: [{listen: \"unix:/a/../b\", class: plain}]\n", "line 6,", "'..'");
    check_refused(HEAD "network: [{listen: \"unix:/a\", class: tls}]\n", "line 6,", "only TCP");
    check_refused(HEAD "network: [{listen: 5, class: tls, protocol: udp}]\n", "line 6,",
                  "only TCP");
    check_refused(HEAD "network: [{listen: 5, class: plain, protocol: sctp}]\n", "line 6,",
                  "no value 'sctp'");
    check_refused(HEAD "network: [{listen: \"unix:/a\", class: plain, protocol: udp}]\n", "line 6,",
                  "no 'protocol'");
}

static int parse_local(const char *text, struct policy **ret, struct error *e)
{
    *ret = NULL;
    return policy_parse_local(slice_of_text(text), ret, e);
}

TEST(a_local_policy_may_leave_out_who_and_command_but_has_no_secrets)
{
    struct error e = {0};
    SCOPED(policy_freep) struct policy *p = NULL;
    REQUIRE(parse_local("version: 1\n", &p, &e) == 0);
    CHECK(!p->tenant && !p->name);
    CHECK_EQ(p->argument_count, 0);
    CHECK(p->who.tees & 1u << TEE_SIM);
    policy_freep(&p);
    REQUIRE(parse_local("version: 1\ntee: [tdx]\ncommand: {environment: {A: b}}\n", &p, &e) == 0);
    CHECK_EQ(p->who.tees, 1u << TEE_TDX);
    CHECK_EQ(p->environment_count, 1);
    policy_freep(&p);
    REQUIRE(parse_local(HEAD, &p, &e) == 0);
    CHECK_EQ(p->who.program.count, 1);
    policy_freep(&p);
    CHECK_EQ(parse_local("version: 1\nsecrets: {a: {kind: ascii, source: generate}}\n", &p, &e),
             -EINVAL);
    CHECK(strstr(e.text, "key broker"));
    CHECK_EQ(parse_local("version: 1\nprogram: {}\n", &p, &e), -EINVAL);
    CHECK_EQ(parse_local("version: 1\nfiles: [{path: x, class: host}]\n", &p, &e), -EINVAL);
    CHECK_EQ(parse_local("tenant: demo\n", &p, &e), -EINVAL);
}

TEST(references_must_be_to_secrets_that_are_texts)
{
    check_refused(HEAD "secrets: {b: {kind: binary, source: given}}\n"
                       "command: {arguments: [x]}\n",
                  "line 7,", "twice");
    check_refused("version: 1\ntenant: demo\nname: a\nprogram: {signers: [" DIGEST "]}\n"
                  "command: {arguments: ['${secret.none}']}\n",
                  "line 5,", "'none'");
    check_refused("version: 1\ntenant: demo\nname: a\nprogram: {signers: [" DIGEST "]}\n"
                  "command: {arguments: ['${HOME}']}\n",
                  "line 5,", "${secret.NAME}");
    check_refused("version: 1\ntenant: demo\nname: a\nprogram: {signers: [" DIGEST "]}\n"
                  "secrets: {b: {kind: binary, source: given}}\n"
                  "command: {arguments: [x], environment: {A: '${secret.b}'}}\n",
                  "line 6,", "binary");
}

TEST(a_value_is_split_at_its_references)
{
    char name[POLICY_NAME_SIZE_MAX + 1];
    struct slice before;
    const char *text = "a${secret.one}b${secret.two}c";
    CHECK_EQ(policy_reference_next(text, &before, name, &text), 0);
    CHECK(slice_is_text(before, "a"));
    CHECK_TEXT(name, "one");
    CHECK_EQ(policy_reference_next(text, &before, name, &text), 0);
    CHECK(slice_is_text(before, "b"));
    CHECK_TEXT(name, "two");
    CHECK_EQ(policy_reference_next(text, &before, name, &text), -ENOENT);
    CHECK_TEXT(text, "c");
    CHECK_EQ(policy_reference_next("${secret.x", &before, name, &text), -EINVAL);
}

TEST(yaml_with_anchors_tags_or_two_documents_is_refused)
{
    check_refused("a: &x [1]\n", "line 1,", "anchors");
    check_refused("a: 1\nb: *x\n", "line 2,", "aliases");
    check_refused("a: !!binary xx\n", "line 1,", "tags");
    check_refused("a: 1\n---\nb: 2\n", "line 2,", "one YAML");
    check_refused("a: 1\na: 2\n", "line 2,", "twice");
    check_refused("a: [1, 2\nb: }\n", "line 2,", "not YAML");
    check_refused("? [a]\n: b\n", "line 1,", "key");
    check_refused("a: \"x\\0y\"\n", "line 1,", "NUL");
    check_refused("[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]\n", "line 1,", "deep");
}

TEST(a_document_that_is_too_large_is_refused)
{
    static char text[YAML_SIZE_MAX + 2];
    struct policy *policy = NULL;
    memset(text, ' ', sizeof text - 1);
    CHECK_EQ(policy_parse(slice_of_text(text), &policy, NULL), -EFBIG);
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 3 < 3 * (YAML_NODES_MAX + 10); i += 3)
        memcpy(text + i, "- \n", 3);
    CHECK(policy_parse(slice_of_text(text), &policy, NULL) < 0);
}

TEST(every_truncation_of_a_policy_is_refused_or_a_policy)
{
    static const char whole[] = HEAD "tee: [sim]\nvolumes: [{name: a, mount: /a, mode: none}]\n";
    for (size_t size = 0; size < sizeof whole; size++) {
        struct policy *policy = NULL;
        int r = policy_parse(slice_of(whole, size), &policy, NULL);
        CHECK((r == 0) == (policy != NULL));
        policy_free(policy);
    }
}

#define OTHER "sha256:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

/* What services share stands at the top; what each has of its own, with it. */
#define SERVICES                                                                           \
    "version: 1\ntenant: demo\nname: shop\ntee: [sim]\n"                                   \
    "secrets: {token: {kind: ascii, source: generate}}\n"                                  \
    "volumes: [{name: a, mount: /a, mode: none}, {name: b, mount: /b, mode: strict}]\n"    \
    "services:\n"                                                                          \
    "  web:\n    program: {measurements: [" DIGEST "]}\n    command: {arguments: [web]}\n" \
    "    volumes: [b]\n"                                                                   \
    "  worker:\n    program: {measurements: [" OTHER "]}\n    allow_debug: true\n"         \
    "    command: {arguments: [worker, \"${secret.token}\"]}\n"

static struct policy *service(const char *text, const char *name)
{
    struct policy *policy = NULL;
    struct error e = {0};
    if (policy_parse_service(slice_of_text(text), name, &policy, &e) < 0)
        printf("# %s\n", e.text);
    REQUIRE(policy != NULL);
    return policy;
}

TEST(a_service_is_the_policy_with_what_is_its_own)
{
    SCOPED(policy_freep) struct policy *whole = parse(SERVICES);
    SCOPED(policy_freep) struct policy *web = service(SERVICES, "web");
    SCOPED(policy_freep) struct policy *worker = service(SERVICES, "worker");
    struct policy *none = NULL;
    CHECK_EQ(whole->service_count, 2);
    CHECK(whole->service == NULL);
    CHECK_EQ(whole->volume_count, 2);
    CHECK_TEXT(web->service, "web");
    CHECK_TEXT(web->arguments[0], "web");
    CHECK_EQ(web->volume_count, 1);
    CHECK_TEXT(web->volumes[0].name, "b");
    CHECK(!web->who.allow_debug && worker->who.allow_debug);
    CHECK(memcmp(web->who.program.digest[0], worker->who.program.digest[0], 32) != 0);
    CHECK_EQ(worker->volume_count, 2);
    CHECK_EQ(web->who.tees, 1u << TEE_SIM);
    CHECK_EQ(policy_parse_service(slice_of_text(SERVICES), "nobody", &none, NULL), -ENOENT);
}

TEST(a_mistake_in_a_service_is_found_with_the_whole)
{
    check_refused(SERVICES "    comand: {}\n", "line 16,", "did you mean");
    check_refused(SERVICES "  third: {command: {arguments: [x]}}\n", "line 16,", "program");
    check_refused(SERVICES "  fourth:\n    program: {measurements: [" DIGEST "]}\n"
                           "    command: {arguments: [x]}\n    volumes: [c]\n",
                  "line 19,", "no volume 'c'");
    check_refused(SERVICES "  Fifth: {}\n", "line 16,", "name for a service");
    check_refused("version: 1\ntenant: demo\nname: a\nservices: {}\n", "line 4,", "1 to");
}

TEST(errors_have_line_and_column)
{
    check_refused(HEAD "volumes:\n  - name: a\n    mount: b\n", "line 8, column 5:", "absolute");
    check_refused(HEAD "volumes:\n  - {name: a, mount: /b}\n",
                  "line 7, column 5:", "'volumes.mode'");
    check_refused(HEAD "tee: [sim, abacus]\n", "line 6, column 12:", "abacus");
    check_refused(HEAD "what: [\n", "line 7, column 1:", "not YAML");
    check_refused(HEAD "comand: {}\n", "line 6, column 1:", "did you mean 'command'?");
}

TEST(files_in_memory_hold_texts_and_secrets)
{
    SCOPED(policy_freep)
    struct policy *policy =
        parse(HEAD "secrets: {pass: {kind: ascii, source: generate}, raw: {kind: binary, source: "
                   "given}}\ninjected_files:\n  - {path: /etc/db.conf, content: \"password = "
                   "${secret.pass}\", mode: \"0440\"}\n");
    CHECK_EQ(policy->secret_file_count, 1);
    CHECK(policy->secret_files[0].secret == NULL);
    CHECK_TEXT(policy->secret_files[0].content, "password = ${secret.pass}");
    CHECK_EQ(policy->secret_files[0].mode, 0440);
    check_refused(HEAD "injected_files: [{path: /a, content: \"${secret.no}\"}]\n", "line 6,",
                  "'no'");
    check_refused(HEAD "injected_files: [{path: /a, content: \"${env.X}\"}]\n", "line 6,", "${");
    check_refused(HEAD "injected_files: [{path: /a}]\n", "line 6,", "content");
}

TEST(secrets_of_every_kind)
{
    SCOPED(policy_freep)
    struct policy *policy = parse(
        HEAD
        "secrets:\n"
        "  root: {kind: ca, source: generate, algorithm: p384, valid_days: 100}\n"
        "  key: {kind: private_key, source: generate, algorithm: ed25519}\n"
        "  cert: {kind: certificate, source: generate, key: key, issuer: root, names: [a.b],\n"
        "         client: true, valid_days: 10, renew_days: 3}\n"
        "  token: {kind: jwt, source: generate, key: key, valid_s: 60, claims: {aud: x}}\n"
        "  big: {kind: private_key, source: generate, algorithm: rsa-4096}\n"
        "  from: {kind: ascii, source: import,\n"
        "         import: {tenant: other, policy: ns/p, secret: s, hash: " DIGEST "}}\n"
        "  out: {kind: ascii, source: given, export: [{tenant: x, policy: y}, {policy: z}]}\n");
    const struct policy_secret *s = policy_secret_find(policy, "cert");
    CHECK_EQ(policy_secret_find(policy, "root")->kind, POLICY_SECRET_CA);
    CHECK_EQ(policy_secret_find(policy, "root")->algorithm, POLICY_KEY_P384);
    CHECK_TEXT(s->issuer, "root");
    CHECK(s->client && s->valid_days == 10 && s->renew_days == 3);
    s = policy_secret_find(policy, "token");
    CHECK_EQ(s->kind, POLICY_SECRET_JWT);
    CHECK_TEXT(s->claims[0].name, "aud");
    s = policy_secret_find(policy, "from");
    CHECK(s->import.has_hash && strcmp(s->import.tenant, "other") == 0);
    CHECK_TEXT(s->import.policy, "ns/p");
    s = policy_secret_find(policy, "out");
    CHECK_EQ(s->export_count, 2);
    CHECK(s->exports[1].tenant == NULL);
}

TEST(secrets_that_make_no_sense_are_refused)
{
    check_refused(HEAD "secrets: {a: {kind: jwt, source: given, key: b}}\n", "line 6,",
                  "generated");
    check_refused(HEAD "secrets: {a: {kind: jwt, source: generate}}\n", "line 6,", "key");
    check_refused(HEAD "secrets: {a: {kind: ca, source: generate, reveal: once}}\n", "line 6,",
                  "never revealed");
    check_refused(HEAD "secrets: {a: {kind: ascii, source: generate, algorithm: p256}}\n",
                  "line 6,", "no 'algorithm'");
    check_refused(HEAD
                  "secrets: {a: {kind: ascii, source: given, import: {policy: b, secret: c}}}\n",
                  "line 6,", "source: import");
    check_refused(
        HEAD
        "secrets: {a: {kind: ascii, source: import, import: {tenant: x, policy: b, secret: c}}}\n",
        "line 6,", "hash");
    check_refused(HEAD
                  "secrets:\n  k: {kind: private_key, source: generate}\n  a: {kind: jwt, source: "
                  "generate, key: k, claims: {exp: \"1\"}}\n",
                  "line 8,", "valid_s");
    check_refused(HEAD
                  "secrets:\n  k: {kind: private_key, source: generate}\n  a: {kind: certificate, "
                  "source: generate, key: k, names: [a], issuer: k}\n",
                  "line 8,", "no ca");
    check_refused(HEAD
                  "secrets:\n  k: {kind: private_key, source: generate}\n  a: {kind: certificate, "
                  "source: generate, key: k, names: [a], valid_days: 3, renew_days: 3}\n",
                  "line 8,", "every start");
    check_refused(HEAD "secrets: {a: {kind: private_key, source: generate, algorithm: rsa-1024}}\n",
                  "line 6,", "rsa-1024");
}

TEST(approvals_nest)
{
    SCOPED(policy_freep)
    struct policy *policy =
        parse(HEAD "totp: [phone]\naccess:\n  read: [owner, " DIGEST "]\n"
                   "  update: {require: 2, of: [owner, {totp: phone}, {require: "
                   "1, of: [" DIGEST ", " OTHER "]}]}\n  create: owner\n");
    const struct policy_approval *u = policy->access.update;
    CHECK_EQ(u->kind, POLICY_APPROVAL_OF);
    CHECK_EQ(u->require, 2);
    CHECK_EQ(u->of_count, 3);
    CHECK_EQ(u->of[0].kind, POLICY_APPROVAL_OWNER);
    CHECK_TEXT(u->of[1].totp, "phone");
    CHECK_EQ(u->of[2].of[1].key[0], 0xff);
    CHECK_EQ(policy->access.read->require, 1);
    CHECK_EQ(policy->access.create->kind, POLICY_APPROVAL_OWNER);
    check_refused(HEAD "access: {update: {require: 3, of: [owner, " DIGEST "]}}\n", "line 6,",
                  "from 1 to 2");
    check_refused(HEAD "access: {update: {require: 0, of: [owner]}}\n", "line 6,", "from 1");
    check_refused(HEAD "access: {update: {of: [owner]}}\n", "line 6,", "require");
    check_refused(HEAD "access: {update: []}\n", "line 6,", "nobody");
    check_refused(HEAD "access: {update: somebody}\n", "line 6,", "sha256");
    check_refused(HEAD "access: {update: {totp: phone}}\n", "line 6,", "'phone'");
    check_refused(HEAD "access: {write: owner}\n", "line 6,", "no setting 'write'");
    check_refused(HEAD "totp: [a, a]\n", "line 6,", "two 'a'");
    check_refused(HEAD
                  "access: {update: {require: 1, of: [{require: 1, of: [{require: 1, of: "
                  "[{require: 1, of: [{require: 1, of: [{require: 1, of: [owner]}]}]}]}]}]}}\n",
                  "line 6,", "deeply");
}

TEST(a_policy_lies_in_a_namespace)
{
    CHECK(policy_path_is_valid("a") && policy_path_is_valid("a/b-c/d/e"));
    CHECK(!policy_path_is_valid("a/b/c/d/e") && !policy_path_is_valid("/a") &&
          !policy_path_is_valid("a/") && !policy_path_is_valid("a//b") &&
          !policy_path_is_valid("A/b") && !policy_path_is_valid("") &&
          !policy_path_is_valid("a/../b"));
}

TAP_MAIN()
