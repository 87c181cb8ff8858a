const { meta, layers, machine } = data;
const rate = (layer) => layer.macs && layer.seconds ? layer.macs / layer.seconds / 1e9 : 0;
const words = (layer, index) => [
  `${index}  ${layer.name}`, `${layer.detail}, ${layer.dtype} ${shape(layer.shape)}`,
  `${span(layer.seconds)}, ${percent(layer.share)} of the layers`,
  layer.macs ? `${macs(layer.macs)}, ${rate(layer).toFixed(1)} GMAC/s` : "no products",
  `moves ${size(layer.bytes)}`,
  layer.limit && layer.seconds ? `${percent(layer.limit / layer.seconds)} of the limit (${layer.bound})` : "",
].filter(Boolean).join("\n");

heading(`${meta.name} ${meta.version}`, `${meta.target} · profile`,
  `Measured on ${data.place}: the module as it serves, layer by layer, medians of ${count(data.rounds)} rounds; ` +
  `the call from the host (${span(data.call)}) is not counted.`);
const gain = layers.filter((l) => l.limit).reduce((sum, l) => sum + Math.max(0, l.seconds - l.limit), 0);
figures([
  [span(data.run), "an inference"],
  [span(data.sum), "sum of the layers"],
  [macs(data.macs), "an inference"],
  [`${(data.macs / data.run / 1e9 || 0).toFixed(1)} GMAC/s`, "over all"],
  ...(machine ? [[percent(Math.max(0, 1 - gain / (data.sum || 1))), "of the machine's limit"]] : []),
]);

function flame() {
  const width = WIDTH, row = 24, depth = Math.max(...data.frames.map((f) => f.depth)) + 1;
  const svg = draw("svg", { width, height: depth * row + 22, viewBox: `0 0 ${width} ${depth * row + 22}`, role: "img" });
  let from = 0, to = data.sum || 1;
  const render = () => {
    svg.replaceChildren();
    const x = (t) => (t - from) / (to - from) * width;
    for (const frame of data.frames) {
      const left = Math.max(0, x(frame.start)), right = Math.min(width, x(frame.end));
      if (right - left < 0.3) continue;
      const layer = frame.layer === null ? null : layers[frame.layer];
      const group = draw("g", { class: "zoom" });
      const y = frame.depth * row;
      group.append(draw("rect", {
        x: left + 0.5, y: y + 0.5, width: Math.max(0.3, right - left - 1), height: row - 2, rx: 2,
        fill: layer ? colour(layer) : "var(--line)", "fill-opacity": layer ? 0.85 : 1,
      }));
      if (right - left > 26) {
        const label = draw("text", { x: left + 6, y: y + 16 }, clip(frame.name, right - left - 10));
        if (layer) label.setAttribute("style", "fill:#fff;font-weight:500");
        group.append(label);
      }
      explain(group, layer ? words(layer, frame.layer)
        : `${frame.name}\n${span(frame.end - frame.start)}, ${percent((frame.end - frame.start) / (data.sum || 1))}`);
      group.addEventListener("click", () => { [from, to] = frame.depth ? [frame.start, frame.end] : [0, data.sum || 1]; render(); });
      svg.append(group);
    }
    const bottom = depth * row + 16;
    svg.append(draw("text", { x: 0, y: bottom, class: "soft" }, span(from)));
    svg.append(draw("text", { x: width, y: bottom, class: "soft", "text-anchor": "end" }, span(to)));
  };
  render();
  return make("div", { class: "card" }, svg);
}

function clip(text, width) {
  const room = Math.floor(width / 6.6);
  return text.length <= room ? text : room < 3 ? "" : `${text.slice(0, room - 1)}…`;
}

// 1, 2, 5, 10, … within a range.
function ticks([from, to]) {
  const found = [];
  for (let e = Math.floor(Math.log10(from)); e <= Math.log10(to); e++) {
    for (const step of [1, 2, 5]) found.push(Number((step * 10 ** e).toPrecision(1)));
  }
  return found.filter((value) => value >= from && value <= to);
}

