/* SPDX-License-Identifier: Apache-2.0 */
/* The key broker: handshakes with evidence and provisioning, with client, server and durable audit log
 * on the same cores; calls at 1,000 policies of 10,000 tenants; start. Native, simulated evidence. */
#include "attest/channel.h"
#include "base/hex.h"
#include "crypto/base64.h"
#include "crypto/provider.h"
#include "kbs/call.h"
#include "kbs/front.h"
#include "kbs/keeper.h"
#include "platform/linux/sim_device.h"
#include "server/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TENANTS = 10000, POLICIES = 1000, CALLS = 3000, CLIENTS = 8 };

static char g_dir[64], g_device[80];
static struct sim_identity g_identity;
static struct kbs *g_kbs;
static struct tls_peer g_owner, g_operator;
static EVP_PKEY *g_owner_key;

#define REQUIRE(condition)                                                            \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(void)
{
    const char *text = getenv("BENCH_SECONDS");
    return text && atof(text) > 0 ? atof(text) : 2;
}

static struct tls_peer peer_of(EVP_PKEY *key)
{
    struct tls_peer peer = {.kind = TLS_PEER_KEY, .certificate = X509_new()};
    REQUIRE(X509_gmtime_adj(X509_getm_notBefore(peer.certificate), 0) &&
            X509_gmtime_adj(X509_getm_notAfter(peer.certificate), 86400) &&
            X509_set_pubkey(peer.certificate, key) == 1 &&
            X509_sign(peer.certificate, key, EVP_sha256()) > 0 &&
            ratls_key_hash(peer.certificate, peer.key_hash) == 0);
    return peer;
}

static int evidence(void *ctx, const uint8_t report_data[EVIDENCE_REPORT_DATA_SIZE],
                    struct buf *ret, struct error *e)
{
    (void)ctx;
    return sim_device_evidence(report_data, ret, e);
}

static struct evidence self_of(void)
{
    static const uint8_t nothing[EVIDENCE_REPORT_DATA_SIZE];
    SCOPED(buf_done) struct buf record = {0};
    struct evidence ev;
    REQUIRE(evidence(NULL, nothing, &record, NULL) == 0 &&
            evidence_verify(buf_slice(&record), &ev) == 0);
    return ev;
}

static void broker_open(void)
{
    struct manifest *manifest = NULL;
    struct error e = {0};
    static const struct key256 key = {{1}};
    struct evidence self = self_of();
    char text[400], hex[65];
    hex_encode(slice_of(g_operator.key_hash, 32), hex);
    snprintf(text, sizeof text,
             "version: 1\ndomain: bench\ntee: [sim]\nfreshness: none\nsim_devices: [self]\n"
             "tenants_max: 100000\noperators: [sha256:%s]\n",
             hex);
    REQUIRE(manifest_parse(slice_of_text(text), &manifest, &e) == 0);
    REQUIRE(kbs_open(manifest, g_dir, &key, &self, &g_kbs, &e) == 0);
}

static json_t *call(const struct tls_peer *peer, const char *path, json_t *in, bool commit)
{
    struct kbs_call c = {.kbs = g_kbs, .peer = peer, .path = path, .in = in};
    kbs_call_run(&c);
    REQUIRE(c.status == 200);
    REQUIRE(!commit || kbs_commit(g_kbs) == 0);
    json_decref(in);
    return c.out;
}

static json_t *signature_of(const char *text)
{
    SCOPED(buf_done) struct buf base64 = {0};
    uint8_t signature[128];
    size_t size = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, g_owner_key) == 1 &&
            EVP_DigestSign(ctx, signature, &size, (const uint8_t *)text, strlen(text)) == 1);
    EVP_MD_CTX_free(ctx);
    REQUIRE(crypto_base64_encode(slice_of(signature, size), &base64) == 0);
    return json_stringn((char *)base64.bytes, base64.size);
}

