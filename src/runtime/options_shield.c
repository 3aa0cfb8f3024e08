/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/options_shield.h"
#include "base/buf.h"
#include "base/hex.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "crypto/provider.h"
#include "platform/host.h"
#include "platform/linux/sim_device.h"
#include "platform/ops.h"
#include "runtime/net/options.h"
#include "runtime/options_policy.h"
#include "runtime/process/exposure.h"
#include "runtime/provision/provision.h"
#include "volume/local.h"
#include "volume/recovery_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX ((size_t)1 << 20)
#define PATIENCE_MS 30000

static const char *prefix_copy(const char *text, size_t len)
{
    while (len > 1 && text[len - 1] == '/')
        len--;
    return strndup(text, len);
}

static struct runtime_file_rule *rule_add(struct runtime_config *config, const char *prefix,
                                          struct error *e)
{
    if (config->file_rule_count == RUNTIME_FILE_RULES_MAX || !prefix) {
        (void)error_set(e, -EINVAL, "more than %d file rules", RUNTIME_FILE_RULES_MAX);
        return NULL;
    }
    struct runtime_file_rule *rule = &config->file_rules[config->file_rule_count++];
    *rule = (struct runtime_file_rule){.prefix = prefix};
    return rule;
}

int options_add_volume(struct runtime_config *config, const char *value, struct error *e)
{
    const char *colon = strrchr(value, ':');
    bool read_only = colon && strcmp(colon, ":ro") == 0;
    if (read_only)
        while (--colon > value && *colon != ':')
            ;
    if (!colon || colon == value || colon[1] != '/')
        return error_set(e, -EINVAL, "--volume wants DIR:/PATH, not '%s'", value);
    if (config->volume_count == RUNTIME_VOLUMES_MAX)
        return error_set(e, -EINVAL, "more than %d volumes", RUNTIME_VOLUMES_MAX);
    size_t path_len = strlen(colon + 1) - (read_only ? 3 : 0);
    struct runtime_file_rule *rule = rule_add(config, prefix_copy(colon + 1, path_len), e);
    if (!rule)
        return -EINVAL;
    rule->class = FILE_CLASS_ENCRYPTED;
    rule->volume = config->volume_count;
    rule->read_only = read_only;
    config->volumes[config->volume_count++] = (struct runtime_volume){
        .name = rule->prefix,
        .host_dir = strndup(value, (size_t)(colon - value)),
        .mode = VOLUME_MODE_NONE,
        .create = !read_only,
    };
    return 0;
}

int options_add_file_rule(struct runtime_config *config, const char *value, struct error *e)
{
    const char *equals = strrchr(value, '=');
    if (value[0] != '/' || !equals)
        return error_set(e, -EINVAL, "--file-rule wants /PATH=RULE, not '%s'", value);
    const char *class = equals + 1;
    struct runtime_file_rule *rule =
        rule_add(config, prefix_copy(value, (size_t)(equals - value)), e);
    if (!rule)
        return -EINVAL;
    if (strcmp(class, "host") == 0)
        rule->class = FILE_CLASS_HOST;
    else if (strcmp(class, "private") == 0)
        rule->class = FILE_CLASS_PRIVATE;
    else if (strcmp(class, "denied") == 0)
        rule->class = FILE_CLASS_DENIED;
    else if (strncmp(class, "sha256:", 7) == 0 &&
             hex_decode(slice_of_text(class + 7), rule->digest, sizeof(rule->digest)) == 0)
        rule->class = FILE_CLASS_AUTHENTICATED;
    else
        return error_set(e, -EINVAL, "--file-rule: '%s' is not host, private, denied or sha256:HEX",
                         class);
    return 0;
}

