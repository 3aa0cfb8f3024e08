// SPDX-License-Identifier: Apache-2.0
// Administration: types of documents and what can be said of each.
import { useState } from "preact/hooks";
import { t } from "../i18n";
import { AdminPage } from "../parts/admin";
import { Empty, Field, FormError, Icon, IconButton } from "../parts/basic";
import { askSure, Dialog, show, toast } from "../parts/overlay";
import { changed } from "../state";
import {
  choicesOf, kindName, KINDS, propertiesOf, typeChange, typeCreate, typeDelete, typesBelow, type Choice, type Kind, type PropertyDefinition,
  type TypeDefinition,
} from "../typed";

async function ownTypes(signal: AbortSignal): Promise<TypeDefinition[]> {
  const [secondary, primary] = await Promise.all([typesBelow("cmis:secondary", signal), typesBelow("cmis:document", signal)]);
  return [...secondary, ...primary];
}

export function Types() {
  return (
    <AdminPage title="nav.types" help="types.help" add="types.add" load={ownTypes} dialog={(close) => <TypeDialog close={close} />}>
      {(list) => (
        <>
          {list.length === 0 && <Empty icon="tag" title={t("types.none")} />}
          {list.map((type) => <TypeCard key={type.id} type={type} />)}
        </>
      )}
    </AdminPage>
  );
}

