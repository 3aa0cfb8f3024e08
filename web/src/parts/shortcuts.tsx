// SPDX-License-Identifier: Apache-2.0
import { t, type TextKey } from "../i18n";
import { Dialog } from "./overlay";

const keys: [string[], TextKey][] = [
  [["/"], "search"],
  [["?"], "shortcuts"],
  [["G"], "nav.files"],
  [["T"], "nav.trash"],
  [["N"], "folder.new"],
  [["U"], "upload"],
  [["↑", "↓"], "keys.walk"],
  [["Space"], "keys.select"],
  [["Shift", "↓"], "keys.span"],
  [["Ctrl", "A"], "select.all"],
  [["Esc"], "select.none"],
  [["↵"], "open"],
  [["⌫"], "up"],
  [["F2"], "rename"],
  [["M"], "move"],
  [["C"], "copy"],
  [["S"], "favourite"],
  [["Del"], "delete"],
  [["Shift", "F10"], "actions"],
];

export function Shortcuts({ close }: { close: () => void }) {
  return (
    <Dialog title={t("shortcuts")} onClose={close}>
      <table class="table keys">
        <thead class="hidden">
          <tr><th scope="col">{t("keys.key")}</th><th scope="col">{t("keys.does")}</th></tr>
        </thead>
        <tbody>
          {keys.map(([combination, text]) => (
            <tr key={text}>
              <td>{combination.map((key, i) => <>{i > 0 && " "}<kbd>{key}</kbd></>)}</td>
              <td>{t(text)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Dialog>
  );
}
