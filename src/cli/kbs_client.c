/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/kbs_client.h"

#include "crypto/base64.h"

#include "attest/channel.h"
#include "attest/json_memory.h"
#include "server/address.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S 20
#define CODE_SIZE 64
#define FILE_SIZE_MAX 65536

static void fd_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void json_drop(json_t **json)
{
    json_decref(*json);
}

static ssize_t socket_read(void *ctx, void *bytes, size_t size)
{
    ssize_t n = recv(*(int *)ctx, bytes, size, 0);
    return n < 0 ? -errno : n;
}

static ssize_t socket_write(void *ctx, const void *bytes, size_t size)
{
    ssize_t n = send(*(int *)ctx, bytes, size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static int connection_open(const char *address, struct error *e)
{
    struct sockaddr_storage to;
    socklen_t size = 0;
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int r = address_parse(address, &to, &size, e);
    if (r < 0)
        return r;
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, -errno, "no socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (struct sockaddr *)&to, size) < 0) {
        r = error_set(e, -errno, "cannot reach the key broker at %s (%s); does it run, and there?",
                      address, strerror(errno));
        close(fd);
        return r;
    }
    return fd;
}

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int refusal_tell(json_t *answer, unsigned status, char *ret_code, struct error *e)
{
    const char *detail = text_of(answer, "detail"), *clause = text_of(answer, "clause");
    const char *expected = text_of(answer, "expected"), *seen = text_of(answer, "seen");
    if (ret_code)
        snprintf(ret_code, CODE_SIZE, "%s", text_of(answer, "code"));
    return error_set(e, -EACCES, "the key broker refuses (%u %s): %s%s%s%s%s%s%s%s%s; %s", status,
                     text_of(answer, "code"), text_of(answer, "message"), *detail ? ": " : "",
                     detail, *expected ? "; '" : "", *expected ? clause : "",
                     *expected ? "' must be " : "", expected, *seen ? "; seen: " : "", seen,
                     text_of(answer, "remedy"));
}

static int exchange(const struct kbs_client *client, const char *path, struct slice body,
                    unsigned *ret_status, struct buf *ret_body, struct error *e)
{
    SCOPED(channel_closep) struct channel *channel = NULL;
    struct who pin;
    int r = pin_parse(slice_of_text(client->pin), &pin, e);
    if (r < 0)
        return error_prefix(e, r, "pin of the key broker");
    SCOPED(fd_close) int fd = connection_open(client->address, e);
    if (fd < 0)
        return fd;
    struct channel_options options = {.pin = &pin};
    if (client->keys) {
        options.key = client->keys->key;
        options.certificate = client->keys->certificate;
    }
    struct channel_io io = {.read = socket_read, .write = socket_write, .ctx = &fd};
    r = channel_open(&options, &io, &channel, e);
    return r < 0 ? r : channel_exchange(channel, "POST", path, body, ret_status, ret_body, e);
}

int kbs_client_file(const char *given, const char *state, const char *name, struct buf *out,
                    struct error *e)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/run/%s", state, name);
    if (!given && access(path, R_OK) < 0)
        return error_set(e, -ENOENT,
                         "no key broker runs here ('%s' is missing): start `coffer up`, or say "
                         "which: --state DIR, or --kbs ADDRESS --kbs-pin FILE",
                         path);
    int r = owner_file_read(given ? given : path, FILE_SIZE_MAX, out, e);
    return r < 0 ? r : buf_text(out) ? 0 : -ENOMEM;
}

int kbs_client_call(const struct kbs_client *client, const char *path, json_t *in, json_t **ret_out,
                    char *ret_code, struct error *e)
{
    SCOPED(buf_done) struct buf body = {0};
    SCOPED(json_drop) json_t *answer = NULL;
    unsigned status = 0;
    char *text = in ? json_dumps(in, JSON_COMPACT) : strdup("{}");
    json_decref(in);
    if (!text)
        return error_set(e, -ENOMEM, "no memory");
    int r = exchange(client, path, slice_of_text(text), &status, &body, e);
    json_memory_free(text);
    if (r < 0)
        return r;
    answer = json_loadb((const char *)body.bytes, body.size, 0, NULL);
    if (!json_is_object(answer))
        return error_set(e, -EBADMSG, "the key broker's answer makes no sense");
    if (status != 200)
        return refusal_tell(answer, status, ret_code, e);
    if (ret_out)
        *ret_out = json_incref(answer);
    return 0;
}

