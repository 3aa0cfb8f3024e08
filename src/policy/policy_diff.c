/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_diff.h"

#include "attest/date.h"
#include "base/hex.h"

#include <errno.h>
#include <stdio.h>

/* Two policies, or two forms of one service, and where to say what differs. */
struct pair {
    const struct policy *old, *new;
    const char *service; /* NULL: the policy itself */
    struct policy_diff *diff;
};

enum sort { ALLOWS, FORBIDS, CHANGES };

static void say(const struct pair *p, enum sort sort, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct pair *p, enum sort sort, const char *format, ...)
{
    struct policy_diff *d = p->diff;
    struct buf *out = sort == ALLOWS ? &d->allows : sort == FORBIDS ? &d->forbids : &d->changes;
    unsigned *count = sort == ALLOWS ? &d->allowed : sort == FORBIDS ? &d->forbidden : &d->changed;
    va_list args;
    if (p->service)
        buf_printf(out, "service %s: ", p->service);
    va_start(args, format);
    buf_vprintf(out, format, args);
    va_end(args);
    buf_append_byte(out, '\n');
    ++*count;
}

static bool text_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* A set of digests that demands something; an empty one demands nothing. */
struct set {
    const uint8_t *digests;
    size_t stride, size;
    unsigned count;
    const char *prefix, *what;
};

static bool set_has(const struct set *set, const uint8_t *digest)
{
    for (unsigned i = 0; i < set->count; i++)
        if (memcmp(set->digests + i * set->stride, digest, set->size) == 0)
            return true;
    return false;
}

/* What of `from` is not in `other`. */
static void set_missing(const struct pair *p, const struct set *from, const struct set *other,
                        enum sort sort)
{
    char hex[2 * EVIDENCE_CHIP_SIZE + 1];
    for (unsigned i = 0; i < from->count; i++) {
        const uint8_t *digest = from->digests + i * from->stride;
        if (set_has(other, digest))
            continue;
        hex_encode(slice_of(digest, from->size), hex);
        say(p, sort, "%s %s%s", from->what, from->prefix, hex);
    }
}

static void sets_compare(const struct pair *p, const struct set *old, const struct set *new)
{
    if (old->count > 0 && new->count == 0)
        say(p, ALLOWS, "any %s at all: the policy no longer names any", old->what);
    else if (old->count == 0 && new->count > 0)
        say(p, FORBIDS, "every %s but the %u named now", old->what, new->count);
    else if (old->count > 0) {
        set_missing(p, new, old, ALLOWS);
        set_missing(p, old, new, FORBIDS);
    }
}

static struct set set256(const struct who_digests *set, const char *what)
{
    return (struct set){
        set->digest[0], EVIDENCE_DIGEST_SIZE, EVIDENCE_DIGEST_SIZE, set->count, "sha256:", what};
}

static struct set set384(const struct who_digests384 *set, const char *what)
{
    return (struct set){set->digest[0],
                        EVIDENCE_MEASUREMENT_SIZE,
                        EVIDENCE_MEASUREMENT_SIZE,
                        set->count,
                        "sha384:",
                        what};
}

/* A wider choice of something that is off by default. */
static void flag_compare(const struct pair *p, bool old, bool new, const char *what)
{
    if (old != new)
        say(p, new ? ALLOWS : FORBIDS, "%s", what);
}

/* A lower bound: a smaller one lets more in. */
static void bound_compare(const struct pair *p, uint64_t old, uint64_t new, const char *what)
{
    if (new < old)
        say(p, ALLOWS, "%s from %llu on (was %llu)", what, (unsigned long long)new,
            (unsigned long long)old);
    else if (new > old)
        say(p, FORBIDS, "%s below %llu (was %llu)", what, (unsigned long long)new,
            (unsigned long long)old);
}

static void tees_compare(const struct pair *p)
{
    for (unsigned i = 0; i < TEE_COUNT; i++) {
        bool old = p->old->who.tees & 1u << i, new = p->new->who.tees & 1u << i;
        if (old != new)
            say(p, new ? ALLOWS : FORBIDS, "TEE %s%s", tee_name((enum tee)i),
                new &&i == TEE_SIM ? ", a simulation that protects nothing" : "");
    }
}

static unsigned statuses_of(const struct who_platform *who)
{
    return who->statuses ? who->statuses : 1u << TCB_UP_TO_DATE;
}

