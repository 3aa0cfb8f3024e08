/* SPDX-License-Identifier: Apache-2.0 */
#include "kbs/peer.h"

#include "attest/channel.h"
#include "attest/json_memory.h"
#include "base/hex.h"
#include "crypto/base64.h"
#include "server/address.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    TIMEOUT_S = 3,
    AGAIN_MS = 500,
    AGAIN_ALONE_MS = 2000,
    CHUNK = 256 << 10,
    STATE_MAX = 1 << 30
};

struct peer {
    struct kbs *kbs;
    struct peer_settings s;
    char *dir, *address;
    struct key256 platform_key;
    struct p256_key *key;
    struct pair pair; /* with the other's keeper, whom we ask */
    struct who pin;
    enum peer_role role;
    uint64_t epoch;
    bool synced; /* the other has all that we have, and each commit goes there first */
    uint64_t tried_ms, heard_ms;
    uint8_t last[SHA256_SIZE];
    int fd;
    struct channel *channel;
};

static const char *const role_names[] = {"active", "alone", "standby", "behind"};

const char *peer_role_name(enum peer_role role)
{
    return role_names[role];
}

enum peer_role peer_role(const struct peer *p)
{
    return p->role;
}

bool peer_is_standby(const struct peer *p)
{
    return p->role == PEER_STANDBY || p->role == PEER_BEHIND;
}

uint64_t peer_epoch(const struct peer *p)
{
    return p->epoch;
}

const struct who *peer_pin(const struct peer *p)
{
    return &p->pin;
}

const uint8_t *peer_last(const struct peer *p)
{
    return p->last;
}

/* Durable before anything is done by it. */
static int role_set(struct peer *p, enum peer_role role, uint64_t epoch)
{
    char text[STORE_ROLE_SIZE];
    snprintf(text, sizeof text, "%s %" PRIu64, role_names[role], epoch);
    int r = store_role_write(p->dir, text);
    if (r < 0)
        return r;
    if (p->role != role || p->epoch != epoch)
        LOG_NOTICE("role", LOG_TEXT("role", role_names[role]), LOG_INT("epoch", epoch));
    p->role = role;
    p->epoch = epoch;
    return 0;
}

static int role_get(struct peer *p)
{
    char text[STORE_ROLE_SIZE], word[16];
    int r = store_role_read(p->dir, text);
    if (r < 0)
        return r;
    if (sscanf(text, "%15s %20" SCNu64, word, &p->epoch) != 2)
        return -EBADMSG;
    for (unsigned i = 0; i < ARRAY_COUNT(role_names); i++) {
        if (strcmp(word, role_names[i]) == 0) {
            p->role = (enum peer_role)i;
            return 0;
        }
    }
    return -EBADMSG;
}

/* ---- the connection ---- */

static void disconnect(struct peer *p)
{
    channel_close(p->channel);
    p->channel = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
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

static int connection(struct peer *p, struct error *e)
{
    struct sockaddr_storage address;
    socklen_t size = 0;
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    const int one = 1;
    if (p->channel)
        return 0;
    int r = address_parse(p->address, &address, &size, e);
    if (r < 0)
        return r;
    p->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0 ||
        setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0 ||
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        connect(p->fd, (struct sockaddr *)&address, size) < 0) {
        r = -errno;
        disconnect(p);
        return error_set(e, r, "cannot reach the peer at %s", p->address);
    }
    const struct channel_options options = {.pin = &p->pin,
                                            .evidence_key = p->key,
                                            .evidence = p->s.evidence,
                                            .evidence_ctx = p->s.evidence_ctx};
    const struct channel_io io = {socket_read, socket_write, &p->fd};
    uint8_t hash[SHA256_SIZE];
    pair_done(&p->pair);
    r = channel_open(&options, &io, &p->channel, e);
    if (r == 0)
        r = ratls_certificate_hash(channel_peer_certificate(p->channel), hash);
    if (r == 0)
        r = pair_begin(&p->pair, p->key, channel_peer_certificate(p->channel), hash, true);
    if (r < 0)
        disconnect(p);
    return r;
}

