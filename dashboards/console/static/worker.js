// SPDX-License-Identifier: Apache-2.0
// The service worker. It keeps the last state of fleet, sites and alarms for when there is no connection, and
// holds answers to alarms that could not be sent until they can be. `SHELL` (addresses of scripts and styles)
// and `VERSION` stand in front of this file when it is served; docs/decisions/0870-offline.md says why.
"use strict";
const SHELL_CACHE = "shell-" + VERSION, STATE_CACHE = "state";
const KEPT_PAGES = /^\/($|wall$|alarms$|alarm\/\d+$|site\/[^/]+$)/;
const ANSWERS = /^\/(acknowledge|acknowledge-together|alarm\/\d+\/acknowledge)$/;
const PAGES_MAX = 60, WAIT_MS = 12000;

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(caches.open(SHELL_CACHE).then((cache) => cache.addAll(SHELL)));
});
addEventListener("activate", (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name.startsWith("shell-") && name !== SHELL_CACHE) await caches.delete(name);
  await clients.claim();
})()));

// --- the queue: one store, an answer by its command's id
const store = (mode, use) => new Promise((done, failed) => {
  const opening = indexedDB.open("coldchain", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("answers", { keyPath: "id" });
  opening.onerror = () => failed(opening.error);
  opening.onsuccess = () => {
    const db = opening.result, all = db.transaction("answers", mode), asked = use(all.objectStore("answers"));
    all.oncomplete = () => { db.close(); done(asked && asked.result); };
    all.onabort = all.onerror = () => { db.close(); failed(all.error); };
  };
});
const queued = () => store("readonly", (s) => s.getAll()).catch(() => []);
const tell = async () => {
  const answers = (await queued()).map(({ id, path, number, at, refused, who }) => ({ id, path, number, at, refused, who }));
  for (const client of await clients.matchAll({ includeUncontrolled: true })) client.postMessage({ answers });
};

// Under whose name would it go now, and by which form? Null: nobody can say. An answer is sent under the name of
// who gave it, and waits for them: somebody else may have signed in meanwhile.
const whoami = () => fetch("/whoami", { cache: "no-store", credentials: "same-origin" }).then((got) => (got.ok ? got.json() : null), () => null);

// Sent again under the same id it is the same answer: the server takes each id once.
let sending = null;
const send = () => (sending ||= (async () => {
  const waiting = (await queued()).filter((one) => !one.refused), me = waiting.length ? await whoami() : null;
  for (const one of me && me.may ? waiting : []) {
    if (one.who !== undefined && one.who !== me.who) continue;
    const body = new URLSearchParams(one.body);
    if (one.who !== undefined) body.set("form", me.form); // the session may be a new one of the same account
    body.set("ago_ms", Math.max(0, Date.now() - one.at)); // how long ago: our clock may be wrong
    let answer;
    try {
      answer = await fetch(one.path, { method: "POST", body, redirect: "manual", credentials: "same-origin" });
    } catch { break; }
    if (answer.status >= 500 || answer.status === 429) break;
    if (answer.type === "opaqueredirect") await store("readwrite", (s) => s.delete(one.id));
    else await store("readwrite", (s) => s.put({ ...one, refused: answer.headers.get("x-problem") || "other" }));
  }
  await tell();
})().finally(() => { sending = null; }));

const answer = async (request) => {
  const body = await request.clone().text(), said = new URLSearchParams(body), path = new URL(request.url).pathname;
  try {
    return await fetch(request);
  } catch {
    const number = (path.match(/\d+/) || [said.get("number") || (said.get("alarms") || "").replaceAll(" ", ", ")])[0];
    const id = said.get("command");
    if (!id) return Response.error();
    await store("readwrite", (s) => s.put({ id, path, number, body, who: said.get("given_by") ?? undefined, at: Date.now() }));
    registration.sync?.register("answers").catch(() => 0);
    await tell();
    return Response.redirect(new URL(path.startsWith("/acknowledge") ? "/alarms" : "/alarm/" + number, location.href), 303);
  }
};

// --- pages: the network's word first, the last one kept where it does not come
// Pages belong to who is signed in; answers that wait belong to who gave them, and stay until those send them.
const forget = () => caches.delete(STATE_CACHE);
const keep = async (path, got) => {
  // Only who is not signed in any more is led elsewhere: what was theirs is kept no longer.
  if (got.type === "opaqueredirect" || got.redirected) { await caches.delete(STATE_CACHE); return; }
  if (got.status !== 200) return;
  const text = (await got.text()).replace("<body", `<body data-kept="${Date.now()}"`);
  const cache = await caches.open(STATE_CACHE);
  await cache.delete(path);
  const headers = {};
  for (const name of ["content-type", "content-security-policy"]) headers[name] = got.headers.get(name) || "";
  await cache.put(path, new Response(text, { headers }));
  for (const old of (await cache.keys()).slice(0, -PAGES_MAX)) await cache.delete(old);
};
const waited = (request) => {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), WAIT_MS);
  return fetch(request, { signal: stop.signal }).finally(() => clearTimeout(timer));
};
const page = async (event, path) => {
  try {
    const got = await waited(event.request);
    if (KEPT_PAGES.test(path)) event.waitUntil(keep(path, got.clone()).catch(() => 0));
    return got;
  } catch (bad) {
    const cache = await caches.open(STATE_CACHE);
    const last = (await cache.match(path)) || (await cache.match("/"));
    if (!last) throw bad;
    return last;
  }
};
const asset = async (request) => {
  const cache = await caches.open(SHELL_CACHE), held = await cache.match(request);
  if (held) return held;
  const got = await fetch(request);
  if (got.ok) await cache.put(request, got.clone());
  return got;
};

addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url), path = url.pathname;
  if (url.origin !== location.origin) return;
  if (request.method === "POST") {
    if (path === "/signout" || path === "/signin") event.waitUntil(forget());
    else if (ANSWERS.test(path) && request.mode === "navigate") event.respondWith(answer(request));
  } else if (request.mode === "navigate") event.respondWith(page(event, path));
  else if (path.startsWith("/static/")) event.respondWith(asset(request));
});
addEventListener("sync", (event) => event.tag === "answers" && event.waitUntil(send()));
addEventListener("message", (event) => {
  const { what, path, id } = event.data;
  if (what === "send") event.waitUntil(send());
  else if (what === "queue") event.waitUntil(tell());
  else if (what === "seen") event.waitUntil(store("readwrite", (s) => s.delete(id)).then(tell));
  else if (what === "keep" && KEPT_PAGES.test(path)) event.waitUntil(fetch(path).then((got) => keep(path, got)).catch(() => 0));
});
