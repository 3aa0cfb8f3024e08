// SPDX-License-Identifier: Apache-2.0
// What a document looks like. Nothing in it can run: texts are shown as texts, images as images,
// PDF is drawn by pdf.js with scripts off, office documents as their words, HTML lies in a sandboxed frame whose answer forbids
// scripts and every address as well.
import { useEffect, useState } from "preact/hooks";
import { contentPath, Problem, send, type Node } from "../api";
import { size, t } from "../i18n";
import { essence, iconOf, shownAs } from "../kinds";
import { lazy } from "../lazy";
import { Empty, Failed, Icon, Loading, useLoaded } from "./basic";

const TEXT_MAX = 512 << 10;
const Pdf = lazy(() => import("./pdf").then((m) => m.Pdf));

export function Preview({ node, version }: { node: Node; version?: number }) {
  const path = contentPath(node.id, version);
  const shown = shownAs(node.type);
  if ((node.size ?? 0) === 0 && version === undefined)
    return <Empty icon="file" title={t("preview.empty")} />;
  if (shown === "pdf") return <Pdf path={path} name={node.name} />;
  if (shown === "image") return <Image path={path} name={node.name} />;
  if (shown === "text") return <Text path={path} type={essence(node.type)} />;
  if (shown === "html") return <Html path={path} name={node.name} />;
  if (shown === "words" && version === undefined) return <Words node={node} />;
  if (shown === "words" && essence(node.type) === "message/rfc822") return <Text path={path} type="text/plain" />;
  if (shown === "audio") return <audio class="media" controls src={path} />;
  if (shown === "video") return <video class="media" controls src={path} />;
  return <None node={node} path={path} />;
}

function None({ node, path }: { node: Node; path: string }) {
  return (
    <Empty icon={iconOf(node)} title={t("preview.none")}>
      <p>{t("preview.none.help", { size: size(node.size ?? 0) })}</p>
      <a class="button" href={path} download>
        <Icon name="download" />
        {t("download")}
      </a>
    </Empty>
  );
}

/** Office documents: the words that the server found in them. */
function Words({ node }: { node: Node }) {
  const read = useLoaded((signal) => wordsOf(node.id, signal), [node.id, node.etag]);
  if (read.error) return <Failed error={read.error} again={read.again} />;
  if (read.value === undefined) return <Loading />;
  if (!read.value) return <None node={node} path={contentPath(node.id)} />;
  return (
    <>
      <p class="note">{t("preview.words")}</p>
      <pre class="text words" tabIndex={0} aria-label={t("preview")}>{read.value}</pre>
    </>
  );
}

async function wordsOf(id: string, signal: AbortSignal): Promise<string> {
  try {
    const text = await (await send("GET", `/api/documents/${id}/text`, { signal })).text();
    return text.replace(/[ \t]+/g, " ").replace(/ ?(\n ?)+/g, "\n").trim();
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return "";
    throw error;
  }
}

function Image({ path, name }: { path: string; name: string }) {
  const [bad, setBad] = useState(false);
  const [whole, setWhole] = useState(false);
  if (bad) return <Empty icon="file-image" title={t("preview.broken")} />;
  return (
    <button type="button" class={`image ${whole ? "whole" : ""}`} aria-pressed={whole}
      aria-label={t("preview.zoom", { name })} onClick={() => setWhole(!whole)}>
      <img src={path} alt={name} onError={() => setBad(true)} />
    </button>
  );
}

export async function textOf(path: string, signal?: AbortSignal): Promise<{ text: string; cut: boolean }> {
  const answer = await send("GET", path, { headers: { Range: `bytes=0-${TEXT_MAX - 1}` }, signal });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const whole = Number(answer.headers.get("Content-Range")?.split("/")[1] ?? bytes.length);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, bytes.length - (whole > bytes.length ? 4 : 0)));
  } catch {
    text = new TextDecoder(bytes[0] === 0xff || bytes[0] === 0xfe ? "utf-16" : "windows-1252").decode(bytes);
  }
  return { text, cut: whole > bytes.length };
}

function Text({ path, type }: { path: string; type: string }) {
  const read = useLoaded((signal) => textOf(path, signal), [path]);
  if (!read.value) return read.error ? <Failed error={read.error} again={read.again} /> : <Loading />;
  let text = read.value.text;
  if (type === "application/json" && !read.value.cut)
    try {
      text = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      /* shown as it is */
    }
  return (
    <>
      <pre class="text" tabIndex={0} aria-label={t("preview")}>{text}</pre>
      {read.value.cut && <p class="note">{t("preview.cut", { size: size(TEXT_MAX) })}</p>}
    </>
  );
}

function Html({ path, name }: { path: string; name: string }) {
  const [source, setSource] = useState(false);
  useEffect(() => setSource(false), [path]);
  return (
    <div class="html">
      <div class="row">
        <span class="muted grow">{t("preview.html")}</span>
        <button type="button" class="button link" aria-pressed={source} onClick={() => setSource(!source)}>
          {t("preview.source")}
        </button>
      </div>
      {source ? <Text path={path} type="text/html" /> : (
        <iframe title={t("preview.of", { name })} sandbox="" src={`${path}?view=1`} />
      )}
    </div>
  );
}