static int exchange(struct peer *p, const char *path, json_t *in, json_t **ret, struct error *e)
{
    SCOPED(buf_done) struct buf body = {0};
    unsigned status = 0;
    int r = connection(p, e);
    if (r == 0)
        r = pair_request_seal(&p->pair, path, in);
    char *text = r == 0 ? json_dumps(in, JSON_COMPACT) : NULL;
    if (r == 0 && !text)
        r = -ENOMEM;
    if (r == 0)
        r = channel_exchange(p->channel, "POST", path, slice_of_text(text), &status, &body, e);
    json_memory_free(text);
    if (r < 0)
        return r;
    json_t *out = json_loadb((const char *)body.bytes, body.size, JSON_REJECT_DUPLICATES, NULL);
    const char *code = json_string_value(json_object_get(out, "code"));
    if (status != 200 || !out)
        r = error_set(e, -ESTALE, "the peer refuses %s: %s", path, code ? code : "no reason given");
    else
        r = pair_answer_open(&p->pair, path, in, out);
    if (r == -EKEYREJECTED)
        error_set(e, r, "an answer to %s that the peer's keeper did not give", path);
    if (r < 0)
        json_decref(out);
    else
        *ret = out;
    return r;
}

/* Takes `in`. -ESTALE: the other has refused it; anything else negative: nobody knows. */
static int ask(struct peer *p, const char *path, json_t *in, json_t **ret, struct error *e)
{
    int r = in ? exchange(p, path, in, ret, e) : -ENOMEM;
    json_decref(in);
    if (r < 0 && r != -ESTALE)
        disconnect(p);
    return r;
}

/* ---- bringing the two together ---- */

struct status {
    enum peer_role role;
    uint64_t epoch, commits;
    char hash[2 * SHA256_SIZE + 1];
    char root[2 * KEY256_SIZE + 1]; /* which root key it is sealed under */
};

static int status_ask(struct peer *p, struct status *ret, struct error *e)
{
    json_t *out = NULL;
    int r = ask(p, "/v1/peer/status", json_pack("{s:I}", "epoch", (json_int_t)p->epoch), &out, e);
    if (r < 0)
        return r;
    const char *role = json_string_value(json_object_get(out, "role"));
    const char *hash = json_string_value(json_object_get(out, "hash"));
    const char *root = json_string_value(json_object_get(out, "root"));
    r = -EBADMSG;
    for (unsigned i = 0; role && i < ARRAY_COUNT(role_names); i++) {
        if (strcmp(role, role_names[i]) == 0) {
            ret->role = (enum peer_role)i;
            r = 0;
        }
    }
    ret->epoch = (uint64_t)json_integer_value(json_object_get(out, "epoch"));
    ret->commits = (uint64_t)json_integer_value(json_object_get(out, "commits"));
    snprintf(ret->hash, sizeof ret->hash, "%s", hash ? hash : "");
    snprintf(ret->root, sizeof ret->root, "%s", root ? root : "");
    json_decref(out);
    return r;
}

static int own_status(struct peer *p, struct status *ret)
{
    uint8_t hash[SHA256_SIZE];
    struct key256 root;
    uint64_t sequence;
    int r = store_commits(p->kbs->store, &ret->commits);
    if (r == 0)
        r = store_audit_last(p->kbs->store, &sequence, hash);
    if (r == 0)
        r = store_root_id(p->kbs->store, &root);
    if (r < 0)
        return r;
    hex_encode(slice_of(hash, sizeof hash), ret->hash);
    hex_encode(slice_of(root.bytes, sizeof root.bytes), ret->root);
    return 0;
}

static json_t *base64_of(struct slice bytes)
{
    SCOPED(buf_done) struct buf text = {0};
    if (crypto_base64_encode(bytes, &text) < 0)
        return NULL;
    return json_stringn(text.size ? (const char *)text.bytes : "", text.size);
}

