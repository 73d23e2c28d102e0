// The page comes in the language the browser asks for; its reader may have chosen another, here or elsewhere, and
// screen readers and translators go by what the document says.
new MutationObserver(() => {
  const said = document.querySelector(".lumira-mode")?.lang;
  if (said && document.documentElement.lang !== said) document.documentElement.lang = said;
}).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["lang"] });
