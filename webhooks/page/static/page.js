// Loads the fragments again that changed. Without this script every link and form still works.
"use strict";

(() => {
  const address = document.currentScript.dataset.updates;
  const RETRY_MS = 15000;
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
  if (!document.hidden) open();
})();
