// Recomputes an inclusion proof in the browser with WebCrypto, from the bytes that are on the page (RFC 6962, 2.1.1):
// the leaf is SHA-256(00 || entry), a node is SHA-256(01 || left || right).
const proof = document.querySelector("[data-proof]");

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer()));

async function recompute() {
  const entry = Uint8Array.from(atob(proof.dataset.entry), (char) => char.charCodeAt(0));
  let hash = await sha256(Uint8Array.of(0), entry);
  let agreed = true;
  for (const step of proof.children) {
    if (step.dataset.sibling) {
      const sibling = bytes(step.dataset.sibling);
      const pair = step.dataset.side === "left" ? [sibling, hash] : [hash, sibling];
      hash = await sha256(Uint8Array.of(1), ...pair);
    }
    const same = hex(hash) === step.dataset.hash;
    step.classList.toggle("agrees", same);
    step.classList.toggle("differs", !same);
    agreed &&= same;
  }
  return agreed && hex(hash) === proof.dataset.root;
}

if (proof && crypto.subtle) {
  const button = document.createElement("button");
  const verdict = document.createElement("p");
  button.type = "button";
  button.className = "button";
  button.textContent = "Recompute in this browser";
  verdict.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    const agreed = await recompute();
    verdict.className = agreed ? "mark mark-good" : "mark mark-bad";
    verdict.textContent = agreed
      ? "Every hash recomputed here, and the last is the checkpoint's root"
      : "A hash recomputed here differs from what the server showed";
  });
  proof.after(button, verdict);
}
