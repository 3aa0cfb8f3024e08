/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/sign_in.h"

#include "base/reader.h"
#include "base/secret.h"
#include "base/writer.h"
#include "dms/digest.h"
#include "server/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FILE_SIZE_MAX ((size_t)64 << 10)
#define TEXT_MAX 1024
#define MAX_AGE_MAX_S 31536000
#define LIST_MAX 8
#define GROUPS_MAPPED_MAX 200
enum { KEY_SIZE = 32 };

/* Reading the file */

static int text_read(const char *path, size_t size_max, struct buf *text, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    text->size_max = size_max;
    while (r == 0) {
        uint8_t *place = buf_reserve(text, 4096);
        ssize_t n = place ? read(fd, place, 4096) : -1;
        if (n < 0 && place && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n == 0 ? 0 : place ? -errno : -EFBIG;
            break;
        }
        text->size += (size_t)n;
    }
    if (fd >= 0)
        (void)close(fd);
    return r < 0 ? error_set(e, r, "cannot read '%.500s': %s", path, strerror(-r)) : 0;
}

enum kind { TEXT, NEEDED, BOOL, SECONDS, TEXTS, MAP };

static const struct {
    const char *name;
    enum kind kind;
} members[] = {
    {"name", NEEDED},         {"issuer", NEEDED},      {"client_id", NEEDED},
    {"redirect_uri", NEEDED}, {"client_secret", TEXT}, {"client_secret_file", TEXT},
    {"ca_file", TEXT},        {"address", TEXT},       {"origins", TEXTS},
    {"algorithms", TEXTS},    {"scopes", TEXTS},       {"max_age_s", SECONDS},
    {"userinfo", BOOL},       {"name_claim", TEXT},    {"groups_claim", TEXT},
    {"groups", MAP},          {"create", BOOL},        {"create_group", TEXT},
    {"second_factor", TEXT},
};

static bool is_text(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (!text || size == 0 || size > TEXT_MAX || strlen(text) != size)
        return false;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return true;
}

static bool is_texts(const json_t *value)
{
    size_t count = json_array_size(value);
    for (size_t i = 0; i < count; i++)
        if (!is_text(json_array_get(value, i)))
            return false;
    return count > 0 && count <= LIST_MAX;
}

static bool is_map(json_t *value)
{
    const char *name;
    json_t *to;
    if (!json_is_object(value) || json_object_size(value) > GROUPS_MAPPED_MAX)
        return false;
    json_object_foreach(value, name, to)
    {
        if (!is_text(to))
            return false;
    }
    return true;
}

static bool is_kind(json_t *value, enum kind kind)
{
    switch (kind) {
    case TEXT:
    case NEEDED:
        return is_text(value);
    case BOOL:
        return json_is_boolean(value);
    case SECONDS:
        return json_is_integer(value) && json_integer_value(value) >= 0 &&
               json_integer_value(value) <= MAX_AGE_MAX_S;
    case TEXTS:
        return is_texts(value);
    case MAP:
        return is_map(value);
    }
    return false;
}

static int members_check(json_t *object, struct error *e)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t i = 0;
        while (i < ARRAY_COUNT(members) && strcmp(members[i].name, name) != 0)
            i++;
        if (i == ARRAY_COUNT(members))
            return error_set(e, -EINVAL, "openid.%.100s is not known", name);
        if (!is_kind(value, members[i].kind))
            return error_set(e, -EINVAL, "openid.%s has a wrong value", name);
    }
    for (size_t i = 0; i < ARRAY_COUNT(members); i++)
        if (members[i].kind == NEEDED && !json_object_get(object, members[i].name))
            return error_set(e, -EINVAL, "openid.%s is missing", members[i].name);
    return 0;
}

static const char *text_of(const json_t *object, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : fallback;
}

/* The place of an https address: up to the path. 0: it is none. */
static size_t origin_size(const char *url)
{
    size_t size = strncmp(url, "https://", 8) == 0 ? 8 + strcspn(url + 8, "/?#") : 0;
    return size > 8 ? size : 0;
}

