// Lets a lesson be drawn to another place. Where it was let go becomes the same form that the buttons send.
(() => {
  "use strict";
  const form = document.getElementById("order");
  for (const hint of document.querySelectorAll(".with-script")) hint.hidden = false;
  // After a press the same button is at hand again, or the row's other one where it is gone.
  const moved = location.hash && document.getElementById(location.hash.slice(1));
  const pressed = moved && [...moved.querySelectorAll("button")];
  const last = pressed && (pressed.find((one) => one.textContent === sessionStorage.getItem("eduhub.order")) || pressed[0]);
  // A browser that goes to the place behind the # takes the focus away until the page is there.
  if (last) addEventListener("load", () => last.focus());
  document.addEventListener("click", (event) => {
    if (event.target.name === "move") sessionStorage.setItem("eduhub.order", event.target.textContent);
  });
  let drawn = null, mark = null;
  const unmark = () => { if (mark) mark.classList.remove("before", "behind"); mark = null; };
  const place = (event) => {
    const list = event.target.closest("[data-unit]");
    if (!drawn || !list) return null;
    const row = event.target.closest("[data-lesson]");
    if (!row) return { list, row: list.lastElementChild, before: null };
    const box = row.getBoundingClientRect();
    const next = event.clientY < box.top + box.height / 2 ? row : row.nextElementSibling;
    return { list, row, before: next };
  };
  for (const row of document.querySelectorAll("[data-lesson]")) row.draggable = true;
  document.addEventListener("dragstart", (event) => {
    drawn = event.target.closest && event.target.closest("[data-lesson]");
    if (drawn) { event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", ""); }
  });
  document.addEventListener("dragover", (event) => {
    const to = place(event);
    unmark();
    if (!to) return;
    event.preventDefault();
    mark = to.row;
    mark.classList.add(to.before === to.row ? "before" : "behind");
  });
  document.addEventListener("dragend", () => { drawn = null; unmark(); });
  document.addEventListener("drop", (event) => {
    const to = place(event);
    if (!to) return;
    event.preventDefault();
    const before = to.before === drawn ? drawn.nextElementSibling : to.before;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "move";
    field.value = ["lesson", drawn.dataset.lesson, to.list.dataset.unit, before ? before.dataset.lesson : "-"].join(":");
    form.append(field);
    form.submit();
  });
})();
