// A page of a trace that runs is loaded again when the trace has ended.

import { root, trace, whileSeen } from "./shared.js";

if (trace.running) {
  const stop = whileSeen(() => {
    const source = new EventSource(`${root}api/task-trace/${trace.trace}/events/stream?since_seq=${trace.lastSeq}`);
    source.addEventListener("end", () => {
      stop();
      location.reload();
    });
    return source;
  });
}
