#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signing in by OpenID Connect, with a provider that says wrong things: dms_openid.py COFFER_DMS"""
import contextlib
import http.client
import itertools
import json
import os
import re
import socket
import sys
import tempfile
import time
import urllib.parse

import dms_server
import openid_provider
import tap
from totp_codes import code, now_step

PROGRAM = sys.argv[1]
HEADER = {"X-Requested-With": "coffer", "Content-Type": "application/json"}
ADDRESSES = itertools.count(2)  # failures are counted by where they come from


class Browser:
    """What a browser does: keeps cookies, goes where it is sent."""

    def __init__(self, system, same_place=False):
        self.port = int(system.server.url.rpartition(":")[2])
        self.provider, self.cookies = system.provider, {}
        self.place = f"127.0.1.{1 if same_place else next(ADDRESSES)}"

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60,
                                                source_address=(self.place, 0))
        with contextlib.closing(connection):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request(method, path, None if body is None else json.dumps(body),
                               {**(HEADER if headers is None else headers),
                                **({"Cookie": cookies} if cookies else {})})
            answer = connection.getresponse()
            text = answer.read()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
                    if "Max-Age=0" in value:
                        del self.cookies[key]
            return dms_server.Answer(answer.status, {n.lower(): v for n, v in answer.getheaders()},
                                     text)

    def begin(self, **body):
        answer = self.ask("POST", "/api/sign-in/openid", body)
        tap.equal(answer.status, 200, answer)
        return answer.json["location"]

    def come_back(self, path):
        """Where the server sends the browser in the end; it comes from another site."""
        answer = self.ask("GET", path, headers={"Sec-Fetch-Site": "cross-site"})
        tap.equal(answer.status, 303, answer)
        return answer.headers["location"]

    def sign_in(self, **body):
        return self.come_back(self.provider.visit(self.begin(**body)))

    def me(self):
        answer = self.ask("GET", "/api/me")
        return answer.json["name"] if answer.status == 200 else None


class System:
    def browser(self, **more):
        return Browser(self, **more)

    def admin(self, method, path, body=None):
        return self.server.ask(path, "-X", method, *(() if body is None else ("-d", json.dumps(body))))


@contextlib.contextmanager
def system(options=(), **settings):
    with tempfile.TemporaryDirectory() as place, openid_provider.running(place) as provider:
        path = os.path.join(place, "sign-in.json")
        value = {**provider.settings, **settings}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"openid": {k: v for k, v in value.items() if v is not None}}, file)
        one = System()
        one.provider, one.path = provider, path
        with dms_server.own_server(PROGRAM, "--sign-in", path, *options) as one.server:
            yield one
            tap.true(provider.secret not in one.server.logs(), "the log does not have the secret")


def link(s, user, subject, kind="openid"):
    s.admin("POST", "/api/users", {"name": user, "password": "one-time-word-1"})
    answer = s.admin("POST", f"/api/users/{user}/identities", {"kind": kind, "subject": subject})
    tap.equal(answer.status, 201, answer)
    # The one-time password would have to be changed first.
    done = s.server.ask("/api/me/password", "-X", "PUT", "-d",
                        '{"old":"one-time-word-1","new":"another-password"}',
                        auth=f"{user}:one-time-word-1")
    tap.equal(done.status, 204)
    return answer.json