/* The whole state, with the root key in its first part. */
static int state_push(struct peer *p, struct error *e)
{
    SCOPED(buf_done) struct buf database = {0};
    SCOPED(key256_wipe) struct key256 root = {0};
    int r = store_serialize(p->kbs->store, &database);
    store_root(p->kbs->store, &root);
    if (r == 0)
        r = connection(p, e); /* whose pair the root key is sealed for */
    for (size_t at = 0; r == 0 && at < database.size; at += CHUNK) {
        struct slice part = slice_of(database.bytes + at, MIN(database.size - at, (size_t)CHUNK));
        json_t *out = NULL;
        json_t *in = json_pack("{s:I, s:I, s:I, s:o}", "epoch", (json_int_t)p->epoch, "offset",
                               (json_int_t)at, "total", (json_int_t)database.size, "base64",
                               base64_of(part));
        json_t *sealed = NULL;
        if (in && at == 0)
            r = pair_key_seal(&p->pair, &root, &sealed);
        if (sealed && json_object_set_new(in, "root", sealed) != 0)
            r = -ENOMEM;
        if (r == 0)
            r = ask(p, "/v1/peer/state", in, &out, e);
        else
            json_decref(in);
        json_decref(out);
    }
    if (r == 0)
        LOG_NOTICE("the standby has the whole state", LOG_INT("bytes", database.size));
    return r;
}

static int decode_member(const json_t *object, const char *name, struct buf *ret)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? crypto_base64_decode(slice_of_text(text), ret) : -EBADMSG;
}

/* The other way: the standby has agreed with something that we do not have any more. */
static int state_fetch(struct peer *p, struct error *e)
{
    SCOPED(buf_done) struct buf database = {.size_max = STATE_MAX};
    SCOPED(key256_wipe) struct key256 root = {0};
    uint64_t total = 1;
    int r = 0;
    while (r == 0 && database.size < total) {
        json_t *out = NULL;
        size_t before = database.size;
        r = ask(p, "/v1/peer/fetch", json_pack("{s:I}", "offset", (json_int_t)before), &out, e);
        if (r == 0)
            r = decode_member(out, "base64", &database);
        if (r == 0 && before == 0)
            r = pair_key_open(&p->pair, json_object_get(out, "root"), &root);
        total = (uint64_t)json_integer_value(json_object_get(out, "total"));
        json_decref(out);
        if (r == 0 && (database.size == before || total > STATE_MAX))
            r = -EBADMSG;
    }
    if (r < 0)
        return r;
    LOG_NOTICE("the standby knew more: its state is taken", LOG_INT("bytes", database.size));
    return peer_state_take(p, buf_slice(&database), &root);
}

static int record_ship(void *ctx, uint64_t before, struct slice record);

static int pair(struct peer *p, const struct status *theirs, struct error *e)
{
    struct status ours;
    json_t *out = NULL;
    int r = own_status(p, &ours);
    if (r < 0)
        return r;
    bool same = theirs->commits == ours.commits && strcmp(theirs->hash, ours.hash) == 0 &&
                strcmp(theirs->root, ours.root) == 0;
    if (!same && p->role == PEER_ACTIVE && theirs->commits > ours.commits)
        r = state_fetch(p, e);
    else if (!same)
        r = state_push(p, e);
    /* From now on nothing is committed by ourselves. */
    if (r == 0 && p->role == PEER_ALONE)
        r = role_set(p, PEER_ACTIVE, p->epoch);
    if (r == 0)
        r = ask(p, "/v1/peer/paired", json_pack("{s:I}", "epoch", (json_int_t)p->epoch), &out, e);
    json_decref(out);
    if (r < 0)
        return r;
    p->synced = true;
    store_ship_to(p->kbs->store, record_ship, p);
    LOG_NOTICE("paired with the standby", LOG_TEXT("peer", p->address));
    return 0;
}

static int demote(struct peer *p, uint64_t epoch)
{
    LOG_WARNING("this key broker has been replaced: it is the standby now",
                LOG_INT("epoch", epoch));
    store_ship_to(p->kbs->store, NULL, NULL);
    p->synced = false;
    p->kbs->restored = false; /* from here on it writes nothing of its own */
    p->heard_ms = p->kbs->now_ms();
    return role_set(p, PEER_BEHIND, epoch);
}

