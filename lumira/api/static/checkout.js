// The customer's way through Stripe's Payment Element: https://docs.stripe.com/payments/accept-a-payment
(() => {
  "use strict";

  const form = document.getElementById("form");
  const pay = document.getElementById("pay");
  const message = document.getElementById("message");
  const label = pay.textContent;
  const { key, clientSecret, language, paying, noForm, problem } = form.dataset;
  delete form.dataset.clientSecret;

  function say(sentence) {
    document.getElementById("reason")?.remove();
    message.textContent = sentence;
    message.hidden = !sentence;
  }

  // The server asks Stripe how the payment stands, and shows it.
  const showState = () => location.replace(location.href);

  if (!window.Stripe) {
    document.getElementById("payment").hidden = true;
    say(noForm);
    return;
  }
  const stripe = Stripe(key, { locale: language });
  const elements = stripe.elements({
    clientSecret,
    locale: language,
    appearance: {
      theme: "night",
      variables: {
        colorPrimary: "#D4AF37", colorBackground: "#0F0B19", colorText: "#F3EBDD", colorDanger: "#F2708A",
        colorTextPlaceholder: "#9C92AB", borderRadius: "12px", fontSizeBase: "16px",
      },
    },
  });
  const element = elements.create("payment", { layout: "tabs" });
  element.on("ready", () => {
    document.getElementById("payment").removeAttribute("aria-busy");
    pay.disabled = false;
  });
  element.on("loaderror", () => say(noForm));
  document.getElementById("payment").replaceChildren();
  element.mount("#payment");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    pay.disabled = true;
    pay.textContent = paying;
    say("");
    const { error } = await stripe.confirmPayment({
      elements,
      confirmParams: { return_url: location.href },
      redirect: "if_required",
    });
    // Without an error it is paid or on its way; with this one it was paid, or cancelled, elsewhere.
    if (!error || error.code === "payment_intent_unexpected_state") return showState();
    // A refused 3-D Secure is an invalid_request_error at Stripe, and yet the customer's to know.
    const theirs = error.type === "card_error" || error.code === "payment_intent_authentication_failure";
    // What is missing or mistyped the element says itself, beside the field it is about.
    if (error.type !== "validation_error") say(theirs ? error.message : problem);
    pay.textContent = label;
    pay.disabled = false;
  });
})();
