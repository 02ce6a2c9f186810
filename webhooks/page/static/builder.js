// The builder without loading the page again. Each action sends the form, as its buttons do.
import { followPicture } from "./builder_picture.js";
import { History } from "./builder_history.js";

const TYPING_MS = 400;
const PARTS = ["builder-picture", "builder-side", "builder-problems", "builder-list"];
const KEPT = ["base", "commit", "selected", "previous"];
const form = document.getElementById("builder");
const text = form.elements.namedItem("text");
const history = new History(text.value);
let queue = Promise.resolve();
let waiting = null;
let typed = 0;

function status(words, isBad) {
  const line = document.getElementById("builder-status");
  line.textContent = words;
  line.classList.toggle("bad", isBad);
}

// What has the focus, so that it is found again in the new part.
function focused() {
  const at = document.activeElement;
  if (!at || !at.closest(PARTS.map((each) => `#${each}`).join())) return null;
  if (at.dataset.place) return `[data-place="${CSS.escape(at.dataset.place)}"]`;
  const value = at.tagName === "BUTTON" ? `[value="${CSS.escape(at.value)}"]` : "";
  return at.name ? `[name="${CSS.escape(at.name)}"]${value}` : null;
}

function show(found, { isTyping }) {
  const focus = focused();
  const scrolled = document.querySelector("#builder-picture .scroll");
  const place = scrolled && [scrolled.scrollLeft, scrolled.scrollTop];
  for (const id of PARTS) {
    document.getElementById(id).replaceWith(document.adoptNode(found.getElementById(id)));
  }
  const sent = found.getElementById("builder");
  for (const name of KEPT) form.elements.namedItem(name).value = sent.elements.namedItem(name).value;
  const line = found.getElementById("builder-status");
  status(line.textContent, line.classList.contains("bad"));
  const picture = document.querySelector("#builder-picture .scroll");
  if (place && picture) picture.scrollTo(place[0], place[1]);
  const now = sent.elements.namedItem("text").value;
  history.note(now);
  if (!isTyping && text.value !== now) text.value = now;
  if (focus) form.querySelector(focus)?.focus({ preventScroll: true });
}

async function send(button, isTyping, number) {
  const body = new URLSearchParams(new FormData(form));
  body.set("do", button);
  try {
    const answer = await fetch(`${form.getAttribute("action")}?fragment=builder`, { method: "POST", body });
    if (answer.status === 401) return location.reload();
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    // Whoever went on typing gets the answer to the newer text.
    if (isTyping && number !== typed) return undefined;
    if (found.getElementById("builder")) show(found, { isTyping });
    else status(found.querySelector("main")?.textContent.trim() || "The server did not answer.", true);
  } catch {
    status("Not connected: nothing was changed. Try again.", true);
  }
  return undefined;
}

// One after the other, because each edits the text that the one before left.
function press(button, isTyping = false) {
  const number = typed;
  queue = queue.then(() => send(button, isTyping, number));
  return queue;
}

function put(changed) {
  if (changed === null) return;
  text.value = changed;
  press("check");
}

function select(place) {
  return press(`select:${place}`);
}

text.addEventListener("input", () => {
  typed += 1;
  clearTimeout(waiting);
  waiting = setTimeout(() => press("check", true), TYPING_MS);
});

form.addEventListener("change", (event) => {
  if ("apply" in event.target.dataset) press("apply");
});

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button && button.value === "save") return;
  event.preventDefault();
  if (button && "undo" in button.dataset) put(history.back(text.value));
  else press(button ? button.value : "apply");
});

form.addEventListener("keydown", (event) => {
  const isText = event.target.matches("input, textarea, select");
  if (isText || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  put(event.shiftKey ? history.forward(text.value) : history.back(text.value));
});

// A problem leads to its line in the text.
form.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  if (!link) return;
  event.preventDefault();
  const lines = text.value.split("\n");
  const before = lines.slice(0, link.dataset.line - 1).join("\n").length;
  text.focus();
  text.setSelectionRange(before + (before ? 1 : 0), before + 1 + (lines[link.dataset.line - 1] || "").length);
});

followPicture(form, {
  select: async (place, byKeyboard) => {
    await select(place);
    if (byKeyboard) document.getElementById("side-title").focus();
  },
  connect: (before, after) => press(`connect-steps:${before}:${after}`),
  remove: (place) => {
    form.elements.namedItem("selected").value = place;
    return press("remove");
  },
});
