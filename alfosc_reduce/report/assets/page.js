// All plots of the page, and the address that says what is looked at.

const plots = [];

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
const fields = [...document.querySelectorAll(".field")].map((place) => new Field(place));
const drawn = [...plots, ...fields];
drawn.forEach((one) => one.draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((one) => one.draw()));
window.addEventListener("hashchange", follow);
follow();
document.body.dataset.ready = String(drawn.length);
