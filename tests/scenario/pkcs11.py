#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PKCS#11 token whose keys lie on an encrypted volume: SoftHSM behind p11-kit, both unmodified, under
`coffer run`; pkcs11-tool uses it over p11-kit's socket and OpenSSL checks what it signed.

usage: pkcs11.py COFFER
"""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import tap

COFFER = os.path.abspath(sys.argv[1])
CLIENT = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"
TOKEN = "/usr/lib/softhsm/libsofthsm2.so"
NEEDED = [CLIENT, TOKEN, *(f"/usr/bin/{name}" for name in ("softhsm2-util", "p11-kit", "pkcs11-tool"))]
PIN = "4711"


class Token:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="coffer-pkcs11-")
        self.server, self.starts = None, 0
        self.address = None
        conf = self.path("softhsm2.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("directories.tokendir = /tokens/\nobjectstore.backend = file\n")
        self.shielded = [COFFER, "run", "--volume", self.path("vault") + ":/tokens", "--env",
                         "SOFTHSM2_CONF=" + conf, "--"]

    def path(self, name):
        return f"{self.directory}/{name}"

    def environment(self, **more):
        return {**os.environ, "COFFER_STATE": self.path("state"), **more}

    def under_coffer(self, *words, **more):
        return subprocess.run([*self.shielded, *words], env=self.environment(**more), timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def serve(self):
        self.starts += 1
        name = self.path(f"socket-{self.starts}")
        self.address = "unix:path=" + name
        with open(self.path("log-server"), "ab") as log:
            self.server = subprocess.Popen(
                [*self.shielded, "p11-kit", "server", "-f", "--name", name, "--provider", TOKEN,
                 "pkcs11:token=coffer"], env=self.environment(), stdout=log, stderr=log)
        tap.until(lambda: os.path.exists(name) or self.server.poll() is not None, "it serves")
        tap.true(self.server.poll() is None, self.logs())

    def stop(self, how):
        if self.server and self.server.poll() is None:
            self.server.send_signal(how)
            self.server.wait(20)

    def tool(self, *words, pin=PIN):
        run = subprocess.run(["pkcs11-tool", "--module", CLIENT, "--token-label", "coffer", "--login",
                              "--pin", pin, *words], env=self.environment(P11_KIT_SERVER_ADDRESS=self.address),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                             check=False)
        return run.returncode, run.stdout

    def good(self, *words):
        code, text = self.tool(*words)
        tap.equal(code, 0, text)
        return text

    def logs(self):
        with contextlib.suppress(OSError), open(self.path("log-server"), encoding="utf-8") as f:
            return f.read()
        return ""


@contextlib.contextmanager
def fixture():
    token = Token()
    try:
        yield token
    finally:
        token.stop(signal.SIGKILL)
        shutil.rmtree(token.directory, ignore_errors=True)


def public_key(t, number):
    """As DER. pkcs11-tool 0.23 cannot make that itself for P-384, so there it is made from the point."""
    if number != "03":
        t.good("--read-object", "--type", "pubkey", "--id", number, "--output-file", t.path("public"))
        return
    text = t.good("--list-objects", "--type", "pubkey", "--id", number)
    point = re.search(r"EC_POINT: +0461(04[0-9a-f]{192})", text).group(1)
    with open(t.path("public"), "wb") as f:
        f.write(bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200" + point))


def signed_and_checked(t, number, mechanism):
    """The token signs, OpenSSL checks with the public key, and refuses another text."""
    text = t.path("text")
    with open(text, "wb") as f:
        f.write(b"what is signed\n")
    digest = t.path("digest")
    is_rsa = mechanism == "SHA256-RSA-PKCS"
    with open(digest, "wb") as f:
        f.write(hashlib.sha256(b"what is signed\n").digest())
    public_key(t, number)
    t.good("--sign", "--mechanism", mechanism, "--id", number, "--input-file",
           text if is_rsa else digest, "--output-file", t.path("signature"),
           *([] if is_rsa else ["--signature-format", "openssl"]))
    check = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", t.path("public"),
             "-signature", t.path("signature")]
    done = subprocess.run([*check, text], capture_output=True, text=True, check=False)
    tap.true(done.returncode == 0 and "Verified OK" in done.stdout, done.stdout + done.stderr)
    tap.true(subprocess.run([*check, digest], capture_output=True, check=False).returncode != 0,
             "another text has that signature")


KEYS = [("01", "rsa:2048", "SHA256-RSA-PKCS"), ("02", "EC:prime256v1", "ECDSA"),
        ("03", "EC:secp384r1", "ECDSA")]


@tap.test
def keys_are_made_in_the_token_and_sign(t):
    if not all(map(os.path.exists, NEEDED)):
        raise tap.Skip("softhsm2, p11-kit or opensc is not there")
    done = t.under_coffer("softhsm2-util", "--init-token", "--free", "--label", "coffer", "--so-pin",
                          "12345678", "--pin", PIN)
    tap.equal(done.returncode, 0, done.stdout)
    t.serve()
    for number, kind, mechanism in KEYS:
        t.good("--keypairgen", "--key-type", kind, "--id", number, "--label", "label-" + number)
        signed_and_checked(t, number, mechanism)


@tap.test
def a_wrong_pin_and_a_private_key_are_refused(t):
    if not t.server:
        raise tap.Skip("no token")
    code, text = t.tool("--list-objects", pin="9999")
    tap.true(code != 0 and "CKR_PIN_INCORRECT" in text, text)
    text = t.good("--list-objects", "--type", "privkey")
    tap.equal(text.count("never extractable"), len(KEYS), text)
    tap.equal(text.count("sensitive"), 2 * len(KEYS), text)


@tap.test
def what_is_acknowledged_survives_a_kill_and_is_not_on_the_disk(t):
    if not t.server:
        raise tap.Skip("no token")
    t.stop(signal.SIGKILL)
    t.serve()
    for number, _, mechanism in KEYS:
        signed_and_checked(t, number, mechanism)
    for folder, _, names in os.walk(t.path("vault")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                content = f.read()
            for plain in (b"label-01", b"coffer", b"token.object"):
                tap.true(plain not in content and plain.decode() not in name, name)


@tap.test
def elsewhere_the_token_does_not_open(t):
    if not t.server:
        raise tap.Skip("no token")
    t.stop(signal.SIGTERM)
    done = t.under_coffer("softhsm2-util", "--show-slots", COFFER_STATE=t.path("another"))
    tap.true(done.returncode != 0 and b"label" not in done.stdout.lower(), done.stdout)


tap.main(fixture)
