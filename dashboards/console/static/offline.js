// SPDX-License-Identifier: Apache-2.0
// Over HTTPS or on the machine itself: registers the service worker, says when a page is only what was kept,
// and which answers are not yet sent. worker.js does the work.
(() => {
  "use strict";
  const { zone, kept, who: me } = document.body.dataset, box = document.getElementById("unsent");
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

  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  const left = new Set(); // answers of others that this page was told to leave alone
  const isMine = ({ who }) => who === undefined || who === me;
  const show = (all) => {
    const answers = all.filter((one) => isMine(one) || !left.has(one.id));
    box.replaceChildren(...answers.map((one) => {
      const { id, number, at, refused, who } = one, named = who && !who.includes(" ") ? who : words.nobody;
      const line = document.createElement("p"), values = { n: number || "?", at: clock(at), who: named };
      const gone = () => tell({ what: "seen", id });
      line.className = refused ? "trouble" : "note";
      if (!isMine(one)) {
        line.textContent = fill(words.theirs, values);
        line.append(" ", button(fill(words.keep, values), () => { left.add(id); show(all); }), " ", button(words.discard, gone));
      } else if (refused) {
        line.textContent = `${fill(words.refused, values)} ${words[refused] || words.other}`;
        line.append(" ", button(words.seen, gone));
      } else line.textContent = fill(words.waiting, values);
      return line;
    }));
    box.hidden = !answers.length;
    const waiting = new Set(answers.filter((one) => isMine(one) && !one.refused).map((one) => one.id));
    for (const held of document.querySelectorAll("form input[name=command]"))
      for (const button of held.form.querySelectorAll("button")) button.disabled = waiting.has(held.value);
  };

  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // plain HTTP: nothing is kept
  document.addEventListener("submit", ({ target }) => { // who gives it, for when it is sent later
    if (!target.elements.command || target.elements.given_by) return;
    const by = document.createElement("input");
    Object.assign(by, { type: "hidden", name: "given_by", value: me });
    target.append(by);
  }, true);
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
