// Chinese names and titles by pinyin, which the server does not know. Tibetan ones come from it as a dictionary has them
// (eduhub/web/order.py): few browsers have that order, and one that has none would spoil it.
(function () {
  var language = document.documentElement.lang;
  var wanted = language === "zh" ? "zh-u-co-pinyin" : language;
  if (!Intl.Collator.supportedLocalesOf(wanted).length) return;
  var order = new Intl.Collator(wanted, { numeric: true });
  function key(element) {
    return (element.querySelector(".what") || element).textContent.trim();
  }
  function isNobody(element) { return element.value === ""; } // "(none)" stays the first choice
  document.querySelectorAll("[data-sorted]").forEach(function (list) {
    var chosen = list.value;
    var found = Array.prototype.slice.call(list.children).sort(function (one, other) {
      return isNobody(other) - isNobody(one) || order.compare(key(one), key(other));
    });
    found.forEach(function (element) { list.appendChild(element); });
    if (chosen) list.value = chosen;
  });
})();