@tap.test
def who_is_linked_signs_in():
    with system() as s:
        tap.equal(s.browser().ask("GET", "/api/sign-in").json, {"openid": "Example", "certificate": None})
        linked = link(s, "ada", "ada-1")
        browser = s.browser()
        location = browser.begin()
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        tap.equal({name: query[name] for name in ("kind", "response_type", "client_id", "redirect_uri",
                                                  "scope", "code_challenge_method")},
                  {"kind": "usual", "response_type": "code", "client_id": "coffer",
                   "redirect_uri": s.provider.redirect_uri, "scope": "openid profile",
                   "code_challenge_method": "S256"})
        tap.equal(browser.come_back(s.provider.visit(location)), "/app/files")
        tap.equal(browser.me(), "ada")
        tap.true("__Host-coffer-openid" not in browser.cookies, "the ticket is gone")
        mine = browser.ask("GET", "/api/me/identities").json["items"]
        tap.equal([(one["subject"], one["issuer"], one["label"], one["used_ms"] is not None)
                   for one in mine], [("ada-1", s.provider.issuer, "ada", True)])
        actions = [(e["action"], e["detail"]) for e in s.admin("GET", "/api/audit?limit=20").json["items"]]
        tap.true(("sign-in", "openid") in actions, actions)
        # Another session is another token: what a browser had before counts nothing.
        fixed = s.browser()
        fixed.cookies["__Host-coffer"] = before = "A" * 43
        tap.equal(fixed.sign_in(**{"return": "/app/search?q=a%20b"}), "/app/search?q=a%20b")
        tap.true(fixed.cookies["__Host-coffer"] not in (before, browser.cookies["__Host-coffer"]),
                 "a session of its own")
        # Signing out says where one is still signed in.
        out = fixed.ask("DELETE", "/api/sessions/current")
        tap.equal((out.status, out.json), (200, {"location": s.provider.origin + "/end?client_id=coffer"}))
        tap.equal(fixed.me(), None)
        # Unlinked, its sessions end, and it signs nobody in.
        tap.equal(s.admin("DELETE", f"/api/users/ada/identities/{linked['id']}").status, 204)
        tap.equal(browser.me(), None)
        tap.equal(browser.sign_in(), "/app/sign-in?openid=unknown")


@tap.test
def a_one_time_password_that_was_not_used_need_not_be_changed():
    with system() as s:
        s.admin("POST", "/api/users", {"name": "new", "password": "one-time-word-1"})
        s.admin("POST", "/api/users/new/identities", {"kind": "openid", "subject": "ada-1"})
        browser = s.browser()
        tap.equal((browser.sign_in(), browser.me()), ("/app/files", "new"))
        tap.equal(browser.ask("GET", "/api/me").json["password_change_required"], False)
        tap.equal(browser.ask("GET", "/api/folders/root/children").status, 200)
        refused = s.server.ask("/api/folders/root/children", auth="new:one-time-word-1")
        tap.equal((refused.status, refused.json["type"]), (403, "urn:coffer:problem:password-change-required"))


@tap.test
def what_the_provider_says_of_itself_is_asked_once():
    with system() as s:
        link(s, "ada", "ada-1")
        for _ in range(3):
            tap.equal(s.browser().sign_in(), "/app/files")
        tap.equal(s.provider.asked, ["/realm/.well-known/openid-configuration", "/keys"] + ["/token"] * 3)
        # Another key: asked for when a token names it.
        s.provider.keys = [openid_provider.Key(s.provider.directory, "two")]
        tap.equal(s.browser().sign_in(), "/app/files")
        tap.equal(s.provider.asked[5:], ["/token", "/keys"])
        tap.equal(s.browser().sign_in(), "/app/files")
        tap.equal(s.provider.asked[7:], ["/token"])


