#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The web interface in Debian's Firefox, at desktop and phone width: browser_firefox.py COFFER_DMS

A smoke test: signing in, folders, previews, dialogs, tiles, types, languages; no script fails and
nothing breaks the content security policy. Firefox is driven by its own Marionette protocol, whose
messages are WebDriver's (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import dms_server
import tap

PROGRAM = sys.argv[1]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, 12.1
PREFERENCES = {"marionette.port": 0, "datareporting.policy.dataSubmissionEnabled": False,
               "app.update.disabledForTesting": True, "network.captive-portal-service.enabled": False,
               "network.connectivity-service.enabled": False, "browser.startup.page": 0,
               "intl.accept_languages": "en-GB"}


class Firefox:
    def __init__(self, profile):
        with open(os.path.join(profile, "user.js"), "w", encoding="ascii") as file:
            for name, value in PREFERENCES.items():
                file.write(f'user_pref("{name}", {json.dumps(value)});\n')
        self.process = subprocess.Popen(
            ["firefox-esr", "--headless", "--marionette", "--no-remote", "--profile", profile],
            env={**os.environ, "HOME": profile}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        place = os.path.join(profile, "MarionetteActivePort")
        port = tap.until(lambda: os.path.exists(place) and open(place, encoding="ascii").read(),
                         "Firefox listens", 60)
        self.stream = socket.create_connection(("127.0.0.1", int(port)))
        self.stream.settimeout(60)
        self.buffer, self.number = b"", 0
        tap.equal(self.receive()["marionetteProtocol"], 3)
        self.command("WebDriver:NewSession", capabilities={})

    def receive(self):
        while True:
            size, colon, rest = self.buffer.partition(b":")
            if colon and len(rest) >= int(size):
                self.buffer = rest[int(size):]
                return json.loads(rest[:int(size)])
            more = self.stream.recv(1 << 16)
            if not more:
                raise ConnectionError("Firefox has gone")
            self.buffer += more

    def command(self, name, **parameters):
        self.number += 1
        message = json.dumps([0, self.number, name, parameters]).encode()
        self.stream.sendall(b"%d:%s" % (len(message), message))
        kind, number, error, result = self.receive()
        tap.equal((kind, number), (1, self.number))
        if error:
            raise AssertionError(f"{name}: {error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def script(self, text, *arguments):
        return self.command("WebDriver:ExecuteScript", script=text, args=list(arguments))

    def close(self):
        with contextlib.suppress(Exception):
            self.command("Marionette:Quit", flags=["eForceQuit"])
        self.stream.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# What a person sees and names: the first shown element with that accessible text.
FIND = """
const [selector, text] = arguments;
const shown = (it) => it.checkVisibility() && it.getBoundingClientRect().width > 0;
const name = (it) => (it.getAttribute("aria-label") ?? it.innerText ?? "").trim();
const dialogs = [...document.querySelectorAll("dialog[open]")];
const root = dialogs.length ? dialogs[dialogs.length - 1] : document;
return [...root.querySelectorAll(selector)].find((it) => shown(it) && (text === null || name(it) === text)) ?? null;
"""
# A ResizeObserver that sees the change it made in the next frame is no failure, though Firefox tells it.
WATCH = """
if (window.problems) return;
window.problems = [];
addEventListener("error", (event) => event.message.startsWith("ResizeObserver loop") || problems.push(`script: ${event.message}`));
addEventListener("unhandledrejection", (event) => problems.push(`promise: ${event.reason}`));
addEventListener("securitypolicyviolation", (event) => problems.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""


class Page:
    def __init__(self, firefox, url):
        self.firefox, self.url = firefox, url

    def go(self, path):
        self.check()
        self.firefox.command("WebDriver:Navigate", url=self.url + path)
        self.firefox.script(WATCH)

    def check(self):
        tap.equal(self.firefox.script("return window.problems ?? []"), [], "what went wrong in the page")

    def find(self, selector, text=None):
        return tap.until(lambda: self.firefox.script(FIND, selector, text), f"{selector} {text or ''}")

    def click(self, text, selector="button, [role=menuitem], [role=tab], a"):
        self.firefox.command("WebDriver:ElementClick", id=self.find(selector, text)[ELEMENT])

    def type(self, selector, text):
        self.firefox.command("WebDriver:ElementSendKeys", id=self.find(selector)[ELEMENT], text=text)

    def text(self, wanted):
        tap.until(lambda: wanted in self.firefox.script("return document.body.innerText"), f"text {wanted!r}")

    def gone(self, selector):
        tap.until(lambda: self.firefox.script(FIND, selector, None) is None, f"no {selector}")


@contextlib.contextmanager
def system():
    if not shutil.which("firefox-esr"):
        print("1..0 # SKIP firefox-esr is needed")
        sys.exit(0)
    with dms_server.own_server(PROGRAM) as server, tempfile.TemporaryDirectory() as profile:
        firefox = Firefox(profile)
        try:
            page = Page(firefox, server.url.replace("127.0.0.1", "localhost"))
            page.server = server
            yield page
        finally:
            firefox.close()


def stored(server, path, content, kind):
    answer = server.ask("/api/files/" + path, "-X", "PUT", "--data-binary", "@-", "-H",
                        "Content-Type: " + kind, stdin=content)
    tap.equal(answer.status, 201)
    return answer.json["id"]


def walk(page, size):
    server = page.server
    text = stored(server, f"{size}/story.txt", b"once upon a time", "text/plain")
    pdf = stored(server, f"{size}/a.pdf", dms_server.pdf("Readable"), "application/pdf")
    docx = stored(server, f"{size}/w.docx", dms_server.docx("Only words"),
                  "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
    html = stored(server, f"{size}/a.html", b"<h1>Seen</h1><script>parent.document.title='ran'</script>",
                  "text/html")
    page.go("/app/files")
    page.click("New folder")
    page.type("dialog input", f"made {size}")
    page.click("Create")
    page.gone("dialog")
    page.click(f"made {size}", "a")
    page.text("This folder is empty")
    page.go(f"/app/document/{text}")
    page.text("once upon a time")
    page.click("Rename")
    field = page.find("dialog input")
    tap.equal(page.firefox.script("const it = arguments[0]; return it.value.slice(it.selectionStart, it.selectionEnd)",
                                  field), "story", "what is selected")
    page.click("Cancel")
    page.gone("dialog")
    page.go(f"/app/document/{pdf}")
    page.text("Readable")  # in the layer for selecting, which pdf.js fills when the page is drawn
    page.go(f"/app/document/{docx}")
    page.text("Only words")
    page.go(f"/app/document/{html}")
    page.find("iframe")
    tap.true("ran" not in page.firefox.script("return document.title"), "no script of a document ran")
    parent = server.ask(f"/api/documents/{text}").json["parent"]
    page.go(f"/app/files/{parent}")
    page.click("Tiles")
    page.find(".tiles .item")
    page.click("List")
    page.go("/app/search?q=upon")
    page.text("story.txt")
    for view, wanted in (("users", "Add group"), ("types", "Add type"), ("profile", "Appearance"),
                         ("audit", "Audit trail"), ("protection", "Who protects this?"), ("trash", "Trash")):
        page.go("/app/" + view)
        page.text(wanted)
    wide = page.firefox.script("return document.documentElement.scrollWidth - innerWidth")
    tap.true(wide <= 0, f"nothing is wider than the page: {wide}")
    page.check()


@tap.test
def one_signs_in(page):
    page.go("/app/files")
    page.type("input[name=user]", "admin")
    page.type("input[type=password]", dms_server.PASSWORD)
    page.click("Sign in", "button")
    page.find("main#main")
    page.check()


@tap.test
def everything_works_at_desktop_width(page):
    page.firefox.command("WebDriver:SetWindowRect", width=1280, height=900)
    walk(page, "desktop")


@tap.test
def everything_works_at_phone_width(page):
    page.firefox.command("WebDriver:SetWindowRect", width=400, height=860)
    width = page.firefox.script("return innerWidth")
    tap.true(width <= 640, f"as narrow as a phone: {width}")
    walk(page, "phone")


@tap.test
def it_speaks_german(page):
    page.firefox.script("localStorage.setItem('coffer.language', '\"de\"')")
    page.go("/app/users")
    page.text("Gruppe anlegen")
    tap.equal(page.firefox.script("return document.documentElement.lang"), "de")
    page.check()


tap.main(system)
