/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of a who clause; see attest/appraise.h. */
#include "attest/appraise.h"
#include "base/hex.h"

#include <errno.h>

/* The next word of `text`, which moves past it; empty at the end. */
static struct slice word_take(struct slice *text)
{
    size_t start = 0;
    while (start < text->size && (text->bytes[start] == ' ' || text->bytes[start] == '\n'))
        start++;
    size_t end = start;
    while (end < text->size && text->bytes[end] != ' ' && text->bytes[end] != '\n')
        end++;
    struct slice word = {text->bytes + start, end - start};
    *text = (struct slice){text->bytes + end, text->size - end};
    return word;
}

/* The part after "key=", or an empty slice. */
static struct slice word_value(struct slice word, const char *key)
{
    size_t len = strlen(key);
    if (word.size <= len + 1 || memcmp(word.bytes, key, len) != 0 || word.bytes[len] != '=')
        return (struct slice){0};
    return slice_of(word.bytes + len + 1, word.size - len - 1);
}

static int digest_add(struct who_digests *set, struct slice hex, struct error *e)
{
    if (set->count == WHO_DIGESTS_MAX)
        return error_set(e, -EINVAL, "a pin has at most %d values of one kind", WHO_DIGESTS_MAX);
    if (hex_decode(hex, set->digest[set->count], EVIDENCE_DIGEST_SIZE) < 0)
        return error_set(e, -EINVAL, "a pin's digests have 64 hexadecimal digits");
    set->count++;
    return 0;
}

static int word_parse(struct slice word, struct who *who, struct error *e)
{
    struct {
        const char *key;
        struct who_digests *set;
    } keys[] = {{"program", &who->program},
                {"runtime", &who->runtime},
                {"signer", &who->signer},
                {"config", &who->config},
                {"device", &who->device}};
    enum tee tee;
    if (slice_is_text(word, "debug")) {
        who->allow_debug = true;
        return 0;
    }
    if (tee_parse(word_value(word, "tee"), &tee) == 0) {
        who->tees |= 1u << tee;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        struct slice hex = word_value(word, keys[i].key);
        if (hex.size > 0)
            return digest_add(keys[i].set, hex, e);
    }
    return error_set(e, -EINVAL,
                     "a pin has no word '%.*s'; it is the line that `coffer-kbs --print-pin` "
                     "prints, as in: tee=sim program=...",
                     (int)MIN(word.size, (size_t)80), (const char *)word.bytes);
}

int pin_parse(struct slice text, struct who *ret_who, struct error *e)
{
    struct who who = {0};
    for (;;) {
        struct slice word = word_take(&text);
        if (word.size == 0)
            break;
        int r = word_parse(word, &who, e);
        if (r < 0)
            return r;
    }
    if (who.tees == 0 || who.program.count == 0)
        return error_set(e, -EINVAL, "a pin names at least tee=... and program=...");
    *ret_who = who;
    return 0;
}

static void set_write(const struct who_digests *set, const char *key, struct buf *out)
{
    for (unsigned i = 0; i < set->count; i++) {
        char hex[2 * EVIDENCE_DIGEST_SIZE + 1];
        hex_encode(slice_of(set->digest[i], EVIDENCE_DIGEST_SIZE), hex);
        buf_printf(out, " %s=%s", key, hex);
    }
}

int pin_write(const struct who *who, struct buf *out)
{
    const char *space = "";
    for (unsigned i = 0; i < TEE_COUNT; i++) {
        if ((who->tees & 1u << i) == 0)
            continue;
        buf_printf(out, "%stee=%s", space, tee_name((enum tee)i));
        space = " ";
    }
    set_write(&who->program, "program", out);
    set_write(&who->runtime, "runtime", out);
    set_write(&who->signer, "signer", out);
    set_write(&who->config, "config", out);
    set_write(&who->device, "device", out);
    if (who->allow_debug)
        buf_append_text(out, " debug");
    return out->failed ? -ENOMEM : 0;
}

static void set_one(struct who_digests *set, const uint8_t digest[EVIDENCE_DIGEST_SIZE])
{
    memcpy(set->digest[0], digest, EVIDENCE_DIGEST_SIZE);
    set->count = 1;
}

void pin_from_evidence(const struct evidence *ev, struct who *ret_who)
{
    struct who who = {.tees = 1u << ev->tee, .allow_debug = ev->debug};
    set_one(&who.program, ev->program);
    set_one(&who.runtime, ev->runtime);
    set_one(&who.config, ev->config);
    set_one(&who.device, ev->device);
    *ret_who = who;
}
