// Makes working pages nicer: keys, and relative times on hover. Every page is whole without it.
const places = { o: "/", l: "/ledger", i: "/inferences", c: "/controls", e: "/evidence", p: "/people", d: "/documents", k: "/keys", a: "/approvals", s: "/sql" };
let leading = false;

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && typing(event.target)) return event.target.blur();
  if (typing(event.target)) return;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
    return;
  }
  if (leading && places[event.key]) { event.preventDefault(); location.assign(places[event.key]); }
  leading = event.key === "g";
  if (leading) setTimeout(() => { leading = false; }, 1200);
});

const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function relative(date) {
  const seconds = (date - Date.now()) / 1000;
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units.at(-1);
  return words.format(Math.round(seconds / size), unit);
}

function refresh() {
  for (const time of document.querySelectorAll("time[datetime]")) time.title = relative(new Date(time.dateTime));
}

refresh();
setInterval(refresh, 15000);
