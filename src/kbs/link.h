/* SPDX-License-Identifier: Apache-2.0 */
/* kbs/link.h: one end of the line between the network process and the keeper: whole messages in and
 * out, of kbs/messages.h, over a stream socket. Wipes what it has carried. Any message that is none
 * ends it: the other process is not what it should be. One thread. */
#ifndef COFFER_KBS_LINK_H
#define COFFER_KBS_LINK_H

#include "kbs/messages.h"
#include "server/loop.h"

struct link;

/* Each message as it comes, in order. */
typedef void link_message_fn(void *arg, const struct message *message);
/* Once: the other end has gone (0), or what it said is no message (-EBADMSG), or another -errno. */
typedef void link_end_fn(void *arg, int why);

/* `fd`: one end of socketpair(AF_UNIX, SOCK_STREAM), made non-blocking here, and owned from the call on.
 * 0, -ENOMEM or -errno. */
must_check int link_new(struct loop *loop, int fd, bool keeper, link_message_fn *on_message,
                        link_end_fn *on_end, void *arg, struct link **ret_link);
void link_free(struct link *link);

/* Sent at once if it can be, else later, in order. What cannot be sent ends the link. */
void link_send(struct link *link, enum message_kind kind, uint32_t id, struct slice body);

/* What the other end has not taken yet, in bytes. */
size_t link_queued(const struct link *link);

/* Sends a question and waits for its answer, which is of `answer_kind` and has the same id; other
 * messages that come first are given to on_message() in a later turn. Appends the answer's body. 0;
 * -EPIPE the link has ended. */
must_check int link_ask(struct link *link, enum message_kind kind, uint32_t id, struct slice body,
                        enum message_kind answer_kind, struct buf *ret_answer);

#endif
