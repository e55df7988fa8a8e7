// Charts as SVG, drawn at the width they have; colours come from the style sheet, so that a change of theme redraws nothing.

const linear = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
const logarithmic = (low, high, from, to) => {
  const scale = linear(Math.log10(low), Math.log10(high), from, to);
  return (value) => scale(Math.log10(value));
};

/** Round numbers from low to high, about so many. */
function ticks(low, high, count) {
  const power = 10 ** Math.floor(Math.log10((high - low) / count));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size * count >= (high - low) * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** 1, 2, 5, 10, ... from low to high, or powers of ten alone where those are too many. */
function logTicks(low, high, count) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of [1, 2, 5]) found.push(Number((factor * 10 ** power).toPrecision(12)));
  }
  const inside = found.filter((value) => value >= low && value <= high);
  return inside.length > count ? inside.filter((value) => Number.isInteger(Math.round(Math.log10(value) * 1e9) / 1e9)) : inside;
}

/** 0.5, 20, 2 k, 5 M: the numbers at an axis. */
function axisText(value) {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3 + 1e-9)));
  return power && value >= 10000 ? `${Number((value / 1000 ** power).toPrecision(6))} ${" kMGT"[power]}` : value.toLocaleString("en", { maximumSignificantDigits: 6 });
}

const pen = document.createElement("canvas").getContext("2d");
function textWidth(text, size) {
  pen.font = `${size}px system-ui, sans-serif`;
  return pen.measureText(text).width;
}

/** Grid lines, their numbers and the words of both axes. frame: left, right, top, bottom in pixels. */
function axes(frame, x, y, xTicks, yTicks, xWords, yWords) {
  const middle = (frame.top + frame.bottom) / 2;
  return svg("g", { class: "axes" },
    yTicks.map((value) => [
      svg("line", { x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }),
      svg("text", { x: frame.left - 8, y: y(value) + 4, "text-anchor": "end" }, axisText(value)),
    ]),
    xTicks.map((value) => [
      svg("line", { x1: x(value), x2: x(value), y1: frame.top, y2: frame.bottom }),
      svg("text", { x: x(value), y: frame.bottom + 18, "text-anchor": "middle" }, axisText(value)),
    ]),
    svg("line", { class: "base", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
    svg("text", { class: "words", x: (frame.left + frame.right) / 2, y: frame.bottom + 38, "text-anchor": "middle" }, xWords),
    yWords ? svg("text", { class: "words", "text-anchor": "middle", transform: `translate(13 ${middle}) rotate(-90)` }, yWords) : null);
}

/** Boxes [left, top, right, bottom] for labels of so many pixels that cover neither one another, nor points, nor lines; null where there is no room. */
function placeLabels(points, sizes, obstacles, frame) {
  const taken = [...obstacles];
  const overlap = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  return points.map(([px, py], i) => {
    const [width, height] = sizes[i];
    for (const distance of [9, 18, 30, 44, 60, 80]) {
      for (const angle of [0, 180, 90, 270, 45, 135, 315, 225]) {
        const [dx, dy] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
        const [cx, cy] = [px + dx * (distance + width / 2), py + dy * (distance + height / 2)];
        const box = [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2];
        const inside = box[0] >= frame.left && box[2] <= frame.right && box[1] >= frame.top && box[3] <= frame.bottom;
        if (inside && taken.every((other) => overlap(box, other) === 0)) {
          taken.push(box);
          return box;
        }
      }
    }
    return null;
  });
}

/** A shape for each family, so that colour is not all that tells them apart; "none" is a gray circle. */
const SHAPES = ["M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0Z", "M-5.5-5.5h11v11h-11Z", "M0-7.5 7.5 0 0 7.5-7.5 0Z", "M0-7 7 5.5H-7Z"];
const marker = (family, front) => svg("path", { class: `marker family-${family % 4} ${front ? "front" : "beaten"}`, d: SHAPES[family % 4] ?? SHAPES[0] });

/**
 * Accuracy with its interval against a cost on a logarithmic axis, the Pareto front marked.
 * points: {name, family, front, cost, accuracy, low, high, href, lines}, accuracies in percent.
 */
function costChart(points, words, width) {
  const height = Math.max(320, Math.min(460, width * 0.55));
  const frame = { left: 46, right: width - 10, top: 12, bottom: height - 48 };
  const costs = points.map((point) => point.cost);
  const [low, high] = [Math.min(...points.map((point) => point.low)), Math.max(...points.map((point) => point.high))];
  const air = Math.max(1, (high - low) * 0.08);
  const [from, to] = [Math.min(...costs) / 1.7, Math.max(...costs) * 2.6];
  const x = logarithmic(from, to, frame.left, frame.right);
  const y = linear(Math.max(0, low - air), Math.min(100, high + air), frame.bottom, frame.top);
  const at = points.map((point) => [x(point.cost), y(point.accuracy)]);
  const front = points.map((point, i) => [point, at[i]]).filter(([point]) => point.front).map(([, place]) => place).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const path = front.map(([px, py], i) => (i ? `H${px}V${py}` : `M${px} ${py}`)).join("") + (front.length ? `H${frame.right}` : "");
  const steps = front.flatMap(([px, py], i) => [[px, py - 2, front[i + 1]?.[0] ?? frame.right, py + 2], [px - 2, py, px + 2, front[i - 1]?.[1] ?? py]]);
  const bars = points.map((point, i) => [at[i][0] - 3, y(point.high), at[i][0] + 3, y(point.low)]);
  const marks = at.map(([px, py]) => [px - 8, py - 8, px + 8, py + 8]);
  const order = points.map((_, i) => i).sort((a, b) => points[b].front - points[a].front);
  const places = placeLabels(order.map((i) => at[i]), order.map((i) => [textWidth(points[i].name, 12) + 6, 17]), [...bars, ...marks, ...steps], frame);
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `Accuracy against cost. ${words}` },
    axes(frame, x, y, logTicks(from, to, width < 500 ? 5 : 14), ticks(Math.max(0, low - air), Math.min(100, high + air), 8), words, "Accuracy in %"),
    svg("path", { class: "pareto", d: path }),
    order.map((i, k) => places[k] && pointLabel(points[i].name, at[i], places[k])),
    points.map((point, i) => costPoint(point, at[i], y)));
}

