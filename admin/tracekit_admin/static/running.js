// A page of a trace that runs is loaded again when the trace has ended.

import { live, trace } from "./shared.js";

if (trace.running) {
  const stop = live(() => `api/task-trace/${trace.trace}/events/stream?since_seq=${trace.lastSeq}`, {
    end() { stop(); location.reload(); },
  });
}
