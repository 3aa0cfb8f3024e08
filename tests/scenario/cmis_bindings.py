# SPDX-License-Identifier: Apache-2.0
"""Clients of CMIS 1.1's two XML bindings for scenarios, with Python's standard library alone. Both
have the same methods and give the same values, so that one set of tests runs over each.

Every body that comes is kept and checked at the end: check_bodies() runs the real xmllint.
"""
import base64
import email.parser
import http.client
import os
import re
import subprocess
import urllib.parse
from xml.etree import ElementTree as tree
from xml.sax.saxutils import escape, quoteattr

import dms_client

NS = {"cmis": "http://docs.oasis-open.org/ns/cmis/core/200908/",
      "cmism": "http://docs.oasis-open.org/ns/cmis/messaging/200908/",
      "cmisra": "http://docs.oasis-open.org/ns/cmis/restatom/200908/",
      "atom": "http://www.w3.org/2005/Atom", "app": "http://www.w3.org/2007/app",
      "soap": "http://schemas.xmlsoap.org/soap/envelope/",
      "xop": "http://www.w3.org/2004/08/xop/include",
      "wsse": "http://docs.oasis-open.org/wss/2004/01/"
              "oasis-200401-wss-wssecurity-secext-1.0.xsd",
      "xsi": "http://www.w3.org/2001/XMLSchema-instance"}
DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
REL = "http://docs.oasis-open.org/ns/cmis/link/200908/"


class CmisError(Exception):
    """What the server answered: the exception's name, as each binding says it, and the status."""

    def __init__(self, name, message, status):
        super().__init__(f"{name} ({status}): {message}")
        self.name, self.message, self.status = name, message, status


def find(element, path):
    return None if element is None else element.find(path, NS)


def text(element, path):
    return None if element is None else element.findtext(path, None, NS)


def local(element):
    return element.tag.rpartition("}")[2]


def boolean(value):
    return {"true": True, "false": False, None: None}[value]


class Object:
    """An object as an answer shows it."""

    def __init__(self, element):
        self.element, self.properties, self.kinds, self.attributes = element, {}, {}, {}
        self.cells = {}  # by query name: a row may have a property twice
        bag = find(element, "cmis:properties")
        for item in element if bag is None and element.tag.endswith("properties") else bag or ():
            name = item.get("propertyDefinitionId")
            self.properties[name] = [value.text or "" for value in item.findall("cmis:value", NS)]
            self.kinds[name] = local(item).removeprefix("property")
            self.attributes[name] = dict(item.attrib)
            self.cells[item.get("queryName")] = (self.properties[name], self.kinds[name],
                                                 self.attributes[name])
        actions = find(element, "cmis:allowableActions")
        self.actions = None if actions is None else actions_of(actions)
        acl = find(element, "cmis:acl")
        self.acl = None if acl is None else acl_of(acl)
        self.relationships = [Object(r) for r in element.findall("cmis:relationship", NS)]
        self.renditions = element.findall("cmis:rendition", NS)
        self.policies = [i.text for i in element.findall("cmis:policyIds/cmis:id", NS)]
        self.change = text(element, "cmis:changeEventInfo/cmis:changeType")
        self.segment = None

    def __getitem__(self, name):
        values = self.properties[name]
        return values[0] if values else None

    @property
    def id(self):
        return self["cmis:objectId"]

    @property
    def name(self):
        return self["cmis:name"]


class Node:
    def __init__(self, item, children):
        self.object, self.children = item, children


def actions_of(element):
    return {local(item): boolean(item.text) for item in element}


def acl_of(element):
    return {(ace.findtext("cmis:principal/cmis:principalId", None, NS), permission.text,
             boolean(ace.findtext("cmis:direct", None, NS)))
            for ace in element.findall("cmis:permission", NS)
            for permission in ace.findall("cmis:permission", NS)}


class Type:
    """A type definition; `raw` is its XML, which can be sent back."""

    def __init__(self, element):
        self.element = element
        self.values = {local(item): item.text or "" for item in element
                       if local(item) != "typeMutability" and not len(item)}
        self.mutability = {local(item): item.text
                           for item in element.findall("cmis:typeMutability/*", NS)}
        self.properties = {text(item, "cmis:id"): item for item in element
                           if local(item).endswith("Definition")}
        self.kind = element.get(f"{{{NS['xsi']}}}type")

    @property
    def id(self):
        return self.values["id"]


def property_xml(kind, name, values):
    return (f"<cmis:property{kind} propertyDefinitionId={quoteattr(name)}>" +
            "".join(f"<cmis:value>{escape(value)}</cmis:value>" for value in values) +
            f"</cmis:property{kind}>")


def properties_xml(tag, properties):
    return f"<{tag}>" + "".join(property_xml(*p) for p in properties) + f"</{tag}>"


def acl_xml(tag, aces):
    return f"<{tag}>" + "".join(
        f"<cmis:permission><cmis:principal><cmis:principalId>{escape(who)}</cmis:principalId>"
        f"</cmis:principal><cmis:permission>{what}</cmis:permission><cmis:direct>true"
        "</cmis:direct></cmis:permission>" for who, what in aces) + f"</{tag}>"


