/* SPDX-License-Identifier: Apache-2.0 */
/* Attest, ask, and turn the answer into a configuration. */
#include "runtime/provision/provision.h"

#include "attest/json_memory.h"
#include "platform/host.h"
#include "runtime/provision/answer.h"
#include "runtime/provision/authority.h"
#include "runtime/provision/link.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MS = 100, PEM_SIZE_MAX = 8192, ARENA_SIZE = 8 << 20 };

static struct arena g_arena = {.size_max = ARENA_SIZE}; /* what the configuration points to */

static int bio_text(struct arena *arena, BIO *bio, char **ret_text)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(bio, &bytes);
    if (size <= 0 || size > PEM_SIZE_MAX)
        return -EIO;
    *ret_text = arena_text(arena, slice_of(bytes, (size_t)size));
    secret_wipe(bytes, (size_t)size);
    return *ret_text ? 0 : -ENOMEM;
}

/* A request for the program's server certificate. Its key is made here and stays here. */
static int request_make(struct arena *arena, EVP_PKEY *key, X509_REQ *request, char **ret_csr,
                        char **ret_key_pem)
{
    BIO *csr = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
    int r = -EIO;
    if (csr && pem && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 &&
        X509_REQ_set_pubkey(request, key) == 1 && X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
        PEM_write_bio_X509_REQ(csr, request) == 1 &&
        PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1)
        r = bio_text(arena, csr, ret_csr);
    if (r == 0)
        r = bio_text(arena, pem, ret_key_pem);
    BIO_free(csr);
    BIO_free(pem);
    return r;
}

static int server_key_make(struct arena *arena, char **ret_csr, char **ret_key_pem)
{
    SCOPED(p256_freep) struct p256_key *key = NULL;
    int r = p256_generate(&key);
    X509_REQ *request = r == 0 ? X509_REQ_new() : NULL;
    if (r == 0)
        r = request ? request_make(arena, p256_pkey(key), request, ret_csr, ret_key_pem) : -ENOMEM;
    X509_REQ_free(request);
    return r;
}

/* The first call, with evidence; again while the key broker is away or says "not now" and there is
 * patience. */
static int provision_ask(const struct provision_options *options, const char *csr,
                         int64_t *ret_asked_ns, json_t **ret_answer, struct error *e)
{
    int64_t deadline_ns = host_monotonic_ns() + options->patience_ms * 1000000;
    json_t *request = json_pack("{s:s, s:s, s:s, s:b}", "tenant", options->tenant, "policy",
                                options->policy, "csr", csr, "open", 1);
    if (!request)
        return error_set(e, -ENOMEM, "no memory for a request");
    for (;;) {
        struct error why = {0};
        json_t *answer = NULL;
        unsigned status = 0;
        *ret_asked_ns = host_monotonic_ns();
        int r = link_call("/v1/provision", request, true, &status, &answer, &why);
        if (r == 0 && status != 200)
            r = link_refused(answer, status, &why);
        if (r != -EAGAIN || host_monotonic_ns() + RETRY_MS * 1000000ll > deadline_ns) {
            json_decref(request);
            if (r == 0)
                *ret_answer = answer;
            else
                json_decref(answer);
            return r < 0 ? error_set(e, r, "%s", error_text(&why, r)) : 0;
        }
        json_decref(answer);
        link_sleep_ms(RETRY_MS);
    }
}

static int volumes_place(const struct provision_options *options, struct runtime_config *config,
                         struct error *e)
{
    for (unsigned i = 0; i < config->volume_count; i++) {
        struct runtime_volume *v = &config->volumes[i];
        if (!options->volume_dir)
            return error_set(e, -EINVAL, "the policy has volumes, but no directory was given");
        v->host_dir = arena_printf(&g_arena, "%s/%s", options->volume_dir, v->name);
        v->authority = &authority_kbs;
        if (!v->host_dir)
            return error_set(e, -ENOMEM, "no memory for the configuration");
        int r = host_mkdirat(AT_FDCWD, v->host_dir, 0700);
        if (r < 0 && r != -EEXIST)
            return error_set(e, r, "cannot make the volume's directory '%s'", v->host_dir);
    }
    return 0;
}