function TypeCard({ type }: { type: TypeDefinition }) {
  return (
    <section class="card">
      <div class="row">
        <h2 class="grow">{type.displayName} <span class="muted small">{type.id}</span></h2>
        {type.typeMutability?.update && (
          <IconButton icon="pencil" label={t("types.edit", { name: type.displayName })}
            onClick={() => show((close) => <ChangeDialog type={type} close={close} />)} />
        )}
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
function choicesFrom(text: string, kind: Kind): Choice[] {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const numeric = kind === "integer" || kind === "decimal";
  return lines.map((line) => ({ displayName: line, value: [numeric ? Number(line) : line] }));
}
const hasChoices = (kind: Kind) => kind === "string" || kind === "integer" || kind === "decimal";

/** The properties of these rows, of the type with this id. */
function propertiesFrom(id: string, rows: Row[]) {
  return rows.filter((row) => row.name.trim()).map((row) => {
    const property = `${id}-${idOf(row.name)}`;
    const choice = hasChoices(row.kind) ? choicesFrom(row.choices, row.kind) : [];
    return {
      localNamespace: "urn:own", description: "", inherited: false, id: property, localName: property, queryName: property,
      displayName: row.name.trim(), propertyType: row.kind, cardinality: row.multi ? "multi" : "single", updatability: "readwrite",
      required: row.required, queryable: true, orderable: !row.multi, ...(choice.length ? { choice, openChoice: false } : {}),
    };
  });
}
const byId = <T extends { id: string }>(all: T[]) => Object.fromEntries(all.map((one) => [one.id, one]));

function definitionOf(name: string, base: string, rows: Row[]) {
  const id = `own:${idOf(name)}`;
  const secondary = base === "cmis:secondary";
  return {
    id, localName: id, localNamespace: "urn:own", queryName: id, displayName: name.trim(), description: "", baseId: base, parentId: base,
    creatable: !secondary, fileable: !secondary, queryable: true, fulltextIndexed: true, includedInSupertypeQuery: true,
    controllablePolicy: !secondary, controllableACL: !secondary,
    ...(secondary ? {} : { versionable: true, contentStreamAllowed: "allowed" }),
    propertyDefinitions: byId(propertiesFrom(id, rows)),
  };
}

function TypeDialog({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [base, setBase] = useState("cmis:secondary");
  const [rows, setRows] = useState<Row[]>([fresh()]);
  const [error, setError] = useState<unknown>(null);
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
        <Rows rows={rows} set={setRows} />
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("create")}</button>
        </footer>
      </form>
    </Dialog>
  );
}

/** New properties; `later`: of a type that documents may have already, so none can be required. */
function Rows(p: { rows: Row[]; set: (rows: Row[]) => void; later?: boolean }) {
  const set = (at: number, more: Partial<Row>) => p.set(p.rows.map((row, i) => (i === at ? { ...row, ...more } : row)));
  return (
    <>
      {p.rows.map((row, i) => (
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
            {!p.later && (
              <label class="check">
                <input type="checkbox" checked={row.required} onChange={(event) => set(i, { required: event.currentTarget.checked })} />
                <span>{t("property.required")}</span>
              </label>
            )}
            <span class="grow" />
            <button type="button" class="button quiet" onClick={() => p.set(p.rows.filter((_, at) => at !== i))}>{t("remove")}</button>
          </div>
        </fieldset>
      ))}
      <button type="button" class="button" onClick={() => p.set([...p.rows, fresh()])}>
        <Icon name="plus" />
        {t("property.add")}
      </button>
    </>
  );
}

/** What can change of a property that is there: its name; more choices; that it need not be. */
interface Change {
  name?: string;
  choices?: string;
  optional?: boolean;
}

function changeOf(one: PropertyDefinition, change: Change): PropertyDefinition {
  const more = choicesFrom(change.choices ?? "", one.propertyType);
  return {
    ...one, displayName: change.name?.trim() || one.displayName, required: one.required && !change.optional,
    ...(more.length ? { choice: [...(one.choice ?? []), ...more] } : {}),
  };
}

function ChangeDialog({ type, close }: { type: TypeDefinition; close: () => void }) {
  const [all, setAll] = useState<Record<string, Change>>({});
  const [rows, setRows] = useState<Row[]>([]);
  const [error, setError] = useState<unknown>(null);
  const properties = propertiesOf([type]).filter((one) => !one.inherited);
  const set = (id: string, more: Change) => setAll({ ...all, [id]: { ...all[id], ...more } });
  const submit = async (event: Event) => {
    event.preventDefault();
    const changes = properties.filter(({ id }) => all[id]).map((one) => changeOf(one, all[one.id]!));
    try {
      await typeChange({ ...type, propertyDefinitions: byId([...changes, ...propertiesFrom(type.id, rows) as PropertyDefinition[]]) });
      changed();
      close();
      toast(t("types.changed", { name: type.displayName }));
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={t("types.edit", { name: type.displayName })} onClose={close} wide>
      <form class="form" onSubmit={submit}>
        <p class="muted">{t("types.edit.help")}</p>
        {properties.map((one, i) => (
          <fieldset key={one.id} class="card form">
            <legend>{one.displayName} <span class="muted small">{kindName(one.propertyType)}</span></legend>
            <Field label={t("properties.name")}>
              {(id) => <input id={id} class="input" data-first={i === 0 ? true : undefined} required maxLength={100} autocomplete="off"
                value={all[one.id]?.name ?? one.displayName} onInput={(event) => set(one.id, { name: event.currentTarget.value })} />}
            </Field>
            {one.choice?.length && hasChoices(one.propertyType) ? (
              <Field label={t("property.choices.more")} help={t("property.choices.there", { names: choicesOf(one.choice).map((c) => c.name).join(", ") })}>
                {(id, help) => <textarea id={id} aria-describedby={help} class="input" rows={2} value={all[one.id]?.choices ?? ""}
                  onInput={(event) => set(one.id, { choices: event.currentTarget.value })} />}
              </Field>
            ) : null}
            {one.required && (
              <label class="check">
                <input type="checkbox" checked={!all[one.id]?.optional} onChange={(event) => set(one.id, { optional: !event.currentTarget.checked })} />
                <span>{t("property.required")}</span>
              </label>
            )}
          </fieldset>
        ))}
        <Rows rows={rows} set={setRows} later />
        <FormError error={error} />
        <footer>
          <button type="button" class="button" onClick={close}>{t("cancel")}</button>
          <button class="button primary">{t("save")}</button>
        </footer>
      </form>
    </Dialog>
  );
}
