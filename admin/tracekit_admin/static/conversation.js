// The answer as it grows, and an answer that has ended played again at its own pace.

import { duration, lines, root, trace } from "./shared.js";

const answer = document.getElementById("answer");
const reasoning = document.getElementById("reasoning");
const tools = document.getElementById("tools");
const live = document.getElementById("live");
const follow = document.getElementById("follow");
const clock = document.getElementById("clock");
const stop = document.querySelector('[data-speed="0"]');
const path = `${root}api/task-trace/${trace.trace}/answer/stream`;

let following = true;

function say(piece) {
  const place = piece.kind === "answer" ? answer : reasoning;
  place.closest("section").hidden = false;
  place.append(lines(piece.text));
}

function clear() {
  answer.textContent = "";
  reasoning.textContent = "";
  tools.replaceChildren();
}

function call(event) {
  const id = String(event.payload?.id ?? event.payload?.name ?? "");
  let card = [...tools.children].find((one) => one.dataset.call === id);
  if (!card) {
    card = document.createElement("section");
    card.className = "card turn tool";
    card.dataset.call = id;
    const head = document.createElement("h2");
    head.textContent = lines(String(event.payload?.name ?? "?"));
    card.append(head);
    tools.append(card);
  }
  for (const name of ["arguments", "result", "error"]) {
    const value = event.payload?.[name];
    if (value === undefined || value === null || card.querySelector(`[data-part=${name}]`)) continue;
    const text = document.createElement("pre");
    text.dataset.part = name;
    text.textContent = lines(typeof value === "string" ? value : JSON.stringify(value, null, 2));
    card.append(text);
  }
  card.classList.toggle("failed", event.event_type === "tool.failed");
}

function keepUp() {
  if (following) document.getElementById("conversation").lastElementChild.scrollIntoView({ block: "end" });
}

function listen(take, ended) {
  const source = new EventSource(path);
  source.addEventListener("said", (message) => take(JSON.parse(message.data).pieces));
  source.addEventListener("tool", (message) => take([{ tool: JSON.parse(message.data), offset_us: JSON.parse(message.data).offset_us }]));
  source.addEventListener("end", (message) => {
    source.close();
    ended(JSON.parse(message.data));
  });
  // The stream tells everything from the beginning, so a second one would tell it twice.
  source.addEventListener("error", () => source.readyState === EventSource.CLOSED || clear());
  addEventListener("pagehide", () => source.close());
  return source;
}

function show(piece) {
  if (piece.tool) call(piece.tool);
  else say(piece);
}

if (trace.running) {
  clear();
  live.hidden = follow.hidden = false;
  answer.classList.add("growing");
  listen((pieces) => { pieces.forEach(show); keepUp(); }, () => location.reload());
  addEventListener("wheel", (event) => { if (event.deltaY < 0) setFollowing(false); }, { passive: true });
  follow.addEventListener("click", () => { setFollowing(!following); keepUp(); });
}

function setFollowing(value) {
  following = value;
  follow.setAttribute("aria-pressed", String(value));
}

// Replay

let timer = 0;
let whole = null;

function finish() {
  clearTimeout(timer);
  stop.hidden = true;
  answer.classList.remove("growing");
  clear();
  whole?.forEach(show);
}

function play(speed) {
  clearTimeout(timer);
  clear();
  answer.classList.add("growing");
  stop.hidden = false;
  const began = performance.now();
  let next = 0;
  const step = () => {
    const at = (performance.now() - began) * 1000 * speed;
    while (next < whole.length && whole[next].offset_us <= at) show(whole[next++]);
    clock.textContent = duration(Math.round(Math.min(at, whole.at(-1)?.offset_us ?? 0)));
    if (next < whole.length) timer = setTimeout(step, 16);
    else finish();
  };
  step();
}

for (const button of document.querySelectorAll("[data-speed]")) {
  button.addEventListener("click", () => {
    const speed = Number(button.dataset.speed);
    if (!speed) return finish();
    if (whole) return play(speed);
    const heard = [];
    listen((pieces) => heard.push(...pieces), () => { whole = heard; play(speed); });
  });
}
