// The Lumira sandbox's stand-in for Stripe.js: the part of its face that a checkout with the Payment Element uses.
// It talks only to the sandbox it was loaded from, takes only test cards, and says so in what it renders.
// https://docs.stripe.com/js
(() => {
  "use strict";

  const API = new URL(document.currentScript.src).origin;

  const TEXTS = {
    en: {
      mark: "Lumira sandbox: test cards only, nothing is charged",
      card: "Card", sepa: "SEPA Direct Debit",
      number: "Card number", expiry: "Expiration date", expiryHint: "MM / YY", cvc: "Security code", cvcHint: "CVC",
      iban: "IBAN", examples: "Test cards", close: "Close",
      incomplete_number: "Your card number is incomplete.", invalid_number: "Your card number is invalid.",
      incomplete_expiry: "Your card's expiration date is incomplete.", past_expiry: "Your card's expiration date is in the past.",
      incomplete_cvc: "Your card's security code is incomplete.", incomplete_iban: "Your IBAN is incomplete.",
      api_connection_error: "The sandbox can't be reached.", over: "This payment is already over.",
      ok: "succeeds", secure: "asks for 3-D Secure", declined: "is declined", funds: "has insufficient funds",
      dispute: "is disputed later", refund: "its refund fails later",
    },
    fr: {
      mark: "Stripe local\u00a0: cartes de test, aucun débit",
      card: "Carte", sepa: "Prélèvement SEPA",
      number: "Numéro de carte", expiry: "Date d’expiration", expiryHint: "MM / AA", cvc: "Code de sécurité", cvcHint: "CVC",
      iban: "IBAN", examples: "Cartes de test", close: "Fermer",
      incomplete_number: "Votre numéro de carte est incomplet.", invalid_number: "Votre numéro de carte n’est pas valide.",
      incomplete_expiry: "La date d’expiration de votre carte est incomplète.",
      past_expiry: "La date d’expiration de votre carte est passée.",
      incomplete_cvc: "Le code de sécurité de votre carte est incomplet.", incomplete_iban: "Votre IBAN est incomplet.",
      api_connection_error: "Le Stripe local est injoignable.", over: "Ce paiement est déjà terminé.",
      ok: "réussit", secure: "demande 3-D Secure", declined: "est refusée", funds: "fonds insuffisants",
      dispute: "est contestée ensuite", refund: "son remboursement échoue ensuite",
      // What the API says in English, by code.
      card_declined: "Votre carte a été refusée.", insufficient_funds: "Votre carte n’a pas les fonds suffisants.",
      expired_card: "Votre carte a expiré.", incorrect_cvc: "Le code de sécurité de votre carte est incorrect.",
      incorrect_number: "Votre numéro de carte est incorrect.", invalid_cvc: "Le code de sécurité n’est pas valide.",
      invalid_expiry_month: "Le mois d’expiration n’est pas valide.", invalid_expiry_year: "L’année d’expiration n’est pas valide.",
      processing_error: "Une erreur est survenue pendant le traitement de votre carte. Réessayez dans un instant.",
      test_mode_live_card: "Ceci n’est pas une carte de test\u00a0: le Stripe local n’accepte que celles de Stripe.",
      invalid_iban: "Cet IBAN n’est pas un IBAN de test.",
      payment_intent_authentication_failure:
        "Nous n’avons pas pu authentifier votre moyen de paiement. Choisissez-en un autre et réessayez.",
    },
  };

  const EXAMPLES = [
    ["4242424242424242", "ok"], ["4000000000003220", "secure"], ["4000000000000002", "declined"],
    ["4000000000009995", "funds"], ["4000000000000259", "dispute"], ["4000000000005126", "refund"],
  ];
  const BRANDS = [[/^4/, "Visa"], [/^(5[1-5]|2[2-7])/, "Mastercard"], [/^3[47]/, "Amex"], [/^6/, "Discover"], [/^35/, "JCB"]];

  const languageOf = (locale) => {
    const wanted = !locale || locale === "auto" ? navigator.language : locale;
    return wanted.toLowerCase().startsWith("fr") ? "fr" : "en";
  };

  // One request to the API, with the publishable key as Stripe.js sends it. Answers {body} or {error}, never throws.
  async function request(key, method, path, fields) {
    const form = new URLSearchParams({ key, ...fields });
    try {
      const answer = method === "GET"
        ? await fetch(`${API}${path}?${form}`)
        : await fetch(API + path, { method, body: form });
      const body = await answer.json();
      return answer.ok ? { body } : { error: body.error };
    } catch {
      return { error: { type: "api_connection_error", code: "api_connection_error", message: TEXTS.en.api_connection_error } };
    }
  }

  const intentOf = (clientSecret) => {
    const match = /^(pi_[A-Za-z0-9]+)_secret_/.exec(clientSecret || "");
    if (!match) throw new Error("Stripe sandbox: clientSecret must look like pi_…_secret_….");
    return match[1];
  };

  function translated(error, language) {
    const texts = TEXTS[language];
    const message = language === "en" ? null : texts[error.decline_code] || texts[error.code];
    return message ? { ...error, message } : error;
  }

  // Adopted style sheets and no style in the markup: a page's Content-Security-Policy needs no 'unsafe-inline' for them.
  function adopt(root, css) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  }

  const style = (v) => `
    :host { all: initial; display: block; }
    * { box-sizing: border-box; font-family: ${v.fontFamily}; }
    .form { color: ${v.colorText}; font-size: ${v.fontSizeBase}; line-height: 1.4; display: grid; gap: ${v.spacing}; }
    .mark { display: flex; gap: .6em; align-items: center; font-size: .8em; padding: .55em .8em; border-radius: ${v.borderRadius};
            color: ${v.colorMark}; border: 1px dashed currentColor; background: color-mix(in srgb, currentColor 9%, transparent); }
    .mark::before { content: "TEST"; font-weight: 700; font-size: .8em; letter-spacing: .08em; padding: .1em .5em; border-radius: 4px;
            color: ${v.colorMarkText}; background: ${v.colorMark}; }
    .tabs { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 8px; }
    .tab { padding: 12px; border: 1px solid ${v.colorBorder}; border-radius: ${v.borderRadius}; background: ${v.colorBackground};
           color: ${v.colorTextSecondary}; font-size: .9em; font-weight: 500; cursor: pointer; }
    .tab[aria-selected=true] { border-color: ${v.colorPrimary}; box-shadow: 0 0 0 1px ${v.colorPrimary}; color: ${v.colorText}; font-weight: 600; }
    .row { display: grid; grid-template-columns: 1fr 1fr; gap: ${v.spacing}; align-items: start; }
    label { display: grid; gap: 6px; font-size: .9em; color: ${v.colorTextSecondary}; }
    .field { position: relative; display: block; }
    input { width: 100%; padding: 13px 14px; font-size: 16px; border: 1px solid ${v.colorBorder}; border-radius: ${v.borderRadius};
            background: ${v.colorBackground}; color: ${v.colorText}; outline: none; transition: border-color .15s, box-shadow .15s; }
    input::placeholder { color: ${v.colorTextPlaceholder}; opacity: 1; }
    input:focus { border-color: ${v.colorPrimary}; box-shadow: 0 0 0 3px color-mix(in srgb, ${v.colorPrimary} 28%, transparent); }
    input[aria-invalid=true] { border-color: ${v.colorDanger}; color: ${v.colorDanger}; }
    .brand { position: absolute; right: 10px; top: 50%; transform: translateY(-50%); font-size: 11px; font-weight: 600; padding: 2px 7px;
             border-radius: 4px; border: 1px solid ${v.colorBorder}; background: ${v.colorBackground}; color: ${v.colorTextSecondary};
             pointer-events: none; }
    .brand:empty { display: none; }
    .error { color: ${v.colorDanger}; font-size: .9em; } .error:empty { display: none; }
    details { font-size: .85em; color: ${v.colorTextSecondary}; } summary { cursor: pointer; width: max-content; }
    ul { list-style: none; margin: 10px 0 0; padding: 0; display: grid; border: 1px solid ${v.colorBorder}; border-radius: ${v.borderRadius};
         overflow: hidden; }
    li + li { border-top: 1px solid ${v.colorBorder}; }
    li button { all: unset; box-sizing: border-box; width: 100%; padding: 9px 12px; cursor: pointer; display: flex; flex-wrap: wrap;
                gap: 2px 12px; justify-content: space-between; }
    li button:hover, li button:focus-visible { background: color-mix(in srgb, ${v.colorPrimary} 14%, transparent); color: ${v.colorText}; }
    .tab:focus-visible, summary:focus-visible { outline: 2px solid ${v.colorPrimary}; outline-offset: 2px; border-radius: 4px; }
    code { font-family: ui-monospace, SFMono-Regular, monospace; color: ${v.colorText}; }
    [hidden] { display: none !important; }`;

  const LIGHT = { colorBackground: "#ffffff", colorText: "#1a1f36", colorTextSecondary: "#4f566b", colorTextPlaceholder: "#6b7386",
    colorBorder: "#d5dbe1", colorDanger: "#c0123c", colorMark: "#7a5600", colorMarkText: "#ffffff" };
  const NIGHT = { colorBackground: "#1b1430", colorText: "#f4f1ff", colorTextSecondary: "#c9c2e0", colorTextPlaceholder: "#a79fc4",
    colorBorder: "#4b4266", colorDanger: "#ff8fa3", colorMark: "#f2c94c", colorMarkText: "#241a00" };

  // Stripe.js derives what was not given from what was: a dark background alone makes a dark element.
  function isDark(color) {
    const [, red, green, blue] = /^#(..)(..)(..)/.exec((color || "").replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3")) || [];
    return red !== undefined && 0.3 * parseInt(red, 16) + 0.59 * parseInt(green, 16) + 0.11 * parseInt(blue, 16) < 110;
  }

  function variablesOf({ theme, variables = {} } = {}) {
    const night = variables.colorBackground ? isDark(variables.colorBackground) : theme === "night";
    return {
      colorPrimary: "#635bff", borderRadius: "6px", fontFamily: "system-ui, sans-serif", fontSizeBase: "16px", spacing: "14px",
      ...(night ? NIGHT : LIGHT), ...variables,
      ...(variables.spacingUnit ? { spacing: `calc(${variables.spacingUnit} * 3)` } : {}),
    };
  }

  const digits = (text) => text.replace(/\D/g, "");

  function passesLuhn(number) {
    let sum = 0;
    [...number].reverse().forEach((digit, place) => {
      const value = Number(digit) * (place % 2 ? 2 : 1);
      sum += value > 9 ? value - 9 : value;
    });
    return sum % 10 === 0;
  }

  // The form of the Payment Element, in a shadow root so that the page's styles and it don't meet.
  class PaymentElement {
    constructor(elements) {
      this.elements = elements;
      this.handlers = {};
      this.kind = "card";
      this.texts = TEXTS[elements.language];
    }

    on(event, handler) { (this.handlers[event] ||= []).push(handler); return this; }
    once(event, handler) { return this.on(event, handler); }
    off(event) { delete this.handlers[event]; return this; }
    emit(event, detail = {}) { (this.handlers[event] || []).forEach((handler) => handler({ elementType: "payment", ...detail })); }
    update() {}
    focus() { this.root?.querySelector("input:not([hidden])")?.focus(); }
    blur() { this.root?.activeElement?.blur(); }
    clear() { this.root?.querySelectorAll("input").forEach((input) => { input.value = ""; }); }
    collapse() {}
    unmount() { this.host?.remove(); this.host = this.root = null; }
    destroy() { this.unmount(); }

    mount(target) {
      const place = typeof target === "string" ? document.querySelector(target) : target;
      if (!place) throw new Error(`Stripe sandbox: no element matches ${target}.`);
      this.unmount();
      this.host = document.createElement("div");
      this.host.className = "StripeElement";
      place.replaceChildren(this.host);
      this.root = this.host.attachShadow({ mode: "open" });
      this.render();
      this.offerMethods();
      return this;
    }

    render() {
      const { texts } = this;
      adopt(this.root, style(variablesOf(this.elements.appearance)));
      this.root.innerHTML = `
        <div class="form">
          <div class="mark" role="note">${texts.mark}</div>
          <div class="tabs" role="tablist" hidden>
            <button type="button" class="tab" role="tab" data-kind="card" aria-selected="true">${texts.card}</button>
            <button type="button" class="tab" role="tab" data-kind="sepa_debit" aria-selected="false">${texts.sepa}</button>
          </div>
          <div class="form" data-form="card">
            <label>${texts.number}<span class="field"><input name="number" inputmode="numeric" autocomplete="cc-number"
              placeholder="1234 1234 1234 1234" maxlength="23"><span class="brand"></span></span></label>
            <div class="row">
              <label>${texts.expiry}<input name="expiry" inputmode="numeric" autocomplete="cc-exp" placeholder="${texts.expiryHint}" maxlength="7"></label>
              <label>${texts.cvc}<input name="cvc" inputmode="numeric" autocomplete="cc-csc" placeholder="${texts.cvcHint}" maxlength="4"></label>
            </div>
            <details><summary>${texts.examples}</summary><ul>${EXAMPLES.map(([number, what]) =>
              `<li><button type="button" data-fill="${number}"><code>${number.replace(/(.{4})(?=.)/g, "$1 ")}</code> ${texts[what]}</button></li>`).join("")}</ul></details>
          </div>
          <div class="form" data-form="sepa_debit" hidden>
            <label>${texts.iban}<input name="iban" autocomplete="off" placeholder="FR14 2004 1010 0505 0001 3M02 606"></label>
          </div>
          <div class="error" role="alert"></div>
        </div>`;
      this.root.addEventListener("input", (event) => this.typed(event.target));
      this.root.addEventListener("click", (event) => this.clicked(event.target.closest("[data-kind], [data-fill]")));
      this.root.addEventListener("focusin", () => this.emit("focus"));
      this.root.addEventListener("focusout", () => this.emit("blur"));
    }

    // SEPA is offered when the PaymentIntent takes it.
    async offerMethods() {
      const { body, error } = await this.elements.retrieve();
      if (!this.root) return;
      const over = !error && ["succeeded", "canceled"].includes(body.status);
      if (error || over) {
        const problem = error || { type: "invalid_request_error", code: "payment_intent_unexpected_state", message: this.texts.over };
        this.emit("loaderror", { error: problem });
        this.show(translated(problem, this.elements.language).message);
        return;
      }
      this.root.querySelector(".tabs").hidden = !body.payment_method_types.includes("sepa_debit");
      this.emit("ready");
    }

    input(name) { return this.root.querySelector(`input[name=${name}]`); }

    // Beside the field it is about, as Stripe.js shows it, or below them all.
    show(message, input) {
      const error = this.root.querySelector(".error");
      (input ? input.closest("label") : this.root.querySelector(".form")).append(error);
      error.textContent = message || "";
    }

    typed(input) {
      if (input.name === "number") {
        const number = digits(input.value).slice(0, 19);
        input.value = number.replace(/(.{4})(?=.)/g, "$1 ");
        this.root.querySelector(".brand").textContent = (BRANDS.find(([form]) => form.test(number)) || [0, ""])[1];
      } else if (input.name === "expiry") {
        let typed = digits(input.value).slice(0, 4);
        if (typed.length === 1 && Number(typed) > 1) typed = `0${typed}`;
        input.value = typed.length > 2 ? `${typed.slice(0, 2)} / ${typed.slice(2)}` : typed;
      } else if (input.name === "cvc") {
        input.value = digits(input.value);
      }
      input.removeAttribute("aria-invalid");
      this.show("");
      this.emit("change", { complete: !this.problem(), empty: !input.value, value: { type: this.kind } });
    }

    clicked(button) {
      if (!button) return;
      if (button.dataset.fill) {
        const year = String(new Date().getFullYear() + 2).slice(2);
        [["number", button.dataset.fill], ["expiry", `12${year}`], ["cvc", "123"]].forEach(([name, value]) => {
          this.input(name).value = value;
          this.typed(this.input(name));
        });
        return;
      }
      this.kind = button.dataset.kind;
      this.root.querySelectorAll("[data-form]").forEach((form) => { form.hidden = form.dataset.form !== this.kind; });
      this.root.querySelectorAll("[data-kind]").forEach((tab) => tab.setAttribute("aria-selected", tab === button));
      this.show("");
    }

    // What is wrong with what was typed: [input, code] or null.
    problem() {
      if (this.kind === "sepa_debit") return this.input("iban").value.replace(/\s/g, "").length < 15 ? ["iban", "incomplete_iban"] : null;
      const number = digits(this.input("number").value);
      const expiry = digits(this.input("expiry").value);
      if (number.length < 14) return ["number", "incomplete_number"];
      if (!passesLuhn(number)) return ["number", "invalid_number"];
      if (expiry.length < 4 || Number(expiry.slice(0, 2)) < 1 || Number(expiry.slice(0, 2)) > 12) return ["expiry", "incomplete_expiry"];
      const now = new Date();
      if (Number(`20${expiry.slice(2)}${expiry.slice(0, 2)}`) < now.getFullYear() * 100 + now.getMonth() + 1) return ["expiry", "past_expiry"];
      if (this.input("cvc").value.length < 3) return ["cvc", "incomplete_cvc"];
      return null;
    }

    // The validation error that Stripe.js answers, shown beside the field, or null.
    validate() {
      const problem = this.problem();
      if (!problem) return null;
      const [name, code] = problem;
      this.input(name).setAttribute("aria-invalid", "true");
      this.input(name).focus();
      this.show(this.texts[code], this.input(name));
      return { type: "validation_error", code, message: this.texts[code] };
    }

    fields(billing = {}) {
      const fields = { "payment_method_data[type]": this.kind };
      for (const name of ["name", "email", "phone"]) if (billing[name]) fields[`payment_method_data[billing_details][${name}]`] = billing[name];
      if (this.kind === "sepa_debit") return { ...fields, "payment_method_data[sepa_debit][iban]": this.input("iban").value };
      const expiry = digits(this.input("expiry").value);
      return {
        ...fields,
        "payment_method_data[card][number]": digits(this.input("number").value),
        "payment_method_data[card][exp_month]": expiry.slice(0, 2),
        "payment_method_data[card][exp_year]": `20${expiry.slice(2)}`,
        "payment_method_data[card][cvc]": this.input("cvc").value,
      };
    }
  }

  class Elements {
    constructor(key, { clientSecret, appearance, locale } = {}) {
      Object.assign(this, { key, clientSecret, appearance, language: languageOf(locale), created: {} });
      intentOf(clientSecret);
    }

    create(type) {
      if (type !== "payment") throw new Error(`Stripe sandbox: only the "payment" element exists here, not "${type}".`);
      return (this.created[type] = new PaymentElement(this));
    }
    getElement(type) { return this.created[type] || null; }
    update({ appearance, locale } = {}) {
      if (appearance) this.appearance = appearance;
      if (locale) this.language = languageOf(locale);
      const element = this.created.payment;
      if (element?.root) { element.texts = TEXTS[this.language]; element.render(); element.offerMethods(); }
    }
    async fetchUpdates() { return {}; }
    async submit() {
      const error = this.created.payment?.validate();
      return error ? { error } : { selectedPaymentMethod: this.created.payment?.kind };
    }
    retrieve() { return request(this.key, "GET", `/v1/payment_intents/${intentOf(this.clientSecret)}`, { client_secret: this.clientSecret }); }
  }

  const CHALLENGE = `
    dialog { border: 0; border-radius: 12px; padding: 0; width: min(440px, 94vw); height: min(390px, 92vh); overflow: hidden; background: #f6f8fa;
             box-shadow: 0 24px 60px rgb(0 0 0 / .45); }
    dialog::backdrop { background: rgb(10 7 18 / .6); }
    button { position: absolute; right: 10px; top: 8px; width: 32px; height: 32px; border: 0; border-radius: 50%; background: none; color: #4f566b;
             font-size: 22px; line-height: 1; cursor: pointer; }
    button:hover, button:focus-visible { background: #e3e8ee; outline: none; }
    iframe { border: 0; width: 100%; height: 100%; display: block; }`;

  // The bank's page in a frame over the page; resolves when the payer has answered, or closed it.
  function challenge(url, language) {
    return new Promise((resolve) => {
      const host = document.createElement("div");
      const root = host.attachShadow({ mode: "open" });
      adopt(root, CHALLENGE);
      root.innerHTML = `<dialog aria-label="3-D Secure"><button type="button" aria-label="${TEXTS[language].close}">×</button>
        <iframe name="lumira-sandbox-3ds" title="3-D Secure"></iframe></dialog>`;
      const dialog = root.querySelector("dialog");
      const done = () => { window.removeEventListener("message", heard); host.remove(); resolve(); };
      const heard = (event) => {
        if (event.origin === API && event.data?.lumiraSandbox === "authenticated") done();
      };
      window.addEventListener("message", heard);
      // Closing the page refuses.
      const refuse = async () => {
        await fetch(url, { method: "POST", mode: "no-cors", body: new URLSearchParams({ accepted: "no" }) }).catch(() => {});
        done();
      };
      dialog.querySelector("button").addEventListener("click", refuse);
      dialog.addEventListener("cancel", (event) => { event.preventDefault(); refuse(); });
      dialog.querySelector("iframe").src = `${url}&locale=${language}`;
      document.body.append(host);
      dialog.showModal();
    });
  }

  function leave(returnUrl, intent) {
    const url = new URL(returnUrl, location.href);
    url.searchParams.set("payment_intent", intent.id);
    url.searchParams.set("payment_intent_client_secret", intent.client_secret);
    url.searchParams.set("redirect_status", intent.last_payment_error ? "failed" : "succeeded");
    return away(url);
  }

  // As in Stripe.js: the page is left, the promise never settles.
  function away(url) {
    location.assign(url);
    return new Promise(() => {});
  }

  window.Stripe = function Stripe(key, options = {}) {
    if (typeof key !== "string" || !key.startsWith("pk_")) throw new Error("Stripe sandbox: give Stripe() a publishable key (pk_test_…).");
    const fallback = languageOf(options.locale);

    async function retrievePaymentIntent(clientSecret) {
      const { body, error } = await request(key, "GET", `/v1/payment_intents/${intentOf(clientSecret)}`, { client_secret: clientSecret });
      return error ? { error: translated(error, fallback) } : { paymentIntent: body };
    }

    // requires_action → the bank's page → the PaymentIntent as it is then, or the reason it failed.
    async function handled(intent, language) {
      const action = intent.next_action;
      if (intent.status === "requires_action" && action) {
        if (action.type === "redirect_to_url") return away(action.redirect_to_url.url);
        await challenge(action.use_stripe_sdk.stripe_js, language);
        const { body, error } = await request(key, "GET", `/v1/payment_intents/${intent.id}`, { client_secret: intent.client_secret });
        if (error) return { error: translated(error, language) };
        if (body.status === "requires_payment_method" && body.last_payment_error) {
          return { error: translated({ ...body.last_payment_error, payment_intent: body }, language) };
        }
        return { paymentIntent: body };
      }
      return { paymentIntent: intent };
    }

    async function confirmPayment({ elements, clientSecret, confirmParams = {}, redirect = "always" }) {
      const secret = clientSecret || elements?.clientSecret;
      const language = elements?.language || fallback;
      const element = elements?.getElement("payment");
      const invalid = element?.validate();
      if (invalid) return { error: invalid };
      if (redirect === "always" && !confirmParams.return_url) throw new Error("confirmPayment needs confirmParams.return_url, or redirect: 'if_required'.");
      const billing = confirmParams.payment_method_data?.billing_details;
      const fields = {
        client_secret: secret,
        use_stripe_sdk: "true",
        ...(confirmParams.return_url ? { return_url: new URL(confirmParams.return_url, location.href).href } : {}),
        ...(confirmParams.receipt_email ? { receipt_email: confirmParams.receipt_email } : {}),
        ...(confirmParams.payment_method ? { payment_method: confirmParams.payment_method } : element ? element.fields(billing) : {}),
      };
      const { body, error } = await request(key, "POST", `/v1/payment_intents/${intentOf(secret)}/confirm`, fields);
      if (error) return { error: translated(error, language) };
      const result = await handled(body, language);
      if (result.error || redirect === "if_required") return result;
      return leave(confirmParams.return_url, result.paymentIntent);
    }

    async function handleNextAction({ clientSecret }) {
      const { paymentIntent, error } = await retrievePaymentIntent(clientSecret);
      if (error) return { error };
      if (paymentIntent.status !== "requires_action") throw new Error("handleNextAction: the PaymentIntent is not in the requires_action state.");
      return handled(paymentIntent, fallback);
    }

    return {
      elements: (given) => new Elements(key, { locale: options.locale, ...given }),
      confirmPayment, retrievePaymentIntent, handleNextAction,
    };
  };
  window.Stripe.version = "lumira-sandbox";
})();
