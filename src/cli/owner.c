/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer owner`: what a client does with the key that owns its name. The operator has no part in
 * it: the policy is signed here, and the first password is shown here and nowhere else. */
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/gateway_client.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define USAGE \
    "new DIR | accept NAME --keys DIR [--policy FILE | --program FILE] | password NAME --keys DIR"
#define POLICY_SIZE_MAX ((size_t)256 << 10)
#define TEXT_SIZE_MAX ((size_t)4096)

struct owner_options {
    const char *state, *keys, *policy, *program, *kbs, *kbs_pin;
};

#define ROW(name, member, value, help)                                                     \
    {                                                                                      \
        name, OPTION_TEXT, offsetof(struct owner_options, member), NULL, value, help, 0, 0 \
    }
static const struct option_row g_rows[] = {
    ROW("keys", keys, "DIR", "The owner's key and certificate, from `coffer owner new`"),
    ROW("policy", policy, "FILE", "accept: this policy instead of the usual one for documents"),
    ROW("program", program, "FILE", "accept: the usual policy for another document server"),
    ROW("state", state, "DIR", "State directory of the running system, to find the key broker"),
    ROW("kbs", kbs, "ADDRESS", "The key broker, if it runs elsewhere"),
    ROW("kbs-pin", kbs_pin, "FILE", "Whom to believe to be the key broker, if it runs elsewhere"),
};

static int owner_new(const char *dir, struct error *e)
{
    int r = owner_keys_new(dir, "owner", e);
    if (r < 0)
        return r;
    printf("%s/" OWNER_KEY_FILE " signs policies: keep it, and keep it secret.\n"
           "%s/" OWNER_CERTIFICATE_FILE " is for the operator: coffer tenant add NAME --owner "
           "%s/" OWNER_CERTIFICATE_FILE "\n",
           dir, dir, dir);
    return 0;
}

/* Fills `client` with what the other three own. */
static int client_open(const struct owner_options *o, const char *state, struct owner_keys *keys,
                       struct buf *address, struct buf *pin, struct kbs_client *client,
                       struct error *e)
{
    if (!o->keys)
        return error_set(e, -EINVAL, "needs --keys DIR, from `coffer owner new DIR`");
    int r = owner_keys_load(o->keys, keys, e);
    if (r == 0)
        r = o->kbs ? buf_append_text(address, o->kbs)
                   : kbs_client_file(NULL, state, "kbs-address", address, e);
    if (r == 0)
        r = kbs_client_file(o->kbs_pin, state, "kbs-pin", pin, e);
    if (r < 0)
        return r;
    *client = (struct kbs_client){buf_text(address), buf_text(pin), keys};
    return client->address && client->pin ? 0 : -ENOMEM;
}

static int policy_read(const struct owner_options *o, const char *tenant, struct buf *out,
                       struct error *e)
{
    char program[PATH_MAX];
    if (o->policy)
        return owner_file_read(o->policy, POLICY_SIZE_MAX, out, e);
    int r = o->program ? 0 : command_sibling("coffer-dms", program, sizeof program, e);
    return r < 0 ? r : documents_policy(tenant, o->program ? o->program : program, out, e);
}

static int owner_accept(const struct owner_options *o, const char *tenant,
                        const struct kbs_client *client, struct error *e)
{
    SCOPED(buf_done) struct buf policy = {0}, password = {0};
    int r = policy_read(o, tenant, &policy, e);
    if (r == 0)
        r = documents_accept(client, tenant, buf_slice(&policy), &password, e);
    if (r == -EALREADY) {
        printf("The policy of %s is in place. Its first password was shown before; a new one: "
               "coffer owner password %s\n",
               tenant, tenant);
        return 0;
    }
    if (r < 0)
        return r;
    printf("The policy of %s is in place.\nUser      " DOCUMENTS_USER
           "\nPassword  %s (one time: it only lets you choose another)\n",
           tenant, buf_text(&password) ? (const char *)password.bytes : "");
    return 0;
}

static int owner_password(const char *state, const char *tenant, const struct kbs_client *client,
                          struct error *e)
{
    SCOPED(buf_done) struct buf password = {0}, answer = {0};
    struct slice body = {0};
    char path[200];
    int r = documents_password_new(client, tenant, &password, e);
    if (r < 0)
        return r;
    printf("User      " DOCUMENTS_USER "\nPassword  %s (one time: it only lets you choose "
           "another)\n",
           buf_text(&password) ? (const char *)password.bytes : "");
    snprintf(path, sizeof path, "/tenants/%.100s/stop", tenant);
    if (gateway_ask(state, "POST", path, &answer, &body, NULL) < 0)
        puts("It holds from the next start of the document server on.");
    return 0;
}

static int owner_run(const struct owner_options *o, int count, char **argv, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys keys = {0};
    SCOPED(buf_done) struct buf address = {0}, pin = {0};
    struct kbs_client client;
    char state[PATH_MAX];
    if (count == 2 && strcmp(argv[0], "new") == 0)
        return owner_new(argv[1], e);
    bool is_accept = count == 2 && strcmp(argv[0], "accept") == 0;
    if (!is_accept && !(count == 2 && strcmp(argv[0], "password") == 0))
        return error_set(e, -EINVAL, "usage: coffer owner " USAGE);
    int r = command_tenant_name(argv[1], e);
    if (r == 0)
        r = command_state(o->state, state, sizeof state, e);
    if (r == 0)
        r = client_open(o, state, &keys, &address, &pin, &client, e);
    if (r < 0)
        return r;
    return is_accept ? owner_accept(o, argv[1], &client, e)
                     : owner_password(state, argv[1], &client, e);
}

int owner_command(int argc, char **argv)
{
    struct owner_options o = {0};
    struct error e = {0};
    int count = 0;
    int r = command_options("owner", USAGE, g_rows, ARRAY_COUNT(g_rows), argc, argv, &o, &count);
    if (r >= 0)
        return r;
    r = owner_run(&o, count, argv, &e);
    return r < 0 ? command_fail("owner", &e, r) : 0;
}
