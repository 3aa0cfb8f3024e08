/* SPDX-License-Identifier: Apache-2.0 */
/* From what was used to rules. What is only read is `authenticated` by its SHA-256, so that the host
 * cannot change it unseen; a directory from which many files were read becomes one `host` rule, for a
 * policy has room for few; what is written is `host` as it was, unless it was temporary: `private`. */
#include "cli/record.h"

#include "base/hex.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FOLD_READ = 12,        /* more files than this read in one directory: the directory */
    FOLD_WRITTEN = 4,      /* the same for written ones */
    RULES_MAX = 200,       /* of a policy */
    DIGEST_MAX = 64 << 20, /* a larger file is not kept in memory to be authenticated */
};

enum kind { KIND_DROPPED, KIND_HOST, KIND_AUTHENTICATED, KIND_PRIVATE };

struct rule {
    char *path;
    enum kind kind;
    bool writes, is_elf, is_directory, is_only_listed, was_folded;
    uint8_t digest[32];
};

struct rules {
    struct rule *items;
    size_t count;
};

static void quote(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            (void)fprintf(out, "\\%c", *at);
        else if (*at < ' ' || *at == 0x7f)
            (void)fprintf(out, "\\x%02X", *at);
        else
            (void)fputc(*at, out);
    }
    (void)fputc('"', out);
}

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* `path` is `directory` or below it. */
static bool is_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* Directories that belong to everybody: never given as a whole. */
static bool is_common(const char *directory)
{
    static const char *const common[] = {"",         "/",        "/bin",       "/boot",  "/dev",
                                         "/etc",     "/home",    "/lib",       "/lib64", "/opt",
                                         "/root",    "/run",     "/sbin",      "/srv",   "/usr",
                                         "/usr/bin", "/usr/lib", "/usr/sbin",  "/var",   "/var/lib",
                                         "/var/log", "/var/run", "/var/cache", NULL};
    return is_one_of(directory, common);
}

static bool is_temporary(const char *directory)
{
    static const char *const names[] = {"/tmp", "/var/tmp", "/dev/shm", NULL};
    return is_one_of(directory, names);
}

/* --- files --- */

static int digest_file(const char *path, struct rule *rule)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 || st.st_size > DIGEST_MAX ? -EFBIG : 0;
    void *bytes = MAP_FAILED;
    if (r == 0 && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (r == 0 && st.st_size > 0 && bytes == MAP_FAILED)
        r = -errno;
    if (r == 0)
        r = sha256(slice_of(bytes == MAP_FAILED ? "" : bytes, (size_t)st.st_size), rule->digest);
    if (bytes != MAP_FAILED) {
        rule->is_elf = st.st_size > 4 && memcmp(bytes, "\177ELF", 4) == 0;
        (void)munmap(bytes, (size_t)st.st_size);
    }
    if (fd >= 0)
        close(fd);
    return r;
}

static bool is_kernel_made(const char *path)
{
    return begins(path, "/proc/") || begins(path, "/sys/");
}

static struct rule rule_for(const struct record_file *file)
{
    static const char *const made_by_us[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                             "/dev/random", "/dev/urandom", NULL};
    struct rule rule = {.path = file->path, .writes = file->wishes & RECORD_WRITE};
    struct stat st;
    if (is_one_of(file->path, made_by_us) || strcmp(file->path, "/") == 0)
        return rule;
    /* Another process's directory has another name each time. */
    if (begins(file->path, "/proc/") && file->path[6] >= '1' && file->path[6] <= '9')
        rule.path = (char *)(uintptr_t) "/proc";
    if (is_kernel_made(file->path)) {
        rule.kind = KIND_HOST;
        return rule;
    }
    bool exists = lstat(file->path, &st) == 0;
    rule.is_directory = exists && S_ISDIR(st.st_mode);
    if (!exists && !rule.writes)
        return rule; /* it is not there without a rule either */
    if (rule.is_directory && !rule.writes && !(file->wishes & (RECORD_LIST | RECORD_READ)))
        return rule; /* only looked at: what leads to a named file may be */
    rule.is_only_listed = rule.is_directory && !(file->wishes & (RECORD_WRITE | RECORD_READ));
    rule.kind = KIND_HOST;
    if (exists && S_ISREG(st.st_mode) && !rule.writes && digest_file(file->path, &rule) == 0)
        rule.kind = KIND_AUTHENTICATED;
    return rule;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strndup(path, slash ? (size_t)(slash - path) : 0);
}

static bool folds(const struct rule *rule, const char *directory, bool writes)
{
    if (rule->kind == KIND_DROPPED || rule->writes != writes || rule->is_elf || rule->is_directory)
        return false;
    const char *slash = strrchr(rule->path, '/');
    return (size_t)(slash - rule->path) == strlen(directory) && is_below(rule->path, directory);
}

/* How many files like this one its directory has, and whether one of them is gone: then the next run
 * will make one with another name. */
