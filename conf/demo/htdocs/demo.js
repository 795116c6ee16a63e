"use strict";
// The landing page of the demo: the routes that are on, and one practitioner's times of a day.
// All of it comes from the API, as any other client would get it.

const LOOK_AHEAD_DAYS = 28;
const $ = (id) => document.getElementById(id);
let practitioners = [];
let asked = 0; // the latest question; answers to earlier ones are dropped

async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Error(body.message || `HTTP ${response.status}`);
  return body;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// A path may break before its slashes, and where nothing else helps.
function pathCell(path) {
  const cell = element("td", "", "path");
  for (const part of path.split(/(?=\/)/)) cell.append(part, document.createElement("wbr"));
  return cell;
}

const dayIn = (zone, date) =>
  new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" }).format(date);

function plusDays(day, n) {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + n);
  return date.toISOString().slice(0, 10);
}

async function showRoutes() {
  const { paths, servers } = await get("/api/openapi.json");
  const base = (servers?.[0]?.url ?? "").replace(/^https?:\/\/[^/]*/, "").replace(/\/$/, "");
  const rows = [];
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (!/^(get|post|put|patch|delete)$/.test(method)) continue;
      const row = document.createElement("tr");
      row.append(element("td", method.toUpperCase(), "method"),
                 pathCell(base + path),
                 element("td", operation.summary ?? ""));
      rows.push(row);
    }
  }
  $("list").replaceChildren(...rows);
}

async function showTimes() {
  const mine = ++asked;
  const day = $("when").value;
  if (!day) return;
  const { timeZone, timeSlots } = await get(`/api/practitioners/${$("who").value}/availability?date=${day}`);
  if (mine !== asked) return;
  const free = timeSlots.filter((slot) => slot.available).length;
  const long = new Intl.DateTimeFormat("en", { dateStyle: "full", timeZone: "UTC" })
    .format(new Date(`${day}T00:00:00Z`));
  $("about").textContent = timeSlots.length === 0
    ? `${long}: closed.`
    : `${long}: ${free} of ${timeSlots.length} free. Times of ${timeZone.replaceAll("_", " ")}.`;
  $("slots").replaceChildren(...timeSlots.map((slot) => {
    const item = element("li", slot.time, slot.available ? "free" : "taken");
    item.title = `${slot.durationMinutes} minutes; here: ${new Date(slot.startsAt).toLocaleString()}`;
    if (!slot.available) item.setAttribute("aria-label", `${slot.time}, taken`);
    return item;
  }));
}

// Somebody else was chosen: go to the first day on which they have time.
async function showPractitioner() {
  const mine = ++asked;
  const chosen = practitioners.find(({ id }) => String(id) === $("who").value);
  const today = dayIn(chosen.timeZone, new Date());
  const { days } = await get(`/api/practitioners/${chosen.id}/availability` +
                             `?from=${today}&to=${plusDays(today, LOOK_AHEAD_DAYS)}`);
  if (mine !== asked) return;
  const open = days.find(({ timeSlots }) => timeSlots.some((slot) => slot.available));
  $("when").min = today;
  $("when").value = open?.date ?? today;
  await showTimes();
}

async function fillPractitioners() {
  ({ practitioners } = await get("/api/practitioners"));
  $("who").replaceChildren(...practitioners.map(({ id, name, specialty }) => {
    const option = element("option", specialty ? `${name} · ${specialty}` : name);
    option.value = id;
    return option;
  }));
  if (practitioners.length === 0) {
    $("about").textContent = "There are no practitioners yet.";
    return;
  }
  $("who").disabled = $("when").disabled = false;
  await showPractitioner();
}

function tell(id) {
  return (error) => { $(id).replaceChildren(element(id === "list" ? "tr" : "span", error.message)); };
}

$("pick").addEventListener("submit", (event) => event.preventDefault());
$("who").addEventListener("change", () => showPractitioner().catch(tell("about")));
$("when").addEventListener("change", () => showTimes().catch(tell("about")));
showRoutes().catch(tell("list"));
fillPractitioners().catch(tell("about"));
