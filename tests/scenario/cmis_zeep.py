# SPDX-License-Identifier: Apache-2.0
"""A SOAP client that knows CMIS from the served WSDL alone (Debian's python3-zeep): each service, an
object's life, typed faults, a UsernameToken: cmis_zeep.py COFFER_DMS

Runs itself again with the system's Python, which has the package."""
import os
import subprocess
import sys

import dms_server
import tap

PYTHON = "/usr/bin/python3"


def child():
    import requests
    import requests.auth
    import zeep
    import zeep.transports
    import zeep.wsse.username
    url, user, password = sys.argv[2], os.environ["COFFER_USER"], os.environ["COFFER_PASSWORD"]

    def client(service, token):
        session = requests.Session()
        if token:
            session.headers["Accept"] = "text/xml" # contents as base64; by MTOM otherwise
        else:
            session.auth = requests.auth.HTTPBasicAuth(user, password)
        wsse = zeep.wsse.username.UsernameToken(user, password) if token else None
        whole = zeep.Client(f"{url}/cmis/services/{service}?wsdl", wsse=wsse,
                            transport=zeep.transports.Transport(session=session))
        return whole, whole.bind(service, service + "Port")

    names = ("Repository Navigation Object MultiFiling Discovery Versioning Relationship Policy "
             "ACL").split()
    repository, port = client("RepositoryService", False)
    assert {str(s) for s in repository.wsdl.services} == {n + "Service" for n in names}
    assert [r.repositoryId for r in port.getRepositories()] == ["coffer"]
    info = port.getRepositoryInfo(repositoryId="coffer")
    assert info.cmisVersionSupported == "1.1" and info.rootFolderId == "1", info
    kind = port.getTypeDefinition(repositoryId="coffer", typeId="cmis:document")
    assert type(kind).__name__ == "cmisTypeDocumentDefinitionType", kind
    print("ok repository", flush=True)
    for token in (False, True):
        whole, objects = client("ObjectService", token)
        core = whole.type_factory("http://docs.oasis-open.org/ns/cmis/core/200908/")
        messages = whole.type_factory("http://docs.oasis-open.org/ns/cmis/messaging/200908/")
        properties = core.cmisPropertiesType(_value_1=[
            {"propertyId": core.cmisPropertyId(propertyDefinitionId="cmis:objectTypeId",
                                               value=["cmis:document"])},
            {"propertyString": core.cmisPropertyString(propertyDefinitionId="cmis:name",
                                                       value=[f"zeep {token}.txt"])}])
        content = messages.cmisContentStreamType(length=5, mimeType="text/plain",
                                                 filename="z.txt", stream=b"hello")
        made = objects.createDocument(repositoryId="coffer", properties=properties, folderId="1",
                                      contentStream=content)
        number = getattr(made, "objectId", made)
        found = objects.getContentStream(repositoryId="coffer", objectId=number)
        assert found.stream == b"hello" and found.filename == "z.txt", found
        whole_object = objects.getObject(repositoryId="coffer", objectId=number,
                                         includeAllowableActions=True, includeACL=True)
        assert whole_object.allowableActions.canDeleteObject is True
        _, navigation = client("NavigationService", token)
        children = navigation.getChildren(repositoryId="coffer", folderId="1", maxItems=10)
        assert children.numItems >= 1 and not children.hasMoreItems, children
        try:
            objects.getObject(repositoryId="coffer", objectId="99999999")
        except zeep.exceptions.Fault as fault:
            assert b"objectNotFound" in zeep.wsdl.utils.etree.tostring(fault.detail), fault
        else:
            raise AssertionError("no fault")
        objects.deleteObject(repositoryId="coffer", objectId=number, allVersions=True)
        print("ok token" if token else "ok basic", flush=True)


def run(server):
    probe = subprocess.run([PYTHON, "-c", "import zeep"], capture_output=True, check=False)
    if probe.returncode != 0:
        raise tap.Skip("there is no python3-zeep here")
    user, _, password = server.auth.partition(":")
    done = subprocess.run([PYTHON, __file__, "child", server.url], capture_output=True, text=True,
                          check=False, timeout=120,
                          env={**os.environ, "COFFER_USER": user, "COFFER_PASSWORD": password})
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


@tap.test
def a_client_made_from_the_wsdl_alone_works(server):
    tap.equal(run(server), "ok repository\nok basic\nok token\n")


if __name__ == "__main__":
    if sys.argv[1] == "child":
        child()
    else:
        tap.main(lambda: dms_server.server(sys.argv[1]))
