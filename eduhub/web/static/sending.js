// Shows how far a file is that a form sends: a form with `data-sending`, whose words say what to do when the line breaks, has
// a <progress> and an <output>. The page that answers is shown in this one's place. Without this script a form is sent as ever.
(() => {
  "use strict";
  const show = (asked) => {
    history.replaceState(null, "", asked.responseURL);
    document.open();
    document.write(asked.responseText);
    document.close();
  };
  const send = (form) => {
    const bar = form.querySelector("progress"), said = form.querySelector("output"), button = form.querySelector("button");
    const asked = new XMLHttpRequest();
    const end = () => { removeEventListener("beforeunload", stay); button.disabled = false; bar.hidden = true; };
    const stay = (event) => event.preventDefault();
    asked.upload.onprogress = ({ loaded, total }) => {
      bar.hidden = false;
      bar.max = total;
      bar.value = loaded;
      said.textContent = `${Math.floor((100 * loaded) / total)} %`;
    };
    asked.onload = () => { end(); show(asked); };
    asked.onerror = () => { end(); said.textContent = form.dataset.sending; };
    asked.open("POST", form.action);
    asked.setRequestHeader("Accept", "text/html");
    asked.send(new FormData(form));
    button.disabled = true;
    addEventListener("beforeunload", stay);
  };
  for (const form of document.querySelectorAll("form[data-sending]")) {
    form.addEventListener("submit", (event) => {
      if (!form.querySelector("input[type=file]").files.length) return;
      event.preventDefault();
      send(form);
    });
  }
})();
