#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""WebDAV, class 1 and 2, judged by litmus, used by cadaver and by a mounted file system, and
compared with what REST says: dms_dav.py COFFER_DMS"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import xml.etree.ElementTree as xml

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""
WORK = f"dav-{os.getpid()}"
DAV = "{DAV:}"
LOCKINFO = ('<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:%s/></D:lockscope><D:locktype><D:write/>'
            '</D:locktype><D:owner><D:href>mailto:a@b</D:href></D:owner></D:lockinfo>')


def dav(server, method, path, *headers, body=None, auth=None):
    options = ["-X", method] + [word for header in headers for word in ("-H", header)]
    if body is not None:
        options += ["--data-binary", "@-", "-H", "Content-Type: application/xml"]
    return server.ask("/dav/" + path, *options, auth=auth,
                      stdin=body.encode() if isinstance(body, str) else body)


def made(server, *path):
    at = WORK
    dav(server, "MKCOL", at)
    for name in path:
        at += "/" + name
        tap.equal(dav(server, "MKCOL", at).status, 201)
    return at


def put(server, path, content, *headers, auth=None):
    return dav(server, "PUT", path, *headers, body=content, auth=auth)


def hrefs(answer):
    return [node.text for node in xml.fromstring(answer.body).iter(DAV + "href")]


def lock(server, path, *headers, scope="exclusive", auth=None):
    return dav(server, "LOCK", path, "Timeout: Second-300", *headers, body=LOCKINFO % scope,
               auth=auth)


def token(answer):
    return answer.headers["lock-token"]


def node_of(server, path):
    """What REST says about the same document."""
    folder, _, name = path.rpartition("/")
    page = server.ask(f"/api/files/{folder}").json
    return next(item for item in page["items"] if item["name"] == name)


@tap.test
def litmus_is_content():
    with dms_server.server(PROGRAM) as server:
        user, _, password = server.auth.partition(":")
        with tempfile.TemporaryDirectory() as place:
            done = subprocess.run(["litmus", "-k", server.url + "/dav/", user, password],
                                  cwd=place, capture_output=True, text=True, check=False,
                                  timeout=200)
        summaries = re.findall(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed",
                               done.stdout)
        tap.equal({name for name, *_ in summaries}, {"basic", "copymove", "props", "locks", "http"})
        tap.equal(sum(int(failed) for *_, failed in summaries), 0, done.stdout)
        tap.equal(sum(int(run) for _, run, *_ in summaries) >= 100, True)
        tap.equal("WARNING" in done.stdout, False, done.stdout)


@tap.test
def cadaver_works():
    with dms_server.server(PROGRAM) as server, tempfile.TemporaryDirectory() as home:
        made(server)
        user, _, password = server.auth.partition(":")
        host = re.sub(r"^https?://([^:/]*).*", r"\1", server.url)
        with open(home + "/.netrc", "w", encoding="ascii") as netrc:
            netrc.write(f"machine {host} login {user} password {password}\n")
        os.chmod(home + "/.netrc", 0o600)
        with open(home + "/letter.txt", "w", encoding="ascii") as letter:
            letter.write("Dear reader\n")
        script = "\n".join(["mkcol c", "cd c", "put letter.txt", "lock letter.txt",
                            "propset letter.txt colour blue", "propget letter.txt colour",
                            "unlock letter.txt", "copy letter.txt second.txt",
                            "move second.txt third.txt", "ls", "get third.txt back.txt",
                            "delete third.txt", "ls", "quit"]) + "\n"
        done = subprocess.run(["cadaver", f"{server.url}/dav/{WORK}/"], input=script, text=True,
                              cwd=home, env={**os.environ, "HOME": home}, capture_output=True,
                              check=False, timeout=60)
        tap.equal("failed" in done.stdout or "Error" in done.stdout, False, done.stdout)
        tap.equal("blue" in done.stdout, True, done.stdout)
        tap.equal(open(home + "/back.txt", encoding="ascii").read(), "Dear reader\n")
        names = [item["name"] for item in server.ask(f"/api/files/{WORK}/c").json["items"]]
        tap.equal(names, ["letter.txt"])


