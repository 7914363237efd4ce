// Events by the hundred thousand: only the rows in view are on the page, and a few pages of them in memory. Events are
// numbered from 1 without a gap, so a row's place is its number.

import { api, duration, filled, live, oneLine, trace } from "./shared.js";

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
const running = document.getElementById("live");

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

// What is known of a page, the least used one forgotten. The last page of a trace that runs is known in part.
function known(number) {
  const entry = pages.get(number) ?? { events: new Map(), askedAt: -1, loading: null };
  pages.delete(number);
  pages.set(number, entry);
  if (pages.size > MOST_PAGES) pages.delete(pages.keys().next().value);
  return entry;
}

function page(number) {
  const entry = known(number);
  const isWhole = entry.events.size >= Math.min(PAGE, total - number * PAGE);
  // A page that could not be had whole is asked for again only when there is more.
  if (!isWhole && !entry.loading && entry.askedAt < total) {
    entry.askedAt = total;
    entry.loading = load(number, entry).finally(() => { entry.loading = null; });
  }
  return entry.loading;
}

async function load(number, entry) {
  try {
    const found = await api(`api/task-trace/${trace.trace}/events?since_seq=${number * PAGE}&limit=${PAGE}`);
    for (const event of found.events) entry.events.set(event.seq, event);
    draw();
  } catch (error) {
    position.textContent = error.message;
    // Asked for again when it is next looked at, but not at once.
    setTimeout(() => { entry.askedAt = -1; }, 1000);
  }
}

function eventAt(seq) {
  return pages.get(Math.floor((seq - 1) / PAGE))?.events.get(seq);
}

function draw() {
  const from = Math.max(1, first() + 1);
  const to = Math.min(total, from + visible() + 1);
  for (let number = Math.floor((from - 1) / PAGE); number <= Math.floor(Math.max(0, to - 1) / PAGE); number += 1) page(number);
  box.setAttribute("aria-rowcount", total);
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

// Only the type says what an event is: an app may put anything into what it records.
const isFrame = (event) => event.event_type === "stream.frame" || event.event_type === "stream.keepalive";

function textOf(event, space) {
  const payload = event.payload ?? {};
  const text = isFrame(event) ? payload.text ?? payload.base64 : null;
  return typeof text === "string" ? text : JSON.stringify(payload, null, space);
}

function fill(line, event) {
  const before = eventAt(event.seq - 1);
  const gap = before ? event.offset_us - before.offset_us : null;
  const bytes = isFrame(event) ? event.payload?.bytes : null;
  const note = isFrame(event) && event.payload?.cut ? ` [${box.dataset.masked}]` : "";
  line.append(
    cell(String(event.seq)),
    cell(`${(event.offset_us / 1e6).toFixed(6)}`),
    cell(gap === null ? "" : `+${duration(gap)}`),
    cell(Number.isInteger(bytes) ? String(bytes) : ""),
    cell(event.event_type),
    cell(oneLine(textOf(event).slice(0, LONGEST_TEXT)) + note),
  );
  line.classList.toggle("silence", gap !== null && gap >= LONG_US);
  line.classList.toggle("quietly", event.event_type === "stream.keepalive");
  line.classList.toggle("event", !isFrame(event));
  line.classList.toggle("bad", /error|failed$/.test(event.event_type));
}

function choose(seq) {
  chosen = seq;
  const event = eventAt(seq);
  detail.hidden = !event;
  if (event) {
    detail.querySelector("h2").textContent = `#${event.seq} ${oneLine(event.event_type)} · ${event.timestamp}`;
    detail.querySelector("pre").textContent = textOf(event, 2).slice(0, 100_000).split("\n").map(oneLine).join("\n");
  }
  draw();
}

async function jump(wanted) {
  if (!wanted || !total) { position.textContent = position.dataset.none; return; }
  const seq = Math.max(1, Math.min(total, wanted));
  marked = seq;
  setFollowing(false);
  scrollTo(seq);
  await page(Math.floor((seq - 1) / PAGE));
  draw();
}

let landmarks = null;
async function land(where) {
  // Those of a trace that runs may be others in a moment.
  if (!landmarks || trace.running) landmarks = await api(`api/task-trace/${trace.trace}/landmarks`);
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
document.getElementById("go").addEventListener("change", (event) => {
  const seq = event.target.valueAsNumber;
  jump(Number.isNaN(seq) ? 0 : Math.max(1, Math.round(seq)));
});

function setFollowing(value) {
  following = value;
  follow.setAttribute("aria-pressed", String(value));
}

// Messages are named after the types of events, and an app makes up its own: so a message only says that there is
// more, and what there is is asked for.
const TELLING = ["stream.frame", "stream.keepalive", "tool.started", "tool.finished", "span.started", "span.finished", "other"];
const SOON_MS = 200;
const LATER_MS = 1000;

let isTold = false;
let lookedAt = 0;

function keepLooking() {
  const told = Object.fromEntries(TELLING.map((name) => [name, () => { isTold = true; }]));
  const stop = live(() => `api/task-trace/${trace.trace}/events/stream?since_seq=${total}`, {
    ...told,
    end() { stop(); location.reload(); },
  });
  setInterval(() => {
    if (document.hidden || (!isTold && Date.now() - lookedAt < LATER_MS)) return;
    isTold = false;
    lookedAt = Date.now();
    look();
  }, SOON_MS);
}

async function look() {
  const found = await api(`api/task-trace/${trace.trace}/events?since_seq=${total}&limit=2000`).catch(() => null);
  if (!found?.events.length) return;
  for (const event of found.events) known(Math.floor((event.seq - 1) / PAGE)).events.set(event.seq, event);
  total = Math.max(total, found.events.at(-1).seq);
  draw();
  if (following) scrollTo(total);
}

draw();
if (trace.running) {
  running.hidden = follow.hidden = false;
  setFollowing(true);
  scrollTo(total);
  follow.addEventListener("click", () => { setFollowing(!following); if (following) scrollTo(total); });
  keepLooking();
}
const wanted = /^#seq-(\d{1,15})$/.exec(location.hash);
if (wanted) jump(Number(wanted[1])).then(() => choose(marked));
