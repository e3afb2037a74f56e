// What a page gains with JavaScript; without it, everything works. No framework, nothing from elsewhere.
"use strict";

// "3 minutes ago" goes on counting. The same words as service/src/http/moment.rs.
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function ago(seconds) {
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size);
    if (count >= 1) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

function refreshTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (seconds < 30 * 86400) time.textContent = ago(seconds);
  }
}

// The next page of a list is put below this one, instead of in its place.
async function extendList(event) {
  const link = event.target.closest("a[rel=next]");
  const list = document.getElementById("list");
  if (!link || !list || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const rows = [...(page.getElementById("list")?.children ?? [])];
    const next = page.querySelector("a[rel=next]");
    list.append(...rows.map((row) => document.adoptNode(row)));
    if (next) link.href = next.getAttribute("href"); else link.remove();
    rows[0]?.querySelector("a")?.focus();
    refreshTimes();
  } catch {
    location.href = link.href;
  }
}

// A text that was not sent yet outlives a reload, a crash, and a session that has expired. It is its writer's: the form's
// name begins with theirs, so that the next person in this tab is not shown it, and signing out takes it away.
function keepDrafts() {
  forgetSentDrafts();
  for (const form of document.querySelectorAll("form[data-draft]")) {
    const name = form.dataset.draft;
    const fields = [...form.querySelectorAll("textarea, input:not([type=hidden])")];
    const kept = JSON.parse(sessionStorage.getItem(`draft:${name}`) ?? "{}");
    for (const field of fields) field.value ||= kept[field.name] ?? "";
    form.addEventListener("input", () => {
      const values = fields.map((field) => [field.name, field.value]);
      sessionStorage.setItem(`draft:${name}`, JSON.stringify(Object.fromEntries(values)));
    });
    form.addEventListener("submit", () => sessionStorage.setItem(`sent:${name}`, "yes"));
  }
}

// What was sent and is followed by a post's page has arrived; followed by anything else, a refusal or the request to sign
// in, it is still needed, whatever comes later.
function forgetSentDrafts() {
  const arrived = document.querySelector("article.whole") && !document.querySelector("[role=alert]");
  for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith("sent:"))) {
    sessionStorage.removeItem(key);
    if (arrived) sessionStorage.removeItem(key.replace("sent:", "draft:"));
  }
}

function forgetDraftsAtSignOut(event) {
  if (event.target.getAttribute("action") === "/logout") sessionStorage.clear();
}

// A second click on a button does not send a form twice.
function sendOnce(event) {
  if (event.target.method !== "post") return;
  for (const button of event.target.querySelectorAll("button")) button.disabled = true;
}

keepDrafts();
refreshTimes();
setInterval(refreshTimes, 30000);
document.addEventListener("click", extendList);
document.addEventListener("submit", sendOnce);
document.addEventListener("submit", forgetDraftsAtSignOut);
// Back from the next page, the form is to be used again.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});