MOUNTED = """
mount --bind "$1/conf" /etc/davfs2/davfs2.conf && mount --bind "$1/secrets" /etc/davfs2/secrets || exit 77
mount.davfs "$2" "$1/m" || exit 77
cd "$1/m" || exit 1
mkdir reports && seq 5000 > reports/one.txt && cp reports/one.txt copy.txt &&
    mv reports/one.txt reports/two.txt && rm copy.txt && cmp -n 5 reports/two.txt - <<END
1
2
3
END
result=$?
cd / && umount "$1/m" && exit $result
"""


@tap.test
def a_mounted_folder_works():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not shutil.which("mount.davfs"):
        raise tap.Skip("davfs2 needs root and FUSE")
    with dms_server.server(PROGRAM) as server, tempfile.TemporaryDirectory() as place:
        if not server.url.startswith("http://"):
            raise tap.Skip("only with the server of this test")
        made(server)
        os.mkdir(place + "/m")
        user, _, password = server.auth.partition(":")
        url = f"{server.url}/dav/{WORK}/"
        with open(place + "/secrets", "w", encoding="ascii") as secrets:
            secrets.write(f'"{url}" {user} "{password}"\n')
        os.chmod(place + "/secrets", 0o600)
        with open(place + "/conf", "w", encoding="ascii") as conf:
            conf.write("delay_upload 0\ndav_user root\ndav_group root\n")
        # In a mount namespace of its own, where davfs2 has our settings.
        done = subprocess.run(["unshare", "-m", "sh", "-c", MOUNTED, "sh", place, url],
                              capture_output=True, text=True, check=False, timeout=100)
        if done.returncode == 77:
            raise tap.Skip("davfs2 cannot mount here: " + done.stderr.strip()[:200])
        tap.equal(done.returncode, 0, done.stderr)
        content = server.ask(f"/api/files/{WORK}/reports/two.txt")
        tap.equal(content.body.split()[-1], b"5000")
        names = [item["name"] for item in server.ask(f"/api/files/{WORK}").json["items"]]
        tap.equal("copy.txt" in names, False)


@tap.test
def put_adds_versions_and_delete_fills_the_trash():
    with dms_server.server(PROGRAM) as server:
        at = made(server) + "/note.txt"
        tap.equal(put(server, at, b"first").status, 201)
        again = put(server, at, b"second")
        tap.equal(again.status, 204)
        node = node_of(server, at)
        tap.equal(node["version"], 2)
        tap.equal(again.headers["etag"], node["etag"])
        tap.equal(server.ask(f"/api/documents/{node['id']}/versions/1/content").body, b"first")
        tap.equal(dav(server, "GET", at).body, b"second")
        tap.equal(dav(server, "DELETE", at).status, 204)
        tap.equal(dav(server, "GET", at).status, 404)
        trashed = [item["id"] for item in server.ask("/api/trash").json["items"]]
        tap.equal(node["id"] in trashed, True)


@tap.test
def saving_by_renaming_keeps_the_history():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "saving")
        put(server, at + "/book.odt", b"old")
        before = node_of(server, at + "/book.odt")
        put(server, at + "/.tmp", b"new")
        moved = dav(server, "MOVE", at + "/.tmp", f"Destination: {server.url}/dav/{at}/book.odt")
        tap.equal(moved.status, 204)
        after = node_of(server, at + "/book.odt")
        tap.equal((after["id"], after["version"]), (before["id"], 2))
        tap.equal(server.ask(f"/api/documents/{after['id']}/versions/1/content").body, b"old")
        tap.equal(len(server.ask(f"/api/files/{at}").json["items"]), 1)


