// SPDX-License-Identifier: Apache-2.0
// The chart of one appliance by uPlot: band from lowest to highest, the limits in force then, gaps hatched.
(() => {
  "use strict";
  const box = document.getElementById("chart");
  if (!box || !window.uPlot) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const hatch = (color) => {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = color; pen.globalAlpha = 0.5; pen.lineWidth = 1.4;
    pen.beginPath(); pen.moveTo(-2, 10); pen.lineTo(10, -2); pen.moveTo(-2, 2); pen.lineTo(2, -2); pen.moveTo(6, 10); pen.lineTo(10, 6); pen.stroke();
    return pen.createPattern(tile, "repeat");
  };
  const lang = document.documentElement.lang;
  // As the server's own figures: these languages write a decimal comma.
  const local = (text) => (["lo", "fr", "vi"].includes(lang) ? text.replace(".", ",") : text).replace("-", "−");
  let plot = null, data = null;

  const under = (u) => {
    const { ctx, bbox } = u, x = (ms) => u.valToPos(ms / 1000, "x", true), y = (c) => u.valToPos(c, "y", true);
    ctx.save();
    ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
    ctx.fillStyle = hatch(ink("soft"));
    for (const [from, until] of data.gaps) ctx.fillRect(x(from), bbox.top, x(until) - x(from), bbox.height);
    ctx.strokeStyle = ink("limit"); ctx.lineWidth = 1.5 * devicePixelRatio; ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const limit of data.limits)
      for (const bound of [limit.low_c, limit.high_c]) {
        if (bound === null) continue;
        ctx.beginPath(); ctx.moveTo(x(limit.from_ms), y(bound)); ctx.lineTo(x(limit.until_ms), y(bound)); ctx.stroke();
      }
    ctx.restore();
  };
  // The band around lowest and highest, one closed piece for each run of steps with readings.
  const band = (u) => {
    const path = new Path2D(), y = (c) => u.valToPos(c, "y", true);
    const x = (i) => u.valToPos((data.start_ms + (i + 0.5) * data.step_ms) / 1000, "x", true);
    for (let i = 0; i < data.n.length; i++) {
      if (data.low[i] === null) continue;
      let j = i;
      path.moveTo(x(i), y(data.high[i]));
      while (j + 1 < data.n.length && data.low[j + 1] !== null) path.lineTo(x(++j), y(data.high[j]));
      for (let k = j; k >= i; k--) path.lineTo(x(k), y(data.low[k]));
      path.closePath();
      i = j;
    }
    return path;
  };
  // Alarms, doors and mains as rows of bars above the axis; the shortest still shows.
  const LANE = 15;
  const lanes = (u) => {
    const { ctx, bbox } = u, ratio = devicePixelRatio, x = (ms) => u.valToPos(ms / 1000, "x", true);
    ctx.save();
    ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`; ctx.textBaseline = "middle"; ctx.textAlign = "left";
    data.events.forEach((lane, i) => {
      const top = bbox.top + bbox.height - (data.events.length - i) * LANE * ratio, height = (LANE - 4) * ratio;
      ctx.fillStyle = ink("card"); ctx.fillRect(bbox.left, top - 2 * ratio, bbox.width, height + 4 * ratio);
      ctx.fillStyle = ink("lane-" + lane.kind);
      for (const span of lane.spans) ctx.fillRect(x(span.from_ms), top, Math.max(2 * ratio, x(span.until_ms) - x(span.from_ms)), height);
      ctx.lineWidth = 3 * ratio; ctx.lineJoin = "round"; ctx.strokeStyle = ink("card"); ctx.fillStyle = ink("ink");
      ctx.strokeText(lane.name, bbox.left + 4 * ratio, top + height / 2); ctx.fillText(lane.name, bbox.left + 4 * ratio, top + height / 2);
    });
    ctx.restore();
  };
  // What lies beyond the limits once more, in the alarm colour.
  const over = (u) => {
    const { ctx, bbox } = u, x = (ms) => u.valToPos(ms / 1000, "x", true), y = (c) => u.valToPos(c, "y", true);
    const inside = new Path2D(), outside = new Path2D(), bottom = bbox.top + bbox.height;
    inside.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    for (const one of data.limits) {
      const left = x(one.from_ms), width = x(one.until_ms) - left;
      if (one.high_c !== null) outside.rect(left, bbox.top, width, y(one.high_c) - bbox.top);
      if (one.low_c !== null) outside.rect(left, y(one.low_c), width, bottom - y(one.low_c));
    }
    ctx.save();
    ctx.clip(inside); ctx.clip(outside);
    ctx.fillStyle = ctx.strokeStyle = ink("over"); ctx.lineWidth = 2 * devicePixelRatio; ctx.lineJoin = "round";
    const path = band(u);
    ctx.fill(path); ctx.stroke(path);
    ctx.restore();
  };
  const range = (u, low, high) => {
    const bounds = data.limits.flatMap((one) => [one.low_c, one.high_c]).filter((one) => one !== null);
    low = Math.min(...bounds, low ?? Infinity); high = Math.max(...bounds, high ?? -Infinity);
    if (!isFinite(low)) return [0, 10];
    const margin = Math.max((high - low) * 0.1, (2 - (high - low)) / 2, 0.1);
    const room = (data.events.length * LANE) / (u.height - 50); // below the curve, for the lanes
    return [low - margin - ((high - low + 2 * margin) * room) / (1 - room), high + margin];
  };
  const show = (u, value, _, i) => (i === null ? "–" : value === null || value === undefined ? box.dataset.gap : local(value.toFixed(1)) + " " + data.unit);
  const months = box.dataset.months.split("|");
  const draw = () => {
    const width = box.clientWidth, height = Math.max(220, Math.min(420, width * 0.42));
    const axis = { stroke: ink("soft"), grid: { stroke: ink("line"), width: 1 }, ticks: { stroke: ink("line") }, font: "13px system-ui, sans-serif" };
    const xs = data.n.map((_, i) => (data.start_ms + (i + 0.5) * data.step_ms) / 1000);
    const zone = box.dataset.zone;
    const options = {
      width, height,
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), zone),
      fmtDate: (text) => uPlot.fmtDate(text, { MMM: months }),
      cursor: { drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { min: data.start_ms / 1000, max: (data.start_ms + data.n.length * data.step_ms) / 1000 }, y: { range } },
      axes: [{ ...axis, values: [
        [31536000, "{YYYY}", null, null, null, null, null, null, 1], [2419200, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
        [86400, "{D} {MMM}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
        [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1]] }, { ...axis, size: 48, values: (u, ticks) => ticks.map((c) => local(String(Math.round(c * 100) / 100))) }],
      series: [{ label: box.dataset.time, value: "{YYYY}-{MM}-{DD} {HH}:{mm}" },
        { label: box.dataset.high, stroke: ink("band"), width: 1.5, points: { show: false }, value: show },
        { label: box.dataset.low, stroke: ink("band"), width: 1.5, points: { show: false }, value: show }],
      bands: [{ series: [1, 2], fill: ink("band") }],
      hooks: { drawClear: [under], draw: [over, lanes], setCursor: [(u) => u.root.classList.toggle("picked", (u.cursor.idx ?? null) !== null)] },
    };
    if (plot) plot.destroy();
    box.replaceChildren();
    plot = new uPlot(options, [xs, data.high, data.low], box);
  };
  const load = () =>
    fetch(box.dataset.src).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status))).then((found) => { data = found; draw(); }).catch((why) => console.warn("chart", why));
  load();
  setInterval(() => document.hidden || load(), 60000);
  dark.addEventListener("change", () => data && draw());
  let width = box.clientWidth;
  addEventListener("resize", () => { if (data && box.clientWidth !== width) { width = box.clientWidth; draw(); } });
})();
