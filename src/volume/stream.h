/* SPDX-License-Identifier: Apache-2.0 */
/* volume/stream.h: a volume's snapshot, or what changed between two, as one stream of bytes. Format:
 * docs/volume-format.md, "Stream". Everything after the header is encrypted and authenticated in
 * frames; what a frame says is judged again by whoever imports it. */
#ifndef COFFER_VOLUME_STREAM_H
#define COFFER_VOLUME_STREAM_H

#include "crypto/crypto.h"
#include "volume/format.h"

enum {
    STREAM_HEADER_SIZE = 64,
    STREAM_FRAME_MAX = (1 << 20) + 4096,
    STREAM_DATA_MAX = 256 << 10,
};

enum stream_op {
    STREAM_BEGIN = 1,  /* first, once */
    STREAM_PUT = 2,    /* an item other than an extent */
    STREAM_DELETE = 3, /* it is gone */
    STREAM_DATA = 4,   /* contents of a file from a block on */
    STREAM_HOLE = 5,   /* these blocks have no contents */
    STREAM_END = 6,    /* last, once */
};

struct stream_begin {
    uint8_t base_uid[16]; /* zeros: everything */
    struct snapshot_value snapshot;
    uint8_t hash_key[16];
};

struct stream_item {
    enum stream_op op;
    struct stream_begin begin;
    struct item_key key; /* PUT, DELETE; DATA, HOLE: inode and first block */
    struct slice bytes;  /* PUT: the value; DATA: contents */
    uint64_t end;        /* HOLE: the block after; END: how many items came before */
};

void stream_begin_append(struct buf *frame, const struct stream_begin *begin);
void stream_put_append(struct buf *frame, const struct item_key *key, struct slice value);
void stream_delete_append(struct buf *frame, const struct item_key *key);
/* Room for `size` bytes, which the caller fills; NULL: no memory. */
uint8_t *stream_data_append(struct buf *frame, uint64_t ino, uint64_t block, uint32_t size);
void stream_hole_append(struct buf *frame, uint64_t ino, uint64_t block, uint64_t end);
void stream_end_append(struct buf *frame, uint64_t count);

/* -ENODATA: the frame ends here. -EBADMSG. */
must_check int stream_next(struct reader *rd, struct stream_item *ret_item);

/* --- frames --- */

struct stream {
    uint8_t header[STREAM_HEADER_SIZE];
    struct aead *aead;
    uint64_t frame;
};

/* A header for `id`, and the key that fits it. */
must_check int stream_make(struct stream *s, const struct key256 *key,
                           const uint8_t id[VOLUME_ID_SIZE]);
/* The key for a header that was read. -EBADMSG: it is none; -EPROTONOSUPPORT: another version. */
must_check int stream_open(struct stream *s, const struct key256 *key);
void stream_done(struct stream *s);
/* Encrypts a frame in place and puts size and tag around it: `frame` begins with four bytes of
 * room. */
must_check int stream_seal(struct stream *s, struct buf *frame);
/* Decrypts `size` bytes and their tag in place. */
must_check int stream_unseal(struct stream *s, uint8_t *bytes, size_t size);

#endif
