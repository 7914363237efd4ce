// The page: asks, shows the answer while it is written, and links each recorded answer to its trace.

import { formats, payloads } from "./formats.js";

const get = (id) => document.getElementById(id);
const conversation = get("conversation");
const sessionId = `demo-${crypto.randomUUID().slice(0, 8)}`;
const turns = [];
let running = null;

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function show(card, answer) {
  card.querySelector("details").hidden = !answer.reasoning;
  card.querySelector("details p").textContent = answer.reasoning;
  card.querySelector(".tools").replaceChildren(...Object.values(answer.tools).map((call) => {
    const box = element("div", "tool", `${call.name}(${call.arguments})`);
    if (call.result) box.append(element("div", "result", `→ ${JSON.stringify(call.result)}`));
    return box;
  }));
  card.querySelector(".text").textContent = answer.text;
  conversation.scrollTop = conversation.scrollHeight;
}

function newCard() {
  const card = element("article", "answer streaming");
  const thoughts = element("details", "");
  thoughts.append(element("summary", "", "Reasoning"), element("p", ""));
  card.append(thoughts, element("div", "tools"), element("div", "text"), element("div", "facts"));
  conversation.append(card);
  return card;
}

function tellFacts(card, format, traceId) {
  const facts = card.querySelector(".facts");
  facts.append(element("span", "", get("format").querySelector(`[value=${format}]`).textContent));
  if (!traceId) {
    facts.append(element("span", "", "not recorded"));
    return;
  }
  const link = element("a", "trace", `Trace ${traceId.slice(0, 8)}…${traceId.slice(-4)}`);
  link.href = `tracekit/traces/${traceId}?tab=conversation`;
  link.target = "_blank";
  const button = element("button", "quiet", "Show the timeline");
  button.type = "button";
  button.addEventListener("click", () => showTimeline(card, traceId));
  facts.append(link, button);
}

async function showTimeline(card, traceId) {
  card.querySelector(".timeline")?.remove();
  const response = await fetch(`tracekit/api/task-trace/${traceId}/export?format=txt`);
  const timeline = element("pre", "timeline");
  timeline.tabIndex = 0;
  if (response.ok) {
    timeline.textContent = await response.text();
  } else if (response.status === 401) {
    const link = element("a", "", "Sign in");
    link.href = "tracekit/sign-in";
    link.target = "_blank";
    timeline.append(link, " with the token that the terminal shows, then try again.");
  } else {
    timeline.textContent = `The timeline cannot be had now (${response.status}).`;
  }
  card.append(timeline);
  timeline.scrollIntoView({ block: "nearest" });
}

async function ask(format, record) {
  const card = newCard();
  const answer = { reasoning: "", text: "", tools: {}, calls: null, ended: false };
  running = new AbortController();
  try {
    const response = await fetch(formats[format].path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "scripted-1", stream: true, sessionId, traceEnabled: record, messages: formats[format].messages(turns) }),
      signal: running.signal,
    });
    tellFacts(card, format, response.headers.get("x-trace-id"));
    for await (const data of payloads(response)) {
      formats[format].read(answer, data);
      show(card, answer);
    }
    if (!answer.ended) throw new Error("the stream ended before the answer did");
  } catch (error) {
    const what = error.name === "AbortError" ? "You stopped the answer." : `The answer broke off: ${error.message}`;
    card.querySelector(".text").after(element("div", "failure", what));
    answer.calls = null;
  }
  card.classList.remove("streaming");
  if (answer.text) turns.push({ role: "assistant", text: answer.text });
  if (answer.calls) await runTool(card, answer, format, record);
}

async function runTool(card, answer, format, record) {
  const call = answer.calls;
  const response = await fetch(`api/tools/${call.name}?${new URLSearchParams(JSON.parse(call.arguments))}`);
  call.result = await response.json();
  show(card, answer);
  turns.push({ role: "assistant", text: "", tool: call }, { role: "tool", text: "", tool: call });
  await ask(format, record);
}

async function send(text) {
  if (running || !text.trim()) return;
  get("welcome").hidden = true;
  const row = element("div", "question-row");
  row.append(element("div", "question", text));
  conversation.append(row);
  turns.push({ role: "user", text });
  get("prompt").value = "";
  get("send").disabled = true;
  get("stop").hidden = false;
  await ask(get("format").value, get("switch").traceEnabled ?? get("record").checked);
  running = null;
  get("send").disabled = false;
  get("stop").hidden = true;
  get("prompt").focus();
}

get("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  send(get("prompt").value);
});
get("prompt").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send(get("prompt").value);
});
get("stop").addEventListener("click", () => running?.abort());
get("suggestions").addEventListener("click", (event) => {
  if (event.target.tagName === "BUTTON") send(event.target.textContent);
});
// Who has signed in to the console sees its switch; the page's own box is for who has not yet.
customElements.whenDefined("tracekit-switch").then(() => get("switch").ready).then((shown) => {
  document.querySelector(".tick").hidden = shown;
});
get("prompt").focus();
