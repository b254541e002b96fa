// An image of the sky with its sources: moved, zoomed and pointed at by mouse, fingers and keys.

const RADIAN = Math.PI / 180;

class Field {
  constructor(place) {
    this.place = place;
    this.images = JSON.parse(place.querySelector("script").textContent).map((raw) => this.load(raw));
    this.at = 0;
    this.canvas = element("canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `Image of ${place.dataset.name}; arrow keys move, plus and minus zoom, 0 shows all`);
    this.readout = element("output", {});
    this.bar = element("div", { className: "bar" });
    place.append(this.chooser(), this.canvas, this.readout, this.bar);
    this.choose(0);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  get image() { return this.images[this.at]; }

  load(raw) {
    const picture = new Image();
    picture.onload = () => this.draw();
    picture.src = raw.picture;
    const layers = raw.layers.map((l) => ({ ...l, x: floats(l.x), y: floats(l.y), on: true }));
    return { ...raw, picture, layers };
  }

  chooser() {
    const bar = element("div", { className: "bar" });
    this.chips = this.images.map((image, i) => element("button", { type: "button", onclick: () => this.choose(i) }, image.title));
    if (this.chips.length > 1) bar.append(...this.chips);
    return bar;
  }

  choose(i) {
    this.at = i;
    this.chips.forEach((chip, j) => chip.setAttribute("aria-pressed", i === j));
    this.bar.replaceChildren(...this.image.layers.map((layer, j) => this.switchOf(layer, j)), element("span", { className: "gap" }));
    const move = [["zoom in", () => this.zoom(2)], ["zoom out", () => this.zoom(0.5)], ["all", () => this.reset()]];
    for (const [text, action] of move) this.bar.append(element("button", { type: "button", onclick: action }, text));
    this.reset();
  }

  switchOf(layer, j) {
    const button = element("button", { type: "button" }, `${layer.name} (${layer.x.length})`);
    button.style.setProperty("--own", `var(--c${(j + 1) % 6})`);
    button.setAttribute("aria-pressed", layer.on);
    button.onclick = () => { layer.on = !layer.on; button.setAttribute("aria-pressed", layer.on); this.draw(); };
    return button;
  }

  get least() {
    const [nx, ny] = this.image.size;
    return Math.min((this.canvas.clientWidth || 1) / nx, (this.canvas.clientHeight || 1) / ny);
  }

  reset() { this.scale = 0; this.middle = this.image.size.map((n) => (n - 1) / 2); this.draw(); }

  // `scale` 0 stands for "all of it", whatever the size of the window.
  get zoomed() { return Math.max(this.scale || this.least, this.least); }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const before = this.pixel(x, y);
    this.scale = Math.min(Math.max(this.zoomed * factor, this.least), Math.max(24, 8 * this.least));
    const after = this.pixel(x, y);
    this.middle = this.middle.map((m, i) => m + before[i] - after[i]);
    this.limit();
    this.draw();
  }

  limit() { this.middle = this.middle.map((m, i) => Math.min(Math.max(m, -0.5), this.image.size[i] - 0.5)); }

  X(x) { return this.canvas.clientWidth / 2 + (x - this.middle[0]) * this.zoomed; }
  Y(y) { return this.canvas.clientHeight / 2 - (y - this.middle[1]) * this.zoomed; }
  pixel(X, Y) { return [this.middle[0] + (X - this.canvas.clientWidth / 2) / this.zoomed, this.middle[1] - (Y - this.canvas.clientHeight / 2) / this.zoomed]; }

  draw() {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !this.middle) return;
    const fine = window.devicePixelRatio || 1;
    this.canvas.width = width * fine;
    this.canvas.height = height * fine;
    const c = (this.context = this.canvas.getContext("2d"));
    c.scale(fine, fine);
    c.fillStyle = "#000";
    c.fillRect(0, 0, width, height);
    const { picture, factor, size } = this.image;
    // The picture is padded to whole blocks at the right and at the top.
    const [nx, ny] = size.map((n) => Math.ceil(n / factor) * factor);
    c.imageSmoothingEnabled = this.zoomed * factor < 3;
    if (picture.complete && picture.naturalWidth) c.drawImage(picture, this.X(-0.5), this.Y(ny - 0.5), nx * this.zoomed, ny * this.zoomed);
    this.image.layers.forEach((layer, j) => { if (layer.on) this.marks(layer, colour(`--c${(j + 1) % 6}`)); });
    this.compass();
    if (this.pointer) this.hover();
    this.place.dataset.view = [this.zoomed, ...this.middle].map((n) => n.toPrecision(6)).join(" ");
  }

  marks(layer, own) {
    const c = this.context;
    const radius = Math.min(Math.max(4, 6 * this.zoomed), 14);
    c.strokeStyle = own;
    c.lineWidth = 1.2;
    c.globalAlpha = 0.9;
    for (let i = 0; i < layer.x.length; i++) {
      const [x, y] = [this.X(layer.x[i]), this.Y(layer.y[i])];
      if (x < -20 || y < -20 || x > this.canvas.clientWidth + 20 || y > this.canvas.clientHeight + 20) continue;
      c.beginPath(); c.arc(x, y, radius, 0, 7); c.stroke();
    }
    c.globalAlpha = 1;
  }

