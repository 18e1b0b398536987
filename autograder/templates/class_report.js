// A click on a heading sorts the table by it: numbers by size, anything else by its letters.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const value = (row, at) => row.cells[at].textContent.replace(/^[✓◐✗]\s*/, "").trim();
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || (at === 0 && !head.hasAttribute("aria-sort"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => {
        const text = value(row, at), number = parseFloat(text);
        return { row, text, number };
      });
      rows.sort((a, b) => {
        const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
        return (up ? 1 : -1) * (both && a.number !== b.number ? a.number - b.number : compare(a.text, b.text));
      });
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
