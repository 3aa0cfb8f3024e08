# SPDX-License-Identifier: Apache-2.0
"""A client of the document server for scenarios, over TLS by SNI or plain, on one connection."""
import base64
import http.client
import json
import socket
import ssl
import urllib.parse

SOAP = ('<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        '{body}</soap:Body></soap:Envelope>')
NAMESPACES = ('xmlns:m="http://docs.oasis-open.org/ns/cmis/messaging/200908/" '
              'xmlns:c="http://docs.oasis-open.org/ns/cmis/core/200908/"')


class Connection(http.client.HTTPConnection):
    """To an IP address and port, with TLS for `server_name` if there is a CA file."""

    def __init__(self, port, server_name, ca=None, timeout=60):
        super().__init__(server_name, port, timeout=timeout)
        self.context = ssl.create_default_context(cafile=ca) if ca else None

    def connect(self):
        raw = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.context.wrap_socket(raw, server_hostname=self.host) if self.context \
            else raw


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body[:300]!r}")
        self.status, self.body = status, body


class Client:
    def __init__(self, port, server_name="dms.localhost", ca=None, user="admin", password=None):
        self.connection = Connection(port, server_name, ca)
        self.user, self.password = user, password

    def ask(self, method, path, body=None, headers=None):
        """The response (with .body) of a request that must succeed; raises Refused otherwise."""
        headers = dict(headers or {})
        if self.password is not None:
            secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {secret}"
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            # A kept connection that the server has closed meanwhile: once more on a new one.
            self.connection.close()
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
        response.body = response.read()
        if not 200 <= response.status < 300:
            raise Refused(response.status, response.body)
        return response

    def json(self, method, path, value=None):
        body = None if value is None else json.dumps(value)
        response = self.ask(method, path, body, {"Content-Type": "application/json"})
        return json.loads(response.body) if response.body else None

    def change_password(self, new):
        self.json("PUT", "/api/me/password", {"old": self.password, "new": new})
        self.password = new

    def put(self, path, content, kind="application/octet-stream"):
        """Stores a document by path; its description."""
        response = self.ask("PUT", "/api/files/" + urllib.parse.quote(path), content,
                            {"Content-Type": kind})
        return json.loads(response.body)

    def get(self, path):
        return self.ask("GET", "/api/files/" + urllib.parse.quote(path)).body

    def soap_store(self, name, content, folder="1"):
        body = (f'<m:createDocument {NAMESPACES}><m:repositoryId>coffer</m:repositoryId>'
                '<m:properties><c:propertyId propertyDefinitionId="cmis:objectTypeId"><c:value>'
                'cmis:document</c:value></c:propertyId>'
                '<c:propertyString propertyDefinitionId="cmis:name"><c:value>'
                f'{name}</c:value></c:propertyString></m:properties><m:folderId>{folder}'
                '</m:folderId><m:contentStream><m:mimeType>application/octet-stream</m:mimeType>'
                '<m:stream><xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" '
                'href="cid:body"/></m:stream></m:contentStream></m:createDocument>')
        parts = [(b"application/xop+xml; charset=UTF-8; type=\"text/xml\"", b"root",
                  SOAP.format(body=body).encode()),
                 (b"application/octet-stream", b"body", content)]
        message = b"".join(b"--part\r\nContent-Type: " + kind + b"\r\nContent-ID: <" + name +
                           b">\r\n\r\n" + data + b"\r\n" for kind, name, data in parts)
        response = self.ask("POST", "/cmis/services/ObjectService", message + b"--part--\r\n", {
            "Content-Type": 'multipart/related; type="application/xop+xml"; start="<root>"; '
                            'start-info="text/xml"; boundary=part', "SOAPAction": '""'})
        return response.body.split(b"objectId>")[1].split(b"<")[0].decode()

    def soap_get(self, object_id):
        body = (f'<m:getContentStream {NAMESPACES}><m:repositoryId>coffer</m:repositoryId>'
                f'<m:objectId>{object_id}</m:objectId></m:getContentStream>')
        response = self.ask("POST", "/cmis/services/ObjectService", SOAP.format(body=body),
                            {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'})
        boundary = response.body.split(b"\r\n", 1)[0]
        part = response.body.split(boundary)[2]
        return part.split(b"\r\n\r\n", 1)[1][:-2]

    def close(self):
        self.connection.close()
