/* SPDX-License-Identifier: Apache-2.0 */
#include "load/options.h"

#include "base/buf.h"
#include "base/options.h"
#include "base/secret.h"
#include "load/own_tenant.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS 1000000000ll
#define TENANTS_FILE_SIZE_MAX ((size_t)4 << 20)
#define CREDENTIAL_LEN_MAX 512

int load_duration_parse(const char *text, int64_t *ret_ns)
{
    char *end;
    double n = strtod(text, &end);
    double unit = strcmp(end, "ms") == 0           ? 1e6
                  : !*end || strcmp(end, "s") == 0 ? 1e9
                  : strcmp(end, "m") == 0          ? 60e9
                                                   : 0;
    if (end == text || !isfinite(n) || n <= 0 || unit == 0 || n * unit > 86400e9)
        return -EINVAL;
    *ret_ns = (int64_t)(n * unit);
    return 0;
}

int load_rate_parse(const char *text, uint64_t *ret_rate_per_ks)
{
    char *end;
    if (strcmp(text, "max") == 0) {
        *ret_rate_per_ks = 0;
        return 0;
    }
    double n = strtod(text, &end);
    if (end == text || *end || !isfinite(n) || n < 0.001 || n > 1e6)
        return -EINVAL;
    *ret_rate_per_ks = (uint64_t)(n * 1000 + 0.5);
    return 0;
}

int load_size_parse(const char *text, uint64_t *ret_size)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = strcmp(end, "k") == 0 ? 10 : strcmp(end, "m") == 0 ? 20 : 0;
    if (text[0] < '0' || text[0] > '9' || errno || (shift == 0 && *end) || n < 1 ||
        n > (1ull << 30) >> shift)
        return -EINVAL;
    *ret_size = (uint64_t)n << shift;
    return 0;
}

/* The command line as texts and numbers, before they are judged. */
struct raw {
    uint64_t clients, connection_requests, seed;
    const char *duration, *rate, *gateway, *ca, *plain, *domain, *tenants, *tenants_file, *user;
    const char *password_file, *profile, *size, *timeout, *errors_max, *json, *state;
    char state_dir[OWN_TENANT_PATH_MAX], own_file[OWN_TENANT_PATH_MAX];
    char own_ca[OWN_TENANT_PATH_MAX + 8];
    bool keep, help;
    char password[CREDENTIAL_LEN_MAX];
};

#define AT(member) offsetof(struct raw, member)
static const struct option_row rows[] = {
    {"clients", OPTION_UINT, AT(clients), "10", "N", "connections at once", 1, LOAD_CLIENTS_MAX},
    {"duration", OPTION_TEXT, AT(duration), "10s", "TIME",
     "how long requests arrive: 500ms, 10s, 2m", 0, 0},
    {"rate", OPTION_TEXT, AT(rate), NULL, "R",
     "requests a second that arrive whatever the servers do (one per client); latency counts from "
     "when each should have started. 'max': each client starts the next when the last is answered",
     0, 0},
    {"gateway", OPTION_TEXT, AT(gateway), "127.0.0.1:8443", "IP:PORT", "where to connect to", 0, 0},
    {"state", OPTION_TEXT, AT(state), NULL, "DIR", "state directory of `coffer up` on this machine",
     0, 0},
    {"ca", OPTION_TEXT, AT(ca), NULL, "FILE",
     "certificates that servers must chain to (ca.pem in the state directory)", 0, 0},
    {"insecure-plain", OPTION_TEXT, AT(plain), NULL, "URL",
     "plain HTTP to http://IP:PORT instead of TLS; for benchmarks", 0, 0},
    {"domain", OPTION_TEXT, AT(domain), "localhost", "NAME", "servers are called TENANT.NAME", 0,
     0},
    {"tenant", OPTION_TEXT, AT(tenants), NULL, "A,B,...",
     "document servers to load (one of its own, called `load`, in the system on this machine)", 0,
     0},
    {"tenants-file", OPTION_TEXT, AT(tenants_file), NULL, "FILE", "lines of: NAME [USER PASSWORD]",
     0, 0},
    {"user", OPTION_TEXT, AT(user), NULL, "USER",
     "for tenants without their own (or COFFER_LOAD_USER)", 0, 0},
    {"password-file", OPTION_TEXT, AT(password_file), NULL, "FILE",
     "its first line is the password (or COFFER_LOAD_PASSWORD)", 0, 0},
    {"profile", OPTION_TEXT, AT(profile), "mixed", "PROFILE", "mixed, read or write", 0, 0},
    {"size", OPTION_TEXT, AT(size), NULL, "BYTES",
     "one document size, as 4096, 64k or 1m, instead of 4k, 64k and 1m mixed", 0, 0},
    {"connection-requests", OPTION_UINT, AT(connection_requests), "100", "N",
     "requests before a client connects anew, resuming TLS", 1, UINT64_MAX},
    {"timeout", OPTION_TEXT, AT(timeout), "30s", "TIME", "after which a request has failed", 0, 0},
    {"errors-max", OPTION_TEXT, AT(errors_max), "0.001", "SHARE",
     "share of failed requests up to which the exit status is 0", 0, 0},
    {"seed", OPTION_UINT, AT(seed), "1", "N", "repeats the same choices", 1, UINT64_MAX},
    {"keep", OPTION_FLAG, AT(keep), NULL, NULL, "leave the documents in the servers", 0, 0},
    {"json", OPTION_TEXT, AT(json), NULL, "FILE", "also write the report as JSON ('-': stdout)", 0,
     0},
    {"help", OPTION_FLAG, AT(help), NULL, NULL, "this text", 0, 0},
};

