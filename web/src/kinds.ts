// SPDX-License-Identifier: Apache-2.0
// What a media type means to people: a group, its icon, and how it can be shown.
import type { Node } from "./api";
import type { TextKey } from "./i18n";
import type { IconName } from "./icons/names";

export type Shown = "pdf" | "image" | "text" | "html" | "words" | "audio" | "video" | "none";

export function essence(type: string | null | undefined): string {
  return (type ?? "").split(";")[0].trim().toLowerCase();
}

const TEXTS = new Set([
  "application/json", "application/xml", "application/yaml", "application/x-yaml",
  "application/javascript", "application/x-sh", "application/toml", "application/sql",
]);

export function shownAs(type: string | null | undefined): Shown {
  const t = essence(type);
  if (t === "application/pdf") return "pdf";
  if (t === "text/html") return "html";
  if (t === "image/svg+xml" || /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon)$/.test(t)) return "image";
  if (t.startsWith("text/") || TEXTS.has(t) || t.endsWith("+json") || t.endsWith("+xml")) return "text";
  if (t === "message/rfc822") return "words";
  if (/^application\/(vnd\.openxmlformats-officedocument|vnd\.oasis\.opendocument)\.|^application\/epub\+zip$/.test(t))
    return "words";
  if (t.startsWith("audio/")) return "audio";
  if (t.startsWith("video/")) return "video";
  return "none";
}

/** Whether the server makes thumbnails of such documents. */
export function hasThumbnail(type: string | null | undefined): boolean {
  return /^(application\/pdf|image\/(png|jpeg|gif|webp))$/.test(essence(type));
}

export function isComparable(type: string | null | undefined): boolean {
  const shown = shownAs(type);
  return shown === "text" || shown === "html" || essence(type) === "image/svg+xml";
}

export function iconOf(node: Pick<Node, "kind" | "type">): IconName {
  if (node.kind === "folder") return "folder";
  const t = essence(node.type);
  if (t === "application/pdf") return "file-pdf";
  if (t.startsWith("image/")) return "file-image";
  if (t.startsWith("audio/") || t.startsWith("video/")) return "file-media";
  if (/sheet|excel|csv/.test(t)) return "file-table";
  if (/zip|tar|compressed/.test(t)) return "file-archive";
  if (t.startsWith("text/") || /word|opendocument\.text|rtf|rfc822/.test(t) || TEXTS.has(t)) return "file-text";
  return "file";
}

/** The name of a kind, for lists and facets. */
export function kindText(node: Pick<Node, "kind" | "type">): TextKey {
  if (node.kind === "folder") return "kind.folder";
  const t = essence(node.type);
  if (t === "application/pdf") return "kind.pdf";
  if (t.startsWith("image/")) return "kind.image";
  if (t.startsWith("audio/")) return "kind.audio";
  if (t.startsWith("video/")) return "kind.video";
  if (/sheet|excel|csv/.test(t)) return "kind.table";
  if (/presentation|powerpoint/.test(t)) return "kind.slides";
  if (/word|opendocument\.text|rtf|rfc822/.test(t)) return "kind.writing";
  if (/zip|tar|compressed/.test(t)) return "kind.archive";
  if (t.startsWith("text/") || TEXTS.has(t)) return "kind.text";
  return "kind.other";
}
