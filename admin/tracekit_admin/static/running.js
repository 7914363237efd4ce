// A page of a trace that runs is loaded again when the trace has ended.

import { root, trace } from "./shared.js";

if (trace.running) {
  const source = new EventSource(`${root}api/task-trace/${trace.trace}/events/stream?since_seq=${trace.lastSeq}`);
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
  addEventListener("pagehide", () => source.close());
}
