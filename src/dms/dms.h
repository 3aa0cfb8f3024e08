/* SPDX-License-Identifier: Apache-2.0 */
/* dms/dms.h: one client's document server: the parts held together, and one call on its way.
 *
 * A call is one HTTP request: routed, then its user found, then its handler run. The handler ends
 * it with one call_reply...(); if a transaction is open the answer waits until the end of the
 * loop's turn, when one commit makes all changes of that turn durable. If the commit fails, every
 * answer that waited for it becomes a problem, and nothing was changed. */
#ifndef COFFER_DMS_DMS_H
#define COFFER_DMS_DMS_H

#include "base/metrics.h"
#include "dms/password.h"
#include "dms/store.h"
#include "server/http.h"
#include "server/json.h"

#include <jansson.h>

#define DMS_PARAMS_MAX 3
#define DMS_JSON_SIZE_MAX ((size_t)256 << 10)

#define DMS_METRICS(M)                                                                            \
    M(UPLOADS, COUNTER, "coffer_dms_uploads_total", "Contents stored")                            \
    M(UPLOADS_FAILED, COUNTER, "coffer_dms_uploads_failed_total", "Uploads cut or refused")       \
    M(DOWNLOADS, COUNTER, "coffer_dms_downloads_total", "Contents sent")                          \
    M(COMMITS, COUNTER, "coffer_dms_commits_total", "Transactions made durable")                  \
    M(COMMITS_FAILED, COUNTER, "coffer_dms_commits_failed_total", "Transactions that failed")     \
    M(SIGN_INS_REFUSED, COUNTER, "coffer_dms_sign_ins_refused_total", "Wrong names or passwords") \
    M(SIGN_INS_LIMITED, COUNTER, "coffer_dms_sign_ins_limited_total", "Sign-ins answered 429")    \
    M(CONTENTS_CHECKED, COUNTER, "coffer_dms_contents_checked_total",                             \
      "Contents read again and compared")                                                         \
    M(CONTENTS_DAMAGED, GAUGE, "coffer_dms_contents_damaged", "Contents known to be damaged")     \
    M(CONTENTS_NOT_ERASED, COUNTER, "coffer_dms_contents_not_erased_total",                       \
      "Contents deleted that the volume could not erase")                                         \
    M(DERIVED, COUNTER, "coffer_dms_derived_total", "Texts and thumbnails made of contents")      \
    M(DERIVED_FAILED, COUNTER, "coffer_dms_derived_failed_total",                                 \
      "Contents of which no text or thumbnail could be made")                                     \
    M(HOOKS_DELIVERED, COUNTER, "coffer_dms_hooks_delivered_total",                               \
      "Events that web hooks delivered")                                                          \
    M(HOOKS_DEAD, COUNTER, "coffer_dms_hooks_dead_total", "Events that web hooks gave up")        \
    M(SOAP_CALLS, COUNTER, "coffer_dms_soap_calls_total", "SOAP operations begun")

#define DMS_METRIC_ID(id, kind, name, help) DMS_##id,
enum dms_metric { DMS_METRICS(DMS_METRIC_ID) DMS_METRIC_COUNT };

struct call;

/* Calls whose answers wait. */
struct call_list {
    struct call *first, **end;
};

struct dms_settings {
    const char *data;
    const char *listen;
    uint64_t port;
    uint64_t upload_size_max;
    uint64_t connections_max;
    uint64_t session_s;
    uint64_t fixity_rate;
    bool keep_first_password;
    bool https;        /* addresses in answers begin so */
    const char *tools; /* see derive.h */
    bool tools_unconfined;
    const char *outgoing;                    /* see outside.h */
    const char *sign_in;                     /* see sign_in.h */
    const char *hook_destinations, *hook_ca; /* see hooks.h */
    uint64_t hook_retry_ms, hook_attempts;
};

struct dms {
    struct dms_settings settings;
    struct loop *loop;
    struct http_server *server;
    struct store *store;
    struct worker *sync_worker;
    struct worker *password_worker;
    struct passwords *passwords;
    struct fixity *fixity;
    struct call_list waiting; /* for the commit */
    struct sweep *sweep;
    struct derive *derive;
    struct outside *outside; /* who speaks to the world outside */
    struct sign_in *sign_in;
    struct hooks *hooks;
    struct loop_task commit_task;
    struct tus_write *tus_writes;  /* parts on their way in */
    struct loop_timer audit_timer; /* until what was read is written down */
    bool audit_timer_set;
    metric_value metrics[DMS_METRIC_COUNT];
    bool failed; /* the loop was stopped by an error */
};

