// One system: its confusions, its learning curves, and the records of its runs.

const title = (row) => (row.recipe ? `${row.name} (${row.recipe})` : row.name);

/** True by predicted, in percent of the true emotion's images or in images. */
function confusionTable(board, row, kind) {
  const { shares, counts, images } = row.confusion;
  return heatTable({
    label: `Confusion matrix of ${title(row)}, ${kind === "shares" ? "in percent of each true emotion" : "in images"}`,
    corner: "true ↓  predicted →",
    heads: board.classes,
    rows: board.classes.map((name, i) => ({
      head: [name, h("small", {}, images[i].toLocaleString("en"))],
      texts: (kind === "shares" ? shares : counts)[i].map((value) => value.toLocaleString("en")),
      shares: shares[i],
    })),
    css: "confusion",
  });
}

function curves(run, width) {
  const words = ["training", "validation"];
  const drawn = [["Loss", "loss", false], ["Accuracy", "accuracy", true]]
    .map(([name, key, percent]) => [name, [[key, words[0]], [`val_${key}`, words[1]]], percent])
    .filter(([, names]) => names.some(([key]) => run.history[key]?.some((value) => value !== null)));
  return drawn.map(([name, names, percent]) => curveChart(name, run.history, names, percent, width));
}

/** Both of them; the box must be on the page already, for its width. */
function drawSystem(box, board, row, run, kind) {
  const matrix = h("div", {}, confusionTable(board, row, kind),
    row.confusion.worst ? h("p", { class: "legend" }, `Most often confused: ${row.confusion.worst}.`) : null);
  const place = h("div");
  box.replaceChildren(h("div", { class: "pair" }, matrix, place));
  place.replaceChildren(...run?.history ? curves(run, place.clientWidth) : [h("p", { class: "empty" }, "No learning curve: this run has no epochs, or a single one.")]);
}

const badge = (text, css = "") => (text ? h("span", { class: `badge ${css}` }, text) : null);
const statusBadge = (status) => badge(status, status === "ok" ? "good" : status === "not run yet" ? "waiting" : "bad");

/** Everything on record of a row, run by run, as a dialog that Escape closes. */
function openRecord(board, row, closed) {
  const dialog = byId("record");
  const body = h("div", { class: "record-body" });
  const show = (run) => {
    const section = (name, ...inside) => h("section", {}, h("h3", {}, name), inside);
    const facts = Object.entries(run.facts).filter(([, list]) => list.length).map(([name, list]) => section(name, pairs(list)));
    const [scores, rest] = run.facts.Scores.length ? [facts[0], facts.slice(1)] : [null, facts];
    const drawn = h("div", { class: "system" });
    body.replaceChildren(...[
      row.note ? h("p", { class: "note" }, row.note) : null,
      run.failure ? h("p", { class: "note bad" }, `${run.status}: ${run.failure}`) : null,
      section("Command", h("pre", { tabindex: "0" }, h("code", {}, run.command))),
      scores,
      row.confusion ? section("Confusions and learning curves", drawn) : null,
      row.by_emotion ? section("Emotion by emotion", plainTable(`${title(row)}, emotion by emotion, in percent`, row.by_emotion)) : null,
      ...rest,
      h("p", {}, h("a", { href: run.folder }, "The folder of this run"), ": record.json, predictions and history"),
    ].filter(Boolean));
    if (row.confusion) drawSystem(drawn, board, row, run, "shares");
  };
  const several = row.runs.length > 1
    ? choice("Run", row.runs.map((run, i) => [String(i), `seed ${run.seed}${run.status === "ok" ? "" : `: ${run.status}`}`]), "0", (i) => show(row.runs[i]))
    : null;
  dialog.replaceChildren(
    h("div", { class: "record-head" },
      h("div", {}, h("h2", { id: "record-title" }, title(row)),
        h("p", { class: "badges" }, row.cells.rank ? badge(`rank ${row.cells.rank}`, "strong") : null, badge(row.family), statusBadge(row.cells.status),
          row.cells.accuracy ? badge(row.cells.accuracy) : null)),
      h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close")),
    several ?? "", body);
  dialog.onclose = () => { tip.hide(); document.body.append(byId("tip")); closed(); };
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  show(row.runs[0]);
}
