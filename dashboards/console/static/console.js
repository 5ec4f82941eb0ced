// SPDX-License-Identifier: Apache-2.0
// Live changes of the fleet page by server-sent events; polling by htmx where they do not come through; ages; search.
(() => {
  "use strict";
  const words = JSON.parse(document.body.dataset.words);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const byId = (id) => document.getElementById(id);
  const kept = Number(document.body.dataset.kept || 0); // the page is an old one, kept at that instant of our clock
  let skew = Number(document.body.dataset.now) - (kept || Date.now()); // the server's clock less ours
  const now = () => Date.now() + skew;

  const zoned = (parts) => {
    const all = { ...parts, hourCycle: "h23" };
    try { return new Intl.DateTimeFormat("en-GB", { ...all, timeZone: document.body.dataset.zone }); } catch { return new Intl.DateTimeFormat("en-GB", { ...all, timeZone: "UTC" }); }
  };

  // --- ages grow between two events
  const span = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000)), min = Math.floor(s / 60), h = Math.floor(min / 60);
    if (s < 60) return fill(words.s, { n: s });
    if (min < 60) return fill(words.min, { n: min });
    if (h < 24) return fill(words.h, { h, min: min % 60 });
    return fill(words.d, { d: Math.floor(h / 24), h: h % 24 });
  };
  const tick = (root) => {
    const at = now();
    for (const time of root.querySelectorAll("time[data-at]")) {
      if (at - time.dataset.at < -120000) continue;
      const old = at - time.dataset.at, text = old < 5000 ? words.now : fill(words.ago, { age: span(old) });
      if (time.textContent !== text) time.textContent = text;
    }
    for (const time of root.querySelectorAll("time[data-left]")) {
      const min = Math.floor((time.dataset.left - at) / 60000), text = min > 0 ? fill(words.left, { span: span(min * 60000) }) : words.left_now;
      if (time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(() => document.hidden || tick(document), 5000);

  // --- the wall: a clock of the server's zone, and no doubt whether what hangs there is now
  const wallClock = byId("clock"), wallOff = byId("wall-off");
  if (wallClock) {
    const format = zoned({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    let minute = 0;
    setInterval(() => {
      wallClock.textContent = format.format(now());
      const at = Math.floor(now() / 60000);
      if (at === minute || innerWidth < 640) return;
      minute = at; // no picture burns in: the page wanders by a few pixels
      document.body.style.translate = `${(at % 5) - 2}px ${(Math.floor(at / 5) % 5) - 2}px`;
    }, 1000);
    const full = byId("full");
    full.hidden = !document.documentElement.requestFullscreen;
    full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
    navigator.wakeLock?.request("screen").catch(() => 0);
  }

  // --- search, at once and without asking anybody
  const query = byId("q");
  const told = (row, parts) => {
    const text = `${row.querySelector(".who").textContent} ${row.dataset.find}`.toLowerCase();
    return parts.every((part) => text.includes(part));
  };
  const chosen = () => new URLSearchParams(location.search).get("state") || "";
  const sift = () => {
    if (!query || !byId("none-found")) return;
    const parts = query.value.toLowerCase().split(/\s+/).filter(Boolean), state = chosen();
    let any = false;
    for (const group of document.querySelectorAll(".group")) {
      let shown = 0;
      for (const row of group.querySelectorAll(".row")) {
        row.hidden = (state && group.dataset.group !== state) || !told(row, parts);
        if (!row.hidden) shown++;
      }
      group.hidden = !shown;
      group.querySelector(".n").textContent = shown;
      any = any || shown > 0;
    }
    byId("none-found").hidden = any || !document.querySelector(".row");
  };
  if (query) {
    document.addEventListener("input", (event) => event.target.id === "q" && sift());
    sift();
  }

  // --- one event: new markup, new values, new places
  const group = (state) => document.querySelector(`.group[data-group="${state}"] .rows`);
  const node = (html) => {
    const box = document.createElement("template");
    box.innerHTML = html;
    return box.content.querySelector("li");
  };
  const apply = (said) => {
    skew = said.now - Date.now();
    for (const id of said.gone || []) byId("a-" + id)?.remove();
    for (const [id, state, html] of said.rows || []) {
      const old = byId("a-" + id), fresh = node(html), list = group(state);
      const focused = old && old.contains(document.activeElement);
      if (old && old.parentNode === list) old.replaceWith(fresh);
      else { old?.remove(); list.append(fresh); }
      if (focused) fresh.querySelector("a").focus();
    }
    for (const [id, number, at] of said.values || []) {
      const row = byId("a-" + id);
      if (!row) continue;
      const strong = row.querySelector(".is strong"), time = row.querySelector("time");
      if (strong && number && strong.textContent !== number) {
        strong.textContent = number;
        row.classList.remove("fresh"); void row.offsetWidth; row.classList.add("fresh");
      }
      if (time) { time.dataset.at = at; time.dateTime = new Date(at).toISOString(); }
    }
    for (const [id, before] of Object.entries(said.after || {})) {
      const row = byId("a-" + id);
      if (!row) continue;
      const mark = before && byId("a-" + before);
      if (mark && mark.parentNode === row.parentNode) mark.after(row); else row.parentNode.prepend(row);
    }
    for (const [state, ids] of Object.entries(said.order || {})) {
      const list = group(state);
      for (const id of ids) { const row = byId("a-" + id); if (row) list.append(row); }
    }
    for (const part of ["counts", "strip", "troubles", "badge"]) if (part in said && byId(part)) byId(part).innerHTML = said[part];
    for (const [id, html] of Object.entries(said)) if (/^(site|place)-/.test(id) && byId(id)) byId(id).outerHTML = html;
    if (said.tiles) for (const id of said.tiles.split(" ")) { const tile = byId("site-" + id); if (tile) byId("tiles").append(tile); }
    if (said.rows || said.after || said.gone) sift();
    tick(document);
  };

  // --- the wire
  const live = byId("live"), text = byId("live-text");
  let heard = kept || Date.now(), state = "", trying = 0;
  const say = (what, values = {}) => {
    if (state === what && what !== "off") return;
    state = what;
    live.dataset.live = what;
    text.textContent = fill(words[what], values);
    if (wallOff) {
      wallOff.hidden = what !== "off";
      document.body.classList.toggle("cut", what === "off");
      byId("wall-since").textContent = values.at || "";
    }
  };
  const clock = (ms) => zoned({ hour: "2-digit", minute: "2-digit" }).format(ms + skew);
  const poll = () => {
    for (const part of document.querySelectorAll("[hx-trigger='coldchain:poll']"))
      if (!part.contains(document.activeElement) || !document.activeElement.matches("input")) htmx.trigger(part, "coldchain:poll");
  };
  const listen = () => {
    const source = new EventSource(live.dataset.events);
    source.addEventListener("open", () => { heard = Date.now(); trying = 0; say("on"); });
    source.addEventListener("fleet", (event) => { heard = Date.now(); say("on"); apply(JSON.parse(event.data)); });
    source.addEventListener("resync", () => { source.close(); location.reload(); });
    source.addEventListener("error", () => { trying++; if (Date.now() - heard > 8000) say("off", { at: clock(heard) }); });
    setInterval(() => {
      // Nothing for half a minute: a proxy holds the stream back, or the server is gone. Ask, and say so.
      if (Date.now() - heard < 30000) return;
      if (state !== "polling") say("off", { at: clock(heard) });
      if (!document.hidden) poll();
    }, 15000);
    addEventListener("pagehide", () => source.close());
  };
  if (live) {
    if (kept) say("off", { at: clock(heard) }); else say("connecting");
    document.addEventListener("htmx:after:swap", () => { sift(); tick(document); });
    document.addEventListener("htmx:after:request", (event) => {
      const ctx = event.detail?.ctx;
      if (ctx?.response?.status === 200 && Date.now() - heard >= 30000) say("polling", { n: 15 });
    });
    if ("EventSource" in window) listen();
    else setInterval(poll, 15000);
    setInterval(() => document.querySelectorAll("img.spark").forEach((img) => {
      img.src = img.src.replace(/v=\d+/, "v=" + Math.floor(now() / 300000));
    }), 300000);
  } else if (document.querySelector("[data-poll]")) {
    setInterval(() => document.hidden || poll(), 10000);
  }
})();
