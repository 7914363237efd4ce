// What every page does: choices at once, copying, and the keyboard.

for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.submit());
}

document.addEventListener("click", async (event) => {
  const chip = event.target.closest("[data-copy]");
  if (!chip) return;
  await navigator.clipboard?.writeText(chip.dataset.copy).catch(() => {});
  chip.classList.add("copied");
  setTimeout(() => chip.classList.remove("copied"), 1200);
});

function rows() {
  return [...document.querySelectorAll("#traces tbody tr")];
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("chosen"));
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
  all[at]?.classList.remove("chosen");
  next.classList.add("chosen");
  next.querySelector("a").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "/": () => document.getElementById("search")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  "[": () => document.getElementById("newer")?.click(),
  "]": () => document.getElementById("older")?.click(),
  "?": () => document.querySelector(".keys")?.scrollIntoView(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea")) return;
  const tab = /^[1-6]$/.test(event.key) && document.querySelectorAll(".tabs a")[event.key - 1];
  const action = tab ? () => tab.click() : KEYS[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});