def refused_tokens(provider):
    other = openid_provider.Key(provider.directory, "one-of-mine")
    other.kid = "one"
    now = int(time.time())
    yield "issuer", {"claims": {"iss": "https://evil.example"}}
    yield "issuer is missing", {"claims": {"iss": None}}
    yield "audience", {"claims": {"aud": "another"}}
    yield "several audiences", {"claims": {"aud": ["coffer", "another"]}}
    yield "authorized party", {"claims": {"azp": "another"}}
    yield "nonce", {"claims": {"nonce": "of-another-sign-in"}}
    yield "nonce is missing", {"claims": {"nonce": None}}
    yield "expired", {"claims": {"exp": now - 100}}
    yield "never expires", {"claims": {"exp": None}}
    yield "old", {"claims": {"iat": now - 5000}}
    yield "of the future", {"claims": {"iat": now + 5000, "exp": now + 6000}}
    yield "nobody", {"claims": {"sub": None}}
    yield "no signature", {"header": {"alg": "none"}}
    yield "the public key as a secret", {"header": {"alg": "HS256"}}
    yield "another algorithm's name", {"header": {"alg": "ES256"}}
    yield "a key that is not there", {"header": {"kid": "three"}}
    yield "another's key", {"key": other}
    yield "another's key that it brings along", {"key": other, "header": {"jwk": other.jwk()}}
    yield "no ID token", {"token_answer": {"id_token": None}}
    yield "an ID token that is none", {"token_answer": {"id_token": "a.b.c"}}
    yield "keys without end", {"/keys": (200, b'{"keys":[' + b" " * 300000 + b"]}"),
                               "header": {"kid": "three"}}
    yield "keys that are none", {"/keys": (200, {"keys": [{"kty": "oct", "k": "AAAA"}]}),
                                 "header": {"kid": "three"}}


@tap.test
def a_wrong_token_signs_nobody_in():
    with system() as s:
        link(s, "ada", "ada-1")
        for what, wrong in refused_tokens(s.provider):
            browser = s.browser()
            location = browser.begin()
            s.provider.wrong = wrong
            tap.equal(browser.come_back(s.provider.visit(location)), "/app/sign-in?openid=unverified",
                      what)
            tap.equal(browser.cookies, {}, what)
        s.provider.ask_right()
        tap.equal(s.browser().sign_in(), "/app/files")
        refusals = [e["detail"] for e in s.admin("GET", "/api/audit?limit=100").json["items"]
                    if e["action"] == "sign-in-refused"]
        for reason in ("(iss)", "(aud)", "(azp)", "(nonce)", "(exp)", "(sub)", "not allowed",
                       "signature is wrong", "no such key", "too large"):
            tap.true(any(reason in one for one in refusals), f"{reason} in {refusals}")


@tap.test
def the_way_back_is_the_browsers_own():
    with system() as s:
        link(s, "ada", "ada-1")
        mine, other = s.browser(), s.browser()
        at, there = mine.begin(), s.provider.visit(other.begin())
        state = "/app/sign-in?openid=state"
        tap.equal(mine.come_back(there), state, "the state of another browser")
        tap.equal(mine.come_back(s.provider.visit(at)), state, "its ticket is gone then")
        tap.equal(s.browser().come_back(there), state, "without a ticket")
        for value in ("", "x", other.cookies["__Host-coffer-openid"][:-1],
                      other.cookies["__Host-coffer-openid"][:-1] + "~",
                      "A" * len(other.cookies["__Host-coffer-openid"]), "A" * 3000):
            forged = s.browser()
            forged.cookies["__Host-coffer-openid"] = value
            tap.equal(forged.come_back(there), state, value)
        tap.equal(other.come_back(there), "/app/files", "and its own")
        for wrong, word in (({"state": None}, "state"), ({"state": "x"}, "state"),
                            ({"code": None}, "refused"), ({"code": ""}, "refused"),
                            ({"code": "another"}, "refused"), ({"iss": None}, "unverified"),
                            ({"iss": "https://evil.example"}, "unverified"),
                            ({"code": None, "error": "access_denied"}, "denied"),
                            ({"error": "server_error"}, "refused")):
            s.provider.wrong = {"back": wrong}
            browser = s.browser()
            tap.equal(browser.sign_in(), f"/app/sign-in?openid={word}", wrong)
            tap.equal(browser.cookies, {})
        s.provider.ask_right()
        # A code works once, for who comes twice with the same.
        twice = s.browser()
        back = s.provider.visit(twice.begin())
        ticket = dict(twice.cookies)
        tap.equal(twice.come_back(back), "/app/files")
        again = s.browser()
        again.cookies = ticket
        tap.equal(again.come_back(back), "/app/sign-in?openid=refused")
        # Only our page begins it, and only our places are gone to.
        tap.equal(s.browser().ask("POST", "/api/sign-in/openid", {}, headers={}).status, 403)
        tap.equal(s.browser().ask("POST", "/api/sign-in/openid", {},
                                  {**HEADER, "Sec-Fetch-Site": "cross-site"}).status, 403)
        for place in ("https://evil.example/", "//evil.example", "/app/../x", "/app//x", "/other", "",
                      "/app/\\evil", "/app/a\nb", "/app/" + "x" * 300, 7):
            tap.equal(s.browser().ask("POST", "/api/sign-in/openid", {"return": place}).status, 422, place)


