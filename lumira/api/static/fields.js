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