static int share_parse(const char *text, double *ret_share)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end || !(n >= 0 && n <= 1))
        return -EINVAL;
    *ret_share = n;
    return 0;
}

static int profile_parse(const char *text, enum load_profile *ret_profile)
{
    static const char *const names[] = {"mixed", "read", "write"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_profile = (enum load_profile)i;
            return 0;
        }
    }
    return -EINVAL;
}

static void text_freep(char **text)
{
    free(*text);
}

static char *basic_authorization(const char *user, const char *password)
{
    char plain[2 * CREDENTIAL_LEN_MAX];
    int len = snprintf(plain, sizeof plain, "%s:%s", user, password);
    if (len < 0 || (size_t)len >= sizeof plain)
        return NULL;
    char *text = malloc(sizeof "Basic " + ((size_t)len + 2) / 3 * 4);
    if (text) {
        memcpy(text, "Basic ", sizeof "Basic ");
        EVP_EncodeBlock((unsigned char *)text + 6, (unsigned char *)plain, len);
    }
    return text;
}

static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);
    bool good = len > 0 && len <= 63;
    for (size_t i = 0; good && i < len; i++)
        good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
               name[i] == '-';
    return good;
}

static int tenant_add(struct load_options *o, const struct raw *raw, const char *name,
                      const char *user, const char *password, struct error *e)
{
    if (!name_is_valid(name))
        return error_set(e, -EINVAL, "'%s' is not a tenant's name (a-z, 0-9, '-')", name);
    if (o->tenant_count >= LOAD_TENANTS_MAX)
        return error_set(e, -EINVAL, "more than %d tenants", LOAD_TENANTS_MAX);
    void *grown = realloc(o->tenants, (o->tenant_count + 1) * sizeof *o->tenants);
    if (!grown)
        return error_set(e, -ENOMEM, "no memory for tenants");
    o->tenants = grown;
    struct load_tenant *tenant = &o->tenants[o->tenant_count];
    *tenant = (struct load_tenant){.name = strdup(name)};
    if (asprintf(&tenant->server_name, "%s.%s", name, raw->domain) < 0)
        tenant->server_name = NULL;
    if (user)
        tenant->authorization = basic_authorization(user, password);
    o->tenant_count++;
    if (!tenant->name || !tenant->server_name || (user && !tenant->authorization))
        return error_set(e, -ENOMEM, "no memory for tenants");
    return 0;
}

