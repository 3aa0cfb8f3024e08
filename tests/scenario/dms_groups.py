#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Groups and access lists, asked with curl: dms_groups.py COFFER_DMS"""
import base64
import json
import os
import sys

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"groups-{os.getpid()}"


def problem(answer, status, name):
    tap.equal((answer.status, answer.json["type"]), (status, f"urn:coffer:problem:{name}"),
              repr(answer))


def send(server, method, path, value=None, auth=None, *options):
    body = () if value is None else ("-d", json.dumps(value))
    return server.ask(path, "-X", method, *body, *options, auth=auth)


def good(answer, status=200):
    tap.equal(answer.status, status, repr(answer))
    return answer.json if answer.body else None


def user(server, name):
    good(server.post("/api/users", {"name": name, "password": "one-time-secret"}), 201)
    good(send(server, "PUT", "/api/me/password",
              {"old": "one-time-secret", "new": "another-secret"}, f"{name}:one-time-secret"), 204)
    return f"{name}:another-secret"


def group(server, name, *members, role="user"):
    good(server.post("/api/groups", {"name": name, "role": role}), 201)
    for member in members:
        good(send(server, "PUT", f"/api/groups/{name}/members/{member}"), 204)


def folder(server, name):
    return good(server.post("/api/folders", {"name": name}), 201)["id"]


def acl(server, node, entries, inherits=False, auth=None):
    return send(server, "PUT", f"/api/nodes/{node}/acl", {
        "inherits": inherits,
        "entries": [{"principal": p, "permission": q} for p, q in entries]}, auth)


def status(server, node, auth):
    return server.ask(f"/api/folders/{node}", auth=auth).status


@tap.test
def groups_are_made_listed_and_removed(server):
    group(server, f"{WORK}-a")
    tap.equal({k: v for k, v in good(server.ask(f"/api/groups/{WORK}-a")).items()
               if k != "created_ms"}, {"name": f"{WORK}-a", "role": "user", "members": 0})
    problem(server.post("/api/groups", {"name": f"{WORK}-a"}), 409, "name-exists")
    for wrong in ("", "a:b", "anyone", "anonymous", "x" * 65, "ä"):
        problem(server.post("/api/groups", {"name": wrong}), 422, "bad-group-name")
    problem(server.post("/api/groups", {"name": "x", "role": "root"}), 422, "bad-role")
    group(server, f"{WORK}-b")
    page = good(server.ask("/api/groups?limit=1"))
    tap.equal(len(page["items"]), 1)
    more = good(server.ask(f"/api/groups?cursor={page['next']}"))
    names = [one["name"] for one in page["items"] + more["items"]]
    tap.true(names.index(f"{WORK}-a") < names.index(f"{WORK}-b"), names)
    for name in (f"{WORK}-a", f"{WORK}-b"):
        good(send(server, "DELETE", f"/api/groups/{name}"), 204)
        problem(server.ask(f"/api/groups/{name}"), 404, "not-found")


@tap.test
def only_administrators_see_or_change_groups(server):
    auth = user(server, f"{WORK}-plain")
    group(server, f"{WORK}-closed")
    path = f"/api/groups/{WORK}-closed"
    for method, where in (("GET", "/api/groups"), ("GET", path), ("DELETE", path),
                          ("GET", path + "/members"),
                          ("PUT", f"{path}/members/{WORK}-plain")):
        problem(send(server, method, where, auth=auth), 403, "admins-only")
    problem(server.post("/api/groups", {"name": "mine"}, auth=auth), 403, "admins-only")
    good(send(server, "DELETE", path), 204)


@tap.test
def members_are_listed_and_seen_by_themselves(server):
    auth, name = user(server, f"{WORK}-member"), f"{WORK}-team"
    group(server, name, f"{WORK}-member", "admin")
    good(send(server, "PUT", f"/api/groups/{name}/members/{WORK}-member"), 204)
    tap.equal(good(server.ask(f"/api/groups/{name}/members"))["items"],
              ["admin", f"{WORK}-member"])
    tap.equal(good(server.ask("/api/me", auth=auth))["groups"], [name])
    tap.equal(good(server.ask(f"/api/users/{WORK}-member"))["groups"], [name])
    problem(send(server, "PUT", f"/api/groups/{name}/members/nobody"), 404, "not-found")
    good(send(server, "DELETE", f"/api/groups/{name}/members/{WORK}-member"), 204)
    tap.equal(good(server.ask("/api/me", auth=auth))["groups"], [])
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)


