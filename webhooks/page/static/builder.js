// The builder without loading the page again. Each action sends the form, as its buttons do.
import { followPicture } from "./builder_picture.js";
import { History } from "./builder_history.js";

const TYPING_MS = 400;
const PARTS = ["builder-picture", "builder-side", "builder-problems", "builder-list"];
// What an edit before may have changed, when the turn of an action comes.
const OF_THE_TEXT = ["text", "base", "commit", "previous"];
const FROM_THE_ANSWER = ["base", "commit", "selected", "previous", "drawn"];
const form = document.getElementById("builder");
const text = form.elements.namedItem("text");
const history = new History(text.value);
let queue = Promise.resolve(true);
let waiting = null;
let inTurn = 0;

function status(words, isBad) {
  const line = document.getElementById("builder-status");
  line.textContent = words;
  line.classList.toggle("bad", isBad);
}

// What has the focus, so that it is found again in the new part.
function focused() {
  const at = document.activeElement;
  if (!at || !at.closest(PARTS.map((each) => `#${each}`).join())) return null;
  if (at.dataset.place) return { selector: `[data-place="${CSS.escape(at.dataset.place)}"]` };
  const value = at.tagName === "BUTTON" ? `[value="${CSS.escape(at.value)}"]` : "";
  if (!at.name) return null;
  return { selector: `[name="${CSS.escape(at.name)}"]${value}`, caret: at.selectionStart ?? null };
}

function focus(found) {
  const at = found && form.querySelector(found.selector);
  at?.focus({ preventScroll: true });
  if (at && Number.isInteger(found.caret)) at.setSelectionRange(found.caret, found.caret);
}

// Fields that somebody wrote into after the form was sent.
function unsent(body) {
  const fields = form.querySelectorAll("#builder-side input[name], #builder-side textarea[name]");
  return [...fields].filter(
    (each) => each.value !== each.defaultValue && each.value !== body.get(each.name),
  );
}

function keep(fields) {
  for (const { name, value } of fields) {
    const field = form.querySelector(`#builder-side [name="${CSS.escape(name)}"]`);
    if (!field) continue;
    field.value = value;
    // The browser sees no change in a field that a script filled.
    if ("apply" in field.dataset) field.addEventListener("blur", () => press("apply"), { once: true });
  }
}

function show(found, body, isTyping) {
  const at = focused();
  const selected = form.elements.namedItem("selected").value;
  const written = unsent(body);
  const scrolled = document.querySelector("#builder-picture .scroll");
  const place = scrolled && [scrolled.scrollLeft, scrolled.scrollTop];
  for (const id of PARTS) {
    document.getElementById(id).replaceWith(document.adoptNode(found.getElementById(id)));
  }
  const sent = found.getElementById("builder").elements;
  for (const name of FROM_THE_ANSWER) form.elements.namedItem(name).value = sent.namedItem(name).value;
  const line = found.getElementById("builder-status");
  status(line.textContent, line.classList.contains("bad"));
  const picture = document.querySelector("#builder-picture .scroll");
  if (place && picture) picture.scrollTo(place[0], place[1]);
  const now = sent.namedItem("text").value;
  history.note(now);
  if (!isTyping && text.value !== now) text.value = now;
  if (form.elements.namedItem("selected").value === selected) keep(written);
  focus(at);
  return !("refused" in line.dataset);
}

// Whether it was done. The text that was typed while the answer was on its way is never replaced.
async function send(body, isTyping) {
  for (const name of OF_THE_TEXT) body.set(name, form.elements.namedItem(name).value);
  const sent = text.value;
  try {
    const answer = await fetch(`${form.getAttribute("action")}?fragment=builder`, { method: "POST", body });
    if (answer.status === 401) {
      location.reload();
      return false;
    }
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!found.getElementById("builder")) {
      status(found.querySelector("main")?.textContent.trim() || "The server did not answer.", true);
      return false;
    }
    if (text.value === sent) return show(found, body, isTyping);
  } catch {
    status("Not connected: nothing was changed. Try again.", true);
    return false;
  }
  // A check of the newer text is on its way; an edit is made again, in the newer text.
  return isTyping || send(body, false);
}

// One after the other, because each edits the text that the one before left.
function inOrder(action) {
  inTurn += 1;
  queue = queue.then(action).finally(() => {
    inTurn -= 1;
  });
  return queue;
}

// The fields are those of this moment, and belong to the step that is shown now.
function fields(button) {
  const body = new URLSearchParams(new FormData(form));
  body.set("do", button);
  return body;
}

function press(button, selected = null) {
  if (button === "check") return check(false);
  const body = fields(button);
  if (selected !== null) body.set("selected", selected);
  return inOrder(() => send(body, false));
}

function check(isTyping) {
  return inOrder(() => send(fields("check"), isTyping));
}

function goTo(find) {
  inOrder(() => {
    const changed = find(text.value);
    if (changed === null) return true;
    text.value = changed;
    return send(fields("check"), false);
  });
}

const undo = () => goTo((now) => history.back(now));
const redo = () => goTo((now) => history.forward(now));

text.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => check(true), TYPING_MS);
});

form.addEventListener("change", (event) => {
  if ("apply" in event.target.dataset) press("apply");
});

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  const isSave = button?.value === "save";
  if (isSave && inTurn === 0) return;
  event.preventDefault();
  // What is saved has the edits that are on their way.
  if (isSave) queue.then((isDone) => isDone && form.requestSubmit(button));
  else if (button && "undo" in button.dataset) undo();
  else press(button ? button.value : "apply");
});

form.addEventListener("keydown", (event) => {
  const isText = event.target.matches("input, textarea, select");
  if (isText || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  event.preventDefault();
  if (event.shiftKey) redo();
  else undo();
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
    await press(`select:${place}`);
    if (byKeyboard) document.getElementById("side-title").focus();
  },
  connect: (before, after) => press(`connect-steps:${before}:${after}`),
  remove: (place) => press("remove", place),
});