  // Right ascension and declination by the tangential part of the map, degrees.
  sky(x, y) {
    const m = this.image.map;
    if (m.CD1_1 === undefined && m.CD1_2 === undefined) return undefined;
    const [dx, dy] = [x + 1 - m.CRPIX1, y + 1 - m.CRPIX2];
    const xi = ((m.CD1_1 || 0) * dx + (m.CD1_2 || 0) * dy) * RADIAN;
    const eta = ((m.CD2_1 || 0) * dx + (m.CD2_2 || 0) * dy) * RADIAN;
    const [a, d] = [m.CRVAL1 * RADIAN, m.CRVAL2 * RADIAN];
    const below = Math.cos(d) - eta * Math.sin(d);
    const ra = (a + Math.atan2(xi, below)) / RADIAN;
    return [(ra + 360) % 360, Math.atan2(Math.sin(d) + eta * Math.cos(d), Math.hypot(xi, below)) / RADIAN];
  }

  // North, east, and how long an arc minute (or ten arc seconds) is.
  compass() {
    const m = this.image.map;
    const det = (m.CD1_1 || 0) * (m.CD2_2 || 0) - (m.CD1_2 || 0) * (m.CD2_1 || 0);
    if (!det) return;
    const c = this.context;
    const arms = [["N", -(m.CD1_2 || 0) / det, (m.CD1_1 || 0) / det], ["E", (m.CD2_2 || 0) / det, -(m.CD2_1 || 0) / det]];
    const [x0, y0] = [this.canvas.clientWidth - 52, 52];
    c.font = "12px system-ui, sans-serif";
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.strokeStyle = c.fillStyle = "#ffd860";
    c.lineWidth = 1.5;
    for (const [name, dx, dy] of arms) {
      const length = Math.hypot(dx, dy);
      const [ux, uy] = [dx / length, -dy / length];
      c.beginPath(); c.moveTo(x0, y0); c.lineTo(x0 + 26 * ux, y0 + 26 * uy); c.stroke();
      c.fillText(name, x0 + 36 * ux, y0 + 36 * uy);
    }
    const minute = this.zoomed / 60 / Math.sqrt(Math.abs(det));
    const [text, bar] = [["5′", 5 * minute], ["1′", minute], ["10″", minute / 6], ["1″", minute / 60]].find(([, n]) => n < this.canvas.clientWidth / 3) || ["1″", minute / 60];
    const y = this.canvas.clientHeight - 14;
    c.beginPath(); c.moveTo(16, y); c.lineTo(16 + bar, y); c.stroke();
    c.fillText(text, 16 + bar / 2, y - 10);
  }

  hover() {
    const [x, y] = this.pixel(...this.pointer);
    const [nx, ny] = this.image.size;
    if (x < -0.5 || y < -0.5 || x > nx - 0.5 || y > ny - 0.5) { this.readout.textContent = ""; return; }
    const sky = this.sky(x, y);
    const lines = [`x ${x.toFixed(1)}, y ${y.toFixed(1)}${sky ? `; right ascension ${sky[0].toFixed(4)}°, declination ${sky[1].toFixed(4)}°` : ""}`];
    for (const layer of this.image.layers) {
      const i = layer.on ? this.nearest(layer, x, y) : -1;
      if (i >= 0) lines.push(`${layer.name} ${layer.said[i]}`);
    }
    this.readout.replaceChildren(...lines.flatMap((text, i) => (i ? [element("br", {}), text] : [text])));
  }

  nearest(layer, x, y) {
    let [found, best] = [-1, (12 / this.zoomed) ** 2];
    for (let i = 0; i < layer.x.length; i++) {
      const distance = (layer.x[i] - x) ** 2 + (layer.y[i] - y) ** 2;
      if (distance < best) [found, best] = [i, distance];
    }
    return found;
  }

  listen() {
    const canvas = this.canvas;
    const fingers = new Map();
    const place = (event) => { const b = canvas.getBoundingClientRect(); return [event.clientX - b.left, event.clientY - b.top]; };
    canvas.addEventListener("pointerdown", (event) => {
      try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone */ }
      fingers.set(event.pointerId, place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const now = (this.pointer = place(event));
      if (fingers.has(event.pointerId)) this.drag(fingers, event.pointerId, now);
      this.later();
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => { this.pointer = undefined; });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("wheel", (event) => {
      // A plain wheel scrolls the page, unless the image was clicked first.
      if (!event.ctrlKey && document.activeElement !== canvas) return;
      event.preventDefault();
      this.zoom(2 ** (-event.deltaY / 300), ...place(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const action = { ArrowLeft: () => this.move(60, 0), ArrowRight: () => this.move(-60, 0), ArrowUp: () => this.move(0, 60), ArrowDown: () => this.move(0, -60), "+": () => this.zoom(2), "=": () => this.zoom(2), "-": () => this.zoom(0.5), 0: () => this.reset() }[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  // One finger moves, two stretch.
  drag(fingers, id, now) {
    const before = fingers.get(id);
    const other = [...fingers.entries()].find(([key]) => key !== id);
    fingers.set(id, now);
    if (!other) { this.move(now[0] - before[0], now[1] - before[1]); return; }
    const apart = (a) => Math.max(20, Math.hypot(a[0] - other[1][0], a[1] - other[1][1]));
    this.zoom(apart(now) / apart(before), (now[0] + other[1][0]) / 2, (now[1] + other[1][1]) / 2);
  }

  move(dx, dy) {
    this.scale = this.zoomed;
    this.middle = [this.middle[0] - dx / this.zoomed, this.middle[1] + dy / this.zoomed];
    this.limit();
    this.later();
  }

  later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }
}