@tap.test
def copies_are_whole_or_nothing():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "tree")
        dav(server, "MKCOL", at + "/inner")
        put(server, at + "/inner/a.txt", b"a")
        home = f"Destination: {server.url}/dav/{WORK}"
        tap.equal(dav(server, "COPY", at, f"{home}/copy").status, 201)
        tap.equal(dav(server, "GET", f"{WORK}/copy/inner/a.txt").body, b"a")
        tap.equal(dav(server, "COPY", at, f"{home}/copy", "Overwrite: F").status, 412)
        tap.equal(dav(server, "COPY", at, f"{home}/tree/inner/x").status, 403, "into itself")
        tap.equal(dav(server, "COPY", at + "/inner", f"{home}/tree").status, 403, "over its folder")
        tap.equal(dav(server, "COPY", at, f"{home}/none/x").status, 409)
        tap.equal(dav(server, "COPY", at, "Destination: http://other.example/dav/x").status, 502)
        tap.equal(dav(server, "COPY", at, "Destination: /api/files/x").status, 502)
        tap.equal(dav(server, "MOVE", at, "Depth: 0", f"{home}/moved").status, 400)
        tap.equal(dav(server, "MOVE", "", f"{home}/moved").status, 403)
        # Deeper than folders may be: nothing of it stays.
        deep = at
        for number in range(40):
            deep += f"/{number}"
            tap.equal(dav(server, "MKCOL", deep).status, 201)
        tap.equal(dav(server, "COPY", at, f"Destination: {server.url}/dav/{deep}/x").status, 403)
        dav(server, "MKCOL", f"{WORK}/other")
        low = f"{WORK}/other"
        for number in range(30):
            low += f"/{number}"
            dav(server, "MKCOL", low)
        tap.equal(dav(server, "COPY", at, f"Destination: {server.url}/dav/{low}/x").status, 400)
        tap.equal(server.ask(f"/api/files/{low}").json["items"], [])


@tap.test
def locks_keep_others_out():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "locks") + "/l.txt"
        put(server, at, b"1")
        held = lock(server, at)
        tap.equal(held.status, 200)
        refused = put(server, at, b"2")
        tap.equal(refused.status, 423)
        tap.equal("lock-token-submitted" in refused.body.decode(), True)
        tap.equal(hrefs(refused), ["/dav/" + at])
        tap.equal(put(server, at, b"2", f"If: ({token(held)})").status, 204)
        tap.equal(dav(server, "DELETE", at).status, 423)
        tap.equal(dav(server, "DELETE", os.path.dirname(at)).status, 423, "with its folder")
        moved = f"Destination: {server.url}/dav/{WORK}/moved.txt"
        tap.equal(dav(server, "MOVE", at, moved).status, 423)
        tap.equal(dav(server, "COPY", at, moved).status, 201, "reading is free")
        tap.equal(lock(server, at).status, 423)
        tap.equal(lock(server, at, scope="shared").status, 423)
        # A token works for its user only.
        name = f"{WORK}-else"
        server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "user"})
        server.ask("/api/me/password", "-X", "PUT", "-d",
                   '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
        other = f"{name}:another-password"
        tap.equal(put(server, at, b"3", f"If: ({token(held)})", auth=other).status, 423)
        tap.equal(dav(server, "UNLOCK", at, f"Lock-Token: {token(held)}", auth=other).status, 403)
        renewed = dav(server, "LOCK", at, f"If: ({token(held)})", "Timeout: Infinite")
        tap.equal(renewed.status, 200)
        tap.equal("Second-3600" in renewed.body.decode(), True, renewed)
        tap.equal(dav(server, "UNLOCK", at, "Lock-Token: <urn:none>").status, 409)
        tap.equal(dav(server, "UNLOCK", at, f"Lock-Token: {token(held)}").status, 204)
        tap.equal(put(server, at, b"4").status, 204)


@tap.test
def a_folders_lock_covers_what_is_in_it():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "deep")
        dav(server, "MKCOL", at + "/inner")
        held = lock(server, at, "Depth: infinity")
        tap.equal(put(server, at + "/inner/x", b"x").status, 423)
        tap.equal(put(server, at + "/inner/x", b"x", f"If: <{server.url}/dav/{at}> ({token(held)})")
                  .status, 201)
        tap.equal(lock(server, at + "/inner/x").status, 423)
        dav(server, "UNLOCK", at, f"Lock-Token: {token(held)}")
        flat = lock(server, at, "Depth: 0")
        tap.equal(put(server, at + "/y", b"y").status, 423, "members are the folder's")
        tap.equal(put(server, at + "/inner/y", b"y").status, 201)
        dav(server, "UNLOCK", at, f"Lock-Token: {token(flat)}")


