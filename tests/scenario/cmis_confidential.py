# SPDX-License-Identifier: Apache-2.0
"""CMIS over AtomPub and Web Services, and Debian's cmis-client, against a document server under the
runtime, over TLS, on an encrypted volume: cmis_confidential.py BUILD"""
import contextlib
import sys
import tempfile

import cmis_libcmis
import cmis_xml
import dms_server
import tap
from coffer_system import System

assert cmis_libcmis # its tests run here, too


class Confidential(dms_server.Asker, cmis_xml.System):
    """What the tests of both want."""

    def __init__(self, system, keep):
        dms_server.Asker.__init__(self, system.address(), f"{system.user}:{system.password}",
                                  system.ca)
        cmis_xml.System.__init__(self, self, keep)
        self.logs = system.logs


@tap.test
def addresses_in_answers_begin_with_https(system):
    for path in ("/cmis/atom", "/cmis/services/RepositoryService?wsdl", "/cmis/browser"):
        body = system.ask(path).body.decode()
        tap.true(system.url.startswith("https://") and system.url + "/cmis/" in body, path)
        tap.true("http://" + system.url.removeprefix("https://") not in body, path)


@contextlib.contextmanager
def confidential():
    with System(sys.argv[1]) as system, tempfile.TemporaryDirectory() as keep:
        system.sign_in()
        yield Confidential(system, keep)


if __name__ == "__main__":
    tap.main(confidential)
