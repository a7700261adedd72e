"""What a browser can say of a page whose words are long: two scripts for tests."""

SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
# Words and figures of Latin letters that a line ends in; what is longer than a line on a phone may be broken.
BROKEN = r"""() => {
  const broken = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (text.parentElement.closest('script, style, template, option, noscript, svg, .code')) continue;
    for (const word of text.data.matchAll(/[\p{Script=Latin}\d]+(?:[:.,][\d]+)*(?:\u00a0[A-Z]{2})?/gu)) {
      if (word[0].length > 14) continue;
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter(r => r.width > 0).map(r => Math.round(r.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