@tap.test
def locks_outlive_a_restart_and_names():
    if dms_server.is_foreign():
        raise tap.Skip("needs a server of its own")
    with dms_server.own_server(PROGRAM) as server:
        at = made(server) + "/new.txt"
        held = lock(server, at)
        tap.equal(held.status, 201, "locking a free name makes an empty document")
        server.stop()
        server.start()
        tap.equal(put(server, at, b"2").status, 423)
        tap.equal(put(server, at, b"2", f"If: ({token(held)})").status, 204)
        moved = dav(server, "MOVE", at, f"Destination: {server.url}/dav/{WORK}/other.txt",
                    f"If: ({token(held)})")
        tap.equal(moved.status, 201)
        tap.equal(put(server, f"{WORK}/other.txt", b"3").status, 204, "a lock stays with its URL")


@tap.test
def properties_live_with_their_document():
    patch = ('<D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:z"><D:set><D:prop><z:a q="1">x&amp;y'
             '<z:b/></z:a></D:prop></D:set>%s</D:propertyupdate>')
    ask = ('<D:propfind xmlns:D="DAV:" xmlns:z="urn:z"><D:prop><z:a/><D:getcontentlength/>'
           '<z:none/></D:prop></D:propfind>')
    with dms_server.server(PROGRAM) as server:
        at = made(server) + "/p.txt"
        put(server, at, b"12345")
        protected = dav(server, "PROPPATCH", at,
                        body=patch % "<D:remove><D:prop><D:getetag/></D:prop></D:remove>")
        tap.equal(protected.status, 207)
        tap.equal("424" in protected.body.decode() and "403" in protected.body.decode(), True)
        tap.equal(dav(server, "PROPFIND", at, "Depth: 0", body=ask).body.count(b"x&amp;y"), 0)
        tap.equal(dav(server, "PROPPATCH", at, body=patch % "").status, 207)
        found = xml.fromstring(dav(server, "PROPFIND", at, "Depth: 0", body=ask).body)
        value = found.find(".//{urn:z}a")
        tap.equal((value.text, value.get("q"), value[0].tag), ("x&y", "1", "{urn:z}b"))
        tap.equal(found.find(f".//{DAV}getcontentlength").text, "5")
        stats = found.findall(f".//{DAV}propstat")
        tap.equal([stat.find(DAV + "status").text for stat in stats],
                  ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"])


@tap.test
def a_large_folder_is_listed_whole():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "many")
        with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
            for number in range(1200):
                config.write(f'url = "{server.url}/dav/{at}/n%20{number:04}"\nrequest = "PUT"\n'
                             'data = "x"\noutput = "/dev/null"\n')
            config.flush()
            command = [word for word in server.command("", "-K", config.name) if word != server.url]
            subprocess.run(command, check=True, timeout=200)
        listed = hrefs(dav(server, "PROPFIND", at, "Depth: 1"))
        tap.equal(len(listed), 1201)
        tap.equal(listed[0], f"/dav/{at}/")
        tap.equal(sorted(listed), listed)
        infinite = dav(server, "PROPFIND", at)
        tap.equal(infinite.status, 403)
        tap.equal("propfind-finite-depth" in infinite.body.decode(), True)


def reader(server, name):
    """A user of one's own, "name:password"."""
    server.post("/api/users", {"name": name, "password": "one-time-word-1", "role": "user"})
    server.ask("/api/me/password", "-X", "PUT", "-d",
               '{"old":"one-time-word-1","new":"another-password"}', auth=f"{name}:one-time-word-1")
    return f"{name}:another-password"


