// For the host's own page: <tracekit-switch> beside its message box, <tracekit-link trace="…"> beside a message.
// Both are shown only to who may see the console; for all others they take no room.

const base = new URL("..", import.meta.url);
const zh = /^zh\b/i.test(navigator.language);
const LABEL = zh ? "记录完整任务日志（可能影响性能）" : "Record full task log (may affect performance)";
const LINK = zh ? "查看记录" : "Trace";
const MEMORY = "tracekit.traceEnabled";

let asked;
function permission() {
  asked ??= fetch(new URL("api/switch", base), { credentials: "same-origin", headers: { Accept: "application/json" } })
    .then((response) => (response.ok ? response.json() : { shown: false }))
    .catch(() => ({ shown: false }));
  return asked;
}

// A constructed sheet holds under a content security policy without inline styles.
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: inline-block; font: inherit; }
  :host([hidden]) { display: none; }
  label { display: inline-flex; gap: 0.45em; align-items: center; cursor: pointer; }
  input { margin: 0; accent-color: currentColor; }
`);

class TracekitSwitch extends HTMLElement {
  #box = document.createElement("input");

  /** Resolves to whether the switch is shown. */
  ready = Promise.resolve(false);

  connectedCallback() {
    if (this.shadowRoot) return;
    this.hidden = true;
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const label = document.createElement("label");
    this.#box.type = "checkbox";
    label.append(this.#box, this.getAttribute("label") ?? LABEL);
    root.append(label);
    this.#box.addEventListener("change", () => {
      sessionStorage.setItem(MEMORY, String(this.#box.checked));
      this.dispatchEvent(new Event("change", { bubbles: true }));
    });
    this.ready = permission().then(({ shown, default_on: on }) => {
      const remembered = sessionStorage.getItem(MEMORY);
      this.#box.checked = remembered === null ? Boolean(on) : remembered === "true";
      this.hidden = !shown;
      return shown;
    });
  }

  /** What to send as `traceEnabled` with the message: undefined where the switch is not shown. */
  get traceEnabled() {
    return this.hidden ? undefined : this.#box.checked;
  }

  set traceEnabled(value) {
    this.#box.checked = Boolean(value);
  }
}

class TracekitLink extends HTMLElement {
  static observedAttributes = ["trace"];

  #link = document.createElement("a");

  connectedCallback() {
    if (this.shadowRoot) return;
    this.hidden = true;
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    this.#link.textContent = this.getAttribute("label") ?? LINK;
    this.#link.target = "_blank";
    this.#link.rel = "noopener";
    root.append(this.#link);
    this.#point();
    permission().then(({ may_see: maySee }) => { this.hidden = !maySee || !this.getAttribute("trace"); });
  }

  attributeChangedCallback() {
    this.#point();
  }

  #point() {
    this.#link.href = new URL(`traces/${encodeURIComponent(this.getAttribute("trace") ?? "")}`, base);
  }
}

customElements.define("tracekit-switch", TracekitSwitch);
customElements.define("tracekit-link", TracekitLink);