/* The browser comes back to this server: over TLS, but for a test on this machine. */
static bool is_redirect(const char *uri)
{
    static const char *const local[] = {"http://localhost:", "http://127.0.0.1:"};
    size_t origin = origin_size(uri);
    for (size_t i = 0; i < ARRAY_COUNT(local); i++)
        if (strncmp(uri, local[i], strlen(local[i])) == 0)
            origin = strcspn(uri + 7, "/?#") + 7;
    return origin > 0 && strcmp(uri + origin, OPENID_CALLBACK) == 0;
}

static int lists_take(const json_t *object, struct openid_settings *openid, struct error *e)
{
    static const char *const known[] = {"RS256", "PS256", "ES256", "EdDSA"};
    const json_t *scopes = json_object_get(object, "scopes");
    struct buf scope = {0};
    size_t size = origin_size(openid->issuer);
    openid->origins = json_deep_copy(json_object_get(object, "origins"));
    if (!openid->origins)
        openid->origins = json_array();
    json_array_insert_new(openid->origins, 0, json_stringn(openid->issuer, size));
    openid->algorithms = json_deep_copy(json_object_get(object, "algorithms"));
    if (!openid->algorithms)
        openid->algorithms = json_pack("[s,s,s,s]", known[0], known[1], known[2], known[3]);
    for (size_t i = 0; i < json_array_size(openid->algorithms); i++) {
        const char *name = json_string_value(json_array_get(openid->algorithms, i));
        bool found = false;
        for (size_t k = 0; k < ARRAY_COUNT(known); k++)
            found = found || strcmp(name, known[k]) == 0;
        if (!found)
            return error_set(e, -EINVAL, "openid.algorithms: '%.40s' is not known", name);
    }
    (void)buf_append_text(&scope, "openid");
    for (size_t i = 0; i < json_array_size(scopes); i++)
        (void)buf_printf(&scope, " %s", json_string_value(json_array_get(scopes, i)));
    if (!scopes)
        (void)buf_append_text(&scope, " profile");
    const char *text = buf_text(&scope);
    openid->scope = text ? strdup(text) : NULL;
    buf_done(&scope);
    return openid->scope && openid->algorithms && openid->origins ? 0 : -ENOMEM;
}

static int secret_take(json_t *object, struct error *e)
{
    const char *path = text_of(object, "client_secret_file", NULL);
    SCOPED(buf_done) struct buf text = {0};
    if (!path)
        return 0;
    if (json_object_get(object, "client_secret"))
        return error_set(e, -EINVAL, "openid.client_secret and client_secret_file are both there");
    int r = text_read(path, TEXT_MAX + 4096, &text, e);
    if (r < 0)
        return r;
    while (text.size > 0 &&
           (text.bytes[text.size - 1] == '\n' || text.bytes[text.size - 1] == '\r'))
        text.size--;
    json_t *secret = json_stringn((const char *)text.bytes, text.size);
    if (!is_text(secret)) {
        json_decref(secret);
        return error_set(e, -EINVAL, "'%.500s' has no secret of one line", path);
    }
    return json_object_set_new(object, "client_secret", secret) < 0 ? -ENOMEM : 0;
}

