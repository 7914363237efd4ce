// The answer as it grows, and an answer that has ended played again at its own pace.

import { duration, filled, lines, live, trace } from "./shared.js";

const answer = document.getElementById("answer");
const reasoning = document.getElementById("reasoning");
const tools = document.getElementById("tools");
const running = document.getElementById("live");
const follow = document.getElementById("follow");
const clock = document.getElementById("clock");
const left = document.getElementById("left-out");
const stop = document.querySelector('[data-speed="0"]');
const path = () => `api/task-trace/${trace.trace}/answer/stream`;

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

// The stream tells everything from the beginning, each time that it is opened.
function listen(begin, take, end) {
  return live(path, {
    open: begin,
    said(message) { take(JSON.parse(message.data).pieces); },
    tool(message) {
      const tool = JSON.parse(message.data);
      take([{ tool, offset_us: tool.offset_us }]);
    },
    end(message) { end(JSON.parse(message.data)); },
  });
}

function show(piece) {
  if (piece.tool) call(piece.tool);
  else say(piece);
}

if (trace.running) {
  running.hidden = follow.hidden = false;
  answer.classList.add("growing");
  const stopListening = listen(
    clear,
    (pieces) => { pieces.forEach(show); keepUp(); },
    () => { stopListening(); location.reload(); },
  );
  addEventListener("wheel", (event) => { if (event.deltaY < 0) setFollowing(false); }, { passive: true });
  follow.addEventListener("click", () => { setFollowing(!following); keepUp(); });
}

function setFollowing(value) {
  following = value;
  follow.setAttribute("aria-pressed", String(value));
}

// Replay

const stored = { answer: answer.textContent, reasoning: reasoning.textContent, tools: [...tools.childNodes] };
const quiet = reasoning.closest("section").hidden;
let timer = 0;
let whole = null;

// What is stored is the whole text; what is played has only what stands in frames that were not cut.
function finish() {
  clearTimeout(timer);
  stop.hidden = true;
  answer.classList.remove("growing");
  answer.textContent = stored.answer;
  reasoning.textContent = stored.reasoning;
  reasoning.closest("section").hidden = quiet;
  tools.replaceChildren(...stored.tools);
}

function play(speed) {
  clearTimeout(timer);
  if (!whole.length) {
    finish();
    clock.textContent = clock.dataset.nothing;
    return;
  }
  clear();
  answer.classList.add("growing");
  stop.hidden = false;
  const began = performance.now();
  let next = 0;
  const step = () => {
    const at = (performance.now() - began) * 1000 * speed;
    while (next < whole.length && whole[next].offset_us <= at) show(whole[next++]);
    clock.textContent = duration(Math.round(Math.min(at, whole.at(-1).offset_us)));
    if (next < whole.length) timer = setTimeout(step, 16);
    else finish();
  };
  step();
}

function load(speed) {
  let heard = [];
  const stopListening = listen(
    () => { heard = []; },
    (pieces) => heard.push(...pieces),
    (end) => {
      stopListening();
      whole = heard;
      if (end.cut_frames) left.textContent = filled(left.dataset.text, { count: end.cut_frames });
      play(speed);
    },
  );
}

for (const button of document.querySelectorAll("[data-speed]")) {
  button.addEventListener("click", () => {
    const speed = Number(button.dataset.speed);
    if (!speed) finish();
    else if (whole) play(speed);
    else load(speed);
  });
}