@tap.test
def an_access_list_names_users_and_groups(server):
    one, two = user(server, f"{WORK}-one"), user(server, f"{WORK}-two")
    name, node = f"{WORK}-readers", folder(server, f"{WORK}-listed")
    group(server, name, f"{WORK}-one")
    first = good(server.ask(f"/api/nodes/{node}/acl", auth=two))
    tap.equal(first, {"inherits": True, "entries": [],
                      "inherited": [{"principal": "anyone", "permission": "all"}]})
    answer = good(acl(server, node, [(f"group:{name}", "read")]))
    tap.equal(answer, {"inherits": False, "inherited": [], "entries": [
        {"principal": f"group:{name}", "permission": "read"}]})
    tap.equal((status(server, node, one), status(server, node, two)), (200, 404))
    problem(send(server, "PATCH", f"/api/folders/{node}", {"name": "x"}, one), 403, "forbidden")
    problem(acl(server, node, [("anyone", "all")], auth=one), 403, "forbidden")
    problem(acl(server, node, [("anyone", "all")], auth=two), 404, "not-found")
    good(acl(server, node, [(f"group:{name}", "write"), (f"{WORK}-two", "read")]))
    good(send(server, "PATCH", f"/api/folders/{node}", {"name": f"{WORK}-listed2"}, one))
    problem(acl(server, node, [], auth=one), 403, "forbidden")
    tap.equal(status(server, node, two), 200)
    good(acl(server, node, [(f"group:{name}", "all")]))
    good(acl(server, node, [(f"group:{name}", "all"), (f"{WORK}-two", "write")], auth=one))
    # Out of the group, and the right is gone with the next request.
    good(send(server, "DELETE", f"/api/groups/{name}/members/{WORK}-one"), 204)
    tap.equal((status(server, node, one), status(server, node, two)), (404, 200))
    good(acl(server, node, [], inherits=True))
    tap.equal((status(server, node, one), status(server, node, two)), (200, 200))
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)


@tap.test
def what_is_below_inherits(server):
    one, two = user(server, f"{WORK}-in"), user(server, f"{WORK}-out")
    name, top = f"{WORK}-insiders", folder(server, f"{WORK}-top")
    group(server, name, f"{WORK}-in")
    below = good(server.post("/api/folders", {"name": "below", "parent": top}), 201)["id"]
    good(acl(server, top, [(f"group:{name}", "all")]))
    good(acl(server, below, [(f"{WORK}-out", "read")], inherits=True))
    tap.equal(good(server.ask(f"/api/nodes/{below}/acl")), {
        "inherits": True, "entries": [{"principal": f"{WORK}-out", "permission": "read"}],
        "inherited": [{"principal": f"group:{name}", "permission": "all"}]})
    tap.equal([status(server, below, auth) for auth in (one, two)], [200, 200])
    tap.equal([status(server, top, auth) for auth in (one, two)], [200, 404])
    problem(send(server, "PATCH", f"/api/folders/{below}", {"name": "x"}, two), 403, "forbidden")
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)


@tap.test
def a_user_is_never_taken_for_a_group_of_that_name(server):
    auth, node = user(server, f"{WORK}-same"), folder(server, f"{WORK}-confused")
    group(server, f"{WORK}-same")
    good(acl(server, node, [(f"group:{WORK}-same", "all")]))
    tap.equal(status(server, node, auth), 404)
    for name in ("group:x", "anyone", "anonymous"):
        problem(server.post("/api/users", {"name": name, "password": "one-time-secret"}), 422,
                "bad-user-name")
    good(send(server, "DELETE", f"/api/groups/{WORK}-same"), 204)


