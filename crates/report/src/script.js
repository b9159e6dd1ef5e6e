// Makes the buttons work that copy a table as Markdown or with tabs. Without this script, only
// these buttons are missing.
"use strict";
const rows = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
const forms = {
  markdown: (table) => {
    const [head, ...body] = rows(table).map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
    return [head, `|${" --- |".repeat(table.rows[0].cells.length)}`, ...body].join("\n") + "\n";
  },
  tabs: (table) => rows(table).map((row) => row.join("\t")).join("\n") + "\n",
};
const selected = (text) => {
  const area = document.body.appendChild(document.createElement("textarea"));
  area.value = text;
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
};
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text);
  }
};
for (const group of document.querySelectorAll(".copy")) {
  group.hidden = false;
  const table = document.getElementById(group.dataset.table);
  for (const button of group.querySelectorAll("button")) {
    button.addEventListener("click", async () => {
      const copied = await copy(forms[button.dataset.form](table));
      button.focus();
      document.getElementById("said").textContent = copied ? "Copied" : "The browser did not let the page copy";
      const words = button.dataset.words ?? (button.dataset.words = button.textContent);
      button.textContent = copied ? "Copied" : "Not copied";
      setTimeout(() => { button.textContent = words; }, 1500);
    });
  }
}
