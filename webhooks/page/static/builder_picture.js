// The picture of the builder: choose steps by mouse and keyboard, connect them by dragging.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SVG = "http://www.w3.org/2000/svg";

function nodeAt(element) {
  return element?.closest?.("#builder-picture [data-place]") || null;
}

// The nearest step in a direction.
function beside(from, [dx, dy]) {
  let best = null;
  let least = Infinity;
  for (const each of document.querySelectorAll("#builder-picture [data-place]")) {
    const x = each.dataset.x - from.dataset.x;
    const y = each.dataset.y - from.dataset.y;
    const ahead = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (ahead > 0 && ahead + 2 * aside < least) {
      best = each;
      least = ahead + 2 * aside;
    }
  }
  return best;
}

export function followPicture(form, { select, connect, remove }) {
  let drag = null;

  function place(event) {
    const box = drag.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function end() {
    drag?.line.remove();
    drag = null;
  }

  form.addEventListener("click", (event) => {
    const node = nodeAt(event.target);
    const line = event.target.closest("#builder-picture .line");
    if (!node && !line) return;
    event.preventDefault();
    select(node ? node.dataset.place : line.dataset.after, event.detail === 0);
  });

  form.addEventListener("keydown", (event) => {
    const node = nodeAt(event.target);
    if (!node) {
      // Out of the fields, back to the step in the picture.
      if (event.key === "Escape" && event.target.closest("#builder-side")) {
        document.querySelector('#builder-picture [aria-current="true"]')?.focus();
      }
    } else if (event.key in ARROWS) {
      event.preventDefault();
      beside(node, ARROWS[event.key])?.focus();
    } else if (event.key === "Delete") {
      event.preventDefault();
      remove(node.dataset.place);
    }
  });

  form.addEventListener("pointerdown", (event) => {
    const port = event.target.closest("[data-port]");
    if (!port) return;
    event.preventDefault();
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("class", "line dragged");
    drag = { svg: port.ownerSVGElement, line, before: port.dataset.port };
    drag.start = place(event);
    drag.svg.append(line);
    form.setPointerCapture(event.pointerId);
  });

  form.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = place(event);
    drag.line.setAttribute("d", `M${drag.start[0]} ${drag.start[1]} L${x} ${y}`);
  });

  form.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const node = nodeAt(under) || under?.closest("g")?.querySelector("[data-place]");
    const before = drag.before;
    end();
    if (node && node.dataset.place !== before) connect(before, node.dataset.place);
  });

  form.addEventListener("pointercancel", end);
}
