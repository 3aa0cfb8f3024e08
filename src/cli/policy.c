/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer policy`: what an owner does with policies before they go to the key broker: checks, compares,
 * tests and tries them; the calls to the key broker are in policy_calls.c. */
#include "cli/policy.h"

#include "cli/owner_keys.h"
#include "policy/policy_diff.h"
#include "policy/yaml_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define POLICY_USAGE                                                                            \
    "check FILE... | diff OLD NEW | test FILE [--expect FILE] | try FILE --evidence FILE "      \
    "[--collateral DIR] | first TENANT/NAME --keys DIR -- PROGRAM... | put FILE --keys DIR | "  \
    "get|revoke TENANT/NAME --keys DIR | "                                                      \
    "approve FILE --keys DIR --replaces HASH --out FILE | "                                     \
    "secret TENANT/NAME SECRET --keys DIR [--value FILE] | totp TENANT/NAME TOTP --keys DIR | " \
    "volume TENANT/NAME VOLUME [rekey | rewrite | erase PATH...] --keys DIR | "                 \
    "recovery-key TENANT/NAME VOLUME --keys DIR --out FILE"
#define POLICY_SIZE_MAX ((size_t)256 << 10)

#define ROW(name, member, value, help)                                                      \
    {                                                                                       \
        name, OPTION_TEXT, offsetof(struct policy_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("expect", expect, "FILE", "test: expectations (FILE with .test.yaml for .yaml)"),
    ROW("evidence", evidence, "FILE", "try: a record, certificate, quote, report or bundle"),
    ROW("collateral", collateral, "DIR", "try: vendors' statements, one set or a folder of sets"),
    ROW("at", at, "TIME", "try: as of then, as in 2026-03-17T22:34:05Z (now)"),
    ROW("service", service, "NAME", "try: for this one of its services"),
    ROW("keys", keys, "DIR", "The key and certificate of whoever asks (`coffer owner new DIR`)"),
    ROW("replaces", replaces, "HASH",
        "put, approve: what it replaces, or `nothing` (what is there)"),
    ROW("approvals", approvals, "FILE",
        "put, revoke, recovery-key: approvals of others, one JSON object a line"),
    ROW("totp", totp, "NAME=CODE", "put, get, revoke: a one-time code"),
    ROW("value", value, "FILE", "secret: give this value; without it, the value is shown, once"),
    ROW("action", action, "WHAT",
        "approve: update (as if left out), create, revoke or recovery-key"),
    ROW("out", out, "FILE", "approve: the approval; get, first: the policy; the recovery key"),
    ROW("state", state, "DIR", "State directory of the running system, to find the key broker"),
    ROW("kbs", kbs, "ADDRESS", "The key broker, if it runs elsewhere"),
    ROW("kbs-pin", kbs_pin, "FILE", "Whom to believe to be the key broker, if it runs elsewhere"),
};

int policy_file_read(const char *path, struct buf *ret, struct error *e)
{
    return owner_file_read(path, POLICY_SIZE_MAX, ret, e);
}

static int check_one(const char *path)
{
    SCOPED(buf_done) struct buf text = {0};
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct error e = {0};
    int r = policy_file_read(path, &text, &e);
    if (r == 0)
        r = policy_parse(buf_slice(&text), &policy, &e);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, error_text(&e, r));
        return 1;
    }
    printf("%s: good; policy %s of tenant %s", path, policy->name, policy->tenant);
    for (unsigned i = 0; i < policy->service_count; i++)
        printf("%s%s", i ? ", " : ", with the services ", policy->services[i]);
    puts("");
    return 0;
}

static int policy_check(int count, char **argv)
{
    int code = 0;
    for (int i = 1; i < count; i++)
        code |= check_one(argv[i]);
    return code;
}

static void lines_print(const char *title, struct buf *lines)
{
    const char *text = buf_text(lines);
    if (!text || lines->size == 0)
        return;
    puts(title);
    while (*text) {
        size_t len = strcspn(text, "\n");
        printf("  %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* 0: nothing newly allowed; 1: something; so that a review can be demanded by a script. */
static int policy_diff_verb(const char *old_path, const char *new_path, struct error *e)
{
    SCOPED(buf_done) struct buf old = {0}, new = {0};
    SCOPED(policy_diff_done) struct policy_diff diff = {0};
    int r = policy_file_read(old_path, &old, e);
    if (r == 0)
        r = policy_file_read(new_path, &new, e);
    if (r == 0)
        r = policy_diff(buf_slice(&old), buf_slice(&new), &diff, e);
    if (r < 0)
        return r == -EINVAL ? -EBADMSG : r;
    lines_print("Newly allowed:", &diff.allows);
    lines_print("No longer allowed:", &diff.forbids);
    lines_print("Changed:", &diff.changes);
    if (diff.allowed + diff.forbidden + diff.changed == 0)
        puts("The two policies mean the same.");
    else if (diff.allowed == 0)
        puts("Nothing is newly allowed.");
    return diff.allowed > 0 ? 1 : 0;
}

/* ---- expectations ---- */

static int claims_parse(const struct yaml_node *map, struct evidence *ret, struct error *e)
{
    static const char *const keys[] = {"tee",     "debug",  "svn",      "product",  "program",
                                       "runtime", "signer", "launched", "platform", NULL};
    const struct {
        const char *key;
        uint8_t *to;
    } digests[] = {{"program", ret->program}, {"runtime", ret->runtime}, {"signer", ret->signer}};
    uint64_t svn = 0, product = 0;
    int r = yaml_expect_keys(map, keys, "evidence", e);
    if (r == 0)
        r = yaml_expect(yaml_get(map, "tee"), YAML_SCALAR, "tee", e);
    if (r == 0 && tee_parse(slice_of_text(yaml_get(map, "tee")->text), &ret->tee) < 0)
        r = yaml_error(yaml_get(map, "tee"), e, "there is no such TEE");
    if (r == 0)
        r = yaml_bool(yaml_get(map, "debug"), "debug", &ret->debug, e);
    if (r == 0)
        r = yaml_bool(yaml_get(map, "launched"), "launched", &ret->platform.launched, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "svn"), 0, UINT32_MAX, "svn", &svn, e);
    if (r == 0)
        r = yaml_uint(yaml_get(map, "product"), 0, UINT16_MAX, "product", &product, e);
    for (size_t i = 0; r == 0 && i < ARRAY_COUNT(digests); i++)
        if (yaml_get(map, digests[i].key))
            r = yaml_digest(yaml_get(map, digests[i].key), digests[i].key, digests[i].to, e);
    ret->svn = (uint32_t)svn;
    ret->product = (uint16_t)product;
    ret->platform.present = ret->tee != TEE_SIM;
    return r < 0 ? r : policy_claims_platform(yaml_get(map, "platform"), ret, e);
}

struct expectation {
    const char *name, *service, *code, *clause;
    struct evidence evidence;
    unsigned line;
};

static int case_parse(const struct yaml_node *map, struct expectation *ret, struct error *e)
{
    static const char *const keys[] = {"name", "service", "evidence", "expect", "clause", NULL};
    *ret = (struct expectation){.name = "", .line = map->line};
    int r = yaml_expect_keys(map, keys, "cases", e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "name"), 200, "name", &ret->name, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "service"), 40, "service", &ret->service, e);
    if (r == 0)
        r = yaml_text(yaml_get(map, "clause"), 64, "clause", &ret->clause, e);
    if (r == 0)
        r = yaml_expect(yaml_get(map, "expect"), YAML_SCALAR, "expect", e);
    if (r == 0)
        ret->code = yaml_get(map, "expect")->text;
    if (r == 0)
        r = yaml_expect(yaml_get(map, "evidence"), YAML_MAP, "evidence", e);
    if (r == 0)
        r = yaml_locate(yaml_get(map, "evidence"),
                        claims_parse(yaml_get(map, "evidence"), &ret->evidence, e), e);
    if (r == 0 && strcmp(ret->code, "allowed") != 0 && policy_refusal_known(ret->code) < 0)
        r = yaml_error(yaml_get(map, "expect"), e,
                       "'%.40s' is neither `allowed` nor a code of docs/refusals.md", ret->code);
    return yaml_locate(map, r, e);
}

/* 0: as expected; 1: not, and it has been said. */
static int case_run(struct slice yaml, const struct expectation *x)
{
    SCOPED(policy_freep) struct policy *policy = NULL;
    struct refusal refusal = {0};
    struct error e = {0};
    int r = policy_parse_service(yaml, x->service, &policy, &e);
    if (r < 0) {
        printf("not ok  %s: %s\n", x->name, error_text(&e, r));
        return 1;
    }
    memcpy(policy->who.device.digest[0], x->evidence.device, EVIDENCE_DIGEST_SIZE);
    policy->who.device.count = 1;
    r = appraise(&policy->who, &x->evidence, &refusal);
    const char *got = r == 0 ? "allowed" : refusal_code(refusal.reason);
    bool good = strcmp(got, x->code) == 0 && (!x->clause || strcmp(x->clause, refusal.clause) == 0);
    printf("%s  %s: %s", good ? "ok    " : "not ok", x->name, got);
    if (r < 0)
        printf(" by %s, line %u", refusal.clause[0] ? refusal.clause : "the policy", refusal.line);
    if (!good)
        printf("; expected %s%s%s (line %u)", x->code, x->clause ? " by " : "",
               x->clause ? x->clause : "", x->line);
    puts("");
    return good ? 0 : 1;
}

static int expectations_run(struct slice yaml, const struct yaml_node *root, struct error *e)
{
    static const char *const keys[] = {"version", "cases", NULL};
    const struct yaml_node *cases = yaml_get(root, "cases");
    unsigned failed = 0, count = 0;
    int r = yaml_expect_keys(root, keys, "expectations", e);
    if (r == 0)
        r = yaml_expect(cases, YAML_LIST, "cases", e);
    for (const struct yaml_node *n = r == 0 ? cases->first : NULL; n && r == 0; n = n->next) {
        struct expectation x;
        r = case_parse(n, &x, e);
        if (r == 0)
            failed += (unsigned)case_run(yaml, &x);
        count++;
    }
    if (r == 0 && count == 0)
        r = yaml_error(cases, e, "'cases' is empty: nothing was tested");
    if (r < 0)
        return yaml_locate(root, r, e);
    printf("%u as expected, %u not\n", count - failed, failed);
    return failed ? 1 : 0;
}

/* "policy.yaml" has its expectations in "policy.test.yaml". */
static int expect_path(const char *policy, char path[PATH_MAX])
{
    size_t len = strlen(policy);
    const char *end = len > 5 && strcmp(policy + len - 5, ".yaml") == 0 ? policy + len - 5 : NULL;
    int n =
        snprintf(path, PATH_MAX, "%.*s.test.yaml", (int)(end ? end - policy : (long)len), policy);
    return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int policy_test(const struct policy_options *o, const char *path, struct error *e)
{
    SCOPED(buf_done) struct buf policy = {0}, text = {0};
    struct arena arena = {.size_max = 8 * YAML_SIZE_MAX};
    struct yaml_node *root = NULL;
    char beside[PATH_MAX];
    int r = expect_path(path, beside);
    if (r == 0)
        r = policy_file_read(path, &policy, e);
    if (r == 0)
        r = policy_file_read(o->expect ? o->expect : beside, &text, e);
    if (r == 0)
        r = yaml_parse(buf_slice(&text), &arena, &root, e);
    if (r == 0)
        r = expectations_run(buf_slice(&policy), root, e);
    if (r == -EINVAL)
        r = error_prefix(e, -EBADMSG, "'%s'", o->expect ? o->expect : beside);
    arena_done(&arena);
    return r;
}

int policy_command(int argc, char **argv)
{
    struct policy_options o = {.action = "update"};
    struct error e = {0};
    int count = 0, r, end = 0; /* what follows "--" is a program's */
    while (end < argc && strcmp(argv[end], "--") != 0)
        end++;
    char **program = end < argc ? argv + end + 1 : NULL;
    argc = end;
    int code = command_options("policy", POLICY_USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &o,
                               &count);
    if (code >= 0)
        return code;
    o.action = o.action ? o.action : "update";
    const char *verb = count > 0 ? argv[0] : "";
    if (strcmp(verb, "check") == 0 && count >= 2)
        return policy_check(count, argv);
    if (strcmp(verb, "diff") == 0 && count == 3)
        r = policy_diff_verb(argv[1], argv[2], &e);
    else if (strcmp(verb, "test") == 0 && count == 2)
        r = policy_test(&o, argv[1], &e);
    else if (strcmp(verb, "try") == 0 && count == 2 && o.evidence)
        r = policy_try(&o, argv[1], &e);
    else if (strcmp(verb, "first") == 0 && count == 2)
        r = policy_first(&o, argv[1], program, &e);
    else
        r = policy_calls(&o, verb, count, argv, &e);
    if (r == POLICY_NO_VERB)
        r = error_set(&e, -EINVAL, "usage: coffer policy " POLICY_USAGE);
    return r < 0 ? command_fail("policy", &e, r) : r;
}