/* Once, and not again too soon. */
static int sync_try(struct peer *p)
{
    struct status theirs = {0};
    struct error e = {0};
    uint64_t now = p->kbs->now_ms();
    if (p->tried_ms && now < p->tried_ms + (p->role == PEER_ALONE ? AGAIN_ALONE_MS : AGAIN_MS))
        return -EAGAIN;
    p->tried_ms = now;
    int r = status_ask(p, &theirs, &e);
    if (r == 0 && theirs.epoch > p->epoch)
        return demote(p, theirs.epoch) < 0 ? -EIO : -ESTALE;
    if (r == 0 && theirs.role != PEER_STANDBY && theirs.role != PEER_BEHIND)
        r = error_set(&e, -EEXIST,
                      "both are active in epoch %" PRIu64 ": one was released while "
                      "the other was promoted",
                      p->epoch);
    if (r == 0)
        r = pair(p, &theirs, &e);
    p->tried_ms = p->kbs->now_ms();
    if (r < 0 && r != -ECONNREFUSED)
        LOG_WARNING("no standby", LOG_TEXT("why", error_text(&e, r)));
    return r;
}

static void part(struct peer *p)
{
    p->synced = false;
    store_ship_to(p->kbs->store, NULL, NULL);
}

/* Inside a commit: durable there before it is here. Whatever is not a clear yes is a no; should the other
 * have done it all the same, it knows more, and pair() takes it from there. */
static int record_ship(void *ctx, uint64_t before, struct slice record)
{
    struct peer *p = ctx;
    json_t *out = NULL;
    struct error e = {0};
    int r = ask(p, "/v1/peer/commit",
                json_pack("{s:I, s:I, s:o}", "epoch", (json_int_t)p->epoch, "before",
                          (json_int_t)before, "base64", base64_of(record)),
                &out, &e);
    json_decref(out);
    if (r == 0)
        return 0;
    LOG_WARNING("the standby has not agreed: nothing is committed",
                LOG_TEXT("why", error_text(&e, r)));
    p->synced = false; /* the store goes on shipping until part(): its transaction is open */
    p->tried_ms = 0;
    return -EHOSTDOWN;
}

int peer_ready(struct peer *p, struct refusal *ret)
{
    if (peer_is_standby(p))
        return refusal_set(ret, REFUSAL_STANDBY, NULL, 0, NULL, NULL);
    if (p->synced)
        return 0;
    part(p);
    /* Alone it answers without looking for the other: that may take seconds. */
    int r = p->role == PEER_ALONE ? 0 : sync_try(p);
    if (peer_is_standby(p))
        return refusal_set(ret, REFUSAL_STANDBY, NULL, 0, NULL, NULL);
    if (r < 0 && p->role == PEER_ACTIVE)
        return refusal_set(ret, REFUSAL_PEER_ABSENT, NULL, 0, NULL, NULL);
    if (!p->kbs->restored) {
        struct error e = {0};
        r = kbs_restore(p->kbs, &e);
        if (r < 0) {
            LOG_ERROR("the state cannot be restored", LOG_TEXT("why", error_text(&e, r)));
            return refusal_set(ret, REFUSAL_PEER_ABSENT, NULL, 0, NULL, NULL);
        }
    }
    return 0;
}

void peer_tick(struct peer *p)
{
    struct refusal ignored;
    struct status theirs;
    struct error e = {0};
    if (peer_is_standby(p)) {
        bool late = p->s.promote_after_ms && p->heard_ms &&
                    p->kbs->now_ms() > p->heard_ms + p->s.promote_after_ms;
        if (late && p->role == PEER_STANDBY && peer_promote(p) == 0)
            LOG_WARNING("the active key broker is silent: promoted");
        return;
    }
    if (!p->synced && p->role == PEER_ALONE) {
        part(p);
        (void)sync_try(p);
        return;
    }
    if (!p->synced) {
        int r = peer_ready(p, &ignored);
        (void)r; /* the next second, or the next call */
        return;
    }
    if (status_ask(p, &theirs, &e) < 0)
        p->synced = false;
}