@tap.test
def a_provider_that_says_other_things_of_itself_is_not_used():
    cases = [("another issuer", {"metadata": {"issuer": "https://evil.example"}}),
             ("endpoint elsewhere", {"metadata": {"token_endpoint": "https://evil.example/token"}}),
             ("keys elsewhere", {"metadata": {"jwks_uri": "https://evil.example/keys"}}),
             ("page elsewhere", {"metadata": {"authorization_endpoint": "https://evil.example/"}}),
             ("page by script", {"metadata": {"authorization_endpoint": "javascript:alert(1)"}}),
             ("end elsewhere", {"metadata": {"end_session_endpoint": "https://evil.example/"}}),
             ("without TLS", {"metadata": {"token_endpoint": "http://localhost/token"}}),
             ("no PKCE", {"metadata": {"code_challenge_methods_supported": ["plain"]}}),
             ("without endpoints", {"metadata": {"token_endpoint": None}}),
             ("no object", {"/realm/.well-known/openid-configuration": (200, b"[]")}),
             ("too much", {"/realm/.well-known/openid-configuration": (200, b" " * 200000)}),
             ("a redirect", {"/realm/.well-known/openid-configuration": (302, {}),
                             "headers": {"Location": "https://evil.example/"}}),
             ("an error", {"/realm/.well-known/openid-configuration": (500, {})})]
    with system() as s:
        for what, wrong in cases:
            s.provider.wrong = wrong
            s.server.stop()
            s.server.start()
            answer = s.browser().ask("POST", "/api/sign-in/openid", {})
            tap.equal((answer.status, answer.json["type"]), (502, "urn:coffer:problem:provider-failed"),
                      what)
        # It is left alone for a moment then.
        before = len(s.provider.asked)
        s.provider.ask_right()
        tap.equal(s.browser().ask("POST", "/api/sign-in/openid", {}).status, 502)
        tap.equal(len(s.provider.asked), before)


@tap.test
def a_provider_that_is_not_there_or_slow_stops_nobody_else():
    with system() as s:
        link(s, "ada", "ada-1")
        browser = s.browser()
        back = s.provider.visit(browser.begin())
        s.provider.wrong = {"/token": "stall"}
        connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=60)
        connection.request("GET", back, None, {"Cookie": "; ".join(
            f"{name}={value}" for name, value in browser.cookies.items())})
        tap.until(lambda: "/token" in s.provider.asked, "the code is exchanged")
        tap.equal(s.server.ask("/api/me").status, 200, "others are answered meanwhile")
        connection.close()  # whoever does not wait ends it
        s.provider.go.set()
        for status, word in ((500, "unreachable"), (503, "unreachable"), (403, "refused")):
            s.provider.wrong = {"/token": (status, {})}
            tap.equal(s.browser().sign_in(), f"/app/sign-in?openid={word}", status)
        s.provider.wrong = {"/token": (400, {"error": "<script>" * 100})}
        tap.equal(s.browser().sign_in(), "/app/sign-in?openid=refused")
        s.provider.ask_right()
        tap.equal(s.browser().sign_in(), "/app/files")
    other = tempfile.mkdtemp()
    with system(ca_file=openid_provider.certificate(other, "other")[0]) as s:
        tap.equal(s.browser().ask("POST", "/api/sign-in/openid", {}).status, 502)
        tap.equal(s.provider.asked, [], "nothing is asked of who is not believed")