@tap.test
def wrong_access_lists_change_nothing(server):
    node = folder(server, f"{WORK}-wrong")
    path = f"/api/nodes/{node}/acl"
    for wrong in ([("nobody-there", "read")], [("group:none", "read")], [("group:", "read")],
                  [("", "read")]):
        problem(acl(server, node, [("admin", "read"), *wrong]), 422, "no-such-principal")
    for wrong in ({}, {"inherits": True}, {"inherits": 1, "entries": []},
                  {"inherits": True, "entries": {}}, {"inherits": True, "entries": [1]},
                  {"inherits": True, "entries": [{"principal": "admin"}]},
                  {"inherits": True, "entries": [{"principal": "admin", "permission": "own"}]},
                  {"inherits": True, "entries": [{"principal": "admin", "permission": 1}]},
                  {"inherits": True, "entries": [{"principal": "anyone",
                                                  "permission": "read"}] * 257}):
        problem(send(server, "PUT", path, wrong), 422, "bad-acl")
    tap.equal(good(server.ask(path))["entries"], [])
    problem(server.ask("/api/nodes/999999/acl"), 404, "not-found")


@tap.test
def a_group_that_is_removed_and_made_again_gets_nothing(server):
    auth, name = user(server, f"{WORK}-again"), f"{WORK}-gone"
    node = folder(server, f"{WORK}-kept")
    group(server, name, f"{WORK}-again")
    good(acl(server, node, [(f"group:{name}", "all")]))
    tap.equal(status(server, node, auth), 200)
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)
    group(server, name, f"{WORK}-again")
    tap.equal(status(server, node, auth), 404)
    tap.equal(good(server.ask(f"/api/nodes/{node}/acl"))["entries"], [])
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)


@tap.test
def a_user_that_is_removed_and_made_again_gets_nothing(server):
    name = f"{WORK}-twice"
    auth, group_name = user(server, name), f"{WORK}-circle"
    group(server, group_name, name)
    # What names a user by text: a comment, a document that is checked out, an unfinished upload.
    node = good(server.ask(f"/api/documents?name={WORK}-out.txt", "--data-binary", "text",
                           auth=auth), 201)["id"]
    comment = good(server.post(f"/api/nodes/{node}/comments", {"text": "mine"}, auth=auth),
                   201)["id"]
    good(server.ask("/cmis/browser/coffer/root", "-F", "cmisaction=checkOut", "-F",
                    f"objectId={node}", auth=auth), 201)
    upload = server.ask("/api/uploads", "-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H",
                        "Upload-Length: 9", "-H", "Upload-Metadata: filename " +
                        base64.b64encode(b"part").decode(), auth=auth).headers["location"]
    good(send(server, "DELETE", f"/api/users/{name}"), 204)
    auth = user(server, name)
    tap.equal(good(server.ask("/api/me", auth=auth))["groups"], [])
    problem(send(server, "PATCH", f"/api/comments/{comment}", {"text": "not mine"}, auth), 403,
            "forbidden")
    out = json.loads(server.ask("/cmis/browser/coffer/root?cmisselector=checkedOut",
                                auth=auth).body)
    tap.equal([o["object"]["properties"]["cmis:objectId"]["value"] for o in out["objects"]], [])
    for action in ("cancelCheckOut", "checkIn"):
        answer = server.ask("/cmis/browser/coffer/root", "-F", f"cmisaction={action}", "-F",
                            f"objectId={node}.pwc", auth=auth)
        tap.true(answer.status >= 400, repr(answer))
    tap.equal(server.ask(upload, "-I", "-H", "Tus-Resumable: 1.0.0", auth=auth).status, 404)
    good(send(server, "DELETE", f"/api/groups/{group_name}"), 204)


