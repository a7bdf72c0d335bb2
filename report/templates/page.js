"use strict";
(() => {
const $ = (s, e) => (e || document).querySelector(s), $$ = (s, e) => [...(e || document).querySelectorAll(s)];
document.documentElement.classList.add("js");

// Tooltips: what is pointed at, or walked to with the arrow keys inside a focused figure.
const tip = document.createElement("div");
tip.id = "tip"; tip.hidden = true; tip.setAttribute("role", "status"); tip.setAttribute("aria-live", "polite");
document.body.append(tip);
const text = h => { if (h.dataset.tip === undefined) { const t = $("title", h); h.dataset.tip = t ? t.textContent : ""; if (t) t.remove(); } return h.dataset.tip; };
let on = null;
const show = (h, x, y) => {
  if (on) on.classList.remove("on");
  on = h; h.classList.add("on");
  tip.textContent = text(h); tip.hidden = false;
  const b = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(innerWidth - b.width - 4, x + 14)) + "px";
  tip.style.top = (y + 18 + b.height > innerHeight ? Math.max(4, y - b.height - 12) : y + 18) + "px";
};
const hide = () => { tip.hidden = true; if (on) on.classList.remove("on"); on = null; };
document.addEventListener("pointermove", e => { const h = e.target.closest && e.target.closest(".h"); h ? show(h, e.clientX, e.clientY) : hide(); });
document.addEventListener("pointerleave", hide);
addEventListener("scroll", hide, { passive: true });
for (const svg of $$("figure svg")) {
  if (!$(".h", svg)) continue;
  svg.tabIndex = 0;
  let at = -1;
  svg.addEventListener("keydown", e => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (e.key === "Escape") { hide(); return; }
    if (!step) return;
    const hs = $$(".h", svg);
    at = (at + step + hs.length) % hs.length;
    const b = hs[at].getBoundingClientRect();
    show(hs[at], b.x + b.width / 2, b.y + Math.min(b.height, 40));
    e.preventDefault();
  });
  svg.addEventListener("blur", () => { at = -1; hide(); });
}

const data = JSON.parse($("#data").textContent);
const minus = s => s.replace("-", "\u2212");
const num = v => minus(v.toFixed(3));

// Heat maps: one slider moves all scales of a model through the blocks.
const stops = [[5,48,97],[67,147,195],[209,229,240],[247,247,247],[253,219,199],[214,96,77],[103,0,31]];
const colour = v => { const t = (Math.max(-1, Math.min(1, v)) + 1) / 2 * 6, i = Math.min(5, t | 0), f = t - i; return stops[i].map((a, k) => Math.floor(a + (stops[i + 1][k] - a) * f + .5)); };
for (const box of $$("[data-heat]")) {
  const d = data.heat[box.dataset.heat], input = $("input", box), out = $("output", box);
  if (!d) continue;
  input.addEventListener("input", () => {
    const at = +input.value;
    out.textContent = "block " + d.blocks[at];
    $$("svg", box).forEach((svg, s) => {
      const v = d.values[s] && d.values[s][at];
      $$("g[data-i]", svg).forEach(g => {
        const i = +g.dataset.i, r = $("rect", g), t = $("text", g), h = $(".h", g), name = text(h).split("\n")[0];
        if (!v || v[i] === null) { r.setAttribute("fill", "none"); t.textContent = "\u2013"; h.dataset.tip = name + "\nno value"; return; }
        const x = v[i] / 1000, c = colour(x);
        r.setAttribute("fill", `rgb(${c})`);
        t.textContent = minus(x.toFixed(2));
        t.setAttribute("fill", .299 * c[0] + .587 * c[1] + .114 * c[2] < 140 && !g.dataset.faded ? "#ffffff" : "#16191d");
        h.dataset.tip = name + "\n" + num(x);
      });
    });
  });
}