def named(type_id, name, *more):
    """The properties of a new object."""
    return [("Id", "cmis:objectTypeId", [type_id]), ("String", "cmis:name", [name]), *more]


class Binding:
    """HTTP on one connection, and what came."""

    def __init__(self, url, auth, keep=None, ca=None):
        parts = urllib.parse.urlsplit(url)
        self.origin, self.host = url.rstrip("/"), parts.netloc
        self.connection = dms_client.Connection(parts.port or 80, parts.hostname, ca, timeout=120)
        self.auth, self.keep, self.kept = auth, keep, 0

    def send(self, method, target, body=None, kind=None, **headers):
        target = target.removeprefix(self.origin)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.auth and self.auth.startswith("Bearer "):
            headers["Authorization"] = self.auth
        elif self.auth:
            headers["Authorization"] = "Basic " + base64.b64encode(self.auth.encode()).decode()
        if kind:
            headers["Content-Type"] = kind
        for again in (True, False):
            try:
                self.connection.request(method, target, body, headers)
                answer = self.connection.getresponse()
                answer.body = answer.read()
                return answer
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection.close()
                if not again:
                    raise
        return None

    def keep_body(self, body):
        if self.keep:
            self.kept += 1
            with open(os.path.join(self.keep, f"{self.name}{self.kept}.xml"), "wb") as out:
                out.write(body)

    def path_of(self, item):
        return "/" + item.name


# Web Services