/* The handler of the HTTP server; `arg` is the struct dms. */
void dms_handle(struct http_request *req, void *arg);

/* Writes down within a second what the audit trail has noted. */
void dms_audit_later(struct dms *dms);
/* What was changed outside a call becomes durable at the end of the turn. */
void dms_commit_later(struct dms *dms);

enum access { ACCESS_ANYONE, ACCESS_USER, ACCESS_ADMIN, ACCESS_EVEN_ONE_TIME };

typedef void call_fn(struct call *call);

/* What a path, method and handler are, and what OpenAPI says about them: one table, routes.c. */
struct route {
    enum http_method method;
    const char *path; /* "/api/documents/{id}"; a last "{path...}" takes the rest */
    call_fn *run;
    enum access access;
    const char *summary;
    const char *query; /* "name: what it is; name: ..." or NULL */
    const char *body;  /* schema name, "content" for bytes, or NULL */
    int success;
    const char *answer; /* schema name, "content", "text", or NULL */
};
extern const struct route dms_routes[];
extern const size_t dms_route_count;

enum marks { MARKS_UNKNOWN, MARKS_WANTED, MARKS_UNWANTED };

enum reply_kind { REPLY_NONE, REPLY_BUF, REPLY_FILE, REPLY_SOURCE };

struct call {
    struct dms *dms;
    struct http_request *req;
    const struct route *route;
    enum access access;                  /* the route's; SOAP decides later */
    struct slice params[DMS_PARAMS_MAX]; /* as in the path, still encoded */
    struct user user;                    /* key 0: nobody */
    uint8_t token_hash[TOKEN_HASH_SIZE]; /* of the session that was used */
    bool by_token;
    bool signed_in;
    const char *code;         /* of the second factor, while signing in */
    unsigned token_scopes;    /* of the API token that was used; 0: none was */
    const char *sign_in_name; /* who is said to be calling, while that is found out */
    struct actor actor;
    /* Waiting for something */
    struct password_work *password_work;
    struct sync_work *sync_work;
    struct outside_job *outside_job;
    struct upload_form *form;
    struct tus_write *tus;
    struct soap_call *soap;
    struct atom *atom;
    struct arena model_arena; /* what a CMIS operation and its answer take: more than a request's */
    call_fn *then_signed_in;  /* NULL: the route's own */
    call_fn *then;
    void *state;  /* the handler's own, in the request's arena */
    json_t *json; /* the body, from call_json() */
    enum marks marks;
    /* The upload, if any */
    struct content_draft draft;
    /* The answer */
    enum reply_kind reply;
    int status;
    const char *type;
    bool as_attachment; /* a content to be saved, whatever its type */
    bool is_part;       /* of a content, which the address names: what `offset` and `size` say */
    struct buf body;
    int fd;
    uint64_t offset, size;
    struct http_source source;
    struct call_list *waits_in;
    struct call *next_waiting;
};

/* Answers all of them, in their order. */
void calls_answer(struct call_list *list);
void call_list_init(struct call_list *list);
/* Moves all of them behind those of `to`. */
void call_list_move(struct call_list *from, struct call_list *to);

/* Ends a call. `type` lives for ever. The buffer is taken; `fd` is owned. */
void call_reply_buf(struct call *call, int status, const char *type, struct buf *body);
void call_reply_text(struct call *call, int status, const char *type, const char *text);
void call_reply_empty(struct call *call, int status);
void call_reply_file(struct call *call, int status, const char *type, int fd, uint64_t offset,
                     uint64_t size);
void call_reply_source(struct call *call, int status, const char *type, uint64_t size,
                       struct http_source source);
