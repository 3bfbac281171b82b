// A refresh changes only what is different, so that the keyboard's focus, a selection and an opened part stay.
// Streamlit's html element, and React below it, replace all of an element's content by setting its innerHTML.
(() => {
  const own = Object.getOwnPropertyDescriptor(Element.prototype, "innerHTML");

  function change(shown, made) {
    if (shown.nodeType !== Node.ELEMENT_NODE) {
      if (shown.nodeValue !== made.nodeValue) shown.nodeValue = made.nodeValue;
      return;
    }
    for (const { name } of [...shown.attributes])
      if (!made.hasAttribute(name) && name !== "open") shown.removeAttribute(name); // the reader opened it
    for (const { name, value } of made.attributes)
      if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    changeChildren(shown, made);
  }

  const kind = (node) => [node.nodeName, node.className, node.getAttribute?.("href")?.split("&at=")[0]].join();

  // Each wanted child takes the place of the next one of its kind; what stands between them is gone.
  function changeChildren(shown, made) {
    let there = shown.firstChild;
    for (const wanted of [...made.childNodes]) {
      let match = there;
      while (match && kind(match) !== kind(wanted)) match = match.nextSibling;
      if (!match) {
        shown.insertBefore(wanted, there);
        continue;
      }
      while (there !== match) there = removed(there);
      change(match, wanted);
      there = match.nextSibling;
    }
    while (there) there = removed(there);
  }

  function removed(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  function take(element) {
    Object.defineProperty(element, "innerHTML", {
      configurable: true,
      get() { return own.get.call(this); },
      set(html) {
        const made = document.createElement("template");
        made.innerHTML = html; // sanitised by Streamlit before it is set
        changeChildren(this, made.content);
      },
    });
  }

  new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes) {
        if (node.nodeType !== Node.ELEMENT_NODE) continue;
        if (node.matches(".stHtml")) take(node);
        else node.querySelectorAll(".stHtml").forEach(take);
      }
  }).observe(document, { childList: true, subtree: true });
})();
