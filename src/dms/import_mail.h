/* SPDX-License-Identifier: Apache-2.0 */
/* dms/import_mail.h: what `coffer-dms --import` knows of e-mail: a message's header as properties of its
 * document, and the messages in an mbox (RFC 4155; what programs quoted as ">From " is unquoted, as
 * "mboxrd" has it). The mail is anybody's: sizes are bounded, lines may have any length. */
#ifndef COFFER_DMS_IMPORT_MAIL_H
#define COFFER_DMS_IMPORT_MAIL_H

#include "base/arena.h"
#include "dms/store.h"

#define MAIL_HEAD_MAX ((size_t)64 << 10) /* of a message's beginning is looked at */
#define MAIL_PROPERTIES_MAX 6

bool mail_is_message(const char *name); /* .eml */
bool mail_is_mbox(const char *name);    /* .mbox */

/* mail.from, mail.to, mail.cc, mail.subject, mail.date, mail.message-id: those that the message has, as
 * UTF-8 without control characters, cut to what a property may hold. 0 or -ENOMEM. */
must_check int mail_properties(struct slice head, struct arena *arena,
                               struct property ret[MAIL_PROPERTIES_MAX], size_t *ret_count);

/* Splits an mbox that comes in pieces. fn gets the bytes of the messages, each piece with the number of
 * its message from 1; what stands before the first is none's. 0, or what fn gave. */
typedef int mbox_fn(void *arg, int64_t number, struct slice bytes);
struct mbox {
    mbox_fn *fn;
    void *arg;
    int64_t number;
    uint8_t line[64]; /* the beginning of the line at hand, until it is clear what it is */
    size_t line_size;
    bool inside;      /* a line whose beginning has been given out */
    bool after_blank; /* the line before was empty, or there is none */
};
must_check int mbox_take(struct mbox *mbox, struct slice bytes);
must_check int mbox_end(struct mbox *mbox);

#endif
