// Live refresh: fetches the page again and replaces its live part. Reading needs none of this.
"use strict";

const live = document.getElementById("live");
const seconds = Number(live?.dataset.refresh ?? 0);
const button = document.querySelector("#refresh button");
let on = sessionStorage.getItem("live") !== "off";

// Whoever opened something, chose something or types is not disturbed.
function busy() {
  return (
    document.hidden ||
    live.querySelector("details[open], input:checked") !== null ||
    (document.activeElement?.matches("input, select") && live.contains(document.activeElement))
  );
}

// Where the focus was, so that it is there again in the new content.
function placeOfFocus() {
  const all = [...live.querySelectorAll("a, button, summary, [tabindex]")];
  return all.indexOf(document.activeElement);
}

async function refresh() {
  if (!on || busy()) return;
  const answer = await fetch(location.href, { headers: { "X-Refresh": "1" } });
  if (answer.redirected) return location.reload();
  if (!answer.ok || !on || busy()) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (fresh === null) return;
  const place = placeOfFocus();
  live.replaceChildren(...fresh.childNodes);
  if (place >= 0) live.querySelectorAll("a, button, summary, [tabindex]")[place]?.focus();
}

function show() {
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? `Live, every ${seconds} s` : "Live is off";
}

if (seconds > 0) {
  button.parentElement.hidden = false;
  show();
  button.addEventListener("click", () => {
    on = !on;
    sessionStorage.setItem("live", on ? "on" : "off");
    show();
  });
  setInterval(() => refresh().catch(() => {}), seconds * 1000);
}

// One question at a time; Escape closes it.
document.addEventListener("toggle", (event) => {
  if (!event.target.matches("details.ask[open]")) return;
  for (const other of document.querySelectorAll("details.ask[open]")) {
    if (other !== event.target) other.open = false;
  }
  event.target.querySelector("button")?.focus();
}, true);
document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.ask[open]");
  if (event.key !== "Escape" || open === null) return;
  open.open = false;
  open.querySelector("summary").focus();
});
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.all;
  if (name === undefined) return;
  for (const box of document.querySelectorAll(`input[name="${name}"]`)) {
    box.checked = event.target.checked;
  }
});
for (const print of document.querySelectorAll("[data-print]")) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