/* One line of the tenants file; comments and empty lines are skipped. */
static int tenant_line(struct load_options *o, const struct raw *raw, char *line, struct error *e)
{
    char *rest = NULL;
    const char *name = strtok_r(line, " \t\r\n", &rest);
    const char *user = strtok_r(NULL, " \t\r\n", &rest);
    const char *password = strtok_r(NULL, " \t\r\n", &rest);
    if (!name || name[0] == '#')
        return 0;
    if (user && !password)
        return error_set(e, -EINVAL, "'%s' has a user but no password", name);
    if (!user && raw->user) {
        user = raw->user;
        password = raw->password;
    }
    return tenant_add(o, raw, name, user, password, e);
}

static int tenants_file_read(struct load_options *o, const struct raw *raw, struct error *e)
{
    FILE *in = fopen(raw->tenants_file, "re");
    if (!in)
        return error_set(e, -errno, "cannot read '%s': %s", raw->tenants_file, strerror(errno));
    char line[2 * CREDENTIAL_LEN_MAX];
    int r = 0;
    for (unsigned number = 1; r == 0 && fgets(line, sizeof line, in); number++) {
        r = tenant_line(o, raw, line, e);
        if (r < 0)
            error_prefix(e, r, "%s:%u", raw->tenants_file, number);
    }
    fclose(in);
    return r;
}

static int password_read(const char *path, char password[CREDENTIAL_LEN_MAX], struct error *e)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return error_set(e, -errno, "cannot read '%s': %s", path, strerror(errno));
    if (!fgets(password, CREDENTIAL_LEN_MAX, in))
        password[0] = '\0';
    fclose(in);
    password[strcspn(password, "\r\n")] = '\0';
    return password[0] ? 0 : error_set(e, -EINVAL, "'%s' has no password in its first line", path);
}

static int tenants_collect(struct load_options *o, const struct raw *raw, struct error *e)
{
    int r = raw->tenants_file ? tenants_file_read(o, raw, e) : 0;
    const char *names = raw->tenants ? raw->tenants : raw->tenants_file ? "" : "demo";
    SCOPED(text_freep) char *copy = strdup(names);
    if (!copy)
        return error_set(e, -ENOMEM, "no memory for tenants");
    char *rest = NULL;
    for (char *name = strtok_r(copy, ",", &rest); r == 0 && name; name = strtok_r(NULL, ",", &rest))
        r = tenant_add(o, raw, name, raw->user, raw->password, e);
    if (r == 0 && o->tenant_count == 0)
        r = error_set(e, -EINVAL, "no tenant to load");
    return r;
}

static int endpoint_collect(struct load_options *o, struct raw *raw, struct error *e)
{
    static const char scheme[] = "http://";
    o->gateway = raw->gateway;
    if (raw->plain) {
        if (strncmp(raw->plain, scheme, sizeof scheme - 1) != 0)
            return error_set(e, -EINVAL, "--insecure-plain wants http://IP:PORT, not '%s'",
                             raw->plain);
        o->gateway = raw->plain + sizeof scheme - 1;
        return endpoint_parse(o->gateway, &o->endpoint, e);
    }
    if (!raw->ca) {
        int found = own_tenant_state(raw->state, raw->state_dir, e);
        if (found < 0)
            return found;
        snprintf(raw->own_ca, sizeof raw->own_ca, "%s/ca.pem", raw->state_dir);
        if (access(raw->own_ca, R_OK) < 0)
            return error_set(e, -ENOENT,
                             "no running system in '%s': start it with `coffer up`, name its "
                             "--state DIR, or say --ca FILE",
                             raw->state_dir);
        raw->ca = raw->own_ca;
    }
    int r = endpoint_parse(o->gateway, &o->endpoint, e);
    return r < 0 ? r : endpoint_use_tls(&o->endpoint, raw->ca, e);
}

