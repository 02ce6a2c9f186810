// Loads the fragments again that changed. Without this script every link and form still works.
"use strict";

(() => {
  const address = document.currentScript.dataset.updates;
  const RETRY_MS = 15000;
  const AGES_MS = 5000;
  // The clock of the server, in milliseconds ahead of that of the browser.
  const ahead = Number(document.currentScript.dataset.now) / 1000 - Date.now();
  const UNITS = [[86400, "days"], [3600, "h"], [60, "min"]];
  let source = null;
  let retry = null;

  // One name for all that may have changed.
  const EVERYTHING = "everything";

  function refresh(names) {
    for (const fragment of document.querySelectorAll("[data-live]")) {
      const wanted = fragment.dataset.live.split(" ");
      if (names.includes(EVERYTHING) || wanted.some((each) => names.includes(each))) {
        fragment.dispatchEvent(new CustomEvent("changed"));
      }
    }
  }

  function show(text) {
    const line = document.getElementById("live");
    if (line) {
      line.textContent = text;
      line.hidden = text === "";
    }
  }

  // As the server says it: 40 s, 15 min, 3 h or 2 days, rounded up.
  function span(seconds) {
    const [size, unit] = UNITS.find((each) => seconds >= 2 * each[0]) || [1, "s"];
    return `${Math.ceil(seconds / size)} ${unit}`;
  }

  // Ages go on between two changes.
  function tick() {
    for (const each of document.querySelectorAll("time")) {
      if (!each.textContent.endsWith(" ago")) continue;
      const passed = Math.ceil((Date.now() + ahead - Date.parse(each.dateTime)) / 1000);
      each.textContent = `${span(Math.max(passed, 0))} ago`;
    }
  }

  function close() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  function open() {
    close();
    source = new EventSource(address);
    source.addEventListener("changed", (event) => refresh(event.data.split(" ")));
    source.addEventListener("ended", () => location.reload());
    source.onopen = () => show("");
    source.onerror = () => {
      show("Not connected: this page may be out of date.");
      // A browser does not try again after an answer with an error.
      if (source && source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    };
  }

  // A browser allows six connections to a server, so a tab that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
    } else {
      open();
      refresh([EVERYTHING]);
    }
  });
  window.addEventListener("pagehide", close);
  setInterval(tick, AGES_MS);
  if (!document.hidden) open();
})();
