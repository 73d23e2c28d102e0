// The page comes in the language the browser asks for; its reader may have chosen another, here or elsewhere, and
// screen readers and translators go by what the document says.
const html = document.documentElement;

// What Streamlit says in English only; what else it shows is in lumira.css, beside which the English would be read out.
const FRENCH = new Map(
  Object.entries({
    "Add row": "Ajouter une ligne",
    "App pages": "Pages",
    "Choose date": "Choisir une date",
    "Choose date range": "Choisir une période",
    Close: "Fermer",
    "Collapse sidebar": "Replier le menu",
    "Copy to clipboard": "Copier",
    Dark: "Sombre",
    day: "jour",
    "Download as CSV": "Télécharger en CSV",
    Empty: "vide",
    "Expand sidebar": "Déplier le menu",
    Fullscreen: "Plein écran",
    Help: "Aide",
    "Hide password": "Masquer le mot de passe",
    Light: "Clair",
    "Main menu": "Menu principal",
    month: "mois",
    "Navigate to home page": "Aller à l’accueil",
    "Next month": "Mois suivant",
    Open: "Ouvrir la liste",
    "Previous month": "Mois précédent",
    Print: "Imprimer",
    Search: "Chercher",
    "Show password": "Afficher le mot de passe",
    "Show/hide columns": "Afficher ou masquer des colonnes",
    Sidebar: "Menu",
    "Skip to main content": "Aller au contenu",
    System: "Système",
    "Vega visualization": "Graphique",
    year: "année",
  }),
);
const SAID = ["aria-label", "aria-valuetext", "title"];
const SHOWING = '[data-testid="stSkipToContent"], [data-testid^="stMainMenuItem-theme-"], [data-testid="stMainMenuItemLabel"]';
const SPEAKING = [...SAID.map((attribute) => `[${attribute}]`), SHOWING].join();
// Of each attribute and text, what it said before.
const english = new WeakMap();

// With the name of what it belongs to, where that follows: `Fullscreen: …`, `day, …`, `Help for …`; of the first and the
// last of several days, `… start date`.
function inFrench(label) {
  const words = label.replace(/ start date$/, " : début").replace(/ end date$/, " : fin");
  const [, what, link, rest] = words.match(/^(.+?)(?:(: |, | for )(.*))?$/s);
  const french = FRENCH.get(words) ?? FRENCH.get(what);
  if (!french) return words === label ? undefined : words;
  return rest ? `${french}${link === ", " ? link : " : "}${rest}` : french;
}

// Each place of an element where it says something: an attribute, or a text that it shows, of which an icon is one too.
// The nodes stay: they are Streamlit's.
function* said(element) {
  for (const attribute of SAID) yield element.getAttributeNode(attribute);
  if (!element.matches(SHOWING)) return;
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) yield texts.currentNode;
}

function speak(element) {
  for (const place of said(element)) {
    const words = place?.nodeValue;
    if (!words) continue;
    const others = html.lang === "fr" ? inFrench(words) : english.get(place);
    if (!others) continue;
    if (html.lang === "fr") english.set(place, words);
    else english.delete(place);
    place.nodeValue = others;
  }
}

// What Streamlit says of a server that is away means nothing to staff, and whether what they had asked for is done
// nobody knows. The nodes stay: they are Streamlit's.
const AWAY = {
  en: [
    "The desk does not answer",
    "It comes back by itself. What you had just asked for may be done: look before you ask for it again.",
  ],
  fr: [
    "Le bureau ne répond pas",
    "Il revient de lui-même. Ce que vous veniez de demander est peut-être fait : regardez avant de recommencer.",
  ],
};

function tellAway() {
  const title = document.querySelector('[role="dialog"] > h2');
  if (title?.textContent !== "Connection error") return;
  const told = document.createTreeWalker(title.parentElement.lastElementChild, NodeFilter.SHOW_TEXT).nextNode();
  if (!told) return;
  [title.firstChild.nodeValue, told.nodeValue] = AWAY[html.lang] ?? AWAY.en;
}

new MutationObserver((changes) => {
  tellAway();
  const chosen = document.querySelector(".lumira-mode")?.lang;
  const turns = chosen && html.lang !== chosen;
  if (turns) html.lang = chosen;
  if (html.lang !== "fr" && !turns) return;
  const changed = turns
    ? [document.body]
    : changes.flatMap(({ type, target, addedNodes }) => (type === "attributes" ? [target] : [...addedNodes]));
  for (const node of changed) {
    // Not what charts are drawn of: thousands of marks, of which none says a word.
    if (!(node instanceof HTMLElement)) continue;
    speak(node);
    for (const inner of node.querySelectorAll(SPEAKING)) speak(inner);
  }
}).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["lang", ...SAID] });
