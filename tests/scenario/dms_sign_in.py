#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""API tokens and the second factor: dms_sign_in.py COFFER_DMS"""
import json
import os
import sys
import time

import dms_server
import tap
from totp_codes import code, now_step

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"sign-{os.getpid()}"


def user(server, name, role="user"):
    server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": role})
    done = server.ask("/api/me/password", "-X", "PUT", "-d",
                      '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
    tap.equal(done.status, 204)
    return f"{name}:another-password"


def by_token(server, token, path, *options):
    return server.ask(path, "-H", f"Authorization: Bearer {token}", *options, auth="")


def sign_in(server, auth, **more):
    name, _, password = auth.partition(":")
    return server.post("/api/sessions", {"user": name, "password": password, **more}, auth="")


def json_put(server, method, path, value, auth):
    return server.ask(path, "-X", method, "-d", json.dumps(value), auth=auth)


@tap.test
def a_token_does_what_its_scopes_allow():
    with dms_server.server(PROGRAM) as server:
        auth = user(server, WORK + "-ada")
        reader = server.post("/api/tokens", {"name": "r", "scopes": ["read"]}, auth=auth)
        tap.equal(reader.status, 201, reader)
        reader = reader.json["token"]
        writer = server.post("/api/tokens", {"name": "w", "scopes": ["read", "write"]},
                             auth=auth).json["token"]
        tap.equal(by_token(server, reader, "/api/folders/root/children").status, 200)
        make = ("-X", "POST", "-d", '{"name":"%s-f"}' % WORK)
        refused = by_token(server, reader, "/api/folders", *make)
        tap.equal((refused.status, refused.json["type"]),
                  (403, "urn:coffer:problem:token-scope"))
        tap.equal(by_token(server, writer, "/api/folders", *make).status, 201)
        tap.equal(by_token(server, writer, "/api/users").status, 403)
        # Nothing that signs in may be changed by a token.
        for method, path, value in (("POST", "/api/tokens", {"name": "x", "scopes": ["read"]}),
                                    ("POST", "/api/me/second-factor", {}),
                                    ("PUT", "/api/me/password", {"old": "a", "new": "b"})):
            answer = by_token(server, writer, path, "-X", method, "-d", json.dumps(value))
            tap.equal((answer.status, answer.json["type"]),
                      (403, "urn:coffer:problem:not-by-token"), path)
        # As a password, for its own user.
        name = auth.partition(":")[0]
        tap.equal(server.ask("/dav/", "-X", "PROPFIND", "-H", "Depth: 0",
                             auth=f"{name}:{reader}").status, 207)
        tap.equal(server.ask("/api/me", auth=f"admin:{reader}").status, 401)
        listed = server.ask("/api/tokens", auth=auth).json["items"]
        tap.equal([(item["name"], item["scopes"]) for item in listed],
                  [("r", ["read"]), ("w", ["read", "write"])])
        tap.true(all("token" not in item and item["used_ms"] for item in listed), "used, not shown")
        tap.equal(server.ask(f"/api/tokens/{listed[0]['id']}", "-X", "DELETE",
                             auth=auth).status, 204)
        tap.equal(by_token(server, reader, "/api/me").status, 401)
        server.ask(f"/api/users/{name}", "-X", "DELETE")
        tap.equal(by_token(server, writer, "/api/me").status, 401, "its user is gone")


@tap.test
def administrators_tokens_are_administrators_only_if_they_say_so():
    with dms_server.server(PROGRAM) as server:
        plain = server.post("/api/tokens", {"name": "p", "scopes": ["read", "write"]}).json["token"]
        full = server.post("/api/tokens", {"name": "f", "scopes": ["read", "write", "admin"]})
        tap.equal(by_token(server, plain, "/api/users").status, 403)
        tap.equal(by_token(server, full.json["token"], "/api/users").status, 200)
        auth = user(server, WORK + "-bob")
        answer = server.post("/api/tokens", {"name": "x", "scopes": ["admin"]}, auth=auth)
        tap.equal(answer.status, 403)
        for wish in ({}, {"name": "", "scopes": ["read"]}, {"name": "x", "scopes": []},
                     {"name": "x", "scopes": ["all"]}, {"name": "x", "scopes": "read"},
                     {"name": "x", "scopes": ["read"], "expires_ms": 1}):
            tap.equal(server.post("/api/tokens", wish).status, 422, wish)
        short = server.post("/api/tokens", {"name": "s", "scopes": ["read"],
                                            "expires_ms": int(time.time() * 1000) + 300})
        tap.until(lambda: by_token(server, short.json["token"], "/api/me").status == 401,
                  "the token ends")


@tap.test
def a_second_factor_is_asked_for():
    with dms_server.server(PROGRAM) as server:
        auth = user(server, WORK + "-eve")
        begun = server.post("/api/me/second-factor", {}, auth=auth)
        tap.equal(begun.status, 201, begun)
        secret = begun.json["secret"]
        tap.true(begun.json["uri"].startswith("otpauth://totp/Coffer:"), begun.json["uri"])
        tap.equal(sign_in(server, auth).status, 201, "not before it is confirmed")
        wrong = code(secret, now_step() + 50)
        tap.equal(json_put(server, "PUT", "/api/me/second-factor", {"code": wrong}, auth).status,
                  403)
        step = now_step()
        confirmed = json_put(server, "PUT", "/api/me/second-factor", {"code": code(secret, step)},
                             auth)
        tap.equal(confirmed.status, 200, confirmed)
        recovery = confirmed.json["recovery_codes"]
        tap.equal((len(recovery), len(set(recovery))), (10, 10))
        refused = sign_in(server, auth)
        tap.equal((refused.status, refused.json["type"]),
                  (401, "urn:coffer:problem:second-factor-required"))
        tap.equal(server.ask("/api/me", auth=auth).status, 401, "the password alone is nothing")
        tap.equal(sign_in(server, auth, code=code(secret, step)).status, 401, "used already")
        session = sign_in(server, auth, code=code(secret, step + 1))
        tap.equal(session.status, 201, session)
        tap.equal(by_token(server, session.json["token"], "/api/me").status, 200)
        tap.equal(sign_in(server, auth, code=recovery[3]).status, 201)
        tap.equal(sign_in(server, auth, code=recovery[3]).status, 401, "works once")
        tap.equal(sign_in(server, auth.replace("another", "wrong"), code=recovery[4]).status, 401)
        tap.equal(sign_in(server, auth, code=recovery[4]).status, 201, "not spent by that")
        tries = [sign_in(server, auth, code="000000").status for _ in range(12)]
        tap.equal((tries[0], tries[-1]), (401, 429), tries)
        name = auth.partition(":")[0]
        tap.equal(server.ask(f"/api/users/{name}/second-factor", "-X", "DELETE").status, 204)
        tap.equal(sign_in(server, auth).status, 201, "an administrator has removed it")


@tap.test
def who_has_it_can_remove_it():
    with dms_server.server(PROGRAM) as server:
        auth = user(server, WORK + "-joe")
        secret = server.post("/api/me/second-factor", {}, auth=auth).json["secret"]
        step = now_step()
        recovery = json_put(server, "PUT", "/api/me/second-factor", {"code": code(secret, step)},
                            auth).json["recovery_codes"]
        token = sign_in(server, auth, code=recovery[0]).json["token"]
        remove = ("/api/me/second-factor", "-X", "DELETE", "-d")
        tap.equal(by_token(server, token, *remove, '{"code":"000000"}').status, 403)
        tap.equal(by_token(server, token, *remove, json.dumps({"code": recovery[1]})).status, 204)
        tap.equal(sign_in(server, auth).status, 201)


tap.main()
