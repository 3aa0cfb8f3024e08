/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/provision/link.h"

#include "platform/host.h"
#include "platform/ops.h"
#include "runtime/fd.h"
#include "runtime/lock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

enum {
    TIMEOUT_S = 5,
    ANSWER_STATUS_SESSION = 403,
    ANSWER_STATUS_LIMIT = 429,
    ANSWER_STATUS_OK = 200
};
/* How old what we know of the key broker's state may grow while we speak to it. */
enum { WITNESS_SIZE_MAX = 512, WITNESS_NS = 1000000000 };

/* One for the process, which has one key broker. */
static struct {
    struct sockaddr_storage address;
    socklen_t address_size;
    struct who pin;
    char tenant[64], policy[64];
    struct p256_key *key; /* ours, fresh; known to the key broker once it was attested */
    X509 *certificate;    /* of that key, without evidence */
    struct channel *channel;
    int fd;
    bool attested;  /* the connection that is open showed evidence */
    bool witnessed; /* the key broker has been shown `witness` over it */
    char witness
        [WITNESS_SIZE_MAX]; /* the newest head of its state that it told us (JSON), or empty */
    int64_t witness_ns;
    struct channel_session session; /* to come back with, without another handshake's signatures */
} g_link = {.fd = -1};

static lock_word g_lock; /* protects: channel, fd, and what follows them */

static ssize_t socket_read(void *ctx, void *bytes, size_t size)
{
    (void)ctx;
    for (;;) {
        long n = host_call(SYS_recvfrom, g_link.fd, bytes, size, 0, 0, 0);
        if (n == -EINTR)
            continue;
        if (n == -EAGAIN)
            return -ETIMEDOUT;
        return n > (long)size ? -EPROTO : n;
    }
}

static ssize_t socket_write(void *ctx, const void *bytes, size_t size)
{
    (void)ctx;
    for (;;) {
        long n = host_call(SYS_sendto, g_link.fd, bytes, size, MSG_NOSIGNAL, 0, 0);
        if (n == -EINTR)
            continue;
        if (n == -EAGAIN)
            return -ETIMEDOUT;
        return n > (long)size ? -EPROTO : n;
    }
}

static int platform_evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                             struct buf *ret_evidence, struct error *e)
{
    (void)ctx;
    return platform()->evidence(report_data, ret_evidence, e);
}

/* "127.0.0.1:8500" or "[::1]:8500". */
static int address_read(const char *text, struct error *e)
{
    char host[64];
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&g_link.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&g_link.address;
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (len == 0 || len >= sizeof host || !end || *end || port == 0 || port > 65535)
        return error_set(e, -EINVAL, "the key broker's address '%s' is not ADDRESS:PORT", text);
    bool bracketed = text[0] == '[' && text[len - 1] == ']';
    memcpy(host, text + bracketed, len - 2 * (size_t)bracketed);
    host[len - 2 * (size_t)bracketed] = '\0';
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        g_link.address_size = sizeof *v4;
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        g_link.address_size = sizeof *v6;
    } else {
        return error_set(e, -EINVAL, "the key broker's address '%s' is not numeric", text);
    }
    return 0;
}

/* In a child: the connection is the parent's (a write key must not live twice). What another thread
 * was doing with it stays as it is; only the descriptor is closed. */
static void after_fork_in_child(void)
{
    if (g_link.fd >= 0)
        fd_hidden_close(g_link.fd);
    g_link.fd = -1;
    g_link.channel = NULL;
    g_link.session = (struct channel_session){0}; /* the parent's, too */
    atomic_store(&g_lock, 0);
}