@tap.test
def failures_are_limited_by_where_they_come_from():
    with system() as s:
        link(s, "ada", "ada-1")
        browser = s.browser(same_place=True)
        words = [browser.come_back(openid_provider.CALLBACK + "?state=x&code=x") for _ in range(12)]
        tap.equal(set(words), {"/app/sign-in?openid=state"}, "any page can make a browser do that")
        for _ in range(12):
            answer = browser.ask("POST", "/api/sessions", {"user": f"openid:{browser.place}", "password": "x"})
            tap.equal(answer.status, 401, "no user has the name that they are counted under")
        tap.equal(browser.sign_in(), "/app/files")
        s.provider.wrong = {"back": {"code": "another"}}
        words = [browser.sign_in() for _ in range(12)]
        tap.equal((words[0], words[-1]), ("/app/sign-in?openid=refused", "/app/sign-in?openid=limited"))
        s.provider.ask_right()
        tap.equal(browser.sign_in(), "/app/sign-in?openid=limited")
        tap.equal(s.browser().sign_in(), "/app/files", "others are not")


@tap.test
def web_hooks_that_hang_leave_room_to_sign_in():
    with socket.create_server(("127.0.0.1", 0), backlog=32) as hanging:
        hanging.settimeout(30)
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}/"
        with system(options=("--hook-destinations", url)) as s:
            link(s, "ada", "ada-1")
            for number in range(20):
                answer = s.admin("POST", "/api/hooks", {"name": f"h{number}", "url": url, "kinds": ["create"]})
                tap.equal(answer.status, 201, answer)
            tap.equal(s.admin("POST", "/api/folders", {"name": "new", "parent": "root"}).status, 201)
            with contextlib.ExitStack() as stack:
                for _ in range(8):
                    stack.enter_context(hanging.accept()[0])
                tap.equal(s.browser().sign_in(), "/app/files")


@tap.test
def nobody_is_added_unless_the_settings_say_so():
    with system() as s:
        tap.equal(s.browser().sign_in(), "/app/sign-in?openid=unknown")
        # The same name or address of mail is not the same person.
        s.provider.claims = {"sub": "eve-1", "preferred_username": "admin", "email": "admin"}
        tap.equal(s.browser().sign_in(), "/app/sign-in?openid=unknown")
        refusals = [e["detail"] for e in s.admin("GET", "/api/audit?limit=10").json["items"]]
        tap.true("not linked with a user: eve-1" in refusals, refusals)
    with system(create=True, create_group="staff") as s:
        s.provider.claims = {"sub": "bob-1", "preferred_username": "bob"}
        for groups in (None, [], ["staff2"], "guests", [["staff"]], {"staff": True}):
            s.provider.claims["groups"] = groups
            tap.equal(s.browser().sign_in(), "/app/sign-in?openid=unknown", groups)
        s.provider.claims["groups"] = ["other", "staff"]
        browser = s.browser()
        tap.equal(browser.sign_in(), "/app/files")
        tap.equal((browser.me(), browser.ask("GET", "/api/me").json["role"]), ("bob", "user"))
        tap.equal(s.server.ask("/api/me", auth="bob:!").status, 401, "no password is bob's")
        for name in ("admin", "bob", "anyone", "no name", "", None, 7, "x" * 65):
            s.provider.claims = {"sub": "eve-1", "preferred_username": name, "groups": "staff"}
            tap.equal(s.browser().sign_in(), "/app/sign-in?openid=name", name)
        # Removed, the identity goes too: the next who signs in is a new user.
        tap.equal(s.admin("DELETE", "/api/users/bob").status, 204)
        tap.equal(browser.me(), None)
        s.provider.claims = {"sub": "bob-1", "preferred_username": "bobby", "groups": "staff"}
        tap.equal(browser.sign_in(), "/app/files")
        tap.equal(browser.me(), "bobby")