function roofline() {
  const width = WIDTH, height = 420, left = 64, right = 20, top = 14, bottom = 44;
  const points = layers.map((layer, index) => ({ layer, index })).filter(({ layer }) => layer.macs && layer.seconds);
  const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
  if (!points.length || !machine) return null;
  const kinds = [...new Set(points.map(({ layer }) => layer.kind))].filter((kind) => machine.peak[kind]);
  const peaks = kinds.map((kind) => machine.peak[kind] / 1e9);
  const slope = machine.bandwidth / 1e9;
  const intensity = ({ layer }) => layer.macs / layer.bytes;
  const low = (values) => Math.min(...values) / 1.6;
  const high = (values) => Math.max(...values) * 2;
  const corners = peaks.map((peak) => peak / slope);
  const xs = [low([...points.map(intensity), ...corners]), high([...points.map(intensity), ...corners])];
  const ys = [low(points.map(({ layer }) => rate(layer))), high([...peaks, ...points.map(({ layer }) => rate(layer))])];
  const scale = (value, [a, b], from, to) => from + (Math.log10(value) - Math.log10(a)) / (Math.log10(b) - Math.log10(a)) * (to - from);
  const x = (value) => scale(value, xs, left, width - right), y = (value) => scale(value, ys, height - bottom, top);
  for (const value of ticks(xs)) {
    svg.append(draw("line", { x1: x(value), x2: x(value), y1: top, y2: height - bottom, class: "axis" }));
    svg.append(draw("text", { x: x(value), y: height - bottom + 18, class: "soft", "text-anchor": "middle" }, value));
  }
  for (const value of ticks(ys)) {
    svg.append(draw("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "axis" }));
    svg.append(draw("text", { x: left - 8, y: y(value) + 4, class: "soft", "text-anchor": "end" }, value));
  }
  svg.append(draw("text", { x: (left + width) / 2, y: height - 6, class: "soft", "text-anchor": "middle" }, "products for each byte moved (MAC/B)"));
  svg.append(draw("text", { x: 12, y: (top + height - bottom) / 2, class: "soft", "text-anchor": "middle", transform: `rotate(-90 12 ${(top + height - bottom) / 2})` }, "GMAC/s"));
  kinds.forEach((kind, index) => {
    const peak = peaks[index], start = Math.max(xs[0], ys[0] / slope), corner = peak / slope;
    svg.append(draw("path", {
      d: `M${x(start)},${y(start * slope)} L${x(corner)},${y(peak)} L${x(xs[1])},${y(peak)}`,
      fill: "none", stroke: "var(--ink)", "stroke-width": 1.5, "stroke-dasharray": index ? "5 4" : "none",
    }));
    svg.append(draw("text", { x: x(Math.max(corner, xs[0])) + 8, y: y(peak) + (peak < Math.max(...peaks) ? 16 : -7) }, `${kind} peak ${peak.toFixed(1)} GMAC/s`));
  });
  for (const point of [...points].sort((a, b) => b.layer.share - a.layer.share)) {
    const dot = draw("circle", {
      cx: x(intensity(point)), cy: y(rate(point.layer)), r: Math.max(4, 34 * Math.sqrt(point.layer.share)),
      fill: colour(point.layer), "fill-opacity": 0.55, stroke: colour(point.layer), class: "hot",
    });
    svg.append(explain(dot, words(point.layer, point.index)));
    if (point.layer.share > 0.045) {
      svg.append(draw("text", { x: x(intensity(point)), y: y(rate(point.layer)) + 4, "text-anchor": "middle", "font-size": 10, "pointer-events": "none" }, point.index));
    }
  }
  return make("div", { class: "card" }, svg);
}

section("Time", "Layers in the order in which they run, under the scopes of their ONNX names. Click a bar to look closer, the topmost to go back.",
  legend(layers), flame());
const roof = roofline();
if (roof) {
  section("Against the machine", `The roof is what the machine reaches at best: its peak on a pointwise convolution, and copies within ${size(machine.workingSet)}, ` +
    "the arena and the weights. A circle's area is the layer's share of the time, its number the layer; far below the roof and large is worth a look.", roof);
}
const most = Math.max(...layers.map((layer) => layer.share)) || 1;
section("Layers", "Click a heading to sort.", table([
  { title: "#", right: true, value: (_, i) => -i, text: (_, i) => String(i) },
  { title: "Layer", name: true, value: (l) => l.name, text: (l) => l.name },
  { title: "Operator", value: (l) => l.detail, text: (l) => l.detail },
  { title: "Output", value: (l) => l.dtype, text: (l) => `${l.dtype} ${shape(l.shape)}` },
  { title: "Time", right: true, value: (l) => l.seconds, text: (l) => span(l.seconds) },
  { title: "Share", value: (l) => l.share, text: (l) => make("span", {},
    make("i", { class: "bar", style: `width:${Math.round(90 * l.share / most)}px;background:${colour(l)}` }), ` ${percent(l.share)}`) },
  { title: "GMAC/s", right: true, value: rate, text: (l) => rate(l) ? rate(l).toFixed(1) : "–" },
  { title: "Moves", right: true, value: (l) => l.bytes, text: (l) => size(l.bytes) },
  ...(machine ? [{ title: "Of limit", right: true, value: (l) => l.limit / l.seconds || 0,
    text: (l) => l.limit && l.seconds ? `${percent(l.limit / l.seconds)} ${l.bound}` : "–" }] : []),
], layers));
