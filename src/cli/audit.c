/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"

#include "base/hex.h"
#include "base/writer.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_CONTEXT "coffer state head 1"
#define LINE_SIZE_MAX ((size_t)1 << 20)

/* ---- writing ---- */

static int line_write(FILE *file, const json_t *json)
{
    return json_dumpf(json, file, JSON_COMPACT) == 0 && fputc('\n', file) != EOF ? 0 : -EIO;
}

static int entries_write(const struct kbs_client *client, FILE *file, struct error *e)
{
    json_int_t after = 0;
    for (;;) {
        json_t *out = NULL, *entry;
        size_t i;
        int r =
            kbs_client_call(client, "/v1/audit", json_pack("{s:I}", "after", after), &out, NULL, e);
        const json_t *list = json_object_get(out, "entries");
        size_t count = json_array_size(list);
        json_array_foreach(list, i, entry)
        {
            if (r == 0)
                r = line_write(file, entry);
            after = json_integer_value(json_object_get(entry, "sequence"));
        }
        json_decref(out);
        if (r < 0 || count == 0)
            return r;
    }
}

int audit_fetch(const struct kbs_client *client, const char *path, struct error *e)
{
    json_t *info = NULL, *line = NULL;
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
        return error_set(e, -ENAMETOOLONG, "'%s' is too long", path);
    /* The head first: everything up to it is in what follows. */
    int r = kbs_client_call(client, "/v1/info", NULL, &info, NULL, e);
    FILE *file = r == 0 ? fopen(temporary, "we") : NULL;
    if (r == 0 && !file)
        r = error_set(e, -errno, "cannot write '%s'", temporary);
    if (r == 0) {
        line = json_pack("{s:i, s:O}", "coffer_audit", 1, "audit_key",
                         json_object_get(info, "audit_key"));
        r = line_write(file, line);
        json_decref(line);
    }
    if (r == 0)
        r = entries_write(client, file, e);
    if (r == 0) {
        line = json_pack("{s:O}", "state", json_object_get(info, "state"));
        r = line_write(file, line);
        json_decref(line);
    }
    json_decref(info);
    if (file && fclose(file) != 0 && r == 0)
        r = error_set(e, -EIO, "cannot write '%s'", temporary);
    if (r == 0 && rename(temporary, path) < 0)
        r = error_set(e, -errno, "cannot write '%s'", path);
    return r;
}

/* ---- judging ---- */

struct head {
    bool known;
    uint64_t commits, sequence;
    uint8_t hash[SHA256_SIZE];
};

struct judge {
    uint8_t key[P256_PUBLIC_SIZE];
    struct head closing, outside; /* of the file, of the reader */
    uint64_t sequence;            /* of the entry before */
    uint8_t hash[SHA256_SIZE];
    bool outside_met; /* the entry that the reader knows is in the log, and the same */
    uint64_t line;
};