static size_t siblings(const struct rules *rules, const char *directory, bool writes,
                       bool *ret_gone)
{
    size_t count = 0;
    struct stat st;
    *ret_gone = false;
    for (size_t i = 0; i < rules->count; i++) {
        if (!folds(&rules->items[i], directory, writes))
            continue;
        count++;
        *ret_gone |= writes && lstat(rules->items[i].path, &st) < 0;
    }
    return count;
}

/* One directory in place of its files, where there are many. */
static int fold(struct rules *rules, size_t index)
{
    struct rule *rule = &rules->items[index];
    bool writes = rule->writes, gone;
    if (rule->kind == KIND_DROPPED || rule->is_elf || rule->is_directory || rule->was_folded ||
        is_kernel_made(rule->path))
        return 0;
    char *directory = directory_of(rule->path);
    if (!directory)
        return -ENOMEM;
    size_t count = siblings(rules, directory, writes, &gone);
    bool temporary = writes && is_temporary(directory);
    if (!temporary &&
        (is_common(directory) || (writes ? !gone && count <= FOLD_WRITTEN : count <= FOLD_READ))) {
        free(directory);
        return 0;
    }
    for (size_t i = 0; i < rules->count; i++)
        if (i != index && folds(&rules->items[i], directory, writes))
            rules->items[i].kind = KIND_DROPPED;
    /* In memory there would be nothing of the host's, not even the way to it. */
    for (size_t i = 0; i < rules->count; i++)
        temporary &= i == index || rules->items[i].kind == KIND_DROPPED ||
                     !is_below(rules->items[i].path, directory);
    *rule = (struct rule){.path = directory, /* kept until the end of the program */
                          .kind = temporary ? KIND_PRIVATE : KIND_HOST,
                          .writes = writes,
                          .is_directory = true,
                          .was_folded = true};
    return 0;
}

/* What a rule on a directory above allows already. */
static void drop_covered(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->items[i];
        for (size_t k = 0; k < rules->count && rule->kind != KIND_DROPPED; k++) {
            const struct rule *above = &rules->items[k];
            bool same = k < i && strcmp(above->path, rule->path) == 0;
            bool covers = strlen(above->path) < strlen(rule->path) &&
                          is_below(rule->path, above->path) && above->is_directory;
            bool enough = above->kind == KIND_HOST && (above->writes || !rule->writes);
            if (!rule->is_elf && enough && (same || covers))
                rule->kind = KIND_DROPPED;
        }
    }
}

/* A directory on the way to something named may be listed without a rule of its own, which would give
 * all that is in it. */
static void drop_listed(struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->items[i];
        for (size_t k = 0; k < rules->count && rule->is_only_listed; k++)
            if (k != i && rules->items[k].kind != KIND_DROPPED && !rules->items[k].is_only_listed &&
                is_below(rules->items[k].path, rule->path))
                rule->kind = KIND_DROPPED;
    }
}

static int compare_rules(const void *a, const void *b)
{
    return strcmp(((const struct rule *)a)->path, ((const struct rule *)b)->path);
}

static void rule_write(const struct rule *rule, FILE *out)
{
    char digest[65];
    (void)fputs("  - {path: ", out);
    quote(out, rule->path);
    if (rule->kind == KIND_AUTHENTICATED) {
        hex_encode(slice_of(rule->digest, sizeof rule->digest), digest);
        (void)fprintf(out, ", class: authenticated, digest: sha256:%s}\n", digest);
    } else if (rule->kind == KIND_PRIVATE) {
        (void)fputs(", class: private} # temporary files: in memory, gone at exit\n", out);
    } else if (rule->writes) {
        (void)fputs(", class: host} # written where the host can read and change it\n", out);
    } else {
        (void)fprintf(out, ", class: host, read_only: true}%s\n",
                      rule->was_folded ? " # many files: the host could change them" : "");
    }
}

static int rules_make(const struct record *record, struct rules *rules)
{
    rules->items = calloc(record->file_count + 1, sizeof *rules->items);
    if (!rules->items)
        return -ENOMEM;
    for (size_t i = 0; i < record->file_count; i++) {
        rules->items[rules->count] = rule_for(&record->files[i]);
        rules->count += rules->items[rules->count].kind != KIND_DROPPED;
    }
    drop_listed(rules);
    for (size_t i = 0; i < rules->count; i++) {
        int r = fold(rules, i);
        if (r < 0)
            return r;
    }
    drop_covered(rules);
    size_t kept = 0;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->items[i].kind != KIND_DROPPED)
            rules->items[kept++] = rules->items[i];
    rules->count = kept;
    qsort(rules->items, rules->count, sizeof *rules->items, compare_rules);
    return 0;
}

static int files_write(const struct record *record, FILE *out, struct error *e)
{
    struct rules rules = {0};
    int r = rules_make(record, &rules);
    if (r == 0 && rules.count > RULES_MAX)
        r = error_set(e, -E2BIG, "%zu file rules are needed, and a policy has at most %d",
                      rules.count, RULES_MAX);
    (void)fputs(r == 0 && rules.count > 0 ? "files:\n" : "", out);
    for (size_t i = 0; r == 0 && i < rules.count; i++)
        rule_write(&rules.items[i], out);
    free(rules.items);
    return r;
}

