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

// A photo of the card goes out as soon as it is taken, and small: a phone's own picture has ten megabytes.
(function () {
  var SIDE = 1600;
  var form = document.getElementById("photo-form");
  if (!form) return;
  var input = form.elements.photo;
  form.className = "by-itself"; // the style sheet hides what is not needed now
  input.addEventListener("change", function () {
    var file = input.files[0];
    if (!file) return;
    var send = function () {
      form.submit();
    };
    var picture = new Image();
    picture.onerror = send;
    picture.onload = function () {
      var scale = Math.min(1, SIDE / Math.max(picture.naturalWidth, picture.naturalHeight));
      var canvas = document.createElement("canvas");
      canvas.width = Math.round(picture.naturalWidth * scale);
      canvas.height = Math.round(picture.naturalHeight * scale);
      URL.revokeObjectURL(picture.src);
      try {
        canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(
          function (small) {
            try {
              var chosen = new DataTransfer();
              chosen.items.add(new File([small], "card.jpg", { type: "image/jpeg" }));
              input.files = chosen.files;
            } catch (error) {} // an older browser: as it was taken
            send();
          },
          "image/jpeg",
          0.85,
        );
      } catch (error) {
        send();
      }
    };
    picture.src = URL.createObjectURL(file);
  });
})();
