// SPDX-License-Identifier: Apache-2.0
// PDF, drawn page by page as they come into sight, with a layer of text for selecting and for
// screen readers. The document's scripts, forms and links are not run.
import { getDocument, GlobalWorkerOptions, TextLayer, type PDFDocumentProxy } from "pdfjs-dist";
import worker from "pdfjs-dist/build/pdf.worker.min.mjs?url";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { Empty, IconButton, Loading } from "./basic";

GlobalWorkerOptions.workerSrc = worker;

export function Pdf({ path, name }: { path: string; name: string }) {
  const [file, setFile] = useState<PDFDocumentProxy | null>(null);
  const [error, setError] = useState("");
  const [zoom, setZoom] = useState(1);
  useEffect(() => {
    const task = getDocument({
      url: path, isEvalSupported: false, enableXfa: false, useWasm: false,
      httpHeaders: { "X-Requested-With": "coffer" }, disableAutoFetch: true, rangeChunkSize: 1 << 18,
    } as Parameters<typeof getDocument>[0]);
    task.promise.then(setFile, (problem: Error) =>
      setError(problem.name === "PasswordException" ? t("preview.pdf.locked") : t("preview.broken")),
    );
    return () => void task.destroy();
  }, [path]);
  if (error) return <Empty icon="file-pdf" title={error} />;
  if (!file) return <Loading />;
  return (
    <div class="pdf">
      <div class="row pdf-bar">
        <span class="muted grow">{t("preview.pages", { count: file.numPages })}</span>
        <button type="button" class="button quiet" aria-label={t("zoom.out")} disabled={zoom <= 0.5} onClick={() => setZoom(zoom / 1.25)}>−</button>
        <span class="muted" aria-live="polite">{Math.round(zoom * 100)} %</span>
        <IconButton icon="plus" label={t("zoom.in")} disabled={zoom >= 4} onClick={() => setZoom(zoom * 1.25)} />
      </div>
      <div class="pages" tabIndex={0} role="group" aria-label={name}>
        {Array.from({ length: Math.min(file.numPages, 2000) }, (_, index) => (
          <PdfPage key={index} file={file} number={index + 1} zoom={zoom} />
        ))}
      </div>
    </div>
  );
}

function PdfPage({ file, number, zoom }: { file: PDFDocumentProxy; number: number; zoom: number }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const text = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(number === 1);
  const [ratio, setRatio] = useState(1.414);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const sight = new IntersectionObserver(([entry]) => entry.isIntersecting && setSeen(true), { rootMargin: "600px" });
    const room = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    if (box.current) {
      sight.observe(box.current);
      room.observe(box.current.parentElement as Element);
    }
    return () => {
      sight.disconnect();
      room.disconnect();
    };
  }, []);
  useEffect(() => {
    if (!seen || width === 0) return;
    let current = true;
    let stop = () => {};
    void file.getPage(number).then((page) => {
      if (!current || !canvas.current || !text.current) return;
      const plain = page.getViewport({ scale: 1 });
      const scale = (Math.min(width - 32, 900) / plain.width) * zoom;
      const viewport = page.getViewport({ scale });
      const dots = Math.min(devicePixelRatio, 2);
      setRatio(plain.height / plain.width);
      canvas.current.width = Math.floor(viewport.width * dots);
      canvas.current.height = Math.floor(viewport.height * dots);
      const context = canvas.current.getContext("2d", { alpha: false });
      if (!context) return;
      const drawing = page.render({ canvasContext: context, viewport, transform: [dots, 0, 0, dots, 0, 0] });
      text.current.replaceChildren();
      text.current.style.setProperty("--scale-factor", String(scale));
      const layer = new TextLayer({ textContentSource: page.streamTextContent(), container: text.current, viewport });
      void layer.render().catch(() => {});
      stop = () => {
        drawing.cancel();
        layer.cancel();
      };
      drawing.promise.catch(() => {});
    });
    return () => {
      current = false;
      stop();
    };
  }, [seen, width, zoom]);
  const wide = Math.max(100, Math.min(width - 32, 900) * zoom);
  return (
    <div ref={box} class="page" role="group" aria-label={t("preview.page", { number })}
      style={{ width: `${wide}px`, height: `${wide * ratio}px` }}>
      <canvas ref={canvas} aria-hidden="true" />
      <div ref={text} class="text-layer" />
    </div>
  );
}
