// Keeps the parts of a page that change by themselves fresh: an element with `data-fresh` names the address of its newest
// self, which may come without `data-fresh` when nothing changes any more. What is being typed or pressed is left alone.
(() => {
  "use strict";
  const PAUSE_MS = 2500, LONGEST_PAUSE_MS = 30000;
  const look = async (id, pause) => {
    const shown = document.getElementById(id);
    const address = shown && shown.dataset.fresh;
    if (!address) return;
    let next = PAUSE_MS;
    if (!document.hidden && !shown.contains(document.activeElement)) {
      try {
        const answer = await fetch(address, { credentials: "same-origin", headers: { Accept: "text/html" } });
        if (answer.ok) {
          const box = document.createElement("template");
          box.innerHTML = await answer.text();
          const newest = box.content.getElementById(id);
          if (newest && !shown.contains(document.activeElement)) shown.replaceWith(newest);
        } else next = Math.min(2 * pause, LONGEST_PAUSE_MS);
      } catch { next = Math.min(2 * pause, LONGEST_PAUSE_MS); } // the link is down; it goes on when it is back
    }
    setTimeout(look, next, id, next);
  };
  for (const found of document.querySelectorAll("[data-fresh][id]")) setTimeout(look, PAUSE_MS, found.id, PAUSE_MS);
})();