static int openid_take(json_t *object, struct openid_settings *openid, struct error *e)
{
    if (!json_is_object(object))
        return error_set(e, -EINVAL, "openid is no object");
    int r = members_check(object, e);
    if (r == 0)
        r = secret_take(object, e);
    if (r < 0)
        return r;
    const char *factor = text_of(object, "second_factor", "provider");
    const json_t *age = json_object_get(object, "max_age_s");
    *openid = (struct openid_settings){
        .name = text_of(object, "name", NULL),
        .issuer = text_of(object, "issuer", NULL),
        .client_id = text_of(object, "client_id", NULL),
        .client_secret = text_of(object, "client_secret", NULL),
        .redirect_uri = text_of(object, "redirect_uri", NULL),
        .ca_file = text_of(object, "ca_file", NULL),
        .address = text_of(object, "address", NULL),
        .name_claim = text_of(object, "name_claim", "preferred_username"),
        .groups_claim = text_of(object, "groups_claim", "groups"),
        .create_group = text_of(object, "create_group", NULL),
        .create = json_is_true(json_object_get(object, "create")),
        .userinfo = json_is_true(json_object_get(object, "userinfo")),
        .second_factor_ours = strcmp(factor, "ours") == 0,
        .max_age_s = age ? json_integer_value(age) : -1,
        .groups = json_object_get(object, "groups"),
    };
    if (origin_size(openid->issuer) == 0 || strpbrk(openid->issuer, "?#"))
        return error_set(e, -EINVAL, "openid.issuer is no https address");
    if (!is_redirect(openid->redirect_uri))
        return error_set(e, -EINVAL, "openid.redirect_uri is not https://HOST" OPENID_CALLBACK);
    if (!openid->second_factor_ours && strcmp(factor, "provider") != 0)
        return error_set(e, -EINVAL, "openid.second_factor is \"provider\" or \"ours\"");
    return lists_take(object, openid, e);
}

static int file_take(const char *path, struct sign_in *sign_in, struct error *e)
{
    static const char *const known[] = {"openid"};
    SCOPED(buf_done) struct buf text = {0};
    json_error_t where;
    const char *name;
    json_t *value;
    int r = text_read(path, FILE_SIZE_MAX, &text, e);
    if (r < 0)
        return r;
    sign_in->file = json_loadb((const char *)text.bytes, text.size, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(sign_in->file)) /* jansson's own words may quote a secret */
        return error_set(e, -EINVAL, "no JSON object; line %d", where.line);
    json_object_foreach(sign_in->file, name, value)
    {
        size_t i = 0;
        while (i < ARRAY_COUNT(known) && strcmp(known[i], name) != 0)
            i++;
        if (i == ARRAY_COUNT(known))
            return error_set(e, -EINVAL, "%.100s is not known", name);
    }
    value = json_object_get(sign_in->file, "openid");
    sign_in->has_openid = value != NULL;
    return value ? openid_take(value, &sign_in->openid, e) : 0;
}

int sign_in_new(const char *path, struct sign_in **ret_sign_in, struct error *e)
{
    struct sign_in *sign_in = calloc(1, sizeof *sign_in);
    if (!sign_in)
        return -ENOMEM;
    int r = path ? file_take(path, sign_in, e) : 0;
    if (r < 0)
        r = error_prefix(e, r, "sign-in settings '%.300s'", path);
    sign_in->key = r == 0 && sign_in->has_openid ? secret_alloc(KEY_SIZE) : NULL;
    if (r == 0 && sign_in->has_openid && !sign_in->key)
        r = -ENOMEM;
    if (sign_in->key && getrandom(sign_in->key, KEY_SIZE, 0) != KEY_SIZE)
        r = -EIO;
    if (r < 0) {
        sign_in_free(sign_in);
        return r;
    }
    *ret_sign_in = sign_in;
    return 0;
}

void sign_in_free(struct sign_in *sign_in)
{
    if (!sign_in)
        return;
    if (sign_in->key)
        secret_free(sign_in->key, KEY_SIZE);
    free(sign_in->openid.scope);
    json_decref(sign_in->openid.origins);
    json_decref(sign_in->openid.algorithms);
    json_decref(sign_in->metadata);
    json_decref(sign_in->jwks);
    json_decref(sign_in->file);
    free(sign_in);
}

/* Tickets: kind, until, user, identity, random, session, path; then their MAC. */

enum { FIXED_SIZE = 1 + 3 * 8 + TICKET_RANDOM_SIZE + TICKET_HASH_SIZE };
#define TICKET_SIZE_MAX (FIXED_SIZE + TICKET_PATH_MAX + DIGEST_SIZE)

