// Browsers keep the page that was left and show it again on "back", without asking. On a shared phone somebody
// else may have signed in since: such a page stays dark until it has been fetched anew.
addEventListener("pagehide", function (event) {
  if (event.persisted) document.documentElement.style.visibility = "hidden";
});
addEventListener("pageshow", function (event) {
  if (event.persisted) location.reload();
});
