"use strict";
// The spectra of the page: drawn on a canvas, with zoom, pan and hover. No library; data stand in the page.
(() => {
  const flags = JSON.parse(document.getElementById("flags").textContent);
  const unusable = flags.reduce((bits, flag) => (flag.unusable ? bits | flag.bit : bits), 0);
  const plots = [];

  window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const floats = (text) => new Float32Array(bytes(text));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const superscript = (text) => text.replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(c)] || (c === "-" ? "⁻" : c));
  const prettyUnit = (unit) => unit.replace(/Angstrom/g, "Å").replace(/([A-Za-zÅ)])(-?\d+)\b/g, (_, a, n) => a + superscript(n));

  function niceTicks(low, high, wanted) {
    const rough = (high - low) / Math.max(1, wanted);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough) || power;
    const ticks = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(i * step);
    return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function load(raw) {
    const s = { ...raw, x: new Float64Array(bytes(raw.x)), y: floats(raw.y), e: floats(raw.e), flags: new Int16Array(bytes(raw.flags)) };
    s.columns = Object.fromEntries(Object.entries(raw.columns).map(([name, text]) => [name, floats(text)]));
    s.good = Array.from(s.y, (y, i) => !(s.flags[i] & unusable) && Number.isFinite(y) && s.e[i] > 0);
    if (!s.good.some(Boolean)) s.good = Array.from(s.y, (y) => Number.isFinite(y) && y !== 0);
    return s;
  }

  function extent(spectra) {
    let [low, high] = [Infinity, -Infinity];
    for (const s of spectra) s.good.forEach((good, i) => { if (good) { low = Math.min(low, s.x[i]); high = Math.max(high, s.x[i]); } });
    if (!(high > low)) for (const s of spectra) { low = Math.min(low, s.x[0]); high = Math.max(high, s.x[s.x.length - 1]); }
    const pad = (high - low) * 0.01 || 1;
    return [low - pad, high + pad];
  }

  // First index with x >= value; wavelengths rise.
  function indexOf(x, value) {
    let [low, high] = [0, x.length];
    while (low < high) { const middle = (low + high) >> 1; if (x[middle] < value) low = middle + 1; else high = middle; }
    return low;
  }

  class Plot {
    constructor(place) {
      this.place = place;
      this.spectra = JSON.parse(place.querySelector("script").textContent).map(load);
      this.on = new Set([0]);
      this.extras = new Set();
      this.band = true;
      this.canvas = element("canvas", { tabIndex: 0 });
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `Spectrum of ${place.dataset.name}; arrow keys move, plus and minus zoom, 0 shows all`);
      this.readout = element("output", {});
      place.append(this.chooser(), this.canvas, this.readout, this.buttons());
      this.reset();
      this.listen();
      new ResizeObserver(() => this.draw()).observe(this.canvas);
    }

    get shown() { return [...this.on].sort((a, b) => a - b).map((i) => this.spectra[i]); }

    chooser() {
      const bar = element("div", { className: "bar" });
      const setups = new Set(this.spectra.map((s) => s.setup));
      this.chips = this.spectra.map((s, i) => {
        const chip = element("button", { type: "button", onclick: () => this.toggle(i) }, s.title + (setups.size > 1 ? ` ${s.setup}` : ""));
        chip.style.setProperty("--own", `var(--c${i % 6})`);
        bar.append(chip);
        return chip;
      });
      return bar;
    }

    buttons() {
      const bar = element("div", { className: "bar" });
      const names = [...new Set(this.spectra.flatMap((s) => Object.keys(s.columns)))];
      const switches = [["error band", () => this.band, () => { this.band = !this.band; }]];
      for (const name of names) {
        const flip = () => (this.extras.has(name) ? this.extras.delete(name) : this.extras.add(name));
        switches.push([name.toLowerCase().replace(/_/g, " "), () => this.extras.has(name), flip]);
      }
      for (const [text, isOn, flip] of switches) {
        const button = element("button", { type: "button" }, text);
        const show = () => button.setAttribute("aria-pressed", isOn());
        button.onclick = () => { flip(); show(); this.draw(); };
        show();
        bar.append(button);
      }
      bar.append(element("span", { className: "gap" }));
      const move = [["zoom in", () => this.zoom(0.5)], ["zoom out", () => this.zoom(2)], ["◀", () => this.pan(-0.3)], ["▶", () => this.pan(0.3)], ["all", () => this.reset()]];
      for (const [text, action] of move) bar.append(element("button", { type: "button", onclick: () => { action(); this.changed(); } }, text));
      return bar;
    }

    toggle(i) {
      if (this.on.has(i) && this.on.size > 1) this.on.delete(i);
      else {
        // Spectra in different units have no common axis.
        for (const j of [...this.on]) if (this.spectra[j].unit !== this.spectra[i].unit) this.on.delete(j);
        this.on.add(i);
      }
      this.changed();
    }

    reset() { [this.low, this.high] = this.whole = extent(this.spectra); }

    limit() {
      const width = Math.min(this.high - this.low, this.whole[1] - this.whole[0]);
      this.low = Math.max(this.whole[0], Math.min(this.low, this.whole[1] - width));
      this.high = this.low + width;
    }

    show(low, high) {
      if (!(high - low > 0)) return;
      const least = (this.whole[1] - this.whole[0]) / 400;
      const extra = Math.max(0, least - (high - low)) / 2;
      [this.low, this.high] = [low - extra, high + extra];
      this.limit();
    }

    zoom(factor, about = (this.low + this.high) / 2) { this.show(about - (about - this.low) * factor, about + (this.high - about) * factor); }

    pan(share) {
      const step = (this.high - this.low) * share;
      this.low += step;
      this.high += step;
      this.limit();
    }

    changed() {
      const place = `#${this.anchor}@${Math.round(this.low)}-${Math.round(this.high)}@${[...this.on].join(",")}`;
      try { history.replaceState(null, "", place); } catch { /* some browsers forbid it for files */ }
      this.draw();
    }

    get anchor() { return this.place.closest("section").id; }

    // -- drawing ---------------------------------------------------------------------------------------------------

    draw() {
      const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
      if (!width) return;
      const scale = window.devicePixelRatio || 1;
      this.canvas.width = width * scale;
      this.canvas.height = height * scale;
      const c = (this.context = this.canvas.getContext("2d"));
      c.scale(scale, scale);
      c.font = "13px system-ui, sans-serif";
      this.chips.forEach((chip, i) => chip.setAttribute("aria-pressed", this.on.has(i)));
      this.lanes = this.flagsShown();
      const small = width < 600;
      this.box = { left: small ? 38 : 52, top: 28, right: width - 8, bottom: height - 44 - 13 * this.lanes.length };
      this.scaleY();
      this.axes(small);
      c.save();
      c.beginPath();
      c.rect(this.box.left, this.box.top, this.box.right - this.box.left, this.box.bottom - this.box.top);
      c.clip();
      for (const i of [...this.on].sort((a, b) => b - a)) this.curve(this.spectra[i], colour(`--c${i % 6}`));
      c.restore();
      this.drawLanes();
      if (this.selection) this.drawSelection();
      if (this.pointer !== undefined) this.hover();
      this.place.dataset.view = [this.low, this.high, this.bottom, this.top].map((n) => n.toPrecision(6)).join(" ");
    }

    X(x) { return this.box.left + ((x - this.low) / (this.high - this.low)) * (this.box.right - this.box.left); }
    Y(y) { return this.box.bottom - ((y - this.bottom) / (this.top - this.bottom)) * (this.box.bottom - this.box.top); }
    wavelength(pixel) { return this.low + ((pixel - this.box.left) / (this.box.right - this.box.left)) * (this.high - this.low); }

    // What is seen decides, without pixels so noisy that they would hide the rest.
    scaleY() {
      let [low, high] = [Infinity, -Infinity];
      for (const s of this.shown) {
        const [from, to] = [indexOf(s.x, this.low), indexOf(s.x, this.high)];
        const errors = [];
        for (let i = from; i < to; i++) if (s.good[i]) errors.push(s.e[i]);
        const noisy = 6 * (errors.sort((a, b) => a - b)[errors.length >> 1] || Infinity);
        for (let i = from; i < to; i++) {
          if (!s.good[i] || s.e[i] > noisy) continue;
          low = Math.min(low, s.y[i]);
          high = Math.max(high, s.y[i]);
        }
        for (const name of this.extras) {
          const values = s.columns[name] || [];
          for (let i = from; i < to; i++) if (s.good[i] && s.e[i] <= noisy && Number.isFinite(values[i])) high = Math.max(high, values[i]);
        }
      }
      if (!(high >= low)) [low, high] = [0, 1];
      if (low > 0 && low < 0.5 * high) low = 0;
      const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
      [this.bottom, this.top] = [low === 0 ? 0 : low - pad, high + pad];
    }

    axes(small) {
      const [c, b] = [this.context, this.box];
      const power = Math.floor(Math.log10(Math.max(Math.abs(this.top), Math.abs(this.bottom)) || 1));
      const factor = power > 4 || power < -2 ? 10 ** power : 1;
      c.strokeStyle = colour("--line");
      c.fillStyle = colour("--ink");
      c.lineWidth = 1;
      const horizontal = niceTicks(this.low, this.high, (b.right - b.left) / (small ? 75 : 110));
      c.textAlign = "center";
      c.textBaseline = "top";
      for (const tick of horizontal.ticks) {
        const x = Math.round(this.X(tick)) + 0.5;
        c.beginPath(); c.moveTo(x, b.top); c.lineTo(x, b.bottom); c.stroke();
        const text = tick.toFixed(horizontal.digits);
        const half = c.measureText(text).width / 2;
        c.fillText(text, Math.min(Math.max(x, half), b.right - half), b.bottom + 5 + 13 * this.lanes.length);
      }
      const vertical = niceTicks(this.bottom / factor, this.top / factor, (b.bottom - b.top) / 55);
      c.textAlign = "right";
      c.textBaseline = "middle";
      for (const tick of vertical.ticks) {
        const y = Math.round(this.Y(tick * factor)) + 0.5;
        c.beginPath(); c.moveTo(b.left, y); c.lineTo(b.right, y); c.stroke();
        c.fillText(tick.toFixed(vertical.digits), b.left - 5, y);
      }
      const s = this.shown[0];
      c.textAlign = "left";
      c.textBaseline = "top";
      const unit = prettyUnit(s.unit);
      c.fillText(`flux${factor === 1 ? (unit ? ` (${unit})` : "") : ` (10${superscript(String(power))} ${unit})`}`, b.left, 6);
      const about = [s.medium, s.frame].filter(Boolean).join(", ");
      c.textAlign = "center";
      c.fillText(`wavelength (${prettyUnit(s.axis)}${about ? `; ${about}` : ""})`, (b.left + b.right) / 2, b.bottom + 24 + 13 * this.lanes.length);
      c.strokeStyle = colour("--quiet");
      c.strokeRect(b.left + 0.5, b.top + 0.5, b.right - b.left, b.bottom - b.top);
    }

    curve(s, own) {
      const [from, to] = [Math.max(0, indexOf(s.x, this.low) - 1), Math.min(s.x.length, indexOf(s.x, this.high) + 1)];
      const c = this.context;
      for (const [start, end] of this.runs(s, from, to)) {
        if (!this.band) break;
        c.beginPath();
        for (let i = start; i < end; i++) c.lineTo(this.X(s.x[i]), this.Y(s.y[i] + s.e[i]));
        for (let i = end - 1; i >= start; i--) c.lineTo(this.X(s.x[i]), this.Y(s.y[i] - s.e[i]));
        c.globalAlpha = 0.25;
        c.fillStyle = own;
        c.fill();
      }
      c.globalAlpha = 0.3;
      this.line(s.x, s.y, from, to, own, 1);
      c.globalAlpha = 1;
      for (const [start, end] of this.runs(s, from, to)) this.line(s.x, s.y, start, end, own, 1.4);
      [...this.extras].forEach((name, i) => {
        c.setLineDash([[6, 3], [2, 2], [8, 3, 2, 3], [3, 5]][i % 4]);
        c.globalAlpha = 0.8;
        for (const [start, end] of this.runs(s, from, to)) if (s.columns[name]) this.line(s.x, s.columns[name], start, end, own, 1);
      });
      c.setLineDash([]);
      c.globalAlpha = 1;
    }

    line(x, y, from, to, own, width) {
      const c = this.context;
      c.beginPath();
      let pen = false;
      for (let i = from; i < to; i++) {
        if (!Number.isFinite(y[i])) { pen = false; continue; }
        if (pen) c.lineTo(this.X(x[i]), this.Y(y[i])); else c.moveTo(this.X(x[i]), this.Y(y[i]));
        pen = true;
      }
      c.strokeStyle = own;
      c.lineWidth = width;
      c.lineJoin = "round";
      c.stroke();
      if (to - from < 60) for (let i = from; i < to; i++) { c.beginPath(); c.arc(this.X(x[i]), this.Y(y[i]), 1.5 + width, 0, 7); c.fillStyle = own; c.fill(); }
    }

    runs(s, from, to) {
      const found = [];
      for (let i = from; i < to; i++) {
        if (!s.good[i]) continue;
        const start = i;
        while (i < to && s.good[i]) i++;
        found.push([start, i]);
      }
      return found;
    }

    flagsShown() { return flags.filter((flag) => this.shown.some((s) => s.flags.some((bits) => bits & flag.bit))); }

    // A lane below the axis for each flag that occurs, so that colour alone never tells which.
    drawLanes() {
      const [c, b] = [this.context, this.box];
      c.font = "11px system-ui, sans-serif";
      c.textBaseline = "middle";
      this.lanes.forEach((flag, lane) => {
        const y = b.bottom + 4 + 13 * lane;
        c.fillStyle = flag.unusable ? colour("--fail") : colour("--warning");
        for (const s of this.shown) {
          for (let i = 0; i < s.x.length; i++) {
            if (!(s.flags[i] & flag.bit)) continue;
            const start = i;
            while (i + 1 < s.x.length && s.flags[i + 1] & flag.bit) i++;
            const half = (s.x[1] - s.x[0]) / 2;
            const [x0, x1] = [Math.max(b.left, this.X(s.x[start] - half)), Math.min(b.right, this.X(s.x[i] + half))];
            if (x1 <= x0) continue;
            c.globalAlpha = 0.6;
            c.fillRect(x0, y, Math.max(1, x1 - x0), 9);
            if (s !== this.shown[0] || !this.stands(s, flag)) continue;
            c.globalAlpha = 0.1;
            c.fillRect(x0, b.top, Math.max(1, x1 - x0), b.bottom - b.top);
          }
        }
        c.globalAlpha = 1;
        this.laneName(flag, y);
      });
      c.font = "13px system-ui, sans-serif";
    }

    // What holds for much of a spectrum needs no highlight in it; the lane tells it.
    stands(s, flag) { return s.flags.reduce((count, bits) => count + (bits & flag.bit ? 1 : 0), 0) < 0.25 * s.flags.length; }

    // Its name stands at the end of the lane where less is hidden by it.
    laneName(flag, y) {
      const [c, b] = [this.context, this.box];
      const width = c.measureText(flag.name).width + 6;
      const hidden = (from, to) => {
        let count = 0;
        for (const s of this.shown) for (let i = indexOf(s.x, this.wavelength(from)), end = indexOf(s.x, this.wavelength(to)); i < end; i++) if (s.flags[i] & flag.bit) count++;
        return count;
      };
      const x = hidden(b.left, b.left + width) <= hidden(b.right - width, b.right) ? b.left : b.right - width;
      c.fillStyle = colour("--paper");
      c.globalAlpha = 0.85;
      c.fillRect(x, y - 1, width, 11);
      c.globalAlpha = 1;
      c.textAlign = "left";
      c.fillStyle = colour("--ink");
      c.fillText(flag.name, x + 3, y + 5);
    }

    drawSelection() {
      const [c, b] = [this.context, this.box];
      c.fillStyle = colour("--link");
      c.globalAlpha = 0.15;
      c.fillRect(Math.min(...this.selection), b.top, Math.abs(this.selection[1] - this.selection[0]), b.bottom - b.top);
      c.globalAlpha = 1;
    }

    hover() {
      const c = this.context;
      const at = this.wavelength(this.pointer);
      const lines = [];
      for (const i of [...this.on].sort((a, b) => a - b)) {
        const s = this.spectra[i];
        let k = indexOf(s.x, at);
        if (k > 0 && (k === s.x.length || at - s.x[k - 1] < s.x[k] - at)) k--;
        const [x, y] = [this.X(s.x[k]), this.Y(s.y[k])];
        if (x < this.box.left || x > this.box.right) continue;
        c.strokeStyle = colour("--quiet");
        c.lineWidth = 1;
        c.beginPath(); c.moveTo(x, this.box.top); c.lineTo(x, this.box.bottom); c.stroke();
        if (y > this.box.top && y < this.box.bottom) { c.beginPath(); c.arc(x, y, 4, 0, 7); c.fillStyle = colour(`--c${i % 6}`); c.fill(); }
        lines.push(this.sentence(s, k));
      }
      this.readout.replaceChildren(...lines.flatMap((text, i) => (i ? [element("br", {}), text] : [text])));
    }

    sentence(s, k) {
      const names = flags.filter((flag) => s.flags[k] & flag.bit).map((flag) => flag.name);
      const noise = s.e[k] > 0 ? ` ± ${s.e[k].toPrecision(2)}, S/N ${(s.y[k] / s.e[k]).toFixed(1)}` : "";
      const further = [...this.extras].filter((name) => s.columns[name]).map((name) => `, ${name.toLowerCase()} ${s.columns[name][k].toPrecision(3)}`);
      return `${s.title}: ${s.x[k].toFixed(1)} ${prettyUnit(s.axis)}, flux ${s.y[k].toPrecision(4)}${noise}${further.join("")}${names.length ? ` [${names.join(", ")}]` : ""}`;
    }

    // -- mouse, fingers, keys --------------------------------------------------------------------------------------

    listen() {
      const canvas = this.canvas;
      const fingers = new Map();
      const place = (event) => event.clientX - canvas.getBoundingClientRect().left;
      canvas.addEventListener("pointerdown", (event) => {
        try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone */ }
        fingers.set(event.pointerId, place(event));
        this.start = { low: this.low, high: this.high, fingers: [...fingers.values()] };
        if (event.pointerType === "mouse" && !event.shiftKey) this.selection = [place(event), place(event)];
      });
      canvas.addEventListener("pointermove", (event) => {
        this.pointer = place(event);
        if (fingers.has(event.pointerId)) {
          fingers.set(event.pointerId, place(event));
          if (this.selection) this.selection[1] = place(event); else this.drag([...fingers.values()]);
        }
        this.later();
      });
      const lift = (event) => {
        if (!fingers.delete(event.pointerId)) return;
        const [from, to] = this.selection || [0, 0];
        this.selection = undefined;
        if (Math.abs(to - from) > 6) this.show(this.wavelength(Math.min(from, to)), this.wavelength(Math.max(from, to)));
        this.start = { low: this.low, high: this.high, fingers: [...fingers.values()] };
        this.changed();
      };
      canvas.addEventListener("pointerup", lift);
      canvas.addEventListener("pointercancel", lift);
      canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") { this.pointer = undefined; this.later(); } });
      canvas.addEventListener("dblclick", () => { this.reset(); this.changed(); });
      canvas.addEventListener("wheel", (event) => {
        // A plain wheel scrolls the page, unless the plot was clicked first.
        if (!event.ctrlKey && document.activeElement !== canvas) return;
        event.preventDefault();
        this.zoom(2 ** (event.deltaY / 300), this.wavelength(place(event)));
        this.changed();
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => {
        const action = { ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2), "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.reset() }[event.key];
        if (!action) return;
        event.preventDefault();
        action();
        this.changed();
      });
    }

    // One finger moves, two stretch.
    drag(now) {
      const { low, high, fingers } = this.start;
      const width = this.box.right - this.box.left;
      if (now.length !== fingers.length) return;
      [this.low, this.high] = [low, high];
      if (now.length === 1) this.pan((fingers[0] - now[0]) / width);
      else {
        const stretched = Math.abs(fingers[0] - fingers[1]) / Math.max(20, Math.abs(now[0] - now[1]));
        const middle = this.wavelength((fingers[0] + fingers[1]) / 2);
        this.zoom(stretched, middle);
        this.pan(((fingers[0] + fingers[1]) - (now[0] + now[1])) / 2 / width);
      }
    }

    later() {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
    }
  }

  // "#t1@5500-5700@0,2": chapter, wavelengths, which spectra. A link to what one looks at.
  function follow() {
    const [anchor, range, chosen] = location.hash.slice(1).split("@");
    const plot = plots.find((p) => p.anchor === anchor);
    if (!plot || !range) return;
    const [low, high] = range.split("-").map(Number);
    plot.show(low, high);
    const wanted = (chosen || "0").split(",").map(Number).filter((i) => plot.spectra[i]);
    if (wanted.length) plot.on = new Set(wanted);
    plot.draw();
    plot.place.closest("section").scrollIntoView();
  }

  for (const place of document.querySelectorAll(".plot")) plots.push(new Plot(place));
  plots.forEach((plot) => plot.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.draw()));
  window.addEventListener("hashchange", follow);
  follow();
  document.body.dataset.ready = String(plots.length);
})();
