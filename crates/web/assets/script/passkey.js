// Makes passkeys and signs in with them: what the browser's own WebAuthn needs of a page, and nothing more. Elements
// with `data-passkey` are hidden until this runs, and beside each stands what to do without it.
const decode = (text) => {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
};

const encode = (buffer) => {
  const plain = btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const value = await answer.json().catch(() => ({}));
  if (answer.ok) return value;
  const message = value.error?.message ?? `The server answered ${answer.status}`;
  throw Object.assign(new Error(message), { code: value.error?.code });
}

const ask = (options) => ({
  ...options,
  challenge: decode(options.challenge),
  ...(options.user && { user: { ...options.user, id: decode(options.user.id) } }),
  ...(options.excludeCredentials && {
    excludeCredentials: options.excludeCredentials.map((known) => ({ type: known.type, id: decode(known.id) })),
  }),
});

const told = ({ id, type, authenticatorAttachment }, response) => ({
  id,
  rawId: id,
  type,
  authenticatorAttachment,
  response,
  clientExtensionResults: {},
});

async function signIn({ dataset }) {
  const shown = await navigator.credentials.get({ publicKey: ask(await post("/signin/passkey/options", {})) });
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
  await post("/signin/passkey", told(shown, {
    clientDataJSON: encode(clientDataJSON),
    authenticatorData: encode(authenticatorData),
    signature: encode(signature),
    userHandle: userHandle && encode(userHandle),
  }));
  location.assign(dataset.return);
}

async function register(form) {
  const made = await navigator.credentials.create({ publicKey: ask(await post("/passkeys/options", {})) });
  const { clientDataJSON, attestationObject } = made.response;
  const answer = told(made, {
    clientDataJSON: encode(clientDataJSON),
    attestationObject: encode(attestationObject),
    transports: made.response.getTransports?.() ?? [],
  });
  await post("/passkeys", { name: form.elements.namedItem("name").value, answer });
  location.assign("/passkeys");
}

const words = {
  NotAllowedError: "Nothing was done: the request was declined, or took too long.",
  InvalidStateError: "This device has a passkey of yours already.",
  NotSupportedError: "This device cannot make a passkey that verifies who uses it.",
  SecurityError: "The browser does not use passkeys at this address.",
};

function offer(element, act) {
  const said = element.querySelector("[role=status]");
  element.addEventListener(element.tagName === "FORM" ? "submit" : "click", async (event) => {
    event.preventDefault();
    if (!event.target.closest("button") && event.type === "click") return;
    said.textContent = "";
    element.querySelector("button").disabled = true;
    try {
      await act(element);
    } catch (error) {
      const here = encodeURIComponent(location.pathname);
      if (error.code === "reauthentication_required") return location.assign(`/reauthenticate?return=${here}`);
      if (error.code === "unauthenticated") return location.assign(`/signin?return=${here}`);
      said.textContent = words[error.name] ?? error.message;
    }
    element.querySelector("button").disabled = false;
  });
  element.hidden = false;
}

if (window.PublicKeyCredential) {
  for (const element of document.querySelectorAll("[data-passkey]")) {
    offer(element, element.dataset.passkey === "register" ? register : signIn);
  }
}