class Soap(Binding):
    name = "soap"
    OPERATIONS = {
        "RepositoryService": "getRepositories getRepositoryInfo getTypeChildren getTypeDescendants "
                             "getTypeDefinition createType updateType deleteType",
        "NavigationService": "getChildren getDescendants getFolderTree getFolderParent "
                             "getObjectParents getCheckedOutDocs",
        "ObjectService": "createDocument createDocumentFromSource createFolder createRelationship "
                         "createPolicy createItem getAllowableActions getProperties getObject "
                         "getObjectByPath getContentStream getRenditions updateProperties "
                         "bulkUpdateProperties moveObject deleteObject deleteTree setContentStream "
                         "appendContentStream deleteContentStream",
        "MultiFilingService": "addObjectToFolder removeObjectFromFolder",
        "DiscoveryService": "query getContentChanges",
        "VersioningService": "checkOut cancelCheckOut checkIn getObjectOfLatestVersion "
                             "getPropertiesOfLatestVersion getAllVersions",
        "RelationshipService": "getObjectRelationships",
        "PolicyService": "applyPolicy removePolicy getAppliedPolicies",
        "ACLService": "getACL applyACL"}
    SERVICE = {operation: service for service, all_ in OPERATIONS.items()
               for operation in all_.split()}

    called = set()  # operations, by whichever client
    token = False  # whether a UsernameToken signs in instead of HTTP
    mtom = True

    def envelope(self, inner):
        header = ""
        if self.token:
            user, _, password = self.auth.partition(":")
            header = ("<soap:Header><wsse:Security><wsse:UsernameToken><wsse:Username>"
                      f"{escape(user)}</wsse:Username><wsse:Password>{escape(password)}"
                      "</wsse:Password></wsse:UsernameToken></wsse:Security></soap:Header>")
        return (f'<?xml version="1.0"?><soap:Envelope {DECLARED}>{header}<soap:Body>{inner}'
                "</soap:Body></soap:Envelope>").encode()

    def post(self, service, body, kind="text/xml; charset=utf-8", **headers):
        auth, self.auth = self.auth, None if self.token else self.auth
        try:
            return self.send("POST", f"/cmis/services/{service}", body, kind, SOAPAction='""',
                             **headers)
        finally:
            self.auth = auth

    @staticmethod
    def parts(answer):
        """The parts of a multipart answer by Content-ID, the root first."""
        kind = answer.getheader("Content-Type")
        message = email.parser.BytesParser().parsebytes(
            b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.body)
        boundary = ("--" + message.get_boundary()).encode()
        pieces = answer.body.split(b"\r\n" + boundary)
        pieces[0] = pieces[0].removeprefix(boundary)
        if pieces.pop().strip() != b"--":
            raise AssertionError("no closing boundary")
        found = {}
        for piece in pieces:
            head, _, body = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            number = re.search(rb"(?im)^Content-ID: *<([^>]*)>", head).group(1).decode()
            found[number] = body
        return message.get_param("start").strip("<>"), found

    def call(self, operation, inner, content=None, mtom=None, repository="coffer"):
        """The operation's response element; contents in it are put into .stream."""
        self.called.add(operation)
        if repository is not None:
            inner = f"<cmism:repositoryId>{repository}</cmism:repositoryId>" + inner
        body = self.envelope(f"<cmism:{operation}>{inner}</cmism:{operation}>")
        kind = "text/xml; charset=utf-8"
        if content is not None and (self.mtom if mtom is None else mtom):
            body = (b'--here\r\nContent-Type: application/xop+xml; charset=UTF-8; type="text/xml"'
                    b"\r\nContent-ID: <root@x>\r\n\r\n" + body + b"\r\n--here\r\nContent-Type: "
                    b"application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
                    b"Content-ID: <a part@x>\r\n\r\n" + content + b"\r\n--here--\r\n")
            kind = ('multipart/related; type="application/xop+xml"; start="<root@x>"; '
                    'start-info="text/xml"; boundary=here')
        answer = self.post(self.SERVICE[operation], body, kind)
        return self.read(answer, operation)

    def read(self, answer, operation):
        kind, found, body = answer.getheader("Content-Type") or "", {}, answer.body
        if kind.startswith("multipart/related"):
            start, found = self.parts(answer)
            body = found[start]
        if "xml" not in kind:
            raise CmisError("none", answer.body.decode("utf-8", "replace"), answer.status)
        self.keep_body(body)
        inner = tree.fromstring(body).find("soap:Body", NS)[0]
        if answer.status != 200:
            fault = find(inner, "detail/cmism:cmisFault")
            raise CmisError(text(fault, "cmism:type"), text(fault, "cmism:message"), answer.status)
        assert inner.tag == f"{{{NS['cmism']}}}{operation}Response", inner.tag
        stream = find(inner, ".//cmism:stream")
        if stream is None:
            return inner
        include = find(stream, "xop:Include")
        return Holder(inner, base64.b64decode(stream.text or "") if include is None else
                      found[include.get("href").removeprefix("cid:")])

    @staticmethod
    def scalars(**values):
        return "".join(f"<cmism:{name}>{escape(str(value))}</cmism:{name}>"
                       for name, value in values.items() if value is not None)

    @staticmethod
    def content_xml(content, inline):
        data, kind, name = content
        inner = base64.b64encode(data).decode() if inline else '<xop:Include href="cid:a%20part@x"/>'
        return (f"<cmism:contentStream><cmism:length>{len(data)}</cmism:length><cmism:mimeType>"
                f"{escape(kind)}</cmism:mimeType><cmism:filename>{escape(name)}</cmism:filename>"
                f"<cmism:stream>{inner}</cmism:stream></cmism:contentStream>")

    def one(self, path, *arguments, **named_):
        return self.call(*arguments, **named_).find(path, NS)

    def info(self):
        return self.one("cmism:repositoryInfo", "getRepositoryInfo", "")

    def repositories(self):
        answer = self.call("getRepositories", "", repository=None)
        return [text(r, "cmism:repositoryId") for r in answer.findall("cmism:repositories", NS)]

    def type(self, number):
        return Type(self.one("cmism:type", "getTypeDefinition", self.scalars(typeId=number)))

    def type_children(self, number=None, properties=None, most=None, skip=None):
        types = self.one("cmism:types", "getTypeChildren", self.scalars(
            typeId=number, includePropertyDefinitions=properties, maxItems=most, skipCount=skip))
        return ([Type(t) for t in types.findall("cmism:types", NS)],
                boolean(text(types, "cmism:hasMoreItems")), int(text(types, "cmism:numItems")))

    def type_descendants(self, number=None, depth=None):
        def walk(item):
            return Node(Type(find(item, "cmism:type")),
                        [walk(c) for c in item.findall("cmism:children", NS)])
        answer = self.call("getTypeDescendants", self.scalars(typeId=number, depth=depth))
        return [walk(item) for item in answer.findall("cmism:types", NS)]

    def create_type(self, inner, kind):
        return Type(self.one("cmism:type", "createType", f'<cmism:type xsi:type="{kind}">{inner}'
                             "</cmism:type>"))

    def update_type(self, inner, kind):
        return Type(self.one("cmism:type", "updateType", f'<cmism:type xsi:type="{kind}">{inner}'
                             "</cmism:type>"))

    def delete_type(self, number):
        self.call("deleteType", self.scalars(typeId=number))

    def create(self, kind, properties, folder=None, content=None, state=None, add=()):
        inner = properties_xml("cmism:properties", properties) + self.scalars(folderId=folder)
        if content:
            inner += self.content_xml(content, not self.mtom)
        inner += self.scalars(versioningState=state)
        if add:
            inner += acl_xml("cmism:addACEs", add)
        return text(self.call("create" + kind, inner, content[0] if content else None),
                    "cmism:objectId")

    def get(self, number, **flags):
        return Object(self.one("cmism:object", "getObject",
                               self.scalars(objectId=number, **flags)))

    def by_path(self, path, **flags):
        return Object(self.one("cmism:object", "getObjectByPath",
                               self.scalars(path=path, **flags)))

    def listed(self, answer, nested):
        place = find(answer, "cmism:objects")
        found = []
        for item in place.findall("cmism:objects", NS):
            found.append(Object(find(item, "cmism:object") if nested else item))
            found[-1].segment = text(item, "cmism:pathSegment")
        total = text(place, "cmism:numItems")
        return found, boolean(text(place, "cmism:hasMoreItems")), total and int(total)

    def children(self, folder, most=None, skip=None, order=None, **flags):
        early = {name: flags.pop(name) for name in ("filter",) if name in flags}
        return self.listed(self.call("getChildren", self.scalars(
            folderId=folder, **early, orderBy=order, **flags, maxItems=most, skipCount=skip)), True)

    def walk(self, item):
        placed = find(item, "cmism:objectInFolder")
        found = Object(find(placed, "cmism:object"))
        found.segment = text(placed, "cmism:pathSegment")
        return Node(found, [self.walk(c) for c in item.findall("cmism:children", NS)])

    def descendants(self, folder, depth=-1, folders=False):
        answer = self.call("getFolderTree" if folders else "getDescendants", self.scalars(
            folderId=folder, depth=depth, includePathSegment="true"))
        return [self.walk(item) for item in answer.findall("cmism:objects", NS)]

    def parents(self, number):
        answer = self.call("getObjectParents", self.scalars(objectId=number,
                                                            includeRelativePathSegment="true"))
        found = []
        for item in answer.findall("cmism:parents", NS):
            found.append(Object(find(item, "cmism:object")))
            found[-1].segment = text(item, "cmism:relativePathSegment")
        return found

    def folder_parent(self, folder):
        return Object(self.one("cmism:object", "getFolderParent", self.scalars(folderId=folder)))

    def checked_out_page(self, folder=None, most=None, skip=None, order=None):
        return self.listed(self.call("getCheckedOutDocs", self.scalars(
            folderId=folder, orderBy=order, maxItems=most, skipCount=skip)), False)

    def checked_out(self, folder=None):
        return self.checked_out_page(folder)[0]

    def update(self, number, properties, token=None):
        return text(self.call("updateProperties", self.scalars(objectId=number, changeToken=token) +
                              properties_xml("cmism:properties", properties)), "cmism:objectId")

    def bulk(self, numbers, properties, add=()):
        inner = "<cmism:bulkUpdateData>" + "".join(
            f"<cmis:objectIdAndChangeToken><cmis:id>{n}</cmis:id></cmis:objectIdAndChangeToken>"
            for n in numbers) + properties_xml("cmis:properties", properties) + "".join(
            f"<cmis:addSecondaryTypeIds>{t}</cmis:addSecondaryTypeIds>" for t in add) + \
            "</cmism:bulkUpdateData>"
        answer = self.call("bulkUpdateProperties", inner)
        return [text(i, "cmis:newId") or text(i, "cmis:id")
                for i in answer.findall("cmism:objectIdAndChangeToken", NS)]

    def content(self, number, stream=None, offset=None, length=None):
        answer = self.call("getContentStream", self.scalars(
            objectId=number, streamId=stream, offset=offset, length=length))
        place = find(answer.element, "cmism:contentStream")
        return answer.stream, text(place, "cmism:mimeType"), text(place, "cmism:filename")

    def set_content(self, number, content, overwrite=None, token=None):
        inner = self.scalars(objectId=number, overwriteFlag=overwrite, changeToken=token) + \
            self.content_xml(content, not self.mtom)
        return text(self.call("setContentStream", inner, content[0]), "cmism:objectId")

    def append(self, number, content, last):
        inner = self.scalars(objectId=number, isLastChunk=last) + \
            self.content_xml(content, not self.mtom)
        return text(self.call("appendContentStream", inner, content[0]), "cmism:objectId")

    def delete_content(self, number):
        self.call("deleteContentStream", self.scalars(objectId=number))

    def move(self, number, source, target):
        return text(self.call("moveObject", self.scalars(
            objectId=number, targetFolderId=target, sourceFolderId=source)), "cmism:objectId")

    def delete(self, number, all_versions=None):
        self.call("deleteObject", self.scalars(objectId=number, allVersions=all_versions))

    def delete_tree(self, folder, **flags):
        answer = self.call("deleteTree", self.scalars(folderId=folder, **{
            "allVersions": "true", "unfileObjects": "delete", "continueOnFailure": "true", **flags}))
        return [i.text for i in answer.findall("cmism:failedToDelete/cmism:objectIds", NS)]

    def check_out(self, number):
        return text(self.call("checkOut", self.scalars(objectId=number)), "cmism:objectId")

    def cancel(self, number):
        self.call("cancelCheckOut", self.scalars(objectId=number))

    def check_in(self, number, major, properties=(), content=None, comment=None):
        inner = self.scalars(objectId=number, major=major)
        if properties:
            inner += properties_xml("cmism:properties", properties)
        if content:
            inner += self.content_xml(content, not self.mtom)
        inner += self.scalars(checkinComment=comment)
        return text(self.call("checkIn", inner, content[0] if content else None), "cmism:objectId")

    def versions(self, number):
        answer = self.call("getAllVersions", self.scalars(objectId=number))
        return [Object(item) for item in answer.findall("cmism:objects", NS)]

    def latest(self, number, major):
        return Object(self.one("cmism:object", "getObjectOfLatestVersion",
                               self.scalars(objectId=number, major=major)))

    def query(self, statement, most=None, skip=None, all_versions=None):
        return self.listed(self.call("query", self.scalars(
            statement=statement, searchAllVersions=all_versions, maxItems=most, skipCount=skip)),
            False)

    def changes(self, token=None, most=None):
        answer = self.call("getContentChanges", self.scalars(changeLogToken=token, maxItems=most))
        return self.listed(answer, False)[:2] + (text(answer, "cmism:changeLogToken"),)

    def allowable_actions(self, number):
        return actions_of(self.one("cmism:allowableActions", "getAllowableActions",
                                   self.scalars(objectId=number)))

    def acl(self, number):
        return acl_of(self.one("cmism:ACL/cmism:ACL", "getACL", self.scalars(
            objectId=number, onlyBasicPermissions="false")))

    def apply_acl(self, number, add=(), remove=()):
        return acl_of(self.one("cmism:ACL/cmism:ACL", "applyACL", self.scalars(objectId=number) +
                               acl_xml("cmism:addACEs", add) +
                               acl_xml("cmism:removeACEs", remove)))

    def relationships_page(self, number, direction=None, kind=None, most=None, skip=None):
        return self.listed(self.call("getObjectRelationships", self.scalars(
            objectId=number, includeSubRelationshipTypes="true", relationshipDirection=direction,
            typeId=kind, maxItems=most, skipCount=skip)), False)

    def relationships(self, number, direction=None):
        return self.relationships_page(number, direction)[0]

    def apply_policy(self, policy, number):
        self.call("applyPolicy", self.scalars(policyId=policy, objectId=number))

    def remove_policy(self, policy, number):
        self.call("removePolicy", self.scalars(policyId=policy, objectId=number))

    def policies(self, number):
        answer = self.call("getAppliedPolicies", self.scalars(objectId=number))
        return [Object(item) for item in answer.findall("cmism:objects", NS)]

    def copy(self, source, properties, folder):
        inner = self.scalars(sourceId=source) + properties_xml("cmism:properties", properties) + \
            self.scalars(folderId=folder)
        return text(self.call("createDocumentFromSource", inner), "cmism:objectId")

    def properties(self, number, filter_=None):
        return Object(self.one("cmism:properties", "getProperties",
                               self.scalars(objectId=number, filter=filter_)))

    def renditions(self, number, filter_="*"):
        answer = self.call("getRenditions", self.scalars(objectId=number, renditionFilter=filter_))
        return [{local(part): part.text for part in item}
                for item in answer.findall("cmism:renditions", NS)]

    def add_to_folder(self, number, folder):
        self.call("addObjectToFolder", self.scalars(objectId=number, folderId=folder,
                                                    allVersions="true"))

    def remove_from_folder(self, number, folder):
        self.call("removeObjectFromFolder", self.scalars(objectId=number, folderId=folder))


