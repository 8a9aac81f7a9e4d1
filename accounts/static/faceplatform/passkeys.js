// Passkeys: asks the browser for one, and sends the form with what it says. A form says what it needs by data-passkey:
// "create" and "get" with the options on the page, "sign-in" with options that are asked for first. Without this, or a browser
// that knows passkeys, these forms stay hidden.

const { PublicKeyCredential } = window;

async function optionsFor(form) {
  if (form.dataset.passkey !== "sign-in") return JSON.parse(document.getElementById("passkey-options").textContent);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(text("not-asked"));
  return (await answer.json()).request_options;
}

async function credentialFor(form) {
  const { publicKey } = await optionsFor(form);
  if (form.dataset.passkey !== "create") {
    return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
  }
  const alone = form.elements.passwordless.checked; // it then signs in without a name and a password
  publicKey.authenticatorSelection.residentKey = alone ? "required" : "discouraged";
  publicKey.authenticatorSelection.requireResidentKey = alone;
  if (alone) publicKey.authenticatorSelection.userVerification = "required";
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const told = form.querySelector("[role=alert][hidden], .wrong");
  told.hidden = true;
  try {
    form.elements.credential.value = JSON.stringify((await credentialFor(form)).toJSON());
    form.submit();
  } catch (error) {
    told.textContent = error.name === "NotAllowedError" ? text("not-confirmed") : error.message;
    told.hidden = false;
  }
}

if (PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", send);
  }
}
