/* SPDX-License-Identifier: Apache-2.0 */
#include "dms/cmis/binding.h"
#include "dms/store_token.h"

void binding_init(struct call *call, struct cmis_call *cmis)
{
    cmis_call_init(cmis, call->dms->store, &call->model_arena, &call->user, call->actor.now_ms);
    cmis->from = call->actor.from;
    cmis->home = call_url(call, "/");
    if (call->token_scopes && !(call->token_scopes & SCOPE_ADMIN))
        cmis->is_admin = false;
}

int binding_scope_check(const struct call *call, struct cmis_call *cmis,
                        const struct cmis_operation *operation)
{
    unsigned needed = operation->writes ? SCOPE_WRITE : SCOPE_READ;
    if (!call->token_scopes || (call->token_scopes & needed))
        return 0;
    return cmis_fail(cmis, CMIS_PERMISSION_DENIED, "The API token lacks the scope '%s'.",
                     operation->writes ? "write" : "read");
}

void binding_reply_content(struct call *call, const struct cmis_call *cmis)
{
    const struct cmis_stream *stream = &cmis->result.stream;
    call->is_part = cmis_args_has(cmis, CMIS_IN_OFFSET) || cmis_args_has(cmis, CMIS_IN_LENGTH);
    call->offset = (uint64_t)stream->offset;
    call->size = (uint64_t)stream->length;
    call_reply_content(call, stream->node, stream->name ? stream->name : "content", stream->type,
                       stream->content, stream->modified_ms);
}