int kbs_client_ca(const struct kbs_client *client, struct buf *ret_pem, struct error *e)
{
    SCOPED(json_drop) json_t *answer = NULL;
    int r = kbs_client_call(client, "/v1/info", NULL, &answer, NULL, e);
    return r < 0 ? r : buf_append_text(ret_pem, text_of(answer, "ca"));
}

int kbs_client_tenant_add(const struct kbs_client *client, const char *tenant,
                          struct slice owner_certificate, bool may_exist, struct error *e)
{
    char code[CODE_SIZE] = "";
    static const char private[] = "PRIVATE KEY-----";
    if (owner_certificate.size > 0 &&
        memmem(owner_certificate.bytes, owner_certificate.size, private, sizeof private - 1))
        return error_set(e, -EINVAL,
                         "that is a private key, which its owner keeps: give the certificate "
                         "beside it, certificate.pem; nothing was sent");
    json_t *in = json_pack("{s:s, s:s%}", "tenant", tenant, "owner_certificate",
                           (const char *)owner_certificate.bytes, owner_certificate.size);
    if (!in)
        return error_set(e, -EINVAL, "the owner's certificate is no text");
    struct error why = {0};
    int r = kbs_client_call(client, "/v1/tenant/add", in, NULL, code, &why);
    if (r == -EACCES && may_exist && strcmp(code, "TENANT_TAKEN") == 0)
        return 0;
    return r < 0 ? error_set(e, r, "%s", error_text(&why, r)) : 0;
}

int kbs_client_policy_put(const struct kbs_client *client, const char *tenant, const char *name,
                          struct slice yaml, struct error *e)
{
    SCOPED(buf_done) struct buf signature = {0};
    SCOPED(json_drop) json_t *old = NULL;
    char code[CODE_SIZE] = "";
    struct error why = {0};
    int r = kbs_client_call(client, "/v1/policy/get",
                            json_pack("{s:s, s:s}", "tenant", tenant, "policy", name), &old, code,
                            &why);
    if (r < 0 && strcmp(code, "POLICY_UNKNOWN") != 0)
        return error_set(e, r, "%s", error_text(&why, r));
    if (old && slice_is_text(yaml, text_of(old, "yaml")))
        return 0;
    r = owner_keys_sign(client->keys, yaml, &signature);
    if (r < 0)
        return error_set(e, r, "cannot sign the policy");
    json_t *in =
        json_pack("{s:s, s:s, s:s%, s:s%, s:s}", "tenant", tenant, "policy", name, "yaml",
                  (const char *)yaml.bytes, yaml.size, "signature", (const char *)signature.bytes,
                  signature.size, "replaces", old ? text_of(old, "hash") : "");
    return in ? kbs_client_call(client, "/v1/policy/put", in, NULL, NULL, e)
              : error_set(e, -EINVAL, "the policy is no text");
}

int kbs_client_secret_reveal(const struct kbs_client *client, const char *tenant,
                             const char *policy, const char *secret, struct buf *ret_value,
                             struct error *e)
{
    SCOPED(json_drop) json_t *answer = NULL;
    char code[CODE_SIZE] = "";
    int r = kbs_client_call(
        client, "/v1/secret/reveal",
        json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", policy, "secret", secret), &answer,
        code, e);
    if (r == -EACCES && strcmp(code, "SECRET_SPENT") == 0)
        return -EALREADY;
    return r < 0 ? r : buf_append_text(ret_value, text_of(answer, "value"));
}

int kbs_client_backup(const struct kbs_client *client, const char *path, struct error *e)
{
    SCOPED(buf_done) struct buf bytes = {0};
    json_int_t total = 1;
    int r = 0;
    while (r == 0 && (json_int_t)bytes.size < total) {
        SCOPED(json_drop) json_t *out = NULL;
        size_t before = bytes.size;
        r = kbs_client_call(client, "/v1/backup", json_pack("{s:I}", "offset", (json_int_t)before),
                            &out, NULL, e);
        total = json_integer_value(json_object_get(out, "total"));
        if (r == 0)
            r = crypto_base64_decode(slice_of_text(text_of(out, "base64")), &bytes);
        if (r == 0 && bytes.size == before)
            r = error_set(e, -EBADMSG, "the key broker's backup ends too early");
    }
    if (r == 0)
        r = owner_file_write(path, buf_slice(&bytes), 0600, e);
    if (r == 0)
        printf("%s: %zu bytes, which the root key alone opens\n", path, bytes.size);
    return r;
}