/* The whole file; what it returns lives as long as the process. */
static int file_read(const char *path, struct slice *ret_bytes, struct error *e)
{
    int fd = host_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, fd, "cannot open '%s'", path);
    char *bytes = malloc(FILE_SIZE_MAX);
    ssize_t n = bytes ? host_pread(fd, bytes, FILE_SIZE_MAX, 0) : -ENOMEM;
    host_close(fd);
    if (n < 0 || n == (ssize_t)FILE_SIZE_MAX) {
        free(bytes);
        return error_set(e, n < 0 ? (int)n : -EFBIG, "cannot read '%s'", path);
    }
    char *fitted = realloc(bytes, n > 0 ? (size_t)n : 1);
    *ret_bytes = slice_of(fitted ? fitted : bytes, (size_t)n);
    return 0;
}

static int key_from_file(const char *path, struct key256 *ret_key, struct error *e)
{
    struct slice bytes;
    int r = file_read(path, &bytes, e);
    if (r < 0)
        return r;
    while (bytes.size == 65 && bytes.bytes[64] == '\n')
        bytes.size--;
    if (bytes.size == KEY256_SIZE)
        memcpy(ret_key->bytes, bytes.bytes, KEY256_SIZE);
    else if (bytes.size != 64 || hex_decode(bytes, ret_key->bytes, KEY256_SIZE) < 0)
        r = error_set(e, -EINVAL, "'%s' is not 32 bytes or 64 hexadecimal digits", path);
    secret_wipe((void *)(uintptr_t)bytes.bytes, bytes.size);
    free((void *)(uintptr_t)bytes.bytes);
    return r;
}

/* Key and head are files of the user's, as `coffer volume` keeps them. The backend that found them
 * is closed: the file shield opens its own. */
static int volume_local(struct runtime_volume *volume, struct error *e)
{
    struct local_volume *local = calloc(1, sizeof(*local)); /* its authority lives on */
    char state[PATH_MAX];
    int r = local ? local_state_dir(getenv("COFFER_STATE"), getenv("HOME"), state, sizeof(state))
                  : -ENOMEM;
    if (r < 0)
        return error_set(e, r, "no place for volume keys: set COFFER_STATE or HOME");
    r = local_volume_find(volume->host_dir, state, volume->create, local, e);
    if (r < 0)
        return r;
    const struct volume_options options = local_volume_options(local);
    volume->key = local->key;
    memcpy(volume->id, local->id, sizeof(volume->id));
    volume->authority = options.authority;
    volume->mode = options.mode;
    volume->create = local->is_empty;
    volume_dir_close(TAKE(local->backend));
    key256_wipe(&local->key);
    return 0;
}

/* The text of a recovery key from a descriptor that nobody needs afterwards; the program never sees it. */
static int volume_recovery(struct runtime_volume *volume, const struct options_shield *shield,
                           struct error *e)
{
    char text[RECOVERY_KEY_SIZE_MAX + 1], *end;
    struct recovery_key key = {0};
    long fd = strtol(shield->volume_recovery, &end, 10);
    if (shield->volume_recovery[0] < '0' || shield->volume_recovery[0] > '9' || *end || fd < 3 ||
        fd > INT32_MAX)
        return error_set(e, -EINVAL, "--volume-recovery wants a descriptor above 2, not '%s'",
                         shield->volume_recovery);
    ssize_t n = host_pread((int)fd, text, sizeof text, 0);
    host_close((int)fd);
    int r = n < 0 ? (int)n : recovery_key_parse(slice_of(text, (size_t)n), &key);
    secret_wipe(text, sizeof text);
    if (r < 0)
        return error_set(e, r, "what came as a recovery key is none");
    volume->create = false;
    r = recovery_volume_new(volume->host_dir, &key, shield->accept_older, &volume->recovery, e);
    recovery_key_wipe(&key);
    return r;
}