/* --- network --- */

/* Value `n` of a flag, in either spelling; NULL: there are no more. */
static const char *flag_value(const struct record *record, const char *name, size_t n)
{
    size_t len = strlen(name);
    for (size_t i = 0; record->flags[i]; i++) {
        const char *flag = record->flags[i], *value = NULL;
        if (strcmp(flag, name) == 0)
            value = record->flags[i + 1];
        else if (strncmp(flag, name, len) == 0 && flag[len] == '=')
            value = flag + len + 1;
        if (value && n-- == 0)
            return value;
    }
    return NULL;
}

static bool is_tls_port(const struct record *record, int port)
{
    const char *value;
    for (size_t n = 0; (value = flag_value(record, "--tls-listen", n)) != NULL; n++)
        if (strtol(value, NULL, 10) == port)
            return true;
    return false;
}

static bool is_missing_socket(const struct record *record, const struct record_end *end)
{
    struct stat st;
    if (end->protocol != 2 || end->listen || end->address[0] != '/' ||
        lstat(end->address, &st) == 0)
        return false;
    for (size_t i = 0; i < record->end_count; i++)
        if (record->ends[i].listen && strcmp(record->ends[i].address, end->address) == 0)
            return false;
    return true;
}

static void end_write(const struct record *record, const struct record_end *end, FILE *out)
{
    char text[4200];
    const char *class = "plain";
    (void)fprintf(out, "  - {%s: ", end->listen ? "listen" : "connect");
    if (end->protocol == 2)
        (void)snprintf(text, sizeof text, "unix:%s", end->address);
    else
        (void)snprintf(text, sizeof text, strchr(end->address, ':') ? "[%s]:%d" : "%s:%d",
                       end->address, end->port);
    if (end->listen && end->protocol != 2)
        (void)fprintf(out, "%d", end->port);
    else
        quote(out, text);
    if (end->listen && end->protocol == 0 && is_tls_port(record, end->port))
        class = "tls";
    (void)fprintf(out, ", class: %s%s}\n", class, end->protocol == 1 ? ", protocol: udp" : "");
}

static void network_write(const struct record *record, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < record->end_count; i++) {
        if (is_missing_socket(record, &record->ends[i]))
            continue;
        (void)fputs(any ? "" : "network:\n", out);
        any = true;
        end_write(record, &record->ends[i], out);
    }
}

/* --- the rest --- */

static void volumes_write(const struct record *record, FILE *out)
{
    const char *value;
    for (size_t n = 0; (value = flag_value(record, "--volume", n)) != NULL; n++) {
        const char *colon = strrchr(value, ':');
        if (!colon || colon[1] != '/')
            continue;
        (void)fputs(n == 0 ? "volumes:\n" : "", out);
        (void)fprintf(out, "  - {name: volume%zu, mount: ", n + 1);
        quote(out, colon + 1);
        (void)fputs(", mode: none} # strict or periodic under a key broker\n", out);
    }
}

static void command_write(const struct record *record, FILE *out)
{
    (void)fputs("command:\n  arguments:\n", out);
    for (size_t i = 0; record->arguments[i]; i++) {
        (void)fputs("    - ", out);
        quote(out, record->arguments[i]);
        (void)fputc('\n', out);
    }
    (void)fputs(record->environment[0] ? "  environment:\n" : "", out);
    for (size_t i = 0; record->environment[i]; i++) {
        const char *text = record->environment[i];
        int name = (int)strcspn(text, "=");
        (void)fprintf(out, "    %.*s: ", name, text);
        quote(out, text + name + (text[name] == '='));
        (void)fputc('\n', out);
    }
    const char *directory = flag_value(record, "--cwd", 0);
    (void)fputs("  directory: ", out);
    quote(out, directory ? directory : record->directory ? record->directory : "/");
    (void)fputc('\n', out);
}

const char *record_program(const struct record *record)
{
    struct stat st;
    for (size_t i = 0; i < record->file_count; i++) {
        const struct record_file *file = &record->files[i];
        if ((file->wishes & RECORD_EXECUTE) && stat(file->path, &st) == 0 && S_ISREG(st.st_mode))
            return file->path;
    }
    return NULL;
}

int record_write(struct record *record, FILE *out, struct error *e)
{
    struct rule program = {0};
    char digest[65];
    (void)fputs(
        "# Recorded by coffer run --record: what one run used, and nothing else. Read it before\n"
        "# you trust it: what the program reads is fixed by its SHA-256 where it is\n"
        "# `authenticated`, and only there. Add tenant, name and tee for a key broker.\n"
        "version: 1\n",
        out);
    const char *path = record_program(record);
    if (path && digest_file(path, &program) == 0) {
        hex_encode(slice_of(program.digest, sizeof program.digest), digest);
        (void)fprintf(out, "program:\n  measurements: [sha256:%s]\n", digest);
    }
    command_write(record, out);
    volumes_write(record, out);
    int r = files_write(record, out, e);
    network_write(record, out);
    return r;
}
