// SPDX-License-Identifier: Apache-2.0
// Over HTTPS or on the machine itself: registers the service worker, says when a page is only what was kept,
// and which answers are not yet sent. worker.js does the work.
(() => {
  "use strict";
  const { zone, kept } = document.body.dataset, box = document.getElementById("unsent");
  const words = JSON.parse(box.dataset.words);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const clock = (ms) => {
    const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    try { return new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: zone }).format(ms); } catch { return new Intl.DateTimeFormat("en-GB", parts).format(ms); }
  };
  const tell = (said) => navigator.serviceWorker.controller?.postMessage(said);

  if (kept) {
    document.getElementById("kept").hidden = false;
    const again = () => fetch("/worker.js", { method: "HEAD", cache: "no-store" }).then(() => location.reload(), () => 0);
    setInterval(again, 10000);
    addEventListener("online", again);
  }

  const show = (answers) => {
    box.replaceChildren(...answers.map(({ id, number, at, refused }) => {
      const line = document.createElement("p"), values = { n: number || "?", at: clock(at) };
      line.className = refused ? "trouble" : "note";
      line.textContent = refused ? `${fill(words.refused, values)} ${words[refused] || words.other}` : fill(words.waiting, values);
      if (refused) {
        const seen = document.createElement("button");
        seen.type = "button";
        seen.textContent = words.seen;
        seen.addEventListener("click", () => tell({ what: "seen", id }));
        line.append(" ", seen);
      }
      return line;
    }));
    box.hidden = !answers.length;
    const waiting = new Set(answers.filter((one) => !one.refused).map((one) => one.id));
    for (const held of document.querySelectorAll("form input[name=command]"))
      for (const button of held.form.querySelectorAll("button")) button.disabled = waiting.has(held.value);
  };

  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // plain HTTP: nothing is kept
  let held = Date.now();
  serviceWorker.addEventListener("message", (event) => event.data.answers && show(event.data.answers));
  if (!serviceWorker.controller)
    serviceWorker.addEventListener("controllerchange", () => tell({ what: "keep", path: location.pathname }), { once: true });
  serviceWorker.register("/worker.js").then(() => tell({ what: kept ? "queue" : "send" }), () => 0);
  addEventListener("online", () => tell({ what: "send" }));
  setInterval(() => box.hidden || tell({ what: "send" }), 30000);
  // What is seen live is younger than the page as it was loaded: it is kept anew when one looks away.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden || kept || Date.now() - held < 300000) return;
    held = Date.now();
    tell({ what: "keep", path: location.pathname });
  });
})();