class Holder:
    """A response with a content."""

    def __init__(self, element, stream):
        self.element, self.stream = element, stream


# AtomPub


class Entry:
    """An Atom entry, its links and what of CMIS it has."""

    def __init__(self, element):
        self.element = element
        self.links = [(item.get("rel"), item.get("type"), item.get("href"), item)
                      for item in element.findall("atom:link", NS)]
        content = find(element, "cmisra:object")
        self.object = None if content is None else Object(content)
        if self.object:
            self.object.segment = text(element, "cmisra:pathSegment") or \
                text(element, "cmisra:relativePathSegment")
        kind = find(element, "cmisra:type")
        self.type = None if kind is None else Type(kind)

    def link(self, rel, kind=None):
        for a_rel, a_type, href, _ in self.links:
            if a_rel == rel and (kind is None or a_type == kind):
                return href
        return None

    def children(self):
        return [Entry(item) for item in self.element.findall("cmisra:children/atom:feed/atom:entry",
                                                             NS)]


ENTRY, FEED = "application/atom+xml;type=entry", "application/atom+xml;type=feed"
TREE = "application/cmistree+xml"


class Atom(Binding):
    """Goes by links and templates alone, as CMIS wants its clients to."""

    name = "atom"

    def __init__(self, url, auth, keep=None, ca=None, service="/cmis/atom"):
        super().__init__(url, auth, keep, ca)
        self.name = service.rpartition("/")[2]
        self.service = self.xml("GET", service)
        self.workspace = find(self.service, "app:workspace")
        self.collections = {text(c, "cmisra:collectionType"): c.get("href")
                            for c in self.workspace.findall("app:collection", NS)}
        self.templates = {text(t, "cmisra:type"): text(t, "cmisra:template")
                          for t in self.workspace.findall("cmisra:uritemplate", NS)}
        self.workspace_links = {link.get("rel"): link.get("href")
                                for link in self.workspace.findall("atom:link", NS)}

    def ask(self, method, target, body=None, kind=None, **headers):
        answer = self.send(method, target, body, kind, **headers)
        if answer.status >= 300:
            page = answer.body.decode("utf-8", "replace")
            name = re.search("<!--exception-->(.*)<!--/exception-->", page)
            message = re.search("<!--message-->(.*)<!--/message-->", page)
            raise CmisError(name and name.group(1), message and message.group(1) or page,
                            answer.status)
        return answer

    def xml(self, method, target, body=None, kind=None, status=200):
        answer = self.ask(method, target, body, kind)
        if answer.status != status:
            raise AssertionError(f"status of {method} {target} is {answer.status}, not {status}")
        self.keep_body(answer.body)
        return tree.fromstring(answer.body)

    def entry(self, method, target, body=None, status=200):
        return Entry(self.xml(method, target, body, ENTRY if body else None, status))

    @staticmethod
    def with_parameters(target, **values):
        wanted = {name: value for name, value in values.items() if value is not None}
        if not wanted:
            return target
        return target + ("&" if "?" in target else "?") + urllib.parse.urlencode(wanted)

    def fill(self, template, **values):
        return re.sub(r"\{(\w+)\}", lambda m: urllib.parse.quote(str(values.get(m[1], "")), ""),
                      self.templates[template])

    def entry_of(self, number, **flags):
        return self.entry("GET", self.fill("objectbyid", id=number, **flags))

    def follow(self, number, rel, kind=None):
        href = self.entry_of(number).link(rel, kind)
        if href is None:
            raise CmisError("constraint", f"no link {rel} {kind}", 0)
        return href

    def feed(self, target, method="GET", body=None, kind=None, status=200):
        page = self.xml(method, target, body, kind, status)
        entries = [Entry(item) for item in page.findall("atom:entry", NS)]
        total = text(page, "cmisra:numItems")
        links = {item.get("rel"): item.get("href") for item in page.findall("atom:link", NS)}
        return entries, links, total and int(total)

    def info(self):
        return find(self.workspace, "cmisra:repositoryInfo")

    def repositories(self):
        return [text(w, "cmisra:repositoryInfo/cmis:repositoryId")
                for w in self.service.findall("app:workspace", NS)]

    def type_entry(self, number):
        return self.entry("GET", self.fill("typebyid", id=number))

    def type(self, number):
        return self.type_entry(number).type

    def type_children(self, number=None, properties=None, most=None, skip=None):
        target = self.type_entry(number).link("down", FEED) if number else self.collections["types"]
        entries, links, total = self.feed(self.with_parameters(
            target, includePropertyDefinitions=properties, maxItems=most, skipCount=skip))
        return [entry.type for entry in entries], "next" in links, total

    def type_descendants(self, number=None, depth=None):
        def walk(entry):
            return Node(entry.type, [walk(child) for child in entry.children()])
        target = self.type_entry(number).link("down", TREE) if number else \
            self.workspace_links[REL + "typedescendants"]
        return [walk(entry) for entry in self.feed(self.with_parameters(target, depth=depth))[0]]

    @staticmethod
    def entry_xml(inner, title="a title"):
        return (f'<?xml version="1.0"?><atom:entry {DECLARED}><atom:title>{escape(title)}'
                f"</atom:title>{inner}</atom:entry>").encode()

    def object_xml(self, properties, content=None, add=()):
        inner = ""
        if content:
            data, kind, name = content
            inner = (f"<cmisra:content><cmisra:mediatype>{escape(kind)}</cmisra:mediatype>"
                     '<chemistry:filename xmlns:chemistry="http://chemistry.apache.org/">'
                     f"{escape(name)}</chemistry:filename><cmisra:base64>"
                     f"{base64.b64encode(data).decode()}</cmisra:base64></cmisra:content>")
        inner += "<cmisra:object>" + properties_xml("cmis:properties", properties)
        if add:
            inner += acl_xml("cmis:acl", add)
        return self.entry_xml(inner + "</cmisra:object>")

    def create_type(self, inner, kind):
        body = self.entry_xml(f'<cmisra:type xsi:type="{kind}">{inner}</cmisra:type>')
        return self.entry("POST", self.collections["types"], body, 201).type

    def update_type(self, inner, kind):
        number = re.search("<cmis:id>([^<]*)</cmis:id>", inner).group(1)
        body = self.entry_xml(f'<cmisra:type xsi:type="{kind}">{inner}</cmisra:type>')
        return self.entry("PUT", self.type_entry(number).link("self"), body).type

    def delete_type(self, number):
        self.ask("DELETE", self.type_entry(number).link("self"))

    def create(self, kind, properties, folder=None, content=None, state=None, add=()):
        if kind == "Relationship":
            source = dict((name, values) for _, name, values in properties)["cmis:sourceId"][0]
            target = self.follow(source, REL + "relationships")
        elif folder is None:
            target = self.collections["unfiled"]
        else:
            target = self.follow(folder, "down", FEED)
        target = self.with_parameters(target, versioningState=state)
        return self.entry("POST", target, self.object_xml(properties, content, add), 201).object.id

    def get(self, number, **flags):
        return self.entry_of(number, **flags).object

    def by_path(self, path, **flags):
        return self.entry("GET", self.fill("objectbypath", path=path, **flags)).object

    def page(self, target):
        entries, links, total = self.feed(target)
        return [entry.object for entry in entries], "next" in links, total

    def children(self, folder, most=None, skip=None, order=None, **flags):
        return self.page(self.with_parameters(self.follow(folder, "down", FEED), maxItems=most,
                                              skipCount=skip, orderBy=order, **flags))

    def walk(self, entry):
        return Node(entry.object, [self.walk(child) for child in entry.children()])

    def descendants(self, folder, depth=-1, folders=False):
        target = self.follow(folder, REL + "foldertree" if folders else "down", TREE)
        return [self.walk(entry) for entry in self.feed(self.with_parameters(
            target, depth=depth, includePathSegment="true"))[0]]

    def parents(self, number):
        up = self.entry_of(number).link("up", FEED)
        return [entry.object for entry in self.feed(self.with_parameters(
            up, includeRelativePathSegment="true"))[0]] if up else []

    def folder_parent(self, folder):
        entry = self.entry_of(folder)
        if entry.link("up") is None:
            raise CmisError("invalidArgument", "the root has no parent", 0)
        return self.entry("GET", entry.link("up", ENTRY)).object

    def checked_out_page(self, folder=None, most=None, skip=None, order=None):
        return self.page(self.with_parameters(self.collections["checkedout"], folderId=folder,
                                              maxItems=most, skipCount=skip, orderBy=order))

    def checked_out(self, folder=None):
        return self.checked_out_page(folder)[0]

    def update(self, number, properties, token=None):
        target = self.with_parameters(self.follow(number, "self"), changeToken=token)
        return self.entry("PUT", target, self.object_xml(properties)).object.id

    def bulk(self, numbers, properties, add=()):
        inner = "<cmisra:bulkUpdate>" + "".join(
            f"<cmis:objectIdAndChangeToken><cmis:id>{n}</cmis:id></cmis:objectIdAndChangeToken>"
            for n in numbers) + properties_xml("cmis:properties", properties) + "".join(
            f"<cmis:addSecondaryTypeIds>{t}</cmis:addSecondaryTypeIds>" for t in add) + \
            "</cmisra:bulkUpdate>"
        return [entry.object.id for entry in self.feed(
            self.collections["update"], "POST", self.entry_xml(inner), ENTRY, 201)[0]]

    def content(self, number, stream=None, offset=None, length=None):
        element = self.entry_of(number).element.find("atom:content", NS)
        src = None if element is None else element.get("src")
        if src is None:
            raise CmisError("constraint", "no content", 0)
        if stream:
            src = self.with_parameters(src, streamId=stream)
        headers = {}
        if offset is not None or length is not None:
            end = "" if length is None else str((offset or 0) + length - 1)
            headers["Range"] = f"bytes={offset or 0}-{end}"
        answer = self.ask("GET", src, **headers)
        disposition = answer.getheader("Content-Disposition")
        name = re.search(r"filename\*=UTF-8''(.*)$", disposition).group(1)
        return answer.body, answer.getheader("Content-Type"), urllib.parse.unquote(name)

    def put_content(self, number, content, **parameters):
        data, kind, name = content
        target = self.with_parameters(self.follow(number, "edit-media"), **parameters)
        quoted = urllib.parse.quote(name, "")
        answer = self.ask("PUT", target, data, kind,
                          Content_Disposition=f"attachment; filename*=UTF-8''{quoted}")
        location = urllib.parse.urlsplit(answer.getheader("Location"))
        return urllib.parse.parse_qs(location.query)["id"][0]

    def set_content(self, number, content, overwrite=None, token=None):
        return self.put_content(number, content, overwriteFlag=overwrite, changeToken=token)

    def append(self, number, content, last):
        return self.put_content(number, content, append="true", isLastChunk=last)

    def delete_content(self, number):
        self.ask("DELETE", self.follow(number, "edit-media"))

    def post_id(self, target, number, status=201):
        body = self.object_xml([("Id", "cmis:objectId", [number])])
        return self.entry("POST", target, body, status).object

    def move(self, number, source, target):
        return self.post_id(self.with_parameters(self.follow(target, "down", FEED),
                                                 sourceFolderId=source), number).id

    def delete(self, number, all_versions=None):
        self.ask("DELETE", self.with_parameters(self.follow(number, "self"),
                                                allVersions=all_versions))

    def delete_tree(self, folder):
        self.ask("DELETE", self.with_parameters(self.follow(folder, "down", TREE),
                                                allVersions="true", unfileObjects="delete",
                                                continueOnFailure="true"))
        return []

    def check_out(self, number):
        return self.post_id(self.collections["checkedout"], number).id

    def cancel(self, number):
        self.ask("DELETE", self.follow(number, "self"))

    def check_in(self, number, major, properties=(), content=None, comment=None):
        target = self.with_parameters(self.follow(number, "self"), checkin="true", major=major,
                                      checkinComment=comment)
        return self.entry("PUT", target, self.object_xml(properties, content)).object.id

    def versions(self, number):
        return [e.object for e in self.feed(self.follow(number, "version-history"))[0]]

    def latest(self, number, major):
        version = "latestmajor" if major == "true" else "latest"
        target = self.fill("objectbyid", id=number, returnVersion=version)
        if "returnVersion" not in target: # CMIS 1.0 names it, but not in the template
            target = self.with_parameters(target, returnVersion=version)
        return self.entry("GET", target).object

    def query(self, statement, most=None, skip=None, all_versions=None):
        inner = "".join(f"<cmis:{name}>{escape(str(value))}</cmis:{name}>" for name, value in (
            ("statement", statement), ("searchAllVersions", all_versions), ("maxItems", most),
            ("skipCount", skip)) if value is not None)
        body = f"<cmis:query {DECLARED}>{inner}</cmis:query>".encode()
        entries, links, total = self.feed(self.collections["query"], "POST", body,
                                          "application/cmisquery+xml", 201)
        return [entry.object for entry in entries], "next" in links, total

    def changes(self, token=None, most=None):
        entries, links, _ = self.feed(self.with_parameters(
            self.workspace_links[REL + "changes"], changeLogToken=token, maxItems=most))
        following = urllib.parse.parse_qs(urllib.parse.urlsplit(links.get("next", "")).query)
        return ([e.object for e in entries], "next" in links,
                following.get("changeLogToken", [None])[0])

    def allowable_actions(self, number):
        return actions_of(self.xml("GET", self.follow(number, REL + "allowableactions")))

    def acl(self, number):
        return acl_of(self.xml("GET", self.with_parameters(
            self.follow(number, REL + "acl"), onlyBasicPermissions="false")))

    def apply_acl(self, number, add=(), remove=()):
        now = {(who, what) for who, what, direct in self.acl(number) if direct}
        wanted = (now - set(remove)) | set(add)
        body = acl_xml("cmis:acl", sorted(wanted)).replace("<cmis:acl>", f"<cmis:acl {DECLARED}>")
        return acl_of(self.xml("PUT", self.follow(number, REL + "acl"), body.encode(),
                               "application/cmisacl+xml"))

    def relationships_page(self, number, direction=None, kind=None, most=None, skip=None):
        return self.page(self.with_parameters(
            self.follow(number, REL + "relationships"), includeSubRelationshipTypes="true",
            relationshipDirection=direction, typeId=kind, maxItems=most, skipCount=skip))

    def relationships(self, number, direction=None):
        return self.relationships_page(number, direction)[0]

    def apply_policy(self, policy, number):
        self.post_id(self.follow(number, REL + "policies"), policy)

    def remove_policy(self, policy, number):
        for entry in self.feed(self.follow(number, REL + "policies"))[0]:
            if entry.object.id == policy:
                self.ask("DELETE", entry.link("self"))
                return
        raise CmisError("objectNotFound", "not applied", 0)

    def policies(self, number):
        return [e.object for e in self.feed(self.follow(number, REL + "policies"))[0]]

    def copy(self, source, properties, folder):
        target = self.with_parameters(self.follow(folder, "down", FEED), sourceId=source)
        return self.entry("POST", target, self.object_xml(properties), 201).object.id

    def properties(self, number, filter_=None):
        return self.entry_of(number, **({"filter": filter_} if filter_ else {})).object

    def renditions(self, number, filter_="*"):
        found = self.entry_of(number, renditionFilter=filter_).object
        return [{local(part): part.text for part in item} for item in found.renditions]

    def add_to_folder(self, number, folder):
        self.post_id(self.follow(folder, "down", FEED), number)

    def remove_from_folder(self, number, folder):
        self.post_id(self.with_parameters(self.collections["unfiled"], removeFrom=folder), number)