/** A name in its box, with a line to its point where that is not beside it. */
function pointLabel(name, [px, py], [left, top, right, bottom]) {
  const [nearX, nearY] = [Math.min(Math.max(px, left), right), Math.min(Math.max(py, top), bottom)];
  const far = Math.hypot(nearX - px, nearY - py) > 16;
  return [
    far ? svg("line", { class: "leader", x1: px, y1: py, x2: nearX, y2: nearY }) : null,
    svg("text", { class: "name", x: left + 3, y: bottom - 4 }, name),
  ];
}

function costPoint(point, [px, py], y) {
  const show = (event) => tip.show([point.name, ...point.lines], event.currentTarget.querySelector(".marker").getBoundingClientRect());
  return svg("a", { class: "point", href: point.href, "aria-label": [point.name, ...point.lines].join(", "), onpointerenter: show, onfocus: show, onpointerleave: tip.hide, onblur: tip.hide },
    svg("line", { class: `bar family-${point.family % 4}`, x1: px, x2: px, y1: y(point.low), y2: y(point.high) }),
    svg("g", { transform: `translate(${px} ${py})` }, svg("circle", { class: "target", r: 14 }), marker(point.family, point.front)));
}

/** One score of the training and the validation part over the epochs; marks: where a stage begins, and the epoch that was kept. */
function curveChart(title, history, names, percent, width) {
  const height = Math.max(190, Math.min(250, width * 0.45));
  const frame = { left: 46, right: width - 12, top: 12, bottom: height - 48 };
  const { epochs, kept, stages } = history;
  const series = names.filter(([name]) => history[name]?.some((value) => value !== null))
    .map(([name, words], i) => ({ words, css: `series-${i}`, values: history[name].map((value) => (percent && value !== null ? 100 * value : value)) }));
  const known = series.flatMap((line) => line.values).filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const air = (high - low || 1) * 0.06;
  const x = linear(1, epochs.at(-1), frame.left + 4, frame.right);
  const y = linear(low - air, high + air, frame.bottom, frame.top);
  const form = (value) => (value === null ? "none" : percent ? `${value.toFixed(1)} %` : value.toFixed(3));
  const rule = (epoch, css) => svg("line", { class: css, x1: x(epoch), x2: x(epoch), y1: frame.top, y2: frame.bottom });
  const ends = series.map((line) => `${line.words} from ${form(line.values[0])} to ${form(line.values.at(-1))}`).join("; ");
  const cursor = svg("line", { class: "cursor", y1: frame.top, y2: frame.bottom, visibility: "hidden" });
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const epoch = 1 + ((event.clientX - box.left - x(1)) / (x(epochs.at(-1)) - x(1) || 1)) * (epochs.at(-1) - 1);
    const i = epochs.reduce((best, value, k) => (Math.abs(value - epoch) < Math.abs(epochs[best] - epoch) ? k : best), 0);
    const place = box.left + x(epochs[i]);
    cursor.setAttribute("x1", x(epochs[i]));
    cursor.setAttribute("x2", x(epochs[i]));
    cursor.setAttribute("visibility", "visible");
    tip.show([`epoch ${epochs[i]}`, ...series.map((line) => `${line.words} ${form(line.values[i])}`)], { left: place, right: place, top: box.top + frame.top, bottom: box.bottom });
  };
  const leave = () => { cursor.setAttribute("visibility", "hidden"); tip.hide(); };
  return h("figure", { class: "curves" },
    h("figcaption", {}, h("strong", {}, title), series.map((line) => h("span", { class: `swatch ${line.css}` }, line.words)),
      kept ? h("span", { class: "swatch kept" }, `kept: epoch ${kept}`) : null),
    svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${title} over ${epochs.at(-1)} epochs: ${ends}${kept ? `; epoch ${kept} was kept` : ""}`, onpointermove: point, onpointerleave: leave },
      axes(frame, x, y, ticks(1, epochs.at(-1), 6).filter(Number.isInteger), ticks(low - air, high + air, 5), "Epoch", ""),
      stages.map((epoch) => rule(epoch - 0.5, "stage")),
      kept ? rule(kept, "kept") : null,
      series.map((line) => curve(line, epochs, x, y)),
      cursor));
}

/** A line through the values that are there; where one is missing it breaks. Few points are marked, too. */
function curve(line, epochs, x, y) {
  const there = line.values.map((value, i) => [value, epochs[i], i]).filter(([value]) => value !== null);
  const path = there.map(([value, epoch, i]) => `${i && line.values[i - 1] !== null ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const dots = there.length < 16 ? there.map(([value, epoch]) => svg("circle", { class: line.css, cx: x(epoch), cy: y(value), r: 3 })) : [];
  return [svg("path", { class: `curve ${line.css}`, d: path }), dots];
}

/** The accuracy of a row as a bar from zero, with its interval as a whisker; `most` is the end of the scale. */
function intervalBar({ accuracy, accuracy_low: low, accuracy_high: high }, most, family) {
  const x = linear(0, most, 0, 120);
  const cap = (value) => svg("line", { class: "whisker", x1: x(value), x2: x(value), y1: 3, y2: 11 });
  return svg("svg", { class: "interval-bar", viewBox: "0 0 122 14", width: 122, height: 14, "aria-hidden": "true" },
    svg("rect", { class: "track", x: 0, y: 2, width: 120, height: 10, rx: 2 }),
    svg("rect", { class: `fill family-${family % 4}`, x: 0, y: 2, width: x(accuracy), height: 10, rx: 2 }),
    low === undefined || high === undefined ? null : [svg("line", { class: "whisker", x1: x(low), x2: x(high), y1: 7, y2: 7 }), cap(low), cap(high)]);
}
