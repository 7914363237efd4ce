// Events by the hundred thousand: only the rows in view are on the page, and a few pages of them in memory. Events are
// numbered from 1 without a gap, so a row's place is its number.

import { api, duration, filled, oneLine, root, trace } from "./shared.js";

const HEIGHT = 26;
const PAGE = 200;
const MOST_PAGES = 40;
// Browsers cannot make an element much higher; above it, the scroll bar stands for more than one row a pixel.
const HIGHEST = 8_000_000;
const LONG_US = 500_000;
const LONGEST_TEXT = 2000;

const box = document.getElementById("frames");
const room = document.getElementById("room");
const head = box.firstElementChild;
const position = document.getElementById("position");
const detail = document.getElementById("detail");
const follow = document.getElementById("follow");
const live = document.getElementById("live");

const pages = new Map();
let total = Number(trace.lastSeq);
let chosen = 0;
let marked = 0;
let following = false;
let drawn = 0;

const visible = () => Math.ceil((box.clientHeight - head.clientHeight) / HEIGHT);
const roomHeight = () => Math.min(total * HEIGHT, HIGHEST);
const most = () => Math.max(0, roomHeight() - (box.clientHeight - head.clientHeight));
const isScaled = () => total * HEIGHT > HIGHEST;

function first() {
  if (!isScaled()) return Math.floor(box.scrollTop / HEIGHT);
  return Math.round((box.scrollTop / most()) * Math.max(0, total - visible()));
}

function scrollTo(seq) {
  const index = Math.max(0, Math.min(total - 1, seq - 1) - Math.floor(visible() / 3));
  box.scrollTop = isScaled() ? (index / Math.max(1, total - visible())) * most() : index * HEIGHT;
}

async function page(number) {
  let loading = pages.get(number);
  if (loading) {
    pages.delete(number);
  } else {
    loading = { events: null };
    loading.done = api(`api/task-trace/${trace.trace}/events?since_seq=${number * PAGE}&limit=${PAGE}`)
      .then((found) => { loading.events = new Map(found.events.map((event) => [event.seq, event])); draw(); })
      .catch((error) => { pages.delete(number); position.textContent = error.message; });
  }
  pages.set(number, loading);
  if (pages.size > MOST_PAGES) pages.delete(pages.keys().next().value);
  return loading;
}

function eventAt(seq) {
  return pages.get(Math.floor((seq - 1) / PAGE))?.events?.get(seq);
}

function draw() {
  const from = Math.max(1, first() + 1);
  const to = Math.min(total, from + visible() + 1);
  for (let number = Math.floor((from - 1) / PAGE); number <= Math.floor(Math.max(0, to - 1) / PAGE); number += 1) page(number);
  room.style.height = `${roomHeight()}px`;
  const top = isScaled() ? box.scrollTop : first() * HEIGHT;
  const rows = [];
  for (let seq = from; seq <= to; seq += 1) rows.push(row(seq, top + (seq - from) * HEIGHT));
  room.replaceChildren(...rows);
  drawn = from;
  position.textContent = total ? filled(position.dataset.text, { first: from, last: to, all: total }) : "";
}

function row(seq, top) {
  const event = eventAt(seq);
  const line = document.createElement("div");
  line.className = "frame";
  line.style.top = `${top}px`;
  line.dataset.seq = seq;
  line.setAttribute("role", "row");
  line.setAttribute("aria-rowindex", seq);
  if (event) fill(line, event);
  else line.append(cell(String(seq)));
  line.classList.toggle("chosen", seq === chosen);
  line.classList.toggle("marked", seq === marked);
  return line;
}

function cell(text) {
  const part = document.createElement("span");
  part.setAttribute("role", "gridcell");
  part.textContent = text;
  return part;
}

function fill(line, event) {
  const before = eventAt(event.seq - 1);
  const gap = before ? event.offset_us - before.offset_us : null;
  const payload = event.payload ?? {};
  const isFrame = payload.bytes !== undefined;
  const text = isFrame ? payload.text ?? payload.base64 ?? "" : JSON.stringify(payload);
  const note = payload.cut ? ` [${box.dataset.masked}]` : "";
  line.append(
    cell(String(event.seq)),
    cell(`${(event.offset_us / 1e6).toFixed(6)}`),
    cell(gap === null ? "" : `+${duration(gap)}`),
    cell(isFrame ? String(payload.bytes) : ""),
    cell(event.event_type),
    cell(oneLine(text.slice(0, LONGEST_TEXT)) + note),
  );
  line.classList.toggle("silence", gap !== null && gap >= LONG_US);
  line.classList.toggle("quietly", event.event_type === "stream.keepalive");
  line.classList.toggle("event", !isFrame);
  line.classList.toggle("bad", /error|failed$/.test(event.event_type));
}