/* The key of one volume, and an identity that follows from it. */
static int volume_finish(struct runtime_volume *volume, const struct options_shield *shield,
                         struct error *e)
{
    char label[PATH_MAX + 16];
    uint8_t digest[SHA256_SIZE];
    int r;
    if (shield->volume_recovery)
        return volume_recovery(volume, shield, e);
    if (!shield->volume_key)
        return volume_local(volume, e);
    (void)snprintf(label, sizeof(label), "volume:%s", volume->name);
    if (strcmp(shield->volume_key, "seal") != 0)
        r = key_from_file(shield->volume_key, &volume->key, e);
    else
        r = platform()->seal_key(slice_of_text(label), &volume->key, e);
    if (r < 0)
        return error_prefix(e, r, "key of volume '%s'", volume->name);
    const struct slice parts[] = {slice_of_text("coffer volume id"), slice_of_text(label)};
    r = hmac_sha256(slice_of(volume->key.bytes, KEY256_SIZE), parts, ARRAY_COUNT(parts), digest);
    if (r < 0)
        return error_set(e, r, "naming volume '%s'", volume->name);
    memcpy(volume->id, digest, sizeof(volume->id));
    return 0;
}

static int default_device(char path[PATH_MAX], struct error *e)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        return error_set(e, -ENOENT, "HOME is not set: say --sim-device FILE");
    int n = snprintf(path, PATH_MAX, "%s/.coffer", home);
    if (n < 0 || n >= PATH_MAX - 16)
        return error_set(e, -ENAMETOOLONG, "HOME is too long");
    int r = host_mkdirat(AT_FDCWD, path, 0700);
    if (r < 0 && r != -EEXIST)
        return error_set(e, r, "cannot make '%s'", path);
    (void)snprintf(path + n, (size_t)(PATH_MAX - n), "/sim-device");
    return 0;
}

/* The program's path as far as it matters for a measurement; searched like the loader does. */
static const char *program_path(const struct runtime_config *config, char path[PATH_MAX])
{
    const char *name = config->argv[0], *search = getenv("PATH");
    if (strchr(name, '/'))
        return name;
    for (const char *at = search ? search : "/usr/bin:/bin"; *at;) {
        size_t len = strcspn(at, ":");
        int n = snprintf(path, PATH_MAX, "%.*s/%s", (int)MIN(len, (size_t)PATH_MAX), at, name);
        int fd = n > 0 && n < PATH_MAX ? host_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0) : -1;
        if (fd >= 0) {
            host_close(fd);
            return path;
        }
        at += len + (at[len] == ':');
    }
    return name;
}

/* Volumes of the command line belong to whoever has the device, not to one program: without a
 * manifest they are sealed to the (absent) signer. */
static int identity_set(const struct runtime_config *config, const struct options_shield *shield,
                        struct error *e)
{
    char device[PATH_MAX], program[PATH_MAX];
    bool provisioned = shield->kbs || shield->manifest;
    struct sim_identity id = {
        .debug =
            config->trace || config->insecure_debug, /* what it does is then told to the host */
        .insecure__seal_to_signer = shield->seal_to_signer || !provisioned,
    };
    struct slice manifest;
    int r = 0;
    if (shield->manifest) {
        r = file_read(shield->manifest, &manifest, e);
        if (r == 0)
            r = sha256(manifest, id.config);
    }
    if (r == 0 && provisioned)
        r = sim_device_measure("/proc/self/exe", id.runtime, e);
    if (r == 0 && provisioned)
        r = sim_device_measure(program_path(config, program), id.program, e);
    if (r == 0 && !shield->sim_device)
        r = default_device(device, e);
    if (r == 0)
        r = sim_device_set(shield->sim_device ? shield->sim_device : device, &id, e);
    return r;
}