def give(server, path, user, permission):
    """Makes this the one entry of the object's access list that counts for the user."""
    key = server.ask(f"/cmis/browser/coffer/root/{path}?cmisselector=object&succinct=true") \
        .json["succinctProperties"]["cmis:objectId"]
    form = urllib.parse.urlencode({
        "cmisaction": "applyACL", "objectId": key, "removeACEPrincipal[0]": "anyone",
        "removeACEPermission[0][0]": "cmis:all",
        **({"addACEPrincipal[0]": user, "addACEPermission[0][0]": permission} if permission
           else {})})
    tap.equal(server.ask("/cmis/browser/coffer/root", "-d", form).status, 200)


@tap.test
def what_one_may_only_read_cannot_be_written():
    """Each method that writes, to the thing itself and to the folder that names it."""
    with dms_server.server(PROGRAM) as server:
        at = made(server, "rights", "inner")
        other = made(server, "writable")
        outer = os.path.dirname(at)
        put(server, at + "/a.txt", b"a")
        user = reader(server, f"{WORK}-reader")
        mine = user.split(":")[0]
        put(server, other + "/mine.txt", b"mine", auth=user)
        give(server, outer, mine, "cmis:read")
        to = f"Destination: {server.url}/dav/{other}/x"
        into = f"Destination: {server.url}/dav/{at}/x"
        over = f"Destination: {server.url}/dav/{at}/a.txt"
        patch = ('<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><z xmlns="urn:z">1</z></D:prop>'
                 '</D:set></D:propertyupdate>')
        for method, path, *headers in (
                ("PUT", at + "/a.txt"), ("PUT", at + "/new.txt"), ("DELETE", at + "/a.txt"),
                ("DELETE", at), ("MKCOL", at + "/new"), ("MOVE", at + "/a.txt", to),
                ("MOVE", at, to), ("MOVE", other + "/mine.txt", into),
                ("MOVE", other + "/mine.txt", over), ("COPY", other + "/mine.txt", into),
                ("COPY", other + "/mine.txt", over), ("PROPPATCH", at + "/a.txt"),
                ("PROPPATCH", at), ("LOCK", at + "/a.txt"), ("LOCK", at + "/new.txt"),
                ("LOCK", at)):
            body = {"PUT": b"b", "PROPPATCH": patch, "LOCK": LOCKINFO % "exclusive"}.get(method)
            answer = dav(server, method, path, *headers, body=body, auth=user)
            tap.equal(answer.status, 403, f"{method} {path} {headers}: {answer}")
        tap.equal(dav(server, "GET", at + "/a.txt", auth=user).body, b"a", "read it may be")
        tap.equal(dav(server, "PROPFIND", at, "Depth: 1", auth=user).status, 207)
        tap.equal(dav(server, "COPY", at + "/a.txt", to, auth=user).status, 201)
        names = [item["name"] for item in server.ask(f"/api/files/{at}").json["items"]]
        tap.equal(names, ["a.txt"])
        # Who may write a document of a folder that is not theirs: the document, not the folder.
        give(server, at + "/a.txt", mine, "cmis:write")
        tap.equal(put(server, at + "/a.txt", b"c", auth=user).status, 204)
        tap.equal(dav(server, "DELETE", at + "/a.txt", auth=user).status, 403)
        tap.equal(dav(server, "MOVE", at + "/a.txt", to, auth=user).status, 403)


@tap.test
def a_copy_has_what_its_maker_may_see():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "seen")
        for folder in ("open", "hidden"):
            dav(server, "MKCOL", f"{at}/{folder}")
            put(server, f"{at}/{folder}/in.txt", folder.encode())
        put(server, at + "/open.txt", b"open")
        put(server, at + "/hidden.txt", b"hidden")
        user = reader(server, f"{WORK}-copier")
        give(server, at + "/hidden.txt", "", None)
        give(server, at + "/hidden", "", None)
        done = dav(server, "COPY", at, f"Destination: {server.url}/dav/{WORK}/seen-copy", auth=user)
        tap.equal(done.status, 201, repr(done))
        copied = [item["name"] for item in server.ask(f"/api/files/{WORK}/seen-copy").json["items"]]
        tap.equal(sorted(copied), ["open", "open.txt"])
        tap.equal(dav(server, "GET", f"{WORK}/seen-copy/open/in.txt").body, b"open")
        whole = dav(server, "COPY", at, f"Destination: {server.url}/dav/{WORK}/seen-all")
        tap.equal(whole.status, 201)
        copied = [item["name"] for item in server.ask(f"/api/files/{WORK}/seen-all").json["items"]]
        tap.equal(sorted(copied), ["hidden", "hidden.txt", "open", "open.txt"])


