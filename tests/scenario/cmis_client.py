# SPDX-License-Identifier: Apache-2.0
"""A client of the CMIS Browser binding for scenarios: one connection, forms out, JSON in."""
import base64
import http.client
import json
import urllib.parse


class CmisError(Exception):
    """What the server refused, with the name CMIS has for it."""
    def __init__(self, status, exception, message):
        super().__init__(f"{status} {exception}: {message}")
        self.status, self.exception, self.message = status, exception, message


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def multipart(fields, content):
    """A form with a content: (bytes, media type, file name)."""
    boundary = "coffer-test-boundary-7f3a"
    out = []
    for name, value in fields:
        out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n'
                   f'Content-Type: text/plain; charset=utf-8\r\n\r\n{value}\r\n'.encode())
    data, media, file_name = content
    file_name = file_name.replace("\\", "\\\\").replace('"', '\\"')
    out.append(f'--{boundary}\r\nContent-Disposition: form-data; name="content"; '
               f'filename="{file_name}"\r\nContent-Type: {media}\r\n\r\n'.encode())
    out += [data, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(out), f"multipart/form-data; boundary={boundary}"


def property_fields(properties):
    fields = []
    for index, (name, value) in enumerate(properties.items()):
        fields.append((f"propertyId[{index}]", name))
        if isinstance(value, list):
            fields += [(f"propertyValue[{index}][{n}]", text(v)) for n, v in enumerate(value)]
        elif value is not None:
            fields.append((f"propertyValue[{index}]", text(value)))
    return fields


def text(value):
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) \
        else str(value)


class Cmis:
    """The repository of a server that dms_server started."""

    def __init__(self, url, auth, succinct=True):
        self.address = urllib.parse.urlparse(url)
        self.auth = "Basic " + base64.b64encode(auth.encode()).decode()
        self.succinct = succinct
        self.connection = None

    def raw(self, method, path, body=None, headers=None):
        """Any answer, on one connection that is opened again if the server has closed it."""
        headers = {"Authorization": self.auth, **(headers or {})}
        for attempt in range(2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.address.hostname,
                                                             self.address.port, timeout=60)
            try:
                self.connection.request(method, path, body, headers)
                response = self.connection.getresponse()
                return Answer(response.status, response.headers, response.read())
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection = None
                if attempt:
                    raise
        raise AssertionError("not reached")

    @staticmethod
    def checked(answer):
        if answer.status >= 400:
            said = answer.json
            raise CmisError(answer.status, said.get("exception"), said.get("message"))
        return answer

    def ask(self, place, selector=None, headers=None, **params):
        """GET; `place` is "" for the repository, "/root..." for an object."""
        query = {key: text(value) for key, value in params.items() if value is not None}
        if selector:
            query["cmisselector"] = selector
        if self.succinct:
            query.setdefault("succinct", "true")
        return self.checked(self.raw(
            "GET", f"/cmis/browser/coffer{place}?{urllib.parse.urlencode(query)}",
            headers=headers))

    def get(self, selector, object_id=None, **params):
        place = "" if object_id is None else "/root"
        if object_id is not None:
            params["objectId"] = object_id
        return self.ask(place, selector, **params).json

    def by_path(self, path, selector="object", **params):
        return self.ask("/root" + urllib.parse.quote(path), selector, **params).json

    def act(self, action, object_id=None, properties=None, content=None, fields=(), place=None,
            **params):
        """POST; returns the answer's JSON, or None."""
        form = [("cmisaction", action)]
        if self.succinct:
            form.append(("succinct", "true"))
        form += property_fields(properties or {}) + list(fields)
        form += [(key, text(value)) for key, value in params.items() if value is not None]
        if place is None:
            place = "" if object_id is None else "/root"
        if object_id is not None:
            form.append(("objectId", object_id))
        if content is not None:
            body, media = multipart(form, content)
        else:
            body, media = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        answer = self.checked(self.raw("POST", f"/cmis/browser/coffer{place}", body,
                                       {"Content-Type": media}))
        return answer.json if answer.body else None

    # What scenarios do all the time; each returns the object's properties.

    def folder(self, parent, name, type_id="cmis:folder", **more):
        return self.act("createFolder", parent, {"cmis:objectTypeId": type_id, "cmis:name": name,
                                                 **more})["succinctProperties"]

    def document(self, parent, name, data=b"content", type_id="cmis:document",
                 media="text/plain", properties=None, **params):
        content = None if data is None else (data, media, name)
        return self.act("createDocument", parent,
                        {"cmis:objectTypeId": type_id, "cmis:name": name, **(properties or {})},
                        content, **params)["succinctProperties"]

    def properties(self, object_id, **params):
        return self.get("object", object_id, **params)["succinctProperties"]

    def content(self, object_id, headers=None, **params):
        return self.ask("/root", "content", headers, objectId=object_id, **params)

    def children(self, folder, **params):
        return [entry["object"]["succinctProperties"]
                for entry in self.get("children", folder, **params)["objects"]]

    def query(self, statement, **params):
        """The rows, by query name."""
        answer = self.get("query", q=statement, **params)
        return [row["succinctProperties"] for row in answer["results"]]