static void advisories_missing(const struct pair *p, const struct who_platform *from,
                               const struct who_platform *other, enum sort sort)
{
    for (unsigned i = 0; i < from->advisory_count; i++) {
        bool there = false;
        for (unsigned k = 0; k < other->advisory_count; k++)
            there |= strcmp(from->advisories[i], other->advisories[k]) == 0;
        if (!there)
            say(p, sort, "platforms with the open advisory %s", from->advisories[i]);
    }
}

static void tcb_compare(const struct pair *p, const struct who_platform *old,
                        const struct who_platform *new)
{
    static const char *const parts[] = {"boot loader", "TEE", "SNP", "microcode", "FMC"};
    char date[DATE_TEXT_SIZE], what[64];
    for (unsigned i = TCB_NONE + 1; i < TCB_STATUS_COUNT; i++) {
        bool was = statuses_of(old) & 1u << i, is = statuses_of(new) & 1u << i;
        if (was != is)
            say(p, is ? ALLOWS : FORBIDS, "platforms with the status %s",
                tcb_status_name((enum tcb_status)i));
    }
    advisories_missing(p, new, old, ALLOWS);
    advisories_missing(p, old, new, FORBIDS);
    if (new->date_min_s != old->date_min_s) {
        date_write(new->date_min_s, date);
        say(p, new->date_min_s < old->date_min_s ? ALLOWS : FORBIDS, "platforms %s the date %s",
            new->date_min_s < old->date_min_s ? "from" : "before", date);
    }
    bound_compare(p, old->evaluation_min, new->evaluation_min, "evaluation data");
    for (unsigned i = 0; i < EVIDENCE_SNP_VERSIONS; i++) {
        snprintf(what, sizeof what, "AMD's %s", parts[i]);
        bound_compare(p, old->snp_min[i], new->snp_min[i], what);
    }
}

