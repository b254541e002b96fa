// How a plot is drawn on its canvas, whatever part of its spectra is to be seen.

class Drawing {
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
}
