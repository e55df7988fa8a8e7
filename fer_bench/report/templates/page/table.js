// Tables: one whose headers sort it, and one whose cells are a heat map.

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Rows in the order of a column; what has no value there comes last either way, and equals keep their order on the board. */
function sorted(rows, name, down, numeric) {
  const key = (row) => (numeric ? row.values[name] : row.cells[name]);
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === undefined || right === undefined) return (left === undefined) - (right === undefined);
    const order = numeric ? left - right : collator.compare(left, right);
    return down ? -order : order;
  });
}

/**
 * A table of rows {cells, values} that a click on a header, or Enter or Space there, sorts.
 * sort: {name, down}, changed in place. cell(row, name): what stands in it, if not the text. mark(lines, rows): a last touch on the rows drawn.
 * Returns the element, with show(rows) to fill it.
 */
function sortableTable({ label, names, columns, sort, cell = (row, name) => row.cells[name] ?? "", head = "runner", mark = () => {} }) {
  let current = [];
  const body = h("tbody");
  const heads = names.map((name) => {
    const button = h("button", { type: "button", onclick: () => by(name) }, columns[name].header, h("span", { class: "arrow", "aria-hidden": "true" }));
    return h("th", { scope: "col", "data-name": name, class: columns[name].numeric ? "number" : "text" }, button);
  });
  const by = (name) => {
    const first = columns[name].numeric && !columns[name].low;
    sort.down = sort.name === name ? !sort.down : first;
    sort.name = name;
    draw();
  };
  const draw = () => {
    for (const [i, name] of names.entries()) {
      if (name === sort.name) heads[i].setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      else heads[i].removeAttribute("aria-sort");
    }
    const ordered = names.includes(sort.name) ? sorted(current, sort.name, sort.down, columns[sort.name].numeric) : current;
    const lines = ordered.map((row) => h("tr", {}, names.map((name) => h(name === head ? "th" : "td",
      { scope: name === head ? "row" : null, "data-name": name, class: columns[name].numeric ? "number" : "text" }, cell(row, name)))));
    mark(lines, ordered);
    body.replaceChildren(...lines);
  };
  const element = scroller(label, h("table", { class: "sortable" }, h("caption", { class: "sr" }, label), h("thead", {}, h("tr", {}, heads)), body));
  element.show = (rows) => { current = rows; draw(); };
  return element;
}

/** A table of texts: names on the left, numbers else; lines: the headers, then the rows. */
function plainTable(label, [heads, ...rows]) {
  const side = (i) => ({ class: i ? "number" : "text" });
  return scroller(label, h("table", {}, h("caption", { class: "sr" }, label),
    h("thead", {}, h("tr", {}, heads.map((head, i) => h("th", { scope: "col", ...side(i) }, head)))),
    h("tbody", {}, rows.map((texts) => h("tr", {}, texts.map((text, i) => h(i ? "td" : "th", { scope: i ? null : "row", ...side(i) }, text)))))));
}

/** A table whose cells are shaded by their numbers, 0 to 100. rows: [head, texts, extra attributes of each cell]. */
function heatTable({ label, corner, heads, rows, css = "" }) {
  return scroller(label, h("table", { class: `heat ${css}`, vars: { columns: heads.length } },
    h("caption", { class: "sr" }, label),
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "corner" }, corner), heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map(({ head, texts, shares, best = [] }) => h("tr", {}, h("th", { scope: "row" }, head),
      texts.map((text, i) => h("td", { vars: { share: shares[i] || 0 }, class: best[i] ? "best" : null }, text, best[i] ? hidden(", best") : null)))))));
}