static void platform_compare(const struct pair *p)
{
    const struct who_platform *old = &p->old->who.platform, *new = &p->new->who.platform;
    static const char *const registers[] = {"value of register 0", "value of register 1",
                                            "value of register 2", "value of register 3"};
    const struct {
        const struct who_digests384 *old, *new;
        const char *what;
    } sets[] = {
        {&old->measurement, &new->measurement, "virtual machine image"},
        {&old->id_key, &new->id_key, "signer of images"},
        {&old->author_key, &new->author_key, "author of images"},
        {&old->config_id, &new->config_id, "MRCONFIGID"},
        {&old->host_data, &new->host_data, "host data"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        struct set was = set384(sets[i].old, sets[i].what), is = set384(sets[i].new, sets[i].what);
        sets_compare(p, &was, &is);
    }
    for (unsigned i = 0; i < EVIDENCE_RTMRS; i++) {
        struct set was = set384(&old->rtmr[i], registers[i]),
                   is = set384(&new->rtmr[i], registers[i]);
        sets_compare(p, &was, &is);
    }
    struct set was = {
        old->chips.id[0], EVIDENCE_CHIP_SIZE, EVIDENCE_CHIP_SIZE, old->chips.count, "", "machine"};
    struct set is = {new->chips.id[0], EVIDENCE_CHIP_SIZE, EVIDENCE_CHIP_SIZE, new->chips.count, "",
                     "machine"};
    sets_compare(p, &was, &is);
    tcb_compare(p, old, new);
    flag_compare(p, old->vmpl_max<new->vmpl_max, old->vmpl_max> new->vmpl_max,
                 "less privileged levels (VMPL) than before");
    flag_compare(p, old->allow_migration, new->allow_migration, "machines that may be migrated");
    flag_compare(p, old->allow_sept_ve, new->allow_sept_ve,
                 "trust domains without SEPT_VE_DISABLE");
    flag_compare(p, !old->require_revocation, !new->require_revocation,
                 "AMD platforms whose revocation nobody can check");
}

static void who_compare(const struct pair *p)
{
    const struct who *old = &p->old->who, *new = &p->new->who;
    struct set was = set256(&old->program, "program"), is = set256(&new->program, "program");
    tees_compare(p);
    flag_compare(p, old->allow_debug, new->allow_debug,
                 "processes that their host can read (debug)");
    /* A program is let in by its own digest or by its signer: both lists are one choice. */
    sets_compare(p, &was, &is);
    was = set256(&old->signer, "signer of programs");
    is = set256(&new->signer, "signer of programs");
    sets_compare(p, &was, &is);
    was = set256(&old->runtime, "runtime");
    is = set256(&new->runtime, "runtime");
    sets_compare(p, &was, &is);
    bound_compare(p, old->svn_min, new->svn_min, "security versions");
    if (old->product_line && !new->product_line)
        say(p, ALLOWS, "any product (ISVPRODID) of the signer");
    else if (new->product_line && (!old->product_line || old->product != new->product))
        say(p, CHANGES, "product (ISVPRODID) %d only", new->product);
    platform_compare(p);
}

static void command_compare(const struct pair *p)
{
    const struct policy *old = p->old, *new = p->new;
    bool same = old->argument_count == new->argument_count;
    for (unsigned i = 0; same && i < new->argument_count; i++)
        same = strcmp(old->arguments[i], new->arguments[i]) == 0;
    if (!same)
        say(p, CHANGES, "the command line is another");
    for (unsigned i = 0; i < new->environment_count; i++) {
        const struct policy_variable *v = &new->environment[i];
        const char *before = NULL;
        for (unsigned k = 0; k < old->environment_count; k++)
            if (strcmp(old->environment[k].name, v->name) == 0)
                before = old->environment[k].value;
        if (!text_same(before, v->value))
            say(p, CHANGES, "%s in the environment is %s", v->name, before ? "another" : "new");
    }
    for (unsigned i = 0; i < old->environment_count; i++) {
        bool there = false;
        for (unsigned k = 0; k < new->environment_count; k++)
            there |= strcmp(old->environment[i].name, new->environment[k].name) == 0;
        if (!there)
            say(p, CHANGES, "%s in the environment is gone", old->environment[i].name);
    }
    if (!text_same(old->directory, new->directory))
        say(p, CHANGES, "the working directory is %s", new->directory ? new->directory : "/");
}

static const struct policy_file *file_find(const struct policy *policy, const char *path)
{
    for (unsigned i = 0; i < policy->file_count; i++)
        if (strcmp(policy->files[i].path, path) == 0)
            return &policy->files[i];
    return NULL;
}

static bool file_same(const struct policy_file *a, const struct policy_file *b)
{
    return a->class == b->class && a->read_only == b->read_only &&
           (a->class != POLICY_FILE_AUTHENTICATED ||
            memcmp(a->digest, b->digest, sizeof a->digest) == 0);
}

static void files_compare(const struct pair *p)
{
    static const char *const kinds[] = {"the host's, unprotected", "verified", "in memory",
                                        "denied"};
    for (unsigned i = 0; i < p->new->file_count; i++) {
        const struct policy_file *f = &p->new->files[i], *before = file_find(p->old, f->path);
        if (before && file_same(before, f))
            continue;
        say(p, f->class == POLICY_FILE_DENIED ? FORBIDS : ALLOWS, "the file %s: %s%s%s", f->path,
            kinds[f->class], f->read_only ? ", read-only" : "", before ? " (was otherwise)" : "");
    }
    for (unsigned i = 0; i < p->old->file_count; i++)
        if (!file_find(p->new, p->old->files[i].path) &&
            p->old->files[i].class != POLICY_FILE_DENIED)
            say(p, FORBIDS, "the file %s", p->old->files[i].path);
}

static bool net_same(const struct policy_net *a, const struct policy_net *b)
{
    return a->listen == b->listen && a->class == b->class && a->protocol == b->protocol &&
           a->port == b->port && text_same(a->address, b->address) &&
           text_same(a->server_name, b->server_name) && text_same(a->trust, b->trust);
}

static void net_missing(const struct pair *p, const struct policy *from, const struct policy *other,
                        enum sort sort)
{
    static const char *const kinds[] = {"plain text", "TLS", "hand-over with TLS", "denied"};
    for (unsigned i = 0; i < from->network_count; i++) {
        const struct policy_net *n = &from->network[i];
        bool there = n->class == POLICY_NET_DENIED;
        char port[16] = "any port";
        for (unsigned k = 0; k < other->network_count; k++)
            there |= net_same(n, &other->network[k]);
        if (there)
            continue;
        if (n->port)
            snprintf(port, sizeof port, "port %u", n->port);
        say(p, sort, "%s %s%s%s: %s", n->listen ? "listening on" : "connecting to",
            n->address  ? n->address
            : n->listen ? ""
                        : "anywhere",
            n->address || !n->listen ? ", " : "", port, kinds[n->class]);
    }
}

static bool purges(const struct policy_volume *v, const char *pattern)
{
    for (unsigned i = 0; i < v->purge_count; i++)
        if (strcmp(v->purge[i], pattern) == 0)
            return true;
    return false;
}

static void purge_compare(const struct pair *p, const struct policy_volume *before,
                          const struct policy_volume *v)
{
    for (unsigned i = 0; i < before->purge_count; i++)
        if (!purges(v, before->purge[i]))
            say(p, ALLOWS, "deleting %s in volume %s without erasing it", before->purge[i],
                v->name);
    for (unsigned i = 0; i < v->purge_count; i++)
        if (!purges(before, v->purge[i]))
            say(p, FORBIDS, "deleting %s in volume %s without erasing it", v->purge[i], v->name);
}

static void volumes_compare(const struct pair *p)
{
    static const char *const modes[] = {"none", "periodic", "strict"};
    for (unsigned i = 0; i < p->new->volume_count; i++) {
        const struct policy_volume *v = &p->new->volumes[i];
        const struct policy_volume *before = policy_volume_find(p->old, v->name);
        if (!before) {
            say(p, ALLOWS, "the volume %s at %s%s", v->name, v->mount,
                v->import.policy ? ", another policy's" : "");
            continue;
        }
        if (before->mode != v->mode)
            say(p, v->mode < before->mode ? ALLOWS : FORBIDS, "freshness of volume %s: %s (was %s)",
                v->name, modes[v->mode], modes[before->mode]);
        if (strcmp(before->mount, v->mount) != 0)
            say(p, CHANGES, "the volume %s is at %s", v->name, v->mount);
        if (v->export_count > before->export_count)
            say(p, ALLOWS, "more policies to share the volume %s", v->name);
        purge_compare(p, before, v);
        if (v->compress != before->compress)
            say(p, v->compress ? ALLOWS : FORBIDS,
                "sizes on the disk to tell of contents of volume %s, if it is made anew", v->name);
    }
    for (unsigned i = 0; i < p->old->volume_count; i++)
        if (!policy_volume_find(p->new, p->old->volumes[i].name))
            say(p, FORBIDS, "the volume %s", p->old->volumes[i].name);
}

static void secrets_compare(const struct pair *p)
{
    for (unsigned i = 0; i < p->new->secret_count; i++) {
        const struct policy_secret *s = &p->new->secrets[i];
        const struct policy_secret *before = policy_secret_find(p->old, s->name);
        if (!before)
            say(p, CHANGES, "the secret %s is new", s->name);
        else if (before->kind != s->kind || before->source != s->source)
            say(p, CHANGES, "the secret %s is of another kind or source", s->name);
        if (before && s->reveal_once && !before->reveal_once)
            say(p, ALLOWS, "showing the secret %s to the owner, once", s->name);
        for (unsigned k = before ? before->export_count : 0; k < s->export_count; k++)
            say(p, ALLOWS, "the policy %s%s%s to have the secret %s",
                s->exports[k].tenant ? s->exports[k].tenant : "", s->exports[k].tenant ? "/" : "",
                s->exports[k].policy, s->name);
    }
    for (unsigned i = 0; i < p->old->secret_count; i++)
        if (!policy_secret_find(p->new, p->old->secrets[i].name))
            say(p, CHANGES, "the secret %s is gone", p->old->secrets[i].name);
}

static bool approval_same(const struct policy_approval *a, const struct policy_approval *b)
{
    if (!a || !b)
        return a == b;
    if (a->kind != b->kind || a->require != b->require || a->of_count != b->of_count ||
        memcmp(a->key, b->key, sizeof a->key) != 0 || !text_same(a->totp, b->totp))
        return false;
    for (unsigned i = 0; i < a->of_count; i++)
        if (!approval_same(&a->of[i], &b->of[i]))
            return false;
    return true;
}

/* Whether others than before may do it cannot be told by counting: the readers look at it. */
static void access_compare(const struct pair *p)
{
    const struct {
        const struct policy_approval *old, *new;
        const char *what;
    } rights[] = {{p->old->access.read, p->new->access.read, "read"},
                  {p->old->access.update, p->new->access.update, "update"},
                  {p->old->access.create, p->new->access.create, "create below"}};
    for (size_t i = 0; i < ARRAY_COUNT(rights); i++) {
        const struct policy_approval *a = rights[i].new;
        if (approval_same(rights[i].old, a))
            continue;
        if (!a)
            say(p, ALLOWS, "the owner alone to %s this policy", rights[i].what);
        else
            say(p, ALLOWS, "others to %s this policy: %u of %u must agree (line %u)",
                rights[i].what, a->kind == POLICY_APPROVAL_OF ? a->require : 1,
                a->kind == POLICY_APPROVAL_OF ? a->of_count : 1, a->line);
    }
}

static void tls_compare(const struct pair *p)
{
    const struct policy *old = p->old, *new = p->new;
    flag_compare(p, old->tls_allow_1_2, new->tls_allow_1_2, "TLS 1.2");
    if (old->tls_client_ca && !new->tls_client_ca)
        say(p, ALLOWS, "clients without a certificate");
    else if (!text_same(old->tls_client_ca, new->tls_client_ca))
        say(p, CHANGES, "clients' certificates come from another authority");
    for (unsigned i = 0; i < new->tls_name_count; i++) {
        bool there = false;
        for (unsigned k = 0; k < old->tls_name_count; k++)
            there |= strcmp(old->tls_names[k], new->tls_names[i]) == 0;
        if (!there)
            say(p, ALLOWS, "a certificate for the name %s", new->tls_names[i]);
    }
    flag_compare(p, old->explain, new->explain, "refusals to be named to the host (explain)");
}

/* What of a service is its own. */
static void program_compare(const struct pair *p)
{
    who_compare(p);
    command_compare(p);
    files_compare(p);
    net_missing(p, p->new, p->old, ALLOWS);
    net_missing(p, p->old, p->new, FORBIDS);
    volumes_compare(p);
    tls_compare(p);
}

static bool service_has(const struct policy *policy, const char *name)
{
    for (unsigned i = 0; i < policy->service_count; i++)
        if (strcmp(policy->services[i], name) == 0)
            return true;
    return false;
}

static int services_compare(const struct pair *whole, struct slice old_yaml, struct slice new_yaml,
                            struct error *e)
{
    for (unsigned i = 0; i < whole->new->service_count; i++) {
        SCOPED(policy_freep) struct policy *old = NULL, *new = NULL;
        const char *name = whole->new->services[i];
        if (!service_has(whole->old, name)) {
            say(whole, ALLOWS, "a service %s to run", name);
            continue;
        }
        int r = policy_parse_service(old_yaml, name, &old, e);
        if (r == 0)
            r = policy_parse_service(new_yaml, name, &new, e);
        if (r < 0)
            return r;
        program_compare(&(struct pair){old, new, name, whole->diff});
    }
    for (unsigned i = 0; i < whole->old->service_count; i++)
        if (!service_has(whole->new, whole->old->services[i]))
            say(whole, FORBIDS, "the service %s to run", whole->old->services[i]);
    return 0;
}

int policy_diff(struct slice old_yaml, struct slice new_yaml, struct policy_diff *ret,
                struct error *e)
{
    SCOPED(policy_freep) struct policy *old = NULL, *new = NULL;
    int r = policy_parse(old_yaml, &old, e);
    if (r < 0)
        return error_prefix(e, r, "the old policy");
    r = policy_parse(new_yaml, &new, e);
    if (r < 0)
        return error_prefix(e, r, "the new policy");
    const struct pair whole = {old, new, NULL, ret};
    if (strcmp(old->tenant, new->tenant) != 0 || strcmp(old->name, new->name) != 0)
        say(&whole, CHANGES, "it is the policy %s/%s, not %s/%s", new->tenant, new->name,
            old->tenant, old->name);
    /* With services on both sides, what they share is compared as part of each. */
    if (old->service_count == 0 || new->service_count == 0)
        program_compare(&whole);
    secrets_compare(&whole);
    access_compare(&whole);
    r = services_compare(&whole, old_yaml, new_yaml, e);
    return r < 0                                                              ? r
           : ret->allows.failed || ret->forbids.failed || ret->changes.failed ? -ENOMEM
                                                                              : 0;
}

void policy_diff_done(struct policy_diff *diff)
{
    buf_done(&diff->allows);
    buf_done(&diff->forbids);
    buf_done(&diff->changes);
}
