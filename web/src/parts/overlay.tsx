// SPDX-License-Identifier: Apache-2.0
// Dialogs, menus and messages. Dialogs are the browser's own: it keeps the focus inside, and Escape
// closes them.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import type { IconName } from "../icons/names";
import { state } from "../state";
import { FormError, Icon, IconButton } from "./basic";

export function Dialog(p: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  children: ComponentChildren;
}) {
  const self = useRef<HTMLDialogElement>(null);
  const id = useRef(`d${Math.random().toString(36).slice(2)}`).current;
  useLayoutEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = self.current;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      /* While it is open nothing behind it can have the focus. */
      dialog?.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={self}
      class={`dialog ${p.wide ? "wide" : ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        p.onClose();
      }}
      onClose={p.onClose}
      onMouseDown={(event) => event.target === self.current && p.onClose()}
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header>
        <h2 id={id}>{p.title}</h2>
        <IconButton icon="close" label={t("close")} onClick={p.onClose} />
      </header>
      <div class="content">{p.children}</div>
    </dialog>
  );
}

/* Dialogs that are opened from anywhere: the innermost is shown last. */
const open = state<ComponentChildren[]>([]);
export function show(make: (close: () => void) => ComponentChildren) {
  const made = make(() => open.set(open.get().filter((other) => other !== made)));
  open.set([...open.get(), made]);
}
export function Dialogs() {
  return <>{open.use()}</>;
}

/** Asks for one line of text; `done` may throw, and the dialog then says why. */
export function askText(p: {
  title: string;
  label: string;
  value?: string;
  action: string;
  optional?: boolean;
  done: (text: string) => Promise<void>;
}) {
  show((close) => <TextDialog {...p} close={close} />);
}
function TextDialog(p: Parameters<typeof askText>[0] & { close: () => void }) {
  const [value, setValue] = useState(p.value ?? "");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  /* Before anything is drawn: who types at once replaces the name. */
  useLayoutEffect(() => {
    const dot = value.lastIndexOf(".");
    input.current?.focus();
    input.current?.setSelectionRange(0, dot > 0 ? dot : value.length);
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await p.done(value.trim());
      p.close();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title={p.title} onClose={p.close}>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{p.label}</span>
          <input
            ref={input}
            class="input"
            value={value}
            maxLength={p.optional ? 2000 : 255}
            required={!p.optional}
            autocomplete="off"
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </label>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={p.close}>
            {t("cancel")}
          </button>
          <button class="button primary" disabled={busy || (!p.optional && !value.trim())}>
            {p.action}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function askSure(p: {
  title: string;
  text: string;
  action: string;
  done: () => Promise<void>;
}) {
  show((close) => <SureDialog {...p} close={close} />);
}
function SureDialog(p: Parameters<typeof askSure>[0] & { close: () => void }) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      await p.done();
      p.close();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title={p.title} onClose={p.close}>
      <p>{p.text}</p>
      <FormError error={error} />
      <footer>
        <button type="button" class="button" data-first onClick={p.close}>
          {t("cancel")}
        </button>
        <button type="button" class="button danger" disabled={busy} onClick={submit}>
          {p.action}
        </button>
      </footer>
    </Dialog>
  );
}

/* Menus */

export interface MenuItem {
  label: string;
  icon?: IconName;
  keys?: string;
  danger?: boolean;
  href?: string;
  download?: boolean;
  checked?: boolean;
  run?: () => void;
}
export type MenuEntry = MenuItem | "line";
interface OpenMenu {
  entries: MenuEntry[];
  x: number;
  y: number;
  label: string;
}
const menu = state<OpenMenu | null>(null);

/** Opens below an element, or where the pointer is. */
export function openMenu(label: string, entries: MenuEntry[], at: Element | MouseEvent) {
  const spot =
    at instanceof Element
      ? { x: at.getBoundingClientRect().left, y: at.getBoundingClientRect().bottom + 4 }
      : { x: at.clientX, y: at.clientY };
  menu.set({ label, entries, ...spot });
}

export function Menus() {
  const now = menu.use();
  return now && <Menu key={now} {...now} />;
}
function Menu(p: OpenMenu) {
  const self = useRef<HTMLDivElement>(null);
  const back = useRef<HTMLElement | null>(null);
  const close = (giveBack: boolean) => {
    menu.set(null);
    if (giveBack && back.current?.isConnected) back.current.focus();
  };
  const items = () => [...(self.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
  useLayoutEffect(() => {
    back.current = document.activeElement as HTMLElement | null;
    const box = self.current?.getBoundingClientRect();
    if (self.current && box) {
      self.current.style.left = `${Math.max(8, Math.min(p.x, innerWidth - box.width - 8))}px`;
      self.current.style.top = `${Math.max(8, Math.min(p.y, innerHeight - box.height - 8))}px`;
    }
    items()[0]?.focus();
    const outside = (event: Event) => {
      if (!self.current?.contains(event.target as Element)) close(false);
    };
    addEventListener("pointerdown", outside, true);
    addEventListener("resize", outside);
    return () => {
      removeEventListener("pointerdown", outside, true);
      removeEventListener("resize", outside);
    };
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    event.stopPropagation();
    if (to !== undefined) {
      event.preventDefault();
      all[(to + all.length) % all.length]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      close(true);
    } else if (event.key.length === 1) {
      const start = (item: HTMLElement) =>
        item.textContent?.toLowerCase().startsWith(event.key.toLowerCase());
      [...all.slice(at + 1), ...all.slice(0, at + 1)].find(start)?.focus();
    }
  };
  return (
    <div ref={self} class="menu" role="menu" aria-label={p.label} onKeyDown={onKeyDown}>
      {p.entries.map((entry) => {
        if (entry === "line") return <hr role="separator" />;
        const inside = (
          <>
            {entry.icon && <Icon name={entry.icon} />}
            <span>{entry.label}</span>
            {entry.checked && <Icon name="check" class="end" />}
            {entry.keys && <kbd aria-hidden="true">{entry.keys}</kbd>}
          </>
        );
        if (entry.href)
          return (
            <a
              role="menuitem"
              tabIndex={-1}
              href={entry.href}
              download={entry.download}
              onClick={() => close(true)}
            >
              {inside}
            </a>
          );
        return (
          <button
            type="button"
            role={entry.checked === undefined ? "menuitem" : "menuitemradio"}
            aria-checked={entry.checked}
            tabIndex={-1}
            class={entry.danger ? "danger" : ""}
            onClick={() => {
              close(true);
              entry.run?.();
            }}
          >
            {inside}
          </button>
        );
      })}
    </div>
  );
}

/* Messages */

interface Toast {
  id: number;
  text: string;
  action?: string;
  run?: () => void;
}
const toasts = state<Toast[]>([]);
let toastNext = 1;

function toastDrop(id: number) {
  toasts.set(toasts.get().filter((toast) => toast.id !== id));
}

export function toast(text: string, action?: string, run?: () => void) {
  toasts.set([...toasts.get().slice(-2), { id: toastNext++, text, action, run }]);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.use().map((one) => (
        <ToastLine key={one.id} toast={one} />
      ))}
    </div>
  );
}
function ToastLine({ toast: one }: { toast: Toast }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => toastDrop(one.id), one.action ? 12000 : 6000);
    return () => clearTimeout(timer);
  }, [held]);
  return (
    <div
      class="toast"
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)}
      onFocusOut={() => setHeld(false)}
    >
      <span>{one.text}</span>
      {one.action && (
        <button
          type="button"
          class="button link"
          onClick={() => {
            toastDrop(one.id);
            one.run?.();
          }}
        >
          {one.action}
        </button>
      )}
      <IconButton icon="close" label={t("close")} onClick={() => toastDrop(one.id)} />
    </div>
  );
}
