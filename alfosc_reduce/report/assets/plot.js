// A plot: which spectra between which wavelengths, set by buttons, mouse, fingers and keys.

class Plot extends Drawing {
  constructor(place) {
    super();
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
