/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of what this server answers. /openapi.json is made from it, so it is true. */
#include "dms/dav/dav.h"
#include "dms/dms.h"

#define GET HTTP_METHOD_GET
#define POST HTTP_METHOD_POST
#define PUT HTTP_METHOD_PUT
#define PATCH HTTP_METHOD_PATCH
#define OPTIONS HTTP_METHOD_OPTIONS
#define DELETE HTTP_METHOD_DELETE

#define PAGING \
    "limit: at most so many (1 to 1000, 100 if absent); cursor: `next` of the page before"

/* WebDAV (docs/webdav.md) has methods that OpenAPI cannot name, so it has no summary and is not in
 * there. Each is at the outermost folder and below it. */
#define DAV(method, run, access)                                                       \
    {HTTP_METHOD_##method, "/dav", run, access, NULL, NULL, NULL, 0, NULL},            \
    {                                                                                  \
        HTTP_METHOD_##method, "/dav/{path...}", run, access, NULL, NULL, NULL, 0, NULL \
    }

/* CMIS (docs/cmis.md) has descriptions of its own: a service document, a WSDL. */
#define ATOM_RESOURCE(method, root)                                                                \
    {                                                                                              \
        method, root "/{repository}/{resource}", atom_call, ACCESS_USER, NULL, NULL, NULL, 0, NULL \
    }
#define ATOM(root)                                                                               \
    {GET, root, atom_service, ACCESS_USER, NULL, NULL, NULL, 0, NULL}, ATOM_RESOURCE(GET, root), \
        ATOM_RESOURCE(POST, root), ATOM_RESOURCE(PUT, root), ATOM_RESOURCE(PATCH, root),         \
        ATOM_RESOURCE(DELETE, root)
#define SOAP(method, run)                                                                 \
    {                                                                                     \
        method, "/cmis/services/{service}", run, ACCESS_ANYONE, NULL, NULL, NULL, 0, NULL \
    }

/* clang-format off */
const struct route dms_routes[] = {
    {GET, "/", app_get, ACCESS_ANYONE, "The web interface", NULL, NULL, 200, "html"},
    {GET, "/app/{path...}", app_get, ACCESS_ANYONE, "The web interface, at one of its places", NULL, NULL, 200, "html"},
    {GET, "/assets/{path...}", asset_get, ACCESS_ANYONE, "What the web interface is made of", NULL, NULL, 200, "content"},
    {GET, "/docs", docs_get, ACCESS_ANYONE, "How to use it, with curl", NULL, NULL, 200, "text"},
    {GET, "/healthz", health_get, ACCESS_ANYONE, "Whether it works", NULL, NULL, 200, "text"},
    {GET, "/metrics", metrics_get, ACCESS_ANYONE, "Counters for Prometheus; no names, no contents", NULL, NULL, 200, "text"},
    {GET, "/openapi.json", openapi_get, ACCESS_ANYONE, "This description", NULL, NULL, 200, "Any"},

    {GET, "/api/protection", protection_get, ACCESS_USER, "Whether the runtime protects this server", NULL, NULL, 200, "Protection"},
    {GET, "/api/protection/evidence", protection_evidence_get, ACCESS_USER, "Fresh evidence, as `coffer attest show` reads it; 404 natively", "nonce: 128 hexadecimal digits that it shall contain", NULL, 200, "content"},

    {POST, "/api/sessions", session_create, ACCESS_ANYONE, "Sign in: a token for `Authorization: Bearer`", NULL, "Credentials", 201, "Session"},
    {GET, "/api/sessions", sessions_get, ACCESS_USER, "One's own sessions, newest first", NULL, NULL, 200, "SessionList"},
    {DELETE, "/api/sessions/current", session_delete, ACCESS_EVEN_ONE_TIME, "Sign out: the token ends. 200 with `location` where one is still signed in elsewhere", NULL, NULL, 204, NULL},
    {DELETE, "/api/sessions/{id}", session_end, ACCESS_USER, "End one of one's own sessions", NULL, NULL, 204, NULL},
    {GET, "/api/me", me_get, ACCESS_EVEN_ONE_TIME, "Who is signed in", NULL, NULL, 200, "User"},
    {PUT, "/api/me/password", my_password_set, ACCESS_EVEN_ONE_TIME, "Set one's own password; all other sessions end", NULL, "PasswordChange", 204, NULL},
    {GET, "/api/tokens", tokens_get, ACCESS_USER, "One's API tokens", NULL, NULL, 200, "TokenList"},
    {POST, "/api/tokens", token_post, ACCESS_USER, "Make an API token: shown once; serves as the password where only that fits", NULL, "NewToken", 201, "Token"},
    {DELETE, "/api/tokens/{id}", token_delete, ACCESS_USER, "End an API token", NULL, NULL, 204, NULL},
    {POST, "/api/me/second-factor", factor_post, ACCESS_USER, "Begin a second factor: a secret for an authenticator program", NULL, NULL, 201, "NewFactor"},
    {PUT, "/api/me/second-factor", factor_put, ACCESS_USER, "Confirm it with a first code: asked for at every sign-in from now on", NULL, "Code", 200, "RecoveryCodes"},
    {DELETE, "/api/me/second-factor", factor_delete, ACCESS_USER, "Remove it, with a code", NULL, "Code", 204, NULL},
    {DELETE, "/api/users/{name}/second-factor", user_factor_delete, ACCESS_ADMIN, "Remove a user's second factor", NULL, NULL, 204, NULL},
    {GET, "/api/sign-in", sign_in_get, ACCESS_ANYONE, "How else one may sign in: the provider's name, and the client certificate that the connection shows; or null", NULL, NULL, 200, "SignInWays"},
    {POST, "/api/sign-in/certificate", certificate_post, ACCESS_ANYONE, "Sign in with the client certificate that the connection shows", NULL, "SessionWish", 201, "Session"},
    {POST, "/api/sign-in/openid", openid_start, ACCESS_ANYONE, "Begin to sign in at the provider: where the browser is to go", NULL, "SignInBegin", 200, "Location"},
    {GET, "/api/sign-in/openid/callback", openid_callback, ACCESS_ANYONE, "Where the provider sends the browser back to", "state: of the way there; code: of the provider; error: of the provider; iss: the provider", NULL, 303, NULL},
    {POST, "/api/sign-in/openid/code", openid_code, ACCESS_ANYONE, "The second factor of who has come back, if it is asked for here", NULL, "Code", 200, "Return"},
    {GET, "/api/me/identities", my_identities_get, ACCESS_USER, "Who one is elsewhere", NULL, NULL, 200, "IdentityList"},
    {POST, "/api/me/identities", my_identity_post, ACCESS_USER, "Begin to link oneself with who one is at the provider: where the browser is to go; or with the client certificate that the connection shows (201)", NULL, "NewLink", 200, "Location"},
    {DELETE, "/api/me/identities/{id}", my_identity_delete, ACCESS_USER, "Unlink it; sessions that began with it end", NULL, NULL, 204, NULL},
    {GET, "/api/users/{name}/identities", user_identities_get, ACCESS_ADMIN, "Who a user is elsewhere", NULL, NULL, 200, "IdentityList"},
    {POST, "/api/users/{name}/identities", user_identity_post, ACCESS_ADMIN, "Link a user with who it is at the provider, or with the key of a client certificate", NULL, "NewIdentity", 201, "Identity"},
    {DELETE, "/api/users/{name}/identities/{id}", user_identity_delete, ACCESS_ADMIN, "Unlink it; sessions that began with it end", NULL, NULL, 204, NULL},
    {GET, "/api/users", users_get, ACCESS_ADMIN, "List the users", PAGING, NULL, 200, "UserPage"},
    {POST, "/api/users", users_create, ACCESS_ADMIN, "Add a user with a one-time password", NULL, "NewUser", 201, "User"},
    {GET, "/api/users/{name}", user_get, ACCESS_ADMIN, "A user", NULL, NULL, 200, "User"},
    {PATCH, "/api/users/{name}", user_patch, ACCESS_ADMIN, "Change a user's role or quota, or give a new one-time password", NULL, "UserPatch", 200, "User"},
    {DELETE, "/api/users/{name}", user_delete, ACCESS_ADMIN, "Remove a user; documents stay", NULL, NULL, 204, NULL},

    {GET, "/api/groups", groups_get, ACCESS_ADMIN, "List the groups", PAGING, NULL, 200, "GroupPage"},
    {POST, "/api/groups", groups_create, ACCESS_ADMIN, "Add a group; with the role `admin` its members are administrators", NULL, "NewGroup", 201, "Group"},
    {GET, "/api/groups/{name}", group_get, ACCESS_ADMIN, "A group", NULL, NULL, 200, "Group"},
    {PATCH, "/api/groups/{name}", group_patch, ACCESS_ADMIN, "Change a group's role", NULL, "GroupPatch", 200, "Group"},
    {DELETE, "/api/groups/{name}", group_delete, ACCESS_ADMIN, "Remove a group, and it from all access lists", NULL, NULL, 204, NULL},
    {GET, "/api/groups/{name}/members", members_get, ACCESS_ADMIN, "The names of its members", PAGING, NULL, 200, "NamePage"},
    {PUT, "/api/groups/{name}/members/{user}", member_put, ACCESS_ADMIN, "Make a user a member", NULL, NULL, 204, NULL},
    {DELETE, "/api/groups/{name}/members/{user}", member_delete, ACCESS_ADMIN, "A member no more", NULL, NULL, 204, NULL},

    {POST, "/api/folders", folder_post, ACCESS_USER, "Make a folder; with `existing` one that is there is answered with 200", NULL, "NewFolder", 201, "Node"},
    {GET, "/api/folders/{id}", folder_get, ACCESS_USER, "A folder; `root` is the outermost", NULL, NULL, 200, "Node"},
    {PATCH, "/api/folders/{id}", node_patch, ACCESS_USER, "Rename, move, set properties", NULL, "NodePatch", 200, "Node"},
    {DELETE, "/api/folders/{id}", node_delete, ACCESS_USER, "To the trash, with all that is in it", NULL, NULL, 204, NULL},
    {GET, "/api/folders/{id}/children", folder_children, ACCESS_USER, "What is in a folder, by name", PAGING, NULL, 200, "NodePage"},

    {POST, "/api/documents", document_post, ACCESS_USER, "Store a document: the content as it is, or as part `file` of a form", "name: of the document; parent: id of its folder, root if absent", "content", 201, "Node"},
    {GET, "/api/documents/{id}", document_get, ACCESS_USER, "A document's metadata", NULL, NULL, 200, "Node"},
    {PATCH, "/api/documents/{id}", node_patch, ACCESS_USER, "Rename, move, set properties", NULL, "NodePatch", 200, "Node"},
    {DELETE, "/api/documents/{id}", node_delete, ACCESS_USER, "To the trash", NULL, NULL, 204, NULL},
    {GET, "/api/documents/{id}/content", document_content_get, ACCESS_USER, "The content; one Range, conditions", NULL, NULL, 200, "content"},
    {PUT, "/api/documents/{id}/content", document_content_put, ACCESS_USER, "A new version; If-Match guards against overwriting", NULL, "content", 200, "Node"},
    {GET, "/api/documents/{id}/thumbnail", document_thumbnail_get, ACCESS_USER, "A small picture of a PDF's first page or of an image, once it is made", NULL, NULL, 200, "content"},
    {GET, "/api/documents/{id}/text", document_text_get, ACCESS_USER, "The words that the full-text index has of it", NULL, NULL, 200, "text"},
    {POST, "/api/documents/{id}/copy", document_copy_post, ACCESS_USER, "Copy the current version", NULL, "NodePlace", 201, "Node"},
    {GET, "/api/documents/{id}/versions", versions_get, ACCESS_USER, "The versions, newest first", PAGING, NULL, 200, "VersionPage"},
    {GET, "/api/documents/{id}/versions/{number}", version_get_one, ACCESS_USER, "A version's metadata", NULL, NULL, 200, "Version"},
    {GET, "/api/documents/{id}/versions/{number}/content", version_content_get, ACCESS_USER, "A version's content", NULL, NULL, 200, "content"},
    {POST, "/api/documents/{id}/versions/{number}/restore", version_restore_post, ACCESS_USER, "Make it the newest version", NULL, NULL, 200, "Node"},

    {POST, "/api/bulk", bulk_post, ACCESS_USER, "One action on many: trash, restore, purge, move, copy, tag, untag, favourite, unfavourite; each is tried, and told of", NULL, "Bulk", 200, "BulkResult"},
    {GET, "/api/favourites", favourites_list, ACCESS_USER, "One's favourites, newest first", NULL, NULL, 200, "NodePage"},
    {PUT, "/api/favourites/{id}", favourite_put, ACCESS_USER, "Make it a favourite", NULL, NULL, 204, NULL},
    {DELETE, "/api/favourites/{id}", favourite_delete, ACCESS_USER, "A favourite no more", NULL, NULL, 204, NULL},
    {GET, "/api/recent", recent_list, ACCESS_USER, "What one opened last", NULL, NULL, 200, "NodePage"},
    {PUT, "/api/recent/{id}", recent_put, ACCESS_USER, "Note that one has opened it", NULL, NULL, 204, NULL},
    {GET, "/api/tags", tags_list, ACCESS_USER, "The tags in use, with how often", NULL, NULL, 200, "TagList"},
    {GET, "/api/tags/{tag}", tag_nodes_list, ACCESS_USER, "What has a tag, newest first; at most 1000", NULL, NULL, 200, "NodePage"},
    {PUT, "/api/nodes/{id}/tags", tags_put, ACCESS_USER, "Replace the tags of a folder or document", NULL, "Tags", 200, "Node"},
    {GET, "/api/nodes/{id}/acl", node_acl_get, ACCESS_USER, "Who may do what with a folder or document", NULL, NULL, 200, "Acl"},
    {PUT, "/api/nodes/{id}/acl", node_acl_put, ACCESS_USER, "Replace its access list", NULL, "NewAcl", 200, "Acl"},
    {GET, "/api/nodes/{id}/comments", comments_list, ACCESS_USER, "The comments, oldest first", NULL, NULL, 200, "CommentList"},
    {POST, "/api/nodes/{id}/comments", comments_post, ACCESS_USER, "Comment on a folder or document", NULL, "NewComment", 201, "Comment"},
    {PATCH, "/api/comments/{id}", comment_patch, ACCESS_USER, "Change one's own comment", NULL, "NewComment", 200, "Comment"},
    {DELETE, "/api/comments/{id}", comment_delete, ACCESS_USER, "Remove one's own comment; administrators: any", NULL, NULL, 204, NULL},

    {GET, "/api/zip", zip_get, ACCESS_USER, "Folders and documents as one archive, streamed", "ids: ids separated by commas", NULL, 200, "zip"},

    {OPTIONS, "/api/uploads", tus_options, ACCESS_ANYONE, "What the resumable uploads can do (tus 1.0)", NULL, NULL, 204, NULL},
    {POST, "/api/uploads", tus_create, ACCESS_USER, "Begin a resumable upload (tus 1.0)", NULL, "content", 201, NULL},
    {GET, "/api/uploads/{id}", tus_get, ACCESS_USER, "How far an upload is: HEAD, headers Upload-Offset and Upload-Length", NULL, NULL, 200, NULL},
    {PATCH, "/api/uploads/{id}", tus_patch, ACCESS_USER, "Send the next part", NULL, "content", 204, NULL},
    {DELETE, "/api/uploads/{id}", tus_delete, ACCESS_USER, "Give an upload up", NULL, NULL, 204, NULL},

    {GET, "/api/files/{path...}", file_get, ACCESS_USER, "By path: a document's content, or what is in a folder", PAGING, NULL, 200, "content"},
    {PUT, "/api/files/{path...}", file_put, ACCESS_USER, "By path: store a document or a new version of it, with the folders it needs", NULL, "content", 201, "Node"},
    {DELETE, "/api/files/{path...}", file_delete, ACCESS_USER, "By path: to the trash", NULL, NULL, 204, NULL},

    {GET, "/api/audit", audit_get, ACCESS_ADMIN, "The audit trail, newest first: who did what, when, from where", "id: only what is about this node; user: only what this user did; " PAGING, NULL, 200, "AuditPage"},
    {GET, "/api/audit.csv", audit_csv_get, ACCESS_ADMIN, "All of it as CSV, oldest first", "after: only entries behind this one", NULL, 200, "text"},
    {GET, "/api/audit/head", audit_state_get, ACCESS_ADMIN, "Number and hash of the last entry: keep it elsewhere, and nobody can cut the trail unseen", NULL, NULL, 200, "AuditHead"},
    {GET, "/api/audit/check", audit_check_get, ACCESS_ADMIN, "Reads all of it and checks the chain of hashes", NULL, NULL, 200, "AuditCheck"},
    {GET, "/api/export", export_get, ACCESS_ADMIN, "Everything as one tar archive: contents as files, the rest as JSON", NULL, NULL, 200, "content"},
    {GET, "/api/fixity", fixity_get, ACCESS_ADMIN, "How far the check of all contents is", NULL, NULL, 200, "Fixity"},
    {POST, "/api/fixity", fixity_post, ACCESS_ADMIN, "Check all contents now, from the first", NULL, NULL, 202, "Fixity"},
    {GET, "/api/fixity/damage", damage_get, ACCESS_ADMIN, "The versions whose contents are damaged", PAGING, NULL, 200, "DamagePage"},
    {GET, "/api/documents/{id}/audit", node_audit_get, ACCESS_USER, "What was done with a document", PAGING, NULL, 200, "AuditPage"},
    {GET, "/api/folders/{id}/audit", node_audit_get, ACCESS_USER, "What was done with a folder", PAGING, NULL, 200, "AuditPage"},

    {GET, "/api/documents/{id}/retention", document_retention_get, ACCESS_USER, "Until when it must be kept, and which legal holds hold it", NULL, NULL, 200, "Retention"},
    {PUT, "/api/documents/{id}/retention", document_retention_put, ACCESS_USER, "Keep it until a time; it can be made longer, never shorter", NULL, "NewRetention", 200, "Retention"},
    {GET, "/api/hooks", hooks_get, ACCESS_ADMIN, "The web hooks", PAGING, NULL, 200, "HookPage"},
    {POST, "/api/hooks", hook_post, ACCESS_ADMIN, "A web hook; its secret is shown this once", NULL, "NewHook", 201, "Hook"},
    {GET, "/api/hooks/{id}", hook_one_get, ACCESS_ADMIN, "One, with what could not be delivered", NULL, NULL, 200, "Hook"},
    {PATCH, "/api/hooks/{id}", hook_patch, ACCESS_ADMIN, "Pause it, let it go on, or begin again behind an entry of the audit trail", NULL, "HookChange", 200, "Hook"},
    {DELETE, "/api/hooks/{id}", hook_delete, ACCESS_ADMIN, "Remove it", NULL, NULL, 204, NULL},
    {POST, "/api/hooks/{id}/test", hook_test_post, ACCESS_ADMIN, "Send a delivery without events; what comes of it is the hook's `last`", NULL, NULL, 202, "Hook"},
    {GET, "/api/holds", holds_get, ACCESS_ADMIN, "The legal holds", PAGING, NULL, 200, "HoldPage"},
    {POST, "/api/holds", hold_post, ACCESS_ADMIN, "Begin a legal hold", NULL, "NewHold", 201, "Hold"},
    {GET, "/api/holds/{id}/documents", hold_documents_get, ACCESS_ADMIN, "The documents it holds", PAGING, NULL, 200, "IdPage"},
    {PUT, "/api/holds/{id}/documents/{document}", hold_document_put, ACCESS_ADMIN, "Put it on a document", NULL, NULL, 204, NULL},
    {POST, "/api/holds/{id}/release", hold_release_post, ACCESS_ADMIN, "Ask for its release (202); another administrator's asking ends it (200)", NULL, NULL, 200, "Hold"},
    {DELETE, "/api/holds/{id}/release", hold_release_delete, ACCESS_ADMIN, "Take an asking for release back", NULL, NULL, 204, NULL},
    {POST, "/api/documents/{id}/shares", share_post, ACCESS_USER, "Share the document by a link, until an end, with a password if wanted", NULL, "NewShare", 201, "Share"},
    {GET, "/api/documents/{id}/shares", document_shares_get, ACCESS_USER, "The document's links: one's own, for administrators all", PAGING, NULL, 200, "SharePage"},
    {GET, "/api/shares", shares_get, ACCESS_USER, "The links: one's own, for administrators all", PAGING, NULL, 200, "SharePage"},
    {DELETE, "/api/shares/{id}", share_delete, ACCESS_USER, "End a link", NULL, NULL, 204, NULL},
    {GET, "/s/style.css", share_style_get, ACCESS_ANYONE, "How the page of a link looks", NULL, NULL, 200, "text"},
    {GET, "/s/{link}", share_page_get, ACCESS_ANYONE, "The page of a link", NULL, NULL, 200, "text"},
    {GET, "/s/{link}/content", share_content_get, ACCESS_ANYONE, "What a link without a password shares", NULL, NULL, 200, "content"},
    {POST, "/s/{link}/content", share_content_post, ACCESS_ANYONE, "What a link shares, given its password as the form `password=`", NULL, "text", 200, "content"},

    {GET, "/api/search", search_get, ACCESS_USER, "Find by words of names and properties (prefixes match), or by one property", "q: words, all of which must match; property: name of a property; value: its exact value; " PAGING, NULL, 200, "NodePage"},
    {GET, "/api/trash", trash_get, ACCESS_USER, "What was deleted, newest id first", PAGING, NULL, 200, "NodePage"},
    {DELETE, "/api/trash", trash_empty, ACCESS_USER, "Purge all of it; 202 if there is more: repeat", NULL, NULL, 204, NULL},
    {POST, "/api/trash/{id}/restore", trash_restore, ACCESS_USER, "Back to where it was, or into another folder", NULL, "Place", 200, "Node"},
    {DELETE, "/api/trash/{id}", trash_purge, ACCESS_USER, "Purge: gone for good", NULL, NULL, 204, NULL},

    {GET, "/cmis/browser", cmis_browser_service, ACCESS_USER, "CMIS 1.1, Browser binding: the repository", NULL, NULL, 200, "Any"},
    {GET, "/cmis/browser/{repository}", cmis_browser_repository, ACCESS_USER, "CMIS: what concerns the repository", "cmisselector: what is asked for", NULL, 200, "Any"},
    {POST, "/cmis/browser/{repository}", cmis_browser_post, ACCESS_USER, "CMIS: actions on the repository", NULL, "form", 200, "Any"},
    {GET, "/cmis/browser/{repository}/root", cmis_browser_object, ACCESS_USER, "CMIS: an object by objectId, or the root folder", "cmisselector: what is asked for; objectId: of what", NULL, 200, "Any"},
    {POST, "/cmis/browser/{repository}/root", cmis_browser_post, ACCESS_USER, "CMIS: actions on an object", NULL, "form", 200, "Any"},
    {GET, "/cmis/browser/{repository}/root/{path...}", cmis_browser_object, ACCESS_USER, "CMIS: an object by its path; without a selector a document's content", "cmisselector: what is asked for", NULL, 200, "content"},
    {POST, "/cmis/browser/{repository}/root/{path...}", cmis_browser_post, ACCESS_USER, "CMIS: actions on an object by its path", NULL, "form", 200, "Any"},

    SOAP(POST, soap_post),
    SOAP(GET, soap_wsdl),
    ATOM("/cmis/atom"),
    ATOM("/cmis/atom10"),

    DAV(OPTIONS, dav_options, ACCESS_ANYONE),
    DAV(GET, dav_get, ACCESS_USER),
    DAV(PUT, dav_put, ACCESS_USER),
    DAV(DELETE, dav_delete, ACCESS_USER),
    DAV(MKCOL, dav_mkcol, ACCESS_USER),
    DAV(COPY, dav_copy, ACCESS_USER),
    DAV(MOVE, dav_move, ACCESS_USER),
    DAV(PROPFIND, dav_propfind, ACCESS_USER),
    DAV(PROPPATCH, dav_proppatch, ACCESS_USER),
    DAV(LOCK, dav_lock, ACCESS_USER),
    DAV(UNLOCK, dav_unlock, ACCESS_USER),
};
/* clang-format on */
const size_t dms_route_count = ARRAY_COUNT(dms_routes);