static int name_copy(char *to, size_t size, const char *from)
{
    int n = snprintf(to, size, "%s", from);
    return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

int link_init(const struct link_options *options, struct error *e)
{
    static const uint8_t no_nonce[RATLS_NONCE_SIZE];
    int r = address_read(options->kbs, e);
    if (r == 0)
        r = pin_parse(slice_of_text(options->pin), &g_link.pin, e);
    if (r < 0)
        return r;
    if (name_copy(g_link.tenant, sizeof g_link.tenant, options->tenant) < 0 ||
        name_copy(g_link.policy, sizeof g_link.policy, options->policy) < 0)
        return error_set(e, -EINVAL, "the name of a tenant or policy is too long");
    r = p256_generate(&g_link.key);
    if (r < 0)
        return error_set(e, r, "cannot make a key");
    r = ratls_certificate(g_link.key, no_nonce, NULL, NULL, &g_link.certificate, e);
    return r < 0 ? r : pthread_atfork(NULL, NULL, after_fork_in_child) == 0 ? 0 : -ENOMEM;
}

void link_names(const char **ret_tenant, const char **ret_policy)
{
    *ret_tenant = g_link.tenant;
    *ret_policy = g_link.policy;
}

static void disconnect(void)
{
    channel_close(TAKE(g_link.channel));
    if (g_link.fd >= 0)
        fd_hidden_close(g_link.fd);
    g_link.fd = -1;
}

static int socket_connect(struct error *e)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    const int one = 1;
    int type = SOCK_STREAM | SOCK_CLOEXEC;
    int fd = (int)host_call(SYS_socket, g_link.address.ss_family, type, 0);
    if (fd < 0)
        return error_set(e, fd, "cannot make a socket");
    /* Not among the guest's descriptors. */
    int hidden = fd_hide(fd);
    if (hidden < 0) {
        host_close(fd);
        return error_set(e, hidden, "no descriptor is left");
    }
    g_link.fd = fd = hidden;
    host_call(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    host_call(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    host_call(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    long r;
    do
        r = host_call(SYS_connect, fd, &g_link.address, g_link.address_size);
    while (r == -EINTR);
    return r < 0 ? error_set(e, -EAGAIN,
                             "the key broker cannot be reached (%s); does it run, and at the "
                             "address of --kbs?",
                             strerror(-(int)r))
                 : 0;
}

/* What may be said over a connection that shows no new evidence of either side: what the key broker has
 * given already is only kept. */
static bool is_for_resumed(const char *path)
{
    return strcmp(path, "/v1/volume/report") == 0 || strcmp(path, "/v1/volume/close") == 0;
}

static int link_connect(const char *path, bool attest, struct error *e)
{
    const struct channel_io io = {socket_read, socket_write, NULL};
    struct channel_options options = {
        .pin = &g_link.pin, .session = &g_link.session, .resume = !attest && is_for_resumed(path)};
    if (attest) {
        options.evidence_key = g_link.key;
        options.evidence = platform_evidence;
    } else {
        options.key = p256_pkey(g_link.key);
        options.certificate = g_link.certificate;
    }
    int r = socket_connect(e);
    if (r == 0)
        r = channel_open(&options, &io, &g_link.channel, e);
    if (r < 0)
        disconnect();
    else
        g_link.attested = attest;
    g_link.witnessed = false;
    return r;
}

/* A connection that broke is the same to callers as one that could not be made. */
static int unreachable(int r, struct error *e)
{
    switch (r) {
    case -ECONNRESET:
    case -ECONNABORTED:
    case -ECONNREFUSED:
    case -ETIMEDOUT:
    case -EPIPE:
        if (e)
            e->code = -EAGAIN;
        return -EAGAIN;
    default:
        return r;
    }
}

/* Not now: it says nothing about who asks. Below 500 only 429 is of that kind. */
static bool is_later(unsigned status)
{
    return status >= 500 || status == ANSWER_STATUS_LIMIT;
}

/* What a request says beside itself: the head that we have seen, once over each connection, so that a key
 * broker with an older disk notices; and now and then the wish to be told the present one. */
static json_t *request_extend(const json_t *request)
{
    const bool shows = !g_link.witnessed && g_link.witness[0];
    json_t *whole = json_copy((json_t *)(uintptr_t)request);
    json_t *witness = shows ? json_loads(g_link.witness, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int r = whole && (!shows || witness) ? 0 : -1;
    if (r == 0 && witness)
        r = json_object_set(whole, "witness", witness);
    if (r == 0 && (!g_link.witnessed || host_monotonic_ns() - g_link.witness_ns > WITNESS_NS))
        r = json_object_set_new(whole, "state", json_true());
    json_decref(witness);
    if (r == 0)
        return whole;
    json_decref(whole);
    return NULL;
}

static void witness_keep(const json_t *answer)
{
    const json_t *state = json_object_get(answer, "state");
    size_t size = state ? json_dumpb(state, NULL, 0, JSON_COMPACT) : 0;
    g_link.witnessed = true;
    if (!json_is_object(state) || size == 0 || size >= sizeof g_link.witness)
        return;
    (void)json_dumpb(state, g_link.witness, size, JSON_COMPACT);
    g_link.witness[size] = '\0';
    g_link.witness_ns = host_monotonic_ns();
}

static int request_text(const json_t *request, struct buf *ret_text)
{
    json_t *whole = request_extend(request);
    size_t size = whole ? json_dumpb(whole, NULL, 0, JSON_COMPACT) : 0;
    uint8_t *to = size > 0 ? buf_reserve(ret_text, size) : NULL;
    if (to)
        ret_text->size = json_dumpb(whole, (char *)to, size, JSON_COMPACT);
    json_decref(whole);
    return to ? 0 : -ENOMEM;
}

/* What we came back with is too old. */
static bool wants_handshake(unsigned status, const json_t *answer)
{
    const char *code = json_string_value(json_object_get(answer, "code"));
    return is_later(status) && code && strcmp(code, "CONNECTION_OLD") == 0;
}

static int exchange(const char *path, const json_t *request, unsigned *ret_status,
                    json_t **ret_answer, struct error *e)
{
    SCOPED(buf_done) struct buf text = {0}, body = {0};
    if (request_text(request, &text) < 0)
        return error_set(e, -ENOMEM, "no memory for a request");
    int r = channel_exchange(g_link.channel, "POST", path, buf_slice(&text), ret_status, &body, e);
    if (r < 0)
        return r;
    json_t *answer = json_loadb(body.size ? (const char *)body.bytes : "", body.size,
                                JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(answer)) {
        json_decref(answer);
        /* Who has no memory for an answer sends a status alone. */
        answer = is_later(*ret_status) ? json_object() : NULL;
    }
    if (answer && *ret_status == ANSWER_STATUS_OK)
        witness_keep(answer);
    if (answer && channel_is_resumed(g_link.channel) && wants_handshake(*ret_status, answer)) {
        json_decref(answer);
        return -ESTALE;
    }
    *ret_answer = answer;
    return answer ? 0 : error_set(e, -EBADMSG, "the key broker's answer is no JSON");
}

/* An idle connection may have been closed by the other end, which shows only in the attempt: then
 * once more on a fresh one. Every call may be repeated: an opening just takes another epoch. */
static int exchange_fresh(const char *path, const json_t *request, bool attest,
                          unsigned *ret_status, json_t **ret_answer, struct error *e)
{
    bool kept = g_link.channel && (!attest || g_link.attested) &&
                (!channel_is_resumed(g_link.channel) || is_for_resumed(path));
    if (kept) {
        int r = exchange(path, request, ret_status, ret_answer, NULL);
        if (r == 0)
            return 0;
    }
    int r = -ESTALE;
    for (int i = 0; r == -ESTALE && i < 2; i++) {
        disconnect();
        r = link_connect(path, attest, e);
        if (r == 0)
            r = exchange(path, request, ret_status, ret_answer, e);
        if (r == -ESTALE)
            channel_session_done(&g_link.session);
    }
    if (r < 0)
        disconnect();
    return r;
}

/* The key broker has forgotten our key (its policy changed, or the time is over). */
static int attest_again(struct error *e)
{
    unsigned status = 0;
    json_t *answer = NULL;
    json_t *request =
        json_pack("{s:s, s:s, s:b}", "tenant", g_link.tenant, "policy", g_link.policy, "renew", 1);
    int r = request ? exchange_fresh("/v1/provision", request, true, &status, &answer, e) : -ENOMEM;
    if (r == 0 && status != 200)
        r = link_refused(answer, status, e);
    json_decref(request);
    json_decref(answer);
    return r;
}

static bool wants_evidence(unsigned status, const json_t *answer)
{
    const char *code = json_string_value(json_object_get(answer, "code"));
    return status == ANSWER_STATUS_SESSION && code && strcmp(code, "SESSION_INVALID") == 0;
}

int link_call(const char *path, const json_t *request, bool attest, unsigned *ret_status,
              json_t **ret_answer, struct error *e)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    json_t *answer = NULL;
    (void)held;
    int r = exchange_fresh(path, request, attest, ret_status, &answer, e);
    if (r == 0 && !attest && wants_evidence(*ret_status, answer)) {
        json_decref(TAKE(answer));
        r = attest_again(e);
        if (r == 0)
            r = exchange_fresh(path, request, false, ret_status, &answer, e);
    }
    if (r == 0)
        *ret_answer = answer;
    else
        json_decref(answer);
    return r < 0 ? unreachable(r, e) : 0;
}

void link_rest(void)
{
    SCOPED(lock_leave) lock_word *held = lock_enter(&g_lock);
    (void)held;
    disconnect();
}

static const char *member(const json_t *answer, const char *name)
{
    const char *text = json_string_value(json_object_get(answer, name));
    return text ? text : "";
}

int link_refused(const json_t *answer, unsigned status, struct error *e)
{
    const char *clause = member(answer, "clause"), *seen = member(answer, "seen");
    json_int_t line = json_integer_value(json_object_get(answer, "line"));
    char where[160] = "", what[200] = "";
    if (clause[0] && line > 0)
        snprintf(where, sizeof where, "; clause %s (line %lld)", clause, (long long)line);
    else if (clause[0])
        snprintf(where, sizeof where, "; clause %s", clause);
    if (seen[0])
        snprintf(what, sizeof what, "; seen %s", seen);
    bool later = is_later(status);
    return error_set(e, later ? -EAGAIN : -EACCES, "the key broker %s (%u %s): %s%s%s; %s",
                     later ? "cannot do it now" : "refuses", status, member(answer, "code"),
                     member(answer, "message"), where, what, member(answer, "remedy"));
}

void link_sleep_ms(int64_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    host_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, 0);
}