function choose(seq) {
  chosen = seq;
  const event = eventAt(seq);
  detail.hidden = !event;
  if (event) {
    detail.querySelector("h2").textContent = `#${event.seq} ${oneLine(event.event_type)} · ${event.timestamp}`;
    const payload = event.payload ?? {};
    const text = payload.text ?? JSON.stringify(payload, null, 2);
    detail.querySelector("pre").textContent = text.slice(0, 100_000).split("\n").map(oneLine).join("\n");
  }
  draw();
}

async function jump(seq) {
  if (!seq) { position.textContent = position.dataset.none; return; }
  marked = seq;
  setFollowing(false);
  scrollTo(seq);
  await (await page(Math.floor((seq - 1) / PAGE))).done;
  draw();
}

let landmarks = null;
async function land(where) {
  landmarks ??= await api(`api/task-trace/${trace.trace}/landmarks`);
  if (where === "content") return jump(landmarks.first_content_seq);
  if (where === "silence") return jump(landmarks.silence_seq);
  return jump(landmarks.error_seqs.find((seq) => seq > marked) ?? landmarks.error_seqs[0]);
}

let waiting = false;
box.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; if (isScaled() || first() + 1 !== drawn) draw(); });
});
box.addEventListener("wheel", (event) => { if (event.deltaY < 0) setFollowing(false); }, { passive: true });
new ResizeObserver(draw).observe(box);
room.addEventListener("click", (event) => {
  const line = event.target.closest(".frame");
  if (line) choose(Number(line.dataset.seq));
});
box.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !total) return;
  event.preventDefault();
  const seq = Math.max(1, Math.min(total, (chosen || drawn) + step));
  if (seq < drawn || seq > drawn + visible() - 2) scrollTo(seq);
  choose(seq);
});
for (const button of document.querySelectorAll("[data-jump]")) {
  button.addEventListener("click", () => land(button.dataset.jump).catch((error) => { position.textContent = error.message; }));
}
document.getElementById("go").addEventListener("change", (event) => jump(Math.min(total, Number(event.target.value))));

function setFollowing(value) {
  following = value;
  follow.setAttribute("aria-pressed", String(value));
}

if (trace.running) {
  live.hidden = follow.hidden = false;
  setFollowing(true);
  follow.addEventListener("click", () => { setFollowing(!following); if (following) scrollTo(total); });
  // Messages are named after the types of events, and an app makes up its own: so a message only says that there is
  // more, and what there is is asked for.
  const source = new EventSource(`${root}api/task-trace/${trace.trace}/events/stream?since_seq=${total}`);
  const wake = () => { asked = true; };
  let asked = false;
  for (const name of ["stream.frame", "stream.keepalive", "tool.started", "tool.finished", "span.started", "span.finished", "other"]) {
    source.addEventListener(name, wake);
  }
  const looking = setInterval(() => {
    const often = asked;
    asked = false;
    if (often || Date.now() - lookedAt > 1000) look();
  }, 200);
  let lookedAt = Date.now();
  const look = async () => {
    lookedAt = Date.now();
    const found = await api(`api/task-trace/${trace.trace}/events?since_seq=${total}&limit=2000`).catch(() => null);
    if (!found?.events.length) return;
    for (const event of found.events) keep(event);
    draw();
    if (following) scrollTo(total);
  };
  source.addEventListener("end", () => { source.close(); location.reload(); });
  addEventListener("pagehide", () => { source.close(); clearInterval(looking); });
}

function keep(event) {
  total = Math.max(total, event.seq);
  const number = Math.floor((event.seq - 1) / PAGE);
  if (!pages.has(number)) pages.set(number, { events: new Map() });
  pages.get(number).events?.set(event.seq, event);
}

draw();
const wanted = /^#seq-(\d+)$/.exec(location.hash);
if (wanted) jump(Number(wanted[1])).then(() => choose(Number(wanted[1])));
