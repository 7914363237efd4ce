// What several pages need.

export const root = document.body.dataset.root;
export const trace = document.getElementById("trace")?.dataset;

// Characters that could mislead the eye are shown as escapes, as everywhere in tracekit.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\uffff]|[\u{e0000}-\u{e0fff}]/gu;

function escaped(character) {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0);
  return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16).padStart(4, "0");
}

export function oneLine(text) {
  return text.replace(UNSAFE, escaped);
}

export function lines(text) {
  return text.split(/\r\n|\r|\n/).map((line) => oneLine(line.replaceAll("\t", "    "))).join("\n");
}

export function duration(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 999950) return `${(us / 1000).toFixed(1)} ms`;
  if (us < 59950000) return `${(us / 1e6).toFixed(us < 9995000 ? 2 : 1)} s`;
  const seconds = Math.round(us / 1e6);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} m`;
}

export async function api(path, options) {
  const asked = { ...options, headers: { Accept: "application/json", ...options?.headers } };
  const response = await fetch(root + path, asked).catch(() => {
    throw new Error(document.getElementById("lost").dataset.silent);
  });
  const body = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(body.detail ?? response.statusText), { status: response.status, problem: body });
  return body;
}

export function filled(pattern, values) {
  return pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A stream of events, for as long as the page is in view: a browser holds few connections to one host, and pages that
// nobody looks at would use them up. One that is refused is tried again, and the page says so meanwhile. `address` gives
// where it begins; answers a function that ends it for good.
export function live(address, handlers) {
  let source = null;
  let again = 0;
  const close = () => { clearTimeout(again); source?.close(); source = null; };
  const open = () => {
    source = new EventSource(root + address());
    for (const [name, handler] of Object.entries(handlers)) source.addEventListener(name, handler);
    source.addEventListener("open", () => tell(false));
    source.addEventListener("error", () => {
      tell(true);
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      again = setTimeout(turn, RETRY_MS);
    });
  };
  const turn = () => { if (document.hidden) close(); else if (!source) open(); };
  document.addEventListener("visibilitychange", turn);
  addEventListener("pagehide", close);
  addEventListener("pageshow", turn);
  turn();
  return () => {
    document.removeEventListener("visibilitychange", turn);
    removeEventListener("pageshow", turn);
    close();
  };
}

const RETRY_MS = 3000;

function tell(isLost) {
  document.getElementById("lost").hidden = !isLost;
}