@tap.test
def groups_follow_the_provider_where_the_settings_name_them():
    groups = {"lawyers": "legal", "partners": "legal", "root": "chiefs", "ghosts": "nowhere"}
    with system(groups=groups, userinfo=True) as s:
        link(s, "ada", "ada-1")
        for group in ({"name": "legal"}, {"name": "chiefs", "role": "admin"}, {"name": "others"}):
            s.admin("POST", "/api/groups", group)
        s.admin("PUT", "/api/groups/others/members/ada")
        browser = s.browser()
        for said, here in ((["lawyers", "others2"], ["legal", "others"]),
                           (["partners", "root", "ghosts"], ["chiefs", "legal", "others"]),
                           ("root", ["chiefs", "others"]), ({"root": 1}, ["others"]), (None, ["others"])):
            s.provider.userinfo = {"groups": said}  # what the token does not say, UserInfo may
            tap.equal(browser.sign_in(), "/app/files")
            me = browser.ask("GET", "/api/me").json
            tap.equal((sorted(me["groups"]), me["role"]), (here, "admin" if "chiefs" in here else "user"))
        s.provider.userinfo = {"sub": "eve-1", "groups": "root"}
        tap.equal(browser.sign_in(), "/app/sign-in?openid=unverified", "about somebody else")


@tap.test
def a_second_factor_of_ours_is_asked_for_if_the_settings_say_so():
    for setting, asked in (("provider", False), ("ours", True)):
        with system(second_factor=setting) as s:
            linked = link(s, "ada", "ada-1")
            secret = s.server.post("/api/me/second-factor", {}, auth="ada:another-password").json["secret"]
            step = now_step()
            s.server.ask("/api/me/second-factor", "-X", "PUT", "-d",
                         json.dumps({"code": code(secret, step)}), auth="ada:another-password")
            browser = s.browser()
            if not asked:
                tap.equal((browser.sign_in(), browser.me()), ("/app/files", "ada"))
                continue
            tap.equal(browser.ask("POST", "/api/sign-in/openid/code", {"code": "000000"}).status, 401)
            tap.equal(browser.sign_in(**{"return": "/app/trash"}), "/app/sign-in?openid=code")
            tap.equal(browser.me(), None, "not yet")
            ticket = browser.cookies["__Host-coffer-openid"]
            wrong = browser.ask("POST", "/api/sign-in/openid/code", {"code": code(secret, step + 50)})
            tap.equal((wrong.status, wrong.json["type"]), (401, "urn:coffer:problem:second-factor-wrong"))
            tap.equal(browser.me(), None)
            right = browser.ask("POST", "/api/sign-in/openid/code", {"code": code(secret, step + 1)})
            tap.equal((right.status, right.json), (200, {"return": "/app/trash"}))
            tap.equal(browser.me(), "ada")
            # What says who has come back is no way back, and the other way round.
            forged = s.browser()
            forged.begin()
            tap.equal(forged.ask("POST", "/api/sign-in/openid/code", {"code": code(secret, step + 1)}).status,
                      401)
            forged.cookies["__Host-coffer-openid"] = ticket
            tap.equal(forged.come_back(openid_provider.CALLBACK + "?code=x&state=x"),
                      "/app/sign-in?openid=state")
            # Who is unlinked in between does not come in.
            late = s.browser()
            tap.equal(late.sign_in(), "/app/sign-in?openid=code")
            tap.equal(s.admin("DELETE", f"/api/users/ada/identities/{linked['id']}").status, 204)
            refused = late.ask("POST", "/api/sign-in/openid/code", {"code": code(secret, step)})
            tap.equal((refused.status, refused.json["type"]), (401, "urn:coffer:problem:not-signed-in"))


