// Spans, tool calls, first times and silences as bars on one axis.

import { duration, oneLine } from "./shared.js";

const given = JSON.parse(document.getElementById("rows").textContent);
const box = document.getElementById("waterfall");
const told = document.getElementById("span-detail");
const collapse = document.getElementById("collapse");
const IDLE_SHARE = 0.02;
const NAME = matchMedia("(max-width: 46rem)").matches ? 128 : 240;

let zoom = 1;
let chosen = /^#span-(.+)$/.exec(location.hash)?.[1] ?? "";
let scale = (us) => us / given.end_us;

// Idle is where no bar but the trace's own is open and nothing begins or ends.
function collapsed() {
  const edges = given.rows.filter((row) => row.kind !== "trace" && row.kind !== "silence")
    .map((row) => [row.start_us, row.end_us ?? given.end_us]).sort((one, other) => one[0] - other[0]);
  const busy = [];
  for (const [start, end] of [[0, 0], ...edges, [given.end_us, given.end_us]]) {
    const last = busy.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else busy.push([start, end]);
  }
  const work = busy.reduce((sum, [start, end]) => sum + end - start, 0);
  const gap = 1 - Math.min(0.5, IDLE_SHARE * busy.length);
  const points = [];
  let at = 0;
  busy.forEach(([start, end], place) => {
    if (place) at += (1 - gap) / Math.max(1, busy.length - 1);
    points.push([start, at]);
    at += work ? ((end - start) / work) * gap : gap / busy.length;
    points.push([end, at]);
  });
  return (us) => {
    const next = points.findIndex(([when]) => when >= us);
    if (next <= 0) return next ? 1 : 0;
    const [[from, low], [to, high]] = [points[next - 1], points[next]];
    return to === from ? high : low + ((us - from) / (to - from)) * (high - low);
  };
}

function draw() {
  scale = collapse.checked ? collapsed() : (us) => us / given.end_us;
  const width = (box.clientWidth - NAME) * zoom;
  box.replaceChildren(axis(width), ...given.rows.map((row) => line(row, width)));
  told.textContent = "";
  const selected = given.rows.find((row) => row.id && row.id === chosen);
  if (selected) tell(selected);
}

function part(name, text) {
  const made = document.createElement("div");
  made.className = name;
  made.textContent = text ?? "";
  return made;
}

function axis(width) {
  const made = part("wf-row wf-axis");
  const lane = part("wf-lane");
  for (let share = 0; share < 1; share += 0.125) {
    const mark = part("wf-time", duration(Math.round(given.end_us * share)));
    mark.style.left = `${scale(given.end_us * share) * width}px`;
    lane.append(mark);
  }
  made.append(part("wf-name"), lane);
  made.style.width = `${width + NAME}px`;
  return made;
}

function line(row, width) {
  const made = part("wf-row");
  const end = row.end_us ?? given.end_us;
  const name = given.words[row.label] ?? oneLine(row.label);
  const lane = part("wf-lane");
  const bar = part(`wf-bar ${row.kind === "silence" || row.kind === "moment" ? row.kind : /^\w*$/.test(row.status) ? row.status : ""}`);
  const left = Math.max(0, scale(row.start_us)) * width;
  bar.style.left = `${left}px`;
  if (row.kind !== "moment") bar.style.width = `${Math.max(2, (scale(end) - scale(row.start_us)) * width)}px`;
  const time = part("wf-time", row.kind === "moment" ? duration(row.start_us) : row.end_us === null ? given.words.open : duration(end - row.start_us));
  const right = row.kind === "moment" ? left + 2 : Math.max(0, scale(end)) * width;
  if (right <= width - 90) time.style.left = `${right}px`;
  else if (left >= 90) time.style.right = `${width - left + 4}px`;
  else {
    time.style.left = `${left + 4}px`;
    time.classList.add("inside");
  }
  lane.append(bar, time);
  made.append(part("wf-name", "  ".repeat(Math.min(row.depth, 12)) + name), lane);
  made.style.width = `${width + NAME}px`;
  made.tabIndex = 0;
  if (row.id) made.id = `span-${row.id}`;
  made.classList.toggle("chosen", Boolean(row.id) && row.id === chosen);
  const pick = () => {
    chosen = row.id;
    for (const other of box.querySelectorAll(".chosen")) other.classList.remove("chosen");
    made.classList.add("chosen");
    if (row.id) history.replaceState(null, "", `#span-${row.id}`);
    tell(row);
  };
  made.addEventListener("click", pick);
  made.addEventListener("keydown", (event) => { if (event.key === "Enter") pick(); });
  return made;
}

function tell(row) {
  const end = row.end_us ?? given.end_us;
  told.textContent = [given.words[row.label] ?? oneLine(row.label), `${duration(row.start_us)} +${duration(end - row.start_us)}`, row.status, oneLine(row.detail)].filter(Boolean).join(" · ");
}

for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => {
    const middle = (box.scrollLeft + box.clientWidth / 2) / zoom;
    zoom = { in: Math.min(zoom * 2, 256), out: Math.max(zoom / 2, 1), fit: 1 }[button.dataset.zoom];
    draw();
    box.scrollLeft = middle * zoom - box.clientWidth / 2;
  });
}
collapse.addEventListener("change", draw);
new ResizeObserver(draw).observe(box);
draw();
document.getElementById(`span-${chosen}`)?.scrollIntoView({ block: "center" });