@tap.test
def what_must_be_kept_is_kept_here_too():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "kept", "inner")
        put(server, at + "/k.txt", b"k")
        put(server, at + "/other.txt", b"o")
        key = node_of(server, at + "/k.txt")["id"]
        held = server.ask(f"/api/documents/{key}/retention", "-X", "PUT", "-d",
                          '{"until_ms":4000000000000}')
        tap.equal(held.status, 200, repr(held))
        outer = os.path.dirname(at)
        for method, path, *headers in (
                ("DELETE", at + "/k.txt"), ("DELETE", at), ("DELETE", outer),
                ("COPY", outer, f"Destination: {server.url}/dav/{WORK}/kept-2")):
            answer = dav(server, method, path, *headers)
            tap.equal(answer.status, 201 if method == "COPY" else 409, f"{method} {path}: {answer}")
        folder = f"{WORK}/kept-2"
        answer = dav(server, "MOVE", folder, f"Destination: {server.url}/dav/{outer}")
        tap.equal(answer.status, 409, "over the folder that holds it")
        tap.equal(dav(server, "GET", at + "/k.txt").body, b"k")
        tap.equal(put(server, at + "/k.txt", b"more").status, 204, "a version more")
        tap.equal(server.ask(f"/api/documents/{key}/versions/1/content").body, b"k")


@tap.test
def what_is_wrong_is_refused():
    with dms_server.server(PROGRAM) as server:
        at = made(server, "wrong")
        for body, status in [
                ("<a", 400), ("<a/>", 400), ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 400),
                ("<D:lockinfo xmlns:D='DAV:'/>", 400), ("<x>" * 200, 400),
                ("<!--" + "x" * 70000 + "-->", 413)]:
            for method in ("PROPFIND", "PROPPATCH", "LOCK"):
                answer = dav(server, method, at, "Depth: 0", body=body)
                tap.equal(answer.status, status, f"{method} {body[:40]}: {answer}")
        for header in ("If: (", "If: ()", "If: <a>", "If: (x)", "If: (<a>) x"):
            tap.equal(put(server, at + "/a", b"x", header).status, 400)
        tap.equal(put(server, at + "/b", b"x", "If: (<urn:none>)").status, 412)
        tap.equal(put(server, at + "/b", b"x", "If: (Not <urn:none>)").status, 201)
        tap.equal(put(server, at + "/b", b"x", "If-None-Match: *").status, 412)
        tap.equal(put(server, at + "/c/d", b"x").status, 409)
        tap.equal(put(server, at, b"x").status, 405)
        tap.equal(put(server, at + "/b", b"x", "Content-Range: bytes 0-0/5").status, 400)
        tap.equal(dav(server, "PROPFIND", at, "Depth: 7").status, 400)
        tap.equal(dav(server, "DELETE", "").status, 403)
        tap.equal(dav(server, "DELETE", at, "Depth: 0").status, 400)
        tap.equal(dav(server, "PROPFIND", at, "Depth: 0", auth="").status, 401)
        options = dav(server, "OPTIONS", "", auth="")
        tap.equal((options.status, options.headers["dav"]), (200, "1, 2"))
        tap.equal(server.ask("/dav", "-X", "PROPFIND", "-H", "Depth: 0").status, 207)
        tap.equal(server.ask("/davx", "-X", "PROPFIND", "-H", "Depth: 0").status, 404)


tap.main()
