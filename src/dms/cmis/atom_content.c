/* SPDX-License-Identifier: Apache-2.0 */
/* Contents at their own address: as they are, with HTTP's ranges and conditions. */
#include "dms/cmis/atom.h"
#include "dms/cmis/binding.h"
#include "dms/cmis/xml_stream.h"

#include "server/multipart.h"

#include <errno.h>

void atom_content_get(struct atom *atom)
{
    if (atom_run(atom, "getContentStream", CMIS_IN_OBJECT_ID) == 0)
        binding_reply_content(atom->call, &atom->cmis);
}

/* Where the content is now; it may have moved to a new version. */
static void content_changed(struct atom *atom)
{
    const char *before = atom->cmis.args.object_id, *now = atom->cmis.result.object_id;
    bool is_new = now && before && strcmp(now, before) != 0;
    http_response_header(atom->call->req, "Content-Location",
                         atom_href(atom, "content", "id", now ? now : before, ATOM_END));
    http_response_header(atom->call->req, "Location",
                         atom_href(atom, "entry", "id", now ? now : before, ATOM_END));
    if (is_new) {
        struct buf body = {0};
        call_reply_buf(atom->call, 201, ATOM_ENTRY, &body);
    } else {
        call_reply_empty(atom->call, 204);
    }
}

static void content_arrived(struct call *call)
{
    struct atom *atom = call->atom;
    struct slice said = http_request_header(call->req, "Content-Type");
    const char *type = arena_text(&call->req->arena, said);
    struct slice disposition = http_request_header(call->req, "Content-Disposition");
    const char *append = atom_parameter(atom, "append");
    char *name = NULL;
    if (disposition.bytes &&
        multipart_parameter(&call->req->arena, disposition, "filename", &name) < 0)
        name = NULL;
    bool appends = append && strcmp(append, "true") == 0;
    if (xml_take_stream(&atom->cmis, call, type, name) < 0)
        atom_fail(atom);
    else if (atom_run(atom, appends ? "appendContentStream" : "setContentStream",
                      CMIS_IN_OBJECT_ID) == 0)
        content_changed(atom);
}

void atom_content_put(struct atom *atom)
{
    upload_raw(atom->call, content_arrived);
}

void atom_content_delete(struct atom *atom)
{
    if (atom_run(atom, "deleteContentStream", CMIS_IN_OBJECT_ID) == 0)
        call_reply_empty(atom->call, 204);
}