void call_problem(struct call *call, int status, const char *name, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
void call_problem_errno(struct call *call, int error);

/* The peer's address as text, "" if it has none. */
const char *call_from(struct call *call);
/* In the audit trail: what is no change of a node (those are noted by the store). A failure makes
 * the commit fail, so nothing is done that is not noted. */
void call_audit(struct call *call, const char *action, int64_t node, const char *name,
                const char *detail);

/* Parses a path parameter that is a node's key ("root" is the root folder). 0 or -ENOENT. */
must_check int call_key(struct call *call, unsigned param, int64_t *ret_key);
/* The node it names, which is not deleted; 0 or the call has been ended. `kind` 0: any. */
must_check int call_node(struct call *call, unsigned param, int kind, struct node *ret);
/* Whether the user may do with a node what the method says, or put something into a folder. 0,
 * -ENOENT or -EACCES. */
must_check int call_may_node(struct call *call, const struct node *node);
must_check int call_may_put(struct call *call, int64_t folder);
must_check int key_parse(struct slice text, int64_t *ret_key);

/* ?limit= and ?cursor=; 0 or the call has been ended. A cursor is opaque text of our own. */
must_check int call_limit(struct call *call, int *ret_limit);
must_check int call_cursor(struct call *call, char **ret_cursor);
must_check int call_cursor_key(struct call *call, int64_t *ret_key);

/* auth.c: finds the user, then runs call->route->run or answers. */
void call_authenticate(struct call *call);
void unauthorized(struct call *call, const char *detail);
/* Name and password from elsewhere (WS-Security); then runs `then`. */
void call_sign_in(struct call *call, const char *user, struct slice password, call_fn *then);

/* Whether it came from our own page: no other site's can send this header. */
bool call_is_from_our_page(const struct call *call);
/* Begins a session of call->user: its token, and the hash that it is known by. `how`, for the audit trail, if
 * not by a password. The cookie with a token of NULL makes the browser forget it. */
must_check int session_begin(struct call *call, const char *how, struct buf *token,
                             uint8_t hash[TOKEN_HASH_SIZE], int64_t *ret_expires_s);
void session_cookie_set(struct call *call, const char *token, uint64_t seconds);

/* Begins one and answers with it, as a cookie if the body says so. `identity`: what it began with; 0: none. */
void session_reply(struct call *call, const char *how, int64_t identity);

/* api_certificate.c: the user of the connection's client certificate, for programs. 0, -ENOENT or -errno. */
must_check int certificate_authenticate(struct call *call);
/* What it is, as the member "certificate"; and for linking: the arena's. -ENOENT: there is none. */
void certificate_json(struct call *call, struct json *json);
must_check int certificate_key(struct call *call, const char **ret_key, const char **ret_subject);

/* api_openid.c: sends the browser to the provider, to link who comes back with the user of this call; and
 * where a session that began there is ended there too: 0, -ENOENT or -errno. */
void openid_link(struct call *call);
must_check int openid_sign_out(struct call *call, struct buf *location);

/* api_tokens.c: the user of an API token, -ENOENT if it is none that lives; and whether the token's
 * scopes allow the call. */
#define API_TOKEN_PREFIX "cft_"
bool is_api_token(struct slice text);
must_check int api_token_user(struct call *call, struct slice text);
bool api_token_allows(const struct call *call);
/* Only a person may change what signs in: 0, or the call has been ended. */
must_check int person_check(struct call *call);
/* api_factor.c: whether the user, whose password was right, has shown the second factor if there is
 * one. 0, or the call has been ended. `code` may be NULL. */
must_check int second_factor_pass(struct call *call, const char *code);

/* upload.c: receives the body into call->draft, makes it durable, then runs `then`. */
void upload_raw(struct call *call, call_fn *then);
/* Before it: whether what the client says is coming fits into the user's quota. 0 or the call has been
 * ended. */
must_check int upload_quota_check(struct call *call);
/* From multipart/form-data: `field` is told of each other field. */
typedef int upload_field_fn(struct call *call, const char *name, const char *value);
void upload_form(struct call *call, upload_field_fn *field, call_fn *then);
/* The same with the content in the part named `part`, or none; fields live in `arena`. */
void upload_form_part(struct call *call, const char *part, struct arena *arena,
                      upload_field_fn *field, call_fn *then);
bool upload_has_file(const struct call *call);
/* The same for what is gathered elsewhere: syncs call->draft, then runs `then`. */
void upload_sync(struct call *call, call_fn *then);
void upload_cancel(struct call *call);
/* The media type to store: what the client says if it is well-formed and says something, or what
 * the name suggests. Lives as long as the request. */
const char *upload_type(struct call *call, struct slice said, const char *name);
/* What a name suggests; lives for ever. */
const char *media_type_of(const char *name);
bool upload_type_valid(struct slice type);
/* The file name of the form's `file` part, or NULL. */
const char *upload_file_name(const struct call *call);
struct slice upload_file_type(const struct call *call);

/* web_static.c: the headers of our own pages: scripts and styles from this server alone. */
void web_headers(struct call *call);

/* present.c: what things look like */
void node_json(struct call *call, struct json *json, const char *key, const struct node *node);
/* The same with one more number; `extra` may be NULL. */
struct node_extra {
    const char *name;
    int64_t value;
};
void node_json_with(struct call *call, struct json *json, const char *key, const struct node *node,
                    const struct node_extra *extra);
void call_reply_node(struct call *call, int status, int64_t key);
void content_etag(char *text, size_t size, int64_t content);
/* Answers a download of a node's content: conditions, range, headers that keep scripts from running. */
void call_reply_content(struct call *call, int64_t node, const char *name, const char *type,
                        int64_t content, int64_t modified_ms);
/* Notes in the audit trail that a content was read: before it is given out, or it is not. */
must_check int call_read_note(struct call *call, int64_t node, int64_t content, const char *name);
/* The headers of something made at the moment, to be saved as `name`. */
void call_download_headers(struct call *call, const char *name);
/* The headers of words from a document, to be shown. */
void call_text_headers(struct call *call);
/* An address of this server as the client calls it, in the call's model arena; NULL without memory.
 */
const char *call_url(struct call *call, const char *path);
/* If-Match against `etag`; 0 or the call has been ended with 412. */
must_check int call_if_match(struct call *call, const char *etag);

/* Collects a JSON body, an object, and runs `then` with it in call->json. */
void call_json(struct call *call, call_fn *then);
/* A member that is text. NULL if absent; *ok false if it is something else. */
const char *call_json_text(struct call *call, const char *name, bool *ok);
/* Ends the call if the object has a member that is not in the NULL-ended list. */
must_check int call_json_only(struct call *call, const char *const *names);

/* api_users.c: what users and groups have in common. */
#define USER_NAME_MAX 64
#define USERS_MAX 10000
bool is_user_name(const char *name);
const char *role_text(enum role role);
/* `role` of the body, if it is there; 0 or the call has been ended. */
must_check int role_read(struct call *call, enum role *role);
/* The names of a user's groups as the array "groups". */
void groups_json(struct call *call, struct json *json, const struct user *user);

/* What a user may store and stores, as the object "quota". */
void quota_json(struct call *call, struct json *json, const struct user *user);

/* tus.c: ends the part that the call receives; what is here is kept. */
void tus_cancel(struct call *call);

/* Handlers */
call_fn health_get, metrics_get, openapi_get, app_get, asset_get, docs_get;
call_fn zip_get, bulk_post;
call_fn favourites_list, favourite_put, favourite_delete, recent_list, recent_put;
call_fn tags_list, tag_nodes_list, tags_put;
call_fn comments_list, comments_post, comment_patch, comment_delete;
call_fn tus_options, tus_create, tus_get, tus_patch, tus_delete;
call_fn protection_get, protection_evidence_get;
/* Notes when, from where and in which program the session with this hash began. */
must_check int session_describe(struct call *call, const uint8_t hash[TOKEN_HASH_SIZE]);
call_fn sessions_get, session_end;
call_fn session_create, session_delete, me_get, my_password_set;
call_fn certificate_post;
call_fn sign_in_get, openid_start, openid_callback, openid_code;
call_fn my_identities_get, my_identity_post, my_identity_delete;
call_fn user_identities_get, user_identity_post, user_identity_delete;
call_fn users_get, users_create, user_get, user_patch, user_delete;
call_fn groups_get, groups_create, group_get, group_patch, group_delete;
call_fn members_get, member_put, member_delete, node_acl_get, node_acl_put;
call_fn export_get, fixity_get, fixity_post, damage_get;
call_fn folder_post, folder_get, folder_children, node_patch, node_delete;
call_fn document_thumbnail_get, document_text_get;
call_fn document_post, document_get, document_content_get, document_content_put, document_copy_post;
call_fn versions_get, version_get_one, version_content_get, version_restore_post;
call_fn file_get, file_put, file_delete;
call_fn token_post, tokens_get, token_delete;
call_fn factor_post, factor_put, factor_delete, user_factor_delete;
call_fn hooks_get, hook_post, hook_one_get, hook_patch, hook_delete, hook_test_post;
call_fn document_retention_get, document_retention_put, holds_get, hold_post;
call_fn hold_documents_get, hold_document_put, hold_release_post, hold_release_delete;
call_fn share_post, shares_get, document_shares_get, share_delete;
call_fn share_page_get, share_content_get, share_content_post, share_style_get;
call_fn audit_get, node_audit_get, audit_state_get, audit_csv_get, audit_check_get;
call_fn search_get, trash_get, trash_restore, trash_purge, trash_empty;
call_fn cmis_browser_service, cmis_browser_repository, cmis_browser_object, cmis_browser_post;
call_fn soap_post, soap_wsdl, atom_service, atom_call;

void soap_done(struct call *call);
void atom_done(struct call *call);

/* The folder and last name of a path; with `create`, missing folders are made. */
must_check int path_resolve(struct call *call, struct slice path, bool create, int64_t *ret_parent,
                            char **ret_name);

#endif
