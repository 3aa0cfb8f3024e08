/* SPDX-License-Identifier: Apache-2.0 */
/* `coffer up --demo`: one process plays the operator, who reserves a name, and the client, who owns
 * it. In earnest these are two people, and the second trusts the first with nothing but the name. */
#include "cli/documents.h"
#include "cli/gateway_client.h"
#include "cli/up.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TENANT "demo"

static int tenant_reserve(const struct up *up, const struct owner_keys *operator_keys,
                          struct slice certificate, struct error *e)
{
    struct kbs_client client = {up->kbs, up->kbs_pin, operator_keys};
    SCOPED(buf_done) struct buf answer = {0};
    struct slice body = {0};
    int r = kbs_client_tenant_add(&client, TENANT, certificate, true, e);
    return r < 0 ? r : gateway_ask(up->state, "POST", "/tenants/" TENANT, &answer, &body, e);
}

static int owner_accept(const struct up *up, const struct owner_keys *owner,
                        struct buf *ret_password, struct error *e)
{
    SCOPED(buf_done) struct buf policy = {0};
    struct kbs_client client = {up->kbs, up->kbs_pin, owner};
    int r = documents_policy(TENANT, up->program, &policy, e);
    return r < 0 ? r : documents_accept(&client, TENANT, buf_slice(&policy), ret_password, e);
}

static void curl_lines_print(const struct up *up, const char *password)
{
    char url[256], curl[PATH_MAX + 32];
    snprintf(url, sizeof url, "https://" TENANT ".%s:%u", up->options.domain, up->port);
    snprintf(curl, sizeof curl, "curl --cacert %s/ca.pem", up->state);
    const char *first = password ? password : "OLD-PASSWORD";
    const char *chosen = password ? "my-new-Password-1" : "PASSWORD";
    if (password)
        printf("\n  # sign in, which means choosing a password of your own\n"
               "  %s -u " DOCUMENTS_USER ":%s -X PUT --json "
               "'{\"old\":\"%s\",\"new\":\"%s\"}' %s/api/me/password\n",
               curl, first, first, chosen, url);
    else
        printf("\n  # sign in\n  %s -u " DOCUMENTS_USER ":%s %s/api/me\n", curl, chosen, url);
    printf("  # store a document, and fetch it again\n"
           "  %s -u " DOCUMENTS_USER ":%s -T /etc/services %s/api/files/services.txt\n"
           "  %s -u " DOCUMENTS_USER ":%s -o services.txt %s/api/files/services.txt\n",
           curl, chosen, url, curl, chosen, url);
}

static void demo_print(const struct up *up, const char *password)
{
    printf("\nThe client `" TENANT "`, for whom this program plays both operator and owner:\n\n"
           "  Address     https://" TENANT ".%s:%u\n"
           "  User        " DOCUMENTS_USER "\n",
           up->options.domain, up->port);
    if (password)
        printf("  Password    %s (one time: it only lets you choose another)\n", password);
    else
        printf("  Password    was shown at the first start, once; the user `" DOCUMENTS_USER
               "` may have changed it.\n"
               "              A fresh client: coffer tenant add NAME --owner CERT, coffer owner "
               "accept NAME\n");
    printf("  CA file     %s/ca.pem\n", up->state);
    curl_lines_print(up, password);
    puts("\nMemory on this machine is protected by nothing (--tee sim, for development): its owner "
         "can read\nwhat document servers hold. Files and connections are encrypted all the same.");
}

int up_demo(struct up *up, struct error *e)
{
    SCOPED(owner_keys_done) struct owner_keys operator_keys = {0}, owner = {0};
    SCOPED(buf_done) struct buf certificate = {0}, password = {0};
    char operator_dir[PATH_MAX + 32], owner_dir[PATH_MAX + 32], path[PATH_MAX + 64];
    snprintf(operator_dir, sizeof operator_dir, "%s/operator", up->state);
    snprintf(owner_dir, sizeof owner_dir, "%s/demo-owner", up->state);
    snprintf(path, sizeof path, "%s/" OWNER_CERTIFICATE_FILE, owner_dir);
    int r = owner_keys_load(operator_dir, &operator_keys, e);
    if (r == 0)
        r = owner_keys_get(owner_dir, TENANT, &owner, e);
    if (r == 0)
        r = owner_file_read(path, 64 << 10, &certificate, e);
    if (r == 0 && !buf_text(&certificate))
        r = -ENOMEM;
    if (r == 0)
        r = tenant_reserve(up, &operator_keys, buf_slice(&certificate), e);
    if (r == 0)
        r = owner_accept(up, &owner, &password, e);
    if (r < 0 && r != -EALREADY)
        return error_prefix(e, r, "client `" TENANT "`");
    demo_print(up, r == 0 ? buf_text(&password) : NULL);
    return 0;
}