@tap.test
def one_links_oneself_while_the_session_lives():
    with system() as s:
        def signed_in(user):
            browser = s.browser()
            answer = browser.ask("POST", "/api/sessions", {"user": user, "password": "another-password",
                                                           "cookie": True})
            tap.equal(answer.status, 201, answer)
            return browser

        link(s, "ada", "ada-0")
        link(s, "eve", "eve-0")
        ada, eve = signed_in("ada"), signed_in("eve")
        location = ada.ask("POST", "/api/me/identities", {"kind": "openid"}).json["location"]
        tap.equal(ada.come_back(s.provider.visit(location)), "/app/profile?openid=linked")
        tap.equal([one["subject"] for one in ada.ask("GET", "/api/me/identities").json["items"]],
                  ["ada-0", "ada-1"])
        location = eve.ask("POST", "/api/me/identities", {"kind": "openid"}).json["location"]
        tap.equal(eve.come_back(s.provider.visit(location)), "/app/profile?openid=taken")
        s.provider.claims = {"sub": "eve-1"}
        location = eve.ask("POST", "/api/me/identities", {"kind": "openid"}).json["location"]
        ticket = dict(eve.cookies)
        eve.ask("DELETE", "/api/sessions/current")
        eve.cookies = ticket
        tap.equal(eve.come_back(s.provider.visit(location)), "/app/profile?openid=state", "signed out")
        fresh = s.browser()
        tap.equal(fresh.sign_in(), "/app/sign-in?openid=unknown")
        # Not by a token of a program, and not another's.
        token = s.server.post("/api/tokens", {"name": "t", "scopes": ["read", "write"]},
                              auth="ada:another-password").json["token"]
        for method, path in (("POST", "/api/me/identities"), ("DELETE", "/api/me/identities/1")):
            answer = s.server.ask(path, "-X", method, "-H", f"Authorization: Bearer {token}", "-d",
                                  '{"kind":"openid"}', auth="")
            tap.equal((answer.status, answer.json["type"]), (403, "urn:coffer:problem:not-by-token"))
        own = ada.ask("GET", "/api/me/identities").json["items"]
        eve = signed_in("eve")
        tap.equal(eve.ask("DELETE", f"/api/me/identities/{own[0]['id']}").status, 404)
        for path in ("/api/users/ada/identities", f"/api/users/ada/identities/{own[0]['id']}"):
            tap.equal(eve.ask("DELETE" if path[-1] != "s" else "GET", path).status, 403)
        tap.equal(ada.ask("DELETE", f"/api/me/identities/{own[1]['id']}").status, 204)
        tap.equal(ada.me(), "ada", "a session that began with a password goes on")
        for wish in ({}, {"kind": "x", "subject": "y"}, {"kind": "openid"}, {"kind": "openid", "subject": ""},
                     {"kind": "openid", "subject": "x" * 256}, {"kind": "openid", "subject": "a\nb"},
                     {"kind": "openid", "subject": "y", "issuer": ""}):
            tap.equal(s.admin("POST", "/api/users/ada/identities", wish).status, 422, wish)
        again = s.admin("POST", "/api/users/eve/identities", {"kind": "openid", "subject": "ada-0"})
        tap.equal(again.status, 409, "one identity is one user's")


