// What is typed into a field is taken once the focus goes elsewhere. But Streamlit takes a popover away at Escape
// before that, and with it what was typed; and the field of a date takes no notice of Enter.
addEventListener(
  "keydown",
  ({ key }) => {
    const field = document.activeElement;
    const popover = field.closest('[data-testid="stPopoverBody"]');
    // A list that is open takes Escape for itself.
    const closes = key === "Escape" && field.ariaExpanded !== "true";
    const enters = key === "Enter" && field.matches('[data-testid="stDateInputField"] [role="spinbutton"]');
    if (!popover || !(closes || enters)) return;
    popover.tabIndex = -1;
    popover.focus({ preventScroll: true });
  },
  true,
);

// On a phone the menu lies over the page. Streamlit takes it away after a link, but not after a search, nor after the
// button of a new payment; and one that was left open lies over every page that is loaded from then on.
const isNarrow = matchMedia("(max-width: 768px)");
if (isNarrow.matches) {
  for (const name of Object.keys(localStorage)) {
    if (name.startsWith("stSidebarCollapsed-")) localStorage.removeItem(name);
  }
}
function leaveMenu() {
  const close = document.querySelector('[data-testid="stSidebarCollapseButton"] button');
  if (close && isNarrow.matches) setTimeout(() => close.click());
}
addEventListener("keydown", ({ key, target }) => {
  if (key === "Enter" && target.matches('[data-testid="stSidebar"] [data-testid="stTextInputField"]')) leaveMenu();
});
addEventListener("click", ({ target }) => {
  if (target.closest('[data-testid="stSidebar"] .st-key-begin-payment button')) leaveMenu();
});

// Streamlit draws the menu after the page, seconds after it on a slow machine. Until then nothing hears the key of the
// new payment that stands on its button: it is kept for a while.
const BEGIN_PAYMENT = '[data-testid="stSidebar"] .st-key-begin-payment button';
addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey, target }) => {
  if (key.toLowerCase() !== "n" || ctrlKey || metaKey || altKey) return;
  if (target.matches("input, textarea, [contenteditable]") || document.querySelector(BEGIN_PAYMENT)) return;
  const waits = new MutationObserver(() => {
    const button = document.querySelector(BEGIN_PAYMENT);
    if (!button) return;
    waits.disconnect();
    setTimeout(() => button.click());
  });
  waits.observe(document.body, { childList: true, subtree: true });
  for (const other of ["keydown", "pointerdown"]) addEventListener(other, () => waits.disconnect(), { once: true });
  setTimeout(() => waits.disconnect(), 10_000);
});

// Where Markdown would make a link of an address, a character that nobody sees parts it (problems.plain). With that in
// it an address that was copied would reach nobody.
addEventListener("copy", (event) => {
  const copied = String(getSelection());
  if (!copied.includes("\u2060")) return;
  event.clipboardData.setData("text/plain", copied.replaceAll("\u2060", ""));
  event.preventDefault();
});