// Three components, to be turned: drag, or the arrow keys.
const ns = "http://www.w3.org/2000/svg";
for (const box of $$("[data-turn]")) {
  const d = data.turn[box.dataset.turn];
  if (!d) continue;
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "-165 -150 330 300"); svg.setAttribute("class", "turn"); svg.setAttribute("role", "img"); svg.setAttribute("aria-label", d.name + ": deltas along three principal components; drag or use the arrow keys to turn"); svg.tabIndex = 0;
  const make = (cls, w, o) => { const p = document.createElementNS(ns, "path"); p.setAttribute("class", cls); p.setAttribute("stroke-width", w); p.setAttribute("fill", "none"); if (o) p.setAttribute("opacity", o); svg.append(p); return p; };
  const cage = make("k-grid", 1), sets = d.sets.map(s => [s, make("k-" + s.tone + " c", 5, .65)]);
  const labels = d.axes.map(a => { const t = document.createElementNS(ns, "text"); t.setAttribute("class", "f-soft t m"); t.textContent = a; svg.append(t); return t; });
  let az = -.9, el = .4;
  const draw = () => {
    const ca = Math.cos(az), sa = Math.sin(az), ce = Math.cos(el), se = Math.sin(el);
    const p = (x, y, z) => { const u = x * ca - y * sa, w = x * sa + y * ca; return [(u * 92).toFixed(1), ((w * se - z * ce) * 88).toFixed(1)]; };
    let c = "";
    for (const a of [-1, 1]) for (const b of [-1, 1]) c += `M${p(-1, a, b)}L${p(1, a, b)}M${p(a, -1, b)}L${p(a, 1, b)}M${p(a, b, -1)}L${p(a, b, 1)}`;
    cage.setAttribute("d", c);
    for (const [s, path] of sets) { let m = ""; for (let i = 0; i < s.at.length; i += 3) m += `M${p(s.at[i] / 1000, s.at[i + 1] / 1000, s.at[i + 2] / 1000)}h0`; path.setAttribute("d", m); }
    [[1.25, 0, -1], [0, 1.25, -1], [-1, -1, 1.2]].forEach((v, i) => { const [x, y] = p(...v); labels[i].setAttribute("x", x); labels[i].setAttribute("y", y); });
  };
  draw();
  let last = null;
  svg.addEventListener("pointerdown", e => { last = [e.clientX, e.clientY]; svg.setPointerCapture(e.pointerId); });
  svg.addEventListener("pointermove", e => { if (!last) return; az += (e.clientX - last[0]) / 120; el = Math.max(-1.5, Math.min(1.5, el + (e.clientY - last[1]) / 120)); last = [e.clientX, e.clientY]; draw(); });
  svg.addEventListener("pointerup", () => { last = null; });
  svg.addEventListener("keydown", e => { const s = { ArrowLeft: [-.12, 0], ArrowRight: [.12, 0], ArrowUp: [0, -.12], ArrowDown: [0, .12] }[e.key]; if (!s) return; az += s[0]; el = Math.max(-1.5, Math.min(1.5, el + s[1])); draw(); e.preventDefault(); });
  box.append(svg);
}

// Pairs: filter by what the row says of itself.
const list = $("#pairlist");
if (list) {
  const rows = $$(".pair", list).map(e => ({ e, c: e.dataset.c, g: e.dataset.g || "", r: e.dataset.r, t: e.textContent.toLowerCase() }));
  const f = { c: $("#fc"), s: $("#fs"), r: $("#fr"), g: $("#fg"), q: $("#fq") }, shown = $("#shown");
  const apply = () => {
    const q = f.q.value.trim().toLowerCase(), at = +f.s.value;
    let n = 0;
    for (const r of rows) {
      const code = at < 0 ? r.r : r.r[at] || "";
      const ok = (!f.c.value || r.c === f.c.value) && (!f.g || !f.g.value || r.g === f.g.value) && (!f.r.value || code.includes(f.r.value)) && (!q || r.t.includes(q));
      r.e.hidden = !ok;
      if (ok) n++;
    }
    shown.textContent = n + " of " + rows.length + " pairs";
  };
  for (const e of Object.values(f)) if (e) e.addEventListener("input", apply);
  apply();
}
// A link to a pair opens it.
const open = () => { const e = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1))); if (e && e.tagName === "DETAILS") { e.open = true; e.scrollIntoView(); } };
addEventListener("hashchange", open);
open();
})();
