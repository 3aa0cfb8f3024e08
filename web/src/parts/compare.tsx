// SPDX-License-Identifier: Apache-2.0
// Two versions of a text, line by line.
import { contentPath } from "../api";
import { diff, type Line } from "../diff";
import { t } from "../i18n";
import { Failed, Loading, useLoaded } from "./basic";
import { Dialog } from "./overlay";
import { textOf } from "./preview";

export function Compare(p: { id: string; from: number; to: number; close: () => void }) {
  const both = useLoaded(async (signal) => {
    const [a, b] = await Promise.all([p.from, p.to].map((v) => textOf(contentPath(p.id, v), signal)));
    return { lines: diff(a.text, b.text), cut: a.cut || b.cut };
  }, [p.id, p.from, p.to]);
  return (
    <Dialog wide title={t("compare.title", { from: p.from, to: p.to })} onClose={p.close}>
      {!both.value ? (
        both.error ? <Failed error={both.error} again={both.again} /> : <Loading />
      ) : (
        <>
          <Summary lines={both.value.lines} />
          {both.value.cut && <p class="note warn">{t("compare.cut")}</p>}
          <div class="diff" tabIndex={0} role="group" aria-label={t("versions.compare")}>
            {folded(both.value.lines).map((line, index) =>
              typeof line === "number" ? (
                <div key={index} class="gap">{t("compare.same", { count: line })}</div>
              ) : (
                <div key={index} class={line.kind}>
                  <span aria-hidden="true" class="numbers">{line.a ?? ""}</span>
                  <span aria-hidden="true" class="numbers">{line.b ?? ""}</span>
                  <span class="sign">
                    <span aria-hidden="true">{line.kind === "add" ? "+" : line.kind === "drop" ? "−" : " "}</span>
                    {line.kind !== "same" && <span class="hidden">{t(`compare.${line.kind}`)}</span>}
                  </span>
                  <span class="line">{line.text || " "}</span>
                </div>
              ),
            )}
          </div>
        </>
      )}
    </Dialog>
  );
}

function Summary({ lines }: { lines: Line[] }) {
  const added = lines.filter((line) => line.kind === "add").length;
  const dropped = lines.filter((line) => line.kind === "drop").length;
  if (added + dropped === 0) return <p class="note">{t("compare.equal")}</p>;
  return <p role="status">{t("compare.summary", { added, dropped })}</p>;
}

/** Long runs of equal lines become their number. */
function folded(lines: Line[]): (Line | number)[] {
  const near = new Array<boolean>(lines.length).fill(false);
  lines.forEach((line, i) => {
    if (line.kind !== "same") near.fill(true, Math.max(0, i - 3), i + 4);
  });
  const out: (Line | number)[] = [];
  for (let i = 0; i < lines.length; i++) {
    const last = out[out.length - 1];
    if (near[i]) out.push(lines[i]);
    else if (typeof last === "number") out[out.length - 1] = last + 1;
    else out.push(1);
  }
  return out;
}
