// What is typed and not yet sent would be lost with its page: at a reload, where a session ends and its reader is led
// back after signing in, and where the page gives way to what failed. This tab keeps it until then; it is never in an
// address, and leaves with the tab.
// Which forms do so says dashboard/typed.py, for each reader by another name.
const FIELDS = '[class*="st-key-typed-"] :is([data-testid="stTextInputField"], [data-testid="stTextArea"] textarea)';
const STORED = "lumira-typed";
const atFirst = new Map();
// What stood in fields that have left the page since somebody last did something.
const gone = new Map();
const waiting = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
sessionStorage.removeItem(STORED);

function nameOf(field) {
  const form = field.closest('[class*="st-key-typed-"]').className.match(/st-key-typed-\S+/)[0];
  return `${form} ${field.ariaLabel}`;
}

function putBack(field, value) {
  // React hears of a value only through the element's own setter and an event.
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, value);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
}

new MutationObserver(() => {
  for (const field of document.querySelectorAll(FIELDS)) {
    if (atFirst.has(field)) continue;
    atFirst.set(field, field.value);
    if (nameOf(field) in waiting) looks ??= setInterval(look, 200);
  }
  for (const [field, value] of atFirst) {
    if (field.isConnected) continue;
    if (field.value !== value && field.matches(FIELDS)) gone.set(nameOf(field), field.value);
    atFirst.delete(field);
  }
  if (gone.size && document.querySelector(".st-key-try-again")) {
    Object.assign(waiting, Object.fromEntries(gone));
    gone.clear();
  }
}).observe(document.body, { childList: true, subtree: true });

// A page that is still being drawn may draw its fields once more, empty: until it rests, each is looked at again.
const RESTS = 2_000;
const since = new Map();
let looks;
function look() {
  let isAwaited = false;
  for (const field of atFirst.keys()) {
    const name = nameOf(field);
    if (!(name in waiting)) continue;
    if (field.value !== waiting[name]) {
      putBack(field, waiting[name]);
      since.set(name, Date.now());
    } else if (Date.now() - (since.get(name) ?? 0) > RESTS) {
      delete waiting[name];
      continue;
    }
    isAwaited = true;
  }
  // What is left waits for a field that is not on the page, such as one of a dialog, to be drawn.
  if (!isAwaited) looks = clearInterval(looks);
}
// Whoever types or clicks goes on from there: what they send is not put back once more.
function goesOn({ isTrusted, target }) {
  if (!isTrusted) return;
  gone.clear();
  for (const name of since.keys()) delete waiting[name];
  if (atFirst.has(target)) delete waiting[nameOf(target)];
}
for (const action of ["input", "click"]) addEventListener(action, goesOn);

let signsOut = false;
addEventListener("click", ({ target }) => (signsOut ||= target.closest('a[href="/sign-out"]') !== null));

addEventListener("pagehide", () => {
  if (signsOut) return;
  for (const [field, value] of atFirst) {
    if (!field.isConnected) continue;
    // A dialog begins with what is stored: of that, only what was changed was typed.
    if (field.closest('[role="dialog"]') ? field.value !== value : field.value) waiting[nameOf(field)] = field.value;
  }
  if (Object.keys(waiting).length) sessionStorage.setItem(STORED, JSON.stringify(waiting));
});
