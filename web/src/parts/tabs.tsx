// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from "preact";

export interface Tab {
  id: string;
  text: string;
  show: () => ComponentChildren;
}

export function Tabs(p: { tabs: Tab[]; now: string; choose: (id: string) => void; label: string }) {
  const at = Math.max(0, p.tabs.findIndex((tab) => tab.id === p.now));
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = step ? (at + step + p.tabs.length) % p.tabs.length
      : event.key === "Home" ? 0 : event.key === "End" ? p.tabs.length - 1 : -1;
    if (to < 0) return;
    event.preventDefault();
    p.choose(p.tabs[to].id);
    document.getElementById(`tab-${p.tabs[to].id}`)?.focus();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label={p.label} onKeyDown={onKeyDown}>
        {p.tabs.map((tab, index) => (
          <button key={tab.id} id={`tab-${tab.id}`} type="button" role="tab" aria-selected={index === at}
            aria-controls="tab-panel" tabIndex={index === at ? 0 : -1} onClick={() => p.choose(tab.id)}>
            {tab.text}
          </button>
        ))}
      </div>
      <div id="tab-panel" class="tab-panel" role="tabpanel" tabIndex={0} aria-labelledby={`tab-${p.tabs[at].id}`}>
        {p.tabs[at].show()}
      </div>
    </>
  );
}