static void mac_of(const struct sign_in *sign_in, const char *purpose, struct slice bytes,
                   uint8_t mac[DIGEST_SIZE])
{
    /* The purpose ends in a NUL, so no two purposes can be one. */
    const struct slice parts[] = {slice_of(purpose, strlen(purpose) + 1), bytes};
    hmac_sha256(slice_of(sign_in->key, KEY_SIZE), parts, ARRAY_COUNT(parts), mac);
}

int ticket_write(const struct sign_in *sign_in, const struct ticket *ticket, struct buf *out)
{
    uint8_t bytes[TICKET_SIZE_MAX];
    struct writer w = writer_over(bytes, sizeof bytes);
    writer_u8(&w, (uint8_t)ticket->kind);
    writer_u64(&w, (uint64_t)ticket->until_s);
    writer_u64(&w, (uint64_t)ticket->user);
    writer_u64(&w, (uint64_t)ticket->identity);
    writer_bytes(&w, ticket->random, sizeof ticket->random);
    writer_bytes(&w, ticket->session, sizeof ticket->session);
    writer_bytes(&w, ticket->path, strlen(ticket->path));
    size_t size = writer_size(&w);
    if (!writer_ok(&w) || size > sizeof bytes - DIGEST_SIZE)
        return -ENOMEM;
    mac_of(sign_in, "ticket", slice_of(bytes, size), bytes + size);
    return base64_encode(slice_of(bytes, size + DIGEST_SIZE), true, out);
}

int ticket_read(const struct sign_in *sign_in, struct slice text, int64_t now_s, struct ticket *ret)
{
    uint8_t mac[DIGEST_SIZE], bytes[TICKET_SIZE_MAX];
    ssize_t n = text.size <= TICKET_SIZE_MAX * 4 / 3 ? base64url_decode(text, bytes) : -1;
    if (n < FIXED_SIZE + DIGEST_SIZE)
        return -EKEYREJECTED;
    size_t size = (size_t)n - DIGEST_SIZE;
    mac_of(sign_in, "ticket", slice_of(bytes, size), mac);
    if (ct_verify(mac, bytes + size, DIGEST_SIZE) < 0)
        return -EKEYREJECTED;
    struct reader rd = reader_over(slice_of(bytes, size));
    struct ticket ticket = {.kind = reader_u8(&rd), .until_s = (int64_t)reader_u64(&rd)};
    ticket.user = (int64_t)reader_u64(&rd);
    ticket.identity = (int64_t)reader_u64(&rd);
    reader_copy(&rd, ticket.random, sizeof ticket.random);
    reader_copy(&rd, ticket.session, sizeof ticket.session);
    reader_copy(&rd, ticket.path, size - FIXED_SIZE);
    if (!reader_finished(&rd) || ticket.until_s <= now_s)
        return -EKEYREJECTED;
    *ret = ticket;
    return 0;
}

int ticket_secret(const struct sign_in *sign_in, const struct ticket *ticket, const char *purpose,
                  char secret[TICKET_SECRET_SIZE])
{
    uint8_t mac[DIGEST_SIZE];
    SCOPED(buf_done) struct buf text = {0};
    mac_of(sign_in, purpose, slice_of(ticket->random, sizeof ticket->random), mac);
    int r = base64_encode(slice_of(mac, sizeof mac), true, &text);
    secret_wipe(mac, sizeof mac);
    if (r < 0 || text.size != TICKET_SECRET_SIZE - 1)
        return -ENOMEM;
    memcpy(secret, text.bytes, text.size);
    secret[text.size] = 0;
    return 0;
}

bool is_app_path(const char *path)
{
    if (strncmp(path, "/app/", 5) != 0 || strlen(path) > TICKET_PATH_MAX)
        return false;
    for (const char *c = path; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\\\"<>^`{|}#", *c))
            return false;
    return !strstr(path, "//") && !strstr(path, "/.");
}
