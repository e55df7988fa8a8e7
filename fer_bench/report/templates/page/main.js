// The page: which board, which filters, which row; the address names board and row (#board/row).

let data, board;
const chosen = { filters: {}, sort: {}, all: false, waiting: false, place: "", cost: "", measure: "f1", matrix: "shares", system: "" };

const link = (row) => `#${board.id}${row ? `/${row.id}` : ""}`;
const family = (row) => board.families.indexOf(row.family);
const measured = () => board.rows.filter((row) => row.confusion);
const current = () => measured().find((row) => row.id === chosen.system) ?? measured()[0];

function drawBoards() {
  const sets = [...new Set(data.boards.map((one) => one.dataset))];
  byId("boards").replaceChildren(...sets.map((name) => h("div", {}, h("span", {}, name), data.boards.filter((one) => one.dataset === name).map((one) =>
    h("a", { href: `#${one.id}`, "aria-current": one === board ? "page" : null, title: one.title }, one.split)))));
}

function drawSummary() {
  byId("title").textContent = board.title;
  byId("summary").replaceChildren(...board.summary.map(({ label, value, detail }) =>
    h("div", { class: "tile" }, h("span", {}, label), h("strong", {}, value), h("small", {}, detail))));
}

// ---- the leaderboard

function drawFilters() {
  const distinct = (of) => [...new Set(board.rows.flatMap(of).filter(Boolean))].sort(collator.compare);
  const filter = (name, label, values) => (values.length > 1
    ? choice(label, [["", "all"], ...values.map((value) => [value, value])], chosen.filters[name] ?? "", (value) => { chosen.filters[name] = value; showRows(); })
    : null);
  const waiting = board.rows.filter((row) => !row.runs.length).length;
  byId("filters").replaceChildren(...[
    h("label", { class: "field grow" }, h("span", {}, "Search"), h("input", { type: "search", id: "search", value: chosen.filters.text ?? "", placeholder: "runner, note, …",
      oninput: (event) => { chosen.filters.text = event.target.value; showRows(); } })),
    filter("recipe", "Recipe", distinct((row) => row.recipe)),
    filter("family", "Family", distinct((row) => row.family)),
    filter("device", "Device", distinct((row) => row.devices)),
    waiting ? tickbox(`Show ${waiting} not run`, chosen.waiting, (value) => { chosen.waiting = value; showRows(); }) : null,
    tickbox("All columns", chosen.all, (value) => { chosen.all = value; drawTable(); }),
  ].filter(Boolean));
}

function fits(row) {
  const { text = "", recipe, family: kind, device } = chosen.filters;
  const words = `${row.name} ${row.recipe} ${row.family} ${row.note} ${row.cells.status}`.toLowerCase();
  return (row.runs.length > 0 || chosen.waiting) && text.toLowerCase().split(/\s+/).every((word) => words.includes(word))
    && (!recipe || row.recipe === recipe) && (!kind || row.family === kind) && (!device || row.devices.includes(device));
}

let table;
function drawTable() {
  const first = ["rank", "runner", "accuracy"];
  const there = chosen.all ? board.all : board.short;
  const names = [...first.filter((name) => there.includes(name)), ...there.filter((name) => !first.includes(name) && name !== "note")];
  const most = Math.ceil(10 * Math.max(0.1, ...board.rows.map((row) => row.values.accuracy_high ?? row.values.accuracy ?? 0))) / 10;
  const shared = (row) => board.rows.filter((other) => other.values.rank === row.values.rank).length;
  const cells = {
    rank: (row) => (row.cells.rank ? h("span", { class: "rank" }, row.cells.rank, shared(row) > 1 ? hidden(`, shared by ${shared(row)}`) : null) : ""),
    runner: (row) => [row.runs.length ? h("a", { href: link(row) }, row.name) : row.name, row.note ? h("small", { title: row.note }, row.note) : null],
    status: (row) => statusBadge(row.cells.status),
    accuracy: (row) => (row.cells.accuracy ? h("div", { class: "measured" }, accuracyText(row.cells.accuracy), intervalBar(row.values, most, family(row))) : ""),
  };
  if (!names.includes(chosen.sort.name)) chosen.sort = names.includes("rank") ? { name: "rank", down: false } : { name: "accuracy", down: true };
  table = sortableTable({ label: `Leaderboard: ${board.title}`, names, columns: data.columns, sort: chosen.sort, mark: joinRanks,
    cell: (row, name) => (cells[name] ? cells[name](row) : row.cells[name] ?? "") });
  byId("leaderboard").replaceChildren(table);
  showRows();
}