static void fill(void)
{
    char name[32], owner[65], program[65], yaml[600];
    hex_encode(slice_of(g_owner.key_hash, 32), owner);
    hex_encode(slice_of(g_identity.program, 32), program);
    for (int i = 0; i < TENANTS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        json_decref(call(&g_operator, "/v1/tenant/add",
                         json_pack("{s:s, s:s}", "tenant", name, "owner", owner), i % 500 == 499));
    }
    for (int i = 0; i < POLICIES; i++) {
        snprintf(name, sizeof name, "t%d", i * (TENANTS / POLICIES));
        snprintf(yaml, sizeof yaml,
                 "version: 1\ntenant: %s\nname: p\ntee: [sim]\nprogram: {measurements: "
                 "[sha256:%s]}\ncommand: {arguments: [server, \"${secret.password}\"]}\nsecrets: "
                 "{password: {kind: ascii, source: generate}}\nvolumes: [{name: data, mount: /d, "
                 "mode: strict}]\n",
                 name, program);
        json_decref(call(&g_owner, "/v1/policy/put",
                         json_pack("{s:s, s:s, s:s, s:o}", "tenant", name, "policy", "p", "yaml",
                                   yaml, "signature", signature_of(yaml)),
                         i % 100 == 99));
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void latencies_print(const char *what, double *took, int count, double all)
{
    qsort(took, (size_t)count, sizeof *took, compare);
    printf("%-34s %8.0f a second   median %6.3f ms   p99 %6.3f ms\n", what, count / all,
           took[count / 2] * 1000, took[count * 99 / 100] * 1000);
}

static json_t *provision_request(const char *tenant, bool whole)
{
    static char *pem;
    if (!pem) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509_REQ *request = X509_REQ_new();
        BIO *bio = BIO_new(BIO_s_mem());
        char *text = NULL;
        REQUIRE(X509_REQ_set_pubkey(request, key) == 1 &&
                X509_REQ_sign(request, key, EVP_sha256()) > 0 &&
                PEM_write_bio_X509_REQ(bio, request) == 1);
        long size = BIO_get_mem_data(bio, &text);
        pem = strndup(text, (size_t)size);
    }
    return whole ? json_pack("{s:s, s:s, s:s}", "tenant", tenant, "policy", "p", "csr", pem)
                 : json_pack("{s:s, s:s}", "tenant", tenant, "policy", "p");
}

static void calls_bench(void)
{
    static double took[CALLS];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct tls_peer runtime = peer_of(key);
    char name[32];
    runtime.kind = TLS_PEER_ATTESTED;
    runtime.evidence = self_of();
    for (int kind = 0; kind < 2; kind++) {
        double begin = now();
        for (int i = 0; i < CALLS; i++) {
            double from = now();
            snprintf(name, sizeof name, "t%d", (i * 7919 + kind) % POLICIES * (TENANTS / POLICIES));
            if (kind == 0)
                json_decref(call(&g_owner, "/v1/policy/get", provision_request(name, false), true));
            else
                json_decref(call(&runtime, "/v1/provision", provision_request(name, true), true));
            took[i] = now() - from;
        }
        latencies_print(kind == 0 ? "policy read" : "secret delivery (provision), durable", took,
                        CALLS, now() - begin);
    }
    EVP_PKEY_free(key);
}

/* ---- over TLS ---- */

static ssize_t socket_read(void *ctx, void *bytes, size_t size)
{
    ssize_t n = read(*(int *)ctx, bytes, size);
    return n < 0 ? -errno : n;
}

static ssize_t socket_write(void *ctx, const void *bytes, size_t size)
{
    ssize_t n = send(*(int *)ctx, bytes, size, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static void exchange(uint16_t port, const struct channel_options *options, const char *path,
                     json_t *in)
{
    SCOPED(buf_done) struct buf body = {0};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct channel *channel = NULL;
    struct error e = {0};
    unsigned status = 0;
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    const struct channel_io io = {socket_read, socket_write, &fd};
    char *text = json_dumps(in, JSON_COMPACT);
    int r = channel_open(options, &io, &channel, &e);
    if (r == 0)
        r = channel_exchange(channel, "POST", path, slice_of_text(text), &status, &body, &e);
    if (r < 0 || status != 200)
        fprintf(stderr, "%s %u %.*s\n", e.text, status, (int)body.size, (char *)body.bytes);
    REQUIRE(r == 0 && status == 200);
    free(text);
    json_decref(in);
    channel_close(channel);
    close(fd);
}

/* What clients and server tell this process. */
struct shared {
    pid_t network;
    uint32_t counts[CLIENTS];
};
static struct shared *g_shared;

static double processor_s(pid_t pid)
{
    clockid_t clock;
    struct timespec t = {0};
    REQUIRE(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum kind { WHOLE, KEY, RESUMED };

/* One client: a connection for each exchange, until the time is over. */
static uint32_t client_run(uint16_t port, const struct who *pin, enum kind kind, double until)
{
    const bool whole = kind == WHOLE;
    struct channel_session session = {0};
    struct p256_key *key = NULL;
    X509 *certificate = NULL;
    static const uint8_t no_nonce[RATLS_NONCE_SIZE];
    uint32_t count = 0;
    REQUIRE(p256_generate(&key) == 0 &&
            ratls_certificate(key, no_nonce, NULL, NULL, &certificate, NULL) == 0);
    const struct channel_options full = {.pin = pin, .evidence_key = key, .evidence = evidence};
    const struct channel_options again = {.pin = pin,
                                          .key = p256_pkey(key),
                                          .certificate = certificate,
                                          .session = kind == RESUMED ? &session : NULL,
                                          .resume = true};
    for (; now() < until; count++)
        exchange(port, whole ? &full : &again, whole ? "/v1/provision" : "/v1/info",
                 whole ? provision_request("t0", true) : json_object());
    X509_free(certificate);
    p256_free(key);
    channel_session_done(&session);
    return count;
}

static double children_s(void)
{
    struct rusage usage;
    REQUIRE(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void handshakes(uint16_t port, const struct who *pin, pid_t keeper, enum kind kind,
                       unsigned clients)
{
    static const char *const names[] = {"attest and provision", "back with the bound key",
                                        "resumed with the bound key"};
    const pid_t network = g_shared->network;
    double keeper_s = processor_s(keeper), network_s = processor_s(network);
    double clients_s = children_s(), from = now(), until = from + seconds();
    uint32_t count = 0;
    fflush(stdout);
    for (unsigned i = 0; i < clients; i++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid > 0)
            continue;
        g_shared->counts[i] = client_run(port, pin, kind, until);
        _exit(0);
    }
    for (unsigned i = 0; i < clients; i++) {
        int status = 0;
        REQUIRE(wait(&status) > 0 && status == 0);
    }
    for (unsigned i = 0; i < clients; i++)
        count += g_shared->counts[i];
    REQUIRE(count > 0);
    double rate = (double)count / (now() - from), each = 1000.0 / (double)count;
    const unsigned goal = kind == WHOLE ? 500 : 2000;
    printf("%-26s, %u client%s %8.0f a second   goal %u: %s   ms of processor: client %.2f, "
           "network %.2f, keeper %.2f\n",
           names[kind], clients, clients > 1 ? "s" : " ", rate, goal,
           rate >= goal ? "met" : "MISSED", (children_s() - clients_s) * each,
           (processor_s(network) - network_s) * each, (processor_s(keeper) - keeper_s) * each);
}

static pid_t serve(uint16_t *ret_port)
{
    struct error e = {0};
    int fd = address_listen("127.0.0.1:0", "--listen", ret_port, &e);
    REQUIRE(fd >= 0);
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid > 0) {
        close(fd);
        return pid;
    }
    struct loop *loop = NULL;
    struct keeper *keeper = NULL;
    REQUIRE(front_start(fd, &g_shared->network, &fd, &e) == 0);
    broker_open();
    REQUIRE(loop_new(&loop) == 0 && keeper_new(loop, g_kbs, fd, evidence, NULL, &keeper, &e) == 0);
    _exit(loop_run(loop) < 0);
}

int main(void)
{
    uint16_t port = 0;
    struct who pin;
    REQUIRE(crypto_start() == 0);
    EVP_PKEY *operator_key = EVP_EC_gen("P-256");
    g_owner_key = EVP_EC_gen("P-256");
    g_owner = peer_of(g_owner_key);
    g_operator = peer_of(operator_key);
    memset(g_identity.program, 0x22, sizeof g_identity.program);
    const char *where = getenv("BENCH_DIR");
    snprintf(g_dir, sizeof g_dir, "%.40s/coffer-bench-XXXXXX", where ? where : "/var/tmp");
    REQUIRE(mkdtemp(g_dir) != NULL);
    snprintf(g_device, sizeof g_device, "%s/device", g_dir);
    REQUIRE(sim_device_set(g_device, &g_identity, NULL) == 0);
    broker_open();
    fill();
    calls_bench();
    kbs_free(TAKE(g_kbs));
    double from = now();
    broker_open();
    printf("%-34s %8.1f ms, with %d tenants and %d policies\n", "start", (now() - from) * 1000,
           TENANTS, POLICIES);
    kbs_free(TAKE(g_kbs));
    g_shared =
        mmap(NULL, sizeof *g_shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(g_shared != MAP_FAILED);
    pid_t pid = serve(&port);
    struct evidence self = self_of();
    pin_from_evidence(&self, &pin);
    static const unsigned clients[] = {1, CLIENTS};
    exchange(port, &(struct channel_options){.pin = &pin}, "/v1/info", json_object());
    for (enum kind kind = WHOLE; kind <= RESUMED; kind++)
        for (size_t i = 0; i < ARRAY_COUNT(clients); i++)
            handshakes(port, &pin, pid, kind, clients[i]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", g_dir);
    return system(command) == 0 ? 0 : 1;
}