/* The file that was measured is the one that may be loaded. */
static int program_place(const struct provision_options *options, const json_t *answer,
                         struct runtime_config *config, struct error *e)
{
    struct runtime_file_rule rule = {.class = FILE_CLASS_AUTHENTICATED, .read_only = true};
    int r = answer_program(answer, rule.digest, e);
    config->program = r == 0 ? arena_printf(&g_arena, "%s", options->program) : NULL;
    if (r == 0 && !config->program)
        r = error_set(e, -ENOMEM, "no memory for the configuration");
    if (r < 0)
        return r;
    rule.prefix = config->program;
    if (rule.prefix[0] != '/' || strncmp(rule.prefix, "/proc/", 6) == 0)
        return 0;
    if (config->file_rule_count == RUNTIME_FILE_RULES_MAX)
        return error_set(e, -EBADMSG, "the policy has too many file rules");
    config->file_rules[config->file_rule_count++] = rule;
    return 0;
}

static int config_fill(const struct provision_options *options, const json_t *answer,
                       int64_t asked_ns, const char *key_pem, struct runtime_config *config,
                       struct error *e)
{
    int r = answer_read(answer, slice_of_text(key_pem), &g_arena, asked_ns, config, e);
    if (r == 0)
        r = volumes_place(options, config, e);
    if (r == 0)
        r = program_place(options, answer, config, e);
    config->handover_fd = options->handover_fd;
    config->handover_status_fd = options->handover_status_fd;
    return r;
}

/* A volume that is made first is opened twice. */
static unsigned openings_count(const struct runtime_config *config)
{
    unsigned count = 0;
    for (unsigned i = 0; i < config->volume_count; i++)
        count += config->volumes[i].create ? 2 : 1;
    return count;
}

static int copy_out(const char *text, struct slice *ret_copy)
{
    char *copy = strdup(text);
    *ret_copy = slice_of(copy, copy ? strlen(copy) : 0);
    return copy ? 0 : -ENOMEM;
}

/* As the first call, but opens nothing. */
static int certificate_ask(const char *csr, json_t **ret_answer, struct error *e)
{
    const char *tenant, *policy;
    unsigned status = 0;
    link_names(&tenant, &policy);
    json_t *request = json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", policy, "csr", csr);
    int r = request ? link_call("/v1/provision", request, true, &status, ret_answer, e) : -ENOMEM;
    json_decref(request);
    return r == 0 && status != 200 ? link_refused(*ret_answer, status, e) : r;
}

int provision_certificate(struct slice *ret_chain, struct slice *ret_key, struct error *e)
{
    struct arena arena = {.size_max = 2 * PEM_SIZE_MAX};
    char *csr = NULL, *key = NULL;
    json_t *answer = NULL;
    int r = server_key_make(&arena, &csr, &key);
    if (r == 0)
        r = certificate_ask(csr, &answer, e);
    else
        r = error_set(e, r, "cannot make the server's key");
    const json_t *tls = json_object_get(answer, "tls");
    const char *chain = json_string_value(json_object_get(tls, "certificate"));
    if (r == 0)
        r = chain && strlen(chain) <= PEM_SIZE_MAX
                ? copy_out(chain, ret_chain)
                : error_set(e, -EBADMSG, "the key broker's answer has no certificate");
    if (r == 0 && copy_out(key, ret_key) < 0) {
        free((void *)(uintptr_t)ret_chain->bytes);
        r = -ENOMEM;
    }
    if (key)
        secret_wipe(key, strlen(key));
    arena_done(&arena);
    json_decref(answer);
    return r;
}

int provision_run(const struct provision_options *options, struct runtime_config *ret_config,
                  struct error *e)
{
    LARGE_TABLE static struct runtime_config
        config; /* too large for a stack; given away by value */
    const struct link_options link = {options->kbs, options->kbs_pin, options->tenant,
                                      options->policy};
    char *csr = NULL, *key_pem = NULL;
    json_t *answer = NULL;
    json_memory_wipes();
    int r = link_init(&link, e);
    if (r < 0)
        return r;
    authority_set_patience(options->patience_ms);
    r = server_key_make(&g_arena, &csr, &key_pem);
    if (r < 0)
        return error_set(e, r, "cannot make the server's key");
    int64_t asked_ns = 0;
    r = provision_ask(options, csr, &asked_ns, &answer, e);
    if (r == 0)
        r = config_fill(options, answer, asked_ns, key_pem, &config, e);
    json_decref(answer);
    /* What is still to be opened uses the same connection. */
    authority_expect_openings(r < 0 ? 0 : openings_count(&config));
    if (r == 0)
        *ret_config = config;
    secret_wipe(&config, sizeof config);
    return r;
}

int provision_warm(void)
{
    char *csr = NULL, *key_pem = NULL;
    json_memory_wipes();
    int r = channel_warm();
    if (r == 0)
        r = server_key_make(&g_arena, &csr, &key_pem);
    arena_done(&g_arena);
    g_arena = (struct arena){.size_max = ARENA_SIZE};
    return r;
}

void provision_rest(void)
{
    link_rest();
}