@tap.test
def a_group_may_make_administrators(server):
    auth, name = user(server, f"{WORK}-boss"), f"{WORK}-admins"
    problem(server.ask("/api/users", auth=auth), 403, "admins-only")
    group(server, name, f"{WORK}-boss", role="admin")
    good(server.ask("/api/users", auth=auth))
    tap.equal(good(server.ask("/api/me", auth=auth))["role"], "admin")
    mine = good(server.ask(f"/api/users/{WORK}-boss"))
    tap.equal((mine["role"], mine["administrator"]), ("user", True))
    # A new password does not make the role one's own.
    good(send(server, "PUT", "/api/me/password", {"old": "another-secret", "new": "third-secret"},
              auth), 204)
    auth = f"{WORK}-boss:third-secret"
    good(send(server, "PATCH", f"/api/groups/{name}", {"role": "user"}))
    problem(server.ask("/api/users", auth=auth), 403, "admins-only")
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)


@tap.test
def an_administrator_is_always_left(server):
    name = f"{WORK}-last"
    auth = user(server, name)
    group(server, f"{WORK}-top", name, role="admin")
    # The group's member is one, so the other may stop being one; then the group must stay.
    good(send(server, "PATCH", "/api/users/admin", {"role": "user"}))
    path = f"/api/groups/{WORK}-top"
    problem(send(server, "DELETE", path, auth=auth), 409, "last-admin")
    problem(send(server, "DELETE", f"{path}/members/{name}", auth=auth), 409, "last-admin")
    problem(send(server, "PATCH", path, {"role": "user"}, auth), 409, "last-admin")
    problem(send(server, "DELETE", f"/api/users/{name}", auth=auth), 409, "last-admin")
    good(server.ask("/api/users", auth=auth))
    good(send(server, "PATCH", "/api/users/admin", {"role": "admin"}, auth))
    good(send(server, "DELETE", path), 204)
    problem(send(server, "PATCH", "/api/users/admin", {"role": "user"}), 409, "last-admin")


@tap.test
def cmis_names_groups_likewise(server):
    auth, name = user(server, f"{WORK}-cmis"), f"{WORK}-cmis-group"
    node = folder(server, f"{WORK}-cmis-folder")
    group(server, name, f"{WORK}-cmis")

    def apply(how, principal):
        return server.ask("/cmis/browser/coffer/root", "-F", "cmisaction=applyACL", "-F",
                          f"objectId={node}", "-F", f"{how}ACEPrincipal[0]={principal}", "-F",
                          f"{how}ACEPermission[0][0]=cmis:read", "-F",
                          "ACLPropagation=propagate")
    good(acl(server, node, []))
    tap.equal(status(server, node, auth), 404)
    tap.equal(apply("add", "group:none").status, 400)
    good(apply("add", f"group:{name}"))
    tap.equal(status(server, node, auth), 200)
    tap.equal(good(server.ask(f"/api/nodes/{node}/acl"))["entries"],
              [{"principal": f"group:{name}", "permission": "read"}])
    shown = good(server.ask(f"/cmis/browser/coffer/root?cmisselector=acl&objectId={node}"))
    tap.equal([(ace["principal"]["principalId"], ace["permissions"]) for ace in shown["aces"]],
              [(f"group:{name}", ["cmis:read"])])
    listed = good(server.ask(f"/cmis/browser/coffer?cmisselector=query&q=" +
                             f"SELECT%20cmis:objectId%20FROM%20cmis:folder%20WHERE%20cmis:name="
                             f"%27{WORK}-cmis-folder%27", auth=auth))
    tap.equal(len(listed["results"]), 1)
    good(apply("remove", f"group:{name}"))
    tap.equal(status(server, node, auth), 404)
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)


@tap.test
def changes_are_in_the_audit_trail(server):
    name, node = f"{WORK}-noted", folder(server, f"{WORK}-noted")
    group(server, name, "admin")
    good(acl(server, node, [(f"group:{name}", "all")]))
    good(send(server, "PATCH", f"/api/groups/{name}", {"role": "admin"}))
    good(send(server, "DELETE", f"/api/groups/{name}/members/admin"), 204)
    good(send(server, "DELETE", f"/api/groups/{name}"), 204)
    seen = [e["action"] for e in good(server.ask("/api/audit?limit=20"))["items"]
            if e["name"] == name]
    tap.equal(seen, ["group-remove", "member-remove", "group-role", "permissions", "member-add",
                     "group-add", "create"])


tap.main(lambda: dms_server.server(PROGRAM))