# Checking what came


def schemas(directory, wsdl):
    """The two schemas of a WSDL as files that refer to each other; the messaging one's path."""
    places = {}
    for schema in tree.fromstring(wsdl).iter("{http://www.w3.org/2001/XMLSchema}schema"):
        target = schema.get("targetNamespace")
        name = "core.xsd" if target == NS["cmis"] else "messaging.xsd"
        for item in schema.findall("{http://www.w3.org/2001/XMLSchema}import"):
            item.set("schemaLocation", "core.xsd")
        for prefix in ("cmis", "cmism"):  # names in attribute values need their prefixes
            schema.set(f"xmlns:{prefix}", NS[prefix])
        for item in schema.iter():
            item.attrib.pop("{http://www.w3.org/2005/05/xmlmime}expectedContentTypes", None)
        places[name] = os.path.join(directory, name)
        with open(places[name], "wb") as out:
            tree.register_namespace("xs", "http://www.w3.org/2001/XMLSchema")
            out.write(tree.tostring(schema))
    return places["messaging.xsd"], places["core.xsd"]


def lint(*arguments):
    done = subprocess.run(["xmllint", "--nonet", "--noout", *arguments], capture_output=True,
                          check=False, text=True)
    return "" if done.returncode == 0 else done.stderr[:3000] or f"exit {done.returncode}"


