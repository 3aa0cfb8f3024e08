// SPDX-License-Identifier: Apache-2.0
// Administration: types of documents and what can be said of each.
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { Empty, Failed, Field, FormError, Icon, IconButton, Loading, useLoaded } from "../parts/basic";
import { askSure, Dialog, show, toast } from "../parts/overlay";
import { changed, changes, session } from "../state";
import {
  kindName, KINDS, propertiesOf, typeCreate, typeDelete, typesBelow, type Choice, type Kind, type TypeDefinition,
} from "../typed";

export function Types() {
  const who = session.use();
  const change = changes.use();
  const list = useLoaded(async (signal) => {
    const [secondary, primary] = await Promise.all([typesBelow("cmis:secondary", signal), typesBelow("cmis:document", signal)]);
    return [...secondary, ...primary];
  }, [change]);
  useEffect(() => {
    document.title = `${t("nav.types")} · Coffer`;
  }, []);
  if (who.state !== "in" || !who.admin) return <Empty main icon="lock" title={t("problem.admins-only")} />;
  if (!list.value) return list.error ? <Failed main error={list.error} again={list.again} /> : <Loading />;
  return (
    <div class="view scroll page-view">
      <div class="row">
        <h1 class="grow">{t("nav.types")}</h1>
        <button type="button" class="button primary" onClick={() => show((close) => <TypeDialog close={close} />)}>
          <Icon name="plus" />
          {t("types.add")}
        </button>
      </div>
      <p class="muted">{t("types.help")}</p>
      {list.value.length === 0 && <Empty icon="tag" title={t("types.none")} />}
      {list.value.map((type) => (
        <section key={type.id} class="card">
          <div class="row">
            <h2 class="grow">{type.displayName} <span class="muted small">{type.id}</span></h2>
            {type.typeMutability?.delete && (
              <IconButton icon="trash" label={t("access.remove", { name: type.displayName })} onClick={() => removeAsk(type)} />
            )}
          </div>
          <p class="muted">{t(type.baseId === "cmis:secondary" ? "types.secondary" : "types.primary")}</p>
          <ul class="access">
            {propertiesOf([type]).map((one) => (
              <li key={one.id} class="row wrap">
                <strong>{one.displayName}</strong>
                <span class="muted">{kindName(one.propertyType)}</span>
                {one.cardinality === "multi" && <span class="badge">{t("property.multi")}</span>}
                {one.required && <span class="badge">{t("property.required")}</span>}
                {one.choice?.length ? <span class="badge">{t("property.choices", { count: one.choice.length })}</span> : null}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function removeAsk(type: TypeDefinition) {
  askSure({
    title: t("users.remove.title", { name: type.displayName }),
    text: t("types.remove.text"),
    action: t("remove"),
    done: async () => {
      await typeDelete(type.id);
      changed();
      toast(t("users.removed", { name: type.displayName }));
    },
  });
}

interface Row {
  name: string;
  kind: Kind;
  multi: boolean;
  required: boolean;
  choices: string;
}
const fresh = (): Row => ({ name: "", kind: "string", multi: false, required: false, choices: "" });

/** "Invoice No. 1" becomes "invoice-no-1": what programs call it. */
function idOf(name: string): string {
  return name.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
}

/** Choices of numbers are numbers; a line of text is one choice. */
function choicesFrom(row: Row): Choice[] {
  const lines = row.choices.split("\n").map((line) => line.trim()).filter(Boolean);
  const numeric = row.kind === "integer" || row.kind === "decimal";
  return lines.map((line) => ({ displayName: line, value: [numeric ? Number(line) : line] }));
}
const hasChoices = (kind: Kind) => kind === "string" || kind === "integer" || kind === "decimal";

function definitionOf(name: string, base: string, rows: Row[]) {
  const id = `own:${idOf(name)}`;
  const names = { localNamespace: "urn:own", description: "", inherited: false };
  const properties = rows.filter((row) => row.name.trim()).map((row) => {
    const property = `${id}-${idOf(row.name)}`;
    const choice = hasChoices(row.kind) ? choicesFrom(row) : [];
    return {
      ...names, id: property, localName: property, queryName: property, displayName: row.name.trim(), propertyType: row.kind,
      cardinality: row.multi ? "multi" : "single", updatability: "readwrite", required: row.required, queryable: true,
      orderable: !row.multi, ...(choice.length ? { choice, openChoice: false } : {}),
    };
  });
  const secondary = base === "cmis:secondary";
  return {
    id, localName: id, localNamespace: "urn:own", queryName: id, displayName: name.trim(), description: "", baseId: base, parentId: base,
    creatable: !secondary, fileable: !secondary, queryable: true, fulltextIndexed: true, includedInSupertypeQuery: true,
    controllablePolicy: !secondary, controllableACL: !secondary,
    ...(secondary ? {} : { versionable: true, contentStreamAllowed: "allowed" }),
    propertyDefinitions: Object.fromEntries(properties.map((one) => [one.id, one])),
  };
}

function TypeDialog({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [base, setBase] = useState("cmis:secondary");
  const [rows, setRows] = useState<Row[]>([fresh()]);
  const [error, setError] = useState<unknown>(null);
  const set = (at: number, more: Partial<Row>) => setRows(rows.map((row, i) => (i === at ? { ...row, ...more } : row)));
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await typeCreate(definitionOf(name, base, rows));
      changed();
      close();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("types.add")} onClose={close} wide>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>{t("name")}</span>
          <input class="input" data-first required maxLength={100} value={name} pattern=".*[A-Za-z0-9].*" autocomplete="off"
            onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("types.use")}</span>
          <select class="input" value={base} onChange={(event) => setBase(event.currentTarget.value)}>
            <option value="cmis:secondary">{t("types.secondary")}</option>
            <option value="cmis:document">{t("types.primary")}</option>
          </select>
        </label>
        {rows.map((row, i) => (
          <fieldset key={i} class="card form">
            <legend>{t("property.number", { number: i + 1 })}</legend>
            <Field label={t("properties.name")}>
              {(id) => <input id={id} class="input" required maxLength={100} value={row.name} pattern=".*[A-Za-z0-9].*" autocomplete="off"
                onInput={(event) => set(i, { name: event.currentTarget.value })} />}
            </Field>
            <Field label={t("property.kind")}>
              {(id) => (
                <select id={id} class="input" value={row.kind} onChange={(event) => set(i, { kind: event.currentTarget.value as Kind })}>
                  {KINDS.map((kind) => <option key={kind} value={kind}>{kindName(kind)}</option>)}
                </select>
              )}
            </Field>
            {hasChoices(row.kind) && (
              <Field label={t("property.choices.lines")} help={t("property.choices.help")}>
                {(id, help) => <textarea id={id} aria-describedby={help} class="input" rows={2} value={row.choices}
                  onInput={(event) => set(i, { choices: event.currentTarget.value })} />}
              </Field>
            )}
            <div class="row wrap">
              <label class="check">
                <input type="checkbox" checked={row.multi} onChange={(event) => set(i, { multi: event.currentTarget.checked })} />
                <span>{t("property.multi")}</span>
              </label>
              <label class="check">
                <input type="checkbox" checked={row.required} onChange={(event) => set(i, { required: event.currentTarget.checked })} />
                <span>{t("property.required")}</span>
              </label>
              <span class="grow" />
              <button type="button" class="button quiet" onClick={() => setRows(rows.filter((_, at) => at !== i))}>{t("remove")}</button>
            </div>
          </fieldset>
        ))}
        <button type="button" class="button" onClick={() => setRows([...rows, fresh()])}>
          <Icon name="plus" />
          {t("property.add")}
        </button>
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("create")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