@tap.test
def settings_that_cannot_be_stop_the_start():
    with tempfile.TemporaryDirectory() as place, openid_provider.running(place) as provider:
        good = provider.settings
        secret = os.path.join(place, "secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write("the-secret\n")
        cases = [({"issuer": "http://localhost"}, "issuer"), ({"issuer": "https://"}, "issuer"),
                 ({"issuer": "https://id.example/?x"}, "issuer"), ({"name": None}, "name is missing"),
                 ({"redirect_uri": "https://a.example/other"}, "redirect_uri"),
                 ({"redirect_uri": "http://a.example" + openid_provider.CALLBACK}, "redirect_uri"),
                 ({"unknown": 1}, "unknown"), ({"create": "yes"}, "create"),
                 ({"algorithms": ["HS256"]}, "HS256"), ({"algorithms": []}, "algorithms"),
                 ({"groups": {"a": 1}}, "groups"), ({"max_age_s": -1}, "max_age_s"),
                 ({"second_factor": "none"}, "second_factor"), ({"client_id": "a\nb"}, "client_id"),
                 ({"client_secret_file": secret}, "both"),
                 ({"client_secret": None, "client_secret_file": "/nonexistent"}, "/nonexistent")]
        for change, word in cases:
            path = os.path.join(place, "bad.json")
            value = {k: v for k, v in {**good, **change}.items() if v is not None}
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"openid": value}, file)
            server = dms_server.Server(PROGRAM, place + "/data", "--sign-in", path)
            server.start(must_listen=False)
            tap.equal(server.process.wait(20), 1, change)
            tap.true(word in server.logs() and "bad.json" in server.logs(), server.logs())
            tap.true(provider.secret not in server.logs(), "no secret in the log")
        for text in ("", "[]", '{"openid":{"client_secret":"hush-hush"', '{"other":{}}',
                     '{"openid":[]}', '{"openid":{},"openid":{}}', " " * 70000):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            server = dms_server.Server(PROGRAM, place + "/data", "--sign-in", path)
            server.start(must_listen=False)
            tap.equal(server.process.wait(20), 1, text[:30])
            tap.true("hush" not in server.logs(), "no secret in the log")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"openid": {**{k: v for k, v in good.items() if k != "client_secret"},
                                  "client_secret_file": secret}}, file)
        with dms_server.own_server(PROGRAM, "--sign-in", path) as server:
            tap.equal(server.ask("/api/sign-in", auth="").json["openid"], "Example")
    with dms_server.own_server(PROGRAM) as server:
        tap.equal(server.ask("/api/sign-in", auth="").json, {"openid": None, "certificate": None})
        for method, path in (("POST", "/api/sign-in/openid"), ("GET", openid_provider.CALLBACK),
                             ("POST", "/api/sign-in/openid/code")):
            answer = server.ask(path, "-X", method, "-H", "X-Requested-With: coffer", "-d", "{}", auth="")
            tap.equal(answer.headers.get("location", answer.status),
                      "/app/sign-in?openid=off" if method == "GET" else 409, path)


@tap.test
def the_same_under_a_recorded_policy():
    """What coffer-dms-out needs can be named, and another provider's address is not reached."""
    if len(sys.argv) < 3:
        raise tap.Skip("without the runtime")
    # Not below /tmp, which a recorded policy makes private.
    state = os.environ.get("COFFER_STATE", "/var/tmp")
    os.makedirs(state, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as place, \
            tempfile.TemporaryDirectory() as elsewhere, \
            openid_provider.running(place) as provider, openid_provider.running(elsewhere) as other:
        path, policy = os.path.join(place, "sign-in.json"), os.path.join(place, "policy.yaml")
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = str(held.getsockname()[1])
        for kind, asked in (("--record", provider), ("--policy", provider), ("--policy", other)):
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"openid": {**asked.settings, "ca_file": provider.pem}}, file)
            if asked is other:  # the file is named by its hash
                with open(policy, encoding="utf-8") as file:
                    text = file.read()
                with open(policy, "w", encoding="utf-8") as file:
                    file.write(re.sub(rf'path: "{path}", class: authenticated, digest: [^}}]*',
                                      f'path: "{path}", class: host, read_only: true', text))
            server = dms_server.Server(PROGRAM, place + "/data", "--port", port, "--sign-in", path)
            environment = server.environment.items() if kind == "--record" else ()
            server.prefix = [sys.argv[2], "run", kind, policy,
                             *(f"--env={name}={value}" for name, value in environment), "--"]
            s = System()
            s.server, s.provider = server, asked
            try:
                server.start()
                if kind == "--record":
                    link(s, "ada", "ada-1")
                browser = s.browser()
                if asked is provider:
                    tap.equal((browser.sign_in(), browser.me()), ("/app/files", "ada"))
                else:
                    tap.equal(browser.ask("POST", "/api/sign-in/openid", {}).status, 502)
                    tap.equal(other.asked, [])
                tap.equal(server.stop(), 0)
            finally:
                server.close()


if __name__ == "__main__":
    tap.main()