def check_bodies(directory):
    """What xmllint says of all that was kept: nothing, if all is well."""
    files = [os.path.join(directory, name) for name in sorted(os.listdir(directory))
             if name.endswith(".xml")]
    return len(files), "".join(lint(*files[i:i + 200]) for i in range(0, len(files), 200))


def messages_of(directory, target):
    """The operations' responses out of the envelopes that were kept, each a document."""
    places = []
    for name in sorted(os.listdir(directory)):
        if not name.startswith("soap") or not name.endswith(".xml"):
            continue
        with open(os.path.join(directory, name), "rb") as file:
            whole = file.read()
        head = whole[:whole.index(b"<soap:Body>")]
        inner = whole[len(head) + len(b"<soap:Body>"):whole.rindex(b"</soap:Body>")]
        declared = b" ".join(re.findall(rb'xmlns:\w+="[^"]*"', head))
        if inner.startswith(b"<soap:Fault"):
            inner = re.search(rb"<cmism:cmisFault>.*</cmism:cmisFault>", inner, re.S).group(0)
        inner = re.sub(rb"^<([\w:]+)", lambda m: b"<" + m[1] + b" " + declared, inner, count=1)
        inner = re.sub(rb"<xop:Include[^>]*/>", b"", inner)
        places.append(os.path.join(target, name))
        with open(places[-1], "wb") as out:
            out.write(inner)
    return places