/* The texts that stand for values of some kind. */
static int values_collect(struct load_options *o, const struct raw *raw, struct error *e)
{
    if (load_duration_parse(raw->duration, &o->duration_ns) < 0)
        return error_set(e, -EINVAL, "--duration '%s' is no time like 10s", raw->duration);
    if (load_duration_parse(raw->timeout, &o->timeout_ns) < 0)
        return error_set(e, -EINVAL, "--timeout '%s' is no time like 30s", raw->timeout);
    o->rate_per_ks = o->client_count * 1000;
    if (raw->rate && load_rate_parse(raw->rate, &o->rate_per_ks) < 0)
        return error_set(e, -EINVAL, "--rate '%s' is neither a number nor 'max'", raw->rate);
    if (raw->size && load_size_parse(raw->size, &o->document_size) < 0)
        return error_set(e, -EINVAL, "--size '%s' is no size like 64k, at most 1024m", raw->size);
    if (profile_parse(raw->profile, &o->profile) < 0)
        return error_set(e, -EINVAL, "--profile '%s' is not mixed, read or write", raw->profile);
    if (share_parse(raw->errors_max, &o->errors_max) < 0)
        return error_set(e, -EINVAL, "--errors-max '%s' is not from 0 to 1", raw->errors_max);
    return 0;
}

static int credentials_collect(struct raw *raw, struct error *e)
{
    const char *password = getenv("COFFER_LOAD_PASSWORD");
    if (!raw->user)
        raw->user = getenv("COFFER_LOAD_USER");
    if (password)
        snprintf(raw->password, sizeof raw->password, "%s", password);
    int r = raw->password_file ? password_read(raw->password_file, raw->password, e) : 0;
    if (r == 0 && raw->user && !raw->password[0])
        r = error_set(e, -EINVAL,
                      "a user without a password (COFFER_LOAD_PASSWORD or --password-file)");
    return r;
}

/* Nobody named: the client that belongs to the load generator. */
static int own_collect(const struct load_options *o, struct raw *raw, struct error *e)
{
    bool named = raw->plain || raw->tenants || raw->tenants_file || raw->user;
    int r = named ? 0 : own_tenant_state(raw->state, raw->state_dir, e);
    if (r == 0 && !named)
        r = own_tenant_ensure(raw->state_dir, &o->endpoint, raw->domain, raw->own_file, e);
    if (r == 0 && !named)
        raw->tenants_file = raw->own_file;
    return r;
}

static int collect(struct load_options *o, struct raw *raw, struct error *e)
{
    int r = values_collect(o, raw, e);
    if (r == 0)
        r = credentials_collect(raw, e);
    if (r == 0)
        r = endpoint_collect(o, raw, e);
    if (r == 0)
        r = own_collect(o, raw, e);
    if (r == 0)
        r = tenants_collect(o, raw, e);
    return r;
}

static int help_print(void)
{
    SCOPED(buf_done) struct buf text = {0};
    int r = options_help(rows, ARRAY_COUNT(rows), &text);
    if (r < 0)
        return r;
    printf("Usage: coffer load run [OPTIONS]\n"
           "Loads document servers with real TLS 1.3 clients; reports throughput and latency.\n"
           "Exit status: 0 good, 1 too many errors or a wrong document, 2 wrong usage.\n\n%.*s",
           (int)text.size, (const char *)text.bytes);
    return 1;
}

int load_options_parse(int argc, char **argv, struct load_options *ret_options, struct error *e)
{
    static struct raw raw; /* large, for the stack */
    raw = (struct raw){0};
    int rest = 0;
    int r = options_parse(rows, ARRAY_COUNT(rows), argc, argv, &raw, &rest, e);
    if (r < 0)
        return r;
    if (raw.help)
        return help_print();
    if (rest > 0)
        return error_set(e, -EINVAL, "unexpected '%s'", argv[0]);
    struct load_options o = {
        .client_count = raw.clients,
        .requests_per_connection = raw.connection_requests,
        .seed = raw.seed,
        .keep = raw.keep,
        .json_path = raw.json,
    };
    r = collect(&o, &raw, e);
    secret_wipe(raw.password, sizeof raw.password);
    if (r < 0) {
        load_options_done(&o);
        return r;
    }
    *ret_options = o;
    return 0;
}

void load_options_done(struct load_options *options)
{
    for (size_t i = 0; i < options->tenant_count; i++) {
        free(options->tenants[i].name);
        free(options->tenants[i].server_name);
        free(options->tenants[i].authorization);
    }
    free(options->tenants);
    options->tenants = NULL;
    options->tenant_count = 0;
    endpoint_done(&options->endpoint);
}
