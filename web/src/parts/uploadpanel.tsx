// SPDX-License-Identifier: Apache-2.0
// What is being uploaded, and the choices where a name is taken.
import { useState } from "preact/hooks";
import { size, t } from "../i18n";
import { cancel, clearDone, pause, resume, settle, uploads, type Upload } from "../uploads";
import { Icon, IconButton, problemText } from "./basic";

export function UploadPanel() {
  const list = uploads.use();
  const [small, setSmall] = useState(false);
  if (list.length === 0) return null;
  const done = list.filter((one) => one.phase === "done").length;
  const asks = list.filter((one) => one.phase === "taken");
  const moving = list.filter((one) => one.phase === "sending" || one.phase === "waiting");
  const total = list.reduce((sum, one) => sum + one.file.size, 0);
  const sent = list.reduce((sum, one) => sum + one.sent, 0);
  const percent = total ? Math.floor((100 * sent) / total) : 100;
  const title = moving.length
    ? t("uploads.moving", { count: moving.length })
    : t("uploads.done", { done, count: list.length });
  return (
    <section class="uploads" aria-label={t("uploads")}>
      <header>
        <strong class="grow" role="status">{title}</strong>
        {moving.length > 0 && (
          <IconButton icon="pause" label={t("uploads.pause-all")} onClick={() => moving.forEach((one) => pause(one.id))} />
        )}
        {list.some((one) => one.phase === "paused") && (
          <IconButton icon="play" label={t("uploads.resume-all")}
            onClick={() => list.forEach((one) => one.phase === "paused" && resume(one.id))} />
        )}
        <IconButton icon={small ? "arrow-up" : "chevron-down"} label={t(small ? "show" : "hide")}
          expanded={!small} onClick={() => setSmall(!small)} />
        <IconButton icon="close" label={t(moving.length ? "uploads.cancel-all" : "close")} onClick={clearDone} />
      </header>
      <div class="bar" role="progressbar" aria-label={t("uploads")} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}>
        <i style={{ width: `${percent}%` }} />
      </div>
      {!small && asks.length > 1 && (
        <div class="row wrap all-taken">
          <span class="grow">{t("taken.all", { count: asks.length })}</span>
          <Choices pick={(how) => asks.forEach((one) => settle(one.id, how))} skip={() => asks.forEach((one) => cancel(one.id))} />
        </div>
      )}
      {!small && <ul>{list.slice(-200).map((one) => <Line key={one.id} one={one} />)}</ul>}
    </section>
  );
}

function Choices(p: { pick: (how: "version" | "rename") => void; skip: () => void }) {
  return (
    <>
      <button type="button" class="button link" onClick={() => p.pick("version")}>{t("taken.version")}</button>
      <button type="button" class="button link" onClick={() => p.pick("rename")}>{t("taken.both")}</button>
      <button type="button" class="button link" onClick={p.skip}>{t("taken.skip")}</button>
    </>
  );
}

function Line({ one }: { one: Upload }) {
  const percent = one.file.size ? Math.floor((100 * one.sent) / one.file.size) : 0;
  return (
    <li class={one.phase}>
      <Icon name={one.phase === "done" ? "check" : one.phase === "failed" || one.phase === "taken" ? "warning" : "file"} />
      <div class="grow">
        <div class="name">{one.name}</div>
        {one.phase === "taken" ? (
          <div class="row wrap">
            <span class="muted">{t("taken")}</span>
            <Choices pick={(how) => settle(one.id, how)} skip={() => cancel(one.id)} />
          </div>
        ) : one.phase === "failed" ? (
          <div class="bad">{problemText(one.error)}</div>
        ) : (
          <div class="muted small">
            {one.phase === "done"
              ? size(one.file.size)
              : `${t(`phase.${one.phase}` as "phase.paused")} · ${size(one.sent)} / ${size(one.file.size)} · ${percent} %`}
          </div>
        )}
      </div>
      {(one.phase === "sending" || one.phase === "waiting") && (
        <IconButton icon="pause" label={t("pause.of", { name: one.name })} onClick={() => pause(one.id)} />
      )}
      {(one.phase === "paused" || one.phase === "failed") && (
        <IconButton icon="play" label={t("resume.of", { name: one.name })} onClick={() => resume(one.id)} />
      )}
      {one.phase !== "done" && (
        <IconButton icon="close" label={t("cancel.of", { name: one.name })} onClick={() => cancel(one.id)} />
      )}
    </li>
  );
}
