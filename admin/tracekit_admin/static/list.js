// New traces are announced, and shown when the reader asks for them: the list never jumps.

import { filled, live } from "./shared.js";

const news = document.getElementById("news");
const seen = new Set([...document.querySelectorAll("[data-trace]")].map((row) => row.dataset.trace));
let fresh = 0;
let opened = false;

if (news && !new URLSearchParams(location.search).has("cursor")) {
  live(() => "api/task-trace/stream", {
    listed(message) {
      for (const trace of JSON.parse(message.data).items) note(trace, opened || trace.started_at > news.dataset.since);
      opened = true;
    },
    started(message) { note(JSON.parse(message.data), true); },
  });
}

function note(trace, isNew) {
  if (seen.has(trace.trace_id)) return;
  seen.add(trace.trace_id);
  if (!isNew) return;
  fresh += 1;
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = fresh === 1 ? news.dataset.one : filled(news.dataset.many, { count: fresh });
  news.replaceChildren(link);
  news.hidden = false;
}
