#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""LibreOffice saves a new document over WebDAV, opens it, changes it and saves again, with locks:
dms_office.py COFFER_DMS"""
import os
import shutil
import subprocess
import sys
import tempfile

import dms_server
import tap

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else ""

# Runs in Debian's Python, which has UNO: argv is PIPE URL USER PASSWORD.
SCRIPT = '''
import sys, time
import uno, unohelper
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.task import XInteractionHandler2

pipe, url, user, password = sys.argv[1:]

def setting(name, value):
    made = PropertyValue()
    made.Name, made.Value = name, value
    return made

class Person(unohelper.Base, XInteractionHandler2):
    """Answers the question for name and password, and says yes to the rest."""
    def handle(self, request):
        self.handleInteractionRequest(request)

    def handleInteractionRequest(self, request):
        ways = request.getContinuations()
        for way in ways:
            supply = way.queryInterface(
                uno.getTypeByName("com.sun.star.ucb.XInteractionSupplyAuthentication"))
            if supply is not None:
                supply.setUserName(user)
                supply.setPassword(password)
                supply.select()
                return True
        for way in ways:
            approve = way.queryInterface(
                uno.getTypeByName("com.sun.star.task.XInteractionApprove"))
            if approve is not None:
                approve.select()
                return True
        return False

local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext(
    "com.sun.star.bridge.UnoUrlResolver", local)
context = None
for attempt in range(600):
    try:
        context = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        break
    except NoConnectException:
        time.sleep(0.1)
desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
hidden, person = setting("Hidden", True), setting("InteractionHandler", Person())
new = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, (hidden,))
new.Text.setString("Written by an office program.")
new.storeAsURL(url, (setting("FilterName", "writer8"), person))
new.close(True)
again = desktop.loadComponentFromURL(url, "_blank", 0, (hidden, person))
assert not again.isReadonly(), "opened for reading only"
assert again.Text.getString() == "Written by an office program.", again.Text.getString()
again.Text.setString("Changed by an office program.")
again.store()
print("LOCKED", flush=True)
sys.stdin.readline()
again.close(True)
desktop.terminate()
'''


def has_uno():
    done = subprocess.run(["/usr/bin/python3", "-c", "import uno"], capture_output=True, check=False)
    return shutil.which("soffice") and done.returncode == 0


@tap.test
def an_office_program_edits_in_place():
    if not has_uno():
        raise tap.Skip("LibreOffice and its Python bridge are not installed")
    with dms_server.own_server(PROGRAM) as server, tempfile.TemporaryDirectory() as home:
        user, _, password = server.auth.partition(":")
        url = server.url.replace("http://", "vnd.sun.star.webdav://") + "/dav/letter.odt"
        pipe = f"coffer{os.getpid()}"
        office = subprocess.Popen(
            ["soffice", "--headless", "--norestore", "--nologo", f"--accept=pipe,name={pipe};urp",
             f"-env:UserInstallation=file://{home}/profile"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            script = subprocess.Popen(["/usr/bin/python3", "-c", SCRIPT, pipe, url, user, password],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            tap.equal(script.stdout.readline(), "LOCKED\n")
            intruder = server.ask("/dav/letter.odt", "-X", "PUT", "-d", "x")
            tap.equal(intruder.status, 423, "it is locked while it is open")
            script.stdin.write("\n")
            script.stdin.close()
            tap.equal(script.wait(timeout=60), 0)
            office.wait(timeout=60)
        finally:
            office.kill()
            office.wait()
        tap.equal(server.ask("/dav/letter.odt", "-X", "DELETE").status, 204, "the lock is gone")
        item = server.ask("/api/trash").json["items"][0]
        tap.true(item["version"] >= 2, "a version for each time it was saved")
        tap.equal(item["type"], "application/vnd.oasis.opendocument.text")


tap.main()
