// A card's QR code opens /card#TOKEN. The token is in the fragment so that no server and no
// log ever sees it in an address; this puts it into the form and takes it out of the address.
(function () {
  var token = decodeURIComponent(location.hash.slice(1));
  var form = document.getElementById("card-form");
  if (!form || !/^[0-9A-Za-z -]{26,40}$/.test(token)) return;
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = token;
  form.submit();
})();