/* ---- the standby's side ---- */

int peer_accept(struct peer *p, uint64_t epoch)
{
    if (!peer_is_standby(p) || epoch < p->epoch)
        return -ESTALE;
    p->heard_ms = p->kbs->now_ms();
    /* Another epoch: who knows what happened in it. */
    return epoch == p->epoch ? 0 : role_set(p, PEER_BEHIND, epoch);
}

int peer_paired(struct peer *p)
{
    if (!peer_is_standby(p))
        return -ESTALE;
    return p->role == PEER_STANDBY ? 0 : role_set(p, PEER_STANDBY, p->epoch);
}

int peer_state_take(struct peer *p, struct slice database, const struct key256 *root)
{
    int r = store_replace(p->kbs->store, database, root);
    if (r == 0)
        r = store_root_write(p->dir, &p->platform_key, root);
    return r;
}

int peer_record_take(struct peer *p, uint64_t before, struct slice record)
{
    uint64_t commits = 0;
    int r = store_commits(p->kbs->store, &commits);
    if (r == 0 && commits != before)
        r = -ESTALE;
    if (r == 0)
        r = store_apply(p->kbs->store, record);
    return r < 0 ? r : sha256(record, p->last);
}

/* Leases were given by another machine's clock: each runs for a whole term from now. */
static int leases_restart(struct kbs *kbs)
{
    int r = store_request_begin(kbs->store);
    if (r == 0)
        r = store_leases_restart(kbs->store, kbs->now_ms() + kbs->manifest->lease_term_ms);
    int ended = store_request_end(kbs->store, r == 0);
    if (r == 0)
        r = ended;
    return r < 0 ? r : store_commit(kbs->store);
}

int peer_promote(struct peer *p)
{
    struct error e = {0};
    if (!peer_is_standby(p))
        return -EALREADY;
    int r = p->role == PEER_STANDBY ? 0 : -ENODATA;
    if (r == 0)
        r = role_set(p, PEER_ALONE, p->epoch + 1);
    if (r == 0)
        r = leases_restart(p->kbs);
    if (r == 0)
        r = kbs_restore(p->kbs, &e);
    if (r < 0)
        LOG_ERROR("promoted, but the state cannot be restored", LOG_TEXT("why", error_text(&e, r)));
    p->tried_ms = p->kbs->now_ms();
    return r;
}

int peer_release(struct peer *p)
{
    if (peer_is_standby(p))
        return -ESTALE;
    part(p);
    disconnect(p);
    return role_set(p, PEER_ALONE, p->epoch + 1);
}

/* ---- */

int peer_open(struct kbs *kbs, const struct peer_settings *settings, struct peer **ret,
              struct error *e)
{
    struct peer *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(e, -ENOMEM, "no memory for a peer");
    p->kbs = kbs;
    p->s = *settings;
    p->fd = -1;
    p->platform_key = *settings->platform_key;
    p->dir = strdup(settings->dir);
    p->address = strdup(settings->address);
    pin_from_evidence(&kbs->self, &p->pin);
    p->pin.device = kbs->devices;
    int r = p->dir && p->address ? p256_generate(&p->key) : -ENOMEM;
    if (r == 0)
        r = role_get(p);
    if (r == -ENOENT)
        r = role_set(p, settings->standby ? PEER_BEHIND : PEER_ACTIVE, 1);
    if (r < 0) {
        peer_free(p);
        return error_set(e, r, "cannot read or write the role in '%s'", settings->dir);
    }
    LOG_NOTICE("role", LOG_TEXT("role", role_names[p->role]), LOG_INT("epoch", p->epoch));
    *ret = p;
    return 0;
}

void peer_free(struct peer *p)
{
    if (!p)
        return;
    disconnect(p);
    p256_free(p->key);
    pair_done(&p->pair);
    key256_wipe(&p->platform_key);
    free(p->dir);
    free(p->address);
    free(p);
}