/** The mean in bold, what is in brackets small. */
function accuracyText(text) {
  const [mean, interval] = text.split(/ (?=\[)/);
  return h("span", { class: "accuracy" }, h("strong", {}, mean), interval ? h("small", {}, interval) : null);
}

/** Rows that share a rank and stand together are joined by a line; a row opens its record wherever it is clicked. */
function joinRanks(lines, rows) {
  const byRank = chosen.sort.name === "rank";
  const rank = (i) => rows[i]?.values.rank;
  lines.forEach((line, i) => {
    const [before, after] = [byRank && rank(i) === rank(i - 1), byRank && rank(i) === rank(i + 1)].map((same) => same && rank(i) !== undefined);
    if (before || after) line.classList.add("joined", ...(before ? [] : ["first"]), ...(after ? [] : ["last"]));
    if (!rows[i].runs.length) return void line.classList.add("waiting");
    line.classList.add("opens");
    line.addEventListener("click", (event) => { if (!event.target.closest("a") && !String(getSelection())) location.hash = link(rows[i]); });
  });
}

function showRows() {
  const rows = board.rows.filter(fits);
  table.show(rows);
  byId("count").replaceChildren(`${rows.length} of ${board.rows.length} systems`);
  const clear = () => { chosen.filters = {}; drawFilters(); showRows(); byId("search").focus(); };
  const none = rows.length ? [] : [h("p", { class: "empty" }, "No system fits. ", h("button", { type: "button", class: "quiet", onclick: clear }, "Clear the filters"))];
  byId("leaderboard").replaceChildren(table, ...none);
}

// ---- cost

function drawCost() {
  const known = (part) => Object.keys(data.costs).filter((cost) => part.rows.some((row) => row.values[cost] > 0));
  const parts = board.hardware.filter((part) => known(part).length);
  if (!parts.length) {
    byId("cost-controls").replaceChildren();
    return byId("cost").replaceChildren(h("p", { class: "empty" }, "No run of this board has told what it cost."));
  }
  const part = parts.find(({ place }) => place === chosen.place) ?? parts.reduce((most, one) => (one.rows.length > most.rows.length ? one : most));
  const costs = known(part);
  const cost = costs.includes(chosen.cost) ? chosen.cost : costs[0];
  byId("cost-controls").replaceChildren(
    choice("Cost", costs.map((name) => [name, data.costs[name]]), cost, (value) => { chosen.cost = value; drawCost(); byId("cost-controls").querySelector("select").focus(); }),
    choice("On", parts.map(({ place }) => [place, place]), part.place, (value) => { chosen.place = value; drawCost(); byId("cost-controls").querySelectorAll("select")[1].focus(); }));
  const rows = new Map(board.rows.map((row) => [row.id, row]));
  const points = part.rows.filter((one) => one.values[cost] > 0).map((one) => ({
    name: title(rows.get(one.id)), family: family(rows.get(one.id)), front: one.front.includes(cost), cost: one.values[cost], href: link(rows.get(one.id)),
    accuracy: 100 * one.values.accuracy, low: 100 * one.values.accuracy_low, high: 100 * one.values.accuracy_high,
    lines: [`accuracy ${one.cells.accuracy}`, `${data.columns[cost].header}: ${one.cells[cost]}`],
  }));
  const used = [...new Set(points.map((point) => point.family))].sort();
  const swatch = (mark, words) => h("span", { class: "swatch" }, svg("svg", { viewBox: "-9 -9 18 18", width: 16, height: 16, "aria-hidden": "true" }, mark), words);
  const costTable = sortableTable({ label: `What the systems cost on ${part.place}`, names: part.columns.filter((name) => name !== "note"), columns: data.columns, sort: {},
    cell: (row, name) => (name === "runner" ? h("a", { href: link(row) }, row.cells.runner) : row.cells[name] ?? "") });
  costTable.show(part.rows);
  const box = byId("cost");
  box.replaceChildren(
    h("p", { class: "legend" }, used.map((kind) => swatch(marker(kind, true), board.families[kind] || "other")),
      swatch(marker("none", true), "on the Pareto front: no other is as accurate and cheaper"), swatch(marker("none", false), "beaten by one of those")),
    costChart(points, `${data.columns[cost].header} (logarithmic)`, box.clientWidth),
    h("details", {}, h("summary", {}, "The figures as a table"), costTable));
}

// ---- emotions, one system, what was published

function drawEmotions() {
  byId("emotions-controls").replaceChildren(choice("Score", Object.entries(data.measures), chosen.measure, (value) => { chosen.measure = value; fillEmotions(); }));
  fillEmotions();
}

function fillEmotions() {
  const rows = measured().map((row) => ({ row, texts: row.emotions[chosen.measure] }));
  if (!rows.length) return byId("emotions").replaceChildren(h("p", { class: "empty" }, "No system has been measured yet."));
  const best = board.classes.map((_, i) => Math.max(...rows.map(({ texts }) => Number(texts[i]))));
  byId("emotions").replaceChildren(
    heatTable({
      label: `${data.measures[chosen.measure]} of each system for each emotion, in percent`, corner: "System", heads: board.classes,
      rows: rows.map(({ row, texts }) => ({
        head: [h("a", { href: link(row) }, row.name), h("small", {}, row.recipe)],
        texts, shares: texts, best: texts.map((text, i) => Number(text) === best[i] && best[i] > 0),
      })),
    }),
    h("p", { class: "legend" }, `${data.measures[chosen.measure]} in percent; the highest of each emotion is in bold.`));
}

function drawChosen() {
  const rows = measured();
  const [controls, box] = [byId("system-controls"), byId("system")];
  if (!rows.length) {
    controls.replaceChildren();
    return box.replaceChildren(h("p", { class: "empty" }, "No system has been measured yet."));
  }
  controls.replaceChildren(
    choice("System", rows.map((row) => [row.id, title(row)]), current().id, (value) => { chosen.system = value; fillChosen(); }),
    segments("Cells", [["shares", "Percent"], ["counts", "Images"]], chosen.matrix, (value) => { chosen.matrix = value; fillChosen(); }));
  fillChosen();
}

function fillChosen() {
  const row = current();
  const run = row && (row.runs.find((one) => one.history) ?? row.runs[0]);
  if (row) drawSystem(byId("system"), board, row, run, chosen.matrix);
}

function drawPublished() {
  const figures = { published: "Published", same_protocol: "Ours, its protocol", official: "Ours, official" };
  const texts = { protocol: "Protocol", split: "Split", trap: "Trap", explanation: "Difference" };
  const list = (css, line, names) => h("dl", { class: css }, Object.entries(names).filter(([key]) => !["", "–"].includes(line[key]) || key in figures)
    .map(([key, name]) => h("div", { class: key }, h("dt", {}, name), h("dd", {}, line[key] || "–"))));
  byId("published-section").hidden = !data.published.length;
  byId("published").replaceChildren(...data.published.map((line) =>
    h("article", {}, h("h3", {}, line.runner), list("figures", line, figures), list("texts", line, texts))));
}

// ---- the address, and the start

function show(next) {
  board = next;
  Object.assign(chosen, { filters: {}, sort: {}, system: "", place: "" });
  drawBoards();
  drawSummary();
  drawFilters();
  drawTable();
  drawCost();
  drawEmotions();
  drawChosen();
  byId("commands").replaceChildren(h("pre", { tabindex: "0" }, h("code", {}, board.commands.join("\n"))), pairs(board.digests));
}

function follow() {
  const [boardId, rowId] = location.hash.slice(1).split("/");
  const next = data.boards.find(({ id }) => id === boardId) ?? ((boardId && board) || data.boards[0]);
  if (next !== board) show(next);
  const row = board.rows.find(({ id, runs }) => id === rowId && runs.length);
  if (!row) return void byId("record").close();
  if (row.confusion) { chosen.system = row.id; drawChosen(); }
  tip.hide();
  openRecord(board, row, () => { if (location.hash === link(row)) history.replaceState(null, "", link()); });
}

document.addEventListener("DOMContentLoaded", () => {
  data = JSON.parse(byId("data").textContent);
  byId("report").hidden = false;
  theme.start();
  drawPublished();
  follow();
  addEventListener("hashchange", follow);
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("title").focus(); });
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    requestAnimationFrame(() => { drawCost(); fillChosen(); });
  });
});
