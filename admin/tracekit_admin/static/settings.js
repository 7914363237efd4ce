// Settings are saved together, each fault beside its field; old traces are deleted after a look at what that means.

import { api, filled } from "./shared.js";

const form = document.getElementById("settings");
const said = document.getElementById("settings-said");

function value(field) {
  if (field.type === "checkbox") return field.checked;
  return field.type === "number" ? (field.value === "" ? null : Number(field.value)) : field.value;
}

function changes() {
  const found = {};
  for (const field of form.elements) {
    if (field.name && String(value(field)) !== field.dataset.was) found[field.name] = value(field);
  }
  return found;
}

function fault(name, text) {
  const place = document.getElementById(`${name}-fault`);
  if (!place) return false;
  place.textContent = text;
  document.getElementById(name).setAttribute("aria-invalid", text ? "true" : "false");
  return true;
}

form.noValidate = true;
form.addEventListener("input", (event) => {
  const name = event.target.name;
  fault(name, "");
  said.textContent = "";
  event.target.closest(".setting").classList.toggle("changed", name in changes());
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = changes();
  for (const field of form.elements) if (field.name) fault(field.name, "");
  if (!Object.keys(wanted).length) { said.textContent = form.dataset.same; return; }
  try {
    const headers = { "Content-Type": "application/json", "If-Match": `"${form.dataset.version}"` };
    const answer = await api("api/settings/system", { method: "PUT", headers, body: JSON.stringify(wanted) });
    form.dataset.version = answer.version;
    for (const name of Object.keys(wanted)) {
      const field = document.getElementById(name);
      field.dataset.was = String(answer.settings[name].value);
      field.closest(".setting").classList.remove("changed");
    }
    said.textContent = form.dataset.saved;
  } catch (error) {
    const named = (error.problem?.errors ?? []).filter((one) => fault(one.field.replace(/^body\./, ""), one.message));
    said.textContent = error.status === 412 ? form.dataset.conflict : named.length ? "" : `${form.dataset.failed} ${error.message}`;
    document.querySelector('[aria-invalid="true"]')?.focus();
  }
});

const cleanup = document.getElementById("cleanup");
const really = document.getElementById("really");
const told = document.getElementById("cleanup-said");
const progress = document.getElementById("cleanup-progress");

function size(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power ? 1 : 0)} ${["B", "KB", "MB", "GB", "TB", "PB"][power]}`;
}

async function clean(dryRun) {
  const body = JSON.stringify({ older_than_days: Number(cleanup.elements.days.value), dry_run: dryRun });
  try {
    const found = await api("api/task-trace/cleanup", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    const values = { traces: found.traces, bytes: size(found.bytes) };
    told.textContent = !found.traces ? cleanup.dataset.none : filled(dryRun ? cleanup.dataset.would : cleanup.dataset.did, values);
    really.hidden = !dryRun || !found.traces;
  } catch (error) {
    told.textContent = `${cleanup.dataset.failed} ${error.message}`;
  }
}

cleanup.addEventListener("submit", (event) => { event.preventDefault(); clean(true); });
cleanup.elements.days.addEventListener("input", () => { really.hidden = true; told.textContent = ""; });
really.addEventListener("click", async () => {
  really.hidden = true;
  progress.hidden = false;
  told.textContent = cleanup.dataset.working;
  await clean(false);
  progress.hidden = true;
});