static int verdict(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int verdict(int code, const char *format, ...)
{
    static const struct {
        int code;
        const char *word;
    } words[] = {{AUDIT_CLEAN, "clean"},
                 {AUDIT_TRUNCATED, "truncated"},
                 {AUDIT_GAP, "gap"},
                 {AUDIT_ROLLED_BACK, "rolled back"},
                 {AUDIT_FORGED, "forged"}};
    va_list args;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (words[i].code == code)
            printf("%s: ", words[i].word);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    puts("");
    return code;
}

static bool number_of(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *n = json_object_get(object, name);
    *ret = (uint64_t)json_integer_value(n);
    return json_is_integer(n) && json_integer_value(n) >= 0;
}

static bool hex_of(const json_t *object, const char *name, uint8_t *ret, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && hex_decode(slice_of_text(text), ret, size) == 0;
}

/* Signed by that key; false for anything else. */
static bool head_read(const json_t *object, const uint8_t key[P256_PUBLIC_SIZE], struct head *ret)
{
    uint8_t bytes[128], signature[P256_SIGNATURE_SIZE];
    struct writer wr = writer_over(bytes, sizeof bytes);
    if (!number_of(object, "commits", &ret->commits) ||
        !number_of(object, "sequence", &ret->sequence) ||
        !hex_of(object, "hash", ret->hash, sizeof ret->hash) ||
        !hex_of(object, "signature", signature, sizeof signature))
        return false;
    writer_slice(&wr, slice_of_text(HEAD_CONTEXT));
    writer_u64(&wr, ret->commits);
    writer_u64(&wr, ret->sequence);
    writer_bytes(&wr, ret->hash, sizeof ret->hash);
    ret->known = true;
    return p256_verify(key, slice_of(bytes, writer_size(&wr)), signature) == 0;
}

/* As src/kbs/kbs.c chains them. */
static int entry_hash(const uint8_t before[SHA256_SIZE], uint64_t sequence, uint64_t time_s,
                      const char *event, uint8_t ret[SHA256_SIZE])
{
    uint8_t numbers[16];
    struct writer wr = writer_over(numbers, sizeof numbers);
    writer_u64(&wr, sequence);
    writer_u64(&wr, time_s);
    const struct slice parts[] = {slice_of(before, SHA256_SIZE), slice_of(numbers, sizeof numbers),
                                  slice_of_text(event)};
    return sha256_parts(parts, ARRAY_COUNT(parts), ret);
}

static int entry_judge(struct judge *j, const json_t *entry)
{
    uint64_t sequence, time_s;
    uint8_t hash[SHA256_SIZE], expected[SHA256_SIZE], signature[P256_SIGNATURE_SIZE];
    const char *event = json_string_value(json_object_get(entry, "event"));
    if (!number_of(entry, "sequence", &sequence) || !number_of(entry, "time_s", &time_s) ||
        !event || !hex_of(entry, "hash", hash, sizeof hash) ||
        !hex_of(entry, "signature", signature, sizeof signature))
        return verdict(AUDIT_FORGED, "line %" PRIu64 " is no entry", j->line);
    if (p256_verify(j->key, slice_of(hash, sizeof hash), signature) != 0)
        return verdict(AUDIT_FORGED, "entry %" PRIu64 " is not signed by the key broker", sequence);
    if (sequence > j->sequence + 1)
        return verdict(AUDIT_GAP, "entry %" PRIu64 " follows on %" PRIu64 ": %" PRIu64 " missing",
                       sequence, j->sequence, sequence - j->sequence - 1);
    if (sequence != j->sequence + 1)
        return verdict(AUDIT_FORGED, "entry %" PRIu64 " follows on %" PRIu64, sequence,
                       j->sequence);
    if (entry_hash(j->hash, sequence, time_s, event, expected) < 0)
        return -EIO;
    if (memcmp(expected, hash, sizeof hash) != 0)
        return verdict(AUDIT_FORGED, "entry %" PRIu64 " has been changed, or the one before it",
                       sequence);
    if (j->outside.known && sequence == j->outside.sequence) {
        if (memcmp(hash, j->outside.hash, sizeof hash) != 0)
            return verdict(AUDIT_ROLLED_BACK,
                           "entry %" PRIu64 " is another one than was seen before: the state went "
                           "back and on from there",
                           sequence);
        j->outside_met = true;
    }
    j->sequence = sequence;
    memcpy(j->hash, hash, sizeof hash);
    return AUDIT_CLEAN;
}

/* Everything there is has been read. A log that knows its own end and is older than what was seen went
 * back; one that does not reach its own end was cut. */
static int end_judge(const struct judge *j)
{
    if (!j->closing.known)
        return verdict(AUDIT_TRUNCATED, "it ends at entry %" PRIu64 " without the closing head",
                       j->sequence);
    if (j->closing.sequence > j->sequence)
        return verdict(AUDIT_TRUNCATED, "it ends at entry %" PRIu64 ", and there were %" PRIu64,
                       j->sequence, j->closing.sequence);
    if (j->outside.known && j->outside.sequence > 0 && !j->outside_met)
        return verdict(AUDIT_ROLLED_BACK,
                       "entry %" PRIu64 " was seen before; this log ends at %" PRIu64,
                       j->outside.sequence, j->sequence);
    if (j->outside.known && j->closing.commits < j->outside.commits)
        return verdict(AUDIT_ROLLED_BACK, "state %" PRIu64 " was seen before; this is %" PRIu64,
                       j->outside.commits, j->closing.commits);
    return verdict(AUDIT_CLEAN, "%" PRIu64 " entries, state %" PRIu64, j->sequence,
                   j->closing.commits);
}

static int begin_judge(struct judge *j, const json_t *line, const char *key, const json_t *outside)
{
    uint8_t given[P256_PUBLIC_SIZE];
    if (json_integer_value(json_object_get(line, "coffer_audit")) != 1 ||
        !hex_of(line, "audit_key", j->key, sizeof j->key))
        return verdict(AUDIT_FORGED, "this is no audit log of a key broker");
    if (key && (hex_decode(slice_of_text(key), given, sizeof given) < 0 ||
                memcmp(given, j->key, sizeof given) != 0))
        return verdict(AUDIT_FORGED, "it is the log of another key broker");
    if (outside && !head_read(outside, j->key, &j->outside))
        return verdict(AUDIT_FORGED, "the head that is known was signed by another key broker");
    return AUDIT_CLEAN;
}

static int line_judge(struct judge *j, const json_t *line, const char *key, const json_t *outside)
{
    if (j->line == 1)
        return begin_judge(j, line, key, outside);
    if (j->closing.known)
        return verdict(AUDIT_FORGED, "line %" PRIu64 " stands after the closing head", j->line);
    const json_t *state = json_object_get(line, "state");
    if (!state)
        return entry_judge(j, line);
    if (!head_read(state, j->key, &j->closing))
        return verdict(AUDIT_FORGED, "the closing head is not signed by the key broker");
    if (j->closing.sequence == j->sequence && memcmp(j->closing.hash, j->hash, sizeof j->hash) != 0)
        return verdict(AUDIT_FORGED, "the closing head is of another log");
    return AUDIT_CLEAN;
}

static int lines_judge(struct judge *j, FILE *file, const char *key, const json_t *outside)
{
    char *text = NULL;
    size_t room = 0;
    int code = AUDIT_CLEAN;
    ssize_t size;
    while (code == AUDIT_CLEAN && (size = getline(&text, &room, file)) > 0) {
        json_t *line = (size_t)size <= LINE_SIZE_MAX
                           ? json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, NULL)
                           : NULL;
        bool whole = text[size - 1] == '\n';
        j->line++;
        if (line)
            code = line_judge(j, line, key, outside);
        else if (!whole && feof(file))
            break; /* the last one was not written to its end */
        else
            code = verdict(AUDIT_FORGED, "line %" PRIu64 " makes no sense", j->line);
        json_decref(line);
    }
    free(text);
    return code;
}

int audit_verify(const char *path, const char *key, const char *head_path, struct error *e)
{
    struct judge j = {.sequence = 0};
    json_error_t why;
    json_t *outside = head_path ? json_load_file(head_path, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (head_path && !outside)
        return error_set(e, -EBADMSG, "'%s' is no head: %s", head_path, why.text);
    FILE *file = fopen(path, "re");
    if (!file) {
        json_decref(outside);
        return error_set(e, -errno, "cannot open '%s'", path);
    }
    int code = lines_judge(&j, file, key, outside);
    if (code == AUDIT_CLEAN)
        code = j.line == 0 ? verdict(AUDIT_TRUNCATED, "the file is empty") : end_judge(&j);
    fclose(file);
    json_decref(outside);
    return code;
}