static int provision(struct runtime_config *config, const struct options_shield *shield,
                     struct error *e)
{
    char program[PATH_MAX];
    if (!shield->kbs_pin || !shield->tenant || !shield->policy || !shield->volume_dir)
        return error_set(e, -EINVAL,
                         "--kbs needs --kbs-pin, --tenant, --policy and --volume-dir too");
    if (config->volume_count > 0 || config->file_rule_count > 0 || config->net_rule_count > 0)
        return error_set(e, -EINVAL, "with --kbs the policy alone says what is where");
    struct slice pin = slice_of_text(shield->kbs_pin);
    int r = 0;
    if (shield->kbs_pin[0] == '@')
        r = file_read(shield->kbs_pin + 1, &pin, e);
    char *pin_text = r == 0 ? strndup((const char *)pin.bytes, pin.size) : NULL;
    if (!pin_text)
        return r < 0 ? r : -ENOMEM;
    const struct provision_options options = {
        .kbs = shield->kbs,
        .kbs_pin = pin_text,
        .tenant = shield->tenant,
        .policy = shield->policy,
        .program = strdup(program_path(config, program)),
        .volume_dir = shield->volume_dir,
        .handover_fd = -1,
        .handover_status_fd = -1,
        .patience_ms = PATIENCE_MS,
    };
    const struct runtime_config flags = *config; /* what is about this run, not about the program */
    r = provision_run(&options, config, e);
    if (r == 0 && flags.explain && !config->explain)
        LOG_WARNING("refusals are not explained: the policy would have to say: explain: true");
    config->program = options.program;
    config->trace = flags.trace;
    config->trace_fd = flags.trace_fd;
    memcpy(config->trace_calls, flags.trace_calls, sizeof config->trace_calls);
    config->stats = flags.stats;
    config->insecure_debug = flags.insecure_debug;
    free(pin_text);
    return r;
}

/* A policy file takes the place of the flags; whoever starts it answers for it. */
static int policy_apply(struct runtime_config *config, const struct options_shield *shield,
                        struct error *e)
{
    struct options_policy options = {
        .file = shield->policy, .volume_dir = shield->volume_dir, .env_given = shield->env_given};
    char program[PATH_MAX];
    if (config->record_fd > 0)
        return error_set(e, -EINVAL, "--record watches a program without a policy");
    int r = file_read(shield->policy, &options.yaml, e);
    if (r == 0)
        r = options_policy(config, &options, e);
    if (r < 0)
        return r;
    config->program = strdup(program_path(config, program));
    if (!config->program)
        return error_set(e, -ENOMEM, "out of memory");
    return options_policy_measure(config->program, e);
}

int options_finish(struct runtime_config *config, const struct options_shield *shield,
                   struct error *e)
{
    bool has_policy = shield->policy || shield->kbs;
    int r = has_policy && !config->insecure_debug ? exposure_close() : 0;
    if (r < 0)
        return error_set(e, r, "cannot close the process to dumps");
    if (has_policy || shield->manifest || shield->sim_device || config_shields(config))
        r = crypto_start();
    if (r < 0)
        return error_set(e, r, "no memory for cryptography");
    if (has_policy && config->insecure_debug)
        LOG_WARNING("--insecure__debug: the host may dump this program and read its memory");
    if (shield->policy && !shield->kbs)
        r = policy_apply(config, shield, e);
    if (r < 0)
        return r;
    bool sealed =
        config->volume_count > 0 && shield->volume_key && strcmp(shield->volume_key, "seal") == 0;
    if (sealed || shield->kbs || shield->manifest || shield->sim_device)
        r = identity_set(config, shield, e);
    if (r == 0 && shield->kbs)
        return provision(config, shield, e);
    if (r == 0 && (shield->kbs_pin || shield->tenant || (shield->volume_dir && !shield->policy)))
        return error_set(e, -EINVAL,
                         "--kbs-pin, --tenant and --volume-dir need --kbs (or, the last, "
                         "--policy)");
    if (r == 0 && shield->volume_recovery && (config->volume_count != 1 || shield->policy))
        return error_set(e, -EINVAL, "--volume-recovery needs one --volume, and no policy");
    for (unsigned i = 0; r == 0 && i < config->volume_count; i++)
        r = volume_finish(&config->volumes[i], shield, e);
    if (r == 0 && config->net_rule_count > 0)
        r = net_options_finish(config, e);
    return r;
}
