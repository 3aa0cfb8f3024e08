# SPDX-License-Identifier: Apache-2.0
"""Debian's cmis-client (libcmis) with all its commands over AtomPub 1.1, AtomPub 1.0 and Web
Services; what it says is compared with what REST says: cmis_libcmis.py COFFER_DMS"""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

import dms_server
import tap

BINDINGS = {"AtomPub": "/cmis/atom", "AtomPub_1.0": "/cmis/atom10",
            "SOAP": "/cmis/services/RepositoryService?wsdl"}


class Client:
    def __init__(self, server, binding, place):
        self.server, self.binding, self.place = server, binding, place
        self.user, self.password = server.auth.split(":", 1)

    def run(self, *arguments, password=None):
        """What it prints; libcmis needs an own home for its cookies and certificates."""
        done = subprocess.run(
            ["cmis-client", "--url", self.server.url + BINDINGS[self.binding], "-u", self.user,
             "-p", self.password if password is None else password, "-r", "coffer",
             *(["--no-ssl-check"] if self.server.ca else []), *arguments],
            capture_output=True, text=True, timeout=120, check=False, cwd=self.place,
            env={**os.environ, "HOME": self.place, "no_proxy": "*"})
        return done.returncode, done.stdout + done.stderr

    def do(self, *arguments):
        status, said = self.run(*arguments)
        if status != 0 or "Unable" in said or "Errors:" in said:
            raise AssertionError(f"{arguments}: exit {status}: {said}")
        return said

    def fails(self, *arguments):
        """It must print a refusal; libcmis's exit status tells nothing."""
        status, said = self.run(*arguments)
        tap.true(status != 0 or "Id:" not in said, f"{arguments} must fail: {said}")
        return said

    def file(self, name, content):
        path = os.path.join(self.place, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def written(self):
        """What is in the files here."""
        found = []
        for item in os.scandir(self.place):
            if item.is_file():
                with open(item.path, "rb") as file:
                    found.append(file.read())
        return found

    def rest(self, path, *options):
        return self.server.ask("/api/files/" + urllib.parse.quote(path), *options)


def number_of(said):
    return re.search(r"^Id: (.*)$", said, re.M).group(1)


def fact(said, name):
    return re.search(rf"^{name}: (.*)$", said, re.M).group(1)


def shows_the_repository(client):
    tap.true("Coffer (coffer)" in client.do("list-repos"), "its list")
    said = client.do("repo-infos")
    wanted = "1.0" if client.binding == "AtomPub_1.0" else "1.1"
    tap.equal(fact(said, "Supported CMIS Version"), wanted)
    tap.true("ACL: manage" in said, said)
    root = client.do("show-root")
    tap.equal((fact(root, "Id"), fact(root, "Type")), (said.split("Root Id:")[1].split()[0],
                                                      "cmis:folder"))
    said = client.do("type-by-id", "cmis:document", "cmis:folder")
    tap.true("cmis:contentStreamLength" in said and "cmis:path" in said, "the properties")


def goes_through_the_life_of_a_document(client):
    top = f"client {client.binding}"
    folder = number_of(client.do("create-folder", "1", top))
    content = dms_server.noise(70_000)
    name = "ein Stück & <Text>.bin"
    said = client.do("create-document", folder, name, "--input-file",
                     client.file("in.bin", content), "--input-type", "application/x-test",
                     "--input-name", "in.bin")
    number = number_of(said)
    tap.equal(fact(said, "Name"), name)
    tap.true(client.rest(f"{top}/{name}").body == content, "what REST says of its content")
    tap.equal(number_of(client.do("show-by-id", number)), number)
    tap.equal(number_of(client.do("show-by-path", f"/{top}/{name}")), number)
    os.unlink(os.path.join(client.place, "in.bin")) # AtomPub of libcmis sends no file name
    client.do("get-content", number)
    tap.true(content in client.written(), "get-content wrote it")
    other = dms_server.noise(5_000, 2)
    client.do("set-content", number, "--input-file", client.file("in.bin", other),
              "--input-type", "application/x-test", "--input-name", "new.bin")
    tap.true(client.rest(f"{top}/{name}").body == other, "set-content")
    client.do("update-object", number, "--object-property", "cmis:name=renamed.bin")
    tap.true(client.rest(f"{top}/renamed.bin").body == other, "update-object")
    inner = number_of(client.do("create-folder", folder, "inner"))
    client.do("move-object", number, folder, inner)
    tap.true(client.rest(f"{top}/inner/renamed.bin").body == other, "move-object")
    tap.equal(client.rest(f"{top}/renamed.bin").status, 404)
    client.do("delete", number)
    tap.equal(client.rest(f"{top}/inner/renamed.bin").status, 404)
    client.do("delete", folder)
    tap.equal(client.rest(top).status, 404)


def checks_out_and_in(client):
    top = f"versions {client.binding}"
    folder = number_of(client.do("create-folder", "1", top))
    number = number_of(client.do("create-document", folder, "v.txt", "--input-file",
                                 client.file("v1", b"one"), "--input-type", "text/plain"))
    copy = number_of(client.do("checkout", number))
    tap.true(copy != number, "a private working copy")
    client.do("cancel-checkout", copy)
    copy = number_of(client.do("checkout", number))
    said = client.do("checkin", copy, "-m", "why", "--major", "--input-file",
                     client.file("v2", b"two"), "--input-type", "text/plain")
    tap.true(client.rest(f"{top}/v.txt").body == b"two", "the new version's content")
    said = client.do("get-versions", number_of(said))
    tap.true(len(re.findall(r"^Id: ", said, re.M)) >= 2, said)
    nodes = json.loads(client.rest(top).body)["items"]
    tap.equal([n["name"] for n in nodes], ["v.txt"])
    tap.true(nodes[0]["version"] > 1, "REST knows a new version")


def tells_why_something_fails(client):
    client.fails("show-by-id", "99999999")
    client.fails("show-by-path", "/no/such/path")
    _, said = client.run("show-root", password="wrong password")
    tap.true("Id:" not in said, "a wrong password shows nothing")


STEPS = [shows_the_repository, goes_through_the_life_of_a_document, checks_out_and_in,
         tells_why_something_fails]


def register(step, binding):
    def run(server):
        if not shutil.which("cmis-client"):
            raise tap.Skip("there is no cmis-client here")
        with tempfile.TemporaryDirectory() as place:
            step(Client(server, binding, place))
    run.__name__ = f"{binding}: {step.__name__}"
    tap.test(run)


for one_binding in BINDINGS:
    for one in STEPS:
        register(one, one_binding)


@contextlib.contextmanager
def fixture():
    with dms_server.server(sys.argv[1]) as server:
        yield server


if __name__ == "__main__":
    tap.main(fixture)
