/* SPDX-License-Identifier: Apache-2.0 */
/* What the two processes of the key broker say to each other: a message, a call, an answer or a
 * document that parses is written again as the same bytes, so there is one way to say a thing. The
 * first byte says for whom. */
#include "kbs/messages.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_call(struct slice body)
{
    struct message_call call;
    struct buf again = {0};
    if (message_call_parse(body, &call) < 0)
        return;
    assert(message_call_write(call.connection, call.path, call.in, &again) == 0);
    assert(slice_equals(buf_slice(&again), body));
    json_decref(call.in);
    buf_done(&again);
}

static void check_answer(struct slice body)
{
    struct message_answer answer;
    struct buf again = {0};
    if (message_answer_parse(body, &answer) < 0)
        return;
    assert(message_answer_write(answer.status, answer.closes, answer.text, &again) == 0);
    assert(slice_equals(buf_slice(&again), body));
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    struct message message;
    size_t taken;
    int r;
    check_call(rest);
    while ((r = message_parse(rest, data[0] & 1, &message, &taken)) == 0) {
        struct buf again = {0};
        assert(taken >= MESSAGE_HEAD_SIZE && taken <= rest.size);
        assert(message_write(&again, message.kind, message.id, message.body) == 0);
        assert(slice_equals(buf_slice(&again), slice_of(rest.bytes, taken)));
        buf_done(&again);
        if (message.kind == MESSAGE_CALL || message.kind == MESSAGE_PEER_CALL)
            check_call(message.body);
        if (message.kind == MESSAGE_ANSWER)
            check_answer(message.body);
        rest = slice_of(rest.bytes + taken, rest.size - taken);
    }
    assert(r == -EAGAIN || r == -EBADMSG);
    return 0;
}
