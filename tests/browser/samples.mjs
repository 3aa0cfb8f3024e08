// SPDX-License-Identifier: Apache-2.0
/** A PDF of one page that says `text`. */
export function pdf(text) {
  const content = `BT /F1 24 Tf 72 720 Td (${text}) Tj ET`;
  const objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources" +
      "<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>",
    `<</Length ${content.length}>>stream\n${content}\nendstream`];
  let out = "%PDF-1.4\n";
  const places = [];
  objects.forEach((body, index) => {
    places.push(out.length);
    out += `${index + 1} 0 obj${body} endobj\n`;
  });
  const start = out.length;
  out += "xref\n0 5\n0000000000 65535 f \n";
  for (const at of places) out += `${String(at).padStart(10, "0")} 00000 n \n`;
  return `${out}trailer<</Size 5/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`;
}
